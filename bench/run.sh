#!/bin/sh
# run.sh PROGRAMS RESULTS: runs a selection of the benchmarks in PROGRAMS, some minutes of it, and leaves in RESULTS what
# they measured (JSON), a table (results.md) and a plot (softmax.svg). The programs themselves can do more: --help.
set -eu
programs=$1
results=$2
mkdir -p "$results"

run() {
  name=$1
  shift
  started=$(date +%s)
  "$programs/$name" "$@" --benchmark_out="$results/$name.json" --benchmark_out_format=json >/dev/null
  echo "== $name took $(($(date +%s) - started)) s"
}

run softmax_bench --benchmark_min_time=0.05
run linear_bench --benchmark_min_time=0.05 --benchmark_filter='batch:128'
run training_bench --benchmark_filter="(784-128-10|784-512-512-10)/batch:128/|(cpu$(nproc)|cuda)/time_to_98"
python3 "$(dirname "$0")/report.py" table "$results" | tee "$results/results.md"
echo "== written to $results"
