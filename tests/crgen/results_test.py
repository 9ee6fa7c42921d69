#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the programs print for machines is what the schemas of schema/ say, of every dump.

usage: results_test.py SOURCE_FOLDER CRGEN CRRESTORE
"""
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


schemas = {name: validator(name) for name in ("findings", "needs", "why", "show", "plan", "diff", "check", "crrestore")}
with tempfile.TemporaryDirectory() as temporary:
    for path in sorted((root / "tests/fixtures/dumps").iterdir()):
        of_dump(str(path / "images" if (path / "images").is_dir() else path), pathlib.Path(temporary))
of_wrong_plans()
print(f"{checked} results, {failures} failures")
sys.exit(1 if failures or checked < 100 else 0)
