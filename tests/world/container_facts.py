#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What /proc says of every process of a container, as the container's own numbers have it.

usage: container_facts.py ROOT
       container_facts.py --compare BEFORE AFTER

ROOT: the root's pid, as the caller's pid namespace has it. One fact a line, sorted. Left out is what
time, the kernel or the machine counts: times, memory in use, numbers of mounts, devices and inodes.

--compare: what two such files say differently of the mounts and of processes that are in both.
"""

import os
import re
import sys

# Of /proc/PID/status: what changes while it runs, and what is told from outside.
COUNTED = re.compile(
    r"^(ShdPnd|SigPnd|Pid|Tgid|Ngid|PPid|TracerPid|NStgid|NSpid|NSpgid|NSsid|FDSize|Vm\w+|Rss\w+|HugetlbPages|"
    r"Threads|\w*ctxt_switches|Cpus_allowed\w*|Mems_allowed\w*|State|SigQ|x86_\w+)$"
)


def read(path):
    with open(path, errors="replace") as file:
        return file.read()


def descendants(root):
    """Numbers outside, by the number inside."""
    found = {}
    wanted = os.readlink("/proc/%d/ns/pid" % root)
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            if os.readlink("/proc/%s/ns/pid" % name) != wanted:
                continue
            inside = re.search(r"^NSpid:.*\s(\d+)$", read("/proc/%s/status" % name), re.M)
            found[int(inside.group(1))] = name
        except OSError:
            pass  # it has ended
    return found


def status(text):
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name in ("NSpid", "NSpgid", "NSsid"):
            yield "%s %s" % (name, value.split()[-1])
        elif name == "SigQ":
            yield "%s /%s" % (name, value.split("/")[1])
        elif not COUNTED.match(name):
            yield "%s %s" % (name, value.strip())


def limits(text):
    for line in text.splitlines()[1:]:
        yield re.sub(r"\s+", " ", line).strip()


def maps(text):
    """Neighbours that differ in nothing are one region to the kernel, or several."""
    regions = []
    for line in text.splitlines():
        words = line.split(None, 5)
        start, end = (int(word, 16) for word in words[0].split("-"))
        name = words[5] if len(words) > 5 else ""
        name = re.sub(r"^\[(vvar|vvar_vclock)\]$", "[vvar]", name)
        rest = (words[1], name)
        if regions and regions[-1][1] == start and regions[-1][2] == rest and not name.startswith("/"):
            regions[-1][1] = end
        else:
            regions.append([start, end, rest])
    for start, end, (access, name) in regions:
        yield "%x-%x %s %s" % (start, end, access, name)


def mounts(text):
    for line in text.splitlines():
        words = line.split()
        dash = words.index("-")
        # A file that masks another one is the caller's /dev/null.
        system = words[dash + 1 :] if words[3] != "/null" else []
        yield " ".join([words[4], words[3], words[5], *words[6:dash], *system])


def fdinfo(text):
    for line in text.splitlines():
        name, _, value = line.partition(":")
        value = value.strip()
        if name in ("mnt_id", "ino", "eventfd-id"):
            continue
        if name == "lock":  # its number, and whose: outside
            value = re.sub(r"^\d+: ", "", value)
            value = re.sub(r" \d+ [0-9a-f]+:[0-9a-f]+:\d+ ", " ", value)
        if name == "tfd" or name.startswith("inotify "):
            name = re.sub(r" ?(ino|sdev|fhandle-bytes|fhandle-type|f_handle):\S*", "", line)
            value = ""
        yield "%s %s" % (name, value)


def link(path):
    return re.sub(r"^(anon_inode:|\w+:)?\[\d+\]$", r"\1[]", os.readlink(path))


def facts_of(outside):
    at = "/proc/%s/" % outside
    for part, of in (("status", status), ("limits", limits), ("maps", maps)):
        for fact in of(read(at + part)):
            yield "%s: %s" % (part, fact)
    for fact in read(at + "cgroup").splitlines():
        yield "cgroup: " + fact.partition(":")[2]
    for name in ("comm", "cmdline", "environ", "oom_score_adj", "coredump_filter", "loginuid",
                 "personality", "timerslack_ns"):
        if os.path.exists(at + name):
            yield "%s: %r" % (name, read(at + name))
    for name in ("cwd", "root", "exe"):
        yield "%s: %s" % (name, os.readlink(at + name))
    for fd in os.listdir(at + "fd"):
        yield "fd %s: %s" % (fd, link(at + "fd/" + fd))
        for fact in fdinfo(read(at + "fdinfo/" + fd)):
            yield "fdinfo %s: %s" % (fd, fact)
    for task in os.listdir(at + "task"):
        yield "thread: " + read(at + "task/" + task + "/comm").strip()


def print_facts(root):
    lines = ["0 mount: " + mount for mount in mounts(read("/proc/%d/mountinfo" % root))]
    for inside, outside in descendants(root).items():
        try:
            lines += ["%d %s" % (inside, fact) for fact in list(facts_of(outside))]
        except OSError:
            pass  # it has ended
    print("\n".join(sorted(lines)))


def compare(before, after):
    facts = [set(read(path).splitlines()) for path in (before, after)]
    known = [{line.split()[0] for line in lines} for lines in facts]
    both = known[0] & known[1]
    differences = [
        "%s %s" % (mark, line)
        for mark, lines in (("-", facts[0] - facts[1]), ("+", facts[1] - facts[0]))
        for line in lines
        if line.split()[0] in both
    ]
    print("\n".join(sorted(differences, key=lambda line: line[2:])))
    return 1 if differences else 0


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "--compare":
        sys.exit(compare(*sys.argv[2:]))
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        sys.exit(__doc__)
    print_facts(int(sys.argv[1]))
