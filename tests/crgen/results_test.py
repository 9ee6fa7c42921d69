#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the programs print for machines is what the schemas of schema/ say, of every dump.

usage: results_test.py SOURCE_FOLDER CRGEN CRRESTORE
"""
import base64
import json
import pathlib
import subprocess
import sys
import tempfile

import jsonschema

root, crgen, crrestore = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
failures = checked = 0


def validator(name):
    schema = json.loads((root / "schema" / (name + ".schema.json")).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def check(name, arguments, codes, text=None):
    """The result, which is of schema `name`; `codes`: how the program may end."""
    global failures, checked
    done = subprocess.run(arguments, input=text, capture_output=True, text=True, timeout=120)
    checked += 1
    try:
        result = json.loads(done.stdout)
        found = [f"{error.json_path}: {error.message[:200]}" for error in schemas[name].iter_errors(result)]
    except json.JSONDecodeError as error:
        result, found = None, [str(error)]
    if done.returncode not in codes:
        found.append(f"exit code {done.returncode}, expected one of {codes}: {done.stderr[:300]}")
    for line in found:
        failures += 1
        print(f"{' '.join(arguments)}: {line}")
    return result


def of_dump(dump, folder):
    check("show", [crgen, "show", "all", "--json", dump], (0, 3))
    check("why", [crgen, "why", "--json", dump], (0,))
    check("needs", [crgen, "needs", "--json", dump], (0, 3, 4))
    check("plan", [crgen, "plan", "--json", "--explain", "--partial", dump], (0,))
    plan = folder / "plan.json"
    plan.write_bytes(subprocess.run([crgen, "-q", "--partial", dump], stdout=subprocess.PIPE, check=True).stdout)
    check("findings", [crgen, "validate", "--json", "--against", dump, str(plan)], (0,))
    check("diff", [crgen, "diff", "--json", dump, str(plan)], (0, 6))
    check("check", [crgen, "check", "--json", dump], (0,))
    consents = ["--partial", "--shell-job", "--file-locks", "--tcp-established"]
    dry = check("crrestore", [crrestore, "--dry-run", "--json", *consents, str(plan)], (0, 4))
    commands = sum("sees_end" not in step for process in dry.get("processes", []) for step in process["steps"])
    if "processes" in dry and commands != len(json.loads(plan.read_text())):
        global failures
        failures += 1
        print(f"{dump}: the schedule has {commands} commands")


def of_memory():
    """Machines get the bytes that people get."""
    dump, pid = str(root / "tests/fixtures/dumps/threads"), "31500"
    memory = [crgen, "memory", "--json", "--pid", pid, dump]

    def expect(what, found, wanted):
        global failures, checked
        checked += 1
        if found != wanted:
            failures += 1
            print(f"memory: {what}: {str(found)[:200]}, expected {str(wanted)[:200]}")

    strings = check("memory", [*memory, "--strings"], (0,))["strings"]
    plain = subprocess.run([crgen, "memory", "--strings", "--pid", pid, dump], capture_output=True, text=True).stdout
    expect("strings", [it["text"] for it in strings if len(it["text"]) < 99 and " " not in it["text"]],
           [line.split()[-1] for line in plain.splitlines() if len(line.split("  ", 2)[2]) < 99 and " " not in line.split("  ", 2)[2]])
    needle = b"/tmp/crgen-fixture/"
    matches = check("memory", [*memory, "--bytes", needle.hex()], (0,))
    expect("matches", {base64.b64decode(it["bytes"]) for it in matches["matches"]}, {needle})
    expect("more", matches["more"], False)
    expect("limit", check("memory", [*memory, "--limit", "1", "--search", "crgen"], (0,))["more"], True)
    start, end = (int(matches["matches"][0]["region"][bound], 16) for bound in ("start", "end"))
    parts = check("memory", [*memory, "--at", f"{start - 4096:x},{end - start + 8192}"], (0,))["parts"]
    expect("bounds", (int(parts[0]["start"], 16), int(parts[-1]["end"], 16)), (start - 4096, end + 4096))
    for part, behind in zip(parts, parts[1:]):
        expect("no gap", part["end"], behind["start"])
    pages = {int(it["start"], 16): base64.b64decode(it["bytes"]) for it in parts if it["in"] == "pages"}
    for match in matches["matches"]:
        at = int(match["address"], 16)
        for page, content in pages.items():
            if page <= at < page + len(content):
                expect(f"bytes at {at:x}", content[at - page:][:len(needle)], needle)


def of_host():
    """Facts of this host; and what the schema takes is what the program takes."""
    dump = str(root / "tests/fixtures/dumps/shared_fds")
    check("host-facts", [crgen, "host-facts"], (0,))
    facts = check("host-facts", [crgen, "host-facts", dump], (0,))
    changes = [lambda f: f.pop("version"), lambda f: f.update(version=2), lambda f: f.update(version="1"),
               lambda f: f.pop("host"), lambda f: f.pop("kernel"), lambda f: f.pop("facts"), lambda f: f.update(host=1),
               lambda f: f.update(more={}), lambda f: f.update(facts=[]), lambda f: f["facts"].update(moods={}),
               lambda f: f["facts"].pop("files"), lambda f: f["facts"].update(files=[]),
               lambda f: f.update({"$schema": "x"}), lambda f: f.update({"$schema": 1}), lambda f: f["facts"].clear()]
    for value in (0, -1, 1.5, True, None, {}, [], ["x"], [1], [[]], "x", "0x", "0x0", "0xG", "0xFF", "0x" + "f" * 16,
                  "0x" + "f" * 17, 2 ** 64 - 1, 2 ** 64):
        changes.append(lambda f, value=value: f["facts"]["files"].update(new=value))
    global failures, checked
    taken = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, change in enumerate(changes):
            mutant = json.loads(json.dumps(facts))
            change(mutant)
            file = pathlib.Path(folder) / "facts.json"
            file.write_text(json.dumps(mutant))
            done = subprocess.run([crgen, "why", "--host-facts", str(file), dump], capture_output=True)
            valid = schemas["host-facts"].is_valid(mutant)
            checked += 1
            taken += valid
            if done.returncode != (0 if valid else 3):
                failures += 1
                print(f"host-facts: change {number}: schema {valid}, exit code {done.returncode}: {done.stderr}")
    if not 5 < taken < len(changes) - 5:
        failures += 1
        print(f"host-facts: {taken} of {len(changes)} changes are taken")
    printed = subprocess.run([crgen, "schema", "--host-facts"], capture_output=True, text=True).stdout
    if printed != (root / "schema/host-facts.schema.json").read_text():
        failures += 1
        print("schema/host-facts.schema.json is not what `crgen schema --host-facts` prints")


def of_wrong_plans():
    """Each finding says where, in every way that is known."""
    fork = '[{"command": "FORK", "pid": 0, "child_pid": 10},\n'
    for text, wanted in (
            (fork + '{"command": "SET_PGID", "pid": 10, "pgid": 77}]',
             {"severity": "error", "line": 2, "command": 1, "pid": 10, "errno": "EPERM"}),
            (fork + '{"command": "SET_SID", "pid": "x"}]',
             {"severity": "error", "line": 2, "pointer": "/1/pid"}),
            ("[", {"severity": "error"})):
        for name, arguments in (("findings", [crgen, "validate", "--complete", "--json", "-"]),
                                ("crrestore", [crrestore, "--json", "--preflight", "-"])):
            found = check(name, arguments, (3,), text)
            first = (found["findings"] if name == "crrestore" else found)[0]
            if not wanted.items() <= first.items():
                global failures
                failures += 1
                print(f"{arguments[0]}: {text}\nexpected {wanted}\nfound    {first}")


schemas = {name: validator(name) for name in ("findings", "needs", "why", "show", "plan", "diff", "check", "crrestore", "host-facts",
                                              "memory")}
with tempfile.TemporaryDirectory() as temporary:
    for path in sorted((root / "tests/fixtures/dumps").iterdir()):
        of_dump(str(path / "images" if (path / "images").is_dir() else path), pathlib.Path(temporary))
of_memory()
of_host()
of_wrong_plans()
print(f"{checked} results, {failures} failures")
sys.exit(1 if failures or checked < 100 else 0)
