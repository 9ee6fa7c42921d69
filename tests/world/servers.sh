#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Servers and long-lived programs are dumped, planned and restored, and go on with what they had:
# ports, open connections, transactions, helpers, a log without a name.
#
# usage: servers.sh CRGEN CRRESTORE GET_CRIU CRIU_FOLDER
# Exit status 77: skipped, as root, a CRIU or a package is missing; it says which.
set -u
. "$(dirname "$0")/common.sh"
enter_namespaces "--pid --net" python3 bash setsid unshare -- "$@"
cd "$folder" || exit 1

# Brings up the loopback device: SIOCSIFFLAGS, IFF_UP.
python3 -c '
import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh14x", b"lo", 1))' || skip "no loopback device"

# start NAME PROGRAM: runs it in a session of its own until it has written `ready`.
start() {
  name=$1 here=$folder/$1 before_it=$failures
  mkdir -p "$here/images"
  cd "$here" || exit 1
  echo "$2" >program.py
  setsid python3 program.py </dev/null >out 2>&1 &
  root=$!
  await 20 has ready || { fail "$name" "it does not begin: $(tail -3 out)"; return 1; }
}

# again: dumps it, which ends it, and brings it back.
again() {
  dump "$root" "$here/images" --tcp-established --network-lock skip --file-locks --link-remap \
    --ghost-limit 64M ||
    { fail "$name" "no dump: $(tail -3 "$here/images/dump.log")"; return 1; }
  wait "$root" 2>/dev/null
  # The script is the init here: its children's children are reaped as they come.
  await 20 is_free || { fail "$name" "its numbers are still taken"; return 1; }
  "$crgen" -q "$here/images" -o "$here/plan.json" || { fail "$name" "no plan"; return 1; }
  timeout 60 "$crrestore" "$here/plan.json" --images "$here/images" --detach --tcp-established \
    --file-locks </dev/null >restore.out 2>&1 ||
    { fail "$name" "no restore: $(tail -3 restore.out)"; return 1; }
}
is_free() { ! kill -0 -- "-$root" 2>/dev/null; }

# expect WHAT IS WANTED
expect() {
  [ "$2" = "$3" ] && return
  fail "$name" "$1: \"$2\", expected \"$3\""
}
finish() {
  kill -KILL -- "-$root" 2>/dev/null
  [ "$failures" != "$before_it" ] || echo "ok: $name"
}

# A client outside of what is dumped keeps its connection.
start connection '
import asyncio
count = 0
async def serve(reader, writer):
    global count
    while line := await reader.readline():
        count += 1
        writer.write(b"%d %s" % (count, line))
        await writer.drain()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 8001)
    open("ready", "w").write("yes")
    await server.serve_forever()
asyncio.run(main())' && {
  exec 3<>/dev/tcp/127.0.0.1/8001
  echo a >&3; read -r -t 5 before <&3
  again && {
    echo b >&3; read -r -t 5 after <&3
    expect "the connection" "$before $after" "1 a 2 b"
    exec 4<>/dev/tcp/127.0.0.1/8001
    echo c >&4; read -r -t 5 other <&4
    expect "a new one" "$other" "3 c"
    exec 4>&-
  }
  exec 3>&-
  finish
}

start http '
import functools, http.server
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=".")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8002), handler)
open("ready", "w").write("yes")
server.serve_forever()' && {
  again && expect "a page" "$(python3 -c '
import urllib.request
print(urllib.request.urlopen("http://127.0.0.1:8002/ready", timeout=5).read().decode())')" yes
  finish
}

start transaction '
import os, sqlite3, time
base = sqlite3.connect("base", isolation_level=None)
base.execute("pragma journal_mode=wal")
base.execute("create table t (a)")
base.execute("begin immediate")
base.execute("insert into t values (1)")
open("ready", "w").write("yes")
while not os.path.exists("commit"):
    time.sleep(0.02)
base.execute("commit")
open("end", "w").write(str(base.execute("select count(*) from t").fetchone()[0]))' && {
  again && {
    other=$(python3 -c '
import sqlite3
try:
    sqlite3.connect("base", timeout=0, isolation_level=None).execute("begin immediate")
except sqlite3.OperationalError as error:
    print(error)')
    expect "who else wants to write" "$other" "database is locked"
    echo yes >commit
    await 10 has end
    expect "rows" "$(cat end)" 1
  }
  finish
}

start helpers '
import multiprocessing, os, time
def work(queue):
    number = 0
    while True:
        queue.put(number)
        number += 1
if __name__ == "__main__":
    manager = multiprocessing.Manager()
    shared, queue = manager.dict(), manager.Queue(10)
    multiprocessing.Process(target=work, args=(queue,), daemon=True).start()
    expected = 0
    while True:
        assert queue.get() == expected
        expected += 1
        shared["n"] = expected
        if expected == 100:
            open("ready", "w").write("yes")
        if os.path.exists("look"):
            os.rename("look", "looked")
            open("end", "w").write(str(shared["n"] == expected))' && {
  again && {
    echo yes >look
    await 10 has end
    expect "what the manager has" "$(cat end 2>/dev/null)" True
  }
  finish
}

start log '
import os, time
log = open("log", "w+")
os.unlink("log")
for i in range(10**9):
    log.write("%d\n" % i)
    log.flush()
    if i == 100:
        open("ready", "w").write("yes")
    time.sleep(0.005)' && {
  again && {
    sleep 0.2
    for fd in /proc/"$root"/fd/*; do
      [ "$(readlink "$fd")" = "$here/log (deleted)" ] && cp "$fd" copy
    done
    expect "lines that are missing" "$(awk '$1 != NR - 1' copy | wc -l)" 0
    [ "$(wc -l <copy)" -gt 101 ] || fail "$name" "it does not go on"
  }
  finish
}

[ "$failures" = 0 ]
