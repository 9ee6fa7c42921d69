#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The command of the README that restores a container does what the README says.
#
# usage: readme_container_test.sh SOURCE_FOLDER BUILD_FOLDER
# Exit status 77: skipped, as root is missing.
set -u
cd "$1" || exit 1
export BUILD=$2
[ "$(id -u)" = 0 ] || { echo "skipped: takes root"; exit 77; }
TMPDIR=$(mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
fail() { echo "FAIL: $1"; exit 1; }

command=$(sed -n 's/^# \(examples\/restore-container\.sh .*\)$/\1/p' README.md)
[ -n "$command" ] || fail "no such command in README.md"
said=$(sed -n '/^# examples\/restore-container\.sh /,/^```$/p' README.md | sed '1d;$d')
mounts=$(sort /proc/self/mountinfo)

output=$(timeout 60 bash -c "$command") || fail "status $?"
[ "$output" = "$said" ] || fail "it says \"$output\", README.md: \"$said\""
[ "$(head -n 1 <<<"$output")" -gt 1 ] || fail "it does not go on, it begins"

# It ends with who reads it, and leaves nothing.
[ -z "$(ls "$TMPDIR")" ] || fail "files are left: $(ls "$TMPDIR")"
[ "$(sort /proc/self/mountinfo)" = "$mounts" ] || fail "mounts are left"
for program in /proc/[0-9]*/exe; do
  case $(readlink "$program") in "$TMPDIR"/* | /bin/counter*) fail "a process is left: $program" ;; esac
done
echo "ok"
