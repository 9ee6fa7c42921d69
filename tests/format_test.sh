#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The project's own C++ is as clang-format would have it. What is built lies elsewhere.
#   format_test.sh CLANG_FORMAT SOURCE_FOLDER
set -eu
cd "$2"
find */ -name 'build*' -prune -o \( -name '*.cc' -o -name '*.h' \) -type f -print0 |
  sort -z | xargs -0 "$1" --dry-run -Werror
