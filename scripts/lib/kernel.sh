# shellcheck shell=bash
# A distribution kernel for the test guests. One that is installed and readable is used as it is. Otherwise the package
# is unpacked into the cache and not installed: that needs no root, builds no initrd of the host, changes no boot menu,
# and gets around Ubuntu's /boot/vmlinuz-* being readable by root alone.

# kernel_find: sets KERNEL_IMAGE, KERNEL_VERSION and KERNEL_ROOT (the folder that has lib/modules).
kernel_find() {
    local image version root
    # The small flavours made for guests first, then the newest.
    for image in $(kernel_images | sort -V -r | awk '/cloud|virtual|kvm/ { print; next } { rest[++n] = $0 }
        END { for (i = 1; i <= n; i++) print rest[i] }'); do
        [[ -r $image ]] || continue
        version=$(kernel_version_of "$image")
        for root in "${image%/boot/*}" "${image%/lib/modules/*}" "${image%/boot/*}/usr"; do
            if [[ -d $root/lib/modules/$version/kernel ]]; then
                # shellcheck disable=SC2034  # read by make-golden.sh
                KERNEL_IMAGE=$image KERNEL_VERSION=$version KERNEL_ROOT=$root
                return 0
            fi
        done
    done
    return 1
}

kernel_images() {
    local pattern
    for pattern in '/boot/vmlinuz-*' '/lib/modules/*/vmlinuz' "$CACHE_DIR/kernel/boot/vmlinuz-*"; do
        compgen -G "$pattern" || true
    done
}

kernel_version_of() {
    case $1 in
        */lib/modules/*/vmlinuz) basename -- "$(dirname -- "$1")" ;;
        *) printf '%s' "${1##*/vmlinuz-}" ;;
    esac
}

kernel_here() { (kernel_find); }

# kernel_installed: whether there is one where supermin looks, which makes the appliance of libguestfs. It wants
# /lib/modules too, whatever its variables say.
kernel_installed() {
    { compgen -G '/boot/vmlinuz-*' || compgen -G '/lib/modules/*/vmlinuz'; } >/dev/null && [[ -d /lib/modules ]]
}

# kernel_prepare: sees to it that kernel_find will find one, and libguestfs too.
kernel_prepare() {
    if ! kernel_installed && can_be_root; then
        # A container, or a machine that was started with a kernel from elsewhere.
        case $(os_family) in
            apt) apt_update && apt_install "$(kernel_meta_package)" ;;
            dnf) dnf_install kernel-core ;;
        esac
    fi
    kernel_here && return 0
    case $(os_family) in
        apt) kernel_unpack_debian ;;
        dnf) dnf_install kernel-core ;;
    esac
    kernel_here || die "no readable kernel with its modules in /boot or $CACHE_DIR/kernel" \
        "as root: apt-get install linux-image-cloud-amd64 (Debian), linux-image-virtual (Ubuntu) or dnf install kernel-core" \
        "if it is there and only root may read it: sudo chmod +r /boot/vmlinuz-*"
}

# kernel_packages META [COMMAND…]: the packages with the kernel that META, a meta package, stands for today; its modules
# may be a package of their own. COMMAND runs apt-cache elsewhere.
kernel_packages() {
    "${@:2}" env LC_ALL=C apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
        --no-enhances -- "$1" 2>/dev/null |
        # Signed and unsigned are alternatives with the same files.
        awk '/^linux-(image|modules|binary|main-modules)-[0-9]/ && !/-unsigned/ { print $1 }' | sort -u
}

# kernel_meta_package: the smallest that this release has.
kernel_meta_package() {
    local meta
    for meta in linux-image-cloud-amd64 linux-image-virtual linux-image-kvm linux-image-amd64 linux-image-generic; do
        [[ -z $(apt_candidate "$meta") ]] || break
    done
    printf '%s' "$meta"
}

kernel_unpack_debian() {
    local meta package packages=() folder
    apt_update
    meta=$(kernel_meta_package)
    mapfile -t packages < <(kernel_packages "$meta")
    [[ ${#packages[@]} -gt 0 ]] || return 0
    step "unpacking ${packages[*]} into $CACHE_DIR/kernel"
    mkdir -p -- "$CACHE_DIR"
    folder=$(mktemp -d -- "$CACHE_DIR/kernel.XXXXXX")
    (
        cd -- "$folder" || exit
        apt-get -q -o APT::Sandbox::User=root download "${packages[@]}" >&2 || exit
        for package in ./*.deb; do
            dpkg-deb -x "$package" . || exit
            rm -- "$package"
        done
    ) || { rm -rf -- "$folder"; return 1; }
    rm -rf -- "$CACHE_DIR/kernel"
    chmod 0755 "$folder"
    mv -- "$folder" "$CACHE_DIR/kernel"
}
