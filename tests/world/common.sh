# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034  # it is sourced by others, which use what it sets
# What the scripts beside this one share; it is sourced.
# Arguments of theirs: CRGEN CRRESTORE GET_CRIU CRIU_FOLDER
crgen=$1 crrestore=$2 get_criu=$3 criu_folder=$4
failures=0

skip() { echo "skipped: $*"; exit 77; }

# enter_namespaces OF_UNSHARE PROGRAM... -- "$@": begins anew where pids are free and nobody outlives
# the script, with CRIU set and `folder` for its files; skips where a program is missing.
enter_namespaces() {
  local namespaces=$1 criu
  shift
  if [ "${IN_NAMESPACE:-}" = "" ]; then
    [ "$(id -u)" = 0 ] || skip "takes root"
    while [ "$1" != -- ]; do
      [ -n "$(command -v "$1")" ] || skip "there is no $1"
      shift
    done
    criu=${CRIU:-$(command -v criu)}
    [ -n "$criu" ] || { "$get_criu" "$criu_folder" >/dev/null 2>&1 && criu=$criu_folder/criu; }
    [ -x "$criu" ] || skip "there is no CRIU"
    export IN_NAMESPACE=yes CRIU=$criu
    shift
    # shellcheck disable=SC2086  # a list of words
    exec unshare $namespaces --fork --mount-proc --kill-child "$0" "$@"
  fi
  # What the caller had open would be dumped as well.
  local fd
  for fd in /proc/$$/fd/*; do
    fd=${fd##*/}
    [ "$fd" -le 2 ] || [ "$fd" = 255 ] || eval "exec $fd>&-"
  done
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
}

fail() {
  echo "FAIL: $1: $2"
  failures=$((failures + 1))
}

await() { # SECONDS COMMAND...
  local tries=$((20 * $1))
  shift
  until "$@"; do
    [ $((tries -= 1)) -gt 0 ] || return 1
    sleep 0.05
  done
}

has() { [ -s "$1" ]; }

# dump PID FOLDER [OPTION]...: again where a process has ended amid it, which CRIU does not take.
dump() {
  local root=$1 images=$2 tries=5
  shift 2
  until "$CRIU" dump -t "$root" -D "$images" -o dump.log "$@" >/dev/null 2>&1; do
    [ $((tries -= 1)) -gt 0 ] && grep -q 'No such process' "$images/dump.log" || return 1
    rm -f "$images"/*
  done
}
