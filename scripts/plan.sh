#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs, builds, and prints the plan of a dump: scripts/plan.sh [crgen's arguments]
# Without arguments: of a dump that comes with the project.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
"$here/scripts/install-dependencies.sh"
[ -f "$here/build/build.ninja" ] || cmake -G Ninja -S "$here" -B "$here/build" >&2
ninja -C "$here/build" crgen >&2
[ $# -gt 0 ] || set -- "$here/tests/fixtures/dumps/sessions"
exec "$here/build/crgen/crgen" "$@"
