#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Pipelines of ordinary programs are dumped amid their work, planned, restored, and come to the end
# that they come to undisturbed.
#
# usage: pipelines.sh CRGEN CRRESTORE GET_CRIU CRIU_FOLDER
# Exit status 77: skipped, as root, a CRIU or a package is missing; it says which.
set -u
. "$(dirname "$0")/common.sh"
enter_namespaces --pid tar gzip sha256sum bash setsid unshare -- "$@"

# try NAME SCRIPT: bash runs the script, which writes `begun` when it is at work and `end` when it
# is done. What it writes must be what it writes undisturbed.
try() {
  local name=$1 script=$2 here=$folder/$1 root
  mkdir -p "$here/plain" "$here/dumped" "$here/images"
  (cd "$here/plain" && bash -c "$script" </dev/null >out 2>err)
  cd "$here/dumped" || exit 1
  setsid bash -c "$script" </dev/null >out 2>err &
  root=$!
  await 20 has begun || { fail "$name" "it does not begin"; return; }
  dump "$root" "$here/images" ||
    { fail "$name" "no dump: $(tail -3 "$here/images/dump.log")"; return; }
  wait "$root" 2>/dev/null
  has end && { fail "$name" "it was done before it was dumped"; return; }
  "$crgen" -q "$here/images" -o "$here/plan.json" ||
    { fail "$name" "no plan"; return; }
  timeout 100 "$crrestore" "$here/plan.json" --images "$here/images" </dev/null >/dev/null ||
    { fail "$name" "no restore, or another exit status"; return; }
  has end || { fail "$name" "it has not come to its end"; return; }
  cmp -s out "$here/plain/out" || { fail "$name" "it comes to another end"; return; }
  echo "ok: $name"
}

head -c 30000000 /dev/urandom >"$folder/data"

# All three are at work, and the pipes between them are full.
try tar_gzip_sha256sum "
  echo yes >begun
  tar c -C '$folder' data | gzip -1 | sha256sum
  echo done >end"

try background_jobs '
  count() { for ((i = 0; i < 40000; i++)); do echo "$1 $i"; done; }
  numbers() { for job in a b c; do count $job & done; wait; }
  echo yes >begun
  numbers | sort | sha256sum
  count d > >(sha256sum >inner) &
  wait $!
  wait
  until [ -s inner ]; do sleep 0.05; done
  cat inner
  echo done >end'

[ "$failures" = 0 ]
