# SPDX-License-Identifier: Apache-2.0
"""The cases of terminals.sh. usage: terminals.py CRGEN CRRESTORE CRIU FOLDER [CASE]..."""
import json
import os
import re
import socket
import subprocess
import sys

from pty_driver import (BASH, PROMPT, Failure, Tmux, World, comm_of, descendants, expect, gone,
                        start, state_of, until, wchan_of)
from unread_output import output_that_nobody_has_read, tmux_that_is_slower_than_yes

def shell(folder, prompt=PROMPT, rows=31, columns=97):
    terminal = start(BASH, folder, rows, columns)
    terminal.type(f"PS1='{prompt[:3]}''{prompt[3:]}'\r")
    terminal.expect(r'\n' + prompt)
    return terminal


def stopped_job(terminal, command):
    terminal.type(command + '\r')
    terminal.await_program(command.split()[0])
    terminal.type('\x1a')
    terminal.expect(rf'Stopped +{command}\s+{PROMPT}')


def end(terminal):
    pids = descendants(terminal.pid)
    terminal.close()  # SIGHUP
    gone(pids)


def bash_with_jobs(world, folder):
    terminal = shell(folder)
    stopped_job(terminal, 'sleep 1001')
    terminal.type('sleep 1002 &\r')
    terminal.expect(PROMPT)
    modes = terminal.ask('stty -a', '(?s).*', PROMPT)[0]
    terminal.type('echo half-')
    terminal.expect('echo half-')
    terminal = world.move(terminal, folder)
    terminal.type('typed\r')
    terminal.expect(r'\nhalf-typed\n')
    terminal.expect(PROMPT)
    expect('stty -a', terminal.ask('stty -a', '(?s).*', PROMPT)[0], modes)
    terminal.ask('jobs', r'(?s)\[1\]\+ +Stopped +sleep 1001.*\[2\]- +Running +sleep 1002', PROMPT)
    terminal.type('fg\r')
    terminal.await_job()
    terminal.type('\x03')
    terminal.expect(PROMPT)
    terminal.ask('echo $?', '^130', PROMPT)
    terminal.type('fg %2\r')
    terminal.await_job()
    terminal.type('\x1a')
    terminal.expect(rf'Stopped +sleep 1002\s+{PROMPT}')
    terminal.ask('bg; jobs', r'Running +sleep 1002', PROMPT)
    terminal.resize(40, 120)
    terminal.ask('stty size; echo $COLUMNS', '^40 120\n120', PROMPT)
    terminal.ask('tty; ps -o tty= $$', r'^(/dev/(pts/\d+))\n\2', PROMPT)
    end(terminal)


def vim_with_changes(world, folder):
    with open(f'{folder}/text', 'w', encoding='ascii') as text:
        text.write('first\nsecond\n')
    terminal = start(['vi', '-u', 'NONE', '-i', 'NONE', '-N', '--cmd', 'set ut=100000', 'text'], folder)
    terminal.expect('second')
    terminal.type('ohalf')  # a line below, which is not finished
    terminal.expect('half')
    terminal = world.move(terminal, folder)
    terminal.expect('(?s)first.*half.*second')
    terminal.type('-typed\x1b')
    terminal.expect('-typed')
    terminal.resize(30, 61)
    terminal.expect('(?s)first.*half-typed.*second')
    terminal.type(':set columns? lines?\r')
    terminal.expect(r'(?s)columns=61.*lines=30')
    terminal.type('\r:w\r')
    until('the file is written', lambda: os.path.getsize(f'{folder}/text') > 13)
    with open(f'{folder}/text', encoding='ascii') as text:
        expect('the file', text.read(), 'first\nhalf-typed\nsecond\n')
    terminal.type('u:q!\r')
    gone([terminal.pid])
    expect('what is left in the folder', sorted(os.listdir(folder)), ['images', 'second', 'text'])


def less_in_the_middle(world, folder):
    _lines(folder)
    terminal = start(['less', 'lines'], folder, 24, 80)
    terminal.expect('line 0023')
    terminal.type('1000g')
    terminal.expect(r'line 1022\n')
    terminal = world.move(terminal, folder)
    terminal.expect('(?s)line 1000.*line 1022')  # is drawn again
    terminal.type(' ')
    terminal.expect('(?s)line 1023.*line 1045')
    terminal.quiet()
    terminal.resize(11, 80)
    terminal.expect('(?s)line 1023.*line 1032')
    terminal.type('/line 1500\r')
    terminal.expect('(?s)line 1500.*line 1509')
    terminal.type('q')
    gone([terminal.pid])


def python_with_a_variable(world, folder):
    terminal = start([sys.executable, '-q'], folder)
    terminal.expect('>>> ')
    terminal.type('import os, time; answer = 6 * 7\r')
    terminal.expect('\n>>> ')
    terminal.type('print("it is", ans')
    terminal.expect('it is", ans')
    terminal = world.move(terminal, folder)
    terminal.type('wer)\r')
    terminal.expect(r'\nit is 42\n')
    terminal.type('time.sleep(1000)\r')
    terminal.expect(r'1000\)\n')
    until('it sleeps', lambda: 'nanosleep' in wchan_of(terminal.pid))
    terminal.type('\x03')
    terminal.expect('(?s)KeyboardInterrupt.*>>> ')
    terminal.resize(50, 132)
    terminal.type('print(*os.get_terminal_size())\r')
    terminal.expect(r'\n132 50\n>>> ')
    terminal.type('\x04')
    gone([terminal.pid])


def tmux_with_three_panes(world, folder):
    """The server with its ptys, of which both ends are in the tree."""
    tmux = Tmux(folder)
    _lines(folder)
    tmux('new-session', '-d', '-x', '100', '-y', '40', '-c', folder, ' '.join(BASH))
    tmux('split-window', '-c', folder, f'{sys.executable} -q')
    tmux('split-window', '-h', '-c', folder, 'less lines')
    tmux.type('0.0', f"PS1='{PROMPT}'", 'C-m')
    tmux.expect('0.0', '(?m)^' + PROMPT.strip())
    tmux.type('0.0', 'sleep 1001', 'C-m')
    pid = int(tmux('display-message', '-p', '#{pid}'))
    until('the job', lambda: tmux.foreground('0.0') == 'sleep')
    tmux.type('0.0', 'C-z')
    tmux.expect('0.0', r'Stopped +sleep 1001')
    tmux.type('0.0', 'stty size', 'C-m')
    tmux.expect('0.0', '20 100')
    tmux.type('0.0', 'echo half-')
    tmux.type('0.1', 'answer = 6 * 7', 'C-m')
    tmux.type('0.2', '1000g')
    tmux.expect('0.2', 'line 1000')
    until('the sizes of panes', lambda: tmux.have_their_sizes())  # tmux sets them a moment later
    world.move_in_place(pid, folder)
    tmux.type('0.0', 'typed', 'C-m')
    tmux.expect('0.0', 'half-typed\n')
    tmux.type('0.0', 'clear; fg', 'C-m')
    until('the job', lambda: tmux.foreground('0.0') == 'sleep')
    tmux.type('0.0', 'C-c')
    tmux.type('0.0', 'echo ended $?', 'C-m')
    tmux.expect('0.0', 'ended 130')
    tmux.type('0.1', 'print("it is", answer)', 'C-m')
    tmux.expect('0.1', 'it is 42')
    tmux.type('0.2', ' ')
    tmux.expect('0.2', '(?s)line 1018.*line 1035')
    # A client with another window: all panes follow.
    client = start(['tmux', '-S', tmux.socket, 'attach'], folder, 50, 120)
    client.expect('(?s)line 1018')
    tmux.type('0.0', 'clear; stty size', 'C-m')
    client.expect(r'\d\d 120')
    tmux('select-pane', '-t', '0.1')
    client.type('answer + 1\r')
    tmux.expect('0.1', '\n43\n')
    tmux('kill-server')
    gone([client.pid, pid])


class ShellJob:
    """A job of a shell outside of the tree, and of another shell after the restore."""

    def __init__(self, world, folder, command, ready):
        self.world, self.folder = world, folder
        self.shell = shell(folder)
        self.shell.type(command + '\r')
        self.shell.await_job()
        self.shell.expect(ready)
        self.pid = os.tcgetpgrp(self.shell.master)

    def move(self, ready, options='', rows=40, columns=110):
        """Dumps the job; another shell runs crrestore, which shows `ready`."""
        images = f'{self.folder}/images'
        self.shell.quiet()
        before = self.world.end_by_dump(self.pid, self.folder, '--shell-job')
        end(self.shell)
        gone(before)
        self.world.plan(images)
        self.shell = shell(self.folder, rows=rows, columns=columns)
        self.modes = self.shell.ask('stty -g', '.*', PROMPT)[0]
        self.shell.type(f'{self.world.crrestore} {images}/plan.json --shell-job {options}\r')
        try:
            self.shell.await_job()
            self.shell.expect(ready)
        except Failure as failure:
            status = self.shell.ask('echo status $?', r'status \d+', PROMPT)[0]
            raise Failure(f'{failure}; the restorer has ended with {status}') from failure

    def has_the_terminal(self):
        until('the job has the terminal', lambda: os.tcgetpgrp(self.shell.master) == self.pid)

    def expect_stopped(self):
        self.shell.expect(r'\[1\]\+ +Stopped +\S*crrestore.*\n' + PROMPT)
        self.expect_as_it_was()

    def expect_as_it_was(self):
        expect('modes', self.shell.ask('stty -g', '.*', PROMPT)[0], self.modes)
        expect('the foreground', os.tcgetpgrp(self.shell.master), self.shell.pid)

    def expect_ended(self, status):
        self.shell.expect(PROMPT)
        self.shell.ask('echo $?', rf'^{status}\n', PROMPT)
        self.expect_as_it_was()
        expect('jobs', self.shell.ask('jobs', '.*', PROMPT)[0], '')
        end(self.shell)


def _lines(folder):
    with open(f'{folder}/lines', 'w', encoding='ascii') as text:
        text.writelines(f'line {i:04}\n' for i in range(1, 2001))


def job_less(world, folder):
    """In the foreground, stopped, in the background, in the foreground again."""
    _lines(folder)
    job = ShellJob(world, folder, 'less lines', 'line 0030')
    job.shell.type('1000g')
    job.shell.expect('line 1029')
    job.move('(?s)line 1000.*line 1038')
    job.has_the_terminal()
    job.shell.quiet()
    job.shell.type('\x1a')
    job.expect_stopped()
    job.shell.type('bg\r')  # it wants the terminal, and is stopped again
    job.shell.expect(PROMPT)
    until('stopped', lambda: state_of(job.pid) == 'T')
    until('stopped', lambda: 'Stopped' in job.shell.ask('jobs', '(?s).*', PROMPT)[0])
    expect('the foreground', os.tcgetpgrp(job.shell.master), job.shell.pid)
    job.expect_as_it_was()
    job.shell.type('fg\r')
    job.shell.expect('(?s)line 1000.*line 1038')
    job.has_the_terminal()
    job.shell.quiet()
    job.shell.resize(20, 80)
    job.shell.expect('(?s)line 1000.*line 1018')
    job.shell.type(' ')
    job.shell.expect('(?s)line 1019.*line 1037')
    job.shell.type('q')
    job.expect_ended(0)


def job_in_a_pid_namespace(world, folder):
    """Whose init nobody stops."""
    _lines(folder)
    job = ShellJob(world, folder, 'less lines', 'line 0030')
    job.move('(?s)line 0001.*line 0038', '--pidns')
    job.shell.quiet()
    job.shell.type('\x1a')
    job.expect_stopped()
    job.shell.type('fg\r')
    job.shell.expect('(?s)line 0001.*line 0038')
    job.shell.quiet()
    job.shell.type('q')
    job.expect_ended(0)


def job_shell(world, folder):
    """A shell as a job of a shell, with jobs of its own."""
    command = ' '.join(BASH)
    job = ShellJob(world, folder, command, r'\nbash-[\d.]+# ')
    inner = job.shell
    inner.type("PS1='in''ner> '\r")
    inner.expect('\ninner> ')
    inner.type('sleep 1001\r')
    inner.await_program('sleep')
    inner.type('\x1a')
    inner.expect(r'Stopped +sleep 1001\s+inner> ')
    inner.type('echo half-')
    inner.expect('echo half-')
    job.move('echo half-')
    inner = job.shell
    job.has_the_terminal()
    inner.type('typed\r')
    inner.expect('\nhalf-typed\n')
    inner.type('fg\r')
    inner.await_program('sleep')
    inner.type('\x1a')
    inner.expect(r'Stopped +sleep 1001\s+inner> ')
    inner.type('suspend\r')
    job.expect_stopped()
    inner.type('fg\r')
    job.has_the_terminal()
    inner.type('fg\r')
    inner.await_program('sleep')
    inner.type('\x03')
    inner.expect('inner> ')
    inner.type('exit 7\r')
    job.expect_ended(7)


def job_that_is_interrupted(world, folder):
    job = ShellJob(world, folder, 'cat', '')
    job.move('')
    job.has_the_terminal()
    job.shell.type('line\r')
    job.shell.expect('line\nline\n')
    job.shell.type('\x03')
    job.expect_ended(130)


def job_script(world, folder):
    """script(1) has the outer terminal, and both ends of an inner one."""
    job = ShellJob(world, folder, f'script -qec "{" ".join(BASH)}" /dev/null', r'\nbash-[\d.]+# ')
    job.shell.type("PS1='in''ner> '\r")
    job.shell.expect('\ninner> ')
    stopped = 'sleep 1001'
    job.shell.type(stopped + '\r')
    try:
        until('sleep', lambda: 'sleep' in map(comm_of, descendants(job.pid)))
    except Failure as failure:
        raise Failure(f'{failure}; there are {list(map(comm_of, descendants(job.pid)))}, and shown is {job.shell.shown()!r}') from failure
    job.shell.quiet()
    job.shell.type('\x1a')
    job.shell.expect(r'Stopped +sleep 1001\s+inner> ')
    job.move('inner> ')
    job.shell.type('stty size\r')
    job.shell.expect('40 110\n')
    job.shell.type('fg\r')
    job.shell.expect('sleep 1001\n')
    job.shell.quiet()
    job.shell.type('\x03')
    job.shell.expect('inner> ')
    job.shell.type('exit 9\r')
    job.expect_ended(9)


def job_of_the_background(world, folder):
    """crrestore in the background waits for the foreground, as others who want the terminal."""
    _lines(folder)
    job = ShellJob(world, folder, 'less lines', 'line 0030')
    job.shell.quiet()
    before = world.end_by_dump(job.pid, folder, '--shell-job')
    gone(before)
    job.shell.expect(PROMPT)
    job.modes = job.shell.ask('stty -g', '.*', PROMPT)[0]
    plan = world.plan(f'{folder}/images')
    job.shell.type(f'{world.crrestore} {plan} --shell-job &\r')
    until('stopped', lambda: 'Stopped' in job.shell.ask('jobs', '(?s).*', PROMPT)[0])
    expect('before it has the terminal', os.path.exists(f'/proc/{job.pid}'), False)
    job.expect_as_it_was()
    job.shell.type('fg\r')
    job.shell.expect('(?s)line 0001.*line 0030')
    job.shell.type('q')
    job.expect_ended(0)


def job_that_was_in_the_background(world, folder):
    """The modes that the shell had at the dump are not the job's."""
    outer = shell(folder)
    outer.ask('sleep 1001 & echo $! >pid', '', PROMPT)
    with open(f'{folder}/pid', encoding='ascii') as pid:
        job = int(pid.read())
    before = world.end_by_dump(job, folder, '--shell-job')
    gone(before)
    outer.type('\r')
    outer.expect(PROMPT)
    plan = world.plan(f'{folder}/images')
    outer.type(f'stty -a >modes; {world.crrestore} {plan} --shell-job\r')
    until('it runs', lambda: os.path.exists(f'/proc/{job}'))
    until('it waits', lambda: 'nanosleep' in wchan_of(job))
    now = subprocess.run(['stty', '-a'], stdin=os.open(f'/proc/{job}/fd/0', os.O_RDONLY | os.O_NOCTTY),
                         capture_output=True, text=True, check=True).stdout
    with open(f'{folder}/modes', encoding='ascii') as modes:
        expect('modes while the job runs', now, modes.read())
    outer.type('\x03')
    outer.expect(PROMPT)
    outer.ask('echo $?', '^130', PROMPT)
    end(outer)


def job_that_is_not_restored(world, folder):
    """Whatever fails, the caller's terminal is as it was."""
    _lines(folder)
    job = ShellJob(world, folder, 'less lines', 'line 0030')
    job.shell.quiet()
    gone(world.end_by_dump(job.pid, folder, '--shell-job'))
    job.shell.expect(PROMPT)
    job.modes = job.shell.ask('stty -g', '.*', PROMPT)[0]
    plan = world.plan(f'{folder}/images')
    with open(plan, encoding='utf-8') as text:
        program = json.load(text)
    ptys = set(os.listdir('/dev/pts'))
    socket.socket(socket.AF_UNIX).bind(f'{folder}/nobody')  # who listens has gone
    for damage, status in ((_master_for_nobody, 5), (_no_such_image, 3)):
        with open(f'{folder}/damaged.json', 'w', encoding='utf-8') as text:
            json.dump(damage(program), text)
        job.shell.ask(f'{world.crrestore} damaged.json --images images --shell-job '
                      '--console-socket nobody; echo status $?', f'status {status}', PROMPT)
        job.expect_as_it_was()
        expect('left', os.path.exists(f'/proc/{job.pid}'), False)
        until('no pty is left', lambda: set(os.listdir('/dev/pts')) == ptys)
    end(job.shell)


def _no_such_image(program):
    return [dict(command, source={'image': 'none.img', 'offset': 0})
            if command['command'] == 'LOAD_PAGES' else command for command in program]


def _master_for_nobody(program):
    """It fails when the terminal has been set: who is to get the master does not listen."""
    end_of_pty = {'type': 'TTY', 'id': 10**6, 'flags': ['O_RDWR'], 'tty_id': 77, 'driver': 'pts',
                  'index': 77}
    at = next(i for i, command in enumerate(program) if command['command'] == 'OPEN_FILE')
    opening = {'command': 'OPEN_FILE', 'pid': program[at]['pid'], 'fd': 77, 'file': end_of_pty}
    return program[:at] + [opening] + program[at:]


CASES = [bash_with_jobs, vim_with_changes, less_in_the_middle, python_with_a_variable,
         tmux_with_three_panes, output_that_nobody_has_read, tmux_that_is_slower_than_yes, job_less,
         job_in_a_pid_namespace, job_shell, job_that_is_interrupted, job_script,
         job_of_the_background, job_that_was_in_the_background, job_that_is_not_restored]


def main():
    crgen, crrestore, criu, folder, *names = sys.argv[1:]
    world = World(crgen, crrestore, criu)
    failures = 0
    for case in CASES:
        if names and case.__name__ not in names:
            continue
        here = f'{folder}/{case.__name__}'
        os.mkdir(here)
        try:
            case(world, here)
            print(f'ok: {case.__name__}', flush=True)
        except (Failure, OSError, subprocess.SubprocessError) as failure:
            print(f'FAIL: {case.__name__}: {failure}', flush=True)
            failures += 1
    return failures != 0


if __name__ == '__main__':
    sys.exit(main())
