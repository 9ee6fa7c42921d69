#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cpack makes Debian packages that lintian finds no error in, that can be installed and run, and that leave nothing
# when they are purged; what the headers include is in packages that libcrgen-dev depends on.
#   package_test.sh CPACK BUILD_FOLDER SOURCE_FOLDER
set -eu
cpack=$1 build=$2 source=$3
command -v lintian > /dev/null || exit 77
command -v dpkg-shlibdeps > /dev/null || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "$*" >&2; exit 1; }
"$cpack" -G DEB --config "$build/CPackConfig.cmake" -B "$work" > "$work/log" 2>&1 || { cat "$work/log"; exit 1; }
for package in crgen libcrgen-dev; do
  deb=$(echo "$work/${package}"_*.deb)
  [ -s "$deb" ] || { ls "$work"; fail "no package $package"; }
  lintian --allow-root --fail-on error "$deb"
  dpkg-deb --contents "$deb" > "$work/$package.list"
  grep -q "/usr/share/doc/$package/copyright$" "$work/$package.list"
done
grep -q "/usr/bin/crrestore$" "$work/crgen.list"
grep -q "/crgenConfig.cmake$" "$work/libcrgen-dev.list"

# Every header, and all that it includes: of which packages that is.
mkdir "$work/dev"
dpkg-deb -x "$work"/libcrgen-dev_*.deb "$work/dev"
headers=$work/dev/usr/include/crgen
(cd "$headers" && find . -name '*.h' | sed 's|^\./\(.*\)|#include "\1"|') > "$work/all.cc"
[ "$(wc -l < "$work/all.cc")" -gt 50 ] || fail "few headers: $(cat "$work/all.cc")"
depends="$(dpkg-deb -f "$work"/libcrgen-dev_*.deb Depends), libc6-dev, linux-libc-dev, libgcc-dev"
c++ -std=c++20 -M -I "$headers" "$work/all.cc" | grep -o ' /usr/[^ ]*' | sort -u > "$work/files"
grep -q '/bits/c++config.h$' "$work/files" || fail "no headers of the compiler were found"
xargs realpath < "$work/files" | xargs dpkg -S | cut -d: -f1 | sort -u > "$work/packages"
while read -r package; do
  # gcc's own headers are those of every compiler.
  case $package in libgcc-*-dev | libstdc++-*-dev) continue ;; esac
  case ", $depends," in *", $package,"*) ;; *) fail "libcrgen-dev includes $package, and does not depend on it" ;; esac
done < "$work/packages"

# Installed, run and purged: over this system, which keeps what it has.
[ "$(id -u)" -eq 0 ] || exit 77
mkdir "$work/over" "$work/system"
cat > "$work/inside.sh" <<'EOF'
set -eu
work=$1 dump=$2
mount -t tmpfs none "$work/over"
mkdir "$work/over/upper" "$work/over/work" "$work/over/in"
mount -t overlay none -o "lowerdir=/,upperdir=$work/over/upper,workdir=$work/over/work" "$work/system" || exit 77
cp "$work"/*.deb "$work/over/upper/"
cp -rL "$dump" "$work/over/upper/dump"
mount -t proc proc "$work/system/proc"
mount -t tmpfs none "$work/system/dev"
mknod -m 666 "$work/system/dev/null" c 1 3
in_system() { chroot "$work/system" "$@"; }
export DEBIAN_FRONTEND=noninteractive
in_system sh -c 'dpkg --no-triggers -i /crgen_*.deb' > "$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log"; exit 1; }
[ "$(in_system sh -c 'command -v crgen')" = /usr/bin/crgen ]
in_system crgen /dump > "$work/plan.json"
in_system crgen validate --complete --against /dump - < "$work/plan.json"
in_system crrestore --version
find "$work/over/upper" -name '*crrestore*' | grep -q .
in_system dpkg --no-triggers --purge crgen >> "$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log"; exit 1; }
rm -r "$work/over/upper/dump" "$work"/over/upper/*.deb
# What is not dpkg's own record is as it was.
left=$(cd "$work/over/upper" && find . -path ./var/lib/dpkg -prune -o -path ./var/log -prune -o ! -type d -print
  cd "$work/over/upper" && find . -name '*crgen*' -o -name '*crrestore*' -o -name '*restore-program*')
[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
EOF
status=0
unshare -m --propagation private sh "$work/inside.sh" "$work" "$source/tests/fixtures/dumps/sessions" || status=$?
[ "$status" -eq 0 ] || exit "$status"
