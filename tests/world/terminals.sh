#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Programs that people run by hand are dumped in the middle of their work on a terminal, planned and
# restored, and go on under keystrokes: shells with jobs, vim, less, tmux, Python.
#
# usage: terminals.sh CRGEN CRRESTORE GET_CRIU CRIU_FOLDER
# Exit status 77: skipped, as root, a CRIU or a package is missing; it says which.
set -u
. "$(dirname "$0")/common.sh"
enter_namespaces "--pid --mount" bash vi less tmux script setsid unshare /usr/bin/python3 -- "$@"
# Other terminals are none of this world's: all indices are free.
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts /dev/pts &&
  mount --bind /dev/pts/ptmx /dev/ptmx || skip "no devpts of its own"
# The script, as init, reaps what the driver leaves.
/usr/bin/python3 -B "$(dirname "$0")/terminals.py" "$crgen" "$crrestore" "$CRIU" "$folder" ${CASES:-}
exit
