# SPDX-License-Identifier: Apache-2.0
"""Restores of real trees: crrestore beside `criu restore`, on the same dumps."""
import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

SOURCE = pathlib.Path(__file__).resolve().parent.parent
PR_SET_CHILD_SUBREAPER = 36


def find_criu(build):
    """A CRIU that runs on this kernel, or (None, the reason why there is none)."""
    if os.geteuid() != 0:
        return None, "not root"
    own = build / "criu/criu"
    for candidate in (os.environ.get("CRIU"), str(own)):
        if candidate and os.access(candidate, os.X_OK):
            return candidate, ""
    done = subprocess.run([SOURCE / "tests/fixtures/get-criu.sh", build / "criu"],
                          capture_output=True, text=True, check=False)
    lines = done.stderr.strip().splitlines() or ["it fails"]
    return (str(own), "") if own.exists() else (None, f"get-criu.sh: {lines[-1]}")


def reap():
    """Everybody who is dead; those who are dying are waited for."""
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass


class Tree:
    """A dumped tree: what `tool` with `arguments` makes, all of whose processes are the root's
    children. `making`: what it says that making its descriptors took, in seconds; None: nothing."""

    def __init__(self, bench, criu, tool, *arguments):
        self.bench = bench
        self.folder = bench.scratch / "restore"
        self.folder.mkdir()
        self.images = self.folder / "dump"
        self.images.mkdir()
        ready = self.folder / "ready"
        root = subprocess.Popen(
            [bench.tool(tool), *map(str, arguments), str(ready)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            cwd=self.folder, start_new_session=True).pid
        while not ready.exists():
            time.sleep(0.01)
        self.making = float(ready.read_text() or 0) or None
        children = pathlib.Path(f"/proc/{root}/task/{root}/children").read_text().split()
        self.pids = [root, *map(int, children)]
        subprocess.run([criu, "dump", "-t", str(root), "-D", self.images, "-o", "/dev/null"],
                       check=True)
        reap()
        self.plan = self.folder / "plan.json"
        subprocess.run([bench.crgen, "-q", self.images, "-o", self.plan], check=True)

    def restore(self, command):
        """What `command` took; everybody is there afterwards, and killed again."""
        run = self.bench.measure(command)
        missing = [pid for pid in self.pids if not os.path.exists(f"/proc/{pid}")]
        for pid in self.pids:
            if pid not in missing:
                os.kill(pid, signal.SIGKILL)
        reap()
        if missing:
            raise RuntimeError(f"{command[0]}: {len(missing)} processes are missing")
        return run


def measure(bench, summary):
    """One row for each case: crrestore, criu, and crgen with crrestore behind it."""
    criu, reason = find_criu(bench.build)
    if criu is None:
        print(f"restores: {reason}", file=sys.stderr)
        return [{"case": case, "crrestore": {"missing": reason}, "criu restore": {"missing": reason},
                 "crgen generate": {"missing": reason}} for case, *_ in bench.sizes.restores]
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    rows = []
    for case, *program in bench.sizes.restores:
        tree = Tree(bench, criu, *program)
        images = str(tree.images)
        commands = {
            "crrestore": [str(bench.build / "restorer/crrestore"), str(tree.plan), "--images",
                          images, "--detach"],
            "criu restore": [criu, "restore", "-D", images, "-d", "-v0", "-o", "/dev/null"],
        }
        runs = {name: [] for name in commands}
        for _ in range(bench.sizes.runs):
            for name, command in commands.items():
                if sum(run["wall"] for run in runs[name]) < bench.sizes.enough:
                    runs[name].append(tree.restore(command))
        row = {"case": case, **{name: summary(taken) for name, taken in runs.items()}}
        if tree.making:
            row["making"] = tree.making
        row.update(bench.compare({"crgen generate": [bench.crgen, images]}))
        rows.append(row)
        shutil.rmtree(tree.folder)
    return rows
