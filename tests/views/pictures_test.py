#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pictures of trees and of shared files: well-formed, complete where a tree is small, bounded where it is large, and
those of docs/pictures are what the programs draw. CRGEN_REBASE=1 rewrites these.

usage: pictures_test.py SOURCE_FOLDER CRGEN [CRRESTORE]

With CRRESTORE, as root: a dump is restored, and its picture has all of its plan.
"""
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

root, crgen = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
sys.path.insert(0, str(root / "scripts"))
sys.dont_write_bytecode = True
import pictures as script  # noqa: E402

dumps = root / "tests/fixtures/dumps"
SVG = "{http://www.w3.org/2000/svg}"
failures = checked = 0


def expect(what, found, expected):
    global failures, checked
    checked += 1
    if found != expected:
        failures += 1
        print(f"{what}: found {str(found)[:400]}, expected {str(expected)[:400]}")


def run(*arguments, codes=(0,), stdin=None):
    done = subprocess.run([crgen, *map(str, arguments)], capture_output=True, timeout=120, stdin=stdin)
    expect(f"{arguments}: exit code ({done.stderr[:200]})", done.returncode in codes, True)
    return done.stdout.decode()


class Picture:
    def __init__(self, text):
        self.root = xml.fromstring(text)
        self.texts = [it.text or "" for it in self.root.iter(SVG + "text")]
        self.size = len(text)
        self.elements = [it.tag.removeprefix(SVG) for it in self.root.iter()]

    def boxes(self, kind):
        return [it for it in self.root.iter(SVG + "rect") if it.get("class", "") == kind]

    def arrows(self):
        return [it for it in self.root.iter(SVG + "path") if it.get("class") == "adoption"]


def overlap(boxes):
    """Pairs of boxes that cover each other."""
    places = [tuple(int(box.get(name)) for name in ("x", "y", "width", "height")) for box in boxes]
    return [(a, b) for i, a in enumerate(places) for b in places[:i]
            if a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]]


def check_tree(dump):
    picture = Picture(run("tree", "--svg", dump))
    processes = json.loads(run("show", "--json", dump))["processes"]
    for process in processes:
        expect(f"{dump.name}: {process['pid']} is drawn", str(process["pid"]) in picture.texts, True)
    words = run("tree", dump)
    invented = len(re.findall(r"^invented \d+:", words, flags=re.M))
    expect(f"{dump.name}: invented processes", len(picture.boxes("dashed")), invented)
    expect(f"{dump.name}: boxes", len(picture.boxes("")), len(processes))
    sessions = {process["sid"] for process in processes}
    expect(f"{dump.name}: sessions", len(picture.boxes("frame")) >= len(sessions), True)
    births = sorted(int(number) for text in picture.texts for number in re.findall(r"^born (\d+)", text))
    expect(f"{dump.name}: births", births, list(range(1, len(processes) + invented + 1)))
    expect(f"{dump.name}: overlapping boxes", overlap(picture.boxes("") + picture.boxes("dashed") + picture.boxes("folded")), [])
    expect(f"{dump.name}: elements", {"script", "image", "a", "foreignObject"} & set(picture.elements), set())
    return len(picture.arrows())


def check_dot(tree, drawn):
    text = run("tree", "--dot", tree)
    expect(f"{tree}: braces", text.count("{"), text.count("}"))
    expect(f"{tree}: nodes", len(re.findall(r"^ +p\d+ \[label=", text, flags=re.M)), drawn)
    if shutil.which("dot"):
        done = subprocess.run(["dot", "-Tsvg"], input=text.encode(), capture_output=True, timeout=120)
        expect(f"{tree}: dot ({done.stderr[:200]})", done.returncode, 0)


def check_large():
    """5,000 processes in several forms: all of them are drawn, or counted."""
    flat = "1 1 1 [ " + " ".join(f"{i} {i} {i} []" for i in range(2, 5001)) + " ]"
    deep = "".join(f"{i} 1 1 [ " for i in range(1, 5001)) + "]" * 5000
    wide = "1 1 1 [ " + " ".join(f"{i} {i} {i} [ " + " ".join(f"{i * 100 + k} {i} {i} []" for k in range(70)) + " ]"
                                 for i in range(2, 72)) + " ]"
    for name, text, number in (("flat", flat, 5000), ("deep", deep, 5000), ("wide", wide, 1 + 70 * 71)):
        picture = Picture(run("tree", "--svg", text))
        shown = len(picture.boxes(""))
        folded = sum(int(number) for it in picture.texts for number in re.findall(r"^(\d+) more below", it))
        expect(f"{name}: drawn or counted", shown + folded, number)
        expect(f"{name}: bounded", shown <= 120 and picture.size < 100000, True)
        check_dot(text, shown)


def check_files(dump):
    picture = Picture(run("show", "files", "--svg", dump))
    files = json.loads(run("show", "files", "fds", "--json", dump))
    users = {table["table"]: table["pids"] for table in files["fds"]}
    shared = [it for it in files["files"]
              if sum(len(users.get(table, [])) for table in {holder["table"] for holder in it["holders"]}) > 1]
    title = picture.root.find(SVG + "title").text
    expect(f"{dump.name}: {title}", title.startswith(f"{len(shared)} description"), True)
    for it in shared:
        path = it["file"].get("path", "")
        expect(f"{dump.name}: {path} is drawn", any(path[:40] in text for text in picture.texts), True)
    expect(f"{dump.name}: overlapping boxes", overlap(picture.boxes("")), [])


def check_documents():
    """Those that are the same each time, byte for byte; the others by what is in them."""
    made = {name: run(*arguments) for name, arguments in script.DRAWN.items()}
    with tempfile.TemporaryDirectory() as folder:
        made["memory"] = script.memory_picture(pathlib.Path(folder), crgen)
    for name, picture in made.items():
        path = root / f"docs/pictures/{name}.svg"
        if os.environ.get("CRGEN_REBASE"):
            path.write_text(picture)
        expect(f"docs/pictures/{name}.svg", path.read_text() if path.exists() else "", picture)
    core = Picture((root / "docs/pictures/core.svg").read_text())
    show = json.loads(run("show", "memory", "processes", "--json", "--pid", "31500", dumps / "threads"))
    for tid in (31500, *show["processes"][0]["tids"]):
        expect(f"core: thread {tid}", any(f" LWP {tid} " in text for text in core.texts), True)
    for region in show["memory"][0]["regions"]:
        start = f"{int(region['start'], 16):#018x} - "
        if region["what"] != "[vvar]":
            expect(f"core: region {region['start']}", any(start in text for text in core.texts), True)
    dot = Picture((root / "docs/pictures/dot.svg").read_text())
    nodes = re.findall(r'^ +p\d+ \[label="([^"]*)"', run("tree", "--dot", dumps / "pidns"), flags=re.M)
    expect("dot: nodes", sorted(node.split("\\n")[0] for node in nodes), sorted(text for text in dot.texts if text.isdigit()))
    for line in Picture((root / "docs/pictures/trace.svg").read_text()).texts:
        if line.startswith("["):
            pid, name = json.loads(line)[2:]
            expect(f"trace: {line}", any(command["pid"] == pid for command in plan_of("sessions")), True)
    shown = set(re.findall(r"\(pictures/([^)]+)\)", (root / "docs/looking.md").read_text()))
    expect("pictures that are shown", sorted(shown), sorted(it.name for it in (root / "docs/pictures").iterdir()))


@functools.cache
def plan_of(dump):
    return json.loads(run("-q", dumps / dump))


def check_gantt(path):
    """That of docs/pictures is of a real restore of a dump that is here: times are those of that one."""
    plan = plan_of("sessions")
    picture = Picture(path.read_text())
    for pid in {command["pid"] for command in plan}:
        expect(f"gantt: row of {pid}", (str(pid) if pid else "restorer") in picture.texts, True)
    titles = [line for it in picture.root.iter(SVG + "title") for line in (it.text or "").splitlines()]
    more = sum(int(number) for line in titles for number in re.findall(r"^and (\d+) more", line))
    named = {int(number) for line in titles for number in re.findall(r"^commands\[(\d+)\] .*: [\d.]+ ms from ", line)}
    joined = sum(int(number) for line in titles for number in re.findall(r"^commands\[\d+\] LOAD_PAGES, with (\d+) more of .* ms from ", line))
    missing = [i for i, command in enumerate(plan) if i not in named and command["command"] not in ("LOAD_PAGES", "SET_ATTR")]
    loads = [i for i, command in enumerate(plan) if i not in named and command["command"] == "LOAD_PAGES"]
    expect(f"gantt: commands (not named: {missing})", len(missing) + len(loads) - joined <= more, True)
    # What of SET_ATTR is left to the end is one for each process that resumes.
    resumed = {command["pid"] for command in plan if command["command"] == "RESUME"}
    ends = {int(pid) for line in titles for pid in re.findall(r"^commands\[\d+\] SET_ATTR.* of (\d+): ", line)}
    expect("gantt: RESUME", len(resumed - {int(pid) for line in titles for pid in re.findall(r"\] RESUME of (\d+): ", line)}) <= more, True)
    expect("gantt: attributes", len(resumed - ends) <= more, True)
    waits = [line for line in titles if re.match(r"(\d+|the restorer) waits [\d.]+ ms with ", line)]
    expect("gantt: waits", len(waits) > 0, True)
    for line in waits:
        expect("gantt: for whom", " for commands[" in line, True)
    expect("gantt: the chain in words", any(text.startswith("it took ") for text in picture.texts), True)


def check_restored(crrestore):
    """The same of a restore of now."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        script.restore(crgen, crrestore, "sessions", folder, "--gantt", folder / "gantt.svg", "--trace", folder / "trace.json")
        check_gantt(folder / "gantt.svg")
        slices = [it for it in json.loads((folder / "trace.json").read_text())["traceEvents"] if it["ph"] == "X" and it["cat"] == "command"]
        done = {number for it in slices for number in (it["args"]["command"], *it["args"].get("with", []))}
        expect("trace: commands", sorted(done), list(range(len(plan_of("sessions")))))


def check_hostile():
    """Names of files that would be markup."""
    with tempfile.TemporaryDirectory() as folder:
        dump = pathlib.Path(folder) / "dump"
        shutil.copytree(dumps / "shared_fds", dump)
        image = dump / "files.img"
        name = b"/tmp/crgen-fixture/shared_fds/"
        hostile = b"/</text><script>x&\"'\x1b\x7f]]>\xff\xef\xbf\xbf"
        image.write_bytes(image.read_bytes().replace(name, hostile[:len(name)].ljust(len(name), b"<")))
        picture = Picture(run("show", "files", "--svg", dump, codes=(0, 3)))
        expect("hostile names: elements", {"script"} & set(picture.elements), set())
        expect("hostile names: as text", any("<script>" in text for text in picture.texts), True)


arrows = {dump.name: check_tree(dump) for dump in sorted(dumps.iterdir())}
# 12 and 13 are born of the invented 902, and end up with init.
expect("adoptions are drawn", arrows["pidns"], 2)
expect("nobody is adopted", arrows["shared_fds"], 0)
for dump in sorted(dumps.iterdir()):
    check_files(dump)
    check_dot(dump, len(json.loads(run("show", "--json", dump))["processes"])
              + len(re.findall(r"^invented \d+:", run("tree", dump), flags=re.M)))
check_large()
check_hostile()
check_documents()
check_gantt(root / "docs/pictures/gantt.svg")
if len(sys.argv) > 3 and os.geteuid() == 0:
    check_restored(sys.argv[3])
for wrong in (("show", "fds", "--svg"), ("show", "--svg"), ("show", "files", "fds", "--svg"), ("show", "files", "--svg", "--json"),
              ("show", "files", "--svg", "--pid", "31500"), ("tree", "--svg", "--dot"),
              ("tree", "--svg", "--program")):
    run(*wrong, dumps / "threads", codes=(2,))
print(f"{checked} checks, {failures} failures")
sys.exit(1 if failures else 0)
