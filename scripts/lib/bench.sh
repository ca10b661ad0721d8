# shellcheck shell=bash
# The measurements. Each writes lines 'METHOD COUNT SECONDS' to its results; nothing is printed but progress.

BENCH_ROOT=/var/lib/libvirt/images/bench
VIRT_CLONES=5
# A host with so many domains, half of them with one overlay and half with two; and so many of their disks for qemu-img,
# which would take a quarter of a minute for all.
INDEX=2000
INDEX_SAMPLE=100

# What takes milliseconds, or hangs on the disk of the machine, is repeated more often: single times differ by half.
bench_rounds_of_short() { printf '%d' "$((REPEAT * 5))"; }

# bench_run RESULTS: inside the private libvirtd.
bench_run() {
    local results=$1 round
    bash scripts/make-golden.sh --size 1G --data 200 "$BENCH_ROOT/golden"
    GOLDEN_DISK=$BENCH_ROOT/golden/golden.qcow2
    virsh -q define "$BENCH_ROOT/golden/golden.xml"
    # Once without a stopwatch: caches are warm for all.
    "$VMKIN" clone -d golden --name 'warm-{n:01}' --count 1 --dir "$(bench_folder warm)" >/dev/null
    bench_forget warm-
    for ((round = 1; round <= REPEAT; round++)); do
        step "round $round of $REPEAT"
        bench_vmkin 100 "$round" "$results"
        bench_define "$round" "$results"
        bench_loop "$round" "$results"
        bench_vmkin 500 "$round" "$results" list
        bench_virt_clone "$round" "$results"
    done
    bench_snapshots "$results"
    bench_files "$results"
    bench_disks "$results"
    bench_writes "$results"
    bench_hosts "$results"
    bench_index "$results"
}

# bench_folder NAME: a fresh folder for each measurement, never emptied while others are measured: creating files right
# after deleting many is slow on some file systems, and would be charged to whoever comes next.
bench_folder() {
    mkdir -p -- "$BENCH_ROOT/$1"
    chmod 0755 "$BENCH_ROOT/$1"
    printf '%s' "$BENCH_ROOT/$1"
}

# bench_time RESULTS METHOD COUNT COMMAND…: with nothing of the last one left to be written back.
bench_time() {
    local results=$1 method=$2 count=$3 start end
    shift 3
    sync
    start=$EPOCHREALTIME
    "$@" >/dev/null
    end=$EPOCHREALTIME
    awk -v m="$method" -v c="$count" -v s="${start/,/.}" -v e="${end/,/.}" 'BEGIN { printf "%s %d %.6f\n", m, c, e - s }' |
        tee -a "$results/times" >&2
}

# bench_forget PREFIX: takes the domains away; their folders stay until the end.
bench_forget() {
    virsh -q list --all --name | grep "^$1" | sed 's/^/undefine /' | virsh -q >/dev/null
}

bench_vmkin() {
    local count=$1 round=$2 results=$3 also=${4:-} folder
    folder=$(bench_folder "vmkin-$count-$round")
    bench_time "$results" vmkin "$count" /usr/bin/time -f '%M' -o "$results/memory.new" \
        "$VMKIN" clone -d golden --name 'b-{n:03}' --count "$count" --dir "$folder"
    printf '%d %d\n' "$count" "$(tail -n 1 "$results/memory.new")" >>"$results/memory"
    bench_expect b- "$count"
    if [[ $count -eq 100 ]]; then bench_keep_xml "$round"; fi
    if [[ -n $also ]]; then bench_list "$results" "$folder"; fi
    bench_forget b-
}

# bench_list RESULTS FOLDER: state, processors, memory, disk used and base of each domain, with 500 of them there.
bench_list() {
    bench_time "$1" list 500 "$VMKIN" list
    bench_time "$1" virsh-list 50 virsh_list "$2" 50
    bench_time "$1" tree 500 "$VMKIN" tree
    bench_time "$1" chain 50 qemu_chains "$2" 50
}

# The chains alone of the first COUNT of them, without asking libvirt for anything.
qemu_chains() {
    local n name
    for ((n = 1; n <= $2; n++)); do
        printf -v name 'b-%03d' "$n"
        qemu-img info -U --backing-chain --output=json -f qcow2 "$1/$name.qcow2"
    done
}

# The same by hand, for the first COUNT of them.
virsh_list() {
    local n name
    for ((n = 1; n <= $2; n++)); do
        printf -v name 'b-%03d' "$n"
        virsh -q dominfo "$name"
        virsh -q domblkinfo "$name" --all
        qemu-img info -U --output=json -f qcow2 "$1/$name.qcow2"
    done
}

# bench_snapshots: on a disk of which 1 GiB is in use, and a quarter of that was written since; each of the three on an
# image of its own.
bench_snapshots() {
    local results=$1 round rounds who what
    rounds=$(bench_rounds_of_short)
    SNAPSHOT_FOLDER=$(bench_folder snapshots)
    step "snapshots of a disk of 1 GiB"
    for who in vmkin virsh qemu; do
        qemu-img create -q -f qcow2 "$SNAPSHOT_FOLDER/$who.qcow2" 2G
        snapshot_write "$who" 1G
        snapshot_domain "$who" | virsh -q define /dev/stdin
    done
    for ((round = 1; round <= rounds; round++)); do
        for what in create apply delete; do
            [[ $what != apply ]] || for who in vmkin virsh qemu; do snapshot_write "$who" 256M; done
            for who in vmkin virsh qemu; do
                bench_time "$results" "snapshot-$what-$who" 1 "snapshot_$who" "$what"
            done
        done
        bench_time "$results" call 1 virsh -q domstate s-vmkin
    done
    bench_forget s-
}

snapshot_write() { qemu-io -f qcow2 -c "write -P $((RANDOM % 255 + 1)) 0 $2" "$SNAPSHOT_FOLDER/$1.qcow2" >/dev/null; }

snapshot_domain() {
    printf '%s' "<domain type='qemu'><name>s-$1</name><memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>" \
        "<disk type='file'><driver name='qemu' type='qcow2'/><source file='$SNAPSHOT_FOLDER/$1.qcow2'/>" \
        "<target dev='vda' bus='virtio'/></disk></devices></domain>"
}

snapshot_vmkin() { "$VMKIN" -q --yes snapshot "$1" -d s-vmkin s1; }

snapshot_virsh() {
    case $1 in
        create) virsh -q snapshot-create-as s-virsh s1 ;;
        apply) virsh -q snapshot-revert s-virsh s1 ;;
        delete) virsh -q snapshot-delete s-virsh s1 ;;
    esac
}

snapshot_qemu() {
    local option
    case $1 in create) option=-c ;; apply) option=-a ;; delete) option=-d ;; esac
    qemu-img snapshot "$option" s1 "$SNAPSHOT_FOLDER/qemu.qcow2"
}

# bench_index: who uses which file, on a host with thousands of domains. Last, for it leaves the host full.
bench_index() {
    local results=$1 folder round half=$((INDEX / 2))
    step "a host with $INDEX domains"
    folder=$(bench_folder index)
    "$VMKIN" clone -q -d golden --name 'i-{n:04}' --count "$half" --dir "$folder" >/dev/null
    "$VMKIN" clone -q -d golden k-middle --dir "$folder" >/dev/null
    # With the golden domain and the one in the middle it is a round number.
    "$VMKIN" clone -q -d k-middle --name 'j-{n:04}' --count $((half - 2)) --dir "$folder" >/dev/null
    bench_expect . "$INDEX"
    for ((round = 1; round <= REPEAT; round++)); do
        step "index, round $round of $REPEAT"
        bench_time "$results" index "$INDEX" "$VMKIN" tree --json
        bench_time "$results" base-list "$INDEX" "$VMKIN" base list
        bench_time "$results" index-chain "$INDEX_SAMPLE" index_chains "$folder"
        if [[ -n ${VMKIN_CHAINS_BENCH:-} ]]; then
            "$VMKIN_CHAINS_BENCH" "$folder" "$BENCH_ROOT" | awk '{ printf "native %d %.6f\n", $1, $3 }' | tee -a "$results/times" >&2
        fi
    done
}

# index_chains FOLDER: by qemu-img, half of the sample with one overlay and half with two.
index_chains() {
    local n name
    for ((n = 1; n <= INDEX_SAMPLE / 2; n++)); do
        for name in i j; do
            printf -v name '%s-%04d' "$name" "$n"
            qemu-img info -U --backing-chain --output=json -f qcow2 "$1/$name.qcow2"
        done
    done
}

bench_expect() {
    local made
    made=$(virsh -q list --all --name | grep -c "^$1" || true)
    [[ $made -eq $2 ]] || die "$made domains were made, not $2"
}

# bench_keep_xml ROUND: what vmkin defined, for the floor: the same documents, defined again by nothing but libvirt.
bench_keep_xml() {
    local folder name
    folder=$(bench_folder "xml-$1")
    for name in $(virsh -q list --all --name | grep '^b-'); do
        virsh -q dumpxml --inactive "$name" >"$folder/$name.xml"
    done
}

# bench_define: the floor, 100 define calls on one connection. The process around them is timed empty and subtracted
# in virsh's case; a program of the crate, VMKIN_DEFINE_BENCH FOLDER, prints its seconds itself.
bench_define() {
    local round=$1 results=$2 folder=$BENCH_ROOT/xml-$1 seconds
    if [[ -n ${VMKIN_DEFINE_BENCH:-} ]]; then
        sync
        seconds=$("$VMKIN_DEFINE_BENCH" "$folder")
        printf 'define 100 %s\n' "$seconds" | tee -a "$results/times" >&2
    else
        printf 'define %s\n' "$folder"/*.xml >"$folder/batch"
        bench_time "$results" define 100 virsh -q <"$folder/batch"
        bench_expect b- 100
    fi
    bench_forget b-
}

# bench_loop: the way of the tutorials, as scripts do it: for each clone an overlay, the XML of the golden domain with
# four things replaced, and a define.
bench_loop() {
    local round=$1 results=$2
    LOOP_FOLDER=$(bench_folder "loop-$round")
    bench_time "$results" loop 100 loop_clones 100
    bench_expect l- 100
    bench_forget l-
}

loop_clones() {
    local n name uuid mac
    for ((n = 1; n <= $1; n++)); do
        printf -v name 'l-%03d' "$n"
        read -r uuid </proc/sys/kernel/random/uuid
        printf -v mac '52:54:00:%02x:%02x:%02x' $((RANDOM % 256)) $((RANDOM % 256)) $((RANDOM % 256))
        qemu-img create -q -f qcow2 -b "$GOLDEN_DISK" -F qcow2 "$LOOP_FOLDER/$name.qcow2"
        virsh -q dumpxml --inactive golden >"$LOOP_FOLDER/$name.xml"
        sed -i -e "s|<name>.*</name>|<name>$name</name>|" -e "s|<uuid>.*</uuid>|<uuid>$uuid</uuid>|" \
            -e "s|<mac address=.*/>|<mac address='$mac'/>|" -e "s|$GOLDEN_DISK|$LOOP_FOLDER/$name.qcow2|" \
            "$LOOP_FOLDER/$name.xml"
        virsh -q define "$LOOP_FOLDER/$name.xml"
    done
}

bench_virt_clone() {
    local round=$1 results=$2 pool
    CLONE_FOLDER=$(bench_folder "virt-clone-$round")
    bench_time "$results" virt-clone "$VIRT_CLONES" virt_clones
    bench_expect v- "$VIRT_CLONES"
    bench_forget v-
    # It defines a storage pool for each folder it meets.
    for pool in $(virsh -q pool-list --all --name); do
        virsh -q pool-destroy "$pool" >/dev/null 2>&1 || true
        virsh -q pool-undefine "$pool" >/dev/null
    done
    # Few and large: these are removed at once, for their size.
    rm -rf -- "$CLONE_FOLDER"
}

virt_clones() {
    local n
    for ((n = 1; n <= VIRT_CLONES; n++)); do
        virt-clone --connect qemu:///system --quiet --original golden --name "v-$n" --file "$CLONE_FOLDER/v-$n.qcow2"
    done
}
