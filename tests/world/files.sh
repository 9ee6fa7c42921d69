#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Programs with files that have no name any more, or whose name another file has, with locks and with
# semaphores are dumped amid their work, planned, restored, and go on.
#
# usage: files.sh CRGEN CRRESTORE GET_CRIU CRIU_FOLDER
# Exit status 77: skipped, as root, a CRIU or a package is missing; it says which.
set -u
. "$(dirname "$0")/common.sh"
enter_namespaces "--pid --mount --ipc" jq setsid flock unshare /usr/bin/python3 -- "$@"
. "$(dirname "$0")/programs.sh"
export HOME=$folder

# A second one is refused, before and after; it says who has the file.
cat >"$folder/daemon.py" <<'P'
import fcntl, os, signal, sys, time
pid_file = open("pid_file", "a+")
try:
    fcntl.flock(pid_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    pid_file.seek(0)
    sys.exit("runs already as " + pid_file.read())
pid_file.truncate(0)
pid_file.write(str(os.getpid()))
pid_file.flush()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(os.unlink("pid_file") or 7))
open("ready", "w").write("yes")
while True:
    time.sleep(0.01)
P
wanted daemon && {
  enter daemon
  second() { /usr/bin/python3 "$folder/daemon.py" 2>&1; }
  begin /usr/bin/python3 "$folder/daemon.py" && {
    expect "a second one" "$(second)" "runs already as $root"
    again && {
      expect "a second one, afterwards" "$(second)" "runs already as $root"
      flock -n pid_file true && fail daemon "its lock is gone"
      kill "$root"
      wait "$restorer"
      expect "its end" $? 7
      [ ! -e pid_file ] || fail daemon "it has not removed its file"
      flock -n daemon.lock true || fail daemon "there are no locks here"
    }
  }
  finish
}

# A program, its library and its log: the library was upgraded, the program and the log are gone.
wanted upgraded cc && {
  enter upgraded
  cat >library.c <<'P'
#include <stdio.h>
static int calls = 0;
const char *Answer(char *text) { sprintf(text, VERSION " %d", ++calls); return text; }
P
  cat >program.c <<'P'
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>
static const char *Ask(void *library) {
  static char text[100];
  const char *(*answer)(char *) = (const char *(*)(char *))dlsym(library, "Answer");
  return answer(text);
}
int main(void) {
  void *old = dlopen("./library.so", RTLD_NOW);
  FILE *log = fopen("log", "w+");
  for (int i = 0; access("look", F_OK) != 0; ++i) {
    fprintf(log, "%s\n", Ask(old));
    fflush(log);
    if (i == 20) fclose(fopen("ready.new", "w"));
    usleep(5000);
  }
  printf("old %s\n", Ask(old));
  void *new = dlopen("././library.so", RTLD_NOW);  // by the same name it would be the same
  printf("new %s\n", Ask(new));
  rewind(log);
  char line[100];
  for (int i = 1; fgets(line, sizeof line, log) != NULL; ++i) {
    int n = 0;
    if (sscanf(line, "one %d", &n) != 1 || n != i) return printf("line %d: %s", i, line);
  }
  printf("its log has all lines\n");
  return 0;
}
P
  cc -shared -fPIC -DVERSION='"one"' -o library.so library.c && cc -o program program.c -ldl || exit 1
  cc -shared -fPIC -DVERSION='"two, which is longer"' -Wl,--build-id=sha1 -o library.new library.c
  begin bash -c './program & until [ -e ready.new ]; do sleep 0.02; done
    mv library.new library.so; rm program log; echo yes >ready; wait $!' && stop_and_end && mv library.so aside && restore_stopped && {
    # The old library was made by its name, which was free for that moment.
    mv aside library.so
    go_on
    for gone in program log; do [ ! -e $gone ] || fail upgraded "$gone is there again"; done
    [ -z "$(find . -name 'link_remap*' -o -name '*.ghost*' -o -name '.crrestore*')" ] ||
      fail upgraded "something is left: $(ls -A)"
    echo yes >look
    ended
    expect "what the old library says" "$(sed -n 's/^old one [0-9]*$/yes/p' out)" yes
    expect "what the new one says" "$(grep '^new' out)" "new two, which is longer 1"
    expect "its log" "$(tail -n 1 out)" "its log has all lines"
  }
  finish
}

# With the locks that it has while it packs: gc.pid, packed-refs.lock. Another one is refused.
wanted git_gc git && {
  enter git_gc
  git init -q . && git config user.name somebody && git config user.email nobody@localhost
  for i in {1..150}; do seq "$i" $((i % 7 + 1)) 90000 >"$i"; done  # packed in seconds
  mkdir files && mv [1-9]* files && git add files && git commit -qm all
  for i in {1..20}; do git branch "branch-$i"; done
  tree=$(git rev-parse 'HEAD^{tree}')
  begin bash -c 'git -c pack.threads=2 gc -q --aggressive --prune=now & until [ -e .git/gc.pid ] &&
    cat /proc/[0-9]*/cmdline 2>/dev/null | grep -aq pack-objects; do sleep 0.02; done
    echo yes >ready; wait $!; echo $? >end' && again && {
    git gc --no-quiet 2>&1 | grep -q "already running" || { sleep 2 && has end; } || fail git_gc "gc.pid locks nobody out"
    await 60 has end || fail git_gc "it does not end"
    ended
    expect "its status" "$(cat end)" 0
    expect "git fsck" "$(git fsck --full --strict 2>&1)" ""
    expect "the tree" "$(git rev-parse 'HEAD^{tree}')" "$tree"
    expect "loose objects" "$(git count-objects)" "0 objects, 0 kilobytes"
    expect "branches" "$(git for-each-ref | wc -l)" 21
    expect "what is left" "$(find .git -name '*.lock' -o -name 'tmp_*' -o -name gc.pid)" ""
  }
  finish
}

# Its semaphores have names for a moment only.
cat >"$folder/pool.py" <<'P'
import multiprocessing, os, time

def work(n):
    time.sleep(0.002)
    with lock:
        with open("order", "a") as file:
            file.write(f"{n}\n")
    return n * n

def begin(shared):
    global lock
    lock = shared

if __name__ == "__main__":
    lock = multiprocessing.Lock()
    with multiprocessing.Pool(3, begin, (lock,)) as pool:
        squares = 0
        for n, square in enumerate(pool.imap(work, range(600))):
            squares += square
            if n == 100:
                open("ready", "w").write("yes")
        print(squares, sum(map(int, open("order"))))
    open("end", "w").write("done")
P
wanted pool && try pool python3 "exec /usr/bin/python3 '$folder/pool.py'"

# In the middle of a transaction: who else wants to write waits, who reads sees what was before.
wanted sqlite sqlite3 && {
  enter sqlite
  mkfifo in
  begin bash -c 'exec 3<>in; sqlite3 base <in & 
    echo "pragma journal_mode=wal; create table t(n); insert into t values (1); begin immediate;
      with recursive c(n) as (select 2 union all select n + 1 from c where n < 20000)
      insert into t select n from c; select count(*) from t;" >&3
    until grep -qx 20000 out; do sleep 0.05; done; exec 4>in; exec 3>&-; echo yes >ready; wait $!' && again && {
    expect "who reads" "$(sqlite3 base 'select count(*) from t')" 1
    expect "who writes" "$(sqlite3 base 'insert into t values (0)' 2>&1 | grep -c locked)" 1
    echo 'commit; select sum(n) from t; pragma integrity_check;
.quit' >in
    ended
    expect "the end" "$(tail -n 2 out | tr '\n' ' ')" "200010000 ok "
    expect "who writes" "$(sqlite3 base 'insert into t values (0); select count(*) from t')" 20001
  }
  finish
}

[ "$failures" = 0 ]
