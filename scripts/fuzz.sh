#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs, builds and runs the fuzzers: scripts/fuzz.sh [SECONDS], for each of them; default 60.
# CRGEN_SEED=n: another seed than 1. What is found stays in build-sanitized/findings.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
seconds=${1:-60}
seed=${CRGEN_SEED:-1}
build="$here/build-sanitized"

"$here/scripts/build-sanitized.sh" fuzz_program fuzz_images fuzz_archive fuzz_restorer make_corpus
# libarchive 3.6 leaks a little for each archive that it writes.
ASAN_OPTIONS=detect_leaks=0 "$build/fuzz/make_corpus" "$build/corpus"
# The words of programs, as libFuzzer's dictionaries have them.
grep -o '"[A-Za-z0-9_]*"' "$here/schema/restore-program.schema.json" | sort -u |
  sed 's/.*/"\\&/; s/"$/\\""/' > "$build/words"

# A dump is hundreds of allocations, each traced and kept when it is freed: less of both.
export ASAN_OPTIONS="malloc_context_size=4:quarantine_size_mb=16"
failed=""
for target in program images archive restorer; do
  echo "fuzz_$target: $seconds s, seed $seed"
  # New inputs go to the first folder; each run begins anew.
  rm -rf "$build/found-$target"
  mkdir -p "$build/found-$target" "$build/findings"
  options="-max_total_time=$seconds -seed=$seed -timeout=20 -rss_limit_mb=2048 -max_len=65536
    -artifact_prefix=$build/findings/ -print_final_stats=1 -verbosity=1"
  case $target in
    program | restorer) options="$options -dict=$build/words" ;;
  esac
  log="$build/fuzz_$target.log"
  # shellcheck disable=SC2086  # a list of words
  if "$build/fuzz/fuzz_$target" $options "$build/found-$target" "$build/corpus/$target" \
    > "$log" 2>&1; then
    grep -E "^stat::(number_of_executed_units|average_exec_per_sec|new_units_added|slowest|peak)" "$log"
    grep -E "cov: " "$log" | tail -1
  else
    tail -50 "$log"
    failed="$failed fuzz_$target"
  fi
done
[ -z "$failed" ] || { echo "findings:$failed" && exit 1; }
