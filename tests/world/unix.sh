#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Servers on unix sockets and their clients are dumped amid their talk, planned, restored, and go on:
# a multiplexer whose clients hand over their descriptors, ssh-agent with keys, a bus.
#
# usage: unix.sh CRGEN CRRESTORE GET_CRIU CRIU_FOLDER
# Exit status 77: skipped, as root, a CRIU or a package is missing; it says which.
set -u
. "$(dirname "$0")/common.sh"
enter_namespaces "--pid --mount" jq setsid unshare /usr/bin/python3 -- "$@"
. "$(dirname "$0")/programs.sh"

# As tmux has it, without terminals: a client hands its output to the server, which runs a program
# for it and copies what that says. Two are served, the others are not accepted yet.
cat >"$folder/multiplexer.py" <<'P'
import hashlib, os, selectors, socket, subprocess, time
LINES, CLIENTS, AT_ONCE = 300, 5, 2

def client(number):
    output, input = os.pipe()
    server = socket.socket(socket.AF_UNIX)
    server.connect("socket")
    server.recv(1000)
    socket.send_fds(server, [b"attach %d\n" % number], [input])
    os.close(input)
    all = hashlib.sha256()
    for n in range(LINES):
        server.sendall(b"%d of %d\n" % (n, number))
        time.sleep(0.004)
        if n == 40:
            open("ready", "w").write("yes")
    server.shutdown(socket.SHUT_WR)
    while part := os.read(output, 1000):
        all.update(part)
    with open(f"client.{number}", "w") as file:
        print(number, all.hexdigest(), server.recv(1000), file=file)
    os._exit(0)

class Pane:
    def __init__(self, channel):
        self.channel = channel
        text, (self.output,), _, _ = socket.recv_fds(channel, 1000, 1)
        first, rest = text.split(b"\n", 1)
        self.program = subprocess.Popen(["cat", "-n"], stdin=subprocess.PIPE, stdout=self.output, bufsize=0)
        os.close(self.output)
        self.program.stdin.write(first + b"\n" + rest)

    def serve(self):
        text = self.channel.recv(1000)
        if text:
            self.program.stdin.write(text)
            return True
        self.program.stdin.close()
        self.channel.sendall(b"status %d" % self.program.wait())
        self.channel.close()
        return False

listener = socket.socket(socket.AF_UNIX)
listener.bind("socket")
listener.listen(CLIENTS)
clients = []
for number in range(CLIENTS):
    clients.append(os.fork())
    if clients[-1] == 0:
        listener.close()
        client(number)
events, panes, ended = selectors.EpollSelector(), {}, 0
while ended < CLIENTS:
    if len(panes) < AT_ONCE and ended + len(panes) < CLIENTS and None not in panes:
        events.register(listener, selectors.EVENT_READ)
        panes[None] = None
    for key, _ in events.select():
        if key.fileobj is listener:
            events.unregister(listener)
            del panes[None]
            channel, _ = listener.accept()
            channel.sendall(b"attach")
            panes[channel] = Pane(channel)
            events.register(channel, selectors.EVENT_READ)
        elif not panes[key.fileobj].serve():
            events.unregister(key.fileobj)
            del panes[key.fileobj]
            ended += 1
print(*[os.waitpid(pid, 0)[1] for pid in clients])
for number in range(CLIENTS):
    print(open(f"client.{number}").read())
open("end", "w").write("done")
P
wanted multiplexer cat && try multiplexer cat "exec /usr/bin/python3 '$folder/multiplexer.py'"

# Its keys are in its memory alone.
if wanted agent ssh-agent ssh-add ssh-keygen; then
  enter agent
  export SSH_AUTH_SOCK=$here/socket
  ssh-keygen -q -t ed25519 -N '' -C one -f one
  ssh-keygen -q -t ecdsa -N '' -C two -f two
  begin bash -c 'ssh-agent -D -a socket & until [ -S socket ]; do sleep 0.05; done
    ssh-add -q one && ssh-add -q -t 10000 two && rm one two && ssh-add -l >before && echo yes >ready
    wait' && again && {
    expect "its keys" "$(ssh-add -l)" "$(cat before)"
    expect "how many" "$(wc -l <before)" 2
    for key in one two; do
      echo text >text.$key
      ssh-keygen -q -Y sign -n world -f $key.pub text.$key 2>>err
      ssh-keygen -q -Y check-novalidate -n world -s text.$key.sig <text.$key >>out 2>>err ||
        fail agent "what $key has signed is not right: $(tail -3 err)"
    done
    ssh-add -q -D 2>>err
    expect "keys that it was told to forget" "$(ssh-add -l)" "The agent has no identities."
  }
  finish
  unset SSH_AUTH_SOCK
fi

# A client answers another one that calls it all the time, a third sees it all.
if wanted bus dbus-daemon dbus-test-tool dbus-monitor dbus-send; then
  enter bus
  export DBUS_SESSION_BUS_ADDRESS=unix:path=$here/socket
  has_answers() { [ "$(grep -c member=Spam seen)" -gt "$1" ]; }
  owner() { dbus-send --print-reply=literal --dest=org.freedesktop.DBus / "org.freedesktop.DBus.$1" string:org.example.Echo; }
  cat >program <<'P'
dbus-daemon --session --nofork --nopidfile --nosyslog --address="$DBUS_SESSION_BUS_ADDRESS" &
until [ -S socket ]; do sleep 0.05; done
dbus-monitor "type='method_call'" >seen &
until grep -q '^method\|^signal' seen; do sleep 0.05; done
dbus-test-tool echo --name=org.example.Echo &
until dbus-send --print-reply --dest=org.example.Echo / org.example.Echo.Call; do sleep 0.05; done
dbus-test-tool spam --dest=org.example.Echo --count=3000 --queue=10 &
spam=$!
echo yes >ready
wait $spam
echo "calls end with $?"
echo done >end
wait
P
  begin bash program && { await 20 has_answers 100 || fail bus "no calls: $(tail -3 err)"; } && {
    before="$(owner GetNameOwner) $(owner GetConnectionUnixProcessID)"
    again && {
      await 40 has end || fail bus "the calls do not end: $(tail -3 err)"
      expect "the end" "$(tail -n 1 out)" "calls end with 0"
      await 20 has_answers 2999 || fail bus "the monitor has not seen all calls: $(grep -c member=Spam seen)"
      expect "calls" "$(grep -c member=Spam seen)" 3000
      expect "who has the name" "$(owner GetNameOwner) $(owner GetConnectionUnixProcessID)" "$before"
      dbus-send --print-reply --dest=org.example.Echo / org.example.Echo.Call >>out 2>>err ||
        fail bus "who comes now is not answered: $(tail -3 err)"
    }
  }
  finish
fi

[ "$failures" = 0 ]
