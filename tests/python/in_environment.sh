#!/bin/sh
# in_environment.sh VENV ARGUMENTS: runs VENV's Python. 77: install_softwarp.sh could not make the environment.
set -eu
venv=$1
shift
if [ ! -e "$venv/complete" ]; then
  echo "skipped: no environment in $venv (python.is_installed says why)"
  exit 77
fi
exec "$venv/bin/python" "$@"
