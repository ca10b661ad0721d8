#!/usr/bin/env bash
# Another host, for tests and benchmarks: a libvirtd in mounts of its own, of which others see the socket alone. Run it by
# `unshare --mount --propagation private` inside the private libvirtd; wire-host.sh makes one that has a network, too.
#
#   far-libvirtd.sh IMAGES PLACE SOCKETS [UUID [ADDRESS]]
#
# The files of the directory IMAGES are at PLACE there; the socket is in SOCKETS. UUID is that of the host. At ADDRESS
# it listens on TCP, and lets everybody in.
set -eu
mount --bind "$1" "$2"
for place in /etc/libvirt /run/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt; do
    mount -t tmpfs -o mode=0755 far "$place"
done
mkdir -p /etc/libvirt/qemu /var/lib/libvirt/images
cat >/etc/libvirt/libvirtd.conf <<CONF
unix_sock_dir = "$3"
auth_unix_ro = "none"
auth_unix_rw = "none"
host_uuid = "${4:-6f9f3fa4-1c2a-4d5e-9a54-0c6a7b1c2d3e}"
log_outputs = "2:file:/var/log/libvirt/libvirtd.log"
CONF
if [[ -n ${5:-} ]]; then
    printf '%s\n' 'listen_tls = 0' 'listen_tcp = 1' 'auth_tcp = "none"' "listen_addr = \"$5\"" >>/etc/libvirt/libvirtd.conf
fi
printf '%s\n' 'security_driver = "none"' 'namespaces = []' 'stdio_handler = "file"' >/etc/libvirt/qemu.conf
: >/etc/libvirt/libvirt.conf
exec libvirtd -p "$3/pid" -f /etc/libvirt/libvirtd.conf ${5:+--listen}
