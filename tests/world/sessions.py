#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""The cases of sessions.sh. usage: sessions.py CRGEN CRRESTORE CRIU FOLDER [CASE]..."""
import contextlib
import os
import shutil
import signal
import subprocess
import sys

from pty_driver import BASH, PROMPT, Failure, Tmux, World, descendants, expect, gone, start, until

PORT = '8022'
CONFIGURATION = '''
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
PrintMotd no
PrintLastLog no
'''


def _key(folder, name):
    subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', f'{folder}/{name}'], check=True,
                   stdin=subprocess.DEVNULL)


def _end(pid):
    """A tree that has no terminal of ours."""
    pids = descendants(pid)
    for each in reversed(pids):
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    gone(pids)


def _server(arguments, folder):
    """A session of its own that nobody waits for: its output is in a file."""
    with open(f'{folder}/server.log', 'w', encoding='utf-8') as log:
        return subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                start_new_session=True, cwd=folder).pid


def sshd_with_a_session(world, folder):
    """The client is outside of the tree, and its connection goes on; a job was stopped, a line is
    half typed, and a port is forwarded."""
    for key in 'host_key', 'user_key':
        _key(folder, key)
    with open(f'{folder}/sshd_config', 'w', encoding='ascii') as text:
        text.write(CONFIGURATION.format(port=PORT, folder=folder))
    server = _server([shutil.which('sshd'), '-D', '-e', '-f', f'{folder}/sshd_config'], folder)
    login = ['ssh', '-F', 'none', '-i', f'{folder}/user_key', '-o', 'StrictHostKeyChecking=no', '-o',
             f'UserKnownHostsFile={folder}/known_hosts', '-o', 'BatchMode=yes', '-p', PORT, 'root@127.0.0.1']
    until('sshd listens', lambda: subprocess.run(
        [*login, 'true'], check=False, capture_output=True, stdin=subprocess.DEVNULL).returncode == 0)
    client = start([*login, '-tt', 'exec ' + ' '.join(BASH)], folder, 31, 97)
    client.expect(r'bash-[\d.]+# ')
    client.type(f"PS1='{PROMPT[:3]}''{PROMPT[3:]}'\r")
    client.expect('\n' + PROMPT)
    client.type('sleep 1001\r')
    until('the job', lambda: len(descendants(server)) == 4)
    client.quiet()
    client.type('\x1a')
    client.expect(rf'Stopped +sleep 1001\s+{PROMPT}')
    client.type('echo half-')
    client.expect('echo half-')
    client.quiet()
    before = world.end_by_dump(server, folder, '--tcp-established')
    gone(before)
    client.type('typed')  # while nobody is there
    world.plan(f'{folder}/images')
    world.restore(f'{folder}/images', '--tcp-established')
    client.expect('typed')
    world.check(server, folder, ['--tcp-established'], before)
    client.type('\r')
    client.expect('(?s)\nhalf-typed\n.*' + PROMPT)  # it may say once more that its job is stopped
    client.ask('stty size', '^31 97', PROMPT)
    client.resize(40, 120)
    until('the other size', lambda: client.ask('stty size', '.*', PROMPT)[0] == '40 120')
    client.type('fg\r')
    client.expect('sleep 1001\n')
    client.quiet()
    client.type('\x03')
    client.expect(PROMPT)
    client.ask('echo $?', '^130', PROMPT)
    other = subprocess.run([*login, 'echo is served'], check=True, capture_output=True, text=True,
                           stdin=subprocess.DEVNULL).stdout
    expect('who comes now', other, 'is served\n')
    client.type('exit 7\r')
    until('the client ends', lambda: os.waitpid(client.pid, os.WNOHANG) != (0, 0))
    _end(server)


def _foreground(tmux):
    return tmux('display-message', '-p', '-t', '0.0', '#{pane_current_command}')


def tmux_with_an_attached_client(world, folder):
    """Server and client are one tree; the client's terminal is ours, and another one afterwards."""
    tmux = Tmux(folder)
    program = (f'setsid tmux -D -f /dev/null -S {tmux.socket} </dev/null >/dev/null 2>&1 & '
               f'until [ -S {tmux.socket} ]; do sleep 0.05; done; '
               f'tmux -S {tmux.socket} new-session "{" ".join(BASH)}"; wait')
    client = start(['bash', '-c', program], folder, 30, 100, {'PS1': PROMPT, 'SHELL': '/bin/bash'})
    client.expect(r'bash-[\d.]+# |' + PROMPT)
    tmux.type('0.0', f"PS1='{PROMPT}'", 'C-m')
    tmux.expect('0.0', '(?m)^' + PROMPT.strip())
    client.type('sleep 1001\r')
    client.expect('sleep 1001')
    until('the job', lambda: _foreground(tmux) == 'sleep')
    client.type('\x1a')
    client.expect('Stopped')
    client.type('clear; echo half-')
    client.expect('half-')
    client = world.move(client, folder)
    client.expect('half-')  # is drawn again
    client.type('typed\r')
    tmux.expect('0.0', r'(?m)^half-typed')
    expect('clients', tmux('list-clients', '-F', '#{client_width}'), '100')
    client.resize(40, 120)
    until('the other size', lambda: tmux('list-clients', '-F', '#{client_width}') == '120')
    client.type('fg\r')
    until('the job', lambda: _foreground(tmux) == 'sleep')
    client.quiet()
    client.type('\x03')
    tmux.expect('0.0', r'\^C\s+' + PROMPT.strip())
    client.type('echo ended $?; stty size\r')
    tmux.expect('0.0', r'\nended 130\n39 120')
    client.type('\x02d')  # detaches
    client.expect('detached')
    expect('clients', tmux('list-clients'), '')
    again = start(['tmux', '-S', tmux.socket, 'attach'], folder, 30, 100)
    again.expect('ended 130')
    pids = descendants(int(tmux('display-message', '-p', '#{pid}')))
    tmux('kill-server')
    again.expect('exited')
    gone([client.pid, again.pid, *pids])


def vim_with_swap_files(world, folder):
    """Two files, undo, registers and a mark; the swap files say whose they are."""
    for name in 'one', 'two':
        with open(f'{folder}/{name}', 'w', encoding='ascii') as text:
            text.writelines(f'{name} {i}\n' for i in range(1, 501))
    terminal = start(['vim', '-u', 'NONE', '-i', 'NONE', '-N', '--cmd', 'set hidden undolevels=100 updatecount=1',
                      'one', 'two'], folder)
    terminal.expect('one 20')
    terminal.type(':200\rma"xyyddoadded here\x1b:preserve\r')
    terminal.expect('preserved')
    terminal.type(':n\r')
    terminal.expect('two 22')
    terminal.type(':s/two/changed/\riHALF')
    terminal.expect('HALF')
    swaps = sorted(name for name in os.listdir(folder) if name.endswith('.swp'))
    expect('swap files', swaps, ['.one.swp', '.two.swp'])
    terminal = world.move(terminal, folder)
    terminal.expect('(?s)HALFchanged 1.*INSERT')
    terminal.type('-DONE\x1b:w\r')
    terminal.expect('written')
    terminal.type("u:w\r:N\r'a\"xp")
    terminal.expect('one 200')
    terminal.type(':w\r')
    until('the file is written', lambda: _lines(f'{folder}/one')[199:203] == ['one 201', 'one 200', 'added here', 'one 202']
          or _lines(f'{folder}/one')[199:203] == ['one 201', 'added here', 'one 200', 'one 202'])
    terminal.type(':qa!\r')
    gone([terminal.pid])
    expect('what is undone', _lines(f'{folder}/two')[0], 'changed 1')
    expect('swap files', [name for name in os.listdir(folder) if name.endswith('.swp')], [])


def _lines(path):
    with open(path, encoding='ascii') as text:
        return text.read().splitlines()


EXPECT = '''
log_user 0
set timeout 30
spawn -noecho bash --noprofile --norc -i
expect "# "
send "PS1='rea''dy> '\\r"
expect "ready> "
set sum 0
for {set n 1} {$n <= 1500} {incr n} {
  send "echo it is \\$((n += $n))\\r"
  expect {
    -re "it is (\\[0-9]+)\\r\\n" { set sum $expect_out(1,string) }
    timeout { puts "no answer to $n"; exit 1 }
    eof { puts "the shell has ended at $n"; exit 1 }
  }
  expect "ready> "
  if {$n == 50} { close [open ready w] }
}
send "exit 7\\r"
expect eof
puts "sum $sum, status [lindex [wait] 3]"
'''


def expect_drives_a_shell(world, folder):
    """Both ends of the pty are in the tree, and somebody types all the time."""
    with open(f'{folder}/program', 'w', encoding='ascii') as text:
        text.write(EXPECT)
    pid = _server(['expect', 'program'], folder)
    until('it is at work', lambda: os.path.exists(f'{folder}/ready'))
    world.dump(pid, f'{folder}/images')
    gone([pid])
    world.plan(f'{folder}/images')
    expect('before its end', _lines(f'{folder}/server.log'), [])
    subprocess.run([world.crrestore, f'{folder}/images/plan.json', '--images', f'{folder}/images'], check=True,
                   timeout=60, stdin=subprocess.DEVNULL)
    expect('its end', _lines(f'{folder}/server.log'), ['sum 1125750, status 7'])


CASES = [(sshd_with_a_session, ['sshd', 'ssh', 'ssh-keygen']), (tmux_with_an_attached_client, ['tmux']),
         (vim_with_swap_files, ['vim']), (expect_drives_a_shell, ['expect'])]


def main():
    crgen, crrestore, criu, folder, *names = sys.argv[1:]
    world = World(crgen, crrestore, criu)
    failures = 0
    for case, programs in CASES:
        if names and case.__name__ not in names:
            continue
        missing = [program for program in programs if not shutil.which(program)]
        if missing:
            print(f'skipped: {case.__name__}: there is no {missing[0]}', flush=True)
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
