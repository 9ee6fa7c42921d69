#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""What proc(5) says of every process of a container, by the container's own numbers.

usage: container_facts.py ROOT                    prints the facts, as JSON
       container_facts.py --compare BEFORE AFTER  prints what two such files differ in, of the mounts
                                                  and of processes that are in both

ROOT: the root's pid, as the caller's pid namespace has it.
"""
import json
import os
import re
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'support'))
from proc_facts import differences, facts_of  # noqa: E402

# Numbers from outside, and what a machine counts for all.
OUTSIDE = re.compile(r'(thread \d+ )?(stat (ppid|pgrp|session|tty_nr|tpgid)|auxv|uid_map|timers|map .*\[v(var|dso)\S*|'
                     r'status (Pid|Tgid|Ngid|PPid|NStgid|NSpid|NSpgid|NSsid|Cpus_allowed\w*|Mems_allowed\w*))$')


def processes(root):
    """Pairs: the number inside, the number outside."""
    wanted = os.readlink(f'/proc/{root}/ns/pid')
    for name in os.listdir('/proc'):
        try:
            if name.isdigit() and os.readlink(f'/proc/{name}/ns/pid') == wanted:
                status = open(f'/proc/{name}/status', encoding='utf-8', errors='replace').read()
                yield int(re.search(r'^NSpid:.*\s(\d+)$', status, re.M)[1]), int(name)
        except OSError:
            pass  # it has ended


def own_ids(outside):
    status = open(f'/proc/{outside}/status', encoding='utf-8', errors='replace').read()
    return {name: value.split()[-1] for name, value in re.findall(r'^(NSpgid|NSsid):(.*)$', status, re.M)}


def mounts(root):
    """Without numbers of mounts and devices; a file that masks another one is the caller's /dev/null."""
    for line in open(f'/proc/{root}/mountinfo', encoding='utf-8', errors='replace'):
        words = line.split()
        dash = words.index('-')
        system = words[dash + 1:] if words[3] != '/null' else []
        yield ' '.join([words[4], words[3], words[5], *words[6:dash], *system])


def container_facts(root):
    facts = {'mounts': dict.fromkeys(mounts(root), 'is there')}
    for inside, outside in processes(root):
        try:
            own = facts_of([outside])[outside] | own_ids(outside)
        except OSError:
            continue  # it has ended
        facts[inside] = {name: re.sub(r'^mnt_id:.*\n?|(?<=READ |RITE )\d+', '', value, flags=re.M)
                         for name, value in own.items() if not OUTSIDE.match(name)}
    return facts


def main(arguments):
    if arguments[:1] == ['--compare'] and len(arguments) == 3:
        before, after = (json.load(open(path, encoding='utf-8')) for path in arguments[1:])
        both = before.keys() & after.keys()
        lines = differences({key: before[key] for key in both}, {key: after[key] for key in both})
        print('\n'.join(lines))
        return 1 if lines else 0
    if len(arguments) != 1 or not arguments[0].isdigit():
        sys.exit(__doc__)
    json.dump(container_facts(int(arguments[0])), sys.stdout)
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
