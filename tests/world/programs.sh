# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154  # common.sh sets what is not set here
# Programs are begun, dumped amid their work, planned, restored, and go on. What /proc says of them
# when crrestore has made them is what it said when CRIU had stopped them. It is sourced after
# common.sh.
# ONLY="NAME…" in the environment: these programs alone.
tests=$(cd "$(dirname "$0")/.." && pwd)
pids=() root=
dump_options=() restore_options=() # those that the next program takes besides
restorer=

# wanted NAME PROGRAM...: whether it is to be tried, and can be.
wanted() {
  [ -z "${ONLY:-}" ] || [[ " $ONLY " = *" $1 "* ]] || return 1
  local program
  for program in "${@:2}"; do
    [ -n "$(command -v "$program")" ] || { echo "skipped: $1: there is no $program"; return 1; }
  done
}

# enter NAME: a folder of its own for it.
enter() {
  name=$1 here=$folder/$1 failures_before=$failures
  mkdir -p "$here/images" && cd "$here" || exit 1
}

# begin COMMAND...: in a session of its own, until there is a file `ready`.
begin() {
  setsid "$@" </dev/null >out 2>err &
  root=$!
  pids=("$root")
  disown # no word of its end
  await 30 has ready || { fail "$name" "it does not begin: $(tail -n 3 err)"; return 1; }
}

# again: dumps it, which ends it, and brings it back.
again() {
  stop_and_end && restore_stopped && go_on
}

stop_and_end() {
  # While it is stopped, and all of it is there.
  cat >at_dump <<A
#!/bin/sh
[ "\$CRTOOLS_SCRIPT_ACTION" != post-dump ] ||
  { "$tests/world/program_facts.py" "\$CRTOOLS_INIT_PID" >"$here/facts.before"; ${at_dump:-:}; }
A
  chmod +x at_dump
  dump "$root" "$here/images" --action-script "$here/at_dump" --file-locks --link-remap \
    --ghost-limit 64M "${dump_options[@]}" ||
    { fail "$name" "no dump$(! has end || echo ', it is done'): $(grep Error images/dump.log | tail -3)"; return 1; }
  mapfile -t pids < <(jq -r 'keys[]' facts.before)
  # The script is the init here: its children's children are reaped as they come.
  await 20 all_are_gone || { fail "$name" "its numbers are still taken"; return 1; }
}

restore_stopped() {
  "$crgen" -q images -o plan.json 2>crgen.err || { fail "$name" "no plan: $(tail -n 3 crgen.err)"; return 1; }
  timeout 80 "$crrestore" plan.json --images images --file-locks --stop --pidfile pid \
    "${restore_options[@]}" </dev/null >restore.out 2>&1 &
  restorer=$!
  await 40 has_succeeded_or_ended
  all_are_stopped || { fail "$name" "no restore: $(tail -n 3 restore.out)"; return 1; }
  "$tests/world/program_facts.py" "$root" >facts.after
  "$tests/support/proc_facts.py" --compare facts.before facts.after >facts.diff ||
    fail "$name" "/proc says otherwise: $(head -20 facts.diff)"
}

go_on() {
  local pid
  for pid in "${pids[@]}"; do kill -CONT "$pid"; done
}

all_are_gone() {
  local pid
  for pid in "${pids[@]}"; do [ ! -e "/proc/$pid" ] || return 1; done
}

all_are_stopped() {
  local pid
  for pid in "${pids[@]}"; do grep -q '^State:.[TZ]' "/proc/$pid/status" 2>/dev/null || return 1; done
}

has_succeeded_or_ended() { all_are_stopped || ! kill -0 "$restorer" 2>/dev/null; }

# expect WHAT IS WANTED
expect() {
  [ "$2" = "$3" ] || fail "$name" "$1: \"$2\", expected \"$3\""
}

# ended: it has come to its end of its own, and crrestore with it.
ended() {
  local status
  wait "$restorer"
  status=$?
  [ "$status" = 0 ] || fail "$name" "status $status: $(tail -n 3 restore.out err)"
}

# finish: whoever is left of it ends.
finish() {
  kill -KILL -- "-$root" "${pids[@]}" 2>/dev/null
  [ -z "$restorer" ] || wait "$restorer" 2>/dev/null
  restorer=
  [ "$failures" != "$failures_before" ] || echo "ok: $name"
  dump_options=() restore_options=()
}

# try NAME COMMANDS SCRIPT: bash runs the script, which writes `ready` when it is at work and `end`
# when it is done. It is dumped when these commands are there, as comm(5) of proc has them. What it
# writes must be what it writes undisturbed.
try() {
  enter "$1"
  mkdir -p plain dumped
  (cd plain && bash -c "$3" </dev/null >out 2>err)
  cd dumped && here=$here/dumped && mkdir images || exit 1
  if ! begin bash -c "$3"; then
    : # it has been said
  elif ! await 20 all_are_at_work "$2"; then
    fail "$name" "there are not: $2"
  elif stop_and_end; then
    if has end; then
      fail "$name" "it was done before it was dumped"
    elif restore_stopped; then
      go_on
      ended
      has end || fail "$name" "it has not come to its end: $(tail -n 3 err)"
      cmp -s out ../plain/out || fail "$name" "it comes to another end: $(tail -n 3 out)"
    fi
  fi
  finish
}

all_are_at_work() { # COMMANDS
  local command
  for command in $1; do
    cat /proc/[0-9]*/comm 2>/dev/null | grep -qx "$command" || return 1
  done
}
