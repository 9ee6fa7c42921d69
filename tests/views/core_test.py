#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Core files of real dumps: their pages are those that a plan loads, and gdb opens them.

usage: core_test.py SOURCE_FOLDER CRGEN

Exit status 77: what needs no gdb is good, and there is no gdb for the rest.
"""
import json
import os
import pathlib
import re
import shutil
import stat
import struct
import subprocess
import sys
import tempfile

root, crgen = pathlib.Path(sys.argv[1]), sys.argv[2]
PAGE = 4096
PT_LOAD, PT_NOTE = 1, 4
NT_PRSTATUS, NT_FPREGSET, NT_PRPSINFO, NT_AUXV = 1, 2, 3, 6
NT_FILE, NT_SIGINFO, NT_XSTATE = 0x46494c45, 0x53494749, 0x202
failures = checked = 0


def expect(what, found, expected):
    global failures, checked
    checked += 1
    if found != expected:
        failures += 1
        print(f"{what}: found {str(found)[:400]}, expected {str(expected)[:400]}")


class Core:
    """A core file, read by its format alone."""

    def __init__(self, path):
        self.bytes = path.read_bytes()
        (table,) = struct.unpack_from("<Q", self.bytes, 32)
        (count,) = struct.unpack_from("<H", self.bytes, 56)
        if count == 0xffff:  # PN_XNUM: the first section has it
            (sections,) = struct.unpack_from("<Q", self.bytes, 40)
            (count,) = struct.unpack_from("<I", self.bytes, sections + 44)
        self.segments = []  # (kind, flags, offset, address, bytes in the file, bytes in memory)
        for i in range(count):
            kind, flags, offset, address, _, size, memory, _ = struct.unpack_from("<IIQQQQQQ", self.bytes, table + 56 * i)
            self.segments.append((kind, flags, offset, address, size, memory))
        self.notes = list(self.read_notes())

    def read_notes(self):
        for kind, _, offset, _, size, _ in self.segments:
            end = offset + size
            while kind == PT_NOTE and offset < end:
                name_size, content_size, number = struct.unpack_from("<III", self.bytes, offset)
                offset += 12 + (name_size + 3) // 4 * 4
                yield number, self.bytes[offset:offset + content_size]
                offset += (content_size + 3) // 4 * 4

    def at(self, address):
        """The page there; None: the file does not have it."""
        for kind, _, offset, start, size, _ in self.segments:
            if kind == PT_LOAD and start <= address < start + size:
                return self.bytes[offset + address - start:][:PAGE]
        return None


def run(*arguments):
    return subprocess.run([crgen, *map(str, arguments)], capture_output=True, text=True, timeout=120)


def make(dump, pid, folder):
    path = folder / f"core-{pid}"
    done = run("core", dump, "--pid", pid, "-o", path)
    expect(f"{dump.name} {pid}: exit code ({done.stderr})", done.returncode, 0)
    return path


def image(dump, name):
    """The image file that a plan calls so: parents have links of their own."""
    return (dump / name).read_bytes()


def check_layout(dump, pid, path, shown):
    """What is shown as regions is in the table of segments; each thread has its notes."""
    core = Core(path)
    expect(f"{path}: mode", stat.S_IMODE(os.stat(path).st_mode), 0o600)
    covered = []
    for kind, _, _, start, size, memory in core.segments:
        if kind != PT_LOAD:
            continue
        expect(f"{path}: more in the file than in memory", size in (0, memory), True)
        if covered and covered[-1][1] == start:
            covered[-1][1] += memory
        else:
            covered.append([start, start + memory])
    regions = []
    for region in next(entry for entry in shown["memory"] if entry["pid"] == pid)["regions"]:
        start, end = int(region["start"], 16), int(region["end"], 16)
        if regions and regions[-1][1] == start:
            regions[-1][1] = end
        else:
            regions.append([start, end])
    expect(f"{path}: regions", covered, regions)
    process = next(entry for entry in shown["processes"] if entry["pid"] == pid)
    tids = [struct.unpack_from("<i", note, 32)[0] for kind, note in core.notes if kind == NT_PRSTATUS]
    expect(f"{path}: threads", tids, [pid] + process.get("tids", []))
    kinds = [kind for kind, _ in core.notes]
    for kind, times in ((NT_PRPSINFO, 1), (NT_SIGINFO, 1), (NT_AUXV, 1), (NT_FILE, 1),
                        (NT_FPREGSET, len(tids)), (NT_XSTATE, len(tids))):
        expect(f"{path}: notes of type {kind:#x}", kinds.count(kind), times)
    information = next(note for kind, note in core.notes if kind == NT_PRPSINFO)
    expect(f"{path}: name", information[40:56].rstrip(b"\0").decode(), process["comm"])
    return core


def check_pages(dump, pid, core, plan):
    """The pages that the root loads by its plan, and has where it has loaded them."""
    mine = [command for command in plan if command["pid"] == pid]
    if any(command["command"] in ("MOVE_REGION", "UNMAP_REGION") for command in mine):
        return 0
    pages = 0
    for command in mine:
        if command["command"] != "LOAD_PAGES":
            continue
        start, source = int(command["start"], 16), command["source"]
        content = image(dump, source["image"])
        for i in range(command["pages"]):
            offset = source["offset"] + i * PAGE
            expect(f"{dump.name} {pid}: page {start + i * PAGE:x}", core.at(start + i * PAGE), content[offset:offset + PAGE])
            pages += 1
    return pages


def gdb(path, *commands):
    arguments = ["gdb", "-nx", "-batch", "-ex", "set debuginfod enabled off", "-ex", f"core-file {path}"]
    for command in commands:
        arguments += ["-ex", command]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=120).stdout


def check_gdb(dump, pid, path, plan):
    """Every thread's registers as the plan sets them."""
    wanted = {command.get("tid", pid): command["attributes"]["registers"] for command in plan
              if command["pid"] == pid and "registers" in command.get("attributes", {})}
    printed = gdb(path, "thread apply all printf \"\\nthread %d: %lx %lx %lx %lx %lx %lx %lx\\n\", "
                        "$_thread, $rip, $rsp, $rbx, $r15, $eflags, $fs_base, $orig_rax",
                  "info threads", "info files", "info auxv", "info proc mappings")
    found = sorted(tuple(int(word, 16) for word in line.split()[2:])
                   for line in printed.splitlines() if re.match(r"thread \d+: ", line))
    expected = sorted(tuple(int(registers[name], 16) for name in
                            ("ip", "sp", "bx", "r15", "flags", "fs_base", "orig_ax"))
                      for registers in wanted.values())
    expect(f"gdb, {dump.name} {pid}: registers", found, expected)
    lwps = sorted(map(int, re.findall(r"LWP (\d+)", printed.partition("Id ")[2].partition("Symbols from")[0]
                                      .partition("Local core dump file")[0])))
    expect(f"gdb, {dump.name} {pid}: threads", lwps, sorted(wanted))
    for text in ("Local core dump file:", "load1", "AT_ENTRY", "AT_PLATFORM", "/program"):
        expect(f"gdb, {dump.name} {pid}: says {text}", text in printed, True)


def check_dump(dump, folder):
    shown = json.loads(run("show", "processes", "memory", "--json", dump).stdout)
    plan = json.loads(run("-q", dump).stdout)
    pages = 0
    for process in shown["processes"]:
        pid = process["pid"]
        if process["state"] == "zombie":
            refused = run("core", dump, "--pid", pid, "-o", folder / "none")
            expect(f"{dump.name} {pid}: exit code of a zombie", refused.returncode, 4)
            expect(f"{dump.name} {pid}: says why", "is a zombie" in refused.stderr, True)
            expect(f"{dump.name} {pid}: leaves nothing", (folder / "none").exists(), False)
            continue
        path = make(dump, pid, folder)
        core = check_layout(dump, pid, path, shown)
        if process is shown["processes"][0]:
            pages += check_pages(dump, pid, core, plan)
        if has_gdb and (process is shown["processes"][0] or process.get("tids")):
            check_gdb(dump, pid, path, plan)
    return pages


has_gdb = shutil.which("gdb") is not None
loaded = 0
with tempfile.TemporaryDirectory() as temporary:
    for fixture in sorted((root / "tests/fixtures/dumps").iterdir()):
        loaded += check_dump(fixture, pathlib.Path(temporary))
    nobody = run("core", root / "tests/fixtures/dumps/threads", "--pid", 5, "-o", temporary + "/none")
    expect("exit code without such a process", nobody.returncode, 2)
expect("pages were compared", loaded > 100, True)
print(f"{checked} checks, {failures} failures, {loaded} pages compared")
if not failures and not has_gdb:
    print("skipped: there is no gdb")
    sys.exit(77)
sys.exit(1 if failures else 0)
