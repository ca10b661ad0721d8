#!/usr/bin/env bash
# Another host on a wire, for tests: a network of its own, joined by a veth pair to the bridge 'wire' of whoever calls,
# a name, process numbers, and the mounts of far-libvirtd.sh. Its libvirtd is reached over TCP, and over ssh. Run it
# inside the private libvirtd; the host is gone, with its guests, when this is killed.
#
#   wire-host.sh NAME NUMBER VERSION IMAGES PLACE FOLDER
#
# NAME is that of the host and of its end of the wire here. Its address is 10.77.0.NUMBER for VERSION 4, fd77::NUMBER
# for 6; who calls is number 1 of both. In FOLDER, which must be there, are `ssh`, which knows the host and has a key
# for it, and the log of its sshd.
set -eu
SELF=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)/$(basename -- "${BASH_SOURCE[0]}")
# shellcheck source=scripts/lib/common.sh
. "${SELF%/*}/common.sh"

# wire_bridge: the middle of it all, once.
wire_bridge() {
    ip link add wire type bridge 2>/dev/null || return 0
    ip addr add 10.77.0.1/24 dev wire
    ip addr add fd77::1/64 dev wire nodad
    ip link set wire up
}

# wire_outside NAME…: the network, and on to the other half of this file as process 1 of the host.
wire_outside() {
    # What a host of this name has left that was killed.
    ip link del "$1" 2>/dev/null || true
    ip netns del "$1" 2>/dev/null || true
    wire_bridge
    ip netns add "$1"
    ip link add "$1" type veth peer name wire netns "$1"
    ip link set "$1" master wire up
    exec ip netns exec "$1" unshare --mount --uts --pid --fork --kill-child --mount-proc --propagation private \
        "$SELF" --inside "$@"
}

# wire_inside NAME NUMBER VERSION IMAGES PLACE FOLDER
wire_inside() {
    local name=$1 number=$2 version=$3 folder=$6 address
    printf '%s' "$name" >/proc/sys/kernel/hostname
    ip link set lo up
    ip link set wire up
    if [[ $version == 6 ]]; then
        address=fd77::$number
        ip addr add "$address/64" dev wire nodad
    else
        address=10.77.0.$number
        ip addr add "$address/24" dev wire
    fi
    wire_sshd "$address" "$folder"
    # Not in the place of this shell: a process 1 has to wait for what others leave behind, and libvirtd does not.
    bash "${SELF%/*}/far-libvirtd.sh" "$4" "$5" /run/libvirt "6f9f3fa4-1c2a-4d5e-9a54-$(printf '%012d' "$number")" \
        "$address" &
    wait $!
}

# wire_sshd ADDRESS FOLDER: with keys that are made on the spot; root comes in by one alone.
wire_sshd() {
    local address=$1 folder=$2 key
    for key in host user; do
        rm -f -- "$folder/$key" "$folder/$key.pub"
        ssh-keygen -q -t ed25519 -N '' -C "$key" -f "$folder/$key"
    done
    printf '%s %s\n' "$address" "$(cat "$folder/host.pub")" >"$folder/known_hosts"
    cat >"$folder/ssh" <<SSH
#!/bin/sh
exec ssh -F none -i $folder/user -o UserKnownHostsFile=$folder/known_hosts -o GlobalKnownHostsFile=/dev/null \\
    -o StrictHostKeyChecking=yes -o BatchMode=yes -o IdentitiesOnly=yes "\$@"
SSH
    chmod 0755 "$folder/ssh"
    # An account with '!' for its password is locked also for keys.
    printf 'root:*:19000::::::\n' >"$folder/shadow"
    mount --bind "$folder/shadow" /etc/shadow
    mkdir -p /run/sshd
    cat >"$folder/sshd_config" <<CONF
ListenAddress $address
HostKey $folder/host
AuthorizedKeysFile $folder/user.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
CONF
    # It starts itself anew for each client, and takes no name but a whole path.
    "$(PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin type -P sshd)" -f "$folder/sshd_config" -E "$folder/sshd.log"
}

[[ -e /run/vmkin-private ]] || die "this works only inside scripts/with-private-libvirtd.sh"
if [[ $1 == --inside ]]; then
    shift
    wire_inside "$@"
else
    wire_outside "$@"
fi
