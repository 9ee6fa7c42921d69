#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Shells complete what --help lists.
#   completion_test.sh CRGEN CRRESTORE
set -eu
crgen=$1 crrestore=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "$*" >&2; exit 1; }

complete_with() {  # words of a command line; the last is completed
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
  "_$1"
  echo " ${COMPREPLY[*]} "
}
names() {  # --help on stdin
  sed -n 's/^ *\(-[a-z-][^ [{]*\).*/\1/p' | tr ',' '\n' | sort -u
}
for program in crgen crrestore; do
  binary=${!program}
  for shell in bash zsh fish; do
    "$binary" --generate "$shell" > "$work/$program.$shell"
    command -v "$shell" > /dev/null && "$shell" -n "$work/$program.$shell"
  done
  # shellcheck disable=SC1090
  . "$work/$program.bash"
done
commands=$("$crgen" --help | sed -n '/^Subcommands:/,/^$/s/^  \([a-z-]*\) .*/\1/p')
[[ $(wc -w <<< "$commands") -ge 8 ]] || fail "--help lists only $commands"
for command in $commands; do
  [[ $(complete_with crgen "") == *" $command "* ]] || fail "bash does not complete $command"
  for option in $("$crgen" "$command" --help | names); do
    [[ $(complete_with crgen "$command" "$option") == *" $option "* ]] ||
      fail "bash does not complete $option of $command"
  done
done
for option in $("$crgen" generate --help | names); do
  [[ $(complete_with crgen dump/ "$option") == *" $option "* ]] || fail "bash does not complete $option of a dump"
done
[[ $(complete_with crgen dump/ --svg) != *--svg* ]] || fail "bash completes what only show takes"
# What takes a file or a folder says so, in every shell.
for option in "check --policy" "check --root" "why --root" "why --host-facts" "diff --images" \
  "needs --plan" "needs --images" "core --output" "report --output" "host-facts --output"; do
  "$crgen" "${option% *}" --help | grep -q -e "${option#* } \(FILE\|DIR\)" ||
    fail "$option takes neither a file nor a folder"
done
for option in $("$crrestore" --help | names); do
  [[ $(complete_with crrestore "$option") == *" $option "* ]] || fail "bash does not complete $option"
done
[[ $(complete_with crgen "" | wc -w) -eq $(wc -w <<< "$commands") ]] || fail "more than the commands"
[[ $(complete_with crrestore --network-lock s) == " skip " ]] || fail "values are not completed"
# A shell takes --option=value for three words.
[[ $(complete_with crrestore --network-lock = s) == " skip " ]] || fail "values behind = are not completed"
[[ $(complete_with crgen dump/ --namespaces =) == " caller " ]] || fail "no values behind = alone"
[[ $(complete_with crrestore --manage-cgroups = s) == " soft strict " ]] || fail "no values of what may have one"
[[ $(complete_with crrestore --manage-cgroups s) != *soft* ]] || fail "values of what has one only behind ="
[[ $(complete_with crrestore --empty-ns "") == " net " ]] || fail "no kind of --empty-ns"
[[ $(complete_with crrestore --join-ns "") == " net: ipc: uts: pid: " ]] || fail "no kinds of --join-ns"
[[ $(complete_with crgen -v sh) == " show " ]] || fail "no command behind -v"
[[ $(complete_with crgen -v --quiet why --host) == " --host-facts " ]] || fail "behind -v another command's options"
[[ $(complete_with crgen -v) == *" -v "* ]] || fail "-v itself is not completed"
[[ $(complete_with crgen dump/ --without l) == " labels locks " ]] || fail "kinds of --without are not completed"
[[ $(complete_with crgen dump/ --without = locks,q) == " locks,queues " ]] || fail "nor is the second of them"
[[ $(complete_with crgen tree --syscalls fork,set) == " fork,setsid fork,setpgid " ]] || fail "no system calls"
[[ $(complete_with crgen show m) == " memory mounts " ]] || fail "what is to be shown is not completed"
[[ $(complete_with crgen show memory --json a) == " all " ]] || fail "nor is the second of it"
"$crgen" show --help | grep -qxF "Usage: crgen show [OPTIONS] [WHAT...] DUMP" || fail "the synopsis of show"
"$crgen" --generate man | grep -qF 'crgen show\fR [\fIOPTION\fR]... [\fIWHAT\fR...] \fIDUMP\fR' ||
  fail "the synopsis of show in the manual page"
if command -v fish > /dev/null; then
  answer=$(fish -c "source $work/crgen.fish; complete -C 'crgen tree --prog'")
  [[ $answer == --program* ]] || fail "fish completes --prog to \"$answer\""
  answer=$(fish -c "source $work/crgen.fish; complete -C 'crgen dump/ --pret'")
  [[ $answer == --pretty* ]] || fail "fish completes --pret of a dump to \"$answer\""
  : > "$work/policy.json"
  answer=$(fish -c "source $work/crgen.fish; cd $work; complete -C 'crgen check --policy poli'")
  [[ $answer == policy.json* ]] || fail "fish completes a policy to \"$answer\""
  answer=$(fish -c "source $work/crrestore.fish; complete -C 'crrestore plan --pidf'")
  [[ $answer == --pidfile* ]] || fail "fish completes --pidf to \"$answer\""
  answer=$(fish -c "source $work/crrestore.fish; complete -C 'crrestore --manage-cgroups=st'")
  [[ $answer == --manage-cgroups=strict* ]] || fail "fish completes a mode of cgroups to \"$answer\""
  answer=$(fish -c "source $work/crrestore.fish; complete -C 'crrestore --join-ns ip'")
  [[ $answer == ipc:* ]] || fail "fish completes a kind of --join-ns to \"$answer\""
  answer=$(fish -c "source $work/crrestore.fish; cd $work; complete -C 'crrestore --join-ns net:poli'")
  [[ $answer == net:policy.json* ]] || fail "fish completes a path of --join-ns to \"$answer\""
  answer=$(fish -c "source $work/crgen.fish; complete -C 'crgen -v memo'")
  [[ $answer == memory* ]] || fail "fish completes a command behind -v to \"$answer\""
  answer=$(fish -c "source $work/crgen.fish; complete -C 'crgen dump/ --without locks,qu'")
  [[ $answer == locks,queues* ]] || fail "fish completes a second kind to \"$answer\""
  answer=$(fish -c "source $work/crgen.fish; complete -C 'crgen show sig'")
  [[ $answer == signals* ]] || fail "fish completes what is to be shown to \"$answer\""
fi
