#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the pictures of docs/pictures anew, of dumps that come with the project; as root, with chromium, gdb, jq, dot.

usage: pictures.py CRGEN CRRESTORE
"""
import contextlib
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile
import xml.sax.saxutils as xml

root = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(root / "tests/views"))
sys.dont_write_bytecode = True
import browser  # noqa: E402

pictures, dumps = root / "docs/pictures", root / "tests/fixtures/dumps"
HOME = pathlib.Path("/tmp/crgen-fixture")  # where the programs of the dumps were

# What is drawn by crgen alone, and is the same each time.
DRAWN = {"tree": ("tree", "--svg", dumps / "pidns"), "files": ("show", "files", "--svg", dumps / "shared_fds")}
MEMORY = ("crgen memory incremental --pid 32401 --search 'crgen-fixture/[a-z/]+'", "crgen memory incremental --pid 32401 --bytes '78 78 42 42'",
          "crgen memory incremental --pid 32401 --at 10000fe0,64")
CORE = ("crgen core threads --pid 31500 -o core",
        "gdb -nx -batch -ex 'info threads' -ex 'info files' -ex 'x/s 0x7ffce83faf80' -c core 2> /dev/null | grep -v 'New LWP'")
TRACE = ("jq -r '.otherData[]' trace.json",
         "jq -c '.traceEvents[] | select(.cat == \"command\") | [.ts, .dur, .pid, .name]' trace.json | sort -t '[' -k 2n | tail -n 20",
         "jq -c '.traceEvents[] | select(.cat == \"wait\" and .ph == \"X\") | [.ts, .dur, .pid, .args.for]' trace.json | head -n 4")

STYLE = """svg{background:#fff}text{fill:#1b1f24;font:12px monospace;white-space:pre}text.command{fill:#0b57d0}
@media (prefers-color-scheme:dark){svg{background:#15181c}text{fill:#e6e9ec}text.command{fill:#8ab4f8}}"""


def transcript(title, commands, folder, crgen):
    """What these commands print, as SVG; in a folder where the dumps are."""
    (folder / "bin").mkdir(exist_ok=True)
    if not (folder / "bin/crgen").exists():
        (folder / "bin/crgen").symlink_to(pathlib.Path(crgen).resolve())
        for dump in dumps.iterdir():
            (folder / dump.name).symlink_to(dump)
    environment = dict(os.environ, PATH=f"{folder}/bin:{os.environ['PATH']}")
    lines = []
    for command in commands:
        lines.append(("command", "$ " + command))
        done = subprocess.run(["sh", "-c", command], cwd=folder, env=environment, check=True, text=True, stdout=subprocess.PIPE)
        lines += (("", line.expandtabs(8)) for line in done.stdout.replace(f"{folder}/", "").splitlines())
    width, height = 20 + int(7.3 * max(len(text) for _, text in lines)), 20 + 16 * len(lines)
    drawn = "\n".join(f'<text{" class=" + xml.quoteattr(kind) if kind else ""} x="10" y="{22 + 16 * i}">{xml.escape(text)}</text>'
                      for i, (kind, text) in enumerate(lines))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">\n'
            f"<title>{xml.escape(title)}</title>\n<style>\n{STYLE}\n</style>\n{drawn}\n</svg>\n")


def memory_picture(folder, crgen):
    return transcript("What crgen memory finds in an incremental dump", MEMORY, folder, crgen)


def restore(crgen, crrestore, name, folder, *options):
    """A dump, in namespaces of its own that end with it. Its program is no longer there, and is not needed either: nothing
    runs (--stop), and a file of that size is mapped instead, which has no build id."""
    plan = json.loads(subprocess.run([crgen, "-q", dumps / name], check=True, stdout=subprocess.PIPE).stdout)
    make = [f"mount -t tmpfs none {HOME}", f"mkdir {HOME}/{name}"]
    for command in plan:
        file = command.get("file", {})
        if file.pop("build_id", None):
            path = shlex.quote(file["path"])
            make.append(f"truncate -s {file['size']} {path} && chmod {file['mode'] & 0o777:o} {path}")
    (folder / "plan.json").write_text(json.dumps(plan))
    there = HOME.exists()
    HOME.mkdir(exist_ok=True)
    try:
        subprocess.run(["unshare", "--pid", "--mount", "--propagation", "private", "--fork", "--kill-child", "--mount-proc", "sh", "-ec",
                        "; ".join(make) + '; "$@"; exit', "sh", crrestore, folder / "plan.json", "--images", dumps / name,
                        "--detach", "--stop", *options], check=True)
    finally:
        if not there:
            with contextlib.suppress(OSError):  # others use it, too
                HOME.rmdir()


def main():
    crgen, crrestore = (str(pathlib.Path(program).resolve()) for program in sys.argv[1:3])
    for program in (browser.BINARY, *map(shutil.which, ("gdb", "jq", "dot"))):
        if not program:
            sys.exit("pictures.py: chromium, gdb, jq and dot are needed")
    for name, arguments in DRAWN.items():
        (pictures / (name + ".svg")).write_bytes(subprocess.run([crgen, *arguments], check=True, stdout=subprocess.PIPE).stdout)
    dot = subprocess.run([crgen, "tree", "--dot", dumps / "pidns"], check=True, stdout=subprocess.PIPE).stdout
    (pictures / "dot.svg").write_bytes(subprocess.run(["dot", "-Tsvg"], input=dot, check=True, stdout=subprocess.PIPE).stdout)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (pictures / "memory.svg").write_text(memory_picture(folder, crgen))
        (pictures / "core.svg").write_text(transcript("A core file of a dump in gdb", CORE, folder, crgen))
        restore(crgen, crrestore, "sessions", folder, "--gantt", folder / "gantt.svg", "--trace", folder / "trace.json")
        shutil.copyfile(folder / "gantt.svg", pictures / "gantt.svg")
        (pictures / "trace.svg").write_text(transcript("A part of a trace", TRACE, folder, crgen))
        path = folder / "shared_fds.html"
        subprocess.run([crgen, "report", "shared_fds", "-o", path], cwd=dumps, check=True)
        page = browser.Browser()
        try:
            page.open(path, "#pid=31101")
            page.picture(pictures / "report.png")
        finally:
            page.close()


if __name__ == "__main__":
    main()
