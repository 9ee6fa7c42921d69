# SPDX-License-Identifier: Apache-2.0
"""Restores of real trees: crrestore beside `criu restore`, on the same dumps."""
import ctypes
import itertools
import json
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


def start(bench, folder, tool, arguments):
    """Starts what `tool` with `arguments` makes, whose processes are the root's children: the pid
    of the root, and what it says that making its descriptors took, in seconds; None: nothing."""
    ready = folder / "ready"
    ready.unlink(missing_ok=True)
    root = subprocess.Popen([bench.tool(tool), *map(str, arguments), str(ready)],
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, cwd=folder, start_new_session=True).pid
    while not ready.exists():
        time.sleep(0.01)
    return root, float(ready.read_text() or 0) or None


def kill(pids):
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    reap()


def tree_of(root):
    children = pathlib.Path(f"/proc/{root}/task/{root}/children").read_text().split()
    return [root, *map(int, children)]


def grow(plan, each, kind):
    """CRIU dumps 1,024 pipes at most, and a large set of epoll(7) in square time: gives every
    process of `plan` so many more of them (`kind`: of eventfds), and its set, if it has one, waits
    for them."""
    step = 1 if kind == "events" else 2
    numbers = itertools.count(1000000, 2)

    def more(pid):
        if kind == "events":
            for fd in range(1000, 1000 + each):
                file = {"type": "EVENTFD", "id": next(numbers), "flags": ["O_RDWR"], "counter": 0}
                yield {"command": "OPEN_FILE", "pid": pid, "fd": fd, "file": file}
            return
        for fd in range(1000, 1000 + 2 * each, 2):
            number = next(numbers)
            end = {"type": "PIPE", "pipe_id": number}
            yield {"command": "OPEN_FILE", "pid": pid, "fd": fd,
                   "file": {**end, "id": number, "flags": ["O_RDONLY"]},
                   "peer": {"fd": fd + 1,
                            "file": {**end, "id": number + 1, "flags": ["O_WRONLY"]}}}

    grown, waiting = [], {}
    for command in json.loads(plan.read_text()):
        attributes = command.get("attributes", {})
        late = "descriptors" in attributes
        # Before what a process cannot open files after: late state of anybody, its own ids.
        ready = list(waiting) if late else [command["pid"]] if "creds" in attributes else []
        for pid in ready:
            grown.extend(waiting.pop(pid, ()))
        if command["command"] == "FORK":
            waiting[command["child_pid"]] = more(command["child_pid"])
        for entry in attributes.get("descriptors", []):
            if targets := entry.get("epoll"):
                targets.extend([{**targets[0], "fd": 1000 + step * i} for i in range(each)])
        grown.append(command)
    plan.write_text("[\n" + ",\n".join(map(json.dumps, grown)) + "\n]\n")


class Tree:
    """A dumped tree: see start(). `more`: what each of its processes has that CRIU has not dumped."""

    def __init__(self, bench, criu, tool, *arguments, more=0):
        self.bench = bench
        self.folder = bench.scratch / "restore"
        self.folder.mkdir()
        self.images = self.folder / "dump"
        self.images.mkdir()
        if more:
            *rest, each = arguments
            root, self.making = start(bench, self.folder, tool, [*rest, each + more])
            kill(tree_of(root))
            root, _ = start(bench, self.folder, tool, arguments)
        else:
            root, self.making = start(bench, self.folder, tool, arguments)
        self.pids = tree_of(root)
        self.consent = ["--file-locks"] if "locks" in arguments else []
        subprocess.run([criu, "dump", "-t", str(root), "-D", self.images, "-o", "/dev/null",
                        *self.consent], check=True)
        reap()
        self.plan = self.folder / "plan.json"
        subprocess.run([bench.crgen, "-q", self.images, "-o", self.plan], check=True)
        if more:
            grow(self.plan, more, arguments[0])

    def restore(self, command):
        """What `command` took; everybody is there afterwards, and killed again."""
        run = self.bench.measure(command)
        missing = [pid for pid in self.pids if not os.path.exists(f"/proc/{pid}")]
        kill(pid for pid in self.pids if pid not in missing)
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
    for case, *program, more in bench.sizes.restores:
        tree = Tree(bench, criu, *program, more=more)
        images = str(tree.images)
        commands = {
            "crrestore": [str(bench.build / "restorer/crrestore"), str(tree.plan), "--images",
                          images, "--detach", *tree.consent],
            "criu restore": [criu, "restore", "-D", images, "-d", "-v0", "-o", "/dev/null",
                             *tree.consent],
        }
        if more:
            del commands["criu restore"]
        runs = {name: [] for name in commands}
        for _ in range(bench.sizes.runs):
            for name, command in commands.items():
                if sum(run["wall"] for run in runs[name]) < bench.sizes.enough:
                    runs[name].append(tree.restore(command))
        row = {"case": case, **{name: summary(taken) for name, taken in runs.items()}}
        if tree.making:
            row["making"] = tree.making
        if more:
            events = program[1] == "events"
            missing = {"missing": "it dumps a set slowly" if events else "it dumps 1,024 pipes"}
            row.update({"criu restore": missing, "crgen generate": missing})
        else:
            row.update(bench.compare({"crgen generate": [bench.crgen, images]}))
        rows.append(row)
        shutil.rmtree(tree.folder)
    return rows
