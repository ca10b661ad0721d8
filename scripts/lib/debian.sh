# shellcheck shell=bash
# The parts of the Debian guests: what debootstrap makes, less what no test looks at, and the suite's own kernel beside
# it. Needs root, for the packages' scripts run in a chroot.

DEBIAN_SOURCE=$SCRIPTS_DIR/debian
# kmod is what the kernel calls for the driver of a file system, such as that of a seed.
DEBIAN_INCLUDE=systemd-sysv,udev,kmod,dbus,iproute2,openssh-server
# What udev and systemd may ask for, and each file system that a seed can have; the rest of the kernel's modules stays
# out of the image.
DEBIAN_MODULES=(
    virtio_pci virtio_blk virtio_net virtio_rng virtio_console virtio_scsi ext4 vfat nls_cp437 nls_ascii nls_utf8
    nls_iso8859_1 isofs sr_mod sd_mod ata_piix ahci autofs4 qemu_fw_cfg dmi_sysfs button evdev loop
)
# Each of these costs seconds without KVM, and none has anything to do in a guest that lives for a minute.
DEBIAN_MASKED=(
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer
    getty@tty1.service systemd-pstore.service systemd-firstboot.service systemd-binfmt.service
    proc-sys-fs-binfmt_misc.automount modprobe@.service sys-fs-fuse-connections.mount sys-kernel-config.mount
    sys-kernel-debug.mount sys-kernel-tracing.mount dev-hugepages.mount dev-mqueue.mount
)

# debian_suite FLAVOR: the release that shows what the flavor is for.
debian_suite() {
    case $1 in
        cloud-init) echo bookworm ;;
        # The first stable one whose systemd takes the host name and the machine id from credentials.
        credentials) echo trixie ;;
        *) die "there is no flavor '$1'" "--flavor cloud-init, or --flavor credentials" ;;
    esac
}

# debian_mirror: where this machine's apt gets Debian from; empty on others, and debootstrap then knows where.
debian_mirror() {
    have apt-get || return 0
    # By what the lists say of themselves, or without lists by the path that most mirrors have.
    apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        awk -F '|' '$3 != "main" { next }
            $1 == "Debian" && $2 == "Debian" { print $4; found = 1; exit }
            $1 == "" && $4 ~ /\/debian\/?$/ && guess == "" { guess = $4 }
            END { if (!found && guess != "") print guess }'
}

# debian_proxy: debootstrap downloads with wget, which knows nothing of apt's proxies.
debian_proxy() {
    local scheme proxy=
    for scheme in http https; do
        have apt-config || return 0
        eval "$(apt-config shell proxy "Acquire::$scheme::Proxy")"
        [[ -z $proxy || $proxy == DIRECT ]] || export "${scheme}_proxy=${!scheme_proxy:-$proxy}"
    done
}

# debian_tree FLAVOR DIR: the installed system in DIR/tree, the kernel's files in DIR/kernel.
debian_tree() {
    local flavor=$1 tree=$2/tree suite mirror log=$2/log
    suite=$(debian_suite "$flavor")
    mirror=$(debian_mirror)
    # 'sid' is the script for all of them; an older debootstrap has no other for a newer suite.
    debootstrap --variant=minbase "--include=$DEBIAN_INCLUDE" "$suite" "$tree" \
        ${mirror:+"$mirror" /usr/share/debootstrap/scripts/sid} >"$log" 2>&1 || debian_failed "$log"
    printf 'path-exclude=/usr/share/%s/*\n' doc man info locale i18n lintian >"$tree/etc/dpkg/dpkg.cfg.d/lean"
    # Nothing may be started in a chroot on a machine without systemd either.
    printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
    chmod 0755 "$tree/usr/sbin/policy-rc.d"
    # The host trusts its mirror; the new system has no certificates yet.
    cat /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt >"$tree/host-ca.crt" 2>/dev/null || true
    # `--include=cloud-init` fails: debootstrap configures it before the python that it needs.
    [[ $flavor != cloud-init ]] ||
        debian_apt "$tree" install -y -q --no-install-recommends cloud-init sudo >>"$log" 2>&1 || debian_failed "$log"
    # With it, a snapshot of the running guest has whole file systems.
    [[ $flavor != credentials ]] ||
        debian_apt "$tree" install -y -q --no-install-recommends qemu-guest-agent >>"$log" 2>&1 || debian_failed "$log"
    mkdir "$tree/kernel"
    # shellcheck disable=SC2046  # one word is one package
    debian_apt "$tree" -q download $(kernel_packages linux-image-cloud-amd64 chroot "$tree") >>"$log" 2>&1 ||
        debian_failed "$log"
    # shellcheck disable=SC2016  # the chroot's shell expands it
    chroot "$tree" /bin/sh -ec 'for package in *.deb; do dpkg-deb -x "$package" /kernel && rm "$package"; done'
    mv -- "$tree/kernel" "$2/kernel"
}

debian_failed() {
    tail -n 20 -- "$1" >&2
    die "the Debian guest could not be made"
}

debian_apt() {
    local tree=$1
    shift
    chroot "$tree" env DEBIAN_FRONTEND=noninteractive apt-get -o APT::Sandbox::User=root -o Dpkg::Use-Pty=0 \
        -o Acquire::https::CaInfo=/host-ca.crt "$@" </dev/null
}

# debian_kernel DIR: KERNEL_IMAGE, KERNEL_VERSION and KERNEL_ROOT as kernel_find sets them, and the modules of the image.
debian_kernel() {
    local module
    KERNEL_IMAGE=$(compgen -G "$1/kernel/boot/vmlinuz-*")
    KERNEL_VERSION=${KERNEL_IMAGE##*/vmlinuz-}
    KERNEL_ROOT=$1/kernel
    [[ -d $KERNEL_ROOT/lib/modules ]] || KERNEL_ROOT=$1/kernel/usr
    golden_module_index
    (
        cd -- "$KERNEL_ROOT/lib/modules/$KERNEL_VERSION" || exit
        for module in "${DEBIAN_MODULES[@]}"; do golden_module_chain "$module"; done | sort -u |
            xargs cp --parents -t "$(debian_mkdir "$1/tree/usr/lib/modules/$KERNEL_VERSION")" modules.order modules.builtin{,.modinfo}
    )
    PATH=$PATH:/usr/sbin:/sbin depmod -b "$1/tree" "$KERNEL_VERSION"
}

debian_mkdir() { mkdir -p -- "$1" && printf '%s' "$1"; }

# debian_configure FLAVOR TREE: a golden image, with nothing of the place where it was made.
debian_configure() {
    local flavor=$1 tree=$2 unit
    rm -rf -- "$tree"/{host-ca.crt,usr/sbin/policy-rc.d,etc/apt/sources.list,etc/resolv.conf} \
        "$tree"/var/{lib/apt/lists,cache/apt,cache/debconf,log}/* "$tree"/usr/share/{doc,man,info,locale,i18n}/* \
        "$tree"/etc/ssh/ssh_host_* "$tree/var/lib/dbus/machine-id"
    # Empty, not absent: with none systemd would take this for a first boot, and ask questions on the console. And no
    # copy of dbus, as debootstrap leaves one: systemd would take the id from there, and every clone the same.
    : >"$tree/etc/machine-id"
    printf '/dev/vda / ext4 rw,noatime 0 1\n' >"$tree/etc/fstab"
    printf '[Match]\nType=ether\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n' \
        >"$tree/etc/systemd/network/90-dhcp.network"
    printf '127.0.0.1 localhost\n' >"$tree/etc/hosts"
    mkdir -p "$tree/etc/systemd/journald.conf.d"
    printf '[Journal]\nStorage=volatile\n' >"$tree/etc/systemd/journald.conf.d/lean.conf"
    cp -- "$DEBIAN_SOURCE/ready" "$tree/usr/local/sbin/vmkin-ready"
    chmod 0755 "$tree/usr/local/sbin/vmkin-ready"
    cp -- "$DEBIAN_SOURCE/ready.service" "$tree/etc/systemd/system/vmkin-ready.service"
    local enabled=(systemd-networkd.service vmkin-ready.service)
    case $flavor in
        cloud-init)
            # A name, as golden images have; cloud-init replaces it.
            printf 'golden\n' >"$tree/etc/hostname"
            printf '127.0.1.1 golden\n' >>"$tree/etc/hosts"
            cp -- "$DEBIAN_SOURCE/cloud.cfg" "$tree/etc/cloud/cloud.cfg.d/90_vmkin.cfg"
            rm -rf -- "$tree/var/lib/cloud"
            # cloud-init writes the network's configuration itself.
            rm -- "$tree/etc/systemd/network/90-dhcp.network"
            ;;
        credentials)
            # No name at all: one in this file would win over the credential.
            rm -f -- "$tree/etc/hostname"
            cp -- "$DEBIAN_SOURCE/hostkeys.service" "$tree/etc/systemd/system/vmkin-hostkeys.service"
            enabled+=(vmkin-hostkeys.service)
            ;;
    esac
    mount -t proc proc "$tree/proc"
    chroot "$tree" systemctl -q enable "${enabled[@]}"
    umount "$tree/proc"
    for unit in "${DEBIAN_MASKED[@]}"; do ln -sf /dev/null "$tree/etc/systemd/system/$unit"; done
    # As new as /usr, so that systemd has nothing to update at the first boot. Other files keep their times: Python
    # compiles each module anew whose source is not as old as its compiled form says.
    touch -r "$tree/usr" "$tree/etc/.updated" "$tree/var/.updated"
}

# debian_xml DIR NAME: the domain, with the disk and the kernel at their places.
debian_xml() {
    sed -e "s|@TYPE@|$(domain_type)|" -e "s|@DIR@|$1|g" -e "s|@NAME@|$2|g" "$DEBIAN_SOURCE/domain.xml"
}
