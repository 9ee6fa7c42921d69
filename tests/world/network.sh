#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Servers are dumped while clients outside of the tree are connected, planned and restored; the
# connections go on: every byte arrives once and in order, nobody sees a reset, and ss(8) says of the
# sockets what it said.
#
# usage: network.sh CRGEN CRRESTORE GET_CRIU CRIU_FOLDER
# Exit status 77: skipped, as root, a CRIU or a package is missing; it says which.
set -u
. "$(dirname "$0")/common.sh"
enter_namespaces "--pid --mount --net" jq setsid unshare ip ss nft iptables-restore /usr/bin/python3 -- "$@"
. "$(dirname "$0")/programs.sh"
ip link set lo up || skip "no loopback device"
# Tables that iptables and the dumper make by the way are there from the beginning.
for version in "" 6; do
  printf '*filter\n:INPUT ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n' | "ip${version}tables-restore" || skip "no iptables"
done
# Resets are counted before anybody's rule drops them. The dumper makes some, of connections to itself.
nft -f - <<'N' || skip "no nftables"
table inet counts {
  counter resets { }
  chain sent { type filter hook output priority -400; tcp sport 8001-8009 tcp flags rst counter name resets; }
  chain received { type filter hook input priority -400; tcp dport 8001-8009 tcp flags rst counter name resets; }
}
N
resets() { nft -j list counter inet counts resets | jq -r '.nftables[] | .counter? // empty | .packets'; }
# What the kernel counts of all connections.
resets_of_all() {
  awk '$1 == "Tcp:" && !names { names = split($0, name); next }
       $1 == "Tcp:" { for (i = 2; i <= names; i++) if (name[i] ~ /Resets|OutRsts/) print name[i], $i }' /proc/net/snmp
}
rules() { iptables-save | grep '^-'; ip6tables-save | grep '^-'; nft list ruleset | grep -v 'packets.*bytes'; }

# Of each socket with that port: state, queues unless data is on its way all the time, addresses,
# owner; not what a clock changes, nor the numbers of inodes, cookies and cgroups.
sockets() { # PORT
  ss -Htnaoe "sport = :$1 or dport = :$1" | grep -v TIME-WAIT |
    sed -E 's/timer:\([^)]*\)//; s/\b(ino|sk|cgroup):\S+//g; s/[[:space:]]+/ /g; s/ $//' |
    if [ "$moving" = yes ]; then awk '{ $2 = $3 = ""; print }'; else cat; fi | sort
}
moving=no

# are_at_rest PORT: what has been sent has been acknowledged, which may be delayed.
are_at_rest() {
  local earlier
  earlier=$(sockets "$1")
  sleep 0.3
  [ "$(sockets "$1")" = "$earlier" ]
}

# A client that is connected before and after, line by line.
connect() { exec 8<>"/dev/tcp/127.0.0.1/$1" || fail "$name" "nobody listens"; }
disconnect() { exec 8>&-; }
ask() { # LINES OF_ANSWER COMMAND
  local line n
  printf '%b' "$2" >&8
  for ((n = 0; n < $1; n++)); do
    IFS= read -r -t 20 line <&8 || { echo "no answer"; return; }
    echo "${line%$'\r'}"
  done
}

http() { # PATH: what is said for it, in one line
  local line=head
  printf 'GET %s HTTP/1.1\r\nHost: here\r\n\r\n' "$1" >&8
  until [ "$line" = $'\r' ]; do IFS= read -r -t 20 line <&8 || { echo "no answer"; return; }; done
  ask 1 ''
}

# again_with_peers PORT METHOD: as `again`, with the dumper's lock on connections.
again_with_peers() {
  local before reset all rule
  dump_options=(--tcp-established --network-lock "$2") restore_options=(--tcp-established)
  await 20 are_at_rest "$1" || fail "$name" "its connections do not come to rest"
  before=$(sockets "$1") reset=$(resets) rule=$(rules)
  stop_and_end || return 1
  all=$(resets_of_all)
  restore_stopped || return 1
  expect sockets "$(sockets "$1")" "$before"
  go_on
  expect rules "$(rules)" "$rule"
  expect resets "$(resets) $(resets_of_all)" "$reset $all"
}

# A client that says and hears numbers all the time, through the dump, the restore, and a while after:
# what it says comes back once and in order.
cat >"$folder/echoed.py" <<'P'
import os, select, socket, sys, time
server = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
server.setblocking(False)
said = heard = stopped = 0
wanted, late = b"", time.monotonic() + 80
while heard < said or not stopped:
    if time.monotonic() > late:
        sys.exit(f"{heard} of {said} bytes have come back")
    stopped = stopped or os.path.exists("enough")
    readable, writable, _ = select.select([server], [] if stopped or said - heard > 200000 else [server], [], 1)
    if writable:
        text = b"%d," % said * 20
        sent = server.send(text)
        said, wanted = said + sent, wanted + text[:sent]
    if readable:
        text = server.recv(1 << 16)
        if not text or not wanted.startswith(text):
            sys.exit(f"at {heard}: {text[:50]!r}, expected {wanted[:50]!r}")
        heard, wanted = heard + len(text), wanted[len(text):]
        open("moved.new", "w").write(str(heard))
        os.rename("moved.new", "moved")
print("all of", said > 1000000)
P

echo_server='
import asyncio
async def serve(reader, writer):
    while text := await reader.read(5000):
        writer.write(text)
        await writer.drain()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 8001)
    open("ready", "w").write("yes")
    await server.serve_forever()
asyncio.run(main())'

has_moved() { [ "0$(cat moved 2>/dev/null)" -gt "$1" ]; }

# stream NAME METHOD SERVER...
stream() {
  enter "$1"
  local method=$2 client reset
  begin "${@:3}" && {
    /usr/bin/python3 "$folder/echoed.py" 8001 >client.out 2>&1 &
    client=$!
    await 20 has_moved 500000 || fail "$name" "nothing comes back: $(cat client.out)"
    reset=$(resets)
    moving=yes
    again_with_peers 8001 "$method" && {
      await 20 has_moved $((10#0$(cat moved) + 500000)) || fail "$name" "it does not go on: $(cat client.out)"
      echo yes >enough
      wait $client
      expect "the stream" "$(cat client.out)" "all of True"
      expect resets "$(resets)" "$reset"
    }
    moving=no
    kill $client 2>/dev/null
  }
  finish
}
wanted asyncio && stream asyncio iptables /usr/bin/python3 -c "$echo_server"
wanted asyncio_nft && stream asyncio_nft nftables /usr/bin/python3 -c "$echo_server"

wanted node node && {
  cat >"$folder/server.js" <<'P'
const net = require("net"), http = require("http"), fs = require("fs");
let asked = 0;
const server = http.createServer((request, answer) => answer.end(`${++asked} ${request.url}\n`));
server.keepAliveTimeout = 0; // none
server.listen(8002, "127.0.0.1");
net.createServer((client) => client.pipe(client)).listen(8001, "127.0.0.1", () => fs.writeFileSync("ready", "yes"));
P
  stream node iptables node "$folder/server.js"
}

wanted http node && {
  enter http
  begin node "$folder/server.js" && {
    connect 8002
    expect "first" "$(http /it)" "1 /it"
    again_with_peers 8002 nftables && {
      expect "the same connection" "$(http /it)" "2 /it"
      disconnect
      connect 8002
      expect "a new one" "$(http /it)" "3 /it"
    }
    disconnect
  }
  finish
}

wanted redis redis-server redis-cli && {
  enter redis
  mkfifo keys
  begin bash -c 'redis-server --port 8003 --save "" --appendonly no & until redis-cli -p 8003 ping; do
    sleep 0.05; done; echo yes >ready; wait' && {
    # A session outside of the tree, with a transaction and a name of its own.
    : >answers
    exec 7<>keys
    redis-cli -p 8003 <keys >answers 2>&1 &
    session=$!
    printf 'client setname session\nset counter 41\nmulti\nincr counter\n' >&7
    await 20 grep -q QUEUED answers || fail redis "no session: $(cat answers)"
    again_with_peers 8003 iptables && {
      expect "amid the transaction" "$(redis-cli -p 8003 get counter)" 41
      printf 'exec\nclient getname\nget counter\n' >&7
      await 20 test "$(wc -l <answers)" -ge 6
      await 20 grep -q session answers
      sleep 0.2
      expect "the session" "$(tail -n 3 answers | tr '\n' ' ')" "42 session 42 "
    }
    exec 7>&-
    kill $session 2>/dev/null
  }
  finish
}

wanted memcached memcached && {
  enter memcached
  begin bash -c 'memcached -u root -l 127.0.0.1 -p 8004 -t 2 & until (exec 3<>/dev/tcp/127.0.0.1/8004); do
    sleep 0.05; done; echo yes >ready; wait' && {
    connect 8004
    expect "set" "$(ask 1 'set counter 0 0 2\r\n41\r\n')" STORED
    printf 'set half 0 0 10\r\nfirst' >&8 # a command that is not complete
    sleep 0.2
    again_with_peers 8004 iptables && {
      expect "the rest of a command" "$(ask 1 'after\r\n')" STORED
      expect "what it has" "$(ask 3 'get half\r\n' | tail -n 2)" "firstafter
END"
      expect "counter" "$(ask 1 'incr counter 1\r\n')" 42
    }
    disconnect
  }
  finish
}

wanted nginx nginx && {
  enter nginx
  echo "a page" >page
  seq 200000 >long
  cat >nginx.conf <<N
daemon off; user root; worker_processes 2; pid $here/nginx.pid; error_log $here/error.log;
events { }
http {
  access_log off; default_type text/plain; client_body_temp_path $here/body; proxy_temp_path $here/proxy;
  fastcgi_temp_path $here/fastcgi; uwsgi_temp_path $here/uwsgi; scgi_temp_path $here/scgi;
  server { listen 127.0.0.1:8005; root $here; keepalive_timeout 1000; }
}
N
  begin bash -c 'nginx -c "$PWD/nginx.conf" & until (exec 3<>/dev/tcp/127.0.0.1/8005); do sleep 0.05; done
    echo yes >ready; wait' && {
    connect 8005
    expect "a page" "$(http /page)" "a page"
    # Another one reads slowly: the rest of a long page is on its way.
    exec 6<>/dev/tcp/127.0.0.1/8005
    printf 'GET /long HTTP/1.0\r\n\r\n' >&6
    sleep 0.3
    again_with_peers 8005 nftables && {
      expect "on the same connection" "$(http /page)" "a page"
      expect "the rest of the long one" "$(timeout 20 sed '1,/^\r$/d' <&6 | cmp - long && echo same)" same
    }
    exec 6>&-
    disconnect
  }
  finish
}

[ "$failures" = 0 ]
