# SPDX-License-Identifier: Apache-2.0
"""What is seen of a restored process from outside: /proc, kcmp(2), ptrace(2).

A fact is a function of a process. Those in DEFAULTS are looked at in every process of every case;
others where a case names them.
"""
import os
import struct

import descriptor_facts
import kernel
import namespace_facts

# The program that all processes of the suite run: README.md, "Images".
PROGRAM = ["0x400000-0x401000 r-xp", "0x500000-0x502000 rw-p"]


class Seen(descriptor_facts.Seen, namespace_facts.Seen):
    """A process. `pid` is its number here, `number` the one that the plan gives it."""

    def __init__(self, pid, number, numbers):
        self.pid, self.number, self.numbers = pid, number, numbers
        self._stat = self._read("stat").rpartition(")")[2].split()
        self.status = {}
        for line in self._read("status").splitlines():
            key, _, value = line.partition(":")
            self.status[key] = value.strip()

    def _read(self, name):
        with open("/proc/%d/%s" % (self.pid, name), encoding="utf-8", errors="replace") as file:
            return file.read()

    def _link(self, name):
        return os.readlink("/proc/%d/%s" % (self.pid, name))

    def _planned(self, pid):
        """The plan's number of a process; 0: it is none of the plan's."""
        return self.numbers.get(pid, 0)

    # Processes.
    def state(self):
        return self._stat[0]

    def parent(self):
        return self._planned(int(self._stat[1]))

    def group(self):
        return self._planned_id("NSpgid")

    def session(self):
        return self._planned_id("NSsid")

    def _planned_id(self, key):
        return int(self.status[key].split()[-1])

    def exit_status(self):
        return int(self._stat[-1])

    def threads(self):
        return sorted(self.thread_numbers())

    def thread_numbers(self):
        """From the plan's numbers to those here."""
        numbers = {}
        for tid in os.listdir("/proc/%d/task" % self.pid):
            for line in self._read("task/%s/status" % tid).splitlines():
                if line.startswith("NSpid:"):
                    numbers[int(line.split()[-1])] = int(tid)
        return numbers

    def timer_slack(self):
        """In ns."""
        return int(self._read("timerslack_ns"))

    def loginuid(self):
        return int(self._read("loginuid"))

    def comm(self):
        return self._read("comm")[:-1]

    # Rights and limits.
    def uid(self):
        return [int(word) for word in self.status["Uid"].split()]

    def gid(self):
        return [int(word) for word in self.status["Gid"].split()]

    def groups(self):
        return sorted(int(word) for word in self.status["Groups"].split())

    def capabilities(self):
        return {key: hex(int(self.status[name], 16)) for key, name in (
            ("inh", "CapInh"), ("prm", "CapPrm"), ("eff", "CapEff"), ("bnd", "CapBnd"),
            ("amb", "CapAmb"))}

    def no_new_privs(self):
        return self.status["NoNewPrivs"] != "0"

    def seccomp(self):
        return [int(self.status["Seccomp"]), int(self.status.get("Seccomp_filters", 0))]

    def limits(self):
        rows = self._read("limits").splitlines()[1:]
        return {row[:26].strip(): row[26:].split()[:2] for row in rows}

    def tracer(self):
        return int(self.status["TracerPid"])

    # Attributes.
    def umask(self):
        return int(self.status["Umask"], 8)

    def cwd(self):
        return self._link("cwd")

    def root(self):
        return self._link("root")

    def exe(self):
        return self._link("exe")

    def oom_score_adj(self):
        return int(self._read("oom_score_adj"))

    def personality(self):
        return int(self._read("personality"), 16)

    def scheduling(self):
        return kernel.scheduling(self.pid)

    def thp_enabled(self):
        return self.status.get("THP_enabled", "1") != "0"

    def bounds(self):
        """start_code, end_code, start_stack; start_data, end_data, start_brk, arg and env."""
        return [hex(int(self._stat[i])) for i in (23, 24, 25, 42, 43, 44, 45, 46, 47, 48)]

    def auxv(self):
        with open("/proc/%d/auxv" % self.pid, "rb") as file:
            words = file.read()
        pairs = struct.iter_unpack("=QQ", words)
        return [hex(word) for pair in pairs if pair[0] for word in pair]

    def clocks(self, readings):
        """By clock: the reading that it went on from, if that is less than an hour ago."""
        found = {}
        for clock, reading in readings.items():
            now = struct.unpack("=qq", self._ask(16, 228, int(clock), "out"))[0]
            found[clock] = reading if reading <= now < reading + 3600 else now
        return found

    def cgroups(self, controllers):
        """By controllers: the place."""
        rows = [line.split(":", 2) for line in self._read("cgroup").splitlines()]
        return {row[1]: row[2] for row in rows if row[1] in controllers}

    # Signals.
    def _mask(self, key):
        return hex(int(self.status[key], 16))

    def blocked(self):
        return self._mask("SigBlk")

    def ignored(self):
        return self._mask("SigIgn")

    def caught(self):
        return self._mask("SigCgt")

    def pending(self):
        return [self._mask("SigPnd"), self._mask("ShdPnd")]

    def queue(self):
        """Signal, code and value of what is pending for the process, in order."""
        with kernel.Tracer(self.pid) as tracer:
            return [_siginfo(info) for info in tracer.pending(True)]

    def own_queue(self):
        with kernel.Tracer(self.pid) as tracer:
            return [_siginfo(info) for info in tracer.pending(False)]

    def posix_timers(self):
        """Of each timer: id, signal and value, how it notifies, clock."""
        rows = self._read("timers").split("\n")
        return sorted(" ".join(rows[i:i + 4]) for i in range(0, len(rows) - 3, 4))

    def overruns(self, timers):
        """timer_getoverrun(2), by id."""
        with kernel.Tracer(self.pid) as tracer:
            return {timer: tracer.ask(225, int(timer)) for timer in timers}

    # Memory.
    def maps(self):
        found = []
        for line in self._read("maps").splitlines():
            place, rights, offset, _, inode = line.split()[:5]
            name = line.split(None, 5)[5] if len(line.split(None, 5)) > 5 else ""
            if name == "[vsyscall]":
                continue
            if name in ("[heap]", "[stack]", "[anon_shmem]"):
                name = ""
            start, end = place.split("-")
            text = "0x%s-0x%s %s" % (start.lstrip("0"), end.lstrip("0"), rights)
            if name.startswith("[vvar"):
                name = "[vvar]"
            # Which inode stands behind shared anonymous memory is nobody's business.
            if name == "/dev/zero (deleted)":
                text += " shared+0x%x" % int(offset, 16)
            elif name.startswith("socket:"):
                text += " socket"
            elif int(inode) != 0:
                text += " %s+0x%x" % (name, int(offset, 16))
            elif name:
                text += " " + name
            found.append(text)
        return _without_pieces(found)

    def vm_flags(self, address):
        wanted, inside = int(address, 16), False
        for line in self._read("smaps").splitlines():
            head = line.split()[0]
            if "-" in head:
                start, end = (int(word, 16) for word in head.split("-"))
                inside = start <= wanted < end
            elif inside and line.startswith("VmFlags:"):
                return line.split()[1:]
        return []

    def mounts(self, wanted):
        """What is mounted at each place: type, root, flags, and the groups by letters, which come in the
        order in which the mounts were made."""
        found, letters = {}, {}
        with open("/proc/%d/mountinfo" % self.pid, encoding="utf-8", errors="replace") as table:
            for line in table:
                words = line.split()
                dash = words.index("-")
                tags = []
                for tag in words[6:dash]:
                    kind, _, group = tag.partition(":")
                    letter = letters.setdefault(group, "abcdefgh"[len(letters)]) if group else ""
                    tags.append(kind + letter.rjust(len(letter) + bool(letter)))
                root = "" if words[4] == "/" else words[3] + " "
                text = " ".join([words[dash + 1], root + words[5], *tags])
                found.setdefault(words[4], []).append(text)
        return {place: "; ".join(sorted(found.get(place, []))) for place in {**wanted, **found}}

    def bytes_at(self, address, size):
        with open("/proc/%d/mem" % self.pid, "rb", buffering=0) as memory:
            memory.seek(int(address, 16))
            return memory.read(size)

    def page(self, address):
        """The byte that a whole page consists of."""
        try:
            data = self.bytes_at(address, 4096)
        except OSError:
            return "no access"
        return "%02x" % data[0] if data == data[:1] * len(data) else "mixed"

    def frame(self, address):
        """The page frame behind an address; 0: none, or on swap."""
        with open("/proc/%d/pagemap" % self.pid, "rb", buffering=0) as pagemap:
            pagemap.seek(int(address, 16) // 4096 * 8)
            word = struct.unpack("=Q", pagemap.read(8))[0]
        return word & ((1 << 55) - 1) if word >> 63 else 0

    # What only the process itself can say.
    def _ask(self, size, number, *arguments):
        with kernel.Tracer(self.pid) as tracer:
            return tracer.ask_bytes(number, size, *arguments)

    def names(self):
        """Of its UTS namespace: uname(2)."""
        words = self._ask(390, 63, "out")
        return [words[at:at + 65].split(b"\0")[0].decode() for at in (65, 325)]

    def subreaper(self):
        return struct.unpack("=i", self._ask(4, 157, 37, "out", 0, 0, 0))[0] != 0

    def parent_death_signal(self):
        return struct.unpack("=i", self._ask(4, 157, 2, "out", 0, 0, 0))[0]

    def dumpable(self):
        with kernel.Tracer(self.pid) as tracer:
            return tracer.ask(157, 3, 0, 0, 0, 0)

    def securebits(self):
        with kernel.Tracer(self.pid) as tracer:
            return tracer.ask(157, 27, 0, 0, 0, 0)

    def altstack(self):
        sp, flags, _, size = struct.unpack("=QIIQ", self._ask(24, 131, 0, "out"))
        return [hex(sp), flags, size]

    def interval_timers(self):
        """Of ITIMER_REAL, VIRTUAL, PROF: the interval in seconds, and whether it is armed."""
        timers = []
        for which in range(3):
            words = struct.unpack("=4Q", self._ask(32, 36, which, "out"))
            timers.append([words[0], any(words[2:])])
        return timers

    def actions(self, signals):
        """[handler, flags, restorer, mask] of each signal."""
        found = {}
        for signal in signals:
            words = struct.unpack("=4Q", self._ask(32, 13, int(signal), 0, "out", 8))
            found[signal] = [hex(words[0]), hex(words[1]), hex(words[2]), hex(words[3])]
        return found

    def stop_signal(self):
        """Which has stopped it: what a stopped process has in the place of an exit status."""
        return self.exit_status()

    def clear_tid_address(self):
        """PR_GET_TID_ADDRESS."""
        return hex(struct.unpack("=Q", self._ask(8, 157, 40, "out", 0, 0, 0))[0])

    def tls(self, entries):
        """Of entries of the descriptor table: base, limit, bits (struct user_desc)."""
        with kernel.Tracer(self.pid) as tracer:
            return {entry: [hex(word) for word in tracer.tls(int(entry))] for entry in entries}

    def robust_list(self):
        return hex(kernel.robust_list(self.pid))

    def rseq(self):
        with kernel.Tracer(self.pid) as tracer:
            pointer, size, signature = tracer.rseq()
        return [hex(pointer), size, hex(signature)]

    def registers(self, names):
        with kernel.Tracer(self.pid) as tracer:
            words = tracer.registers()
        return {name: hex(words[name]) for name in names}

    def xsave(self, spans):
        """Hexadecimal bytes of the XSAVE area, by offset; "component 9" stands for where that one is."""
        with kernel.Tracer(self.pid) as tracer:
            area = tracer.xsave()
        found = {}
        for at, text in spans.items():
            offset = kernel.cpuid(0xd, int(at.split()[1]))[1] if at.startswith("component") else int(at)
            found[at] = area[offset:offset + len(text) // 2].hex()
        return found


class SeenThread(Seen):
    """A thread other than the leader: /proc has the same files for it."""


def _siginfo(info):
    signal, error, code = struct.unpack_from("=iii", info)
    value = struct.unpack_from("=Q", info, 24)[0]
    return [signal, code, hex(value)]


def _without_pieces(found):
    """The vvar is one region in a plan; how many the kernel makes of it is its own business."""
    joined = []
    for text in found:
        if joined and text.endswith("[vvar]") and joined[-1].endswith("[vvar]"):
            joined[-1] = joined[-1].split("-")[0] + "-" + text.split("-", 1)[1]
        else:
            joined.append(text)
    return joined


# What a process has of which its plan says nothing: the contract, "The baseline".
DEFAULTS = {
    "state": "S", "parent": 0, "tracer": 0, "umask": 0o22, "cwd": "/", "root": "/",
    "oom_score_adj": 0, "personality": 0, "no_new_privs": False, "seccomp": [0, 0],
    "scheduling": {"policy": 0, "priority": 0, "reset_on_fork": False, "nice": 0},
    "blocked": "0x0", "ignored": "0x0", "caught": "0x0", "pending": ["0x0", "0x0"],
    "maps": PROGRAM, "fds": {}, "own_namespaces": [], "cgroups_of_caller": True, "posix_timers": [], "thp_enabled": True,
}
# Of a zombie there is no more than this.
OF_ZOMBIE = ("state", "parent", "group", "session", "exit_status")
