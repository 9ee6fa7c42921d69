#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the pictures of docs/pictures anew, of dumps and a plan that come with the project; as root.

usage: pictures.py CRGEN CRRESTORE
"""
import pathlib
import subprocess
import sys
import tempfile

root = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(root / "tests/views"))
sys.dont_write_bytecode = True
import browser  # noqa: E402

pictures, dumps, conformance = root / "docs/pictures", root / "tests/fixtures/dumps", root / "tests/conformance"


def main():
    crgen, crrestore = (str(pathlib.Path(program).resolve()) for program in sys.argv[1:3])
    for name, arguments in (("tree", ("tree", "--svg", dumps / "pidns")), ("files", ("show", "files", "--svg", dumps / "shared_fds"))):
        (pictures / (name + ".svg")).write_bytes(subprocess.run([crgen, *arguments], check=True, stdout=subprocess.PIPE).stdout)
    # Its processes run until the namespace ends, with the shell.
    subprocess.run(["unshare", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc", "sh", "-c", '"$@"; exit', "sh", crrestore,
                    conformance / "cases/pidfds-taken/plan.json", "--images", conformance / "images", "--detach",
                    "--gantt", pictures / "gantt.svg"], check=True)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "shared_fds.html"
        subprocess.run([crgen, "report", "shared_fds", "-o", path], cwd=dumps, check=True)
        page = browser.Browser()
        try:
            page.open(path, "#pid=31101")
            page.picture(pictures / "report.png")
        finally:
            page.close()


if __name__ == "__main__":
    main()
