#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the programs print for machines is what the schemas of schema/ say, of every dump.

usage: results_test.py SOURCE_FOLDER CRGEN CRRESTORE
"""
import base64
import json
import pathlib
import shutil
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
    global failures
    check("show", [crgen, "show", "all", "--json", dump], (0, 3))
    check("why", [crgen, "why", "--json", dump], (0,))
    check("needs", [crgen, "needs", "--json", dump], (0, 3, 4))
    check("plan", [crgen, "plan", "--json", "--explain", "--partial", dump], (0,))
    plan = folder / "plan.json"
    plan.write_bytes(subprocess.run([crgen, "-q", "--partial", dump], stdout=subprocess.PIPE, check=True).stdout)
    check("findings", [crgen, "validate", "--json", "--against", dump, str(plan)], (0,))
    ended = check("state", [crgen, "validate", "--json", "--state", str(plan)], (0,))
    for name, member in (("findings", "findings"), ("show", "state")):
        for error in schemas[name].iter_errors(ended[member]):
            failures += 1
            print(f"{dump}: {member} of --state: {error.json_path}: {error.message[:200]}")
    check("diff", [crgen, "diff", "--json", dump, str(plan)], (0, 6))
    check("check", [crgen, "check", "--json", dump], (0,))
    consents = ["--partial", "--shell-job", "--file-locks", "--tcp-established"]
    dry = check("crrestore", [crrestore, "--dry-run", "--json", *consents, str(plan)], (0, 4))
    commands = sum("sees_end" not in step for process in dry.get("processes", []) for step in process["steps"])
    if "processes" in dry and commands != len(json.loads(plan.read_text())):
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
    last = subprocess.run([*memory, "--at", "ffffffffffffffff,512"], capture_output=True, text=True)
    expect("the last address", (last.returncode, last.stdout, "the last address" in last.stderr), (2, "", True))
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


def of_trees():
    """How trees are rebuilt is what is drawn, and what the program does."""
    global failures, checked

    def expect(what, found, wanted):
        global failures, checked
        checked += 1
        if found != wanted:
            failures += 1
            print(f"tree: {what}: {str(found)[:300]}, expected {str(wanted)[:300]}")

    trees = [str(path) for path in sorted((root / "tests/fixtures/dumps").iterdir()) if path.name != "incremental"]
    trees += ["1 1 1 [ 3 3 3 [ 4 4 3 [] ] ]", "1 1 1 [ 3 3 1 [] 4 3 1 [] ]", "7 5 5 []", "1 1 1 [ 2 1 1 r [ 3 3 3 z [] 4 3 3 [] ] ]"]
    invented = 0
    for tree in trees:
        result = check("tree", [crgen, "tree", "--json", tree], (0,))
        text = subprocess.run([crgen, "tree", tree], capture_output=True, text=True).stdout
        program = json.loads(subprocess.run([crgen, "tree", "--program", tree], capture_output=True, text=True).stdout)
        expect(f"{tree}: commands", [it["command"] for it in result["commands"]], [it for it in program if it["command"] != "CREATE_THREAD"])
        expect(f"{tree}: births", [it["pid"] for it in result["births"]], [it["child_pid"] for it in program if it["command"] == "FORK"])
        expect(f"{tree}: totals", f"processes: {result['processes']}, commands: {len(result['commands'])}, "
               f"invented: {len(result['invented'])}\n" in text, True)
        expect(f"{tree}: who is invented", [it["pid"] for it in result["births"] if it["invented"]],
               [pid for pid in (it["pid"] for it in result["births"]) if pid in {it["pid"] for it in result["invented"]}])
        for it in result["invented"]:
            expect(f"{tree}: reason", f"invented {it['pid']}: {it['reason']}\n" in text, True)
            invented += 1
        for it in result["commands"]:
            expect(f"{tree}: rule", it["rule"] in text, True)
    expect("some are invented", invented > 2, True)
    plain = check("tree", [crgen, "tree", "--json", "--all", trees[-1]], (0,))
    expect("alternatives", (plain["alternatives"]["whole"], len(plain["alternatives"]["derivations"]) > 0), (True, True))
    for other in plain["alternatives"]["derivations"]:
        expect("another one", len(other["commands"]) == plain["alternatives"]["length"] and other["commands"] != plain["commands"], True)
    wide = "1 1 1 [ " + " ".join(f"{i} 1 1 []" for i in range(2, 40)) + " ]"
    expect("too large", check("tree", [crgen, "tree", "--json", "--all", wide], (0,))["alternatives"], {"searched": False})
    refused = check("tree", [crgen, "tree", "--json", "1 1 1 [ 2 2 3 [ 3 3 3 [] ] ]"], (5,))
    expect("refused", refused["pid"] in (2, 3) and len(refused["error"]) > 10, True)

    lines = [tree for tree in trees if " " in tree] + ["1 1 1 [ 2 2 3 [ 3 3 3 [] ] ]", "1 1 1 [ 2 1 ]", ""]
    done = subprocess.run([crgen, "tree", "--program", "-"], input="\n".join(lines) + "\n", capture_output=True, text=True)
    answers = done.stdout.splitlines()
    expect("an answer each", (len(answers), done.returncode), (len(lines), 0))
    for line, answer in zip(lines, answers):
        for error in schemas["tree-answer"].iter_errors(json.loads(answer)):
            expect(line, error.message, "")
    expect("programs", [isinstance(json.loads(answer), list) for answer in answers], [True] * (len(lines) - 3) + [False] * 3)
    expect("not a tree", [json.loads(answer)["pid"] for answer in answers[-2:]], [0, 0])


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
    global failures
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
                failures += 1
                print(f"{arguments[0]}: {text}\nexpected {wanted}\nfound    {first}")
    # What the host says ends with the kernel's words.
    text = (fork + '{"command": "OPEN_FILE", "pid": 10, "fd": 3, "file": {"type": "REG", "id": 1, '
            '"path": "/no/such/file", "flags": ["O_RDONLY"]}},\n'
            '{"command": "EXIT", "pid": 10, "status": {"code": 0}}]')
    found = check("crrestore", [crrestore, "--json", "--preflight", "-"], (3,), text)["findings"]
    if not any(it.get("command") == 1 and it.get("errno") == "ENOENT" for it in found):
        failures += 1
        print(f"no ENOENT of a missing file: {found}")
    # So does what the kernel refuses in the end, unless it takes everything.
    if pathlib.Path("/proc/sys/vm/overcommit_memory").read_text().strip() == "1":
        return
    text = (fork + '{"command": "MAP_REGION", "pid": 10, "start": "0x10000000000", "end": "0x600000000000", '
            '"prot": ["PROT_READ", "PROT_WRITE"], "flags": ["MAP_PRIVATE", "MAP_ANONYMOUS"]},\n'
            '{"command": "EXIT", "pid": 10, "status": {"code": 0}}]')
    found = check("crrestore", [crrestore, "--json", "--pidns", "-"], (5,), text)["findings"]
    if not any(it.get("command") == 1 and it.get("errno") == "ENOMEM" for it in found):
        failures += 1
        print(f"no ENOMEM of 80 TiB: {found}")


def of_damaged_dumps():
    """Where there is no result, the findings are."""
    global failures
    dump = str(root / "tests/fixtures/dumps/shared_fds")
    with tempfile.TemporaryDirectory() as folder:
        damaged = pathlib.Path(folder) / "dump"
        shutil.copytree(dump, damaged)
        (damaged / "pstree.img").write_bytes(b"no image")
        there = str(damaged)
        for arguments in (["plan", there], ["needs", there], ["show", there], ["why", there], ["check", there],
                          ["diff", there, dump], ["memory", "--strings", "--pid", "31100", there], ["tree", there],
                          ["generate", there], [there], ["host-facts", there], ["report", there, "-o", there + ".html"],
                          ["core", "--pid", "31100", there, "-o", there + ".core"]):
            found = check("findings", [crgen, *arguments, "--json"], (3,))
            if not any("pstree.img" in it["where"] for it in found or []):
                failures += 1
                print(f"{arguments}: nothing of pstree.img in {found}")


schemas = {name: validator(name) for name in ("findings", "state", "needs", "why", "show", "plan", "diff", "check", "crrestore", "host-facts",
                                              "memory", "tree", "tree-answer")}
with tempfile.TemporaryDirectory() as temporary:
    for path in sorted((root / "tests/fixtures/dumps").iterdir()):
        of_dump(str(path / "images" if (path / "images").is_dir() else path), pathlib.Path(temporary))
of_memory()
of_trees()
of_host()
of_wrong_plans()
of_damaged_dumps()
print(f"{checked} results, {failures} failures")
sys.exit(1 if failures or checked < 100 else 0)
