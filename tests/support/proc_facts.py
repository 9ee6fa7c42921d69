#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""What proc(5) says of a process, but for what it has used and for how the kernel keeps it.

usage: proc_facts.py PID...                  prints the facts, as JSON
       proc_facts.py --compare BEFORE AFTER  prints what two such files differ in
"""
import json
import os
import re
import sys

PLAIN = ('auxv', 'cmdline', 'comm', 'coredump_filter', 'environ', 'limits',
         'loginuid', 'oom_score_adj', 'personality', 'timers', 'timerslack_ns', 'uid_map',
         'attr/current')
STAT = ('state', 'ppid', 'pgrp', 'session', 'tty_nr', 'tpgid', 'flags', 'minflt', 'cminflt',
        'majflt', 'cmajflt', 'utime', 'stime', 'cutime', 'cstime', 'priority', 'nice',
        'num_threads', 'itrealvalue', 'starttime', 'vsize', 'rss', 'rsslim', 'startcode', 'endcode',
        'startstack', 'kstkesp', 'kstkeip', 'signal', 'blocked', 'sigignore', 'sigcatch', 'wchan',
        'nswap', 'cnswap', 'exit_signal', 'processor', 'rt_priority', 'policy', 'blkio', 'guest',
        'cguest', 'start_data', 'end_data', 'start_brk', 'arg_start', 'arg_end', 'env_start',
        'env_end', 'exit_code')
USED = ('minflt', 'cminflt', 'majflt', 'cmajflt', 'utime', 'stime', 'cutime', 'cstime', 'starttime',
        'rss', 'flags', 'kstkesp', 'kstkeip', 'wchan', 'processor', 'blkio', 'exit_code')
OF_ZOMBIES = ('state', 'ppid', 'pgrp', 'session', 'exit_signal', 'exit_code')
OF_THE_PROCESS = ('status Pid', 'status NSpid', 'status PPid', 'status Tgid', 'status NStgid', 'status NSpgid', 'status NSsid')
USED_STATUS = ('FDSize', 'SigQ', 'VmPeak', 'VmHWM', 'VmRSS', 'RssAnon', 'RssFile', 'RssShmem', 'VmPTE', 'VmSwap',
               'voluntary_ctxt_switches', 'nonvoluntary_ctxt_switches', 'ShdPnd')  # timers add to it


def _read(path):
    try:
        with open(path, 'rb') as file:
            return file.read().decode(errors='replace')
    except OSError as error:
        return f'errno {error.errno}'


def _regions(pid):
    """Start, end, and what is there; neighbours that are alike are one."""
    regions = []
    for word in _read(f'/proc/{pid}/smaps').splitlines():
        key = word.split(' ', 1)[0]
        if not key.endswith(':'):
            span, mode, offset, _, inode, *name = word.split(None, 5)
            start, end = (int(address, 16) for address in span.split('-'))
            at = start - int(offset, 16) if inode != '0' else 0  # of the file's first byte
            # A segment of System V that is removed has lost the key that its regions are called by.
            named = re.sub(r':\[\d+\]|(?<=/SYSV)[0-9a-f]{8}', '', ' '.join(name))
            regions.append([start, end, f'{mode} {at:x} {named}'])
        elif key == 'VmFlags:':
            # ac: it was writable once, if only to who has put a page of the dump there.
            flags = [flag for flag in word[8:].split() if flag != 'ac']
            regions[-1][2] += ' ' + ' '.join(flags)
            if len(regions) > 1 and regions[-2][1:] == [regions[-1][0], regions[-1][2]]:
                end = regions.pop()[1]
                regions[-1][1] = end
    return regions


def _cgroups(pid):
    """By hierarchy. In the root is who is in none: other tests' hierarchies come and go."""
    for row in _read(f'/proc/{pid}/cgroup').splitlines():
        _, hierarchy, path = row.split(':', 2)
        if path != '/':
            yield hierarchy, path


def _fdinfo(path, numbers):
    """Without numbers of inodes, what clocks have changed, and the order in which a set keeps its targets. Numbers of
    maps in the order in which they appear."""
    rows = []
    text = _read(path)
    for row in text.splitlines():
        if row.startswith(('ino:', 'eventfd-id:', 'it_value:', 'ticks:')):
            continue
        if row.startswith('pos:') and '\niff:' in text:  # how much was read last
            continue
        if row.startswith('map_id:'):
            row = f'map {numbers.setdefault(row, len(numbers))}'
        row = re.sub(r'^tfd: *\d+|\bino:\S+|\bsdev:\S+|\bf_handle:\S+', '', row)
        rows.append(re.sub(r' [0-9a-f]+:[0-9a-f]+:\d+ ', ' ', row) if row.startswith('lock:') else row)
    return '\n'.join(sorted(rows))


def _descriptors(pid, facts, inodes):
    """Pipes and sockets in the order in which they appear."""
    for fd in sorted(os.listdir(f'/proc/{pid}/fd'), key=int):
        link = os.readlink(f'/proc/{pid}/fd/{fd}')
        info = _fdinfo(f'/proc/{pid}/fdinfo/{fd}', inodes)
        anonymous = re.fullmatch(r'(pipe|socket):\[(\d+)\]', link)
        if anonymous:
            number = inodes.setdefault(anonymous[2], len(inodes))
            link = f'{anonymous[1]} {number}'
        link = re.sub(r'^(\w+):\[\d+\]$', r'\1', link)  # a namespace
        # What never had a name has its inode's; one whose name is another's has a new one.
        link = re.sub(r'(/#\d+|\.crrestore-\d+) \(deleted\)$', ' (deleted)', link)
        if link.startswith('/dev/'):
            status = os.stat(f'/proc/{pid}/fd/{fd}')
            link += f' {status.st_mode:o} {status.st_uid} {status.st_gid} {status.st_rdev:x}'
        facts[f'fd {fd}'], facts[f'fdinfo {fd}'] = link, info


def _thread(pid, tid):
    facts = {}
    for line in _read(f'/proc/{pid}/task/{tid}/status').splitlines():
        name, _, value = line.partition(':')
        if name not in USED_STATUS and name != 'State':
            facts[f'status {name}'] = value.strip()
    for line in _read(f'/proc/{pid}/task/{tid}/sched').splitlines():
        name, _, value = line.partition(':')
        if name.strip() in ('policy', 'prio'):
            facts[f'sched {name.strip()}'] = value.strip()
    return facts


def _facts(pid, inodes):
    values = _read(f'/proc/{pid}/stat').rpartition(')')[2].split()
    if values[0] == 'Z':
        return {name: value for name, value in zip(STAT, values) if name in OF_ZOMBIES}
    facts = {name: _read(f'/proc/{pid}/{name}') for name in PLAIN}
    facts |= {f'stat {name}': value for name, value in zip(STAT, values) if name not in USED}
    if facts['stat state'] in 'RSD':
        facts['stat state'] = 'runs'
    facts |= _thread(pid, pid)
    for tid in map(int, os.listdir(f'/proc/{pid}/task')):
        own = _thread(pid, tid)
        if tid != pid and 'status NSpid' in own:  # it has not ended
            number = own['status NSpid'].split()[-1]
            facts |= {f'thread {number} {name}': value for name, value in own.items() if name not in OF_THE_PROCESS}
    facts |= {f'cgroup {hierarchy}': path for hierarchy, path in _cgroups(pid)}
    for name in ('cwd', 'root', 'exe'):
        facts[name] = os.readlink(f'/proc/{pid}/{name}')
    _descriptors(pid, facts, inodes)
    facts |= {f'map {start:x}-{end:x}': what for start, end, what in _regions(pid)}
    return facts


def facts_of(pids):
    """By pid and name, as text. The first one's parent is whoever has started it."""
    inodes = {}
    facts = {pid: _facts(pid, inodes) for pid in pids}
    for name in ('stat ppid', 'status PPid'):
        facts[pids[0]].pop(name, None)
    return facts


def differences(before, after):
    """One line each, "WHAT: BEFORE becomes AFTER"; both are facts by pid."""
    lines = []
    for pid in sorted(before.keys() | after.keys()):
        old, new = before.get(pid, {}), after.get(pid, {})
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) != new.get(name):
                lines.append(f'process {pid}, {name}: {old.get(name)!r} becomes {new.get(name)!r}')
    return lines


def main(arguments):
    if arguments[:1] == ['--compare']:
        before, after = (json.load(open(path)) for path in arguments[1:])
        lines = differences(before, after)
        print('\n'.join(lines))
        return 1 if lines else 0
    json.dump(facts_of([int(pid) for pid in arguments]), sys.stdout)
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
