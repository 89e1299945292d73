#!/bin/bash
# on_device.sh OUT [STAGE...]: tests and measures softwarp on this machine's GPU. Run it in the project's root, because
# it reads data/ there. It comes with a bundle (bundle.sh). Each stage has a time limit, in seconds below; together they
# are 540. OUT gets summary.txt, logs.tar.gz, and a page with its JSON, named after the device. The last lines printed are
# the summary. A stage that fails does not stop the others; the exit code is then 1.
set -u
root=$(cd "$(dirname "$0")" && pwd)
stages=(machine train agree tests softmax linear training peers sanitize)
declare -A limits=([machine]=15 [train]=60 [agree]=30 [tests]=90 [softmax]=100 [linear]=30 [training]=45 [peers]=60
                   [sanitize]=100)
page_limit=10
# Rows x columns, the most important first. The last ones are left out, and named, when the stage's time runs out.
shapes=(4096x10 16x262144 65536x1024 4096x16384 1024x65536 524288x128 256x262144 1335x50257)

usage() {
  echo "on_device.sh: $1" >&2
  echo "usage: on_device.sh OUT [STAGE...], of ${stages[*]}" >&2
  exit 2
}
[ $# -ge 1 ] || usage 'expected a folder for the results'
destination=$1
shift
for stage; do
  [[ " ${stages[*]} " == *" $stage "* ]] || usage "no stage $stage"
done
[ $# -eq 0 ] || stages=("$@")
mkdir -p "$destination" || exit 2
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# CUDA's libraries come from the toolkit or from Python packages.
cuda_folders() {
  local nvcc
  nvcc=$(command -v nvcc) && echo "$(dirname "$(dirname "$(readlink -f "$nvcc")")")/lib64"
  ls -d /usr/local/cuda/lib64 /usr/local/cuda*/lib64 /usr/local/cuda*/targets/x86_64-linux/lib
  type -ap python3 | while read -r python; do
    "$python" -c 'import glob, sysconfig; print(*glob.glob(sysconfig.get_paths()["purelib"] + "/nvidia/*/lib"), sep="\n")'
  done
}
libraries=$root/lib:$(cuda_folders 2>/dev/null | awk 'NF && !seen[$0]++' | paste -sd:)${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export SOFTWARP_DATA_DIR="${SOFTWARP_DATA_DIR:-$PWD/data}" OMP_WAIT_POLICY=passive
bin=$root/bin

# The bundle's libraries serve its programs only; Python and nvidia-smi have their own.
ours() { env "LD_LIBRARY_PATH=$libraries" "$@"; }
say() { echo "$*" | tee -a "$out/summary.txt"; }
fault() { echo "$*" >>"$out/faults"; }

# limited NAME COMMAND...: runs the command until the stage's deadline, or for at most $most seconds where that is set.
# NAME.log keeps its output. A failure becomes a fault of the stage.
limited() {
  local name=$1 start=$SECONDS left=$((deadline - SECONDS)) code=124
  shift
  if [ -n "${most:-}" ] && ((left > most)); then left=$most; fi
  if ((left > 0)); then
    timeout -k 2 "$left" env "LD_LIBRARY_PATH=$libraries" "$@" >"$out/$name.log" 2>&1 </dev/null
    code=$?
  else
    echo 'not started' >"$out/$name.log"
  fi
  case $code in
    0) ;;
    124 | 137) fault "$name: stopped at its time limit, after $((SECONDS - start)) s" ;;
    *) fault "$name: exit code $code, $(tail -n 1 "$out/$name.log" | cut -c1-200)" ;;
  esac
  return "$code"
}
bench() { # NAME PROGRAM FLAGS...
  limited "$1" "$bin/$2" --benchmark_out="$out/$1.json" --benchmark_out_format=json "${@:3}"
}

stage_machine() {
  limited devices "$bin/softwarp" devices
  nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.max.mem,power.limit --format=csv \
    >"$out/nvidia-smi.csv" 2>&1
  { nvidia-smi; nvcc --version; uname -a; nproc; } >"$out/machine.log" 2>&1
  local program
  for program in "$bin"/*; do
    echo "$program" && ours ldd "$program"
  done >"$out/libraries.log" 2>&1
  grep 'not found' "$out/libraries.log" | grep -v libcudnn | sort -u |
    while read -r line; do fault "libraries: $line"; done
}

train() { # NAME FLAGS...
  limited "train_$1" "$bin/softwarp" train --device cuda --output "$out/train_$1" "${@:2}"
}
stage_train() {
  train fp32
  train tf32 --precision tf32
  train bf16 --precision bf16
  train fp32_tuned --tune
  train small --hidden 128 --dropout 0 --input-dropout 0 --batch-size 128 --optimizer sgd --lr 0.1 --momentum 0.9 \
    --epochs 10
}

# Trains the same network from the same seed on both devices.
stage_agree() {
  local device
  for device in cpu cuda; do
    limited "agree_$device" "$bin/softwarp" train --device "$device" --hidden 128 --epochs 3 --images 10000 \
      --output "$out/agree_$device"
  done
}

# Runs all test programs of the bundle side by side, because they mostly compute references on the host.
stage_tests() {
  local program name shard shards=1
  if (($(nproc) >= 8)); then shards=4; fi
  for program in "$bin"/*_gpu "$bin"/*_gpu_test; do
    [ -x "$program" ] || continue
    for ((shard = 0; shard < shards; ++shard)); do
      name=tests_$(basename "$program").$shard
      GTEST_TOTAL_SHARDS=$shards GTEST_SHARD_INDEX=$shard limited "$name" "$program" \
        --gtest_output="json:$out/$name.json" &
    done
  done
  wait
}

stage_softmax() {
  local shape kind name start flags program=softmax_bench plain=softmax_bench_without_cudnn longest=0
  if ours ldd "$bin/softmax_bench" 2>&1 | grep -q 'libcudnn.*not found'; then program=$plain; fi
  for shape in "${shapes[@]}"; do
    for kind in float bfloat16; do
      start=$SECONDS name=softmax_${shape}_$kind
      if ((deadline - start <= longest + longest / 4)); then
        echo "$shape/$kind" >>"$out/softmax_left_out"
        continue
      fi
      # So short a time lets the program prepare its inputs, which takes seconds, twice only.
      flags=(--benchmark_min_time=0.0005
             --benchmark_filter="^cuda/$kind/(softmax|softmax_backward|cross_entropy)/$shape/")
      # A failure may be cuDNN's: the program without it can still measure the rest.
      if ! bench "$name" "$program" "${flags[@]}" && [ "$program" != $plain ] && [ -x "$bin/$plain" ]; then
        program=$plain
        mv "$out/$name.log" "$out/with_cudnn.log"
        bench "$name" "$program" "${flags[@]}"
      fi
      if ((SECONDS - start > longest)); then longest=$((SECONDS - start)); fi
    done
  done
}

stage_linear() {
  bench linear_forward linear_bench --benchmark_min_time=0.001 --benchmark_filter=^cuda/forward
  bench linear_backward linear_bench --benchmark_min_time=0.001 --benchmark_filter=^cuda/backward
}

stage_training() {
  bench training_steps training_bench --benchmark_filter='^cuda/step/.*/batch:(128|512|2048)/'
  bench training_time training_bench --benchmark_filter=^cuda/time_to_98
}

# Tries each Python of PATH until one has PyTorch; exit code 77 means that it has not.
stage_peers() {
  local python left code=77
  for python in $(type -ap python3); do
    left=$((deadline - SECONDS))
    ((left > 0)) || break
    timeout -k 2 "$left" "$python" "$root/peers.py" --seconds "$left" "$out/peers.jsonl" \
      "${shapes[@]}" >>"$out/peers.log" 2>&1 </dev/null
    code=$?
    [ "$code" = 77 ] || break
  done
  case $code in
    0) ;;
    77) missing=$(grep -h 'sees no GPU' "$out/peers.log" || tail -n 1 "$out/peers.log") ;;
    124 | 137) fault 'peers: stopped at its time limit; what it had measured is kept' ;;
    *) fault "peers: exit code $code, $(tail -n 1 "$out/peers.log" | cut -c1-200)" ;;
  esac
}

# Checks a selection, because the tools slow kernels down many times.
stage_sanitize() {
  local tool
  tool=$(PATH=$PATH:/usr/local/cuda/bin:/usr/local/cuda/compute-sanitizer command -v compute-sanitizer) ||
    { missing='no compute-sanitizer'; return; }
  train=("$bin/softwarp" train --device cuda --epochs 1 --checkpoint-every 0)
  most=40 limited memcheck "$tool" --error-exitcode 1 "${train[@]}" --images 2000 --output "$out/run_memcheck"
  most=35 limited racecheck "$tool" --tool racecheck --error-exitcode 1 "$bin/kernels_gpu_test" \
    --gtest_filter='SplitRows*:SoftmaxAxis*:TrainingOps*'
  limited initcheck "$tool" --tool initcheck --error-exitcode 1 "${train[@]}" --images 1000 --output "$out/run_initcheck"
}

failed=0
cp "$root/commit" "$out/"
date -u +%Y-%m-%d >"$out/date"
for stage in "${stages[@]}"; do
  start=$SECONDS
  deadline=$((SECONDS + ${SOFTWARP_STAGE_SECONDS:-${limits[$stage]}}))
  missing=
  : >"$out/faults"
  "stage_$stage"
  if [ -z "$missing" ]; then
    lines=$(python3 "$root/results.py" "$out" "$stage" 2>>"$out/faults") || [ -s "$out/faults" ] || fault 'results.py failed'
  else
    lines=
  fi
  status=passed reason=
  if [ -s "$out/faults" ]; then
    status=failed reason=$(head -n 1 "$out/faults") failed=1
  elif [ -n "$missing" ]; then
    status='not run' reason=$missing
  fi
  printf '%s\t%s\t%s\t%s\n' "$stage" "$status" $((SECONDS - start)) "$reason" >>"$out/stages.tsv"
  say "== $stage: $status, $((SECONDS - start)) s${missing:+, $missing}"
  { [ -z "$lines" ] || echo "$lines"; head -n 8 "$out/faults" | sed 's/^/FAULT /'; } | sed 's/^/   /' |
    tee -a "$out/summary.txt"
  # OUT is complete after each stage, in case the machine is taken away.
  cp "$out/summary.txt" "$destination/"
  tar -C "$out" --exclude='*.safetensors' --exclude=report.html -czf "$destination/logs.tar.gz" .
done

page=$(timeout -k 2 $page_limit python3 "$root/page.py" "$out" "$root/prediction.json" "$destination" 2>&1) || failed=1
say "$page" >/dev/null
say "== $(awk -F'\t' '{ n[$2]++ }
  END { printf "%d stages passed, %d failed, %d not run", n["passed"], n["failed"], n["not run"] }' "$out/stages.tsv")"
cp "$out/summary.txt" "$destination/"
echo '== summary'
echo "$page"
grep -E '^==|^   FAULT' "$destination/summary.txt"
exit $failed
