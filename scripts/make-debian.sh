#!/usr/bin/env bash
# Makes a Debian guest for tests: a golden image with systemd, sshd and one channel by which a clone gets its identity.
# The image is kept in the cache, by a hash of its recipe. Needs root when it is not there yet.
set -euo pipefail
SELF=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)/$(basename -- "${BASH_SOURCE[0]}")
START_DIR=$PWD
cd -- "${SELF%/*}"
# shellcheck source=scripts/lib/common.sh
. lib/common.sh
# shellcheck source=scripts/lib/kernel.sh
. lib/kernel.sh
# shellcheck source=scripts/lib/kvm.sh
. lib/kvm.sh
# shellcheck source=scripts/lib/golden.sh
. lib/golden.sh
# shellcheck source=scripts/lib/debian.sh
. lib/debian.sh

usage() {
    cat <<'TEXT'
usage: scripts/make-debian.sh [--flavor cloud-init|credentials] [--name NAME] [DIR]

  --flavor cloud-init   Debian 12 with cloud-init, which looks for a NoCloud seed (the default)
  --flavor credentials  Debian 13 without it, whose systemd takes credentials from SMBIOS
  --name NAME           name of the domain and of its files (default: the flavor)

Writes into DIR: NAME.vmlinuz, NAME.initrd, NAME.qcow2, and NAME.xml for `virsh define`; without DIR, only the cache.
The guest has no password; its network is configured by DHCP. When it is up it prints on its serial port
  VMKIN-READY host=… machine-id=… hostkey=SHA256:… ip=… mac=… key=… up=…
where `key` is its public SSH host key (ed25519) and `up` its uptime in seconds. QEMU's user must be able to reach DIR.
TEXT
}

FLAVOR=cloud-init NAME='' DIR=''
ARGUMENTS=("$@")
while [[ $# -gt 0 ]]; do
    case $1 in
        --flavor) FLAVOR=${2:-} && shift ;;
        --name) NAME=${2:-} && shift ;;
        -h | --help) usage && exit 0 ;;
        -*) usage >&2 && die "unknown argument '$1'" ;;
        *) DIR=$1 ;;
    esac
    shift
done
SUITE=$(debian_suite "$FLAVOR")
NAME=${NAME:-$FLAVOR}
[[ -z $DIR || $DIR == /* ]] || DIR=$START_DIR/$DIR
[[ $DIR$NAME != *[\'\"\<\>\&\|]* ]] || die "'$DIR/$NAME' has a character that would need escaping"

# recipe: whatever makes one image differ from another, but for new versions of Debian's packages.
recipe() {
    cat debian/{ready,ready.service,hostkeys.service,cloud.cfg} golden/init lib/golden.sh lib/debian.sh
    sha256sum -- "$(golden_busybox)" | cut -d ' ' -f 1
    printf '%s\n' "$FLAVOR"
}

# make FOLDER: the parts in FOLDER/kept.
make() {
    # Packages are unpacked in memory where there is enough of it: dpkg syncs each file.
    if (($(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo) > 3 << 20)); then
        mount -t tmpfs -o mode=0755,size=2g vmkin-debian "$1/making"
    fi
    export LC_ALL=C.UTF-8
    debian_proxy
    debian_tree "$FLAVOR" "$1/making"
    debian_kernel "$1/making"
    debian_configure "$FLAVOR" "$1/making/tree"
    cp -- "$KERNEL_IMAGE" "$1/kept/vmlinuz"
    golden_initrd "$1/kept/initrd"
    golden_disk "$1/making/tree" 1G "$1/kept/disk.qcow2"
    : >"$1/kept/complete"
}

KEY=$(recipe | sha256sum | cut -c 1-16)
KEPT=$CACHE_DIR/debian-$FLAVOR-$KEY
if [[ ! -e $KEPT/complete ]]; then
    if ! is_root; then
        can_be_root || die "a Debian guest is made as root, with chroot" "sudo ${SELF@Q} ${ARGUMENTS[*]@Q}"
        (cd -- "$START_DIR" && sudo -- env PATH="$PATH" VMKIN_CACHE_DIR="$CACHE_DIR" "$SELF" --flavor "$FLAVOR")
    elif [[ -z ${MAKE_DEBIAN_IN:-} ]]; then
        step "making a Debian guest: $SUITE, $FLAVOR"
        mkdir -p -- "$CACHE_DIR"
        MAKE_DEBIAN_IN=$(mktemp -d -- "$CACHE_DIR/making.XXXXXX")
        trap 'rm -rf -- "$MAKE_DEBIAN_IN"' EXIT
        trap 'exit 130' INT
        trap 'exit 143' TERM HUP
        mkdir "$MAKE_DEBIAN_IN"/{making,kept}
        # Mounts of its own: whatever happens in there, none is left over.
        MAKE_DEBIAN_IN=$MAKE_DEBIAN_IN unshare --mount --propagation private "$SELF" --flavor "$FLAVOR"
        # Made through sudo, it still belongs to the user whose cache it is in.
        chown -R --reference="$CACHE_DIR" "$MAKE_DEBIAN_IN/kept"
        # What no recipe of late asked for. Large as they are, these would fill the cache.
        find "$CACHE_DIR" -mindepth 1 -maxdepth 1 -name 'debian-*' -mtime +7 -exec rm -rf -- {} +
        # Two builders of one recipe made the same thing: the second to come leaves the first one's.
        mv -T -- "$MAKE_DEBIAN_IN/kept" "$KEPT" 2>/dev/null || [[ -e $KEPT/complete ]]
        step "made in $SECONDS s: $KEPT"
    else
        GOLDEN_TMP=$MAKE_DEBIAN_IN/making
        make "$MAKE_DEBIAN_IN"
        exit
    fi
fi

! touch -c -- "$KEPT" 2>/dev/null || :
[[ -n $DIR ]] || exit 0
mkdir -p -- "$DIR"
chmod 0755 "$DIR"
for part in vmlinuz initrd qcow2; do
    file=$part
    [[ $part != qcow2 ]] || file=disk.qcow2
    cp --reflink=auto --sparse=always -- "$KEPT/$file" "$DIR/$NAME.$part"
    chmod 0644 "$DIR/$NAME.$part"
done
debian_xml "$DIR" "$NAME" >"$DIR/$NAME.xml"
say "$DIR/$NAME.xml"
