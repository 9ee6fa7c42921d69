#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Programs amid their work are dumped, and gdb says of their core files where they are: which functions, what
# their variables are, what is in their registers.
#
# usage: debugger.sh CRGEN CRRESTORE GET_CRIU CRIU_FOLDER
# Exit status 77: skipped, as root, a CRIU or a package is missing; it says which.
set -u
. "$(dirname "$0")/common.sh"
enter_namespaces "--pid" gdb gcc strip setsid unshare python3 -- "$@"
cd "$folder" || exit 1

cat >program.c <<'END'
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int depth = 4711;
static char *on_the_heap;

__attribute__((noinline)) static void spin(int number) {
  volatile int seen = number;
  double in_a_register = number + 0.25;
  // Waits with a value in xmm7.
  for (;;) asm volatile("movsd %0, %%xmm7\n\tpause" ::"m"(in_a_register), "r"(seen) : "xmm7");
}
__attribute__((noinline)) static void inner(int number) {
  spin(number);
  depth++;
}
__attribute__((noinline)) static void outer(int number) {
  inner(number + 1);
  depth++;
}
static void *thread(void *argument) {
  outer((int)(long)argument);
  return NULL;
}
int main(int argc, char **argv) {
  on_the_heap = strdup("what was written on the heap");
  pthread_t threads[2];
  if (argc == 2) {
    for (long i = 0; i < 2; i++) pthread_create(&threads[i], NULL, thread, (void *)(100 * (i + 1)));
    sleep(1);
  }
  FILE *ready = fopen("ready", "w");
  fputs("yes\n", ready);
  fclose(ready);
  if (argc == 2) pause();
  outer(10);
}
END

# dumped NAME ARGUMENTS -- OF_GCC: $folder/NAME/images is a dump of that program; $pid is what it was.
dumped() {
  local name=$1 arguments=$2
  shift 3
  mkdir -p "$name/images"
  gcc -g -O0 -o "$name/program" program.c -pthread "$@" || exit 1
  [ "$name" != stripped ] || { cp "$name/program" "$name/whole" && strip "$name/program"; }
  # shellcheck disable=SC2086  # a list of words
  (cd "$name" && exec setsid ./program $arguments </dev/null >/dev/null 2>&1) &
  pid=$!
  await 20 has "$name/ready" || { fail "$name" "it does not begin"; return 1; }
  dump "$pid" "$name/images" || { fail "$name" "no dump: $(tail -3 "$name/images/dump.log")"; return 1; }
  wait "$pid" 2>/dev/null
  "$crgen" core "$name/images" --pid "$pid" -o "$name/core" || fail "$name" "no core file"
}

# says NAME SYMBOLS COMMAND EXPECTED: what gdb prints of the core file, with blanks as one, has all of the lines.
says() {
  local printed
  printed=$(gdb -nx -batch -ex 'set debuginfod enabled off' -ex "file $1/$2" -ex "core-file $1/core" -ex "$3" 2>&1)
  local line
  while read -r line; do
    tr -s ' \n' '  ' <<<"$printed" | grep -qE "$line" || fail "$1" "gdb's \"$3\" lacks \"$line\": $printed"
  done <<<"$4"
}

if dumped pie "" -- -fPIE -pie; then
  says pie program backtrace 'spin \(number=[^)]*11\).*inner \(number=[^)]*11\).*outer \(number=[^)]*10\).*main \('
  says pie program 'print depth' '\$1 = 4711'
  says pie program 'print on_the_heap' 'what was written on the heap'
  says pie program 'print $xmm7.v2_double[0]' '= 11\.25'
  says pie program 'info files' 'Local core dump file
load1'
  says pie program 'info sharedlibrary' 'libc\.so'
  says pie program 'info auxv' 'AT_EXECFN.*\./program'
  says pie program 'info proc mappings' 'pie/program'
  [[ $("$crgen" memory pie/images --pid "$pid" --search 'what was written[a-z ]*') == *"[heap]+0x"*"what was written on the heap"* ]] ||
    fail pie "crgen memory does not find it on the heap"
fi
if dumped threads "threads" -- -fno-pie -no-pie; then
  says threads program 'thread apply all backtrace' \
    'spin \(number=[^)]*101\).*inner \(number=[^)]*101\).*outer \(number=[^)]*100\).*thread \(
spin \(number=[^)]*201\).*inner \(number=[^)]*201\).*outer \(number=[^)]*200\).*thread \(
pause.*main \('
  says threads program 'thread apply all print $xmm7.v2_double[0]' '= 101\.25
= 201\.25'
fi
if dumped stripped "" -- -fPIE -pie; then
  says stripped program backtrace '#0 0x[0-9a-f]+ in \?\? \(\).*#3.*#4.*__libc_start_main'
  says stripped whole backtrace 'spin \(number=[^)]*11\).*main \('
fi
# What CRIU makes with --track-mem, which not every kernel has: pages in the dump and in two parents.
if dumped incremental "" -- -static; then
  mv incremental/images incremental/whole
  "$(dirname "$get_criu")/rewrite-dump.py" incremental "$PWD/incremental/whole" "$PWD/incremental/images" || exit 1
  "$crgen" core incremental/images --pid "$pid" -o incremental/core || fail incremental "no core file of parents"
  says incremental program backtrace 'spin \(number=[^)]*11\).*inner \(number=[^)]*11\).*outer \(number=[^)]*10\).*main \('
  says incremental program 'print on_the_heap' 'what was written on the heap'
  "$crgen" core incremental/whole --pid "$pid" -o incremental/same && cmp incremental/core incremental/same ||
    fail incremental "parents give another core file"
fi
[ "$failures" = 0 ]
