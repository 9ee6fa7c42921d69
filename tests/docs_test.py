#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the pages show is what happens: their commands are run one after another, in a new folder.

usage: docs_test.py SOURCE_FOLDER CRGEN CRRESTORE

A ```sh or ```json block becomes the file that the text before it names first (`name`), or that all of the page are. Of a ```console block each
line that begins with "$ " or "# " is a command, whose output is what follows; "…" there stands for any text,
alone on a line for any lines.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

# What blocks become that no name stands before.
PAGES = {"docs/editing-plans.md": {}, "docs/policy.md": {}, "docs/when-refused.md": {}, "docs/looking.md": {},
         "docs/writing-programs.md": {"json": "plan.json"}, "docs/writing-more-programs.md": {"json": "plan.json"}, "README.md": {}}
# Goes on with the images that the page before it has made.
GOES_ON = "docs/writing-more-programs.md"
# Of these one part: the rest is of dumps that the reader has.
PARTS = {"README.md": "## A real run\n"}
SKIPPED = 77
OTHERS = ["gdb", "jq"]  # programs that the pages use, and not everybody has


def blocks(text):
    """(kind, the paragraph before it, content) of each block."""
    for found in re.finditer(r"^```(\w+)\n(.*?)^```$", text, flags=re.M | re.S):
        yield found[1], text[:found.start()].rstrip().rsplit("\n\n", 1)[-1], found[2]


def pattern(output):
    lines = []
    for line in output.splitlines(keepends=True):
        lines.append(r"(?:.*\n)*" if line == "…\n" else ".*".join(map(re.escape, line.split("…"))))
    return "".join(lines)


def commands(block):
    """[command, output] pairs."""
    found = []
    for line in block.splitlines(keepends=True):
        if line.startswith(("$ ", "# ")):
            found.append([line[2:].rstrip("\n"), ""])
        else:
            found[-1][1] += line
    return found


def excerpt(page, dump, content, environment):
    """A plan of which a page shows some lines, and parts of them: in the order in which it has them."""
    plan = subprocess.run(["crgen", "-q", dump], env=environment, text=True, stdout=subprocess.PIPE, check=True).stdout.splitlines()
    for line in content.splitlines():
        if line == "…":
            continue
        while plan and not re.fullmatch(pattern(line), plan[0].strip().rstrip(",") + ","):
            plan.pop(0)
        if not plan:
            print(f"{page.name}: the plan of {dump.name} has no such line, or not there: {line}")
            return 1
    return 0


def run_page(page, part, default, folder, environment):
    failures = ran = 0
    text = page.read_text()
    if part:
        text = text[text.index(part):].split("\n## ", 1)[0]
    for kind, before, content in blocks(text):
        name = re.search(r"`([\w-]+\.[\w.-]+)`", before)
        if kind in default or (kind in ("sh", "json") and name):
            (folder / (default.get(kind) or name[1])).write_text(content)
        elif kind == "json":
            failures += excerpt(page, folder / re.search(r"`(\w+)`", before)[1], content, environment)
        if kind != "console":
            continue
        for command, expected in commands(content):
            if not shutil.which(command.split()[0]) and command.split()[0] in OTHERS:
                print(f"{page.name}: not run: {command}")
                continue
            done = subprocess.run(["sh", "-c", command], cwd=folder, env=environment, text=True,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=60)
            ran += 1
            if not re.fullmatch(pattern(expected), done.stdout):
                failures += 1
                print(f"{page.name}: {command}\nexpected:\n{expected}\nfound ({done.returncode}):\n{done.stdout}")
    print(f"{page.name}: {ran} commands, {failures} differ")
    return failures if ran else 1


def own_tmp():
    """The pages write below /tmp, by names that somebody else may have there."""
    if os.environ.get("DOCS_TEST_OWN_TMP") or any(pathlib.Path(path).resolve().is_relative_to("/tmp") for path in sys.argv):
        return
    os.execvpe("unshare", ["unshare", "--mount", "--propagation", "private", "sh", "-c", 'mount -t tmpfs none /tmp && exec "$@"', "sh",
                           sys.executable, *(str(pathlib.Path(path).resolve()) for path in sys.argv)],
               dict(os.environ, DOCS_TEST_OWN_TMP="1"))


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    if os.geteuid() != 0:
        print("skipped: restores need root")
        return SKIPPED
    own_tmp()
    failures = 0
    images = {}
    for name, default in PAGES.items():
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "bin").mkdir()
            for program in sys.argv[2:]:
                (folder / "bin" / pathlib.Path(program).name).symlink_to(pathlib.Path(program).resolve())
            (folder / "tests").symlink_to(root / "tests")
            for dump in (root / "tests/fixtures/dumps").iterdir():
                (folder / dump.name).symlink_to(dump)
            for image, content in images.items() if name == GOES_ON else ():
                (folder / image).write_bytes(content)
            environment = dict(os.environ, PATH=f"{folder}/bin:{os.environ['PATH']}")
            failures += run_page(root / name, PARTS.get(name), default, folder, environment)
            images = {path.name: path.read_bytes() for path in folder.glob("*.img")}
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
