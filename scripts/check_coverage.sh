#!/bin/sh
# check_coverage.sh BUILD: the share of lines that the tests of BUILD reached in core/, kernels/ (on the simulator) and
# host/, and an error where it is less than 95, 95 and 90 %. Lines of which the compiler leaves nothing do not count.
set -eu
build=$1
cover() {
  room=$1
  least=$2
  gcovr --root . --filter "$room/" --exclude-throw-branches --gcov-ignore-parse-errors --fail-under-line "$least" \
    -j "$(nproc)" "$build" >"$build/coverage-$room.txt" || { cat "$build/coverage-$room.txt"; exit 1; }
  echo "$room/: $(sed -n 's/^TOTAL *//p' "$build/coverage-$room.txt" | awk '{ print $2 " of " $1 " lines, " $3 }')"
}
cover core 95
cover kernels 95
cover host 90
