#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what building and testing need: Debian packages, by name, and those that are given as
# arguments. Does nothing if all are there.
set -eu
packages="build-essential cmake ninja-build git ca-certificates
  protobuf-compiler libprotobuf-dev nlohmann-json3-dev libspdlog-dev libcli11-dev libvalijson-dev
  libarchive-dev zlib1g-dev libzstd-dev liblzma-dev nettle-dev libmnl-dev libseccomp-dev libjemalloc-dev libre2-dev libgtest-dev libbenchmark-dev
  clang-format python3 python3-jsonschema pkg-config gzip file dpkg-dev lintian man-db zsh fish
  nodejs node-ajv jq $*"
missing=""
for package in $packages; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "ok installed" ||
    missing="$missing $package"
done
[ -n "$missing" ] || exit 0
as_root=""
[ "$(id -u)" -eq 0 ] || as_root=sudo
# stdout is for results of whoever calls this.
{
  $as_root apt-get update
  # shellcheck disable=SC2086  # a list of words
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
} >&2
