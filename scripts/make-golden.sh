#!/usr/bin/env bash
# Makes a small golden guest for tests, demos and measurements: it boots to a prompt in seconds, also without KVM.
# Needs no root. The parts are kept in the cache, by a hash of their recipe.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")" || exit
START_DIR=$OLDPWD
# shellcheck source=scripts/lib/common.sh
. lib/common.sh
# shellcheck source=scripts/lib/os.sh
. lib/os.sh
# shellcheck source=scripts/lib/kernel.sh
. lib/kernel.sh
# shellcheck source=scripts/lib/kvm.sh
. lib/kvm.sh
# shellcheck source=scripts/lib/golden.sh
. lib/golden.sh

usage() {
    cat <<'TEXT'
usage: scripts/make-golden.sh [--name NAME] [--size SIZE] [--data MIB] DIR

  --name NAME  name of the domain and of its image (default: golden)
  --size SIZE  virtual size of the disk (default: 128M)
  --data MIB   so many MiB of data on the disk besides the system (default: 0)

Writes into DIR: vmlinuz, initrd, NAME.qcow2, and NAME.xml for `virsh define`. The guest prints on its serial port
  VMKIN-READY mac=52:54:00:… ip=192.168.122.… host=…
then a root shell, and shuts down when it is asked to (`virsh shutdown`). QEMU's user must be able to reach DIR.
TEXT
}

NAME=golden SIZE=128M DATA=0 DIR=
while [[ $# -gt 0 ]]; do
    case $1 in
        --name) NAME=$2 && shift ;;
        --size) SIZE=$2 && shift ;;
        --data) DATA=$2 && shift ;;
        -h | --help) usage && exit 0 ;;
        -*) usage >&2 && die "unknown argument '$1'" ;;
        *) DIR=$1 ;;
    esac
    shift
done
[[ -n $DIR ]] || { usage >&2 && die "no folder given"; }
[[ $DIR == /* ]] || DIR=$START_DIR/$DIR
[[ $DIR != *[\'\"\<\>\&\|]* ]] || die "'$DIR' has a character that would need escaping"

kernel_find || die "no kernel for the guest" "scripts/setup.sh --test"

# recipe: whatever makes one golden image differ from another.
recipe() {
    cat golden/init golden/rcS golden/udhcpc.script lib/golden.sh
    sha256sum -- "$(golden_busybox)" | cut -d ' ' -f 1
    printf '%s\n' "$KERNEL_VERSION" "$SIZE" "$DATA"
}

KEY=$(recipe | sha256sum | cut -c 1-16)
KEPT=$CACHE_DIR/golden-$KEY
if [[ ! -e $KEPT/complete ]]; then
    step "making a golden image: Linux $KERNEL_VERSION, $SIZE disk, $DATA MiB of data"
    mkdir -p -- "$CACHE_DIR"
    GOLDEN_TMP=$(mktemp -d -- "$CACHE_DIR/making.XXXXXX")
    trap 'rm -rf -- "$GOLDEN_TMP"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    mkdir "$GOLDEN_TMP/kept"
    cp -- "$KERNEL_IMAGE" "$GOLDEN_TMP/kept/vmlinuz"
    golden_initrd "$GOLDEN_TMP/kept/initrd"
    golden_tree "$GOLDEN_TMP/tree" "$DATA"
    golden_disk "$GOLDEN_TMP/tree" "$SIZE" "$GOLDEN_TMP/kept/disk.qcow2"
    : >"$GOLDEN_TMP/kept/complete"
    # Made through sudo, it still belongs to the user whose cache it is in.
    ! is_root || chown -R --reference="$CACHE_DIR" "$GOLDEN_TMP/kept"
    # Two builders of one recipe made the same thing: the second to come leaves the first one's.
    mv -T -- "$GOLDEN_TMP/kept" "$KEPT" 2>/dev/null || [[ -e $KEPT/complete ]]
fi

mkdir -p -- "$DIR"
chmod 0755 "$DIR"
for part in vmlinuz:vmlinuz initrd:initrd "disk.qcow2:$NAME.qcow2"; do
    cp --reflink=auto --sparse=always -- "$KEPT/${part%%:*}" "$DIR/${part#*:}"
    chmod 0644 "$DIR/${part#*:}"
done
golden_xml "$DIR" "$NAME" >"$DIR/$NAME.xml"
say "$DIR/$NAME.xml"
