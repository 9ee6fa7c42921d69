#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs a command where all pids are free, as root; as anybody else, where it is.
#   in_own_pids.sh COMMAND...
[ "$(id -u)" -eq 0 ] || exec "$@"
# The shell stays, as the init that reaps orphans.
exec unshare --fork --pid --mount-proc --kill-child bash -c '"$@"; exit $?' bash "$@"
