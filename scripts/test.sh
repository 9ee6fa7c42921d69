#!/bin/sh
# Installs, builds and runs all tests; then those that read images, or plan what random ones hold,
# once more under AddressSanitizer and UndefinedBehaviorSanitizer; then each fuzzer for a minute.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
sanitized="generate_random_test golden_test schema_test images_entries_test images_errors_test
  images_framing_test images_memory_test images_pages_test images_processes_test images_unsupported_test
  images_parents_test images_robustness_test images_values_test"

"$here/scripts/install-dependencies.sh" runc redis-server nginx-light iptables
[ -f "$here/build/build.ninja" ] || cmake -G Ninja -S "$here" -B "$here/build"
ninja -C "$here/build"
ctest --test-dir "$here/build" --output-on-failure -j "$(nproc)"

[ -f "$here/build-sanitize/build.ninja" ] ||
  cmake -G Ninja -S "$here" -B "$here/build-sanitize" -DCRGEN_SANITIZE=ON \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE="-O1 -g1"
# shellcheck disable=SC2086  # lists of words
ninja -C "$here/build-sanitize" $sanitized
pattern=$(echo $sanitized | sed 's/ /$|^/g')
ctest --test-dir "$here/build-sanitize" --output-on-failure -j "$(nproc)" -R "^$pattern\$"

"$here/scripts/fuzz.sh" 60
