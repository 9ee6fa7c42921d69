# SPDX-License-Identifier: Apache-2.0
"""What a case begins with, and who calls the restorer: README.md."""
import fcntl
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess

import kernel
import outside

PATH = "/mnt"
IMAGES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "images")
OUTSIDE = [0]  # the number of the init where it was born
HELD = []  # what somebody else has, for as long as the case lasts
MOUNTS = set()  # of the caller, before the restorer begins
ADDR_NO_RANDOMIZE = 0x40000


def make(end):
    """A file system that every case begins with, where plans find their files."""
    OUTSIDE[0] = int(os.readlink("/proc/self"))  # of the outer /proc
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("proc", "/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    kernel.mount("conformance", PATH, "tmpfs")
    kernel.bring_up_loopback()
    os.umask(0)
    for name, mode, text in (("a", 0o644, "0123456789abcdef"), ("b", 0o600, "b" * 8192),
                             ("log", 0o644, "log\n"), ("mark", 0o644, ""),
                             ("program", 0o755, "no ELF file"), ("secret", 0o600, "x")):
        path = os.path.join(PATH, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(path, mode)
    os.link(os.path.join(PATH, "b"), os.path.join(PATH, "link_remap.1"))
    for name in ("dir", "jail", "jail/inside", "jail/part", "jail/slave"):
        os.mkdir(os.path.join(PATH, name), 0o755)
    os.mkfifo(os.path.join(PATH, "fifo"))
    os.mknod(os.path.join(PATH, "socket"), 0o140644)
    with open(os.fsencode(PATH) + b"/n\xf8", "wb") as file:  # a name that is no UTF-8
        file.write(b"0123456789")
    with open(os.path.join(PATH, "jail", "a"), "w", encoding="ascii") as file:
        file.write("of the jail")
    for path in end.get("locked", []):
        HELD.append(open(path, "rb"))
        fcntl.flock(HELD[-1], fcntl.LOCK_EX)
    for path in end.get("bound", []):
        HELD.append(socket.socket(socket.AF_UNIX))
        HELD[-1].bind(path)
    for table in end.get("nft_tables", {}):
        subprocess.run(["nft", "add", "table", "inet", table], check=True)
    for pid in end.get("taken", []):
        take_number(pid)
    outside.make(end)


def images_of(end):
    """The folder of images: the suite's, or a copy, which a case may change."""
    if "images" not in end:
        return IMAGES
    return shutil.copytree(IMAGES, end["images"], dirs_exist_ok=True)


def processor():
    """The features that /proc/cpuinfo lists."""
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        return set(next((line for line in file if line.startswith("flags")), "").split())


def mounts():
    """Of the caller, each as /proc has it."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as table:
        return set(table.read().splitlines())


def remember_mounts():
    MOUNTS.update(mounts())


def changed_mounts():
    return MOUNTS ^ mounts()


def has_cgroups():
    with open("/proc/filesystems", encoding="ascii") as known:
        return "cgroup2" in known.read().split()


CGROUPS = os.path.join(PATH, "cgroups")


def enter_cgroup(end):
    """The caller is in a cgroup of its own, but not the init, which looks from outside of it."""
    if not end.get("cgroup_of_caller"):
        return
    os.mkdir(CGROUPS)
    kernel.mount("conformance", CGROUPS, "cgroup2")
    os.mkdir(os.path.join(CGROUPS, cgroup_name()))


def cgroup_name():
    """One for each case."""
    return "conformance-%d" % OUTSIDE[0]


def cgroups_of_caller():
    """Rows of /proc/PID/cgroup."""
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        rows = file.read().splitlines()
    if os.path.isdir(CGROUPS):
        rows = [row if row[:3] != "0::" else "0::/" + cgroup_name() for row in rows]
    return rows


def leave_nothing(init):
    """When all are gone; `init` was in the namespaces of this process."""
    place = os.path.join(CGROUPS, "conformance-%d" % init)
    if os.path.isdir(place):
        os.rmdir(place)


def take_number(pid):
    with open("/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as last:
        last.write(str(pid - 1))
    child = os.fork()
    if child == 0:
        while True:
            signal.pause()
    if child != pid:
        raise RuntimeError("number %d could not be taken" % pid)


def be_odd():
    """A caller with much of its own, none of which a restored process may get."""
    own = os.path.join(CGROUPS, cgroup_name(), "cgroup.procs")
    if os.path.exists(own):
        with open(own, "w", encoding="ascii") as members:
            members.write("0")
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    os.kill(os.getpid(), signal.SIGUSR2)
    for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
        signal.setitimer(timer, 3600, 60)
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    kernel.be_without_huge_pages()
    kernel.be_subreaper_that_dies_with_its_parent()
    kernel.personality(ADDR_NO_RANDOMIZE)
    os.setgroups([7])
    os.umask(0o077)
    os.nice(3)
    os.chdir(os.path.join(PATH, "dir"))
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:
        score.write("100")
    resource.setrlimit(resource.RLIMIT_CORE, (4096, 8192))


def fill_in(case):
    """What only this kernel, and this file system, can say: the places of `fill`, and handles."""
    fill = case.end.get("fill", {})
    with open(case.plan, encoding="utf-8") as plan:
        text = plan.read()
    text = re.sub('"@handle of ([^@]*)@"', lambda of: json.dumps(kernel.file_handle(of[1])), text)
    end = json.dumps(case.end)
    sizes = sizes_of_maps()
    for name, start in fill.items():
        place = "0x%x" % (int(start, 16) + sizes[name])
        text, end = (it.replace("@%s_end@" % name, place) for it in (text, end))
        text = text.replace("@%s_size@" % name, "0x%x" % sizes[name])
    case.plan = os.path.join(PATH, "plan.json")
    with open(case.plan, "w", encoding="utf-8") as plan:
        plan.write(text)
    case.end = json.loads(end)


def sizes_of_maps():
    """The vdso has the size that this kernel gives it."""
    sizes = {}
    with open("/proc/self/maps", encoding="utf-8") as maps:
        for line in maps:
            place, name = line.split()[0], line.split()[-1].strip("[]")
            start, end = (int(word, 16) for word in place.split("-"))
            name = "vvar" if name.startswith("vvar") else name
            sizes[name] = sizes.get(name, 0) + end - start
    return sizes
