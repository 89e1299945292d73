#!/bin/sh
# shellcheck disable=SC2016  # what stands in single quotes is expanded in the root
# try_system.sh SUITE [ARGS]: what a newcomer does on another release of Debian or Ubuntu (trixie, noble, ...): a bare
# root made by debootstrap, git and make in it, a clone of the committed tree in a path with a space, make train, make
# test with ARGS, an installation and the examples. Needs root and debootstrap, takes about 2 GB below TMPDIR, and
# leaves nothing but, of a step that failed, its log. SOFTWARP_MIRROR: the archive, which debootstrap needs to be told
# for Ubuntu on Debian.
set -eu
suite=${1:?expected a suite, such as trixie}
tests=${2:-}
source=$(cd "$(dirname "$0")/.." && pwd)

if [ "$(id -u)" != 0 ]; then
  echo "try_system.sh: expected to be run as root" >&2
  exit 1
fi
if ! command -v debootstrap >/dev/null; then
  echo "try_system.sh: needs debootstrap (Debian package debootstrap)" >&2
  exit 1
fi
scripts=/usr/share/debootstrap/scripts
if [ ! -e "$scripts/$suite" ]; then
  echo "try_system.sh: expected a suite that this debootstrap knows ($scripts), found $suite" >&2
  exit 1
fi
# A mount namespace of its own takes its mounts with it, however it ends.
if [ "${SOFTWARP_UNSHARED:-0}" != 1 ]; then
  SOFTWARP_UNSHARED=1 exec unshare --mount --propagation private "$0" "$suite" "$tests"
fi

root=$(mktemp -d)
chmod 755 "$root"  # another user steps into it, too
trap 'umount -l "$root/proc" "$root/dev" 2>/dev/null; rm -rf --one-file-system "$root"' EXIT
trap 'exit 130' INT TERM

step() {
  name=$1 start=$(date +%s)
  shift
  "$@" >"$root.log" 2>&1 || {
    grep -A 20 '[*][*][*]Failed' "$root.log" | head -n 100  # of the tests
    tail -n 60 "$root.log"
    echo "try_system.sh: $suite: failed: $name; its output is in $root.log" >&2
    exit 1
  }
  rm -f "$root.log"
  echo "$suite: $name took $(($(date +%s) - start)) s"
}

make_root() {
  # Ubuntu keeps its libraries in universe; its scripts are links to gutsy's.
  components=main
  if [ "$(readlink "$scripts/$suite")" = gutsy ]; then components=main,universe; fi
  debootstrap --variant=minbase --components=$components --include=git,make,ca-certificates "$suite" "$root" \
    ${SOFTWARP_MIRROR:+"$SOFTWARP_MIRROR"} &&
    mount -t proc proc "$root/proc" &&
    mount --bind /dev "$root/dev" &&
    cp /etc/resolv.conf "$root/etc/" &&
    mkdir -p "$root/home/new comer" &&
    git clone --quiet "$source" "$root/home/new comer/softwarp"
}
# The commands as they would be typed in the clone, with the environment of a new login.
inside() {
  env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    chroot "$root" sh -ec "cd '/home/new comer/softwarp'; $1"
}

step 'a bare root and a clone' make_root
step 'make train' inside 'make train ARGS="--epochs 2"'
step 'make test' inside "make test ARGS='$tests'"
step 'install and the examples' inside 'cmake --install build/train --prefix /opt/softwarp
  cmake -S examples -B build/examples -DCMAKE_PREFIX_PATH=/opt/softwarp
  cmake --build build/examples
  cd build  # where the model is written
  examples/train digits
  examples/softmax'
# Everything is there by now, so nobody needs to become root.
step 'make train by another user' inside 'chown -R 1234 .
  setpriv --reuid=1234 --clear-groups env HOME=/tmp make train ARGS="--data digits --epochs 1"
  scripts/rules.sh'
