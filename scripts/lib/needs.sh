# shellcheck shell=bash
# What each task needs, as questions to the machine (never to the package database: a hand-built QEMU counts too),
# and the package that answers each of them. One line: QUESTION | apt package | dnf package.
#   cmd:NAME    a program     pc:NAME  a pkg-config module     file:GLOB  a file
#   static:NAME a program that needs no library               lib:NAME  a libvirt driver, by the name of its file

needs_build() {
    cat <<'LIST'
cmd:pkg-config | pkg-config | pkgconf-pkg-config
cmd:gcc | gcc | gcc
file:/usr/include/stdlib.h | libc6-dev | glibc-devel
file:/etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt | ca-certificates | ca-certificates
pc:libvirt | libvirt-dev | libvirt-devel
LIST
}

needs_test() {
    cat <<'LIST'
cmd:g++ | g++ | gcc-c++
cmd:libvirtd | libvirt-daemon-system | libvirt-daemon
cmd:virtlogd | libvirt-daemon-system | libvirt-daemon-log
file:/etc/libvirt/nwfilter | libvirt-daemon-config-nwfilter | libvirt-daemon-config-nwfilter
lib:qemu | libvirt-daemon-driver-qemu | libvirt-daemon-driver-qemu
lib:network | libvirt-daemon-driver-network | libvirt-daemon-driver-network
lib:storage | libvirt-daemon-driver-storage | libvirt-daemon-driver-storage
lib:nodedev | libvirt-daemon-driver-nodedev | libvirt-daemon-driver-nodedev
lib:nwfilter | libvirt-daemon-driver-nwfilter | libvirt-daemon-driver-nwfilter
lib:secret | libvirt-daemon-driver-secret | libvirt-daemon-driver-secret
cmd:virsh | libvirt-clients | libvirt-client
cmd:virt-xml-validate | libvirt-clients | libvirt-client
cmd:qemu-system-x86_64 | qemu-system-x86 | qemu-system-x86-core
cmd:qemu-img | qemu-utils | qemu-img
static:busybox | busybox-static | busybox
cmd:dnsmasq | dnsmasq-base | dnsmasq
cmd:ip | iproute2 | iproute
cmd:mke2fs | e2fsprogs | e2fsprogs
cmd:debugfs | e2fsprogs | e2fsprogs
cmd:blkid | util-linux | util-linux
cmd:guestfish | libguestfs-tools | guestfs-tools
cmd:fusermount3 | fuse3 | fuse3
file:/usr/lib/*/guestfs/supermin.d/*packages-xfs /usr/lib64/guestfs/supermin.d/*packages-xfs | libguestfs-xfs | libguestfs-xfs
cmd:setfacl | acl | acl
cmd:mtype | mtools | mtools
cmd:mcopy | mtools | mtools
cmd:mdir | mtools | mtools
cmd:fsck.fat | dosfstools | dosfstools
cmd:mkfs.xfs | xfsprogs | xfsprogs
cmd:xfs_io | xfsprogs | xfsprogs
cmd:mkfs.btrfs | btrfs-progs | btrfs-progs
cmd:setfattr | attr | attr
cmd:xmllint | libxml2-utils | libxml2
cmd:virt-clone | virtinst | virt-install
file:/usr/share/osinfo/os/*/*.xml | osinfo-db | osinfo-db
file:/usr/lib/*/girepository-1.0/Libosinfo-1.0.typelib /usr/lib64/girepository-1.0/Libosinfo-1.0.typelib | gir1.2-libosinfo-1.0 | libosinfo
file:/usr/lib/python3/dist-packages/gi/__init__.py /usr/lib64/python3*/site-packages/gi/__init__.py | python3-gi | python3-gobject-base
cmd:strace | strace | strace
file:/usr/bin/time | time | time
cmd:depmod | kmod | kmod
cmd:cpio | cpio | cpio
cmd:xz | xz-utils | xz
cmd:zstd | zstd | zstd
cmd:unshare | util-linux | util-linux
cmd:mount | mount | util-linux
cmd:ps | procps | procps-ng
file:/usr/share/OVMF/OVMF_CODE*.fd /usr/share/edk2/ovmf/OVMF_CODE*.fd | ovmf | edk2-ovmf
cmd:swtpm | swtpm | swtpm
cmd:swtpm_setup | swtpm-tools | swtpm-tools
cmd:losetup | mount | util-linux
cmd:bindfs | bindfs | bindfs
cmd:lsattr | e2fsprogs | e2fsprogs
cmd:chattr | e2fsprogs | e2fsprogs
cmd:setpriv | util-linux | util-linux
cmd:debootstrap | debootstrap | debootstrap
cmd:wget | wget | wget
file:/usr/share/keyrings/debian-archive-keyring.* | debian-archive-keyring | debian-keyring
cmd:chroot | coreutils | coreutils
cmd:ssh | openssh-client | openssh-clients
cmd:ssh-keygen | openssh-client | openssh
cmd:sshd | openssh-server | openssh-server
cmd:virt-ssh-helper | libvirt-daemon-system | libvirt-daemon-common
cmd:sfdisk | fdisk | util-linux
cmd:sgdisk | gdisk | gdisk
cmd:parted | parted | parted
cmd:lvm | lvm2 | lvm2
cmd:mkswap | util-linux | util-linux
cmd:mkfs.vfat | dosfstools | dosfstools
cmd:mkfs.exfat | exfatprogs | exfatprogs
cmd:hivexsh | libhivex-bin | hivex
cmd:rpm | rpm | rpm
cmd:rpmbuild | rpm | rpm-build
cmd:sqlite3 | sqlite3 | sqlite
cmd:db_load | db-util | libdb-utils
cmd:mkntfs | ntfs-3g | ntfsprogs
cmd:ntfs-3g | ntfs-3g | ntfs-3g
cmd:xorrisofs | xorriso | xorriso
cmd:xorriso | xorriso | xorriso
cmd:dumpe2fs | e2fsprogs | e2fsprogs
cmd:shellcheck | shellcheck | ShellCheck
LIST
}

# answered QUESTION: does this machine have it?
answered() {
    local kind=${1%%:*} what=${1#*:} pattern
    case $kind in
        cmd) have "$what" ;;
        static) is_static "$what" ;;
        pc) have pkg-config && pkg-config --exists "$what" 2>/dev/null ;;
        file)
            for pattern in $what; do compgen -G "$pattern" >/dev/null && return 0; done
            return 1
            ;;
        lib)
            compgen -G "/usr/lib*/libvirt/connection-driver/libvirt_driver_$what.so" >/dev/null ||
                compgen -G "/usr/lib/*/libvirt/connection-driver/libvirt_driver_$what.so" >/dev/null
            ;;
        *) die "needs: '$kind' is no kind of question" ;;
    esac
}

# is_static NAME: a program without an interpreter (a dynamic linker) named in its ELF header.
is_static() {
    local file
    file=$(type -P -- "$1") || return 1
    ! head -c 4096 -- "$file" | LC_ALL=C grep -q -a '/ld-'
}

# missing_packages FAMILY: reads needs on stdin, prints the packages of those that are not answered, each once.
missing_packages() {
    local family=$1 question apt dnf package
    while IFS='|' read -r question apt dnf; do
        question=$(trim "$question")
        [[ -n $question ]] || continue
        answered "$question" && continue
        package=$apt
        [[ $family == dnf ]] && package=$dnf
        trim "$package"
        echo
    done | sort -u
}

trim() {
    local text=$1
    text=${text#"${text%%[![:space:]]*}"}
    printf '%s' "${text%"${text##*[![:space:]]}"}"
}
