# SPDX-License-Identifier: Apache-2.0
"""Cases of terminals.py: who reads a terminal is slower than who writes."""
import json
import os
import signal
import subprocess
import time

from pty_driver import BASH, PROMPT, Failure, Tmux, comm_of, descendants, expect, gone, state_of, until

UNREAD = """
import os, pty, time
pid, master = pty.fork()
if pid == 0:
    os.execvp('sh', ['sh', '-c', 'stty -opost; seq 1 2500; exec sleep 1000'])
while not os.path.exists('go'):
    time.sleep(.05)
text = b''
while len(text) < 11393:
    text += os.read(master, 4096)
with open('read.new', 'wb') as file:
    file.write(text)
os.rename('read.new', 'read')
os.kill(pid, 9)
"""


def output_that_nobody_has_read(world, folder):
    """More than a line discipline has room for waits behind it."""
    with subprocess.Popen(['/usr/bin/python3', '-c', UNREAD], cwd=folder, start_new_session=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as program:
        until('all is written', lambda: [comm_of(pid) for pid in descendants(program.pid)][1:] == ['sleep'])
        world.move_in_place(program.pid, folder)
    with open(f'{folder}/go', 'w', encoding='ascii'):
        pass
    until('it is read', lambda: os.path.exists(f'{folder}/read'))
    with open(f'{folder}/read', encoding='ascii', newline='') as text:
        expect('it is what was written', text.read() == ''.join(f'{i}\n' for i in range(1, 2501)), True)


def _unread(images):
    with open(f'{images}/plan.json', encoding='utf-8') as plan:
        return max((late['input']['bytes'] for command in json.load(plan)
                    for late in command.get('attributes', {}).get('descriptors', ()) if 'input' in late), default=0)


def _waits(pid):
    """For as long as it takes the kernel to make room in one buffer by filling the next."""
    for _ in range(30):
        if state_of(pid) != 'S':
            return False
        time.sleep(.02)
    return True


def tmux_that_is_slower_than_yes(world, folder):
    tmux = Tmux(folder)
    tmux('new-session', '-d', '-x', '100', '-y', '40', '-c', folder, ' '.join(BASH))
    tmux.type('0.0', f"PS1='{PROMPT}'", 'C-m')
    tmux.expect('0.0', '(?m)^' + PROMPT.strip())
    pid = int(tmux('display-message', '-p', '#{pid}'))
    until('the size', tmux.have_their_sizes)
    tmux.type('0.0', 'yes', 'C-m')
    tmux.expect('0.0', r'y\ny\ny\n')
    os.kill(pid, signal.SIGSTOP)
    until('yes waits', lambda: _waits(descendants(pid)[-1]))
    try:
        world.move_in_place(pid, folder)
    except Failure as failure:  # there was room for more, and it has written more since
        if 'second plan' not in str(failure) or '"input"' not in str(failure):
            raise
        expect('no less', _unread(f'{folder}/second') > _unread(f'{folder}/images'), True)
    expect('much is unread', _unread(f'{folder}/images') > 4095, True)
    os.kill(pid, signal.SIGCONT)
    tmux.expect('0.0', r'y\ny\ny\n')
    tmux.type('0.0', 'C-c')
    tmux.expect('0.0', '(?s)' + PROMPT.strip() + r'\s*$')
    tmux.type('0.0', 'echo ended $?', 'C-m')
    tmux.expect('0.0', 'ended 130')
    tmux('kill-server')
    gone([pid])
