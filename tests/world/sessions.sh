#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sessions of people are dumped with what serves them, planned and restored, and go on under
# keystrokes: a login over ssh whose client is elsewhere, tmux with an attached client, vim with swap
# files; and expect, which types for them.
#
# usage: sessions.sh CRGEN CRRESTORE GET_CRIU CRIU_FOLDER
# Exit status 77: skipped, as root, a CRIU or a package is missing; it says which.
set -u
. "$(dirname "$0")/common.sh"
enter_namespaces "--pid --mount --net" bash stty ip setsid unshare /usr/bin/python3 -- "$@"
ip link set lo up || skip "no loopback device"
# Other terminals are none of this world's, nor are its logins the machine's.
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts /dev/pts &&
  mount --bind /dev/pts/ptmx /dev/ptmx || skip "no devpts of its own"
for place in /run /var/log; do mount -t tmpfs -o mode=0755 none "$place" || skip "no tmpfs"; done
mkdir -p /run/sshd
# The script, as init, reaps what the driver leaves.
/usr/bin/python3 -B "$(dirname "$0")/sessions.py" "$crgen" "$crrestore" "$CRIU" "$folder" ${CASES:-}
exit
