#!/bin/sh
# run.sh PROGRAMS RESULTS [short]: runs a selection of the benchmarks in PROGRAMS and leaves in RESULTS what they
# measured (JSON), a table (results.md) and a plot (softmax.svg). It takes some minutes, on a GPU one of them; short
# takes less than one. The programs themselves can do more: --help.
set -eu
programs=$1
results=$2
case ${3-full} in
full)
  time=0.05
  softmax='.'
  linear='batch:128/'
  training="(784-128-10|784-512-512-10)/batch:128/|(cpu$(nproc)|cuda)/time_to_98"
  ;;
short)
  time=0.01
  softmax='/(float|bfloat16)/(softmax|softmax_backward|cross_entropy)/(4096x10|4096x1024|65536x1024|2048x32768|16x262144)/'
  linear='batch:128/(784-512|512-10)'
  training='784-128-10/batch:128/|cuda/time_to_98'
  ;;
*)
  echo "run.sh: a selection '$3': expected full or short" >&2
  exit 2
  ;;
esac
mkdir -p "$results"
# OpenMP's threads wait as the program lets them (host/program/openmp_spinning.h).
[ -n "${OMP_WAIT_POLICY-}" ] || export GOMP_SPINCOUNT="${GOMP_SPINCOUNT-5000}"

run() {
  name=$1
  shift
  started=$(date +%s)
  "$programs/$name" "$@" --benchmark_out="$results/$name.json" --benchmark_out_format=json >/dev/null
  echo "== $name took $(($(date +%s) - started)) s"
}

run softmax_bench --benchmark_min_time=$time --benchmark_filter="$softmax"
run linear_bench --benchmark_min_time=$time --benchmark_filter="$linear"
run training_bench --benchmark_filter="$training"
python3 "$(dirname "$0")/report.py" table "$results" | tee "$results/results.md"
echo "== written to $results"
