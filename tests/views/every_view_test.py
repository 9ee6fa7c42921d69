#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every view on every dump: of the fixtures, and of folders of one's own.

usage: [CRGEN_DUMPS=FOLDER:...] every_view_test.py SOURCE_FOLDER CRGEN [--update]

CRGEN_DUMPS: folders below which all dumps (folders with an inventory.img, archives) are looked at
too. --update writes the goldens of `why`, `check` and `tree` anew, for a person to look at.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

root, crgen = pathlib.Path(sys.argv[1]), sys.argv[2]
update = "--update" in sys.argv[3:]
fixtures = root / "tests/fixtures/dumps"
golden = root / "tests/views/golden"
SECONDS = 600
failures = checked = 0


def fail(what):
    global failures
    failures += 1
    print(what)


def run(arguments, codes):
    """What `crgen` prints; None if it does not end as it should."""
    global checked
    checked += 1
    line = "crgen " + " ".join(map(str, arguments))
    try:
        ran = subprocess.run([crgen, *map(str, arguments)], capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return fail(f"{line}: takes more than {SECONDS} s")
    said = ran.stderr.decode(errors="replace")
    if ran.returncode not in codes:
        return fail(f"{line}: exit {ran.returncode}, expected {codes}: {said[:300]}")
    if ran.returncode == 0 and not ran.stdout and "-o" not in arguments:
        return fail(f"{line}: prints nothing")
    return ran.stdout.decode(errors="surrogateescape")


def run_json(arguments, codes):
    text = run([*arguments, "--json"], codes)
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        return fail(f"crgen {' '.join(map(str, arguments))} --json: {error}")


def look(dump, folder):
    shown = run_json(["show", "all", dump], [0]) or {}
    run(["show", "all", dump], [0])
    run(["show", "files", "--svg", dump], [0])
    run(["why", dump], [0])
    why = run_json(["why", dump], [0]) or {}
    planned = why.get("crgen", {}).get("answer") in ("yes", "with")
    for arguments in (["plan", dump], ["plan", "--explain", dump]):
        run(arguments, [0] if planned else [4, 5])
    run(["check", dump], [0])
    run_json(["check", dump], [0])
    # What no program can say is denied, but for what is no authority.
    policy = folder / "policy.json"
    policy.write_text(run(["-q", "check", "--derive", dump], [0]) or "{}")
    verdict = run_json(["check", dump, "--policy", policy], [0] if planned else [0, 6]) or {}
    for cause in verdict.get("causes", []):
        if cause["member"]:
            fail(f"crgen check {dump}: denied under its own policy: {cause}")
    run(["diff", dump, dump], [0])
    run_json(["diff", dump, dump], [0])
    for arguments in (["tree", dump], ["tree", "--svg", dump], ["tree", "--dot", dump]):
        run(arguments, [0, 5])
    run(["needs", dump], [0] if planned else [0, 4, 5])
    page = folder / "report.html"
    run(["report", dump, "-o", page], [0])
    page.unlink(missing_ok=True)
    living = [it["pid"] for it in shown.get("processes", []) if it.get("state") != "zombie"]
    for pid in living[:1]:
        core = folder / "core"
        run(["core", dump, "--pid", pid, "-o", core], [0])
        core.unlink(missing_ok=True)
        run(["memory", dump, "--pid", pid, "--strings"], [0])


def compare(name, view, text):
    path = golden / f"{name}.{view}"
    if text is None:
        return
    if update:
        path.write_text(text)
    elif not path.exists() or path.read_text() != text:
        lines = text.splitlines()
        expected = path.read_text().splitlines() if path.exists() else []
        other = next((i for i, pair in enumerate(zip(lines, expected)) if pair[0] != pair[1]),
                     min(len(lines), len(expected)))
        fail(f"{path.name}: line {other + 1} is {lines[other:other + 1]}, "
             f"expected {expected[other:other + 1]}")


def compare_with_goldens(dump):
    # The verdict of this host is that of whoever runs the test.
    why = run(["why", dump], [0])
    if why is not None:
        why = re.sub(r"^host .*\n", "", why, flags=re.M)
        why = re.sub(r"\nhost:\n.*?(?=\n\n|\Z)", "", why, flags=re.S)
    compare(dump.name, "why", why)
    compare(dump.name, "check", run(["check", dump], [0]))
    compare(dump.name, "tree", run(["tree", dump], [0]))


def dumps_below(folder):
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.name == "inventory.img":
            yield path.parent
        elif re.search(r"\.tar(\.gz|\.zst|\.xz)?$", path.name):
            listed = subprocess.run(["tar", "tf", path], capture_output=True, text=True)
            if re.search(r"(^|/)inventory\.img$", listed.stdout, re.M):
                yield path


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    for dump in sorted(fixtures.iterdir()):
        compare_with_goldens(dump)
        look(dump, folder)
    for above in filter(None, os.environ.get("CRGEN_DUMPS", "").split(":")):
        for dump in dumps_below(above):
            print(dump, flush=True)
            look(dump, folder)
print(f"{checked} views, {failures} failures")
sys.exit(failures != 0)
