#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# man(1) renders the manual pages without a warning, and they name every option of --help.
#   manual_test.sh CRGEN CRRESTORE
set -eu
crgen=$1 crrestore=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
command -v man > /dev/null || exit 77

render() {
  LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 man --warnings -E UTF-8 -l "$1" > "$1.txt" 2> "$1.warnings"
  if [ -s "$1.warnings" ]; then cat "$1.warnings" && exit 1; fi
}
"$crgen" --generate man > "$work/crgen.1"
"$crrestore" --generate man > "$work/crrestore.1"
"$crgen" schema --man > "$work/restore-program.5"
for page in crgen.1 crrestore.1 restore-program.5; do render "$work/$page"; done

# Dates are those of the version; mandoc(1) complains where there is none.
for page in crgen.1 crrestore.1 restore-program.5; do
  grep -q '^\.TH [^ ]* [15] "20[0-9][0-9]-[0-1][0-9]-[0-3][0-9]" "' "$work/$page" || { echo "no date in $page"; exit 1; }
  if command -v mandoc > /dev/null; then mandoc -T lint -W warning "$work/$page" || exit 1; fi
done

# What may be left away stands in brackets.
for line in 'crgen show \[OPTION\]... \[WHAT...\] DUMP' 'crgen diff \[OPTION\]... A B' 'crgen host-facts \[OPTION\]... \[DUMP|PLAN\]'; do
  grep -q "^ *$line\$" "$work/crgen.1.txt" || { echo "no line $line"; exit 1; }
done

# What --help says of values beside the name.
words() { tr -s ' \n' ' ' < "$1"; }
words "$work/crrestore.1.txt" | grep -q 'redraw.*(of iptables, nftables, skip).*(0: never) (default: 600)' ||
  { echo "no values, or no default"; exit 1; }
words "$work/crrestore.1.txt" | grep -q 'has (needs --console-socket)' || { echo "no needs"; exit 1; }

names() {  # page, --help: names of options
  options=$(sed -n 's/^ *\(-[a-z-][^ [{]*\).*/\1/p' "$2" | tr ',' '\n' | sort -u)
  [ -n "$options" ] || { echo "no options in $2"; exit 1; }
  for option in $options; do
    grep -q -- "^ *\(-[a-z], \)\?$option\( \|\[\|\$\)\|^ *$option," "$1" ||
      { echo "$1 lacks $option"; exit 1; }
  done
}
commands=$("$crgen" --help | sed -n '/^Subcommands:/,/^$/s/^  \([a-z-]*\) .*/\1/p')
[ "$(echo "$commands" | wc -l)" -ge 14 ] || { echo "--help lists only $commands"; exit 1; }
for command in $commands; do
  "$crgen" "$command" --help > "$work/help"
  names "$work/crgen.1.txt" "$work/help"
done
"$crrestore" --help > "$work/help"
names "$work/crrestore.1.txt" "$work/help"
for command in FORK SET_ATTR RESUME; do
  grep -q "^ *$command$" "$work/restore-program.5.txt" || { echo "no $command"; exit 1; }
done
