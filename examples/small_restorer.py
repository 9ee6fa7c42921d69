#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A small restorer: processes, plain files and private memory, on Linux and x86-64.

    small_restorer.py PLAN IMAGES

Written from docs/restorer-contract.md alone; numbers in comments are its paragraphs. It executes one
command after another (9.1), in processes that it has stopped: ptrace(2) lets a process make the
system call that the command is. What it does not know it refuses by name before it begins (1.9).

Exit status: 0 restored; 1 failed, and nothing is left; 2 wrong arguments; 4 refused.
"""
import contextlib
import ctypes
import json
import os
import signal
import struct
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = LIBC.ptrace.restype = ctypes.c_long
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
REGISTERS = ("r15 r14 r13 r12 bp bx r11 r10 r9 r8 ax cx dx si di orig_ax ip cs flags sp ss "
             "fs_base gs_base ds es fs gs").split()
CALLS = dict(close=3, mmap=9, mprotect=10, munmap=11, rt_sigaction=13, mremap=25, exit_group=231,
             lseek=8, dup3=292, fcntl=72, setpgid=109, setsid=112, prctl=157, chdir=80,
             umask=95, wait4=61, openat=257, clone3=435, close_range=436, kill=62,
             prlimit64=302, rt_sigtimedwait=128, set_robust_list=273)
OPEN = dict(O_RDONLY=0, O_WRONLY=1, O_RDWR=2, O_ACCMODE=3, O_APPEND=0x400, O_NONBLOCK=0x800,
            O_DIRECTORY=0x10000, O_LARGEFILE=0x8000, O_NOFOLLOW=0x20000, O_NOATIME=0x40000, O_PATH=0x200000)  # 1.2
PROT = dict(PROT_READ=1, PROT_WRITE=2, PROT_EXEC=4)
MAP = dict(MAP_PRIVATE=2, MAP_ANONYMOUS=0x20)
CLONE = dict(CLONE_FILES=0x400, CLONE_FS=0x200, CLONE_PARENT=0x8000)
# Of each command the members that this restorer knows (1.2).
MEMBERS = {name: words.split() for name, words in {
    "FORK": "child_pid flags about", "SET_SID": "", "SET_PGID": "pgid", "EXIT": "status", "WAIT": "child_pid",
    "OPEN_FILE": "fd file cloexec", "DUP_FD": "old_fd new_fd cloexec", "CLOSE_FD": "fd",
    "MAP_REGION": "start end prot flags", "UNMAP_REGION": "start end", "MOVE_REGION": "start end to",
    "PROTECT_REGION": "start end prot", "LOAD_PAGES": "start pages source", "SET_ATTR": "attributes",
    "RESUME": "stopped"}.items()}
ABOUT = "version machine dump cpu left_out external not_restorable vdso".split()
FILE = "type id path flags pos size mode build_id".split()
ATTRIBUTES = "comm fs child_subreaper signal_mask registers creds rlimits".split()
RIGHTS = ["creds", "rlimits"]
STUB = 0x7ff000000000  # two pages that no plan of this restorer may use: code, and arguments
OPTIONS = 0x100000 | 1 | 2 | 4 | 8  # EXITKILL, TRACESYSGOOD, TRACEFORK, TRACEVFORK, TRACECLONE
ALL_SIGNALS, SETSIGMASK = 2**64 - 1, 0x420b
WALL = 0x40000000


class Refused(Exception):
    """The plan, or one of its commands."""


def require(good, problem):
    if not good:
        raise Refused(problem)


def known(names, all_known):
    unknown = sorted(set(names) - set(all_known))
    require(not unknown, "this restorer knows no " + ", ".join(unknown))


def bits(names, values):
    known(names, values)
    return sum(values[name] for name in names)


def cloexec(command):
    return 0x80000 if command.get("cloexec") else 0


def span(region):
    start = int(region["start"], 16)
    return start, int(region["end"], 16) - start


class Process:
    """One that is stopped, and makes system calls when it is asked to."""

    def __init__(self, pid):
        self.pid, self.mask, self.registers, self.stopped = pid, 0, None, None

    def trace(self, request, address=0, data=0):
        data = data if isinstance(data, int) else ctypes.cast(data, ctypes.c_void_p)
        require(LIBC.ptrace(request, self.pid, address, data) >= 0, "process %d is not to be traced" % self.pid)

    def block(self, signals):
        self.trace(SETSIGMASK, 8, ctypes.byref(ctypes.c_uint64(signals)))

    def set_registers(self, values):
        self.trace(13, 0, (ctypes.c_uint64 * 27)(*[values[name] % 2**64 for name in REGISTERS]))

    def write(self, address, data):
        with open("/proc/%d/mem" % self.pid, "rb+", buffering=0) as memory:
            memory.seek(address)
            require(memory.write(data) == len(data), "%d bytes at 0x%x cannot be written" % (len(data), address))

    def enter(self, name, *arguments):
        """Bytes among the arguments are put beside the code."""
        values, at = dict.fromkeys(REGISTERS, 0), STUB + 4096
        values.update(ax=CALLS[name], orig_ax=-1, ip=STUB, sp=STUB + 8192, cs=0x33, ss=0x2b,
                      flags=0x202)
        for register, argument in zip(("di", "si", "dx", "r10", "r8", "r9"), arguments):
            if isinstance(argument, bytes):
                self.write(at, argument + b"\0")
                values[register] = at
                at += len(argument) // 8 * 8 + 16
            else:
                values[register] = argument
        self.set_registers(values)

    def call(self, name, *arguments, may_fail=False, what=None):
        self.enter(name, *arguments)
        for _ in range(2):  # on the way in, and on the way out
            self.trace(24)
            self.await_stop(lambda status: status >> 8 == signal.SIGTRAP | 0x80)
        words = (ctypes.c_int64 * 27)()
        self.trace(12, 0, words)
        result = words[REGISTERS.index("ax")]
        require(result >= 0 or may_fail, "%s: %s" % (what or name, os.strerror(-result)))
        return result

    def await_stop(self, wanted):
        while True:
            _, status = os.waitpid(self.pid, WALL)
            require(os.WIFSTOPPED(status), "process %d has died" % self.pid)
            if wanted(status):
                return
            self.trace(24)  # the event of a clone3(2) on its way


# Commands that are one system call.
ONE_CALL = {
    "SET_SID": lambda c: ("setsid",),
    "SET_PGID": lambda c: ("setpgid", 0, c["pgid"]),
    "CLOSE_FD": lambda c: ("close", c["fd"]),
    "DUP_FD": lambda c: (("fcntl", c["old_fd"], 2, int(c.get("cloexec", False))) if c["old_fd"] == c["new_fd"]
                         else ("dup3", c["old_fd"], c["new_fd"], cloexec(c))),  # 11.4
    "MAP_REGION": lambda c: ("mmap", *span(c), bits(c["prot"], PROT),
                             bits(c["flags"], MAP) | 0x100000, -1, 0),  # MAP_FIXED_NOREPLACE, 8.1
    "UNMAP_REGION": lambda c: ("munmap", *span(c)),
    "MOVE_REGION": lambda c: ("mremap", *span(c), span(c)[1], 3, int(c["to"], 16)),
    "PROTECT_REGION": lambda c: ("mprotect", *span(c), bits(c["prot"], PROT)),
}


class Restorer:
    def __init__(self, plan, images):
        self.plan, self.images = plan, images
        self.living, self.opened = {}, {}
        self.said, self.ends = {}, {}  # by process: attributes, the last command

    # Before anything is done.
    def check(self):
        require(self.plan and self.plan[0].get("command") == "FORK", "the plan does not begin with a FORK")
        self.check_about(self.plan[0].get("about", {}))
        self.each(self.check_command)
        for pid, last in self.ends.items():
            require(last in ("RESUME", "EXIT"), "process %d neither resumes nor exits" % pid)

    def each(self, act):
        for number, command in enumerate(self.plan):
            name, pid = command["command"], command["pid"]
            try:
                act(name, pid, command)
            except (Refused, OSError, KeyError) as problem:
                raise Refused("commands[%d] %s pid %d: %s" % (number, name, pid, problem)) from problem  # 10.3

    def check_about(self, about):
        known(about, ABOUT)
        version, xsave = about.get("version", "1.0"), about.get("cpu", {}).get("xsave", "0x0")
        require(version.split(".")[0] == "1", "version %s is not known" % version)  # 1.1
        require(about.get("machine", "x86_64") == "x86_64", "machine %s" % about.get("machine"))
        for it in about.get("left_out", []) + about.get("external", []):  # 1.9
            raise Refused("left out, or needed from outside: %s" % it["what"])
        for it in about.get("dump", {}).get("images", []):  # 1.6
            known(it, ["name", "size"])  # and no digest
            require(os.fstat(self.image(it["name"]).fileno()).st_size == it["size"],
                    "image %s is not that of the plan" % it["name"])
        require(int(xsave, 16) & ~3 == 0, "XSAVE components %s" % xsave)  # every processor has these two

    def image(self, name):
        """Opened once: what is compared is what is read."""
        require(not name.startswith("/") and ".." not in name.split("/"), "image %s is not in the folder" % name)
        return self.opened.get(name) or self.opened.setdefault(name, open(os.path.join(self.images, name), "rb"))

    def check_command(self, name, pid, command):
        known([name], MEMBERS)
        known(command, ["command", "pid"] + MEMBERS[name])
        if pid:
            self.ends[pid] = name
        if name == "FORK":
            bits(command.get("flags", []), CLONE)
            self.ends[command["child_pid"]], self.said[command["child_pid"]] = name, set()
        elif name == "OPEN_FILE":
            known([command["file"]["type"]], ["REG"])
            known(command["file"], FILE)
            bits(command["file"]["flags"], OPEN)  # 11.2
        elif name == "MAP_REGION":
            bits(command["flags"], MAP)
        elif name == "LOAD_PAGES":
            self.image(command["source"]["image"])
        elif name == "SET_ATTR":
            known(command["attributes"], ATTRIBUTES)
            require(command["attributes"].get("fs", {}).get("root", "/") == "/", "another root directory")
            require(all(command["attributes"].get(it, "inherit") == "inherit" for it in RIGHTS),
                    "rights other than the restorer's")
            self.said[pid].update(command["attributes"])
        elif name == "RESUME":
            missing = {"registers", *RIGHTS} - self.said[pid]
            require(not missing, "nothing is said of its %s" % ", ".join(missing))

    # The root, and how the others are born.
    def start_root(self, pid):
        numbers = (ctypes.c_int32 * 1)(pid)
        arguments = struct.pack("=11Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(numbers), 1, 0)
        born = LIBC.syscall(CALLS["clone3"], arguments, len(arguments))
        if born == 0:
            self.be_root()
        require(born > 0, "clone3 of %d: %s" % (pid, os.strerror(ctypes.get_errno())))
        root = self.living[pid] = Process(pid)
        os.waitpid(pid, 0)
        root.trace(0x4200, 0, OPTIONS)
        root.block(ALL_SIGNALS)
        root.call("close_range", 0, 2**32 - 1, 0)
        root.call("set_robust_list", 0, 24)
        root.call("munmap", 0, STUB)
        root.call("munmap", STUB + 8192, 0x7ffffffff000 - STUB - 8192)

    def be_root(self):
        """The baseline (2.2), as far as a process can do it that still has its libraries."""
        for number in range(1, 65):
            LIBC.syscall(CALLS["rt_sigaction"], number, b"\0" * 32, None, 8)
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        LIBC.setpriority(0, 0, 0)
        LIBC.personality(0)
        LIBC.prctl(41, 0, 0, 0, 0)  # PR_SET_THP_DISABLE
        os.write(os.open("/proc/self/oom_score_adj", os.O_WRONLY), b"0")
        os.chdir("/")
        os.umask(0o022)
        LIBC.mmap.restype = ctypes.c_void_p
        LIBC.mmap(ctypes.c_void_p(STUB), ctypes.c_size_t(8192), 7, 0x100022, -1, ctypes.c_long(0))
        ctypes.memmove(STUB, b"\x0f\x05\xeb\xfe", 4)  # syscall; jmp .
        LIBC.ptrace(0, 0, None, None)
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(1)

    # Commands.
    def FORK(self, process, command):
        child = command["child_pid"]
        if process is None:
            return self.start_root(child)
        flags = bits(command.get("flags", []), CLONE)
        exit_signal = 0 if flags & CLONE["CLONE_PARENT"] else signal.SIGCHLD  # 3.3
        arguments = struct.pack("=11Q", flags, 0, 0, 0, exit_signal, 0, 0, 0, STUB + 4096 + 256, 1, 0)
        process.write(STUB + 4096 + 256, struct.pack("=i", child))
        process.call("clone3", arguments, len(arguments), what="clone3 of %d" % child)
        self.living[child] = Process(child)
        return self.living[child].await_stop(lambda status: True)

    def EXIT(self, process, command):
        del self.living[process.pid]
        with open("/proc/%d/stat" % process.pid, encoding="utf-8", errors="replace") as stat:
            parent = int(stat.read().rpartition(")")[2].split()[1])
        status = command["status"]
        if "signal" in status:
            number = getattr(signal, status["signal"])
            process.call("prlimit64", 0, 4, b"\0" * 16, 0)  # RLIMIT_CORE
            process.block(ALL_SIGNALS ^ 1 << number - 1)
            process.enter("kill", process.pid, number)
            process.trace(7)
            if number != signal.SIGKILL:
                os.waitpid(process.pid, WALL)
                process.trace(7, 0, number)
        else:
            process.enter("exit_group", status["code"])
            process.trace(7)
        # A tracer that is not the parent leaves the zombie to the parent (3.5).
        os.waitid(os.P_PID, process.pid, os.WEXITED | WALL | (os.WNOWAIT if parent == os.getpid() else 0))

    def WAIT(self, process, command):
        if process is None:
            os.waitpid(command["child_pid"], WALL)
        else:
            found = process.call("wait4", command["child_pid"], 0, WALL | 1, 0)
            require(found != 0, "process %d has not exited" % command["child_pid"])

    def OPEN_FILE(self, process, command):
        file = command["file"]
        follows = "O_NOFOLLOW" not in file["flags"]
        path = os.stat(file["path"], follow_symlinks=follows)  # 11.12
        require(file["path"].startswith("/proc/") or os.path.realpath(file["path"]) == file["path"],
                "%s leads through a symbolic link" % file["path"])  # 7.3 allows some
        said = (file.get("size", path.st_size), file.get("mode", path.st_mode), file.get("build_id"))
        require(said == (path.st_size, path.st_mode, None) and path.st_mode & 0o170000 not in (0o010000, 0o140000),
                "%s is not the file that it was" % file["path"])
        require(process.call("fcntl", command["fd"], 1, may_fail=True) < 0, "descriptor %d is taken" % command["fd"])
        flags = bits(file["flags"], OPEN) | 0x100  # O_NOCTTY
        fd = process.call("openat", -100, os.fsencode(file["path"]), flags | cloexec(command), 0)
        if fd != command["fd"]:
            process.call("dup3", fd, command["fd"], cloexec(command))
            process.call("close", fd)
        if "pos" in file and "O_PATH" not in file["flags"]:
            process.call("lseek", command["fd"], file["pos"], 0)

    def LOAD_PAGES(self, process, command):
        source = command["source"]
        image = self.image(source["image"])
        image.seek(source["offset"])
        data = image.read(command["pages"] * 4096)
        require(len(data) == command["pages"] * 4096, "image %s is too short" % source["image"])
        process.write(int(command["start"], 16), data)

    def SET_ATTR(self, process, command):
        said = command["attributes"]
        for name, number in (("comm", 15), ("child_subreaper", 36)):
            if name in said:
                process.call("prctl", number, said[name].encode() if name == "comm" else int(said[name]))
        if "fs" in said:  # 7.1
            process.call("chdir", os.fsencode(said["fs"]["cwd"]))
            if "umask" in said["fs"]:
                process.call("umask", said["fs"]["umask"])
        process.mask = int(said.get("signal_mask", hex(process.mask)), 16)
        process.registers = said.get("registers", process.registers)

    def RESUME(self, process, command):
        process.stopped = command.get("stopped")  # 6.1: a mark

    # The hand-over (6).
    def hand_over(self):
        for process in self.living.values():
            chld = struct.pack("=Q", 1 << signal.SIGCHLD - 1)
            while process.call("rt_sigtimedwait", chld, 0, b"\0" * 16, 8, may_fail=True) > 0:  # 6.2
                pass
            process.call("munmap", STUB, 8192)
            values = {name: int(word, 16) for name, word in process.registers.items()}
            process.set_registers(dict(values, orig_ax=-1))  # 6.5
            process.block(process.mask)
        for process in filter(lambda it: it.stopped, self.living.values()):
            os.kill(process.pid, getattr(signal, process.stopped))
        for process in self.living.values():
            with contextlib.suppress(Refused):  # one that runs already may end another (6.1)
                process.trace(17)

    def execute(self, name, pid, command):
        process = self.living.get(pid)
        if name in ONE_CALL:
            process.call(*ONE_CALL[name](command))
        else:
            getattr(self, name)(process, command)

    def give_up(self):
        """Nothing is left (10.1): zombies come to this subreaper."""
        for pid in self.living:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-1, WALL)


def main():
    if len(sys.argv) != 3:
        print("usage: small_restorer.py PLAN IMAGES", file=sys.stderr)
        return 2
    if os.environ.get("GLIBC_TUNABLES") != "glibc.pthread.rseq=0":  # 2.2: no rseq is inherited
        os.environ["GLIBC_TUNABLES"] = "glibc.pthread.rseq=0"
        os.execv(sys.executable, [sys.executable] + sys.argv)
    with open(sys.argv[1], encoding="utf-8") as file:
        restorer = Restorer(json.load(file), sys.argv[2])
    try:
        restorer.check()
        LIBC.prctl(36, 1, 0, 0, 0)  # 3.4: a subreaper
        restorer.each(restorer.execute)
        restorer.hand_over()
    except (Refused, OSError, KeyError) as problem:
        begun = bool(restorer.living)
        restorer.give_up()
        print("%s: %s" % (problem, "nothing is restored" if begun else "this plan is refused"), file=sys.stderr)
        return 1 if begun else 4
    return 0


if __name__ == "__main__":
    sys.exit(main())
