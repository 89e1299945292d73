#!/bin/sh
# Proves that rules.sh can fail: plants each breach in a copy of the tree, one at a time, and expects to read
# `file:line: rule` of just that one; then plants what only looks like a breach, and expects silence.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

cd "$root"
mkdir "$copy/data" && cp data/SHA256SUMS "$copy/data/"
cp -R cmake scripts include core kernels host CMakeLists.txt "$copy/"
# Work in progress in the tree must not blur the picture: only what is new counts.
before=$copy.before
trap 'rm -rf "$copy" "$before"' EXIT
"$copy/scripts/rules.sh" "$copy" >"$before" || true

failures=0
planted=0
fail() {
  echo "FAILED: $*" >&2
  failures=$((failures + 1))
}

new_breaches() { "$copy/scripts/rules.sh" "$copy" | grep -vxF -f "$before" || true; }

# plant FILE LINE RULE TEXT: the file with this text (printf's escapes) must be reported at this line by this rule.
plant() {
  planted=$((planted + 1))
  mkdir -p "$copy/$(dirname "$1")"
  printf "$4" >"$copy/$1"
  if "$copy/scripts/rules.sh" "$copy" >/dev/null; then fail "$3: rules.sh passed with a breach in $1"; fi
  found=$(new_breaches)
  case "$found" in
    "$1:$2: $3: "*) [ "$(printf '%s\n' "$found" | wc -l)" = 1 ] || fail "$3: expected one breach, found: $found" ;;
    *) fail "$3: expected $1:$2: $3, found: ${found:-nothing}" ;;
  esac
  rm "$copy/$1"
}

# accept FILE TEXT: no breach.
accept() {
  planted=$((planted + 1))
  mkdir -p "$copy/$(dirname "$1")"
  printf "$2" >"$copy/$1"
  found=$(new_breaches)
  [ -z "$found" ] || fail "$1 is in order, found: $found"
  rm "$copy/$1"
}

plant kernels/planted.cuh 2 arrow '#pragma once\n#include "host/backend/row_ops.h"\n'
plant kernels/planted.cuh 1 arrow '#include <host/backend/row_ops.h>\n'
plant host/backend/planted.h 1 arrow '#include "host/model/mlp.h"\n'
plant host/backend/cpu/planted.h 1 arrow '#include "host/io/idx.h"\n'
plant host/c/planted.h 1 arrow '#include "host/report/report.h"\n'
plant host/training/planted.h 1 arrow '#include "host/c/planted.h"\n'
plant host/data/planted.h 3 arrow '// x\n\n#include "host/model/mlp.h"\n'
plant host/model/planted.h 1 arrow '#include "host/data/resident.h"\n'
plant host/model/planted.h 1 arrow '#include "host/communicator/communicator.h"\n'
plant host/communicator/planted.h 1 arrow '#include "host/model/mlp.h"\n'
plant host/model/planted.h 1 arrow '#  include "host/training/trainer.h"\n'
plant host/training/planted.h 1 arrow '#include "host/program/flags.h"\n'
plant host/training/planted.h 1 arrow '#include "host/report/report.h"\n'
plant host/report/planted.h 1 arrow '#include "host/program/options.h"\n'
plant host/program/planted.h 1 arrow '#include "tests/planted.h"\n'
plant host/data/planted.h 1 arrow '#include "bench/planted.h"\n'
plant host/attic/planted.h 1 arrow '#include "core/random.h"\n'
plant include/softwarp/planted.h 1 arrow '#include "core/random.h"\n'
plant include/softwarp/planted.h 1 arrow '#include "kernels/training_ops.h"\n'
plant core/planted.h 1 arrow '#include "kernels/primitives/launch.h"\n'
plant host/io/planted.h 1 arrow '#include "host/backend/row_ops.h"\n'
plant simulator/planted.h 1 arrow '#include "kernels/primitives/launch.h"\n'
plant examples/planted.h 1 arrow '#include "host/model/mlp.h"\n'
plant host/data/planted.h 1 path '#include "softwarp/dataset.h"\n'
plant kernels/planted.cuh 1 toolkit '#include <thrust/sort.h>\n'
plant kernels/planted.cuh 1 toolkit '#include <cublasLt.h>\n'
plant kernels/planted.h 1 toolkit '#include <fmt/format.h>\n'
plant host/data/planted.h 1 path '#include "../backend/row_ops.h"\n'
plant host/data/planted.h 1 path '#include "idx.h"\n'
plant kernels/planted.h 1 path '#include "cuda_runtime.h"\n'
plant tests/planted.h 1 path '#include "../host/io/idx.h"\n'
plant kernels/planted.cuh 2 launch 'void f() {\n  kernel<<<1, 32>>>();\n}\n'
plant tests/planted.h 1 launch 'void f() { kernel<<<1, 32>>>(); }  // short\n'
plant kernels/planted.cuh 1 launch 'void f() { /* of one block */ kernel<<<1, 32>>>(); }\n'
plant host/backend/planted.h 1 launch 'auto x = "//"; void f() { kernel<<<1, 32>>>(); }\n'
plant kernels/planted.cuh 1 synchronize 'void f() { cudaDeviceSynchronize(); }\n'
plant host/backend/cuda/planted.h 1 synchronize 'auto x = "\\"//"; void f() { check(cudaDeviceSynchronize()); }\n'
plant kernels/planted.cuh 2 comment '\n// Where rows go.\n'
plant host/model/planted.h 1 comment '  /* Whether it is one. */\n'
plant tests/planted.h 1 comment '/// What it is.\n'
plant bench/planted.h 1 comment '/** Where it is. */\n'
plant kernels/planted.cuh 1 word 'int kHeld = 8;\n'
plant core/planted.h 1 word 'float exponential(float x);\n'
plant include/softwarp/planted.h 1 word 'using View64 = int;\n'
plant host/c/planted.h 1 word 'struct SplitScratch {};\n'
accept kernels/planted.cuh '// The place where it lies.\n// kHeld is an old name.\n'
plant host/model/planted.h 401 lines "$(yes '\n' | head -401 | tr -d '\n')"
plant host/model/planted.cpp 1 listed 'int planted;\n'
plant kernels/planted.cu 1 listed 'int planted;\n'
plant tests/planted_test.cpp 1 listed 'int planted;\n'
plant bench/planted/CMakeLists.txt 1 glob 'file(GLOB_RECURSE sources *.cpp)\n'
plant tests/planted.png 1 binary '\211PNG\000\001'
plant data/mnist/planted-ubyte.gz 1 checksum 'x'

plant kernels/planted.cuh 2 launch '/* a\n   b */ void f() { kernel<<<1, 32>>>(); }\n'
accept kernels/planted.cuh '#include <cub/cub.cuh>\n#include <cuda_runtime.h>\n#include <cuda/std/limits>\n#include <cstdint>\n'
accept kernels/planted.h '#include <Random123/philox.h>\n#include <cooperative_groups.h>\n#include "core/random.h"\n'
accept host/training/planted.h '#include "host/io/idx.h"\n#include "host/model/mlp.h"\n#include <fmt/format.h>\n'
accept host/program/planted.h '#include "host/report/report.h"\n'
accept host/report/planted.h '#include "host/training/trainer.h"\n#include <softwarp/dataset.h>\n'
accept tests/planted.h '#include "host/program/flags.h"\n#include "tests/support.h"\nvoid f() { cudaDeviceSynchronize(); }\n'
accept simulator/planted.h '#include "cuda_runtime.h"\n'
accept kernels/planted.cuh '// not kernel<<<1, 1>>>, not cudaDeviceSynchronize\n/* nor\n   kernel<<<1, 1>>> */\nint x;\n'
accept host/model/planted.h 'auto x = "<<< cudaDeviceSynchronize";\n'
accept host/model/planted.h "$(yes '\n' | head -400 | tr -d '\n')"
accept data/mnist/planted.bin '\000\001'

if [ "$failures" != 0 ]; then
  echo "rules_catch: $failures of $planted cases failed" >&2
  exit 1
fi
echo "rules_catch: $planted cases"
