# SPDX-License-Identifier: Apache-2.0
"""System calls that Python's library has not, for x86-64."""
import base64
import ctypes
import fcntl
import mmap
import os
import socket
import struct
import subprocess

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE, MS_SHARED = 2, 4, 8, 0x4000, 1 << 18, 1 << 20
KCMP_FILE, KCMP_VM, KCMP_FILES, KCMP_FS = 0, 1, 2, 3
KCMP = {"description": KCMP_FILE, "table": KCMP_FILES, "fs": KCMP_FS, "memory": KCMP_VM}

# The places that every plan of the suite has: a system call instruction, and room to write.
SYSCALL_AT, SCRATCH = 0x400005, 0x500000

REGISTERS = ("r15 r14 r13 r12 bp bx r11 r10 r9 r8 ax cx dx si di orig_ax ip cs flags sp ss "
             "fs_base gs_base ds es fs gs").split()


def check(result, what):
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, what + ": " + os.strerror(error))
    return result


def call(number, *arguments):
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return check(_libc.syscall(ctypes.c_long(number), *words), "system call %d" % number)


def unshare(flags):
    check(_libc.unshare(flags), "unshare")


def mount(source, target, kind, flags=0):
    text = [s.encode() if s else None for s in (source, target, kind)]
    check(_libc.mount(*text, ctypes.c_ulong(flags), None), "mount " + target)


def prctl(option, value):
    check(_libc.prctl(option, *(ctypes.c_ulong(word) for word in (value, 0, 0, 0))), "prctl")


def be_without_huge_pages():
    prctl(41, 1)  # PR_SET_THP_DISABLE


def be_subreaper_that_dies_with_its_parent():
    prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
    prctl(1, 9)  # PR_SET_PDEATHSIG


def personality(value):
    check(_libc.personality(ctypes.c_ulong(value)), "personality")


def kcmp(kind, pid1, pid2, first=0, second=0):
    """Whether two processes have the same object."""
    return call(312, pid1, pid2, kind, first, second) == 0


def copy_of_descriptor(pid, fd):
    pidfd = os.pidfd_open(pid)
    try:
        return call(438, pidfd, fd, 0)
    finally:
        os.close(pidfd)


def bpf(command, words, *arguments):
    """bpf(2) with an attribute of that form."""
    attribute = ctypes.create_string_buffer(struct.pack(words, *arguments).ljust(128, b"\0"), 128)
    return call(321, command, attribute, 128)


def bpf_map_of(fd):
    """What the map behind a descriptor is, by its fields: bpf_map_info of <linux/bpf.h>."""
    info = ctypes.create_string_buffer(80)
    bpf(15, "=IIQ", fd, 80, ctypes.addressof(info))
    kind, number, key, value, most, flags, name = struct.unpack_from("=6I16s", info.raw)
    return {"type": kind, "id": number, "sizes": [key, value, most], "map_flags": flags,
            "name": name.rstrip(b"\0").decode()}


def bpf_entries_of(number, key_size, value_size):
    """The entries of the map with that id, as hexadecimal bytes."""
    fd = bpf(14, "=III", number, 0, 8)  # BPF_MAP_GET_FD_BY_ID, to read
    key, following = (ctypes.create_string_buffer(key_size) for _ in range(2))
    value = ctypes.create_string_buffer((value_size + 7) // 8 * 8)
    entries, at = {}, 0
    try:
        while True:
            bpf(4, "=I4xQQ", fd, at, ctypes.addressof(following))  # the next key
            key.raw, at = following.raw, ctypes.addressof(key)
            bpf(1, "=I4xQQ", fd, at, ctypes.addressof(value))
            entries[key.raw.hex()] = value.raw[:value_size].hex()
    except FileNotFoundError:  # no further key
        return entries
    finally:
        os.close(fd)


def bring_up_loopback():
    """The one interface of a new network namespace."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("=16sh22x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP


def file_handle(path):
    """What a plan has of a file as `handle`."""
    handle = ctypes.create_string_buffer(struct.pack("=Ii", 128, 0), 8 + 128)
    mount_id = ctypes.c_int()
    call(303, -100, ctypes.c_char_p(path.encode()), handle, ctypes.byref(mount_id), 0)
    size, kind = struct.unpack_from("=Ii", handle.raw)
    status = os.stat(path)
    return {"device": os.major(status.st_dev) << 20 | os.minor(status.st_dev),
            "inode": status.st_ino, "type": kind,
            "bytes": base64.b64encode(handle.raw[8:8 + size]).decode()}


def cpuid(leaf, part):
    """eax, ebx, ecx, edx of the instruction."""
    # push rbx; mov eax, edi; mov ecx, esi; mov r8, rdx; cpuid; store the four at r8; pop rbx; ret
    code = bytes.fromhex("5389f889f14989d00fa241890041895804418948084189500c5bc3")
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    words = (ctypes.c_uint32 * 4)()
    at = ctypes.addressof(ctypes.c_char.from_buffer(page))
    ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p)(at)(
        leaf, part, ctypes.addressof(words))
    return list(words)


def scheduling(tid):
    attributes = ctypes.create_string_buffer(56)
    call(315, tid, attributes, 56, 0)
    _, policy, flags, _, priority = struct.unpack_from("=IIQiI", attributes.raw)
    return {"policy": policy, "priority": priority, "reset_on_fork": bool(flags & 1),
            "nice": os.getpriority(os.PRIO_PROCESS, tid)}


def robust_list(tid):
    head, size = ctypes.c_uint64(), ctypes.c_uint64()
    call(274, tid, ctypes.byref(head), ctypes.byref(size))
    return head.value


class Tracer:
    """A thread, stopped while the object lives. It leaves the thread as it was."""
    SEIZE, INTERRUPT, DETACH, STEP = 0x4206, 0x4207, 17, 9
    GETREGS, SETREGS, GETREGSET, PEEKSIGINFO, RSEQ = 12, 13, 0x4204, 0x4209, 0x420f
    XSTATE = 0x202

    def __init__(self, tid):
        self.tid = tid

    def __enter__(self):
        self._trace(self.SEIZE)
        self._trace(self.INTERRUPT)
        os.waitpid(self.tid, 0x40000000)
        return self

    def __exit__(self, *_):
        self._trace(self.DETACH)

    def _trace(self, request, address=None, data=None):
        if data is not None and not isinstance(data, int):
            data = ctypes.cast(data, ctypes.c_void_p)
        return check(_libc.ptrace(request, self.tid, address, data), "ptrace of %d" % self.tid)

    def words(self):
        words = (ctypes.c_uint64 * len(REGISTERS))()
        self._trace(self.GETREGS, None, words)
        return words

    def registers(self):
        return dict(zip(REGISTERS, self.words()))

    def xsave(self):
        area = ctypes.create_string_buffer(1 << 16)
        span = (ctypes.c_uint64 * 2)(ctypes.addressof(area), len(area))
        self._trace(self.GETREGSET, self.XSTATE, span)
        return area.raw[:span[1]]

    def pending(self, of_process):
        """The siginfo of each pending signal, in order."""
        wanted = struct.pack("=QIi", 0, int(of_process), 64)
        infos = ctypes.create_string_buffer(128 * 64)
        count = self._trace(self.PEEKSIGINFO, ctypes.cast(ctypes.c_char_p(wanted),
                                                          ctypes.c_void_p), infos)
        return [infos.raw[128 * i:128 * (i + 1)] for i in range(count)]

    def rseq(self):
        answer = ctypes.create_string_buffer(24)
        self._trace(self.RSEQ, 24, answer)
        return struct.unpack_from("=QII", answer.raw)

    def tls(self, entry):
        """PTRACE_GET_THREAD_AREA: base, limit, bits."""
        description = ctypes.create_string_buffer(16)
        self._trace(25, entry, description)
        return struct.unpack_from("=III", description.raw, 4)

    def ask(self, number, *arguments):
        """The thread itself makes a system call; what it returns."""
        saved, changed = self.words(), self.words()
        values = dict(zip(("di", "si", "dx", "r10", "r8", "r9"), arguments),
                      ax=number, orig_ax=2**64 - 1, ip=SYSCALL_AT)
        for name, value in values.items():
            changed[REGISTERS.index(name)] = value % 2**64
        self._trace(self.SETREGS, None, changed)
        self._trace(self.STEP)
        os.waitpid(self.tid, 0x40000000)
        result = ctypes.c_int64(self.words()[REGISTERS.index("ax")]).value
        self._trace(self.SETREGS, None, saved)
        return result

    def ask_bytes(self, number, size, *arguments):
        """Likewise; "out" among the arguments is a place for `size` bytes, which are given back."""
        with open("/proc/%d/mem" % self.tid, "rb+", buffering=0) as memory:
            memory.seek(SCRATCH)
            before = memory.read(size)
            result = self.ask(number, *(SCRATCH if a == "out" else a for a in arguments))
            memory.seek(SCRATCH)
            answer = memory.read(size)
            memory.seek(SCRATCH)
            memory.write(before)
        if result < 0:
            raise OSError(-result, "system call %d in %d" % (number, self.tid))
        return answer


def has_thread_area():
    """Whether threads have entries of the descriptor table: a kernel that runs 32-bit code."""
    child = subprocess.Popen(["sleep", "60"])
    try:
        with Tracer(child.pid) as tracer:
            tracer.tls(12)
        return True
    except OSError:
        return False
    finally:
        child.kill()
        child.wait()
