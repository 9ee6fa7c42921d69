#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The suite sees faults: `broken_test.py CRRESTORE` breaks a restorer in many places, one at a time.

Each fault has a case that must fail by it, and the message that the suite must give. Most are made
by editing the plan before crrestore gets it: what it leaves out is then what the restorer forgets.
"""
import json
import os
import signal
import subprocess
import sys
import time

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, FOLDER)
sys.dont_write_bytecode = True

import kernel  # noqa: E402

NAMESPACES = {"time_for_children": 0x80, "mnt": kernel.CLONE_NEWNS, "cgroup": 0x2000000, "uts": 0x4000000,
              "ipc": 0x8000000, "net": kernel.CLONE_NEWNET}

# (case, what is edited, what the suite has to say)
FAULTS = [
    ("tree-job", "drop SET_PGID", "process 202, group"),
    ("tree-orphan", "drop SET_SID of 201", "process 202, session"),
    ("tree-orphan", "drop child_subreaper", "process 202, parent"),
    ("tree-two-subreapers", "drop WAIT", "too many"),
    ("tree-zombies", "set EXIT.status to {\"code\": 0}", "exit_status"),
    ("tree-clone-parent", "drop FORK.flags", "process 202, parent"),
    ("fd-shared-table", "drop FORK.flags", "status"),
    ("fs-shared", "drop FORK.flags", "process 200, cwd"),
    ("threads", "drop comm", "comm"),
    ("threads", "drop sched", "scheduling"),
    ("threads", "drop signal_mask", "blocked"),
    ("fork-hands-on-early-attributes", "drop fs", "umask"),
    ("fork-hands-on-no-late-attributes", "copy attributes to the children", "process 201"),
    ("fork-hands-on-no-late-attributes", "drop personality", "personality"),
    ("fork-hands-on-no-late-attributes", "drop oom_score_adj", "oom_score_adj"),
    ("fork-hands-on-no-late-attributes", "drop thp_disabled", "thp_enabled"),
    ("fork-hands-on-no-late-attributes", "drop dumpable", "dumpable"),
    ("attributes-lists-add", "drop the first sigactions", "ignored"),
    ("attributes", "drop robust_list", "robust_list"),
    ("attributes", "drop rseq", "rseq"),
    ("signals", "drop sigaltstack", "altstack"),
    ("signals", "drop sigactions", "caught"),
    ("signal-queue", "drop signal_queue", "pending"),
    ("timers", "drop timers", "interval_timers"),
    ("timers", "drop posix_timers", "posix_timers"),
    ("credentials", "drop creds.no_new_privs", "no_new_privs"),
    ("credentials", "set creds.groups to []", "groups"),
    ("credentials", "set creds.cap_amb to \"0x0\"", "capabilities"),
    ("credentials-then-others", "drop pdeath_signal", "parent_death_signal"),
    ("seccomp", "drop seccomp", "seccomp"),
    ("memory-bounds", "set mm.auxv to []", "auxv"),
    ("clocks", "drop time", "own_namespaces"),
    ("fpu", "drop fpu", "xsave"),
    ("registers", "set registers.r15 to \"0x0\"", "registers"),
    ("stopped", "drop RESUME.stopped", "state"),
    ("fd-flags-and-positions", "drop OPEN_FILE.file.pos", "fdinfo"),
    ("fd-flags-and-positions", "drop OPEN_FILE.cloexec", "fdinfo"),
    ("fd-flags-and-positions", "set OPEN_FILE.file.flags to [\"O_RDWR\"]", "fdinfo"),
    ("fd-shared-description", "drop CLOSE_FD of 201", "status"),
    ("fd-dup", "drop DUP_FD.cloexec", "fdinfo"),
    ("memfd", "drop OPEN_FILE.file.seals", "seals"),
    ("memfd", "drop OPEN_FILE.file.uid", "files"),
    ("eventfd", "set OPEN_FILE.file.counter to 5", "fdinfo"),
    ("signalfd", "set OPEN_FILE.file.mask to \"0x200\"", "fdinfo"),
    ("timerfd", "drop descriptors", "fdinfo"),
    ("bpf-maps", "drop OPEN_FILE.file.map.frozen", "bpf_maps"),
    ("bpf-maps", "drop OPEN_FILE.file.map.data", "bpf_maps"),
    ("bpf-maps", "drop OPEN_FILE.file.map.name", "bpf_maps"),
    ("bpf-maps", "set OPEN_FILE.file.flags to [\"O_RDWR\"]", "bpf_maps"),
    ("fd-owner", "drop descriptors", "owners"),
    ("unix-pairs", "forget queue", "sockets"),
    ("unix-pairs", "forget rights", "sockets"),
    ("unix-pairs", "forget shutdown", "sockets"),
    ("unix-pairs", "forget options", "sockets"),
    ("unix-names", "drop OPEN_FILE.file.permissions", "/mnt/dir/server"),
    ("unix-names-in-mounts", "drop OPEN_FILE.file.mount", "/mnt/jail/inside/hidden"),
    ("unix-names-in-mounts", "drop OPEN_FILE.file.name_root", "/mnt/jail/part/below"),
    ("unix-names", "drop OPEN_FILE.file.shutdown_before", "sockets"),
    ("unix-names", "let the last one wait first", "sockets"),
    ("unix-name-that-is-gone", "drop OPEN_FILE.file.unlinked_name", "status"),
    ("inet-sockets", "drop OPEN_FILE.file.ip", "sockets"),
    ("inet-sockets", "drop OPEN_FILE.file.tcp", "sockets"),
    ("inet-sockets", "set OPEN_FILE.file.backlog to 1", "sockets"),
    ("inet-sockets", "forget options", "sockets"),
    ("inet-connections", "drop OPEN_FILE.file.stream.unsent", "sockets"),
    ("inet-connections", "drop OPEN_FILE.file.stream.sack", "sockets"),
    ("inet-connections", "set OPEN_FILE.file.stream.in_seq to 7", "sockets"),
    ("inet-connections", "forget repair", "sockets"),
    ("netlink-sockets", "drop OPEN_FILE.file.groups", "sockets"),
    ("netlink-sockets", "set OPEN_FILE.file.destination to {\"port_id\": 9, \"group\": 0}", "sockets"),
    ("netlink-sockets", "drop OPEN_FILE.file.options", "sockets"),
    ("packet-sockets", "drop OPEN_FILE.file.memberships", "sockets"),
    ("packet-sockets", "set OPEN_FILE.file.reserve to 16", "sockets"),
    ("packet-sockets", "drop OPEN_FILE.file.fanout", "sockets"),
    ("packet-sockets", "set OPEN_FILE.file.interface to 0", "sockets"),
    ("packet-sockets", "drop OPEN_FILE.file.options", "sockets"),
    ("unlinked", "drop OPEN_FILE.file.unlinked.times", "files"),
    ("unlinked", "set OPEN_FILE.file.unlinked.uid to 0", "files"),
    ("unlinked", "drop OPEN_FILE.file.unlinked.content", "contents"),
    ("unlinked", "open each as a file of its own", "file of"),
    ("locks", "forget locks", "locks"),
    ("locks", "forget breaking", "locks"),
    ("inotify", "forget watches", "watches"),
    ("fanotify", "forget marks", "watches"),
    ("fanotify", "set OPEN_FILE.file.event_flags to [\"O_RDWR\"]", "watches"),
    ("pidfds", "set OPEN_FILE.file.dead to 1", "file of"),
    ("pidfds-taken", "take nothing", "description of"),
    ("pidfds-taken", "drop OPEN_FILE.cloexec", "fdinfo"),
    ("fails-late-twice", "forget value", "should have failed"),
    ("fails-late-kinds-out-of-order", "forget value", "should have failed"),
    ("fails-image-of-another-size", "drop FORK.about.dump", "should have failed"),
    ("fails-image-of-another-digest", "drop FORK.about.dump", "should have failed"),
    ("fails-digest-of-another-algorithm", "drop FORK.about.dump", "should have failed"),
    ("fails-xsave-components", "drop FORK.about.cpu", "should have failed"),
    ("fails-vdso-of-another-build", "drop FORK.about.vdso", "should have failed"),
    ("memory", "drop PROTECT_REGION of the data", "maps"),
    ("memory", "set LOAD_PAGES.source.offset to 8192 in pages.img", "pages"),
    ("memory-copy-on-write", "load everything twice", "frame"),
    ("memory-advice", "drop MAP_REGION.madvise", "maps"),
    ("memory-unmapped-and-dropped", "drop UNMAP_REGION", "maps"),
    ("memory-moved", "set MOVE_REGION.to to \"0x800000\"", "maps"),
    ("cgroup", "drop cgroup", "cgroups"),
    ("uts", "drop uts", "names"),
    ("system-v", "set ipc.sem to []", "sysvipc/sem"),
    ("terminals", "drop OPEN_FILE.file.controlling", "controlling"),
    ("terminals", "drop OPEN_FILE.file.winsize", "terminals"),
    ("terminals", "drop OPEN_FILE.file.termios", "terminals"),
    ("user-namespace", "set FORK.gid_map to [{\"inside\": 0, \"outside\": 0, \"count\": 2000}]", "gid"),
    ("pid-namespace-from-outside", "drop FORK.pid_namespace", "own_namespaces"),
    ("mount-namespace-descriptors", "drop OPEN_FILE.file.namespace_id", "namespaces"),
    ("fails-cgroup-directory-twice", "drop cgroup", "should have failed"),
    ("fails-namespace-of-nobody", "drop OPEN_FILE.file.namespace_id", "should have failed"),
    ("stopped", "set RESUME.stopped to \"SIGSTOP\"", "process 201, stop_signal"),
    ("eventfd", "drop OPEN_FILE.file.semaphore", "counted"),
    ("fpu", "drop fpu.st_space", "xsave"),
    ("registers", "set registers.flags to \"0x202\"", "registers"),
    ("fork-hands-on-no-late-attributes", "give 201 {\"pdeath_signal\": \"SIGURG\"}", "parent_death_signal"),
    ("threads", "give 205 {\"rseq\": {\"pointer\": \"0x501000\", \"size\": 32, \"signature\": \"0x53053053\"}}", "rseq"),
    ("threads", "give 205 {\"robust_list\": {\"head\": \"0x501000\", \"size\": 24}}", "robust_list"),
    ("threads", "give 206 {\"sigaltstack\": {\"sp\": \"0x500000\", \"size\": 4096, \"flags\": []}}", "altstack"),
    ("mounts-of-outside-shared", "drop mounts.master", "mounts"),
    ("tun-devices", "drop OPEN_FILE.file.detached", "tun"),
    ("tun-devices", "set net.devices.tun.sndbuf to 40000", "tun"),
    ("tun-devices", "keep devices", "tun"),
    ("net-devices-in-order", "drop net.devices.conf6.mtu", "ipv6/conf/lo/mtu"),
    ("net-devices-in-order", "drop net.nftables", "nft_counts"),
    ("path-by-a-link-of-root", "set OPEN_FILE.file.flags to [\"O_RDONLY\"]", "fds"),
    ("fails-path-by-a-link-of-others", "set OPEN_FILE.file.path to \"/mnt/secret\"", "should have failed"),
    ("fails-path-by-a-link-in-a-folder-of-others", "set OPEN_FILE.file.path to \"/mnt/a\"", "should have failed"),
    ("handed-over", "drop OPEN_FILE.file.external", "process 200, state"),
    ("fails-socket-name-by-a-link-of-others", "set OPEN_FILE.file.name to \"/mnt/dir/server\"", "/mnt/dir/server"),
    ("unix-name-in-a-folder-of-others", "drop OPEN_FILE.file.permissions", "/mnt/theirs/server"),
    ("inet-connection-with-others", "drop OPEN_FILE.file.stream.unsent", "what the peer has read"),
    ("network-lock-iptables", "drop FORK.about.network_lock", "the rule INPUT"),
    ("fails-unlinked-kept-by-others", "set OPEN_FILE.file.path to \"/mnt/dir/other\"", "should have failed"),
    ("executable-opened-by-a-link", "drop mm.exe_opened_by", "status"),
    ("baseline", "give 200 {\"personality\": \"0x40000\"}", "personality"),
    ("baseline", "give 200 {\"thp_disabled\": true}", "thp_enabled"),
    ("baseline", "give 200 {\"sched\": {\"policy\": \"SCHED_BATCH\", \"nice\": 0}}", "scheduling"),
    ("baseline", "give 200 {\"sched\": {\"policy\": \"SCHED_OTHER\", \"nice\": 3}}", "scheduling"),
    ("baseline", "give 200 {\"oom_score_adj\": 100}", "oom_score_adj"),
    ("baseline", "give 200 {\"signal_mask\": \"0x800\"}", "blocked"),
    ("baseline", "give 200 {\"sigactions\": [{\"signal\": \"SIGHUP\", \"handler\": \"0x1\", \"flags\": [], "
                 "\"restorer\": \"0x0\", \"mask\": \"0x0\"}]}", "ignored"),
    ("baseline", "give 200 {\"child_subreaper\": true}", "subreaper"),
    ("fails-fpu-component-without-a-member", "set fpu.xstate_bv to \"0x3\"", "should have failed"),
    ("fails-siginfo-of-another-size", "drop signal_queue", "should have failed"),
    ("fails-namespace-after-a-file", "drop uts", "should have failed"),
    ("namespaces-behind-memory", "drop uts", "own_namespaces"),
    ("late-state-at-its-place", "forget queue", "sockets"),
    ("rseq-critical-section", "drop rseq.cs_pointer", "/mnt/mark"),
    ("stopped-in-an-orphaned-group", "drop RESUME.stopped", "state"),
    ("fails-unknown-member", "drop FORK.surprise", "should have failed"),
    ("fails-unknown-member-of-a-later-version", "drop surprise", "should have failed"),
    ("fails-common-filters-before-own", "drop seccomp", "should have failed"),
    ("fails-common-filters-beside-own", "drop seccomp", "should have failed"),
    ("epoll-hang-up", "hold the other end until late state is set", "epoll"),
    ("fpu-avx", "drop fpu.ymmh_space", "xsave"),
    ("fpu-avx512", "drop fpu.opmask_reg", "xsave"),
    ("fpu-avx512", "drop fpu.zmm_upper", "xsave"),
    ("fpu-avx512", "drop fpu.hi16_zmm", "xsave"),
    ("fpu-pkru", "drop fpu.pkru", "xsave"),
    ("attributes-seldom", "drop timer_slack", "timer_slack"),
    ("attributes-seldom", "drop clear_tid_addr", "clear_tid_address"),
    ("attributes-seldom", "drop loginuid", "loginuid"),
    ("locks-of-the-executable", "forget locks", "locks"),
    ("tls", "drop tls", "tls"),
    ("tls-of-a-thread", "drop tls", "tls"),
    ("timers-of-a-thread", "drop posix_timers", "posix_timers"),
    ("unix-datagrams-beyond-a-limit", "forget queue", "sockets"),
    ("unix-pair-of-somebody", "set creds.euid to 1002", "sockets"),
    ("unlinked-device", "set OPEN_FILE.file.unlinked.rdev to 261", "files"),
    ("memfd-huge", "drop OPEN_FILE.file.huge", "files"),
    ("names-in-bytes", "drop comm_base64", "comm"),
    ("inet-sockets", "drop OPEN_FILE.file.options.so_linger", "sockets"),
    # Faults that no edit of a plan makes.
    ("fails-version", "do not end", "does not end"),
    ("pdeath-signal-of-the-root", "kill 200", "zombie"),
    ("about-images-replaced", "open images again", "pages"),
    ("baseline", "restore in a new namespace: cgroup", "own_namespaces"),
    ("baseline", "restore in a new namespace: ipc", "own_namespaces"),
    ("baseline", "restore in a new namespace: mnt", "own_namespaces"),
    ("baseline", "restore in a new namespace: net", "own_namespaces"),
    ("baseline", "restore in a new namespace: time_for_children", "own_namespaces"),
    ("baseline", "restore in a new namespace: uts", "own_namespaces"),
    ("baseline", "restore, and leave a mount", "a mount is too many"),
    ("fails-in-the-middle", "restore, and leave a mount", "a mount is too many"),
    ("baseline-callers-cgroup", "restore in another cgroup", "cgroups_of_caller"),
    ("tree-job", "succeed without doing anything", "there is no process 200"),
    ("tree-job", "restore, and fail", "status 1"),
    ("baseline", "restore, and stay as a child", "too many"),
    ("fails-in-the-middle", "restore what there is before the failure", "is left"),
    ("fails-left-out", "restore all the same", "should have failed"),
    ("fails-changed-size", "fail without a word", "should name"),
    ("inotify", "restore, and open what is watched", "unread"),
    ("unlinked", "restore, and leave a name", "/mnt/dir/gone"),
    ("unlinked-opened-by-a-link", "restore, and keep the link", "/mnt/link_remap.1"),
    ("fails-with-dumpers-link", "fail, and remove the link", "/mnt/link_remap.1"),
    ("resume-is-a-mark", "let them run at once", "there is no process 203"),
    ("fifo-that-others-have-open", "restore, and fill the FIFO", "/mnt/fifo: expected"),
    ("fails-fifo-with-others-bytes", "empty the FIFO, and restore", "should have failed"),
    ("fails-with-connection", "restore what there is before the failure", "segments to the peer"),
    ("network-lock-before-anybody-runs", "restore, and remove the rules then", "sockets"),
    ("net-devices-in-order", "restore, and load the rules then", "nft_counts"),
    ("unlinked-in-a-folder-that-is-gone", "restore, and leave a folder", "/mnt/gone: expected"),
    ("unlinked-link-that-is-another-file", "restore, and remove the link", "/mnt/link_remap.1"),
]


def drop(value, path):
    """Takes the member at the end of `path` out of an object, or out of each of a list."""
    if isinstance(value, list):
        for entry in value:
            drop(entry, path)
    elif isinstance(value, dict) and len(path) > 1:
        drop(value.get(path[0]), path[1:])
    elif isinstance(value, dict):
        value.pop(path[0], None)


def place(value, path, new):
    if isinstance(value, list):
        for entry in value:
            place(entry, path, new)
        return
    if isinstance(value, dict) and len(path) > 1:
        place(value.get(path[0]), path[1:], new)
    elif isinstance(value, dict) and path[0] in value:
        value[path[0]] = new


def paths(word):
    """COMMAND.member…, or a member of the attributes."""
    names = word.split(".")
    if names[0].isupper():
        return names[0], names[1:]
    return "SET_ATTR", ["attributes"] + names


def dropped(plan, rest):
    words = rest.split()
    if rest == "the first sigactions":
        first = next(c for c in plan if "sigactions" in c.get("attributes", {}))
        del first["attributes"]["sigactions"]
    elif words[-1].isdigit():
        plan = [c for c in plan if c["command"] != words[0] or c["pid"] != int(words[-1])]
    elif rest.endswith("of the data"):
        plan = [c for c in plan if c["command"] != words[0] or c["start"] == "0x400000"]
    elif rest.isupper() or rest.replace("_", "").isupper():
        plan = [c for c in plan if c["command"] != rest]
    else:
        command, path = paths(rest)
        for entry in plan:
            if entry["command"] != command:
                continue
            drop(entry, path)
    return plan


def forget(plan, what):
    """Late state of that kind, or that member of it."""
    for command in plan:
        entries = command.get("attributes", {}).get("descriptors", [])
        entries[:] = [entry for entry in entries if what not in entry]
        for entry in entries:
            for part in entry.get("locks", []) + entry.get("queue", []):
                part.pop(what, None)
        if not entries:
            command.get("attributes", {}).pop("descriptors", None)
    return plan


def edited(plan, what):
    verb, _, rest = what.partition(" ")
    if verb == "forget":
        return forget(plan, rest)
    if verb == "let":
        waiting = [i for i, c in enumerate(plan) if "connect_to" in c.get("file", {}) and
                   "peer" not in c and c["file"]["socket_type"] == "SOCK_STREAM"]
        plan.insert(waiting[0], plan.pop(waiting[-1]))
    if verb == "open":
        first = next(c["file"]["unlinked"] for c in plan if "unlinked" in c.get("file", {}))
        for number, command in enumerate(plan):
            if "unlinked" in command.get("file", {}):
                command["file"]["unlinked"] = dict(first, id=number)
    if verb == "take":
        for number, command in enumerate(plan):
            if command.pop("from", None):
                command["file"] = dict(command["file"], id=100 + number)
    if verb == "keep":  # of tun(4)
        for command in plan:
            for device in command.get("attributes", {}).get("net", {}).get("devices", []):
                device.get("tun", {"flags": []})["flags"].append("IFF_PERSIST")
    if verb == "drop":
        return dropped(plan, rest)
    if verb == "set":
        name, _, value = rest.partition(" to ")
        value, _, image = value.partition(" in ")
        command, path = paths(name)
        for entry in plan:
            if entry["command"] == command and (
                    not image or entry["source"]["image"] == image):
                place(entry, path, json.loads(value))
    if verb == "give":  # these attributes to that thread
        number, _, given = rest.partition(" ")
        last = [c for c in plan if "attributes" in c and c.get("tid", c["pid"]) == int(number)][-1]
        last["attributes"].update(json.loads(given))
    if verb == "copy":
        first = next(c for c in plan if "personality" in c.get("attributes", {}))
        at = next(i for i, c in enumerate(plan) if c["command"] == "FORK" and c["pid"] != 0)
        copied = dict(first, pid=plan[at]["child_pid"])
        plan.insert(at + 1, copied)
    if verb == "hold":
        opening = next(c for c in plan if c["command"] == "OPEN_FILE")
        opening["peer"] = {"fd": 9, "file": dict(opening["file"], id=9, flags=["O_WRONLY"])}
        late = next(i for i, c in enumerate(plan) if "descriptors" in c.get("attributes", {}))
        plan.insert(late + 1, {"command": "CLOSE_FD", "pid": 200, "fd": 9})
    if verb == "load":
        fork = next(i for i, c in enumerate(plan) if c["command"] == "FORK" and c["pid"] != 0)
        loads = [c for c in plan[:fork] if c["command"] == "LOAD_PAGES" and c["start"] != "0x400000"]
        plan[fork + 1:fork + 1] = [dict(c, pid=plan[fork]["child_pid"]) for c in loads]
    return plan


def restore(what, plan, line):
    """What the broken restorer does."""
    if what == "succeed without doing anything":
        return 0
    if what == "do not end":
        time.sleep(60)
    if what == "kill 200":
        status = subprocess.call(line)
        os.kill(200, signal.SIGKILL)
        return status
    if what == "open images again":  # what it then reads is another file
        with open("/mnt/images/pages.img", "rb"):
            pass
        with open("/mnt/images/pages.img", "wb") as image:
            image.write(bytes(32768))
        return run_edited(dropped(plan, "FORK.about.dump"), line)
    if what == "restore, and fail":
        return subprocess.call(line) or 1
    if what == "restore, and stay as a child":
        status = subprocess.call(line)
        if status == 0 and os.fork() == 0:
            os.closerange(0, 64)
            os.execvp("sleep", ["sleep", "60"])
        return status
    if what == "restore what there is before the failure":
        plan = [c for c in plan if not str(c.get("file", {}).get("path")).startswith("/proc")]
        run_edited(plan, line)
        return 1
    if what == "restore all the same":
        return subprocess.call(line + ["--partial"])
    if what == "restore, and open what is watched":
        status = subprocess.call(line)
        with open("/mnt/secret", "rb"):
            return status
    if what.startswith("restore in a new namespace: "):
        kernel.unshare(NAMESPACES[what.split()[-1]])
        return subprocess.call(line)
    if what == "restore, and leave a mount":
        status = subprocess.call(line)
        kernel.mount("left", "/mnt/dir", "tmpfs")
        return status
    if what == "restore in another cgroup":
        with open("/mnt/cgroups/cgroup.procs", "w", encoding="ascii") as members:
            members.write("0")
        return subprocess.call(line)
    if what == "restore, and leave a name":
        status = subprocess.call(line)
        with open("/mnt/dir/gone", "wb"):
            return status
    if what == "restore, and keep the link":
        os.link("/mnt/b", "/mnt/kept")
        status = subprocess.call(line)
        os.rename("/mnt/kept", "/mnt/link_remap.1")
        return status
    if what == "fail, and remove the link":
        status = subprocess.call(line)
        os.unlink("/mnt/link_remap.1")
        return status
    if what == "restore, and remove the link":
        status = subprocess.call(line)
        os.unlink("/mnt/link_remap.1")
        return status
    if what == "restore, and leave a folder":
        status = subprocess.call(line)
        os.mkdir("/mnt/gone")
        return status
    if what == "restore, and remove the rules then":
        status = run_edited(dropped(plan, "FORK.about.network_lock"), line)
        time.sleep(0.2)
        subprocess.call(["nft", "delete", "table", "inet", "CRIU-7"])
        return status
    if what == "restore, and load the rules then":
        status = run_edited(dropped(plan, "net.nftables"), line)
        subprocess.call(["nsenter", "--net=/proc/200/ns/net", "nft", "-f", os.path.join(FOLDER, "images", "rules.img")])
        return status
    if what in ("restore, and fill the FIFO", "empty the FIFO, and restore"):
        status = subprocess.call(line) if what.startswith("restore") else 0
        fifo = os.open("/mnt/fifo", os.O_RDWR | os.O_NONBLOCK)
        if what.startswith("restore"):
            os.write(fifo, b"12345")
            return status
        os.read(fifo, 4096)
        return run_edited(dropped(plan, "OPEN_FILE.file.data"), line)
    if what == "fail without a word":
        return subprocess.call(line, stderr=subprocess.DEVNULL)
    if what == "let them run at once":
        # As if 201 had killed 202 before its FORK.
        plan = [c for c in plan if c["pid"] != 203 and c.get("child_pid") != 203]
        return run_edited(plan, line)
    return run_edited(edited(plan, what), line)


def run_edited(plan, line):
    # The world of the case: README.md.
    with open("/mnt/edited.json", "w", encoding="utf-8") as file:
        json.dump(plan, file)
    return subprocess.call([line[0], "/mnt/edited.json"] + line[2:])


def be_broken(what, line):
    with open(line[1], encoding="utf-8") as file:
        plan = json.load(file)
    return restore(what, plan, line)


def main():
    if len(sys.argv) > 2:
        return be_broken(sys.argv[1], sys.argv[2:])
    crrestore = sys.argv[1]
    unseen = 0
    for case, what, message in FAULTS:
        line = [os.path.join(FOLDER, "run"), "--only", case, "--settle", "0.5", "--timeout", "20", os.path.abspath(__file__), what,
                crrestore, "{plan}", "--images", "{images}", "--root={root}", "--detach",
                "--inherit-fd=fd[{fd}]:{key}", "--file-locks",
                "--tcp-established"]
        run = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=False)
        if run.returncode == 77:
            print(run.stdout)
            return 77
        if run.stdout.startswith("skip"):
            print(run.stdout.splitlines()[0], flush=True)
            continue
        seen = run.returncode == 1 and message in run.stdout
        print("%s %s: %s" % ("seen" if seen else "UNSEEN", case, what), flush=True)
        if not seen:
            print(run.stdout)
            unseen += 1
    print("%d faults, %d unseen" % (len(FAULTS), unseen))
    return 1 if unseen else 0


if __name__ == "__main__":
    sys.exit(main())
