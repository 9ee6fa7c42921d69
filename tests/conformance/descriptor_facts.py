# SPDX-License-Identifier: Apache-2.0
"""What is seen of descriptors: a part of facts.Seen, and functions of a process and a descriptor."""
import fcntl
import os
import struct

import kernel
import socket_facts


class Seen:
    emptied = {}  # what there was in pipes that have been read

    def fds(self):
        found = {}
        for name in sorted(os.listdir("/proc/%d/fd" % self.pid), key=int):
            path = self._link("fd/" + name)
            found[name] = path.split(":")[0] if path.startswith("anon_inode:") else path
            if path.startswith("anon_inode:"):
                found[name] = path[len("anon_inode:"):].strip("[]")
            elif not path.startswith("/"):  # pipes, sockets, namespaces
                found[name] = path.split(":")[0]
        return found

    def queued(self, fds):
        """Of pipes and FIFOs: the capacity, the bytes in them, and whether the end comes then. Reads
        them: who looks again is told what there was."""
        found = {}
        for fd in fds:
            reading = os.open("/proc/%d/fd/%s" % (self.pid, fd), os.O_RDONLY | os.O_NONBLOCK)
            key = (self.pid, fd, os.fstat(reading).st_ino)
            if key not in Seen.emptied:
                capacity, got = fcntl.fcntl(reading, 1032), len(os.read(reading, 1 << 20))
                try:
                    after = "end" if os.read(reading, 1) == b"" else "more"
                except BlockingIOError:
                    after = "goes on"
                Seen.emptied[key] = [capacity, got, after]
            os.close(reading)
            found[fd] = Seen.emptied[key]
        return found

    def fdinfo(self, fd):
        rows = dict(line.split(":", 1) for line in self._read("fdinfo/%s" % fd).splitlines())
        return {key: value.strip() for key, value in rows.items()}

    def unread(self, fds):
        """The bytes that a read(2) would find now."""
        found = {}
        for fd in fds:
            copy = kernel.copy_of_descriptor(self.pid, int(fd))
            found[fd] = struct.unpack("=i", fcntl.ioctl(copy, 0x541b, b"\0" * 4))[0]  # FIONREAD
            os.close(copy)
        return found

    def pidfds(self, fds):
        """By descriptor: whose pidfd it is, "gone", or both for a thread's."""
        found = {}
        for fd in fds:
            rows = self.fdinfo(fd)
            pid = int(rows["Pid"])
            found[fd] = "gone" if pid == -1 else int(rows["NSpid"].split()[-1])
            if int(rows["flags"], 8) & os.O_EXCL:
                found[fd] = "thread %s" % found[fd]
        return found

    def namespaces(self, fds):
        """By descriptor of a namespace, whether it is that of the process, else whose of the plan's."""
        found = {}
        for fd in fds:
            path = self._link("fd/" + fd)
            kind = path.split(":")[0]
            own = self._link("ns/" + kind)
            others = [number for pid, number in self.numbers.items()
                      if os.readlink("/proc/%d/ns/%s" % (pid, kind)) == path]
            found[fd] = "its own" if path == own else "that of %d" % min(others) if others else path
        return found

    def locks(self, fds):
        """By descriptor, what it has locked: kind, whether it is being broken, type, range."""
        found = {}
        for fd in fds:
            rows = [line.split() for line in self._read("fdinfo/%s" % fd).splitlines()]
            found[fd] = sorted(" ".join(row[2:5] + ["-".join(row[7:])]) for row in rows
                               if row[0] == "lock:")
        return found

    def watches(self, fds):
        """The rows of fdinfo of what inotify(7) and fanotify(7) watch, with the case's paths for inodes."""
        found = {}
        for fd, rows in fds.items():
            paths = {os.lstat(row[0]).st_ino: row[0] for row in rows if row[0].startswith("/")}
            found[fd] = []
            for line in self._read("fdinfo/%s" % fd).splitlines():
                if not line.startswith(("inotify ", "fanotify ")):
                    continue
                row = dict(word.split(":", 1) for word in line.split() if ":" in word)
                if "ino" in row:
                    names = ("wd", "mask") if "wd" in row else ("mflags", "mask", "ignored_mask")
                    found[fd].append([paths.get(int(row["ino"], 16), "another")] +
                                     ["%s %s" % (name, row[name]) for name in names])
                elif "mnt_id" in row:
                    found[fd].append(["mount", "mask " + row["mask"]])
                else:  # of the group
                    found[fd].append(["%s %s" % pair for pair in row.items()])
            found[fd].sort()
        return found

    def sockets(self, wanted):
        return socket_facts.of(self, wanted)

    def bpf_maps(self, fds):
        """By descriptor: the map, what may be done by it, and which of them has that map first."""
        found, first = {}, {}
        for fd in fds:
            copy = kernel.copy_of_descriptor(self.pid, int(fd))
            try:
                it = kernel.bpf_map_of(copy)
                it["access"] = fcntl.fcntl(copy, fcntl.F_GETFL)
            finally:
                os.close(copy)
            it["frozen"] = int(self.fdinfo(fd)["frozen"])
            number = it.pop("id")
            it["entries"] = kernel.bpf_entries_of(number, *it["sizes"][:2])
            it["first"] = first.setdefault(number, int(fd))
            found[fd] = it
        return found

    def epoll(self, sets):
        """Of each set, what it watches: descriptor, events, data."""
        found = {}
        for fd in sets:
            rows = [line.split() for line in self._read("fdinfo/%s" % fd).splitlines()]
            found[fd] = sorted([int(row[1]), row[3], row[5]] for row in rows if row[0] == "tfd:")
        return found

    def timers_left(self, seconds):
        """By descriptor: the time that a timerfd began with, if less than an hour of it is over."""
        found = {}
        for fd, wanted in seconds.items():
            left = int(self.fdinfo(fd)["it_value"].strip("()").split(",")[0])
            found[fd] = wanted if wanted - 3600 < left <= wanted else left
        return found

    def counted(self, fds):
        """What a read(2) of an eventfd gives; it is written back."""
        found = {}
        for fd in fds:
            copy = kernel.copy_of_descriptor(self.pid, int(fd))
            word = os.read(copy, 8)
            os.write(copy, word)
            found[fd] = struct.unpack("=Q", word)[0]
            os.close(copy)
        return found


def of_copy(pid, fd, function):
    copy = kernel.copy_of_descriptor(pid, fd)
    try:
        return function(copy)
    finally:
        os.close(copy)


def owner_of(pid, fd):
    """Type and number of F_GETOWN_EX, the signal, and uid and euid that it is sent with."""
    def ask(copy):
        kind, number = struct.unpack("=ii", fcntl.fcntl(copy, 16, b"\0" * 8))
        ids = struct.unpack("=II", fcntl.fcntl(copy, 17, b"\0" * 8))
        return [kind, number, fcntl.fcntl(copy, 11), list(ids)]
    return of_copy(pid, fd, ask)


def seals_of(pid, fd):
    return of_copy(pid, fd, lambda copy: fcntl.fcntl(copy, 1034))


def stat_of(pid, fd, rows):
    status = of_copy(pid, fd, lambda copy: os.fstat(copy))
    values = {"size": status.st_size, "mode": oct(status.st_mode & 0o7777), "uid": status.st_uid,
              "gid": status.st_gid, "links": status.st_nlink, "device": status.st_rdev,
              "block": status.st_blksize, "times": [status.st_atime_ns, status.st_mtime_ns]}
    return {key: values[key] for key in rows}


def contents_of(pid, fd, rows):
    file = os.open("/proc/%d/fd/%d" % (pid, fd), os.O_RDONLY | os.O_NOATIME)
    found = {at: os.pread(file, len(text) // 2, int(at)).hex() for at, text in rows.items()}
    os.close(file)
    return found
