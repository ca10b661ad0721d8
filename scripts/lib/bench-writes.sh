# shellcheck shell=bash
# What changing the files of guests costs: vmkin and the tools of libguestfs, on clones of one small guest that is shut
# off. All of them start the appliance of libguestfs, vmkin once for all guests.

# So many guests are customized.
WRITES_GUESTS=20

# bench_writes RESULTS
bench_writes() {
    local results=$1 round
    WRITES_FOLDER=$(bench_folder writes)
    step "changing the files of guests"
    writes_guests
    for ((round = 1; round <= REPEAT; round++)); do
        bench_time "$results" writes-edit-vmkin 1 \
            "$VMKIN" -q edit -d w-01 -e "s/.*/vmkin-$round/" /etc/hostname
        bench_time "$results" writes-edit-libguestfs 1 virt-edit -d w-01 -e "s/.*/libguestfs-$round/" /etc/hostname
        bench_time "$results" writes-customize-vmkin "$WRITES_GUESTS" \
            "$VMKIN" -q customize -d 'w-*' --hostname "{name}-$round" --write "/etc/motd:round $round"
    done
    # This takes so long that one round tells enough.
    bench_time "$results" writes-customize-libguestfs "$WRITES_GUESTS" writes_one_by_one
    bench_forget w-
    rm -rf -- "$WRITES_FOLDER"
}

writes_one_by_one() {
    local n
    for ((n = 1; n <= WRITES_GUESTS; n++)); do
        virt-customize -q -d "$(printf 'w-%02d' "$n")" --hostname "w-$n-peer" --write '/etc/motd:peer'
    done
}

# writes_guests: `w-01` and so on, overlays of what libguestfs takes for a Linux system.
writes_guests() {
    local tree=$WRITES_FOLDER/tree base=$WRITES_FOLDER/base.qcow2 name n
    mkdir -p "$tree"/{bin,etc,lib,usr/bin,var/lib/dpkg}
    : >"$tree/var/lib/dpkg/status"
    printf '/dev/vda / ext4 rw 0 1\n' >"$tree/etc/fstab"
    printf 'golden\n' >"$tree/etc/hostname"
    printf 'ID=debian\nNAME="Debian GNU/Linux"\nVERSION_ID=12\n' >"$tree/etc/os-release"
    printf '12.0\n' >"$tree/etc/debian_version"
    mke2fs -q -t ext4 -d "$tree" "$WRITES_FOLDER/base.raw" 200M
    qemu-img convert -f raw -O qcow2 "$WRITES_FOLDER/base.raw" "$base"
    rm -rf -- "$tree" "$WRITES_FOLDER/base.raw"
    for ((n = 1; n <= WRITES_GUESTS; n++)); do
        name=$(printf 'w-%02d' "$n")
        qemu-img create -q -f qcow2 -F qcow2 -b "$base" "$WRITES_FOLDER/$name.qcow2"
        printf '%s' "<domain type='qemu'><name>$name</name><memory unit='MiB'>64</memory><os><type>hvm</type></os>" \
            "<devices><disk type='file'><driver name='qemu' type='qcow2'/>" \
            "<source file='$WRITES_FOLDER/$name.qcow2'/><target dev='vda' bus='virtio'/></disk></devices></domain>" |
            virsh -q define /dev/stdin
    done
}

# writes_rows: 'WHAT|METHOD|COUNT' a line, for bench_rows.
writes_rows() {
    printf 'vmkin edit of a file|writes-edit-vmkin|1\n'
    printf 'virt-edit%s, the same|writes-edit-libguestfs|1\n' "${FILES_TCG:+ (TCG)}"
    printf 'vmkin customize of %d clones|writes-customize-vmkin|%d\n' "$WRITES_GUESTS" "$WRITES_GUESTS"
    printf 'virt-customize%s, one by one|writes-customize-libguestfs|%d\n' "${FILES_TCG:+ (TCG)}" "$WRITES_GUESTS"
}

# writes_targets RESULTS: 'WHAT|VALUE|TARGET|met or MISSED' a line.
writes_targets() {
    local dir=$1
    files_ratio "virt-edit${FILES_TCG:+ under TCG} / vmkin" "$(median "$dir" writes-edit-libguestfs 1)" \
        "$(median "$dir" writes-edit-vmkin 1)" ≥ 1.6
    files_ratio "virt-customize${FILES_TCG:+ under TCG} / vmkin, $WRITES_GUESTS clones" \
        "$(median "$dir" writes-customize-libguestfs "$WRITES_GUESTS")" \
        "$(median "$dir" writes-customize-vmkin "$WRITES_GUESTS")" ≥ 15
}
