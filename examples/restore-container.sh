#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Restores a container: the program of container/counter.tar.gz, a checkpoint as Podman and CRI-O
# export it, goes on counting here until nobody reads its output any more.
#
# usage, as root: restore-container.sh | head
# It installs and builds what it needs, unless $BUILD says where that is built.
set -eu -o pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
if [ -z "${BUILD:-}" ]; then
  BUILD=$here/build
  "$here/scripts/install-dependencies.sh"
  [ -f "$BUILD/build.ninja" ] || cmake -G Ninja -S "$here" -B "$BUILD" >&2
  ninja -C "$BUILD" crgen crrestore >&2
fi
PATH=$BUILD/crgen:$BUILD/restorer:$PATH
archive=$here/examples/container/counter.tar.gz
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

# The plan, and of the archive what the restore reads.
crgen -q "$archive" --extract images >plan.json
# The container's files, which an engine has anyway: here they are in the archive, too.
mkdir root
tar -xzOf "$archive" rootfs-diff.tar | tar -x -C root
# What it wrote to was a pipe of its engine's, which the plan calls pipe:[NUMBER].
output=$(grep -o 'pipe:\[[0-9]*\]' plan.json | head -n 1)
crrestore plan.json --images images --root root --inherit-fd "fd[1]:$output" </dev/null | cat
