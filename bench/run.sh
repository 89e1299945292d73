#!/bin/sh
# run.sh PROGRAMS RESULTS [short]: runs a selection of the benchmarks in PROGRAMS, some minutes of it, and leaves in
# RESULTS what they measured (JSON), a table (results.md) and a plot (softmax.svg). `short`: a minute of it, without
# double, log-softmax and what trains to an accuracy. The programs themselves can do more: --help.
set -eu
programs=$1
results=$2
case ${3:-} in
  '')
    softmax=.
    training="(784-128-10|784-512-512-10)/batch:128/|(cpu$(nproc)|cuda)/time_to_98"
    ;;
  short)
    softmax='^(cpu/float|cuda/(float|bfloat16))/(softmax|softmax_backward|cross_entropy)/(4096x10|4096x1024|32768x256|65536x1024|4096x16384)/'
    training="784-128-10/batch:128/"
    ;;
  *) echo "run.sh: expected short or nothing, found $3" >&2; exit 2 ;;
esac
mkdir -p "$results"

run() {
  name=$1
  shift
  started=$(date +%s)
  "$programs/$name" "$@" --benchmark_out="$results/$name.json" --benchmark_out_format=json >/dev/null
  echo "== $name took $(($(date +%s) - started)) s"
}

run softmax_bench --benchmark_min_time=0.05 --benchmark_filter="$softmax"
run linear_bench --benchmark_min_time=0.05 --benchmark_filter='batch:128'
run training_bench --benchmark_filter="$training"
python3 "$(dirname "$0")/report.py" table "$results" | tee "$results/results.md"
echo "== written to $results"
