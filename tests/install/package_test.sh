#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cpack makes Debian packages that lintian finds no error in.
#   package_test.sh CPACK BUILD_FOLDER
set -eu
cpack=$1 build=$2
command -v lintian > /dev/null || exit 77
command -v dpkg-shlibdeps > /dev/null || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$cpack" -G DEB --config "$build/CPackConfig.cmake" -B "$work" > "$work/log" 2>&1 || { cat "$work/log"; exit 1; }
for package in crgen libcrgen-dev; do
  deb=$(echo "$work/${package}"_*.deb)
  [ -s "$deb" ] || { echo "no package $package"; ls "$work"; exit 1; }
  lintian --allow-root --fail-on error "$deb"
  dpkg-deb --contents "$deb" > "$work/$package.list"
  grep -q "/usr/share/doc/$package/copyright$" "$work/$package.list"
done
grep -q "/usr/bin/crrestore$" "$work/crgen.list"
grep -q "/crgenConfig.cmake$" "$work/libcrgen-dev.list"
