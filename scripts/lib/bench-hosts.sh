# shellcheck shell=bash
# What clones on another host cost, at different round trips, beside virsh; and asking many hosts at once.

# Milliseconds of a round trip, and how many clones vmkin makes there and the shell loop.
HOSTS_DELAYS=(0 10 50)
HOSTS_CLONES=100
HOSTS_LOOP=5
# So many hosts of so many guests, on libvirt's test driver.
HOSTS_MANY=20
HOSTS_GUESTS=500
# As many lines to one libvirtd with so many guests: the slowest, and by how much each is faster than the next.
HOSTS_SLOWEST=50
HOSTS_FASTER=2
HOSTS_ON_LINE=20
# They are reached over TCP, from this port on: of a Unix socket vmkin has to ask first whether the host behind it is
# this one, which costs a daemon 25 ms, and here it is one daemon for all.
HOSTS_PORT=17500

# bench_hosts RESULTS
bench_hosts() {
    local results=$1 round delay uri
    step "another host"
    hosts_start
    hosts_lines
    for ((round = 1; round <= REPEAT; round++)); do
        bench_time "$results" hosts-slowest 1 hosts_vmkin --host "line-$HOSTS_SLOWEST" list
        bench_time "$results" hosts-lines 1 hosts_vmkin --host lines list
    done
    for ((round = 1; round <= REPEAT; round++)); do
        for delay in "${HOSTS_DELAYS[@]}"; do
            uri="qemu+unix:///system?socket=$HOSTS_FOLDER/delay-$delay"
            bench_time "$results" "hosts-vmkin-$delay" "$HOSTS_CLONES" "$VMKIN" -q -c "$uri" clone -d far-golden \
                --name "v$round-$delay-{n:03}" --count "$HOSTS_CLONES"
            bench_time "$results" "hosts-virsh-$delay" "$HOSTS_LOOP" hosts_loop "$uri" "l$round-$delay"
            bench_time "$results" "hosts-list-$delay" 1 "$VMKIN" -c "$uri" list
        done
    done
    hosts_stop
    step "$HOSTS_MANY hosts"
    hosts_many
    for ((round = 1; round <= REPEAT; round++)); do
        bench_time "$results" hosts-one 1 hosts_vmkin -c "test://$HOSTS_FOLDER/host-1.xml" list
        bench_time "$results" hosts-many 1 hosts_vmkin --host all list
    done
}

# hosts_loop URI PREFIX: what people type, one after the other.
hosts_loop() {
    local n name
    for ((n = 1; n <= HOSTS_LOOP; n++)); do
        name=$2-$n
        virsh -q -c "$1" vol-create-as far "$name.qcow2" 1G --format qcow2 --backing-vol golden.qcow2 \
            --backing-vol-format qcow2
        virsh -q -c "$1" dumpxml --inactive far-golden |
            sed -e "s|<name>.*</name>|<name>$name</name>|" -e '/<uuid>/d' -e '/<mac /d' \
                -e "s|golden.qcow2|$name.qcow2|" >"$HOSTS_FOLDER/loop.xml"
        virsh -q -c "$1" define "$HOSTS_FOLDER/loop.xml"
    done
}

hosts_start() {
    local images delay uri
    HOSTS_FOLDER=/run/vmkin-bench-hosts
    images=$(bench_folder hosts)
    mkdir -p "$HOSTS_FOLDER/images"
    cp -- "$GOLDEN_DISK" "$images/golden.qcow2"
    unshare --mount --propagation private bash scripts/lib/far-libvirtd.sh "$images" "$HOSTS_FOLDER/images" \
        "$HOSTS_FOLDER" &
    HOSTS_PIDS=($!)
    uri="qemu+unix:///system?socket=$HOSTS_FOLDER/libvirt-sock"
    until virsh -q -c "$uri" version >/dev/null 2>&1; do sleep 0.1; done
    virsh -q -c "$uri" pool-create-as far dir --target "$HOSTS_FOLDER/images" >/dev/null
    printf '%s' "<domain type='qemu'><name>far-golden</name><memory unit='MiB'>64</memory><os><type>hvm</type></os>" \
        "<devices><disk type='file'><driver name='qemu' type='qcow2'/><source file='$HOSTS_FOLDER/images/golden.qcow2'/>" \
        "<target dev='vda' bus='virtio'/></disk><interface type='user'/></devices></domain>" >"$HOSTS_FOLDER/golden.xml"
    virsh -q -c "$uri" define "$HOSTS_FOLDER/golden.xml"
    for delay in "${HOSTS_DELAYS[@]}"; do hosts_line "delay-$delay" "$delay"; done
}

# hosts_line NAME MILLISECONDS: another socket of that libvirtd, behind a line with this round trip.
hosts_line() {
    python3 scripts/lib/delay.py "$HOSTS_FOLDER/$1" "$HOSTS_FOLDER/libvirt-sock" "$2" &
    HOSTS_PIDS+=($!)
    until [[ -S $HOSTS_FOLDER/$1 ]]; do sleep 0.05; done
}

# hosts_lines: guests to list, and a line for each of many hosts, which are one libvirtd that does the work of all.
hosts_lines() {
    local n delay port names=
    "$VMKIN" -q -c "qemu+unix:///system?socket=$HOSTS_FOLDER/libvirt-sock" clone -d far-golden --name 'line-{n:02}' \
        --count "$HOSTS_ON_LINE" >/dev/null
    mkdir -p "$HOSTS_FOLDER/config/vmkin"
    {
        printf '[hosts]\n'
        for ((n = 0; n < HOSTS_MANY; n++)); do
            delay=$((HOSTS_SLOWEST - n * HOSTS_FASTER))
            port=$((HOSTS_PORT + delay))
            python3 scripts/lib/delay.py "$port" "$HOSTS_FOLDER/libvirt-sock" "$delay" &
            HOSTS_PIDS+=($!)
            until (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.05; done
            printf 'line-%s = "qemu+tcp://127.0.0.1:%s/system"\n' "$delay" "$port"
            names+="\"line-$delay\","
        done
        printf '[groups]\nlines = [%s]\n' "$names"
    } >"$HOSTS_FOLDER/config/vmkin/hosts.toml"
}

hosts_stop() {
    kill "${HOSTS_PIDS[@]}"
    wait "${HOSTS_PIDS[@]}" 2>/dev/null || true
}

hosts_vmkin() { XDG_CONFIG_HOME=$HOSTS_FOLDER/config "$VMKIN" "$@"; }

# hosts_many: each host has a base, and an overlay on it for each guest.
hosts_many() {
    local images host n dir file
    images=$(bench_folder hosts-many)
    mkdir -p "$HOSTS_FOLDER/config/vmkin"
    printf '[hosts]\n' >"$HOSTS_FOLDER/config/vmkin/hosts.toml"
    for ((host = 1; host <= HOSTS_MANY; host++)); do
        dir=$images/$host
        mkdir -p "$dir"
        qemu-img create -q -f qcow2 "$dir/base.qcow2" 1G
        qemu-img create -q -f qcow2 -F qcow2 -b "$dir/base.qcow2" "$dir/1.qcow2"
        file=$HOSTS_FOLDER/host-$host.xml
        {
            printf "<node><pool type='dir'><name>images</name><target><path>%s</path></target></pool>" "$dir"
            for ((n = 1; n <= HOSTS_GUESTS; n++)); do
                [[ -e $dir/$n.qcow2 ]] || cp --sparse=always -- "$dir/1.qcow2" "$dir/$n.qcow2"
                printf '%s' "<domain type='test'><name>h$host-$n</name><memory unit='MiB'>64</memory><os><type>hvm</type>" \
                    "</os><devices><disk type='file'><driver name='qemu' type='qcow2'/><source file='$dir/$n.qcow2'/>" \
                    "<target dev='vda' bus='virtio'/></disk></devices></domain>"
            done
            printf '</node>'
        } >"$file"
        printf 'h%s = "test://%s"\n' "$host" "$file" >>"$HOSTS_FOLDER/config/vmkin/hosts.toml"
    done
    {
        printf '[groups]\nall = ['
        for ((host = 1; host <= HOSTS_MANY; host++)); do printf '"h%s",' "$host"; done
        printf ']\n'
    } >>"$HOSTS_FOLDER/config/vmkin/hosts.toml"
}

# hosts_rows: 'WHAT|METHOD|COUNT' a line, for bench_rows.
hosts_rows() {
    local delay
    for delay in "${HOSTS_DELAYS[@]}"; do
        printf 'vmkin clone on another host, %s ms|hosts-vmkin-%s|%s\n' "$delay" "$delay" "$HOSTS_CLONES"
        printf 'virsh vol-create-as, dumpxml, define there|hosts-virsh-%s|%s\n' "$delay" "$HOSTS_LOOP"
        printf 'vmkin list there|hosts-list-%s|1\n' "$delay"
    done
    printf 'vmkin list, one host at %s ms|hosts-slowest|1\n' "$HOSTS_SLOWEST"
    printf 'vmkin list, %s hosts at %s to %s ms|hosts-lines|1\n' "$HOSTS_MANY" \
        "$((HOSTS_SLOWEST - (HOSTS_MANY - 1) * HOSTS_FASTER))" "$HOSTS_SLOWEST"
    printf 'vmkin list, one host of %s guests|hosts-one|1\n' "$HOSTS_GUESTS"
    printf 'vmkin list, %s such hosts|hosts-many|1\n' "$HOSTS_MANY"
}

# hosts_targets RESULTS: 'WHAT|VALUE|TARGET|met or MISSED' a line.
hosts_targets() {
    local dir=$1 delay target
    for delay in "${HOSTS_DELAYS[@]}"; do
        target=1
        [[ $delay != 10 ]] || target=10
        files_ratio "virsh / vmkin, a clone at $delay ms" \
            "$(median "$dir" "hosts-virsh-$delay" "$HOSTS_LOOP" | awk -v n="$HOSTS_LOOP" '{ print $1 / n }')" \
            "$(median "$dir" "hosts-vmkin-$delay" "$HOSTS_CLONES" | awk -v n="$HOSTS_CLONES" '{ print $1 / n }')" ≥ "$target"
    done
    files_ratio "list: $HOSTS_MANY hosts / the slowest" \
        "$(median "$dir" hosts-lines 1)" "$(median "$dir" hosts-slowest 1)" ≤ 1.5
}
