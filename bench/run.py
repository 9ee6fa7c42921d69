#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures crgen beside the tools that a user would pick instead; see docs/benchmark.md.

Writes results.json, results.md and plots into a folder. Times are wall clock of whole processes,
start-up included; what is compared runs in turn. Peak memory is the kernel's account of the
finished command.
"""
import argparse
import filecmp
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import report
import restores

SOURCE = pathlib.Path(__file__).resolve().parent.parent
PATTERN = SOURCE / "tests/fixtures/dumps/threads"
PROFILES = {"simple": "children", "heuristic": "jobs"}
EVENTS = ",".join("syscalls:sys_" + name for name in (
    "exit_clone", "exit_clone3", "exit_fork", "exit_vfork", "exit_setsid", "exit_setpgid",
    "enter_exit_group"))
BYTES_PER_PROCESS = 64 << 10  # on disk: seven files and four pages


class Sizes:
    """How much is measured."""

    def __init__(self, quick):
        self.runs = 1 if quick else 5
        self.published = (64, 128) if quick else (1024, 2048, 4096, 8192)
        self.growth = (100, 1000) if quick else (1000, 10000, 100000, 1000000)
        self.dumps = (10, 40) if quick else (100, 1000, 10000, 100000)
        scale = 100 if quick else 1
        self.looked_at = 40 if quick else 10000
        self.big = {
            "1 M pages in 10,000 regions": {"pages": 1000000, "regions": 10000, "run": 1},
            "10 M pagemap entries": {"pages": 10000000, "run": 1},
            "1,000 threads": {"threads": 1000},
            "100,000 descriptors": {"descriptors": 100000},
            "10,000 pipes": {"pipes": 10000},
            "100,000 pipes": {"pipes": 100000},
            "10,000 pairs of sockets with queues": {"pairs": 10000},
            "100,000 pairs of sockets with queues": {"pairs": 100000},
            "a set of 10,000 targets": {"targets": 10000},
            "a set of 100,000 targets": {"targets": 100000},
        }
        for case in self.big.values():
            for key in case.keys() - {"run"}:
                case[key] = max(1, case[key] // scale)
        # A name, a program with its arguments, and pipes that each process gets beyond CRIU's.
        self.restores = (
            ("3 processes", "sleepers", 3, 1, 0), ("20 pairs", "descriptors", "pairs", 2, 10, 0),
            ("40 pipes", "descriptors", "pipes", 2, 10, 10),
            ("20 pipes in 2 sets", "descriptors", "sets", 2, 10, 0),
            ("40 pipes in 2 sets", "descriptors", "sets", 2, 10, 10),
            ("40 eventfds in 2 sets", "descriptors", "events", 2, 10, 10),
            ("20 unlinked files", "descriptors", "unlinked", 2, 10, 0),
            ("20 locks", "descriptors", "locks", 2, 10, 0),
        ) if quick else (
            ("1 process", "sleepers", 1, 0, 0), ("100 processes", "sleepers", 100, 0, 0),
            ("1,000 processes", "sleepers", 1000, 0, 0),
            ("1 process with 1 GiB", "sleepers", 1, 1024, 0),
            ("1,000 pairs", "descriptors", "pairs", 1, 1000, 0),
            ("10,000 pairs, 10 processes", "descriptors", "pairs", 10, 1000, 0),
            ("1,000 pipes", "descriptors", "pipes", 1, 1000, 0),
            ("10,000 pipes, 10 processes", "descriptors", "pipes", 10, 10, 990),
            ("100,000 pipes, 20 processes", "descriptors", "pipes", 20, 10, 4990),
            ("1,000 pipes in a set", "descriptors", "sets", 1, 1000, 0),
            ("10,000 pipes in 10 sets", "descriptors", "sets", 10, 10, 990),
            ("100,000 pipes in 20 sets", "descriptors", "sets", 20, 10, 4990),
            # A process has 20,000 descriptors at most where nobody may raise RLIMIT_NOFILE.
            ("19,000 eventfds in a set", "descriptors", "events", 1, 10, 18990),
            ("100,000 eventfds in 6 sets", "descriptors", "events", 6, 10, 16657),
            ("1,000 unlinked files", "descriptors", "unlinked", 1, 1000, 0),
            ("10,000 unlinked files", "descriptors", "unlinked", 1, 10000, 0),
            ("1,000 locks", "descriptors", "locks", 1, 1000, 0),
            ("10,000 locks", "descriptors", "locks", 1, 10000, 0))
        # A command that took so many seconds is not run again; one that takes longer is stopped.
        self.enough, self.limit = (5, 60) if quick else (10, 120)
        self.micro = ["--benchmark_min_time=0.01", "--benchmark_filter=Program|LoadDump|/1024$"] \
            if quick else ["--benchmark_min_time=0.5"]


class Bench:
    def __init__(self, build, scratch, sizes):
        self.build = build
        self.scratch = scratch
        self.sizes = sizes
        self.crgen = str(build / "crgen/crgen")

    def tool(self, name):
        return str(self.build / "bench" / name)

    def measure(self, command, output=os.devnull, limit=None):
        """What one run of `command` took. Raises if it fails, or does not end within `limit`."""
        done = subprocess.run(
            [self.tool("measure"), output, str(limit or self.sizes.limit), *command],
            cwd=self.scratch, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False)
        if done.returncode != 0:
            raise RuntimeError(f"measure: {done.stderr}")
        run = json.loads(done.stdout)
        if limit and run["late"]:
            raise RuntimeError(f"{' '.join(command)}: stopped after {limit} seconds")
        if run["exit"] != 0 and not run["late"]:
            raise RuntimeError(f"{' '.join(command)}: exit {run['exit']}: {done.stderr[-500:]}")
        return run

    def compare(self, commands):
        """Runs `commands` (name -> argument list, or the reason why there is none) in turn."""
        runs = {name: [] for name in commands}
        for _ in range(self.sizes.runs):
            for name, command in commands.items():
                spent = sum(run["wall"] for run in runs[name])
                if not isinstance(command, str) and spent < self.sizes.enough:
                    runs[name].append(self.measure(command))
        return {name: summary(runs[name]) if runs[name] else {"missing": commands[name]}
                for name in commands}

    def make_dump(self, name, **options):
        folder = self.scratch / name
        command = [self.tool("make_dump"), str(folder), "--pattern", str(PATTERN)]
        for key, value in options.items():
            flag = "--" + key.replace("_", "-")
            command += [flag] if value is True else [flag, str(value)]
        subprocess.run(command, check=True)
        return folder

    def has_room_for(self, processes):
        return shutil.disk_usage(self.scratch).free > 2 * processes * BYTES_PER_PROCESS

    # ---- the tables

    def published(self):
        """strace and perf on a program that forks the tree, crgen on the tree."""
        tracers = {
            "strace -f": ["strace", "-f", "-o", "strace.out"],
            "perf record": ["perf", "record", "-q", "-o", "perf.out", "-e", EVENTS],
        }
        reasons = {name: why_not([*command, "true"], self.scratch)
                   for name, command in tracers.items()}
        rows = []
        for profile, tree in PROFILES.items():
            for processes in self.sizes.published:
                program = [self.tool("fork_tree"), tree, str(processes)]
                folder = self.make_dump("tree", tree=tree, processes=processes, tree_only=True)
                commands = {name: reasons[name] or [*command, *program]
                            for name, command in tracers.items()}
                commands["the program alone"] = program
                commands["crgen tree"] = [self.crgen, "tree", str(folder)]
                rows.append({"profile": profile, "processes": processes,
                             **self.compare(commands)})
                shutil.rmtree(folder)
        return rows

    def growth(self):
        rows = []
        for profile, tree in PROFILES.items():
            for processes in self.sizes.growth:
                folder = self.make_dump("tree", tree=tree, processes=processes, tree_only=True)
                command = [self.crgen, "tree", str(folder)]
                rows.append({"profile": profile, "processes": processes,
                             **self.compare({"crgen tree": command})})
                shutil.rmtree(folder)
        return rows

    def dumps(self):
        """crgen generate, crit, and cat of the same files."""
        crit = why_not(["crit", "--help"], self.scratch)
        rows = []
        for processes in self.sizes.dumps:
            if not self.has_room_for(processes):
                print(f"{processes} processes: no room on the disk, left out", file=sys.stderr)
                continue
            folder = self.make_dump("dump", processes=processes)
            names = sorted(os.listdir(folder))
            (self.scratch / "all").write_text("\0".join(names))
            (self.scratch / "read").write_text(
                "\0".join(name for name in names if not name.startswith("pages-")))
            cat = "cd dump && xargs -0 -s 1000000 cat <../"
            commands = {
                "crgen generate": [self.crgen, "generate", str(folder)],
                "one thread": [self.crgen, "generate", "--threads", "1", str(folder)],
                "not checked": [self.crgen, "generate", "--no-check", str(folder)],
                **{f"crit x {what}": crit or ["crit", "x", str(folder), what]
                   for what in ("ps", "fds", "mems")},
                "cat": ["sh", "-c", cat + "all"],
                "cat but pages": ["sh", "-c", cat + "read"],
            }
            self.measure(commands["cat"])  # from now on all is in memory
            row = {"processes": processes, "files": len(names), **self.compare(commands)}
            row.update(self.validate(folder))
            rows.append(row)
            shutil.rmtree(folder)
        return rows

    def views(self):
        """What people look at a dump with, beside what makes its program."""
        folder = str(self.make_dump("dump", processes=self.sizes.looked_at))
        plan = str(self.scratch / "plan")
        self.measure([self.crgen, folder], plan)
        row = self.compare({
            "generate": [self.crgen, folder],
            **{" ".join(view): [self.crgen, *view, folder]
               for view in (("show",), ("show", "all"), ("why",), ("plan",), ("plan", "--explain"),
                            ("tree",), ("needs",), ("check", "--derive"))},
            "diff of it and itself": [self.crgen, "diff", folder, folder],
            "diff of its program and it": [self.crgen, "diff", plan, folder],
        })
        shutil.rmtree(folder)
        return {"processes": self.sizes.looked_at, "views": row}

    def big(self):
        rows = []
        for name, options in self.sizes.big.items():
            folder = self.make_dump("dump", **options)
            row = {"case": name, **self.compare({
                "crgen generate": [self.crgen, "generate", str(folder)],
                "not checked": [self.crgen, "generate", "--no-check", str(folder)],
            })}
            row.update(self.validate(folder))
            rows.append(row)
            shutil.rmtree(folder)
        return rows

    def restores(self):
        return restores.measure(self, summary)

    def validate(self, folder):
        """Times `crgen validate`; sees to it that one thread and two give the same bytes."""
        plans = [self.scratch / f"plan{threads}" for threads in (1, 2)]
        for threads, plan in enumerate(plans, 1):
            self.measure([self.crgen, "generate", "--threads", str(threads), str(folder)],
                         str(plan), limit=1200)
        if not filecmp.cmp(*plans, shallow=False):
            raise RuntimeError(f"{folder}: one thread and two give different programs")
        with open(plans[0], "rb") as plan:
            commands = sum(1 for line in plan if line.startswith(b"  {"))
        row = {"commands": commands, "bytes": plans[0].stat().st_size,
               **self.compare({"crgen validate": [self.crgen, "validate", str(plans[0])]})}
        for plan in plans:
            plan.unlink()
        return row

    def micro(self):
        done = subprocess.run([self.tool("bench_micro"), "--benchmark_format=json",
                               *self.sizes.micro], check=True, capture_output=True, text=True)
        return [{"name": row["name"], "cpu": row["cpu_time"] * SECONDS[row["time_unit"]],
                 "items_per_second": row["items_per_second"]}
                for row in json.loads(done.stdout)["benchmarks"]]


SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1}


def summary(runs):
    walls = [run["wall"] for run in runs]
    return {"runs": len(runs), "late": any(run["late"] for run in runs),
            "wall": statistics.median(walls), "least": min(walls), "most": max(walls),
            "cpu": statistics.median(run["user"] + run["system"] for run in runs),
            "peak": max(run["peak_kb"] for run in runs) * 1024}


def why_not(command, folder):
    """Why `command` cannot run here; empty if it can."""
    if shutil.which(command[0]) is None:
        return f"{command[0]} is not installed"
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return "" if done.returncode == 0 else f"{command[0]}: {(lines or ['it fails'])[0]}"


def version_of(*command):
    if shutil.which(command[0]) is None:
        return "not installed"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip().splitlines()[0]


def machine():
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo")
                if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    revision = subprocess.run(["git", "-C", str(SOURCE), "describe", "--always", "--dirty"],
                              capture_output=True, text=True, check=False).stdout.strip()
    return {"processor": cpu, "cores": os.cpu_count(), "memory": memory,
            "kernel": platform.release(), "strace": version_of("strace", "--version"),
            "perf": version_of("perf", "--version"), "crit": version_of("criu", "--version"),
            "crgen": revision or "unknown", "date": time.strftime("%Y-%m-%d")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs="?", type=pathlib.Path,
                        help="folder for the results (BUILD/bench/results)")
    parser.add_argument("--build", type=pathlib.Path, default=SOURCE / "build",
                        help="folder of a Release build")
    parser.add_argument("--quick", action="store_true",
                        help="small sizes, once each: does it all still work?")
    parser.add_argument("--update-docs", action="store_true",
                        help="put the tables into docs/benchmark.md")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    results = arguments.results or build / "bench/results"
    results.mkdir(parents=True, exist_ok=True)

    measured = {"machine": machine(), "quick": arguments.quick}
    with tempfile.TemporaryDirectory(prefix="crgen-bench-") as scratch:
        bench = Bench(build, pathlib.Path(scratch), Sizes(arguments.quick))
        for table in (bench.published, bench.growth, bench.dumps, bench.views, bench.big,
                      bench.restores, bench.micro):
            begin = time.monotonic()
            measured[table.__name__] = table()
            print(f"{table.__name__}: {time.monotonic() - begin:.0f} s", file=sys.stderr)
            (results / "results.json").write_text(json.dumps(measured, indent=1) + "\n")
    text = report.tables(measured)
    (results / "results.md").write_text(text)
    report.plots(measured, results)
    if arguments.update_docs:
        report.update_page(SOURCE / "docs/benchmark.md", text)
    print(text)


if __name__ == "__main__":
    main()
