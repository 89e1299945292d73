#!/bin/sh
# install_tensorboard.sh PYTHON VENV: a virtual environment with TensorBoard, once. 77: it could not be fetched.
set -eu
python=$1
venv=$2
version=2.21.0
if [ -e "$venv/complete-$version" ]; then exit 0; fi
rm -rf "$venv"
if ! "$python" -m venv "$venv"; then
  echo "skipped: no virtual environment (Debian package python3-venv)"
  exit 77
fi
if ! "$venv/bin/pip" install --quiet --disable-pip-version-check "tensorboard==$version" 'setuptools<81'; then
  echo "skipped: tensorboard $version could not be fetched"
  exit 77
fi
touch "$venv/complete-$version"
