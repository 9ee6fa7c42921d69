# SPDX-License-Identifier: Apache-2.0
"""What is seen of namespaces and terminals: a part of facts.Seen."""
import fcntl
import json
import os
import re
import struct
import subprocess

import kernel
import world


class Seen:
    def own_namespaces(self):
        """Those that are not the caller's, by their names in /proc/PID/ns."""
        return [kind for kind in sorted(os.listdir("/proc/self/ns"))
                if self._link("ns/" + kind) != os.readlink("/proc/self/ns/" + kind)]

    def cgroups_of_caller(self):
        """Whether it is in those of the caller."""
        return self._read("cgroup").splitlines() == world.cgroups_of_caller()

    def networks(self, wanted):
        """By descriptor (of a network namespace, a socket, or tun(4)), or "own": the first process of the plan that is
        in that network namespace; 0: none."""
        first = {}
        for pid, number in self.numbers.items():
            inode = os.stat("/proc/%d/ns/net" % pid).st_ino
            first[inode] = min(number, first.get(inode, number))
        found = {}
        for what in wanted:
            net = self._network_of(what)
            found[what] = first.get(os.fstat(net).st_ino, 0)
            os.close(net)
        return found

    def _network_of(self, what):
        if what == "own":
            return os.open("/proc/%d/ns/net" % self.pid, os.O_RDONLY)
        copy = kernel.copy_of_descriptor(self.pid, int(what))
        if self._link("fd/" + what).startswith("net:["):
            return copy
        net = fcntl.ioctl(copy, 0x894c)  # SIOCGSKNS
        os.close(copy)
        return net

    def interfaces_of(self, wanted):
        """Likewise by descriptor, what `interfaces` says of its network namespace."""
        found = {}
        for what, rows in wanted.items():
            net = self._network_of(what)
            found[what] = self.interfaces(rows, "/proc/%d/fd/%d" % (os.getpid(), net))
            os.close(net)
        return found

    def interfaces(self, wanted, place=None):
        """By name: number, MTU, whether it is up, the address where one is wanted, the other end, the bridge."""
        place = place or "/proc/%d/ns/net" % self.pid
        command = ["nsenter", "--net=" + place, "ip", "-json", "link"]
        found = {}
        for it in json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout):
            if "link_netnsid" in it:
                it["link"] = "%d in %d" % (it["link_index"], it["link_netnsid"])
            text = "%d mtu %d %s" % (it["ifindex"], it["mtu"], "up" if "UP" in it["flags"] else "down")
            if it.get("address", "none") in wanted.get(it["ifname"], ""):
                text += " " + it["address"]
            found[it["ifname"]] = dict(it, text=text)
        numbers = {name: it["ifindex"] for name, it in found.items()}
        for it in found.values():
            for key, word in (("link", "link"), ("master", "master")):
                if key in it:
                    it["text"] += " %s %s" % (word, numbers.get(it[key], it[key]))
        return {name: found[name]["text"] if name in found else None for name in {**wanted, **found}}

    def tun(self, wanted):
        """By descriptor: the device, the flags of TUNGETIFF (but IFF_NOFILTER of a device without
        IFF_NO_PI is the same bit), the bytes of TUNGETSNDBUF and TUNGETVNETHDRSZ; null: no device."""
        found = {}
        for fd, row in wanted.items():
            copy, request, sizes = kernel.copy_of_descriptor(self.pid, int(fd)), bytearray(40), []
            try:
                fcntl.ioctl(copy, 0x800454d2, request)
                for number in (0x800454d3, 0x800454d7):
                    value = bytearray(4)
                    fcntl.ioctl(copy, number, value)
                    sizes.append(struct.unpack("=i", value)[0])
                flags = struct.unpack_from("=H", request, 16)[0]
                if row and not int(row[1], 16) & 0x1000:
                    flags &= ~0x1000
                found[fd] = [bytes(request[:16]).rstrip(b"\0").decode(), hex(flags)] + sizes
            except OSError:
                found[fd] = None
            os.close(copy)
        return found

    def ipc(self, wanted):
        """Files of /proc as who is in its IPC namespace sees them; of tables the columns that are wanted."""
        return {name: _columns(self._inside(["cat", "/proc/" + name]), text) for name, text in wanted.items()}

    def net_sysctls(self, names):
        """Files of /proc/sys/net as who is in its network namespace sees them."""
        return {name: self._inside(["cat", "/proc/sys/net/" + name], "net").strip() for name in names}

    def nft_counts(self, tables):
        """Of tables of the family inet: whether a rule that counts has counted anything."""
        found = {}
        for table in tables:
            text = self._inside(["nft", "list", "ruleset"], "net").partition("inet %s {" % table)[2]
            found[table] = any(word != "0" for word in re.findall(r"counter packets (\d+)", text))
        return found

    def _inside(self, command, kind="ipc"):
        line = ["nsenter", "--%s=/proc/%d/ns/%s" % (kind, self.pid, kind)] + command
        return subprocess.run(line, stdout=subprocess.PIPE, check=True, text=True).stdout

    def id_maps(self):
        """User ids, group ids; whether setgroups(2) may be called."""
        return [" ".join(self._read(name).split()) for name in ("uid_map", "gid_map", "setgroups")]

    def controlling(self):
        """The device of its controlling terminal."""
        return int(self._stat[4])

    def terminals(self, fds):
        """By descriptor: rows and columns, and the modes but for the characters."""
        found = {}
        for fd in fds:
            copy = kernel.copy_of_descriptor(self.pid, int(fd))
            size = struct.unpack("=4H", fcntl.ioctl(copy, 0x5413, b"\0" * 8))  # TIOCGWINSZ
            modes = struct.unpack_from("=4I", fcntl.ioctl(copy, 0x5401, b"\0" * 60))  # TCGETS
            found[fd] = list(size[:2]) + [hex(word) for word in modes]
            os.close(copy)
        return found


def _columns(text, wanted):
    lines = [line.split() for line in text.splitlines()]
    if len(lines) == 1:
        return " ".join(lines[0])
    names = wanted.split()[::2]
    return "; ".join(" ".join(name + " " + row[lines[0].index(name)] for name in names) for row in lines[1:])
