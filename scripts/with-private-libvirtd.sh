#!/usr/bin/env bash
# Runs a command beside a libvirtd of its own: real QEMU guests, and nothing of this host's libvirt, its guests or its
# networks in sight. Everything is gone when the command ends, however it ends.
set -euo pipefail
SELF=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)/$(basename -- "${BASH_SOURCE[0]}")
# shellcheck source=scripts/lib/common.sh
. "${SELF%/*}/lib/common.sh"
# shellcheck source=scripts/lib/kvm.sh
. "${SELF%/*}/lib/kvm.sh"
# shellcheck source=scripts/lib/private-libvirtd.sh
. "${SELF%/*}/lib/private-libvirtd.sh"

usage() {
    cat <<'TEXT'
usage: scripts/with-private-libvirtd.sh [--golden] [--debian] [--images DIR] COMMAND [ARGUMENT…]

  --golden      make a golden image first (scripts/make-golden.sh); VMKIN_GOLDEN_DIR says where
  --debian      make Debian guests of both flavors first (scripts/make-debian.sh); VMKIN_DEBIAN_DIR says where
  --images DIR  use DIR as /var/lib/libvirt/images (default: a fresh one on disk, removed at the end)

COMMAND sees LIBVIRT_DEFAULT_URI=qemu:///system, a network named 'default' with DHCP and no way out, and
  vmkin-private-libvirtd kill|start|stop|restart   (restart: kill -9, then start; guests go on meanwhile)
Set VMKIN_PRIVATE_LOGS=DIR to keep the daemon's and the guests' logs there.
TEXT
}

# The second half of this file runs as process 1 of its own namespaces, and is entered by this word.
if [[ ${1:-} == --inside ]]; then
    shift
    private_inside "$@"
fi

GOLDEN=
DEBIAN=
IMAGES=
while [[ $# -gt 0 ]]; do
    case $1 in
        --golden) GOLDEN=yes ;;
        --debian) DEBIAN=yes ;;
        --images) IMAGES=$(realpath -- "$2") && shift ;;
        -h | --help) usage && exit 0 ;;
        --) shift && break ;;
        -*) usage >&2 && die "unknown argument '$1'" ;;
        *) break ;;
    esac
    shift
done
[[ $# -gt 0 ]] || { usage >&2 && die "no command given"; }

if ! is_root; then
    can_be_root || die "a private libvirtd needs root for its namespaces" "sudo ${SELF@Q} ${*@Q}"
    # The user's own cargo and caches stay in use; what is built before this call is not built again as root.
    exec sudo -- env PATH="$PATH" HOME="$HOME" CARGO_HOME="${CARGO_HOME:-$HOME/.cargo}" \
        RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}" VMKIN_CACHE_DIR="$CACHE_DIR" VMKIN_PRIVATE_LOGS="${VMKIN_PRIVATE_LOGS:-}" \
        "$SELF" ${GOLDEN:+--golden} ${DEBIAN:+--debian} ${IMAGES:+--images "$IMAGES"} -- "$@"
fi

private_outside "$@"
