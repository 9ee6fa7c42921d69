#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long `crgen report` of a dump of many processes takes, and its page until it can be used in a browser.

usage: report_page.py CRGEN MAKE_DUMP [PROCESSES] [TIMES]
"""
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

root = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(root / "tests/views"))
sys.dont_write_bytecode = True
import browser  # noqa: E402


def measured(times, what):
    """Seconds: median, least and most."""
    found = []
    for _ in range(times):
        begin = time.monotonic()
        what()
        found.append(time.monotonic() - begin)
    return f"{statistics.median(found):.2f} s ({min(found):.2f} s – {max(found):.2f} s)"


def main():
    crgen, make_dump = sys.argv[1:3]
    processes, times = (int(value) for value in (sys.argv[3:5] + ["10000", "5"][len(sys.argv) - 3:]))
    with tempfile.TemporaryDirectory() as folder:
        dump, path = pathlib.Path(folder) / "dump", pathlib.Path(folder) / "report.html"
        subprocess.run([make_dump, dump, "--pattern", root / "tests/fixtures/dumps/threads", "--processes", str(processes)], check=True)
        written = measured(times, lambda: subprocess.run([crgen, "-q", "report", dump, "-o", path], stderr=subprocess.DEVNULL))
        page = browser.Browser()
        try:
            opened = measured(times, lambda: page.open(path))
            found = page.run("processes().length")
            last = page.run(f"processes()[{processes - 1}].pid")
            shown = measured(times, lambda: page.run("location.hash = 'overview'; new Promise(done => setTimeout(done, 0)).then(() => {"
                                                     f"location.hash = 'pid={last}'; return new Promise(done => requestAnimationFrame(done)); }})"))
        finally:
            page.close()
        print(f"{found} processes, {path.stat().st_size / 1e6:.1f} MB: written in {written}; opens in {opened}; a process in {shown}")
    return 0 if found == processes else 1


if __name__ == "__main__":
    sys.exit(main())
