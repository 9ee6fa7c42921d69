#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs, builds and runs all tests; then those that read images, or plan what random ones hold,
# once more under AddressSanitizer and UndefinedBehaviorSanitizer; then each fuzzer for a minute.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
sanitized="generate_random_test golden_test images_entries_test images_errors_test
  images_framing_test images_memory_test images_pages_test images_processes_test images_unsupported_test
  images_parents_test images_robustness_test images_values_test"

"$here/scripts/install-dependencies.sh" runc redis-server nginx-light iproute2 iptables nftables vim-tiny tmux less
[ -f "$here/build/build.ninja" ] || cmake -G Ninja -S "$here" -B "$here/build"
ninja -C "$here/build"
ctest --test-dir "$here/build" --output-on-failure -j "$(nproc)"

# shellcheck disable=SC2086  # a list of words
"$here/scripts/build-sanitized.sh" $sanitized
# shellcheck disable=SC2086  # the same
pattern=$(echo $sanitized | sed 's/ /$|^/g')
ctest --test-dir "$here/build-sanitized" --output-on-failure -j "$(nproc)" -R "^$pattern\$"

"$here/scripts/fuzz.sh" 60
