#!/bin/sh
# check_tidy.sh BUILD [CHECKS]: clang-tidy (.clang-tidy) on every source of host/, with the commands by which BUILD
# compiles it. Exit code 1 if it has anything to say. CHECKS: on top of those in .clang-tidy; -clang-analyzer-* leaves
# out the slow ones.
set -eu
build=$1
checks=${2:-}
find host -name '*.cpp' | sort | tr '\n' '\0' |
  xargs -0 -n 1 -P "$(nproc)" clang-tidy-16 --quiet -p "$build" --checks="$checks" 2>/dev/null
