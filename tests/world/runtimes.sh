#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Programs of languages whose runtimes live on threads, epoll, eventfds, pipes, signals and timers are
# dumped amid their work, planned, restored, and come to the end that they come to undisturbed.
#
# usage: runtimes.sh CRGEN CRRESTORE GET_CRIU CRIU_FOLDER
# Exit status 77: skipped, as root, a CRIU or a package is missing; it says which.
set -u
. "$(dirname "$0")/common.sh"
enter_namespaces "--pid --mount" jq setsid sha256sum unshare /usr/bin/python3 -- "$@"
. "$(dirname "$0")/programs.sh"
export HOME=$folder

cat >"$folder/program.js" <<'P'
const crypto = require("crypto"), fs = require("fs");
const { spawn } = require("child_process");
const { Worker, isMainThread, parentPort } = require("worker_threads");
if (!isMainThread) {
  parentPort.on("message", (n) => parentPort.postMessage(crypto.createHash("sha256").update("worker" + n).digest("hex")));
} else {
  const child = spawn("cat", { stdio: ["pipe", "pipe", "inherit"] });
  const worker = new Worker(__filename), all = crypto.createHash("sha256");
  const answers = child.stdout[Symbol.asyncIterator]();
  const line = async (text) => {
    child.stdin.write(text);
    let got = "";
    while (got.length < text.length) got += (await answers.next()).value;
    return got;
  };
  const ask = (n) => new Promise((done) => { worker.once("message", done); worker.postMessage(n); });
  const pool = (n) => new Promise((done) => crypto.pbkdf2("key", "" + n, 1000, 20, "sha1", (_, key) => done(key)));
  (async () => {
    for (let n = 0; n < 120; n++) {
      for (const part of await Promise.all([line(`${n} `.repeat(100)), ask(n), pool(n)])) all.update(part);
      await new Promise((done) => setTimeout(done, 20));
      if (n == 15) fs.writeFileSync("ready", "yes");
    }
    child.stdin.end();
    console.log(all.digest("hex"), await new Promise((done) => child.on("exit", done)));
    fs.writeFileSync("end", "done");
    await worker.terminate();
  })();
}
P
wanted node node && try node "node cat" "exec node '$folder/program.js'"

cat >"$folder/program.rb" <<'P'
require "digest"
all, words, numbers = Digest::SHA256.new, Queue.new, SizedQueue.new(3)
cat = IO.popen("cat", "r+")
maker = Thread.new { 120.times { |n| numbers << n } }
hasher = Thread.new { while (n = words.pop) do all.update(n) end }
fiber = Fiber.new { n = 0; loop { Fiber.yield(n += 1) } }
waits = trap("USR1") { $signals = ($signals || 0) + 1 }
120.times do |n|
  cat.puts("#{numbers.pop} #{fiber.resume}" * 50)
  words << cat.gets
  Process.wait(fork { exit!(n % 7) }) if n % 8 == 0
  words << $?.exitstatus.to_s
  Process.kill("USR1", $$) if n % 10 == 0
  IO.select([cat], nil, nil, 0.01)
  sleep 0.01
  File.write("ready", "yes") if n == 15
end
words << nil
[maker, hasher].each(&:join)
cat.close
puts all.hexdigest, $signals, $?.exitstatus
File.write("end", "done")
P
wanted ruby ruby && try ruby "ruby cat" "exec ruby '$folder/program.rb'"

mkdir "$folder/program"
cat >"$folder/program/main.go" <<'P'
package main

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// Goroutines on all cores, a process on pipes, a connection to itself, signals and timers.
func main() {
	cat := exec.Command("cat")
	in, err := cat.StdinPipe()
	check(err)
	out, err := cat.StdoutPipe()
	check(err)
	check(cat.Start())
	answers := bufio.NewReader(out)
	listener, err := net.Listen("unix", "socket")
	check(err)
	go func() {
		echo, err := listener.Accept()
		check(err)
		io.Copy(echo, echo)
	}()
	connection, err := net.Dial("unix", "socket")
	check(err)
	echoes := bufio.NewReader(connection)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	sums := make(chan int)
	for i := 0; i < runtime.NumCPU(); i++ {
		go func(n int) {
			for sum := 0; ; n++ {
				if sum += n % 3; n%100000 == 0 {
					sums <- sum
				}
			}
		}(i)
	}
	all, ticks := sha256.New(), time.NewTicker(20*time.Millisecond)
	for n := 0; n < 120; n++ {
		for _, way := range []struct {
			io.Writer
			*bufio.Reader
		}{{in, answers}, {connection, echoes}} {
			fmt.Fprintf(way.Writer, "%0500d\n", n)
			line, err := way.Reader.ReadString('\n')
			check(err)
			io.WriteString(all, line)
		}
		check(syscall.Kill(os.Getpid(), syscall.SIGUSR1))
		<-signals
		<-ticks.C
		<-sums
		if n == 15 {
			check(os.WriteFile("ready", []byte("yes"), 0o644))
		}
	}
	in.Close()
	check(cat.Wait())
	fmt.Printf("%x\n", all.Sum(nil))
	check(os.WriteFile("end", []byte("done"), 0o644))
}
P
if wanted go go; then
  if (cd "$folder/program" && GO111MODULE=off CGO_ENABLED=0 go build -o ../goes main.go >../go.log 2>&1); then
    try go "goes cat" "exec '$folder/goes'"
  else
    echo "skipped: go: it builds nothing: $(tail -3 "$folder/go.log")"
  fi
fi

[ "$failures" = 0 ]
