# SPDX-License-Identifier: Apache-2.0
"""What is seen of sockets: by a copy of the descriptor, and by sock_diag(7)."""
import os
import socket
import struct

import kernel

SO_PEEK_OFF, TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ = 42, 19, 20, 21


def of(seen, wanted):
    """By descriptor of a process, what a case asks: "name", "peer", "options", "received"; of unix
    sockets what sock_diag(7) shows; of TCP what TCP_INFO and TCP_REPAIR do."""
    places, found = places_of(seen.numbers), {}
    for fd, rows in wanted.items():
        path = os.readlink("/proc/%d/fd/%s" % (seen.pid, fd))
        found[fd] = path
        if path.startswith("socket:["):
            with socket.socket(fileno=kernel.copy_of_descriptor(seen.pid, int(fd))) as copy:
                place = (seen.pid, int(path[8:-1]), places)
                found[fd] = {key: fact(copy, place, key, value) for key, value in rows.items()}
    return found


def places_of(numbers):
    """Where each socket's inode is: "pid fd" in the plan's numbers, the first one."""
    found = {}
    for pid, number in sorted(numbers.items(), key=lambda pair: -pair[1]):
        try:
            for name in sorted(os.listdir("/proc/%d/fd" % pid), key=int, reverse=True):
                path = os.readlink("/proc/%d/fd/%s" % (pid, name))
                if path.startswith("socket:["):
                    found[int(path[8:-1])] = "%d %s" % (number, name)
        except (FileNotFoundError, PermissionError):
            continue
    return found


def fact(copy, place, key, value):
    try:
        if key == "name":
            return address_text(copy.getsockname())
        if key == "peer":
            return address_text(copy.getpeername())
        if key == "options":  # level and option, by their numbers
            return {pair: option(copy, *(int(word) for word in pair.split())) for pair in value}
        if key == "received":
            return received(copy, place, len(value))
        if key == "groups":  # of netlink(7): NETLINK_LIST_MEMBERSHIPS
            words = struct.iter_unpack("=I", copy.getsockopt(270, 9, 16))
            return [32 * i + bit + 1 for i, (word,) in enumerate(words) for bit in range(32)
                    if word >> bit & 1]
        if key == "packet":
            seen = packet_sockets()[place[1]]
            return {row: seen[row] for row in value}
        return of_unix(key, place) if copy.family == socket.AF_UNIX else of_inet(copy, key)
    except OSError as error:
        return str(error)


def address_text(address):
    if isinstance(address, bytes):
        return "@" + address[1:].decode(errors="backslashreplace")
    if address and isinstance(address[0], str) and isinstance(address[-1], bytes):
        return list(address[:2])  # of packet(7): interface and protocol
    return address if isinstance(address, str) else list(address)


def received(copy, place, most):
    """What is queued, and stays there: of each message its bytes, and the descriptors with it."""
    messages = []
    unix = copy.family == socket.AF_UNIX
    if unix:
        copy.setsockopt(socket.SOL_SOCKET, SO_PEEK_OFF, 0)
    for _ in range(most + 1 if unix else 1):
        try:
            flags = socket.MSG_PEEK | socket.MSG_DONTWAIT
            data, control, _, _ = copy.recvmsg(1 << 20, 4096, flags)
        except BlockingIOError:
            break
        if not data:
            break
        fds = [fd for _, kind, words in control if kind == socket.SCM_RIGHTS
               for fd, in struct.iter_unpack("=i", words)]
        messages.append([data.hex()] + [known(fd, place) for fd in fds])
        for fd in fds:
            os.close(fd)
    if unix:
        copy.setsockopt(socket.SOL_SOCKET, SO_PEEK_OFF, -1)
    return messages


def known(fd, place):
    """The receiver's own number of a description; else that of a socket somewhere, or a path."""
    pid, _, places = place
    for number in sorted(int(name) for name in os.listdir("/proc/%d/fd" % pid)):
        if kernel.kcmp(kernel.KCMP_FILE, os.getpid(), pid, fd, number):
            return number
    path = os.readlink("/proc/self/fd/%d" % fd)
    return places.get(int(path[8:-1])) if path.startswith("socket:[") else path


def of_unix(key, place):
    _, inode, places = place
    seen = unix_sockets()[inode]
    if key == "connected to":
        return places.get(seen["peer"], "")
    if key == "waiting":
        return [places.get(it, "") for it in seen["waiting"]]
    return seen[key]


def option(copy, level, name):
    if (level, name) == (socket.SOL_SOCKET, 26):  # SO_GET_FILTER: its size is in instructions
        return len(copy.getsockopt(level, name, 512))
    if (level, name) == (socket.SOL_SOCKET, socket.SO_LINGER):
        return list(struct.unpack("=2i", copy.getsockopt(level, name, 8)))
    if (level, name) == (socket.SOL_SOCKET, socket.SO_PEERCRED):  # pid, uid, gid
        return list(struct.unpack("=3i", copy.getsockopt(level, name, 12)))
    return copy.getsockopt(level, name)


def of_inet(copy, key):
    if key == "accepts":
        return copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    info = copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    if key == "state":
        return info[0]
    if key == "backlog":  # tcpi_sacked of a socket that listens
        return struct.unpack_from("=I", info, 28)[0]
    if key == "agreed":  # timestamps, SACK, scaling; the two scales; the own segments at most
        return [info[5] & 7, info[6] & 15, info[6] >> 4, struct.unpack_from("=I", info, 16)[0]]
    assert key == "sequence"  # the next number to receive, and to write
    reuses = copy.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
    copy.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    numbers = []
    for queue in (1, 2):  # TCP_RECV_QUEUE, TCP_SEND_QUEUE
        copy.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, queue)
        numbers.append(copy.getsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ) % 2**32)
    copy.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, -1)  # without a probe
    copy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuses)
    return numbers


def unix_sockets():
    """What sock_diag(7) has of all unix sockets of this network namespace, by inode."""
    request = struct.pack("=BBHIIIII", socket.AF_UNIX, 0, 0, 0xffffffff, 0, 0x3f, 0, 0)
    return diagnosed(request, _unix_socket)


def packet_sockets():
    """The same of packet sockets."""
    request = struct.pack("=BBHIIII", socket.AF_PACKET, 0, 0, 0, 0xf, 0, 0)
    return diagnosed(request, _packet_socket)


def diagnosed(request, take):
    found = {}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as asking:
        asking.send(struct.pack("=IHHII", 16 + len(request), 20, 0x301, 1, 0) + request)
        while True:
            answer = asking.recv(1 << 20)
            while answer:
                length, kind = struct.unpack_from("=IH", answer)
                if kind != 20:  # NLMSG_DONE
                    return found
                take(answer[16:length], found)
                answer = answer[(length + 3) // 4 * 4:]


def _rows(message):
    rows = {}
    while len(message) >= 4:
        length, attribute = struct.unpack_from("=HH", message)
        rows[attribute] = message[4:length]
        message = message[(length + 3) // 4 * 4:]
    return rows


def _packet_socket(message, found):
    _, kind, protocol, inode = struct.unpack_from("=BBHI", message)
    rows = _rows(message[16:])
    info = struct.unpack("=6I", rows[0])
    flags = ["running", "aux_data", "orig_dev", "vnet_hdr", "loss"]
    members = [rows.get(1, b"")[at:at + 44] for at in range(0, len(rows.get(1, b"")), 44)]
    found[inode] = {
        "type": kind, "protocol": protocol, "interface": info[0], "version": info[1],
        "reserve": info[2], "copy_threshold": info[3], "timestamp": info[4],
        "flags": sorted(name for bit, name in enumerate(flags) if info[5] >> bit & 1),
        "memberships": sorted([struct.unpack_from("=I", one)[0], struct.unpack_from("=H", one, 8)[0],
                         one[12:12 + struct.unpack_from("=H", one, 10)[0]].hex()] for one in members),
        "receive": list(struct.unpack("=7I", rows[2])) if 2 in rows else None,
        "transmit": list(struct.unpack("=7I", rows[3])) if 3 in rows else None,
        "fanout": struct.unpack("=I", rows[4])[0] if 4 in rows else None}


def _unix_socket(message, found):
    _, kind, state, _, inode = struct.unpack_from("=BBBBI", message)
    rows = _rows(message[16:])
    found[inode] = {  # UNIX_DIAG_PEER, _ICONS, _RQLEN, _SHUTDOWN
        "type": kind, "state": state, "peer": struct.unpack("=I", rows.get(2, b"\0" * 4))[0],
        "waiting": [word for word, in struct.iter_unpack("=I", rows.get(3, b""))],
        "backlog": struct.unpack("=II", rows.get(4, b"\0" * 8))[1],
        "shutdown": rows.get(6, b"\0")[0]}
