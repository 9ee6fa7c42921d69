#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What a maintainer runs before a release, beside the gate: scripts/matrix.sh [JOB...], all without
# one. Each job has a build folder of its own, build-JOB; the last line says which have failed.
#   gcc-debug clang-debug clang-release   all tests
#   bare        no precompiled headers: every file includes what it uses
#   tidy        .clang-tidy on every file of the programs
#   shell       every shell script
#   coverage    which lines the tests execute
#   debian12 debian13   builds and plans in a fresh Debian 12, 13 that debootstrap makes; needs root
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
jobs=${*:-shell bare gcc-debug clang-release clang-debug tidy coverage debian12 debian13}

# configure JOB OPTIONS...
configure() {
  build="$here/build-$1"
  shift
  [ -f "$build/build.ninja" ] || cmake -G Ninja -S "$here" -B "$build" "$@"
}

# tested JOB OPTIONS...
tested() {
  configure "$@"
  ninja -C "$build"
  ctest --test-dir "$build" --output-on-failure -j "$(nproc)"
}

job() {
  case $1 in
    gcc-debug) tested "$1" -DCMAKE_BUILD_TYPE=Debug ;;
    clang-release) tested "$1" -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ ;;
    clang-debug)
      tested "$1" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ ;;
    bare)
      configure "$1" -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON -DCMAKE_CXX_FLAGS_RELEASE="-O0"
      ninja -C "$build" ;;
    tidy)
      configure "$1" -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON -DBUILD_TESTING=OFF
      ninja -C "$build" crgen_proto
      "$here/scripts/tidy.py" "$build" model images dsl checker generator preflight views policy terminal restorer \
        crgen ;;
    shell)
      (cd "$here" && git ls-files '*.sh' .ci/run | xargs shellcheck -x -P SCRIPTDIR --severity=warning) ;;
    coverage)
      configure "$1" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS=--coverage -DCMAKE_EXE_LINKER_FLAGS=--coverage
      ninja -C "$build"
      status=0  # a figure is wanted all the same
      ctest --test-dir "$build" --output-on-failure -j "$(nproc)" || status=$?
      # The twin with planted faults has functions of one name on other lines.
      (cd "$here" && gcovr --root . --print-summary --output "$build/coverage.txt" \
        --exclude-directories '.*faulty.*' \
        --filter '(model|images|dsl|checker|generator|preflight|views|policy|terminal|restorer|crgen)/' "$build")
      return "$status" ;;
    debian12 | debian13)
      root="$here/build-$1"
      release=bookworm
      [ "$1" = debian12 ] || release=trixie
      # The mirror that this machine uses has both releases.
      mirror=$(apt-get indextargets --format '$(REPO_URI)' | head -1)
      [ -x "$root/usr/bin/apt-get" ] || debootstrap --variant=minbase "$release" "$root" "$mirror"
      mkdir -p "$root/source"
      git -C "$here" archive HEAD | tar -x -C "$root/source"
      # Its /proc goes with who needs it, however that ends.
      # shellcheck disable=SC2016  # for that shell
      unshare -m sh -c 'mount -t proc proc "$1/proc" && exec chroot "$1" /source/scripts/plan.sh' \
        sh "$root" > "$root/plan.json" ;;
    *)
      echo "no job $1" >&2
      return 2 ;;
  esac
}

"$here/scripts/install-dependencies.sh" clang clang-tidy-16 shellcheck gcovr debootstrap
# Each job is a process of its own, which ends at its first failure: `set -e` is off before `||`.
if [ $# -eq 1 ]; then
  job "$1"
  exit
fi
failed=""
for name in $jobs; do
  echo "== $name"
  "$0" "$name" || failed="$failed $name"
done
[ -z "$failed" ] || { echo "failed:$failed" && exit 1; }
echo "all jobs passed"
