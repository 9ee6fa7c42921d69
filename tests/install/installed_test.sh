#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The installed tree is all that a user has: its programs run, its libraries are found by CMake and
# by pkg-config, its manual pages, completions and schema lie where they are looked for.
#   installed_test.sh CMAKE BUILD_FOLDER SOURCE_FOLDER
set -eu
cmake=$1 build=$2 source=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
dump=$source/tests/fixtures/dumps/sessions

"$cmake" --install "$build" --prefix "$prefix" > "$work/installed"
fail() { echo "$*" >&2; exit 1; }

# The programs, and what they say of their version.
version=$(sed -n 's/^project(crgen VERSION \([0-9.]*\).*/\1/p' "$source/CMakeLists.txt")
for program in crgen crrestore; do
  said=$("$prefix/bin/$program" --version)
  [ "$said" = "$program $version" ] || fail "--version says \"$said\", expected $program $version"
done
"$prefix/bin/crgen" "$dump" | cmp - "$source/tests/golden/sessions.json"

for file in share/man/man1/crgen.1.gz share/man/man1/crrestore.1.gz share/man/man5/restore-program.5.gz \
  share/bash-completion/completions/crgen share/bash-completion/completions/crrestore \
  share/zsh/vendor-completions/_crgen share/zsh/vendor-completions/_crrestore share/zsh/site-functions/_crgen \
  share/fish/vendor_completions.d/crgen.fish share/fish/vendor_completions.d/crrestore.fish; do
  [ -s "$prefix/$file" ] || fail "$file is missing or empty"
done
cmp "$prefix/share/crgen/restore-program.schema.json" "$source/schema/restore-program.schema.json"
cmp "$prefix/share/crgen/diff.schema.json" "$source/schema/diff.schema.json"
if grep -rIl "$build" "$prefix"; then fail "the files above name the build folder"; fi

# The example, in a folder of its own, by CMake.
cp -r "$source/examples/plan_dump" "$work/example"
[ "$(grep -cv '^ *//\|^ *$' "$work/example/main.cc")" -le 30 ] || fail "the example has more than 30 lines of code"
"$cmake" -S "$work/example" -B "$work/by-cmake" -DCMAKE_PREFIX_PATH="$prefix" > "$work/log"
"$cmake" --build "$work/by-cmake" >> "$work/log" || { cat "$work/log"; fail "the example is not built"; }
"$work/by-cmake/plan_dump" "$dump" > "$work/plan.json"
"$prefix/bin/crgen" validate --complete --against "$dump" "$work/plan.json" 2> "$work/findings" ||
  { cat "$work/findings"; fail "the example's plan is wrong"; }
# The second line is what a plan says of itself: that of the example does not name its images.
same_commands() { [ "$(tail -n +3 "$1")" = "$(tail -n +3 "$source/tests/golden/sessions.json")" ]; }
same_commands "$work/plan.json" || fail "the example's plan is another"

# The same by pkg-config.
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name crgen.pc)")
export PKG_CONFIG_PATH
[ "$(pkg-config --modversion crgen)" = "$version" ] || fail "pkg-config has another version"
# shellcheck disable=SC2046  # a list of words
c++ -std=c++20 "$work/example/main.cc" $(pkg-config --cflags --libs crgen) -o "$work/by-pkg-config"
"$work/by-pkg-config" "$dump" | cmp - "$work/plan.json"
