# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced by the tools beside it: the Debian packages that are needed, and how to get and build
# things. The names are those of Debian 12; 13 has the same.

set -euo pipefail
umask 022
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PATH:/usr/sbin:/sbin # bpftool, ip and nginx, for users without sbin

# shellcheck disable=SC2034 # used by those who source this
{
  BUILD_PACKAGES=(cmake ninja-build g++ clang llvm bpftool zstd pkg-config libbpf-dev libelf-dev zlib1g-dev
    libzstd-dev libxxhash-dev libsqlite3-dev libsodium-dev libcli11-dev libspdlog-dev libfmt-dev nlohmann-json3-dev
    libtomlplusplus-dev libgtest-dev libbenchmark-dev)
  DEMO_PACKAGES=(python3-minimal iproute2)
  TEST_PACKAGES=(iproute2 procps python3 nginx-light default-jdk-headless curl dnsmasq-base
    btrfs-progs protobuf-compiler chromium chromium-driver)
  # Where they are there from elsewhere, Debian's would replace them.
  command -v node >/dev/null || TEST_PACKAGES+=(nodejs)
  command -v npm >/dev/null || TEST_PACKAGES+=(npm)
  read -ra GUEST_PACKAGES < <(tools/guest deps)
  GUEST_PACKAGES+=(debian-archive-keyring jq)
  BENCH_PACKAGES=(python3 iproute2 lsof bpftrace coreutils binutils)
  CHECK_PACKAGES=(clang-format clang-tidy libclang-rt-dev shellcheck jq)
}

if command -v ccache >/dev/null; then
  export CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache
  export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1 # what one clone has compiled, another need not
fi

say() { echo "${0##*/}: $*" >&2; }
die() { say "$@"; exit 1; }

as_root() {
  if ((EUID == 0)); then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "this needs root, and there is no sudo: become root and run it again"
  fi
}

# need PACKAGE...: installs those that are missing
need() {
  local package missing=()
  if ! command -v apt-get >/dev/null; then
    say "no apt-get here, so see to it that you have what Debian calls: $*"
    return
  fi
  for package; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  if ((EUID != 0)) && ! command -v sudo >/dev/null; then
    die "missing: ${missing[*]}; as root, run: apt-get install --no-install-recommends ${missing[*]}"
  fi
  say "installing ${missing[*]}"
  # A server among them (nginx) must neither start now nor at the next boot.
  as_root sh -ec '
    if [ ! -e /usr/sbin/policy-rc.d ]; then
      trap "rm -f /usr/sbin/policy-rc.d" EXIT
      trap "exit 1" INT TERM HUP
      printf "#!/bin/sh\nexit 101\n" >/usr/sbin/policy-rc.d
      chmod 755 /usr/sbin/policy-rc.d
    fi
    apt-get -qq -o DPkg::Lock::Timeout=300 update
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
      install --no-install-recommends "$@" >/dev/null
    case " $* " in
      *" nginx-light "*) systemctl --quiet disable nginx 2>/dev/null || true ;;
    esac' sh "${missing[@]}" </dev/null >&2 ||
    die "could not install them; apt-get said why above"
}

# build PRESET [TARGET...]: configures and builds it
build() {
  local preset=$1
  shift
  cmake --preset "$preset" >/dev/null &&
    cmake --build --preset "$preset" ${1:+--target "$@"}
}
