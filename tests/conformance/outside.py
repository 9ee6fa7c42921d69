# SPDX-License-Identifier: Apache-2.0
"""What somebody outside of the tree has, does and hands over: `outside` of a case (README.md)."""
import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import threading
import time

import kernel

HELD = []  # for as long as the case lasts
STRANGERS = set()  # processes that have nothing to do with the restorer
F_SETPIPE_SZ, F_GETPIPE_SZ, FIONREAD = 1031, 1032, 0x541b
TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ = 19, 20, 21


def make(end):
    said = end.get("outside", {})
    for path, (mode, uid) in said.get("folders", {}).items():
        os.mkdir(path)
        os.chmod(path, int(mode, 8))
        os.chown(path, uid, uid)
    for path, (target, uid) in said.get("links", {}).items():
        os.symlink(target, path)
        os.lchown(path, uid, uid)
    for path, target in said.get("hard_links", {}).items():
        os.link(target, path)
    for path in said.get("shared", []):
        kernel.mount(None, path, None, kernel.MS_SHARED)
    for path, (data, capacity) in said.get("fifos", {}).items():
        HELD.append(os.open(path, os.O_RDWR | os.O_NONBLOCK))
        fcntl.fcntl(HELD[-1], F_SETPIPE_SZ, capacity)
        os.write(HELD[-1], bytes.fromhex(data))
    for number, it in said.get("handed_over", {}).items():
        hand_over(int(number), it)
    for port, other in said.get("peers", {}).items():
        HELD.append(connection(int(port), other["port"], other["sequence"]))
    for rule in said.get("iptables", {}):
        subprocess.run(["iptables", "-A"] + rule.split(), check=True)
    for table, rule in said.get("nft_rules", {}).items():
        chain = "add chain inet %s out { type filter hook output priority 0; }\n" % table
        rule = "add rule inet %s out %s\n" % (table, rule)
        subprocess.run(["nft", "-f", "-"], input=chain + rule, text=True, check=True)


def begin(end):
    """What is done while the restorer is at it."""
    said = end.get("outside", {})
    for name, (path, count) in said.get("connects", {}).items():
        start(path, [], lambda to=name, many=count: connect(to, many))
    for path, name in said.get("keeps", {}).items():
        start(os.path.dirname(path), [path], lambda it=path, to=name: os.link(it, to))
    for path in said.get("replaces", []):
        os.link("/mnt/secret", path + ".new")
        start(path, [], lambda it=path: os.rename(it + ".new", it))


def start(*arguments):
    ready = threading.Event()
    threading.Thread(target=when_opened, args=arguments + (ready,), daemon=True).start()
    ready.wait()


def connect(name, count):
    """Strangers, if somebody listens."""
    for _ in range(count):
        HELD.append(socket.socket(socket.AF_UNIX))
        if HELD[-1].connect_ex(name) != 0:
            return False
    return True


def when_opened(marked, paths, act, ready):
    """Before an open(2) of it is through, until `act` is done: fanotify(7) asks this thread. `paths`:
    by which it is opened; none: any."""
    group = kernel.call(300, 0x5, os.O_RDONLY | os.O_CLOEXEC)  # FAN_CLASS_CONTENT, FAN_CLOEXEC
    mask = 0x10000 | (0x8000000 if os.path.isdir(marked) else 0)  # FAN_OPEN_PERM, of its children
    kernel.call(301, group, 1, mask, -100, ctypes.c_char_p(marked.encode()))
    ready.set()
    while True:
        events = os.read(group, 4096)
        for at in range(0, len(events), 24):
            fd, = struct.unpack_from("=i", events, at + 16)
            if act and (not paths or os.readlink("/proc/self/fd/%d" % fd) in paths) and act() is not False:
                act = None
            os.write(group, struct.pack("=iI", fd, 1))  # FAN_ALLOW
            os.close(fd)


def hand_over(number, it):
    """Descriptor `number` of the restorer."""
    if "path" in it:
        fd = os.open(it["path"], os.O_RDWR)
    elif "pid_namespace" in it:
        fd = os.open("/proc/%d/ns/pid" % init_of_a_namespace(), os.O_RDONLY)
    else:  # a pipe: the end of that name
        reading, writing = os.pipe2(os.O_NONBLOCK)
        fd, other = (reading, writing) if it["pipe"] == "read" else (writing, reading)
        HELD.append((number, other))
    os.dup2(fd, number, inheritable=True)
    os.close(fd)


def init_of_a_namespace():
    """Of a new pid namespace, in which there is a second process: the number of the first here."""
    reading, writing = os.pipe()
    maker = os.fork()
    if maker == 0:
        kernel.unshare(kernel.CLONE_NEWPID)
        init = os.fork()
        if init == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # it reaps
            os.fork()
            while True:
                signal.pause()
        os.write(writing, b"%d" % init)
        os._exit(0)
    os.waitpid(maker, 0)
    init = int(os.read(reading, 20))
    for fd in (reading, writing):
        os.close(fd)
    deadline = time.monotonic() + 10
    while len(in_pid_namespace("/proc/%d/ns/pid" % init)) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    STRANGERS.update(in_pid_namespace("/proc/%d/ns/pid" % init).values())
    return init


def in_pid_namespace(path):
    """By their numbers there, those of the processes here."""
    wanted, found = os.stat(path).st_ino, {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.stat("/proc/%s/ns/pid" % name).st_ino == wanted:
                with open("/proc/%s/status" % name, encoding="utf-8", errors="replace") as file:
                    row = next(line for line in file if line.startswith("NSpid:"))
                found[int(row.split()[-1])] = int(name)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def connection(port, peers_port, sequence):
    """A connection whose other end is in the plan: what it has read and written last."""
    it = socket.socket()
    it.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    it.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    for queue, number in zip((1, 2), sequence):
        it.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, queue)
        it.setsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ, number)
    it.bind(("127.0.0.1", port))
    it.connect(("127.0.0.1", peers_port))
    it.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, -1)  # without a probe
    return it


def words_for(command, end):
    """Words with {fd} and {key} stand for what is handed over, once for each."""
    words = []
    for word in command:
        if "{key}" not in word:
            words.append(word)
            continue
        words += [word.replace("{fd}", number).replace("{key}", it["key"])
                  for number, it in end.get("outside", {}).get("handed_over", {}).items()]
    return words


def differences(end):
    """From what is to be there afterwards."""
    said, found = end.get("outside", {}), []

    def compare(what, wanted, have):
        if wanted != have:
            found.append("%s: expected %s, found %s" % (what, wanted, have))

    for path, (data, capacity) in said.get("fifos", {}).items():
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        waiting = struct.unpack("=i", fcntl.ioctl(fd, FIONREAD, b"\0" * 4))[0]
        compare(path, [len(data) // 2, capacity], [waiting, fcntl.fcntl(fd, F_GETPIPE_SZ)])
        os.close(fd)
    for number, it in said.get("handed_over", {}).items():
        compare("flags of the caller's " + number, it["flags"], fcntl.fcntl(int(number), fcntl.F_GETFL))
        if "pid_namespace" in it:
            compare("who is in the pid namespace", it["pid_namespace"],
                    sorted(in_pid_namespace("/proc/self/fd/" + number)))
    for it in HELD:
        if isinstance(it, socket.socket) and it.family == socket.AF_INET:
            wanted = said["peers"][str(it.getsockname()[1])]
            info = it.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 144)
            compare("state of the peer", wanted["state"], info[0])
            if "read" in wanted:
                it.setblocking(False)
                compare("what the peer has read", wanted["read"], peeked(it.fileno()))
            if "segments" in wanted:
                compare("segments to the peer", wanted["segments"], struct.unpack_from("=I", info, 140)[0])
    for number, other in (it for it in HELD if isinstance(it, tuple)):
        wanted = said["handed_over"][str(number)].get("read")
        if wanted is not None:
            compare("what comes out of " + str(number), wanted, peeked(other))
    rules = subprocess.run(["iptables", "-S"], stdout=subprocess.PIPE, text=True,
                           check=True).stdout.splitlines() if "iptables" in said else []
    for rule, stays in said.get("iptables", {}).items():
        compare("the rule " + rule, stays, "-A " + rule in rules)
    return found


PEEKED = {}


def peeked(fd):
    """All that has come out of a pipe so far, as hexadecimal bytes."""
    try:
        PEEKED[fd] = PEEKED.get(fd, b"") + os.read(fd, 4096)
    except BlockingIOError:
        pass
    return PEEKED.get(fd, b"").hex()
