#!/bin/sh
# install_softwarp.sh PYTHON VENV SOURCE: a virtual environment with numpy, pytest and softwarp, built anew from SOURCE.
# 77: what it needs could not be fetched.
set -eu
python=$1
venv=$2
source=$3
tools='numpy ml_dtypes pytest mypy scikit-build-core>=0.10 scikit-learn>=1.6 onnx onnxruntime'
if [ ! -e "$venv/complete" ]; then
  rm -rf "$venv"
  if ! "$python" -m venv --system-site-packages "$venv"; then
    echo "skipped: no virtual environment (Debian package python3-venv)"
    exit 77
  fi
  # shellcheck disable=SC2086  # a list
  if ! "$venv/bin/pip" install --quiet --disable-pip-version-check $tools; then
    echo "skipped: $tools could not be fetched"
    exit 77
  fi
  # The tests of softwarp.jax are skipped without it.
  "$venv/bin/pip" install --quiet --disable-pip-version-check jax || echo "jax could not be fetched"
  touch "$venv/complete"
fi
# The build folder is kept, so that a second run compiles nothing.
"$venv/bin/pip" install --quiet --disable-pip-version-check --no-build-isolation --no-deps --force-reinstall \
  --config-settings="build-dir=$venv/build" "$source"
