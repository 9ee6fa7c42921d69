# SPDX-License-Identifier: Apache-2.0
"""Programs on terminals: started, typed to, dumped, restored, and looked at in proc(5)."""
import contextlib
import fcntl
import json
import os
import re
import select
import socket
import struct
import subprocess
import sys
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from proc_facts import differences, facts_of  # noqa: E402

PATIENCE = 60  # seconds
BASH = ['bash', '--noprofile', '--norc', '-i']
PROMPT = 'ready> '
ESCAPE = re.compile(r'\x1b(\[[0-9;:?<=>!]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[ -/][0-~]|[0-~])')


class Failure(Exception):
    """What is not as it should be."""


def expect(what, found, wanted):
    if found != wanted:
        raise Failure(f'{what}: {found!r}, expected {wanted!r}')


def until(what, condition):
    deadline = time.monotonic() + PATIENCE
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise Failure(f'{what}: not within {PATIENCE} s')
        time.sleep(0.02)
    return result


class Terminal:
    """A pty by its master, as a terminal emulator has it."""

    def __init__(self, master, pid=0):
        self.master, self.pid = master, pid
        self._seen = b''

    def close(self):
        if self.master >= 0:
            os.close(self.master)
        self.master = -1

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))

    def type(self, keys):
        data = keys.encode()
        while data:
            data = data[os.write(self.master, data):]

    def await_job(self):
        """Of the shell that leads the session."""
        until('a job in the foreground', lambda: os.tcgetpgrp(self.master) != self.pid)

    def await_program(self, name):
        """In the foreground, and executed: before that it is a shell, which ignores SIGTSTP."""
        def is_there():
            try:
                with open(f'/proc/{os.tcgetpgrp(self.master)}/comm', encoding='utf-8') as comm:
                    return comm.read() == name + '\n'
            except OSError:
                return False  # it comes or goes
        until(f'{name} in the foreground', is_there)

    def text(self):
        """What has been shown since the last expectation, without escape sequences and CR."""
        return ESCAPE.sub('', self._seen.decode(errors='replace')).replace('\r', '')

    def _read(self, seconds):
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            self._seen += os.read(self.master, 1 << 16)
        except OSError:  # nobody has the slave
            time.sleep(0.02)
            return False
        return True

    def shown(self):
        """All of it by now."""
        while self._read(0.1):
            pass
        return self.text()

    def quiet(self, seconds=0.3):
        """Waits until nothing more is shown; what was shown is forgotten."""
        while self._read(seconds):
            pass
        self._seen = b''

    def expect(self, pattern):
        deadline = time.monotonic() + PATIENCE
        while not (match := re.search(pattern, self.text())):
            if time.monotonic() > deadline:
                raise Failure(f'/{pattern}/ is not shown, but {self.text()[-400:]!r}')
            self._read(0.1)
        self._seen = self.text()[match.end():].encode()
        return match

    def ask(self, command, pattern, prompt):
        """Types a command at a prompt; what the pattern finds between it and the next prompt."""
        self.quiet(0.1)
        self.type(command + '\r')
        self.expect(re.escape(command[-20:]) + r'\s*\n')
        match = self.expect('(?s)(.*?)' + re.escape(prompt))
        found = re.search(pattern, match[1])
        if not found:
            raise Failure(f'{command}: {match[1]!r}, expected /{pattern}/')
        return found


def start(arguments, folder, rows=24, columns=80, environment=()):
    """A session of its own on a new pty."""
    pid, master = os.forkpty()
    if pid == 0:
        try:
            os.closerange(3, 1 << 10)
            os.chdir(folder)
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
            basic = {'HOME': folder, 'PATH': os.environ['PATH'], 'TERM': 'xterm', 'LANG': 'C.UTF-8',
                     'HISTFILE': '', 'INPUTRC': '/dev/null'}
            os.execvpe(arguments[0], arguments, basic | dict(environment))
        finally:
            os._exit(127)
    os.set_inheritable(master, False)
    return Terminal(master, pid)


def descendants(pid):
    pids = [pid]
    for parent in pids:
        for task in os.listdir(f'/proc/{parent}/task'):
            with open(f'/proc/{parent}/task/{task}/children', encoding='ascii') as children:
                pids += [int(child) for child in children.read().split()]
    return pids


NUMBERS = {'id', 'inode_id', 'pipe_id', 'socket_id', 'connect_to', 'dead', 'source', 'offset'}
RUNNING = {'registers', 'fpu', 'time', 'images', 'stream'}


def _stripped(value):
    """Without numbers that are the dump's alone, and what changes while a program runs."""
    if isinstance(value, list):
        return [_stripped(each) for each in value]
    if isinstance(value, dict):
        return {name: _stripped(each) for name, each in value.items()
                if name not in NUMBERS | RUNNING}
    return value


def _joined(program):
    """Neighbouring regions that are alike are one."""
    joined = []
    for command in program:
        last = joined[-1] if joined else {}
        if (command['command'] == 'MAP_REGION' and 'MAP_ANONYMOUS' in command['flags'] and
                {**command, 'start': 0, 'end': 0} == {**last, 'start': 0, 'end': 0} and
                last['end'] == command['start']):
            last['end'] = command['end']
        else:
            joined.append(command)
    return joined


def difference(first, second):
    """Of two plans: the commands that only one of them has, but for the pages."""
    commands = []
    for path in (first, second):
        with open(path, encoding='utf-8') as plan:
            whole = json.load(plan)
            whole[0]['about'].get('cpu', {}).pop('xsave', None)  # which registers were used is chance
            program = [_stripped(command) for command in whole
                       if command['command'] != 'LOAD_PAGES']
        commands.append({json.dumps(command) for command in _joined(program)})
    return '; '.join(sorted(commands[0] ^ commands[1]))[:3000]


class World:
    """The programs that dump, plan and restore."""

    def __init__(self, crgen, crrestore, criu):
        self.crgen, self.crrestore, self.criu = crgen, crrestore, criu

    def _run(self, what, arguments, log=None):
        done = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False, timeout=120)
        if done.returncode == 0:
            return
        text = done.stdout + done.stderr
        if log and os.path.exists(log):
            with open(log, encoding='utf-8', errors='replace') as lines:
                text += ''.join(line for line in lines if 'Error' in line or 'Warn' in line)
        raise Failure(f'{what}, status {done.returncode}: {text[-1500:]}')

    def dump(self, pid, images, *options):
        os.makedirs(images)
        log = f'{images}/dump.log'
        self._run('no dump', [self.criu, 'dump', '-t', str(pid), '-D', images, '-o', log,
                              '--ext-unix-sk', '--file-locks', *options], log)

    def plan(self, images):
        self._run('no plan', [self.crgen, '-q', images, '-o', f'{images}/plan.json'])
        return f'{images}/plan.json'

    def restore(self, images, *options):
        self._run('no restore', [self.crrestore, f'{images}/plan.json', '--images', images,
                                 '--file-locks', '--detach', *options])

    def restore_on_new_terminal(self, pid, images, *options):
        """A plan whose session has a pty that no process of it has: the master is sent to us."""
        path = f'{images}/console'
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            self.restore(images, '--console-socket', path, *options)
            listener.settimeout(PATIENCE)
            with listener.accept()[0] as channel:
                name, masters, _, _ = socket.recv_fds(channel, 100, 1)
        expect('the name that is sent with the master', name.decode(),
               f'/dev/pts/{struct.unpack("i", fcntl.ioctl(masters[0], 0x80045430, bytes(4)))[0]}')
        os.set_inheritable(masters[0], False)
        return Terminal(masters[0], pid)


    def check(self, pid, folder, options, before):
        """Everybody is there again, as before, and a second dump gives the plan of the first."""
        pids = list(before)
        expect('processes', descendants(pid), pids)
        found = ['somebody is gone']

        def as_before():
            with contextlib.suppress(OSError):
                found[:] = differences(before, facts_of(pids))
                return not found
            return False
        with contextlib.suppress(Failure):
            until('as before', as_before)
        if found:
            raise Failure('in /proc: ' + '; '.join(found[:20]))
        self.dump(pid, f'{folder}/second', '--leave-running', *options)
        first, second = self.plan(f'{folder}/images'), self.plan(f'{folder}/second')
        changed = difference(first, second)
        if changed:
            raise Failure(f'the second plan: {changed}')

    def end_by_dump(self, pid, folder, *options):
        """What proc(5) has said of the tree."""
        before = {}

        def at_rest():
            earlier = dict(before)
            before.clear()
            with contextlib.suppress(OSError):  # a descriptor or process that has just gone
                before.update(facts_of(descendants(pid)))
            return before and before == earlier
        until('at rest', at_rest)
        self.dump(pid, f'{folder}/images', *options)
        return before

    def move(self, terminal, folder):
        """Dumps the session on a terminal of ours, and restores it on another."""
        terminal.quiet()
        before = self.end_by_dump(terminal.pid, folder, '--shell-job')
        terminal.close()
        gone(before)
        self.plan(f'{folder}/images')
        restored = self.restore_on_new_terminal(terminal.pid, f'{folder}/images')
        self.check(terminal.pid, folder, ['--shell-job'], before)
        return restored

    def move_in_place(self, pid, folder):
        """Likewise a tree that needs nothing from us."""
        before = self.end_by_dump(pid, folder)
        gone(before)
        self.plan(f'{folder}/images')
        self.restore(f'{folder}/images')
        self.check(pid, folder, [], before)


def gone(pids):
    """Numbers are free when whoever had them is reaped: by this process or by init."""
    def all_gone():
        for pid in pids:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        return not any(os.path.exists(f'/proc/{pid}') for pid in pids)
    until(f'{pids} are free', all_gone)


def wchan_of(pid):
    with open(f'/proc/{pid}/wchan', encoding='ascii') as wchan:
        return wchan.read()


def comm_of(pid):
    with open(f'/proc/{pid}/comm', encoding='utf-8') as comm:
        return comm.read().rstrip('\n')


def state_of(pid):
    with open(f'/proc/{pid}/stat', encoding='ascii') as stat:
        return stat.read().rpartition(')')[2].split()[0]


class Tmux:
    def __init__(self, folder):
        self.socket = f'{folder}/socket'
        self.environment = {'HOME': folder, 'PATH': os.environ['PATH'], 'TERM': 'xterm',
                            'LANG': 'C.UTF-8', 'SHELL': '/bin/bash', 'PS1': PROMPT}

    def __call__(self, *words):
        return subprocess.run(['tmux', '-f', '/dev/null', '-S', self.socket, *words], check=True,
                              env=self.environment, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL).stdout.rstrip('\n')

    def expect(self, pane, pattern):
        until(f'pane {pane}: /{pattern}/ in {self("capture-pane", "-p", "-t", pane)!r}',
              lambda: re.search(pattern, self('capture-pane', '-p', '-J', '-t', pane)))

    def type(self, pane, *keys):
        self('send-keys', '-t', pane, *keys)

    def foreground(self, pane):
        return self('display-message', '-p', '-t', pane, '#{pane_current_command}')

    def have_their_sizes(self):
        panes = self('list-panes', '-F', '#{pane_tty} #{pane_width} #{pane_height}').splitlines()
        return all(_size(name) == (int(columns), int(rows))
                   for name, columns, rows in (pane.split() for pane in panes))


def _size(terminal):
    descriptor = os.open(terminal, os.O_RDONLY | os.O_NOCTTY)
    try:
        return tuple(os.get_terminal_size(descriptor))
    finally:
        os.close(descriptor)
