# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# The pieces that tools/guest boots: kernels with their modules, Debians with systemd, what to compare with. Downloaded
# from Debian's mirror by an apt of our own, checked, and kept in the cache. For tools/guest alone.

# What the tests use and Debian builds as modules; whatever a kernel does not have is left out.
readonly MODULES=(crc32c_generic sctp inet_diag tcp_diag udp_diag raw_diag sctp_diag mptcp_diag
  unix_diag vrf dummy veth tun vxlan)
readonly KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
readonly CACHE=${BINDTRACE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bindtrace}/kernels
# A whole Debian with systemd as process 1, for what only that shows: the newest, and the last whose systemd still knows
# cgroup v1.
readonly SYSTEM_SUITES=(trixie bookworm)
readonly BASE_PACKAGES=systemd,systemd-sysv,dbus,procps,kmod,libbpf1 # libbpf: for SocketBindDeny=
readonly SYSTEM_PACKAGES=$BASE_PACKAGES,systemd-container,dbus-user-session,libpam-systemd,iproute2,busybox-static,nginx-light
# Both with containers. Too large to be unpacked into memory at each boot: a disk, with the modules it takes to mount it and
# those that container runtimes make their networks of. Debian 12's docker.io has the command in it, and its Podman knows no
# pasta.
readonly CONTAINER_PACKAGES=$BASE_PACKAGES,docker.io,iptables,nftables,podman,crun,netavark,slirp4netns,uidmap,dbus-user-session,libpam-systemd,iproute2,busybox-static,lxc,containernetworking-plugins,rootlesskit,curl
declare -rA CONTAINER_PACKAGES_OF=([trixie]="$CONTAINER_PACKAGES,docker-cli,passt" [bookworm]=$CONTAINER_PACKAGES)
# bindsnoop to compare with, and the libraries it takes: that of Debian 12 does not load on 6.12.
readonly PEER_PACKAGES='libbpf-tools libc6 libelf1t64 zlib1g libzstd1'
readonly PEER_FILES=(sbin/bindsnoop-libbpf lib/x86_64-linux-gnu/{ld-linux-x86-64.so.2,libc.so.6,libelf.so.1,libz.so.1,libzstd.so.1})
# bcc's bindsnoop compiles itself at each start: with LLVM, and the headers of the kernel. Unpacked, not installed; base-files
# has the links of a merged /usr.
readonly BCC_PACKAGES=base-files,bpfcc-tools,python3-bpfcc

# A daemon-reload runs them all, which emulated takes longer than what it is for.
readonly WITHOUT="(without generators)"

# intact KERNEL: it is in the cache, and the packages and what is booted from are unchanged
intact() { (cd "$CACHE/$1" && cmp -s wanted <(wanted "$1") && sha256sum --quiet --check SHA256SUMS) >/dev/null 2>&1; }

# wanted NAME: what its cache was, or is to be, made of
wanted() {
  case $1 in
    system-*) echo "${1#system-} $SYSTEM_PACKAGES" "$WITHOUT" ;;
    containers-*) echo "${1#*-} ${CONTAINER_PACKAGES_OF[${1#*-}]}" "$WITHOUT" ;;
    peers) echo "${SYSTEM_SUITES[0]} $PEER_PACKAGES" ;;
    bcc-*) echo "$(suites_of "${1#bcc-}") $BCC_PACKAGES $(<"$CACHE/${1#bcc-}/release")" ;;
    *) echo "${MODULES[*]}" ;;
  esac
}

# mirror SUITE: the mirror this machine's apt uses for the archive that suite is in
mirror() {
  local uris main
  uris=${BINDTRACE_MIRROR:-$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null |
    sed -nE 's/^deb +(\[[^]]*\] +)?([^ ]+).*/\2/p; s/^URIs: *([^ ]+).*/\1/p' | sed 's|/*$||')}
  main=$(grep -m1 -E '/debian$' <<<"$uris" || head -n1 <<<"$uris")
  [[ -n $main ]] || die 1 "no Debian mirror in this machine's apt sources; set BINDTRACE_MIRROR"
  [[ $1 == *-security ]] || { echo "$main"; return; }
  grep -m1 -E -- '-security$' <<<"$uris" || echo "$main-security"
}

# apt_setup DIR SUITE...: an apt of our own in DIR that knows only these suites and nothing of
# what is installed here, and accepts only what Debian's archive keys signed
apt_setup() {
  local dir=$1 suite uri
  shift
  mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
  for suite; do
    uri=$(mirror "$suite")
    echo "deb [arch=amd64 signed-by=$KEYRING] $uri $suite main"
  done >"$dir/sources.list"
  # Read with -c, so after the machine's own settings: a proxy set there stays in force, but its
  # hooks (they would tidy the machine's package cache) do not run. Without Sandbox::User apt as
  # root would read as user _apt, who cannot enter our cache folder.
  cat >"$dir/apt.conf" <<CONF
#clear APT::Update;
Dir::Etc::sourcelist "$dir/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::trusted "/dev/null";
Dir::Etc::trustedparts "/dev/null";
Dir::State::lists "$dir/lists";
Dir::State::status "/dev/null";
Dir::Cache "$dir/cache";
APT::Architecture "amd64";
APT::Sandbox::User "root";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
Acquire::Retries "3";
CONF
}

# unpack_modules KERNEL-DIR TO MODULE...: with all that they need
unpack_modules() {
  local dir=$1 to=$2 module number file
  shift 2
  mkdir -p "$to"
  # modprobe lists a module after everything it needs; numbers keep that order in the guest.
  for module; do
    modprobe -d "$dir/modules" -S "$(<"$dir/release")" -C /dev/null --show-depends "$module" 2>/dev/null || true
  done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | nl -n rz -w 3 |
    while read -r number file; do
      case $file in
        *.xz) xz -dc "$file" ;;
        *.zst) zstd -dcq "$file" ;;
        *) cat "$file" ;;
      esac >"$to/$number-$(basename "${file%%.ko*}").ko"
    done
}

# suites_of KERNEL: where it comes from
suites_of() {
  case $1 in
    5.10) echo bullseye bullseye-security ;;
    6.1) echo bookworm bookworm-security ;;
    6.12) echo trixie trixie-security ;;
    7.x) echo trixie-backports sid ;;
  esac
}

fetch() {
  local kernel=$1 suites dir apt packages newest release root
  mkdir -p "$CACHE"
  exec 9>"$CACHE/$kernel.lock"
  flock 9 # two test runs may find the cache empty at the same time
  intact "$kernel" && { say "$kernel: cached, $(<"$CACHE/$kernel/release")"; return; }
  [[ -e $KEYRING ]] || die 1 "missing: debian-archive-keyring; run: apt-get install debian-archive-keyring"
  read -ra suites < <(suites_of "$kernel")
  dir=$CACHE/.fetch-$kernel # nobody else is in it, thanks to the lock
  rm -rf "$dir"
  apt=$dir/apt
  apt_setup "$apt" "${suites[@]}"
  say "$kernel: reading ${suites[*]}"
  # One of several suites may be gone from the mirror; what counts is that a kernel is found.
  apt-get -c "$apt/apt.conf" -qq update >&2 || true
  # From 7.2 on linux-image-* is empty and the files are in linux-binary-* and linux-modules-*.
  packages=$(apt-cache -c "$apt/apt.conf" pkgnames linux-)
  newest=$(sed -nE "s/^linux-(image|binary)-(${kernel/.x}\.[0-9].*-cloud-amd64)$/\2/p" <<<"$packages" |
    sort -V | tail -n1)
  [[ -n $newest ]] || die 1 "$kernel: no kernel package found in ${suites[*]}"
  if grep -qxF "linux-binary-$newest" <<<"$packages"; then
    packages=("linux-binary-$newest" "linux-modules-$newest")
  else
    packages=("linux-image-$newest")
  fi
  say "$kernel: downloading ${packages[*]}"
  (cd "$dir" && apt-get -c "$apt/apt.conf" -qq download "${packages[@]}" >&2)
  for package in "$dir"/*.deb; do dpkg -x "$package" "$dir/unpacked"; done
  root=$(find "$dir/unpacked" -type d -path '*/lib/modules/*' -prune -print -quit)
  release=${root##*/}
  echo "$release" >"$dir/release"
  mkdir -p "$dir/modules/lib/modules"
  mv "$(find "$dir/unpacked" -name 'vmlinuz*' -type f -print -quit)" "$dir/vmlinuz"
  mv "$root" "$dir/modules/lib/modules/"
  root=$dir/modules/lib/modules/$release
  touch "$root"/modules.{order,builtin,builtin.modinfo} # depmod wants them, 7.x has none
  depmod -b "$dir/modules" "$release"
  unpack_modules "$dir" "$dir/initramfs/modules" "${MODULES[@]}"
  (cd "$dir/initramfs" && find modules | cpio -o -H newc -R 0:0 --quiet) >"$dir/modules.cpio"
  rm -rf "$apt" "$dir/unpacked" "$dir/initramfs"
  wanted "$kernel" >"$dir/wanted"
  (cd "$dir" && sha256sum -- *.deb vmlinuz modules.cpio release >SHA256SUMS)
  rm -rf "${CACHE:?}/$kernel"
  mv -T "$dir" "$CACHE/$kernel"
  say "$kernel: $release"
}

# What is only waited for at a boot, and of no use in a test.
readonly MASKED=(systemd-udevd.service systemd-udev-trigger.service systemd-journal-flush.service
  systemd-tmpfiles-clean.timer apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer
  fstrim.timer getty.target systemd-update-utmp.service systemd-hwdb-update.service ldconfig.service
  systemd-timesyncd.service systemd-binfmt.service systemd-modules-load.service systemd-random-seed.service
  systemd-firstboot.service systemd-sysusers.service systemd-journal-catalog-update.service)

# system_of KIND SUITE: what that Debian's "system", or the one with "containers", is called here
system_of() {
  [[ " ${SYSTEM_SUITES[*]} " == *" $2 "* ]] || die 125 "no system of a Debian '$2'; there are: ${SYSTEM_SUITES[*]}"
  echo "$1-$2"
}

# fetch_system NAME: "system-SUITE" or "containers-SUITE"
fetch_system() {
  local name=$1 dir unit suite packages
  mkdir -p "$CACHE"
  exec 9>"$CACHE/$name.lock"
  flock 9
  read -r suite packages _ < <(wanted "$name")
  intact "$name" && { say "$name: cached, $suite $packages"; return; }
  [[ -e $KEYRING ]] || die 1 "missing: debian-archive-keyring; run: apt-get install debian-archive-keyring"
  dir=$CACHE/.fetch-$name
  rm -rf "$dir"
  mkdir -p "$dir"
  ((EUID == 0)) || die 1 "only root can put the $name together"
  say "$name: installing $suite $packages"
  mmdebstrap --quiet --variant=apt --include="$packages" --aptopt='Acquire::Languages "none"' \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Check-Valid-Until "false"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' "$suite" "$dir/root" \
    "deb [signed-by=$KEYRING] $(mirror "$suite") $suite main" >&2
  find "$dir/root/usr/lib/systemd/system-generators" -type f ! -name 'podman*' -delete
  for unit in "${MASKED[@]}"; do ln -sf /dev/null "$dir/root/etc/systemd/system/$unit"; done
  # Started by the tests that want them.
  find "$dir/root/etc/systemd/system" -type l \( -name 'docker.*' -o -name 'containerd.*' -o -name 'podman*' \
    -o -name 'lxc*' -o -name 'nginx.*' \) -delete
  ln -sf /usr/lib/systemd/system/multi-user.target "$dir/root/etc/systemd/system/default.target"
  mkdir -p "$dir/root/etc/systemd/system/multi-user.target.wants" "$dir/root/out" "$dir/root/modules"
  cat >"$dir/root/etc/systemd/system/guest-run.service" <<'UNIT'
[Service]
ExecStart=/bin/sh /guest-run
[Install]
WantedBy=multi-user.target
UNIT
  ln -s ../guest-run.service "$dir/root/etc/systemd/system/multi-user.target.wants/"
  echo guest >"$dir/root/etc/hostname"
  echo 0123456789abcdef0123456789abcdef >"$dir/root/etc/machine-id"
  rm -rf "$dir/root"/var/{cache,lib}/apt/* "$dir/root/boot" "$dir/root"/dev/* "$dir/root"/proc/*
  (cd "$dir/root" && find . -mindepth 1 | sort >../list)
  if [[ $name == system-* ]]; then
    (cd "$dir/root" && cpio -o -H newc -R 0:0 --quiet <../list) >"$dir/$name.cpio"
  else
    mksquashfs "$dir/root" "$dir/$name.squashfs" -comp lz4 -quiet -no-progress >&2
  fi
  rm -rf "$dir/root"
  wanted "$name" >"$dir/wanted"
  (cd "$dir" && sha256sum -- "$name".* list >SHA256SUMS)
  rm -rf "${CACHE:?}/$name"
  mv -T "$dir" "$CACHE/$name"
  say "$name: $(stat -c %s "$CACHE/$name/$name".*) bytes"
}

fetch_peers() {
  local dir=$CACHE/.fetch-peers package packages
  mkdir -p "$CACHE"
  exec 9>"$CACHE/peers.lock"
  flock 9
  intact peers && { say "peers: cached"; return; }
  [[ -e $KEYRING ]] || die 1 "missing: debian-archive-keyring; run: apt-get install debian-archive-keyring"
  rm -rf "$dir"
  apt_setup "$dir/apt" "${SYSTEM_SUITES[0]}"
  read -ra packages <<<"$PEER_PACKAGES"
  say "peers: downloading ${packages[*]} of ${SYSTEM_SUITES[0]}"
  apt-get -c "$dir/apt/apt.conf" -qq update >&2
  (cd "$dir" && apt-get -c "$dir/apt/apt.conf" -qq download "${packages[@]}" >&2)
  for package in "$dir"/*.deb; do dpkg -x "$package" "$dir/unpacked"; done
  cp -L "${PEER_FILES[@]/#/$dir/unpacked/usr/}" "$dir"
  rm -rf "$dir/apt" "$dir/unpacked" "$dir"/*.deb
  wanted peers >"$dir/wanted"
  (cd "$dir" && sha256sum -- "${PEER_FILES[@]##*/}" >SHA256SUMS)
  rm -rf "${CACHE:?}/peers"
  mv -T "$dir" "$CACHE/peers"
}

# fetch_bcc KERNEL: bcc of its Debian, and its headers
fetch_bcc() {
  local kernel=$1 name=bcc-$1 dir suites suite headers package
  mkdir -p "$CACHE"
  exec 9>"$CACHE/$name.lock"
  flock 9
  intact "$kernel" || die 1 "kernel $kernel is not in the cache, or damaged; run: $0 fetch $kernel"
  intact "$name" && { say "$name: cached"; return; }
  [[ -e $KEYRING ]] || die 1 "missing: debian-archive-keyring; run: apt-get install debian-archive-keyring"
  read -ra suites < <(suites_of "$kernel")
  suite=${suites[0]%-backports} dir=$CACHE/.fetch-$name headers=linux-headers-$(<"$CACHE/$kernel/release")
  rm -rf "$dir"
  apt_setup "$dir/apt" "${suites[@]}"
  say "$name: unpacking $BCC_PACKAGES of $suite, and $headers"
  mmdebstrap --quiet --variant=extract --include="$BCC_PACKAGES" --aptopt='Acquire::Languages "none"' \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Check-Valid-Until "false"' "$suite" "$dir/root" \
    "deb [signed-by=$KEYRING] $(mirror "$suite") $suite main" >&2
  apt-get -c "$dir/apt/apt.conf" -qq update >&2 || true
  # Not by what they depend on, which is a compiler.
  headers+=" $(apt-cache -c "$dir/apt/apt.conf" depends "$headers" | sed -n 's/.*Depends: \(linux-headers-.*-common\)$/\1/p')"
  # shellcheck disable=SC2086 # two words
  (cd "$dir" && apt-get -c "$dir/apt/apt.conf" -qq download $headers >&2)
  for package in "$dir"/*.deb; do dpkg -x "$package" "$dir/root"; done
  mkdir -p "$dir/root"/{proc,sys}
  mksquashfs "$dir/root" "$dir/$name.squashfs" -comp lz4 -quiet -no-progress >&2
  rm -rf "$dir/apt" "$dir/root" "$dir"/*.deb
  wanted "$name" >"$dir/wanted"
  (cd "$dir" && sha256sum -- "$name".squashfs >SHA256SUMS)
  rm -rf "${CACHE:?}/$name"
  mv -T "$dir" "$CACHE/$name"
}
