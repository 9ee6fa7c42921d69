#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Containers that runc makes, on an overlay of this system's root, are dumped by CRIU as runc calls
# it, planned and restored in a new pid namespace, and go on with what they had: output through
# handed over pipes, volumes, connections, a terminal, a transaction, unlinked files, watches. What
# /proc says of them is what it said before.
#
# usage: containers.sh CRGEN CRRESTORE GET_CRIU CRIU_FOLDER
# ONLY="NAME…" in the environment: these containers alone.
# Exit status 77: skipped, as root, a CRIU or a package is missing; it says which.
set -u
. "$(dirname "$0")/common.sh"
facts=$(cd "$(dirname "$0")" && pwd)/container_facts.py
enter_namespaces "--pid --mount" python3 runc redis-server nginx iptables-restore sqlite3 -- "$@"
mount -t tmpfs none "$folder" || exit 1 # an overlay's upper folder is in no overlay
trap 'cd /; umount -l "$folder"/*/rootfs "$folder"; rmdir "$folder"' EXIT
cd "$folder" || exit 1
mkdir data

# The configuration of a container that runs PROGRAM, with what else is said in Python of `it`.
configure() { # PROGRAM [STATEMENT]
  rm -f config.json
  runc spec
  python3 - "$1" "${2:-}" <<'P'
import json, sys
it = json.load(open("config.json"))
it["root"]["readonly"] = False
it["process"].update(terminal=False, args=["/bin/bash", "-c", sys.argv[1]])
for words in it["process"]["capabilities"].values():
    words += ["CAP_SETUID", "CAP_SETGID", "CAP_CHOWN", "CAP_DAC_OVERRIDE"]
exec(sys.argv[2])
json.dump(it, open("config.json", "w"))
P
}

# start NAME PROGRAM [STATEMENT]: until it has written something.
start() {
  [ -z "${ONLY:-}" ] || [[ " $ONLY " = *" $1 "* ]] || return 1
  name=crgen-world-$1 here=$folder/$1 before_it=$failures
  mkdir -p "$here"/{upper,work,rootfs,images}
  cd "$here" || exit 1
  configure "$2" "${3:-}"
  mount -t overlay overlay -o "lowerdir=/,upperdir=$here/upper,workdir=$here/work" rootfs ||
    { fail "$name" "no overlay of /"; return 1; }
  if [ "$1" = terminal ]; then
    listen before
    runc --root "$folder/state" run -d --console-socket before.socket --pid-file pid "$name" >run.log 2>&1
  else
    : >before
    runc --root "$folder/state" run -d --pid-file pid "$name" \
      < <(exec sleep 1000000) > >(exec cat >before) 2> >(exec cat >errors)
  fi || { fail "$name" "it does not begin: $(tail -3 run.log)"; return 1; }
  await 20 has before || { fail "$name" "it does not begin: $(tail -3 errors)"; return 1; }
}

# The other side of the console socket FILE.socket: what the terminal says goes to FILE, and what
# FILE.keys gets goes to the terminal.
listen() { # FILE
  mkfifo "$1.keys"
  python3 -c '
import array, os, select, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1] + ".socket")
listener.listen()
connection, _ = listener.accept()
_, control, _, _ = connection.recvmsg(200, 100)
master = array.array("i", control[0][2][:4])[0]
keys = os.open(sys.argv[1] + ".keys", os.O_RDWR)
out = open(sys.argv[1], "wb", buffering=0)
while True:
    for ready in select.select([master, keys], [], [])[0]:
        text = os.read(ready, 4096)
        out.write(text) if ready == master else os.write(master, text)
' "$1" </dev/null >/dev/null 2>&1 &
  await 10 test -S "$1.socket"
}

# What the plan needs from outside and its configuration does not say, as runc gives it.
outside() {
  python3 - <<'P'
import json, os

def mounts(path):
    for line in open(path):
        words = line.split()
        yield words[2], words[3], words[4]  # device, root, mount point

about = json.load(open("plan.json"))[0]["about"]
host = list(mounts("/proc/self/mountinfo"))
given = {}
for it in about["external"]:
    if it["kind"] != "mount":
        continue
    for device, root, place in mounts("mountinfo"):
        if place != it["what"]:
            continue
        for there, of, at in host:  # the folder of its cgroup, which may have to be made again
            if there == device and root.startswith(of):
                folder = os.path.join(at, os.path.relpath(root, of))
                os.makedirs(folder, exist_ok=True)
                for limit in ("cpuset.cpus", "cpuset.mems"):
                    if os.path.exists(folder + "/" + limit):
                        open(folder + "/" + limit, "w").write(open(at + "/" + limit).read())
                given[place] = folder
                break
for it in about["external"]:
    if it["what"] in given:
        print("--external\nmnt[%s]:%s" % (it["what"], given[it["what"]]))
for number, key in enumerate(json.load(open("images/descriptors.json"))):
    if key.startswith("pipe:"):
        print("--inherit-fd\nfd[%d]:%s" % (20 + number, key))
P
}

# again [OPTION_OF_CRRESTORE]...: dumps it, which ends it, and brings it back.
again() {
  cat "/proc/$(cat pid)/mountinfo" >mountinfo
  "$facts" "$(cat pid)" >facts.before
  runc --root "$folder/state" --criu "$CRIU" checkpoint --image-path images --work-path images \
    --tcp-established --file-locks "$name" >run.log 2>&1 ||
    { fail "$name" "no dump: $(grep Error images/dump.log | tail -3)"; return 1; }
  "$crgen" -q images -o plan.json || { fail "$name" "no plan"; return 1; }
  mapfile -t options < <(outside)
  exec 20< <(exec sleep 1000000)
  exec 21> >(exec cat >after)
  exec 22> >(exec cat >>errors)
  timeout 60 "$crrestore" plan.json --images images --oci config.json --pidns --detach --pidfile pid \
    --net-lo-up "${options[@]}" "$@" </dev/null >restore.out 2>&1
  local status=$?
  exec 20<&- 21>&- 22>&-
  [ "$status" = 0 ] || { fail "$name" "no restore: $(tail -3 restore.out)"; return 1; }
  # What was dumped within a system call has to get there again.
  await 5 is_as_before || true  # finish() says what differs
}

is_as_before() {
  "$facts" "$(cat pid)" >facts.after
  "$facts" --compare facts.before facts.after >/dev/null
}

inside() { timeout 20 nsenter --all -t "$(cat pid)" "$@" 2>>errors; }

# expect WHAT IS WANTED
expect() {
  [ "$2" = "$3" ] || fail "$name" "$1: \"$2\", expected \"$3\""
}

cgroups_are_removed() {
  find /sys/fs/cgroup -depth -type d -name "$name" -exec rmdir {} + 2>/dev/null
  [ -z "$(find /sys/fs/cgroup -type d -name "$name")" ]
}

finish() { # NAME
  "$facts" --compare facts.before facts.after >facts.diff ||
    fail "$name" "/proc says otherwise: $(cat facts.diff)"
  # Each mount that was there, and no other, whatever their numbers and order.
  expect mounts "$(awk '{print $5, $6}' "/proc/$(cat pid)/mountinfo" | sort)" \
    "$(awk '{print $5, $6}' mountinfo | sort)"
  kill -KILL "$(cat pid)"
  await 20 cgroups_are_removed || fail "$name" "its cgroups are in use"
  [ "$failures" != "$before_it" ] || echo "ok: $1"
}

# tee(1) empties it each time.
the_volume_goes_on() {
  local count
  count=$(cat "$folder/data/count")
  [ -n "$count" ] && [ "$count" -gt "$(tail -n 1 before)" ]
}
goes_on() { [ -s after ] && [ "$(tail -n 1 after)" -gt "$(tail -n 1 before)" ]; }

start loop 'for ((i = 1;; i++)); do echo $i; sleep 0.05; done' && again &&
  { await 20 goes_on || fail "$name" "it does not go on: $(tail -n 1 after)"; } && finish loop

start volumes 'for ((i = 1;; i++)); do echo $i | tee /data/count; sleep 0.05; done' \
  'it["mounts"].append({"destination": "/data", "type": "bind", "options": ["rbind"],
                        "source": "'"$folder"'/data"})' && again &&
  { await 20 goes_on || fail "$name" "it does not go on"; } &&
  { await 20 the_volume_goes_on || fail "$name" "the volume is not the caller's"; } && finish volumes

start pipeline 'mkfifo /tmp/fifo
  (for ((i = 1;; i++)); do echo $i; sleep 0.05; done) | tee /tmp/fifo >/dev/null & cat /tmp/fifo' &&
  again && { await 20 goes_on || fail "$name" "it does not go on"; } && finish pipeline

start redis 'redis-server --save "" --logfile /dev/null & sleep 1
  redis-cli set key value; redis-cli config set maxmemory 7mb; wait' && sleep 1 &&
  again && expect key "$(inside redis-cli get key)" value &&
  expect setting "$(inside redis-cli config get maxmemory | tail -n 1)" 7340032 && finish redis

start nginx 'mkdir -p /var/log/nginx; sed "s/^user .*/user root;/" /etc/nginx/nginx.conf >/tmp/own.conf
  nginx -c /tmp/own.conf -g "daemon off;" &
  sleep 1; echo up; wait' && again &&
  expect status "$(inside python3 -c '
import urllib.request
print(urllib.request.urlopen("http://127.0.0.1/").status)')" 200 && finish nginx

start tcp 'exec python3 -c "
import os, socket, time
listener = socket.create_server((\"127.0.0.1\", 7000))
if os.fork() == 0:
    client = socket.create_connection((\"127.0.0.1\", 7000))
    for i in range(1000000):
        client.sendall(b\"%d\\n\" % i)
        time.sleep(0.05)
for line in listener.accept()[0].makefile():
    print(line.strip(), flush=True)
"' && again --tcp-established &&
  { await 20 goes_on || fail "$name" "the connection does not go on"; } && finish tcp

# In the middle of a transaction, with its locks; and two files that have no name any more.
start sqlite 'mkdir /var/lib/crgen; cd /var/lib/crgen; mkfifo in; exec 3<>in
  exec 4<>/tmp/gone 5<>/dev/shm/gone; rm /tmp/gone /dev/shm/gone; echo kept >&4; echo too >&5
  sqlite3 db <in &
  echo "pragma journal_mode=wal; create table t(n); insert into t values (1);
        begin; insert into t values (2); select 10 + count(*) from t;" >&3
  wait' && { await 20 grep -qx 12 before || fail "$name" "no transaction"; } &&
  again --file-locks && {
    expect unlinked "$(inside cat /proc/1/fd/4 /proc/1/fd/5)" "$(printf 'kept\ntoo')"
    expect names "$(inside readlink /proc/1/fd/4 /proc/1/fd/5)" \
      "$(printf '/tmp/gone (deleted)\n/dev/shm/gone (deleted)')"
    inside sqlite3 /var/lib/crgen/db 'insert into t values (3)' &&
      fail "$name" "somebody else writes amid the transaction"
    inside bash -c 'echo "insert into t values (4); commit; select 100 + sum(n) from t;
                          pragma integrity_check;" >/var/lib/crgen/in'
    await 20 grep -qx ok after
    expect sum "$(head -n 1 after)" 107
    finish sqlite
  }

# In file systems that are new, and in a volume. CRIU can dump none of an overlay.
start inotify 'exec python3 -uc "
import ctypes, os, struct
libc = ctypes.CDLL(None)
fd = libc.inotify_init()
for place in b\"/dev\", b\"/dev/shm\", b\"/data\":
    print(place.decode(), libc.inotify_add_watch(fd, place, 0x100))  # IN_CREATE
while True:
    events = os.read(fd, 4096)
    while events:
        watch, size = struct.unpack(\"i8xI\", events[:16])
        print(watch, events[16:16 + size].rstrip(b\"\\0\").decode())
        events = events[16 + size:]
"' 'it["mounts"].append({"destination": "/data", "type": "bind", "options": ["rbind"],
                        "source": "'"$folder"'/data"})' &&
  { await 20 grep -q data before; again; } && {
    for place in /dev/one /dev/shm/two /data/three; do inside touch $place; done
    await 20 grep -q three after
    expect events "$(cat after)" "$(printf '1 one\n2 two\n3 three')"
    finish inotify
  }

start terminal 'exec bash --norc' 'it["process"]["terminal"] = True' && {
  printf 'variable=kept\nsleep 1000000 &\nstty rows 33 cols 77\n' >before.keys
  sleep 1
  listen after
  again --orphan-pts-master --console-socket after.socket && {
    printf 'echo its $variable; jobs; stty size; tty\n' >after.keys
    await 20 grep -q '^/dev/pts/0' after
    expect variable "$(grep -c '^its kept' <(tr -d '\r' <after | sed 's/.*l//'))" 1
    expect job "$(grep -c 'Running *sleep 1000000' after)" 1
    expect size "$(grep -c '33 77' after)" 1
    finish terminal
  }
}

[ "$failures" = 0 ] || tail -n 3 "$folder"/*/errors
exit $((failures != 0))
