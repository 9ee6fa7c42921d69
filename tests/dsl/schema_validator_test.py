#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Another validator must accept our programs with the committed schema, and refuse broken ones.

usage: schema_validator_test.py SCHEMA GOLDEN_FOLDER
"""
import copy
import json
import pathlib
import sys

try:
    import jsonschema
except ImportError:
    print("skipped: the Python module jsonschema is not installed")
    sys.exit(77)

BROKEN = [
    ([{"command": "FORK", "pid": 0}], "child_pid"),
    ([{"command": "NOPE", "pid": 0}], "NOPE"),
    ([{"command": "SET_SID", "pid": 1, "x": 1}], "x"),
    ([{"command": "OPEN_FILE", "pid": 1, "fd": 0, "file": {"type": "REG", "id": 1}}], "flags"),
    ([{"command": "OPEN_FILE", "pid": 1, "fd": 0,
       "file": {"type": "REG", "id": 1, "path": "/a", "flags": ["O_APPEND"]}}], "O_APPEND"),
    ([{"command": "OPEN_FILE", "pid": 1, "fd": 0,
       "file": {"type": "REG", "id": 1, "path": "/a", "flags": ["O_RDONLY", "O_RDWR"]}}], "O_RDWR"),
    ([{"command": "OPEN_FILE", "pid": 1, "fd": 0,
       "file": {"type": "REG", "id": 1, "path": "/a", "flags": ["O_RDONLY", "0x2"]}}], "0x2"),
    ([{"command": "MAP_REGION", "pid": 1, "start": "0x1000", "end": "0x2000", "prot": [],
       "flags": ["MAP_PRIVATE"], "offset": 0}], "dependency"),
    ([{"command": "FORK", "pid": 0, "child_pid": 0}], "minimum"),
    ([{"command": "FORK", "pid": 0, "child_pid": 4194304}], "maximum"),
    ([{"command": "CLOSE_FD", "pid": 1, "fd": -1}], "minimum"),
    ([{"command": "CLOSE_FD", "pid": 1, "fd": 1073741824}], "maximum"),
    ([{"command": "SET_ATTR", "pid": 1, "attributes": {"descriptors": [
        {"fd": -1, "locked": True}]}}], "minimum"),
    ({}, "array"),
]


def undescribed(schema, place=""):
    """Members of objects that an editor could say nothing of. Not in conditions: what an `if` asks
    is described where the member is."""
    if not isinstance(schema, dict):
        return
    for name, member in schema.get("properties", {}).items():
        if member is not True and not member.get("description"):
            yield f"{place}/{name}"
        yield from undescribed(member, f"{place}/{name}")
    yield from undescribed(schema.get("items"), place + "[]")
    for number, part in enumerate(schema.get("allOf", []) + schema.get("anyOf", [])):
        yield from undescribed(part.get("then", part) if isinstance(part, dict) else part,
                               f"{place}({number})")
    for name, definition in schema.get("definitions", {}).items():
        yield from undescribed(definition, f"{place}#{name}")


def main():
    schema = json.loads(pathlib.Path(sys.argv[1]).read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    failures = 0
    if not schema["$id"].startswith("urn:crgen:"):
        failures += 1
        print(f"$id is {schema['$id']}")
    for place in undescribed(schema):
        failures += 1
        print(f"{place} has no description")
    for name, definition in schema["definitions"].items():
        if name.isupper() and not definition.get("description"):
            failures += 1
            print(f"{name} has no description")
    programs = sorted(pathlib.Path(sys.argv[2]).glob("*.json"))
    for path in programs:
        program = json.loads(path.read_text())
        for error in validator.iter_errors(program):
            failures += 1
            print(f"{path.name}: {list(error.absolute_path)}: {error.message}")
        # Every command needs each of its required members.
        for index, command in enumerate(program[:20]):
            for member in ("command", "pid"):
                broken = copy.deepcopy(command)
                del broken[member]
                if not list(validator.iter_errors([broken])):
                    failures += 1
                    print(f"{path.name}[{index}] is accepted without {member}")
    for program, word in BROKEN:
        messages = [error.message for error in validator.iter_errors(program)]
        if not any(word in message for message in messages):
            failures += 1
            print(f"{program}: expected a complaint about {word}, found {messages}")
    print(f"{len(programs)} programs, {failures} failures")
    return 1 if failures or not programs else 0


sys.exit(main())
