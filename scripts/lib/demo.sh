# shellcheck shell=bash
# The demo itself: each step says what it is for and shows the command as one would type it.

COUNT=20

# show COMMAND…: prints it the way it is typed, then runs it; `vmkin` is the one that was just built.
show() {
    local word line=
    for word in "$@"; do
        if [[ $word == *[!A-Za-z0-9_./:=,@%+-]* ]]; then word="'$word'"; fi
        line+=" $word"
    done
    printf '\n$%s\n' "$line"
    if [[ $1 == vmkin ]]; then
        shift
        "$VMKIN" "$@"
    else
        "$@"
    fi
}

tell() { printf '\n# %s\n' "$*"; }

# demo_run DIR PREFIX: with a golden image in DIR; all names begin with PREFIX.
demo_run() {
    local dir=$1 prefix=$2 guest
    local golden=${prefix}golden one=${prefix}web-01 two=${prefix}web-02 before after
    DEMO_PREFIX=$prefix
    trap demo_clean EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP

    tell "A golden guest: a kernel, busybox and a small disk. Defined, shut off, never started again."
    show virsh -q define "$dir/$golden.xml"
    before=$(demo_fingerprint "$dir/$golden.qcow2")

    tell "$COUNT linked clones of it."
    time show vmkin clone -d "$golden" --name "${prefix}web-{n:02}" --count "$COUNT"
    show vmkin list

    tell "Two of them boot at the same time."
    show vmkin start -d "$one" "$two"
    for guest in "$one" "$two"; do
        show vmkin ip -d "$guest" --wait
    done

    tell "What they say on their consoles: own MAC, own address."
    for guest in "$one" "$two"; do demo_console "$guest"; done
    demo_differ "$one" "$two"
    show vmkin list

    tell "The golden image has not changed by a byte."
    after=$(demo_fingerprint "$dir/$golden.qcow2")
    [[ $before == "$after" ]] || die "the golden image has changed"
    printf '%s\n' "$after"

    tell "Gone again, with their disks and nothing else."
    # shellcheck disable=SC2046  # one word is one name
    show vmkin delete --yes --force -d $(demo_clone_names)
    show vmkin list
}

demo_clone_names() {
    local n
    for ((n = 1; n <= COUNT; n++)); do printf '%sweb-%02d ' "$DEMO_PREFIX" "$n"; done
}

demo_fingerprint() { sha256sum -- "$1"; }

# demo_log GUEST: the file that the guest's serial port is copied to.
demo_log() { virsh -q dumpxml "$1" | xmllint --xpath 'string(//serial/log/@file)' -; }

demo_console() {
    local log tries
    log=$(demo_log "$1")
    [[ -n $log ]] || die "the serial port of '$1' is not logged"
    for ((tries = 0; tries < 600; tries++)); do
        grep -a -q VMKIN-READY "$log" 2>/dev/null && break
        sleep 0.1
    done
    grep -a VMKIN-READY "$log" | tr -d '\r' || die "'$1' did not boot within a minute" "its console is in $log"
}

demo_differ() {
    local word one two
    for word in mac ip; do
        one=$(demo_console "$1" | sed "s/.*$word=\([^ ]*\).*/\1/")
        two=$(demo_console "$2" | sed "s/.*$word=\([^ ]*\).*/\1/")
        [[ $one != none && $one != "$two" ]] || die "'$1' and '$2' have the same $word: $one"
    done
}

# demo_clean: whatever is left under our prefix. In the private libvirtd every guest is ours, and all of it goes anyway.
demo_clean() {
    trap '' INT TERM HUP
    local guest
    [[ -n $DEMO_PREFIX ]] || return 0
    for guest in $(virsh -q list --all --name | grep "^$DEMO_PREFIX" || true); do
        virsh -q destroy "$guest" >/dev/null 2>&1 || true
        virsh -q undefine "$guest" >/dev/null || true
    done
    chattr -R -i -- "$DEMO_DIR" 2>/dev/null || true
    rm -rf -- "$DEMO_DIR"
}

demo_on_system() {
    export LIBVIRT_DEFAULT_URI=qemu:///system
    local prefix=vmkin-demo-
    virsh -q version >/dev/null || die "this host's libvirt does not answer" "systemctl start libvirtd, or scripts/demo.sh without --system"
    virsh -q net-list --name | grep -qx default || die "libvirt's network 'default' is not active" "virsh net-start default"
    [[ -z $(virsh -q list --all --name | grep "^$prefix" || true) ]] ||
        die "there are guests here already whose names begin with '$prefix'" "is another demo running? virsh list --all"
    DEMO_DIR=$(mktemp -d -- "/var/lib/libvirt/images/${prefix}XXXXXX")
    DEMO_PREFIX=$prefix
    trap demo_clean EXIT
    bash scripts/make-golden.sh --name "${prefix}golden" "$DEMO_DIR"
    demo_run "$DEMO_DIR" "$prefix"
}
