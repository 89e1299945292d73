#!/bin/sh
# consumer.sh STEP SOURCE BUILD FOLDER: the steps of somebody who uses an installed softwarp. `installs` comes first:
# it installs BUILD into FOLDER and moves the result to FOLDER/moved, where the other steps find it; only
# `builds_as_a_subproject` uses SOURCE itself. Everything they write lies in FOLDER. Exit code 77: a tool is missing.
set -eu
step=$1 source=$2 build=$3 folder=$4
here=$source/tests/consumer
moved=$folder/moved

fail() {
  echo "FAILED: $*" >&2
  exit 1
}
expect() {  # expect WHAT EXPECTED FOUND
  [ "$2" = "$3" ] || fail "$1: expected
$2
found
$3"
}
library() { find "$moved" -name "$1"; }
configure() {  # configure FROM TO [FLAG...]
  from=$1 to=$2
  shift 2
  rm -rf "$to"
  cmake -S "$from" -B "$to" -DCMAKE_PREFIX_PATH="$moved" -DCMAKE_COMPILE_WARNING_AS_ERROR=ON "$@"
}

softmax_of_two_rows='y[0] =  0.09003  0.24473  0.66524
y[1] =  0.21194  0.21194  0.57612
dx[0] =  0.08193 -0.02203 -0.05989
dx[1] =  0.16702 -0.04492 -0.12210'

installs() {
  rm -rf "$folder"
  mkdir -p "$folder"
  (umask 077 && cmake --install "$build" --prefix "$folder/first" >"$folder/install.log")
  expect 'what others cannot read' '' "$(find "$folder/first" ! -perm -444 -o -type d ! -perm -555)"
  mv "$folder/first" "$moved"
  # Programs and libraries have paths in what they say of errors; what is read by others must not.
  if grep -rIlF -e "$source" -e "$build" -e "$folder" "$moved"; then fail "these files say where they were made"; fi
}

runs_the_program() {
  cd "$folder"
  rm -rf own  # steps may run side by side
  cp -R "$moved" own
  own/bin/softwarp train --data digits --epochs 1 --output trained
  own/bin/softwarp evaluate trained | grep -q accuracy
  # Its data is the installation's, not the source tree's.
  digits=$folder/own/share/softwarp/data/digits
  rm "$digits"/*
  found=$(own/bin/softwarp train --data digits --output none 2>&1) && fail "trained on an empty directory"
  case $found in *"$digits"*) ;; *) fail "expected an error that names $digits, found: $found" ;; esac
}

builds_a_project() {
  headers=$folder/all_headers.h
  (cd "$moved/include" && find . -type f | sort | sed 's,^[.]/\(.*\),#include <\1>,') >"$headers"
  expect 'the headers' "$(cd "$source/include" && find . -type f | sort)" "$(cd "$moved/include" && find . -type f | sort)"
  configure "$here/project" "$folder/project" -DALL_HEADERS_DIR="$folder"
  cmake --build "$folder/project"
  "$folder/project/consumer"
}

builds_the_examples() {
  configure "$source/examples" "$folder/examples"
  cmake --build "$folder/examples"
  cd "$folder"
  SOFTWARP_DATA_DIR=$moved/share/softwarp/data examples/train digits | grep '^test accuracy [89]'
  "$moved/bin/softwarp" predict --model model.safetensors --index 0 | grep -q 'digits test image 0'
  expect examples/softmax.c "$softmax_of_two_rows" "$(examples/softmax)"
  if [ -n "$(library libsoftwarp_kernels.a)" ]; then
    found=$(examples/kernels 2>&1) || true  # there may be no GPU
    case $found in
      '128 rows, sum of all probabilities 128.000' | 'kernels: '*'CUDA says cudaError'*) ;;
      *) fail "examples/kernels.cpp: found $found" ;;
    esac
  fi
}

builds_with_pkg_config() {
  PKG_CONFIG_PATH=$(dirname "$(library softwarp.pc)")
  export PKG_CONFIG_PATH
  expect 'the version' "$(sed -n 's/^project(softwarp VERSION \([0-9.]*\).*/\1/p' "$source/CMakeLists.txt")" \
    "$(pkg-config --modversion softwarp)"
  # pkg-config quotes for a shell, for paths may hold spaces.
  eval "set -- $(pkg-config --cflags --libs softwarp)"
  ${CC:-cc} -std=c99 -Wall -Wextra -Wpedantic -Werror "$source/examples/softmax.c" "$@" -o "$folder/softmax"
  expect examples/softmax.c "$softmax_of_two_rows" \
    "$(LD_LIBRARY_PATH=$(dirname "$(library libsoftwarp.so)") "$folder/softmax")"
}

calls_from_python() {
  python=/usr/bin/python3
  if ! $python -c 'import numpy'; then exit 77; fi
  PYTHONPATH=$source/examples $python -B "$here/python_test.py" "$(library libsoftwarp.so)"
}

exports_only_its_own_functions() {
  shared=$(library libsoftwarp.so)
  found=$(nm -D --defined-only "$shared" | sed 's/.* //' | sort)
  declared=$(cat "$moved/include/softwarp/softwarp.h" "$moved/include/softwarp/model.h" "$source/host/c/xla.h" |
    grep -o 'softwarp_[a-z_]*(' | tr -d '(' | grep -v '^softwarp_last_error$' | sort -u)
  expect 'exported functions' "$(printf '%s\nsoftwarp_last_error\n' "$declared" | sort)" "$found"
  if readelf -d "$shared" | grep -E 'NEEDED.*(OpenCL|png|jpeg|lept|mpi)'; then fail "$shared needs them"; fi
}

refuses_what_it_has_not() {
  refuse() {  # refuse VERSION COMPONENT TEXT [FLAG]
    found=$(configure "$here/find" "$folder/find" -DVERSION="$1" -DCOMPONENT="$2" ${4:+"$4"} 2>&1) &&
      fail "found softwarp $1 with component $2"
    found=$(echo "$found" | tr -s ' \n' ' ')
    case $found in *"$3"*) ;; *) fail "expected '$3', found: $found" ;; esac
  }
  # A library that softwarp::host needs is not there.
  PKG_CONFIG_LIBDIR=$folder refuse 0.2 host "needs libhwy"
  refuse 0.2 cudnn 'softwarp has no component cudnn; it has host'
  refuse 0.3 c 'compatible with requested version "0.3"'
  if [ -z "$(library libsoftwarp_kernels.a)" ]; then
    refuse 0.2 kernels 'softwarp was built without CUDA, so it has no component kernels'
  fi
}

# HWY_COMPILE_ONLY_STATIC: for one set of instructions, to be fast.
builds_as_a_subproject() {
  parent() {  # parent WAY [FLAG...]
    way=$1
    shift
    rm -rf "${folder:?}/$way"
    cmake -S "$here/subproject" -B "$folder/$way" -DWAY="$way" -DSOFTWARP_SOURCE="$source" \
      -DFETCHCONTENT_SOURCE_DIR_SOFTWARP="$source" -DCMAKE_CXX_FLAGS=-DHWY_COMPILE_ONLY_STATIC \
      -DCMAKE_INSTALL_PREFIX="$folder/$way.installed" "$@"
  }
  built() {  # built WAY: the program of the parent, with the flags that it asked for and no others
    parent "$1" --no-warn-unused-cli
    cmake --build "$folder/$1" --target parent
    expect "the softmax by $1" '0.09003 0.24473 0.66524' "$("$folder/$1/parent")"
    commands=$folder/$1/compile_commands.json
    if grep '"command".*subproject/[a-z]*[.]cpp' "$commands" | grep -E ' -(W|O|g |fopenmp)'; then
      fail "$1: flags of softwarp's in its parent"
    fi
    grep -q '"command".*softwarp' "$commands" || fail "$1: expected commands that compile softwarp"
    if grep '"command"' "$commands" | grep -E '/(tests/[^c]|bench|examples|host/program)'; then
      fail "$1: compiles more than libraries"
    fi
    if grep '"command"' "$commands" | grep -E ' -(Werror|O[0-9])'; then fail "$1: expected neither -Werror nor -O"; fi
    rm -rf "$folder/$1.installed"
    cmake --install "$folder/$1"
    expect "what $1 installs" "$folder/$1.installed/bin/parent" "$(find "$folder/$1.installed" -type f)"
  }
  mkdir -p "$folder"
  built add_subdirectory
  built FetchContent
  # A parent for which warnings are errors is so for its own sources alone.
  parent add_subdirectory --no-warn-unused-cli -DCMAKE_COMPILE_WARNING_AS_ERROR=ON
  expect 'the sources whose warnings are errors' 1 "$(grep -c '"command".* -Werror ' "$folder/add_subdirectory/compile_commands.json")"
  # The kernels alone need nothing but the toolkit and Random123.
  if grep -q '^CMAKE_CUDA_COMPILER:' "$build/CMakeCache.txt"; then parent kernels --no-warn-unused-cli; fi
}

"$step"
