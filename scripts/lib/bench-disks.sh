# shellcheck shell=bash
# What work on disks costs beside qemu-img: telling what a disk is made of, and reading it into an image of its own.

# Megabytes that an overlay has when it is committed.
DISKS_WRITTEN=512
# Megabytes in the disk that is converted, and how many images its chain has when it is told.
DISKS_MEGABYTES=1024
DISKS_LAYERS=3

# bench_disks RESULTS
bench_disks() {
    local results=$1 round rounds turn disk to
    rounds=$(bench_rounds_of_short)
    DISKS_FOLDER=$(bench_folder disks)
    step "the images of a disk"
    disks_make
    disk=$DISKS_FOLDER/disk-$DISKS_LAYERS.qcow2
    to=$DISKS_FOLDER/copy.qcow2
    for ((round = 1; round <= rounds; round++)); do
        bench_time "$results" disks-info-vmkin 1 "$VMKIN" disk info -d disks
        bench_time "$results" disks-info-qemu 1 qemu-img info --backing-chain -f qcow2 "$disk"
        bench_time "$results" disks-info-file 1 "$VMKIN" disk info -a "$disk"
        bench_time "$results" disks-map-vmkin 1 "$VMKIN" disk map -d disks
        bench_time "$results" disks-map-qemu 1 qemu-img map -f qcow2 "$disk"
        # The first to write much after a pause waits for the disk: they take turns.
        for ((turn = round; turn < round + 2; turn++)); do
            if ((turn % 2)); then
                bench_time "$results" disks-convert-vmkin 1 "$VMKIN" -q disk convert --no-compare -d disks "$to"
            else
                bench_time "$results" disks-convert-qemu 1 disks_convert "$disk" "$to"
            fi
            rm -f -- "$to"
        done
        for ((turn = round; turn < round + 2; turn++)); do
            if ((turn % 2)); then
                bench_time "$results" disks-compared-vmkin 1 "$VMKIN" -q disk convert -d disks "$to"
            else
                bench_time "$results" disks-compared-qemu 1 disks_compared "$disk" "$to"
            fi
            rm -f -- "$to"
        done
        disks_write vmkin
        bench_time "$results" disks-commit-vmkin 1 "$VMKIN" -q --yes disk commit --keep -d disks-commit
        disks_write qemu
        bench_time "$results" disks-commit-qemu 1 disks_commit
        bench_time "$results" disks-reset 1 "$VMKIN" -q --yes reset -d disks-clone
        bench_time "$results" disks-again 1 disks_again
    done
    bench_forget disks
    rm -rf -- "$DISKS_FOLDER"
}

# disks_convert FROM TO: qemu-img leaves it to the kernel when the image comes to the disk, and does not check it.
disks_convert() {
    qemu-img convert -f qcow2 -O qcow2 "$1" "$2"
    sync -- "$2"
    qemu-img check -f qcow2 "$2"
}

# disks_compared FROM TO
disks_compared() {
    disks_convert "$@"
    qemu-img compare -f qcow2 -F qcow2 "$1" "$2"
}

# disks_write WHO: what is to be committed, other bytes each time.
disks_write() {
    qemu-io -f qcow2 -c "write -P $((RANDOM % 255 + 1)) 0 ${DISKS_WRITTEN}M" "$DISKS_FOLDER/commit-$1.qcow2" >/dev/null
}

# disks_commit: with the comparison, without which nobody can know that the overlay may go.
disks_commit() {
    local top=$DISKS_FOLDER/commit-qemu.qcow2
    qemu-img commit -q -d -f qcow2 "$top"
    sync -- "$DISKS_FOLDER/base-qemu.qcow2"
    qemu-img compare -q -f qcow2 -F qcow2 "$top" "$DISKS_FOLDER/base-qemu.qcow2"
    qemu-img create -q -f qcow2 -F qcow2 -b "$DISKS_FOLDER/base-qemu.qcow2" "$top"
}

# disks_again: the same guest anew.
disks_again() {
    "$VMKIN" -q --yes delete -d disks-clone
    "$VMKIN" -q clone -d disks --no-seal disks-clone
}

# disks_make: a chain, of which the base has most of the data.
disks_make() {
    local n raw=$DISKS_FOLDER/raw
    head -c "${DISKS_MEGABYTES}M" /dev/urandom >"$raw"
    truncate -s "$((DISKS_MEGABYTES * 4))M" "$raw"
    qemu-img convert -f raw -O qcow2 "$raw" "$DISKS_FOLDER/disk-1.qcow2"
    rm -f -- "$raw"
    for ((n = 2; n <= DISKS_LAYERS; n++)); do
        qemu-img create -q -f qcow2 -F qcow2 -b "$DISKS_FOLDER/disk-$((n - 1)).qcow2" "$DISKS_FOLDER/disk-$n.qcow2"
        qemu-io -f qcow2 -c "write -P $n $((n * 64))M 16M" "$DISKS_FOLDER/disk-$n.qcow2" >/dev/null
    done
    printf '%s' "<domain type='qemu'><name>disks</name><memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>" \
        "<disk type='file'><driver name='qemu' type='qcow2'/><source file='$DISKS_FOLDER/disk-$DISKS_LAYERS.qcow2'/>" \
        "<target dev='vda' bus='virtio'/></disk></devices></domain>" | virsh -q define /dev/stdin
    for n in vmkin qemu; do
        qemu-img create -q -f qcow2 "$DISKS_FOLDER/base-$n.qcow2" 4G
        qemu-img create -q -f qcow2 -F qcow2 -b "$DISKS_FOLDER/base-$n.qcow2" "$DISKS_FOLDER/commit-$n.qcow2"
    done
    printf '%s' "<domain type='qemu'><name>disks-commit</name><memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>" \
        "<disk type='file'><driver name='qemu' type='qcow2'/><source file='$DISKS_FOLDER/commit-vmkin.qcow2'/>" \
        "<target dev='vda' bus='virtio'/></disk></devices></domain>" | virsh -q define /dev/stdin
    "$VMKIN" -q clone -d disks --no-seal disks-clone
}

# disks_rows: 'WHAT|METHOD|COUNT' a line, for bench_rows.
disks_rows() {
    printf 'vmkin disk info, a chain of %s images|disks-info-vmkin|1\n' "$DISKS_LAYERS"
    printf 'the same by its path|disks-info-file|1\n'
    printf 'qemu-img info --backing-chain of that|disks-info-qemu|1\n'
    printf 'vmkin disk map|disks-map-vmkin|1\n'
    printf 'qemu-img map|disks-map-qemu|1\n'
    printf 'vmkin disk convert --no-compare, %s MiB|disks-convert-vmkin|1\n' "$DISKS_MEGABYTES"
    printf 'qemu-img convert, sync, check|disks-convert-qemu|1\n'
    printf 'vmkin disk convert|disks-compared-vmkin|1\n'
    printf 'qemu-img convert, sync, check, compare|disks-compared-qemu|1\n'
    printf 'vmkin disk commit --keep, %s MiB|disks-commit-vmkin|1\n' "$DISKS_WRITTEN"
    printf 'qemu-img commit, sync, compare, create|disks-commit-qemu|1\n'
    printf 'vmkin reset|disks-reset|1\n'
    printf 'vmkin delete, vmkin clone|disks-again|1\n'
}

# disks_targets RESULTS: 'WHAT|VALUE|TARGET|met or MISSED' a line.
disks_targets() {
    local dir=$1 what
    for what in convert compared commit; do
        files_ratio "vmkin / qemu-img, $what" "$(median "$dir" "disks-$what-vmkin" 1)" \
            "$(median "$dir" "disks-$what-qemu" 1)" ≤ 1.03
    done
    files_ratio "delete and clone / reset" "$(median "$dir" disks-again 1)" "$(median "$dir" disks-reset 1)" ≥ 1
}
