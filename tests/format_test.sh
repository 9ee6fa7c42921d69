#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The project's own C++ is as clang-format would have it, and every source of any kind names its licence. What is
# built lies elsewhere.
#   format_test.sh CLANG_FORMAT SOURCE_FOLDER
set -eu
clang_format=$1
cd "$2"
find */ -type d -name 'build*' -prune -o \( -name '*.cc' -o -name '*.h' \) -type f -print0 |
  sort -z | xargs -0 "$clang_format" --dry-run -Werror
# All but what cannot have a comment, or has another form for it: data, texts, what is expected of a program.
unlicensed=$(find . -type d \( -name .git -o -name 'build*' -o -name __pycache__ -o -path ./tests/fixtures/dumps \) -prune -o \
  -type f ! -name .git ! -name '*.md' ! -name '*.json' ! -name '*.img' ! -name '*.svg' ! -name '*.png' ! -name '*.gz' ! -name LICENSE \
  ! -path './tests/*/golden/*' ! -path './tests/golden/*' ! -path './packaging/copyright' ! -path './packaging/changelog.in' \
  \( ! -name '*.txt' -o -name CMakeLists.txt \) -print0 | xargs -0 grep -L SPDX-License-Identifier) || true
[ -z "$unlicensed" ] || { echo "without SPDX line: $unlicensed" && exit 1; }
