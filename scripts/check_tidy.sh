#!/bin/sh
# check_tidy.sh BUILD [CHECKS]: clang-tidy (.clang-tidy) on every source of host/, with the commands by which BUILD
# compiles it. Exit code 1 if it has anything to say. CHECKS: on top of those in .clang-tidy; -clang-analyzer-* leaves
# out the slow ones.
set -eu
build=$1
checks=${2:-}
tidy=
for release in 19 18 17 16; do
  if command -v "clang-tidy-$release" >/dev/null; then
    tidy=clang-tidy-$release
    break
  fi
done
if [ -z "$tidy" ]; then
  echo "check_tidy.sh: no clang-tidy of release 16 to 19 was found (Debian package clang-tidy-19)" >&2
  exit 1
fi
find host -name '*.cpp' | sort | tr '\n' '\0' |
  xargs -0 -n 1 -P "$(nproc)" "$tidy" --quiet -p "$build" --checks="$checks" 2>/dev/null
