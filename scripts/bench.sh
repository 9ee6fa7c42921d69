#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs, builds and measures everything: scripts/bench.sh [--quick] [--update-docs] [RESULTS]
# RESULTS (build/bench/results): a folder for results.md, results.json and plots.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
"$here/scripts/install-dependencies.sh" strace linux-perf criu findutils python3-matplotlib
cmake -G Ninja -S "$here" -B "$here/build" -DCMAKE_BUILD_TYPE=Release
ninja -C "$here/build" crgen crrestore make_dump fork_tree sleepers descriptors measure bench_micro
# Debian's own Python: the one that python3-matplotlib is installed for.
exec /usr/bin/python3 "$here/bench/run.py" --build "$here/build" "$@"
