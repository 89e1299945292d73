#!/bin/sh
# run.sh BUILD SECONDS [FUZZER]: runs each fuzzer of BUILD, or that one, for so many seconds, as many at a time as there
# are cores, and keeps what it found interesting, to go on with the next time. A crash, a hang, an error of a sanitizer
# or an allocation far beyond the file's size ends it. Files of up to 16 KiB: their gzip streams can hold 1032 times that.
set -eu
fuzzers=$1/tests/fuzz
seconds=$2
if [ $# = 2 ]; then
  "$fuzzers/write_seeds" "$fuzzers/seeds"
  printf '%s\n' idx_fuzz model_fuzz checkpoint_fuzz config_fuzz table_fuzz image_fuzz run_fuzz |
    xargs -P "$(nproc)" -n 1 "$0" "$1" "$seconds"
  exit
fi

name=$3
most_mb=40 most_seconds=10
[ "$name" != image_fuzz ] || most_mb=600 most_seconds=60  # a picture's head may promise 64 million pixels
mkdir -p "$fuzzers/corpus/$name"
if ! "$fuzzers/$name" -max_total_time="$seconds" -max_len=16384 -timeout="$most_seconds" -malloc_limit_mb=$most_mb \
  -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$fuzzers/$name-" \
  "$fuzzers/corpus/$name" "$fuzzers/seeds/$name" >"$fuzzers/$name.log" 2>&1; then
  tail -n 60 "$fuzzers/$name.log"
  echo "$name: failed" >&2
  exit 1
fi
echo "$name: $(sed -n 's/^stat::number_of_executed_units: //p' "$fuzzers/$name.log") files," \
  "$(grep -o 'cov: [0-9]*' "$fuzzers/$name.log" | tail -n 1) edges"
