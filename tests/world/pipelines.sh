#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Pipelines, jobs and builds of ordinary programs are dumped amid their work, planned, restored, and
# come to the end that they come to undisturbed.
#
# usage: pipelines.sh CRGEN CRRESTORE GET_CRIU CRIU_FOLDER
# Exit status 77: skipped, as root, a CRIU or a package is missing; it says which.
set -u
. "$(dirname "$0")/common.sh"
enter_namespaces "--pid --mount" tar gzip sha256sum jq bash setsid unshare /usr/bin/python3 -- "$@"
. "$(dirname "$0")/programs.sh"
export HOME=$folder

# All three are at work, and the pipes between them are full.
wanted tar_gzip_sha256sum && {
  head -c 60000000 /dev/urandom >"$folder/data"
  try tar_gzip_sha256sum "tar gzip sha256sum" "
    echo yes >ready
    tar c -C '$folder' data | gzip -1 | sha256sum
    echo done >end"
}

wanted background_jobs && try background_jobs sort '
  count() { for ((i = 0; i < 60000; i++)); do echo "$1 $i"; done; }
  numbers() { for job in a b c; do count $job & done; wait; }
  echo yes >ready
  numbers | sort | sha256sum
  count d > >(sha256sum >inner) &
  wait $!
  wait
  until [ -s inner ]; do sleep 0.05; done
  cat inner
  echo done >end'

wanted xz xz && try xz xz "
  seq 2000000 >data
  echo yes >ready
  xz -T2 -6 --block-size=1MiB -c data | sha256sum
  echo done >end"

# The jobs' tokens are in a pipe, or a FIFO.
wanted make make cc && try make make '
  for i in {1..8}; do
    for j in {1..40}; do
      echo "int f${i}_$j(int n) { int s = 0; for (int i = 0; i < n; i++) s += i * n + s % ($j + i); return s; }"
    done >$i.c
    echo "int f${i}_7(int); " >>all.h
    echo "sum += f${i}_7($i);" >>calls.h
  done
  printf "%s\n" "#include \"all.h\"" "#include <stdio.h>" "int main() { int sum = 0;" \
    "#include \"calls.h\"" "printf(\"%d\\n\", sum); }" >main.c
  printf "%s\n" "program: main.o \$(addsuffix .o,$(echo {1..8}))" "	cc -o \$@ \$^" \
    "%.o: %.c" "	cc -O2 -c \$< -o \$@ && echo \$@ >>ready" >Makefile
  make -s -j2 program && ./program
  echo $? >end'

wanted git_repack git && try git_repack git '
  git init -q .
  git config user.name somebody; git config user.email nobody@localhost
  for i in {1..60}; do seq $i 7 900000 >$i; done
  git add [1-9]*
  GIT_AUTHOR_DATE=@1000000000 GIT_COMMITTER_DATE=@1000000000 git commit -qm all
  echo yes >ready
  git -c pack.threads=2 repack -adfq --window=40 --depth=50
  git fsck --full --strict 2>&1
  git rev-parse HEAD; ls .git/objects/pack | sed "s/.*\\.//"; find .git/objects -name "tmp_*"
  echo done >end'

[ "$failures" = 0 ]
