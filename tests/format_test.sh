#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The project's own C++ is as clang-format would have it, and sources name their licence. What is
# built lies elsewhere.
#   format_test.sh CLANG_FORMAT SOURCE_FOLDER
set -eu
clang_format=$1
cd "$2"
sources() { find */ -name 'build*' -prune -o \( -name '*.cc' -o -name '*.h' "$@" \) -type f -print0; }
sources | sort -z | xargs -0 "$clang_format" --dry-run -Werror
unlicensed=$(sources -o -name '*.c' -o -name '*.proto' -o -name '*.sh' -o -name CMakeLists.txt |
  xargs -0 grep -L SPDX-License-Identifier) || true
[ -z "$unlicensed" ] || { echo "without SPDX line: $unlicensed" && exit 1; }
