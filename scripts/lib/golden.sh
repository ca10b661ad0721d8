# shellcheck shell=bash
# The parts of the golden guest: a distribution kernel, an initrd with the few drivers it needs, and a disk with busybox
# on it. No part needs root.

# GOLDEN_TMP, the folder for parts in the making, is the caller's.
: "${GOLDEN_TMP:=}"
GOLDEN_SOURCE=$SCRIPTS_DIR/golden
# Drivers of the guest, each of them built in or a module, as the distribution likes.
GOLDEN_DRIVERS=(virtio_pci virtio_blk virtio_net ext4 button evdev virtio_rng)
# One time stamp for every file and file system, so that the same recipe gives the same bytes.
GOLDEN_TIME=1700000000
GOLDEN_UUID=9d1f0c52-6f0e-4b0c-8a51-7a2d3c4b5e6f

golden_busybox() { type -P busybox; }

# golden_initrd FILE: for the kernel that kernel_find found.
golden_initrd() {
    local root order=() name path
    root=$(mktemp -d -- "$GOLDEN_TMP/initrd.XXXXXX")
    mkdir -p "$root"/{bin,dev,proc,root,modules}
    cp -- "$(golden_busybox)" "$root/bin/busybox"
    cp -- "$GOLDEN_SOURCE/init" "$root/init"
    chmod 0755 "$root" "$root/bin/busybox" "$root/init"
    golden_module_index
    for name in "${GOLDEN_DRIVERS[@]}"; do
        while read -r path; do
            name=$(basename -- "${path%%.ko*}").ko
            [[ ! -e $root/modules/$name ]] || continue
            golden_unpacked "$KERNEL_ROOT/lib/modules/$KERNEL_VERSION/$path" >"$root/modules/$name"
            order+=("$name")
        done < <(golden_module_chain "$name")
    done
    printf '%s\n' "${order[@]}" >"$root/modules/order"
    golden_freeze "$root"
    (cd -- "$root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc --reproducible -R 0:0) | gzip -n -1 >"$1"
}

# golden_module_index: GOLDEN_DEPS, a modules.dep; the one of an unpacked package has yet to be made.
golden_module_index() {
    local modules=$KERNEL_ROOT/lib/modules/$KERNEL_VERSION
    GOLDEN_DEPS=$modules/modules.dep
    [[ ! -s $GOLDEN_DEPS ]] || return 0
    PATH=$PATH:/usr/sbin:/sbin depmod -b "${KERNEL_ROOT:-/}" "$KERNEL_VERSION"
}

# golden_module_chain NAME: the paths of a module and of what it needs, in the order to load them; nothing if built in.
golden_module_chain() {
    awk -v want="$1" '
        {
            path = $1; sub(/:$/, "", path)
            name = path; sub(/.*\//, "", name); sub(/\.ko.*/, "", name); gsub(/-/, "_", name)
            if (name == want) { for (i = NF; i > 1; i--) print $i; print path }
        }
    ' "$GOLDEN_DEPS"
}

golden_unpacked() {
    case $1 in
        *.xz) xz -dc -- "$1" ;;
        *.zst) zstd -dcq -- "$1" ;;
        *.gz) gzip -dc -- "$1" ;;
        *) cat -- "$1" ;;
    esac
}

# golden_tree DIR DATA-MIB: what the guest's disk holds.
golden_tree() {
    local root=$1 data=$2 applet
    mkdir -p "$root"/{bin,sbin,dev,proc,sys,run,tmp,root,etc/init.d,etc/acpi/PWRF,var/lib,var/log}
    cp -- "$(golden_busybox)" "$root/bin/busybox"
    # From busybox itself, so that each release's own set of applets is there.
    for applet in $("$root/bin/busybox" --list); do
        [[ $applet == busybox ]] || ln -s busybox "$root/bin/$applet"
    done
    ln -s ../bin/busybox "$root/sbin/init"
    cp -- "$GOLDEN_SOURCE/rcS" "$root/etc/init.d/rcS"
    cp -- "$GOLDEN_SOURCE/udhcpc.script" "$root/etc/udhcpc.script"
    printf '#!/bin/sh\nexec /bin/poweroff\n' >"$root/etc/acpi/PWRF/00000080"
    # A root shell on the console: this guest has no secrets and no way out of its network.
    cat >"$root/etc/inittab" <<'TAB'
::sysinit:/etc/init.d/rcS
ttyS0::respawn:/bin/getty -n -l /bin/sh -L 115200 ttyS0 vt100
::ctrlaltdel:/bin/reboot
::shutdown:/bin/umount -a -r
TAB
    printf 'root::0:0:root:/root:/bin/sh\n' >"$root/etc/passwd"
    printf 'root:x:0:\n' >"$root/etc/group"
    printf 'golden\n' >"$root/etc/hostname"
    printf '127.0.0.1 localhost\n127.0.1.1 golden\n' >"$root/etc/hosts"
    printf '/dev/vda / ext4 rw 0 1\n' >"$root/etc/fstab"
    printf '0123456789abcdef0123456789abcdef\n' >"$root/etc/machine-id"
    printf 'ID=vmkin-golden\nNAME="vmkin golden guest"\nVERSION_ID=1\n' >"$root/etc/os-release"
    printf 'export PATH=/bin:/sbin HOME=/root\n' >"$root/etc/profile"
    if ((data > 0)); then
        mkdir -p "$root/srv"
        # `yes` ends by a broken pipe; only head's word counts.
        (yes 'data that every clone shares with its base' || true) 2>/dev/null | head -c "${data}M" >"$root/srv/data"
    fi
    chmod -R u=rwX,go=rX "$root"
    chmod 0755 "$root/bin/busybox" "$root/etc/init.d/rcS" "$root/etc/udhcpc.script" "$root/etc/acpi/PWRF/00000080"
    golden_freeze "$root"
}

golden_freeze() { find "$1" -exec touch -h -d "@$GOLDEN_TIME" -- {} +; }

# golden_disk TREE SIZE FILE: the tree as a file system, owned by root, as a qcow2 image.
golden_disk() {
    local tree=$1 size=$2 file=$3 raw
    raw=$(mktemp -- "$GOLDEN_TMP/raw.XXXXXX")
    truncate -s "$size" "$raw"
    local PATH=$PATH:/usr/sbin:/sbin
    SOURCE_DATE_EPOCH=$GOLDEN_TIME E2FSPROGS_FAKE_TIME=$GOLDEN_TIME mke2fs -q -F -t ext4 -L golden -U "$GOLDEN_UUID" \
        -E "hash_seed=$GOLDEN_UUID,root_owner=0:0,lazy_itable_init=1" -m 0 -d "$tree" "$raw"
    # mke2fs keeps the builder's ids; the guest's files belong to its root.
    is_root || golden_own_by_root "$tree" "$raw"
    qemu-img convert -f raw -O qcow2 "$raw" "$file"
    rm -f -- "$raw"
}

golden_own_by_root() {
    (cd -- "$1" && find . -mindepth 1 -printf '/%P\n') |
        awk '{ print "sif \"" $0 "\" uid 0"; print "sif \"" $0 "\" gid 0" }' |
        E2FSPROGS_FAKE_TIME=$GOLDEN_TIME debugfs -w -f /dev/stdin "$2" >/dev/null 2>&1
}

# golden_xml DIR NAME: the domain, with the disk and the kernel at their places.
golden_xml() {
    sed -e "s|@TYPE@|$(domain_type)|" -e "s|@DIR@|$1|g" -e "s|@NAME@|$2|g" "$GOLDEN_SOURCE/domain.xml"
}
