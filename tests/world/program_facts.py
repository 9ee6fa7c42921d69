#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""What proc(5) says of a tree that somebody has stopped: the dumper, or crrestore --stop.

usage: program_facts.py ROOT    prints the facts, as JSON
"""
import json
import os
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'support'))
from proc_facts import facts_of  # noqa: E402

# Who waits in sigsuspend(2) or its like has blocked other signals than it has before it calls again.
UNLIKE = ('status TracerPid', 'stat blocked', 'status SigBlk')


def descendants(pid):
    pids = [pid]
    for parent in pids:
        for task in os.listdir(f'/proc/{parent}/task'):
            with open(f'/proc/{parent}/task/{task}/children', encoding='ascii') as children:
                pids += [int(child) for child in children.read().split()]
    return pids


def main(arguments):
    if len(arguments) != 1 or not arguments[0].isdigit():
        sys.exit(__doc__)
    facts = facts_of(descendants(int(arguments[0])))
    for own in facts.values():
        for name in [name for name in own if name.endswith(UNLIKE)]:
            del own[name]
        if 'stat state' in own:  # which zombies have not
            own['stat state'] = 'stopped'
    json.dump(facts, sys.stdout)
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
