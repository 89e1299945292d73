#!/bin/bash
# bundle_test.sh STEP SOURCE BUILD FOLDER: tests the bundle on a machine without a GPU, and without our packages' libraries.
# The step is_made comes first: it packs the programs of BUILD and unpacks the bundle in FOLDER/root for the other steps.
# Exit code 77 means that the step is not allowed to do its work here.
set -euo pipefail
step=$1 source=$2 build=$3 folder=$4
root=$folder/root
export CUDA_VISIBLE_DEVICES=  # hides a GPU, where there is one

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

is_made() {
  rm -rf "$folder" && mkdir -p "$root"
  "$source/bench/gpu/bundle.sh" "$build" "$folder" 128
  [ "$(stat -c %s "$folder/bundle.tar.xz")" -lt $((60 << 20)) ] || fail "expected less than 60 MB"
  tar -xf "$folder/bundle.tar.xz" -C "$root"
  grep -q '"us": ' "$root/prediction.json" || fail "expected predictions"
  for name in kernels_gpu_test ops_test_gpu softwarp training_bench; do
    [ -x "$root/bin/$name" ] || fail "expected $name in the bundle"
  done
}

# The argument for a program, and the answer that it gives without a GPU.
ask() { # PROGRAM
  case $1 in
    softwarp) echo devices ;;
    *_bench | *_bench_without_cudnn) echo --benchmark_filter=^cuda ;;
    *_gpu | *_gpu_test) echo --gtest_filter=-*Plan* ;;
    *) fail "a program that this test does not know: $1" ;;
  esac
}
answer() { # PROGRAM
  case $1 in
    softwarp) echo 'no CUDA device: ' ;;
    *_bench | *_bench_without_cudnn) echo 'Failed to match any benchmarks against regex: ^cuda' ;;
    *) echo 'no GPU: ' ;;
  esac
}

# Asks the loader which libraries it loads, at the start and later.
loads_only_its_own() {
  local program name path others cuda loaded=0
  cuda=$(sed -n 's|^CUDA_cublasLt_LIBRARY:FILEPATH=\(.*\)/[^/]*$|\1|p' "$build/CMakeCache.txt")
  rm -f "$folder"/loads.*
  for program in "$root"/bin/*; do
    name=$(basename "$program")
    env -i LD_DEBUG=files LD_DEBUG_OUTPUT="$folder/loads" "LD_LIBRARY_PATH=$root/lib:$cuda" \
      "$program" "$(ask "$name")" >"$folder/$step.$name.log" 2>&1 || true
    grep -qF "$(answer "$name")" "$folder/$step.$name.log" || fail "$name: expected $(answer "$name"), found $(cat "$folder/$step.$name.log")"
    others=$(cat "$folder"/loads.* | sed -n 's/.*calling init: //p' | sort -u | while read -r path; do
      case $path in
        "$root"/lib/*) ;;
        *) case $(basename "$path") in
             ld-linux*.so.* | lib[cm].so.6 | libdl.so.2 | libpthread.so.0 | librt.so.1 | libstdc++.so.6 | libgcc_s.so.1 | \
               libcublas*.so.* | libcudnn*.so.* | libcuda.so.1) ;;
             *) echo "$path" ;;
           esac ;;
      esac
    done)
    [ -z "$others" ] || fail "$name loads $others"
    loaded=$((loaded + $(cat "$folder"/loads.* | { grep "calling init: $root/lib/" || true; } | wc -l)))
    rm "$folder"/loads.*
  done
  [ $loaded -gt 10 ] || fail "expected the bundle's libraries to be loaded, found $loaded"
}

# Starts the programs in a root of nothing but the bundle, the C and C++ libraries, and CUDA's.
starts_in_an_empty_root() {
  local program name path libraries enter
  enter=("$(PATH=$PATH:/usr/sbin command -v chroot)")
  [ "$(id -u)" = 0 ] || enter=("$(command -v unshare)" --map-root-user "${enter[@]}")
  "${enter[@]}" / true 2>/dev/null || { echo 'chroot is not allowed here'; exit 77; }
  libraries=$(for program in "$root"/bin/*; do ldd "$program"; done | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }' |
    grep -E '/(ld-linux[^/]*|lib(c|m|dl|pthread|rt|stdc\+\+|gcc_s|cublas|cublasLt|cudnn))\.so' | sort -u)
  mkdir -p "$root/libraries"
  for path in $libraries; do
    if [[ $path == */ld-linux* ]]; then
      mkdir -p "$root$(dirname "$path")" && cp -L "$path" "$root$path"
    else
      cp -lL "$path" "$root/libraries/" 2>/dev/null || cp -L "$path" "$root/libraries/"
    fi
  done
  for program in "$root"/bin/*; do
    name=$(basename "$program")
    env -i CUDA_VISIBLE_DEVICES= LD_LIBRARY_PATH=/lib:/libraries "${enter[@]}" "$root" "/bin/$name" "$(ask "$name")" \
      >"$folder/$step.$name.log" 2>&1 || true
    grep -qF "$(answer "$name")" "$folder/$step.$name.log" || fail "$name: expected $(answer "$name"), found $(cat "$folder/$step.$name.log")"
  done
  rm -rf "$root/libraries"
}

# Every stage runs and says why it failed, and the exit code is 1.
fails_without_a_gpu() {
  local code=0 stage
  cd "$source"
  env PATH=/usr/bin:/bin "$root/on_device.sh" "$folder/out" >"$folder/said" 2>&1 || code=$?
  cat "$folder/said"
  [ $code = 1 ] || fail "expected exit code 1, found $code"
  for stage in machine train agree tests softmax linear training; do
    grep -q "^== $stage: failed, " "$folder/out/summary.txt" || fail "expected that $stage fails"
  done
  for stage in peers sanitize; do
    grep -q "^== $stage: not run, .*, no " "$folder/out/summary.txt" || fail "expected that $stage has nothing to run"
  done
  grep -q '^   FAULT no GPU: ' "$folder/said" || fail "expected why machine failed"
  grep -q '^   FAULT train_fp32: exit code 1, softwarp: no CUDA device' "$folder/said" || fail "expected why train failed"
  grep -q '^   FAULT kernels_gpu_test: no GPU: ' "$folder/said" || fail "expected why kernels_gpu_test was skipped"
  grep -q '^   FAULT agreement_test_gpu: no GPU: ' "$folder/said" || fail "expected why agreement_test_gpu was skipped"
  [ "$(tail -n 1 "$folder/said")" = '== 0 stages passed, 7 failed, 2 not run' ] || fail "expected the count of stages last"
  [ "$(find "$folder/out" -type f | wc -l)" -le 8 ] || fail "expected at most 8 files"
  [ -s "$folder/out/no-gpu.md" ] || fail "expected a page"
}

"$step"
