#!/bin/sh
# Installs, builds and runs all tests, then once more under AddressSanitizer and
# UndefinedBehaviorSanitizer.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
"$here/scripts/install-dependencies.sh"
run() {
  build=$1
  shift
  [ -f "$build/build.ninja" ] || cmake -G Ninja -S "$here" -B "$build" "$@"
  ninja -C "$build"
  ctest --test-dir "$build" --output-on-failure -j "$(nproc)"
}
run "$here/build"
run "$here/build-sanitize" -DCRGEN_SANITIZE=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo
