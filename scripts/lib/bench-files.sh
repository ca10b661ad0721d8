# shellcheck shell=bash
# What reading a guest's files costs: vmkin, the tools of libguestfs, and the kernel, on one image of a guest that is
# shut off.

# Megabytes in the tree that is copied, in so many files; and so many guests for df.
FILES_MEGABYTES=500
FILES_NUMBER=2000
FILES_GUESTS=100

# bench_files RESULTS
bench_files() {
    local results=$1 round root image
    FILES_FOLDER=$(bench_folder files)
    # Both are told the format, so that neither has to look for it.
    image=(--format=qcow2 -a "$FILES_FOLDER/files.qcow2")
    step "the files of a guest"
    files_guest
    "$VMKIN" clone -q -d golden --name 'f-{n:03}' --count "$FILES_GUESTS" --dir "$(bench_folder guests)" >/dev/null
    root=$FILES_FOLDER/root
    mkdir "$root"
    mount -o loop,ro,noload "$FILES_FOLDER/files.raw" "$root"
    for ((round = 1; round <= REPEAT; round++)); do
        bench_time "$results" files-cat-vmkin 1 "$VMKIN" cat "${image[@]}" /etc/hostname
        bench_time "$results" files-ls-vmkin 1 "$VMKIN" ls "${image[@]}" /etc
        bench_time "$results" files-tree-vmkin 1 "$VMKIN" ls -lR "${image[@]}" /srv
        bench_time "$results" files-inspect-vmkin 1 "$VMKIN" inspect "${image[@]}"
        # What libvirt takes to say which image that is comes on top.
        bench_time "$results" files-domain-vmkin 1 "$VMKIN" cat -d files /etc/hostname
        bench_time "$results" files-df-vmkin "$FILES_GUESTS" "$VMKIN" df -d 'f-*'
        bench_time "$results" files-copy-vmkin 1 files_copy vmkin /usr/bin/time -f '%M' -o "$results/memory.new" \
            "$VMKIN" -q copy-out -d files /srv
        printf 'copy-out %d\n' "$(tail -n 1 "$results/memory.new")" >>"$results/memory"
        bench_time "$results" files-copy-cp 1 files_copy cp cp -a "$root/srv"
    done
    umount "$root"
    # These take so long that one round tells enough.
    bench_time "$results" files-cat-libguestfs 1 virt-cat "${image[@]}" /etc/hostname
    bench_time "$results" files-ls-libguestfs 1 virt-ls "${image[@]}" /etc
    bench_time "$results" files-tree-libguestfs 1 virt-ls -lR "${image[@]}" /srv
    bench_time "$results" files-inspect-libguestfs 1 virt-inspector "${image[@]}"
    bench_time "$results" files-domain-libguestfs 1 virt-cat -d files /etc/hostname
    bench_time "$results" files-copy-libguestfs 1 files_copy libguestfs virt-copy-out -d files /srv
    bench_forget f-
    bench_forget files
    rm -rf -- "$FILES_FOLDER"
}

# files_copy WHO COMMAND…: into a folder of its own, and off the disk's mind before the next.
files_copy() {
    local to=$FILES_FOLDER/to-$1
    shift
    mkdir -p "$to"
    "$@" "$to"
    rm -rf -- "$to"
}

# files_guest: what libguestfs takes for the root of a Linux system, and a tree to copy.
files_guest() {
    local tree=$FILES_FOLDER/tree n
    mkdir -p "$tree"/{bin,etc,lib,srv/data,var/lib/dpkg}
    : >"$tree/var/lib/dpkg/status"
    printf '/dev/vda / ext4 rw 0 1\n' >"$tree/etc/fstab"
    printf 'files\n' >"$tree/etc/hostname"
    printf 'ID=debian\nNAME="Debian GNU/Linux"\nVERSION_ID=12\n' >"$tree/etc/os-release"
    printf '12.0\n' >"$tree/etc/debian_version"
    head -c "${FILES_MEGABYTES}M" /dev/urandom |
        split -d -a 4 -b $((FILES_MEGABYTES * 1024 * 1024 / FILES_NUMBER)) - "$tree/srv/data/file-"
    for ((n = 0; n < FILES_NUMBER; n += 100)); do
        mkdir "$tree/srv/dir-$n"
        mv -- "$tree"/srv/data/file-"$(printf '%02d' $((n / 100)))"* "$tree/srv/dir-$n"
    done
    mke2fs -q -t ext4 -d "$tree" "$FILES_FOLDER/files.raw" $((FILES_MEGABYTES * 2))M
    qemu-img convert -f raw -O qcow2 "$FILES_FOLDER/files.raw" "$FILES_FOLDER/files.qcow2"
    rm -rf -- "$tree"
    printf '%s' "<domain type='qemu'><name>files</name><memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>" \
        "<disk type='file'><driver name='qemu' type='qcow2'/><source file='$FILES_FOLDER/files.qcow2'/>" \
        "<target dev='vda' bus='virtio'/></disk></devices></domain>" | virsh -q define /dev/stdin
}

# files_rows: 'WHAT|METHOD|COUNT' a line, for bench_rows.
files_rows() {
    local what name
    for what in cat domain ls tree inspect copy; do
        case $what in
            cat) name='cat of a file' ;;
            domain) name='the same by the name of the domain' ;;
            ls) name='ls of a directory' ;;
            tree) name="ls -lR of $FILES_NUMBER files" ;;
            inspect) name=inspect ;;
            copy) name="copy-out of $FILES_MEGABYTES MB" ;;
        esac
        printf 'vmkin %s|files-%s-vmkin|1\n' "$name" "$what"
        printf 'libguestfs%s, the same|files-%s-libguestfs|1\n' "${FILES_TCG:+ (TCG)}" "$what"
    done
    printf 'cp -a of that from a mounted image|files-copy-cp|1\n'
    printf 'vmkin df|files-df-vmkin|%s\n' "$FILES_GUESTS"
}

# files_targets RESULTS: 'WHAT|VALUE|TARGET|met or MISSED' a line.
files_targets() {
    local dir=$1 what least memory
    for what in cat:2000 ls:2000 inspect:2000 tree:100 copy:20; do
        least=${what#*:} what=${what%:*}
        files_ratio "libguestfs${FILES_TCG:+ under TCG} / vmkin, $what" "$(median "$dir" "files-$what-libguestfs" 1)" \
            "$(median "$dir" "files-$what-vmkin" 1)" ≥ "$least"
    done
    files_ratio 'cp from a mounted image / vmkin, copy' "$(median "$dir" files-copy-cp 1)" \
        "$(median "$dir" files-copy-vmkin 1)" ≥ 0.7
    files_ratio "vmkin df of $FILES_GUESTS guests, seconds" "$(median "$dir" files-df-vmkin "$FILES_GUESTS")" 1 ≤ 1
    memory=$(awk '$1 == "copy-out" { print $2 }' "$dir/memory" | sort -g | tail -n 1)
    files_ratio 'peak memory of copy-out, MiB' "$memory" 1024 ≤ 64
}

# files_ratio WHAT A B ≥|≤ TARGET: A through B.
files_ratio() {
    awk -v what="$1" -v a="$2" -v b="$3" -v how="$4" -v target="$5" 'BEGIN {
        value = a / b
        met = how == "≥" ? value >= target : value <= target
        form = value < 100 ? "%.2f" : "%.0f"
        printf "%s|" form "|%s %s|%s\n", what, value, how, target, met ? "met" : "MISSED"
    }'
}
