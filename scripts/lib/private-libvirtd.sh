# shellcheck shell=bash
# A libvirtd that is alone in the world: own mounts, own network, own process numbers.
#
# Why each wall is there:
#   mounts   its sockets, configuration, state and images are fresh; the host's guests and networks are not even known,
#            so none can be started, changed or deleted by mistake. No D-Bus: no machined, no firewalld of the host.
#   network  bridges and dnsmasq do not meet the host's; the guests reach nothing.
#   pids     when process 1 goes, the kernel kills every daemon and guest with it: nothing survives a kill -9 either.

PRIVATE_RUN=/run/libvirt
PRIVATE_MARK=/run/vmkin-private
PRIVATE_URI=qemu:///system
PRIVATE_MOUNTS=(/etc/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt /var/lib/vmkin)
PRIVATE_WORK_PREFIX=/var/tmp/vmkin-private.

# --- outside: a work folder, the walls, and a broom ---

# private_outside COMMAND…: uses GOLDEN, DEBIAN, IMAGES and SELF of the caller; ends the script with the command's exit
# code.
private_outside() {
    local status=0 place
    [[ -z $DEBIAN ]] || private_debian
    private_sweep
    PRIVATE_WORK=$(mktemp -d -- "${PRIVATE_WORK_PREFIX}XXXXXX")
    chmod 0755 "$PRIVATE_WORK"
    exec 9>"$PRIVATE_WORK/lock"
    flock 9
    for place in "${PRIVATE_MOUNTS[@]}"; do
        [[ -d $place ]] || { mkdir -p -- "$place" && printf '%s\n' "$place" >>"$PRIVATE_WORK/created"; }
    done
    trap private_clean EXIT
    mkdir -p "$PRIVATE_WORK/images"
    # Process 1 dies with unshare (--kill-child), and unshare with us (--pdeathsig), so a kill -9 leaves nobody.
    # A shell starts background commands with SIGINT ignored; `env` gives it its meaning back.
    GOLDEN=$GOLDEN DEBIAN=$DEBIAN env --default-signal=INT,QUIT setpriv --pdeathsig KILL \
        unshare --mount --net --pid --fork --kill-child --mount-proc --propagation private \
        "$SELF" --inside "${IMAGES:-$PRIVATE_WORK/images}" "$@" <&0 9>&9 &
    PRIVATE_CHILD=$!
    trap private_signal INT TERM HUP
    while kill -0 "$PRIVATE_CHILD" 2>/dev/null; do
        status=0
        wait "$PRIVATE_CHILD" || status=$?
    done
    exit "$status"
}

# private_debian [DIR]: both guests, into the cache where packages can still be reached, or from there into DIR.
private_debian() {
    local flavor made=() child
    for flavor in cloud-init credentials; do
        "$SCRIPTS_DIR/make-debian.sh" --flavor "$flavor" "$@" &
        made+=($!)
    done
    for child in "${made[@]}"; do wait "$child" || die "there is no Debian guest for the tests"; done
}

# unshare itself ignores signals: the one to tell is its child, process 1 in there.
private_signal() {
    pkill -TERM -P "$PRIVATE_CHILD" 2>/dev/null || true
}

private_clean() {
    trap '' INT TERM HUP
    kill -KILL "${PRIVATE_CHILD:-}" 2>/dev/null || true
    private_remove_work "$PRIVATE_WORK"
}

private_remove_work() {
    local place
    # Sealed bases are immutable, also for root.
    chattr -R -i -- "$1" 2>/dev/null || true
    # The kernel takes a mount away with the folder under it, so folders that another run uses as well stay for it.
    if [[ -s $1/created ]] && [[ $(compgen -G "$PRIVATE_WORK_PREFIX*") == "$1" ]]; then
        while read -r place; do rmdir -- "$place" 2>/dev/null || true; done <"$1/created"
    fi
    rm -rf -- "$1"
}

# private_sweep: what a run killed by force left behind; a live one holds its lock, once it has come to taking it.
private_sweep() {
    local folder
    for folder in $(compgen -G "$PRIVATE_WORK_PREFIX*" || true); do
        [[ -O $folder && ! -L $folder && -e $folder/lock ]] || continue
        [[ -n $(find "$folder" -maxdepth 0 -mmin +1) ]] || continue
        if flock -n "$folder/lock" true; then private_remove_work "$folder"; fi
    done
}

# --- inside: process 1 ---

# private_inside IMAGES COMMAND…
private_inside() {
    local images=$1 status=0
    shift
    trap 'exit 143' TERM HUP
    trap 'exit 130' INT
    private_walls "$images"
    private_configure
    export LIBVIRT_DEFAULT_URI=$PRIVATE_URI
    unset LISTEN_FDS LISTEN_PID DBUS_SYSTEM_BUS_ADDRESS DBUS_SESSION_BUS_ADDRESS
    PATH=$SCRIPTS_DIR/lib/private-bin:$PATH:/usr/sbin:/sbin
    trap private_end EXIT
    private_start
    private_network
    if [[ -n ${GOLDEN:-} ]]; then
        "$SCRIPTS_DIR/make-golden.sh" /var/lib/libvirt/images/golden
        export VMKIN_GOLDEN_DIR=/var/lib/libvirt/images/golden
    fi
    if [[ -n ${DEBIAN:-} ]]; then
        private_debian /var/lib/libvirt/images/debian
        export VMKIN_DEBIAN_DIR=/var/lib/libvirt/images/debian
    fi
    # In the background with our input, so that a signal is acted on at once and not when the command ends.
    env --default-signal=INT,QUIT "$@" <&0 &
    PRIVATE_COMMAND=$!
    wait "$PRIVATE_COMMAND" || status=$?
    PRIVATE_COMMAND=
    exit "$status"
}

private_walls() {
    local place
    for place in /run "${PRIVATE_MOUNTS[@]}"; do
        mount -t tmpfs -o mode=0755 vmkin-private "$place"
    done
    mkdir -p "$PRIVATE_RUN" /run/lock /var/lib/libvirt/images
    : >"$PRIVATE_MARK"
    # On a real disk: sealing, fsync and free space behave as on a host.
    mount --bind "$1" /var/lib/libvirt/images
    # Without control groups in sight libvirt runs guests without them, and leaves no group behind.
    local kind
    while read -r _ place kind _; do
        [[ $kind != cgroup* ]] || umount -R -l -- "$(printf '%b' "$place")" 2>/dev/null || true
    done </proc/self/mounts
    # A /dev/kvm that is there and does not work makes libvirt ask QEMU for its abilities again at every define and
    # start (a second each), for it believes its notes to be out of date. One that QEMU's user can't open does not.
    if [[ -e /dev/kvm ]] && ! use_kvm; then
        : >/run/no-kvm
        chmod 0000 /run/no-kvm
        mount --bind /run/no-kvm /dev/kvm
    fi
    ip link set lo up
}

private_configure() {
    mkdir -p /etc/libvirt/qemu/networks/autostart /etc/libvirt/nwfilter
    cat >/etc/libvirt/libvirtd.conf <<'CONF'
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_rw_perms = "0700"
log_outputs = "2:file:/var/log/libvirt/libvirtd.log"
CONF
    # DAC stays as on any host (guests run as libvirt-qemu, disks change hands); AppArmor and SELinux profiles would
    # have to be loaded into the kernel that we share with the host.
    cat >/etc/libvirt/qemu.conf <<'CONF'
security_driver = "none"
namespaces = []
CONF
    : >/etc/libvirt/virtlogd.conf
    : >/etc/libvirt/libvirt.conf
}

private_only() {
    [[ -n ${LIBVIRT_DEFAULT_URI:-} && -e $PRIVATE_MARK ]] ||
        die "this works only inside scripts/with-private-libvirtd.sh"
}

# private_start: virtlogd if it is not there (it outlives libvirtd), then libvirtd, until it answers.
private_start() {
    private_only
    private_running virtlogd || virtlogd -d -p "$PRIVATE_RUN/virtlogd.pid"
    private_running libvirtd || libvirtd -d -p "$PRIVATE_RUN/libvirtd.pid" -f /etc/libvirt/libvirtd.conf
    local tries
    for ((tries = 0; tries < 600; tries++)); do
        virsh -q -c "$PRIVATE_URI" version >/dev/null 2>&1 && return 0
        private_running libvirtd || break
        sleep 0.05
    done
    [[ ! -r /var/log/libvirt/libvirtd.log ]] || tail -n 20 /var/log/libvirt/libvirtd.log >&2
    die "the private libvirtd did not come up"
}

private_pid() { cat "$PRIVATE_RUN/$1.pid" 2>/dev/null; }

private_running() {
    local pid
    pid=$(private_pid "$1") && [[ -n $pid ]] && kill -0 "$pid" 2>/dev/null
}

# private_halt SIGNAL: ends libvirtd and waits until it is gone; guests go on.
private_halt() {
    private_only
    local pid tries
    pid=$(private_pid libvirtd) || return 0
    kill "-$1" "$pid" 2>/dev/null || return 0
    for ((tries = 0; tries < 200; tries++)); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    kill -KILL "$pid" 2>/dev/null || true
    rm -f -- "$PRIVATE_RUN/libvirtd.pid"
}

# The stock network but for one word: 'open' asks for no packet filter, which a kernel may lack, and behind these
# walls there is nowhere to forward to. And dnsmasq does not ping each address for three seconds before it offers it,
# during which it answers no other guest: with four guests at once some would give up.
private_network() {
    local file=/run/vmkin-private-network.xml
    cat >"$file" <<'XML'
<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>
  <name>default</name>
  <forward mode='open'/>
  <bridge name='virbr0' stp='off' delay='0'/>
  <ip address='192.168.122.1' netmask='255.255.255.0'>
    <dhcp><range start='192.168.122.100' end='192.168.122.254'/></dhcp>
  </ip>
  <dnsmasq:options><dnsmasq:option value='no-ping'/></dnsmasq:options>
</network>
XML
    virsh -q net-define "$file" >/dev/null
    virsh -q net-start default >/dev/null
    virsh -q net-autostart default >/dev/null
}

# Guests are destroyed through libvirt where it still answers, so that disks outside get their owners back; whatever is
# left then dies with process 1.
private_end() {
    trap '' INT TERM HUP
    local guest
    [[ -z ${PRIVATE_COMMAND:-} ]] || kill -TERM "$PRIVATE_COMMAND" 2>/dev/null || true
    if private_running libvirtd; then
        for guest in $(timeout 5 virsh -q list --uuid 2>/dev/null); do
            timeout 10 virsh -q destroy "$guest" >/dev/null 2>&1 || true
        done
        private_halt TERM
    fi
    if [[ -n ${VMKIN_PRIVATE_LOGS:-} ]]; then
        mkdir -p -- "$VMKIN_PRIVATE_LOGS"
        cp -r /var/log/libvirt/. "$VMKIN_PRIVATE_LOGS/" || true
        chown -R --reference="$VMKIN_PRIVATE_LOGS/.." "$VMKIN_PRIVATE_LOGS" || true
    fi
}
