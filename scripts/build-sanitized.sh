#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds TARGETS with clang under AddressSanitizer and UndefinedBehaviorSanitizer, in build-sanitized:
# scripts/build-sanitized.sh TARGET...
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
build="$here/build-sanitized"

"$here/scripts/install-dependencies.sh" clang libclang-rt-14-dev
[ -f "$build/build.ninja" ] ||
  cmake -G Ninja -S "$here" -B "$build" -DCRGEN_SANITIZE=ON \
    -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE="-O1 -gline-tables-only"
ninja -C "$build" "$@"
