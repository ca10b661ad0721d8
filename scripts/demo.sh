#!/usr/bin/env bash
# From nothing to twenty guests: builds vmkin, makes a golden guest, clones it, boots two clones, and cleans up.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib/common.sh
. scripts/lib/common.sh
# shellcheck source=scripts/lib/rust.sh
. scripts/lib/rust.sh
# shellcheck source=scripts/lib/demo.sh
. scripts/lib/demo.sh

usage() {
    cat <<'TEXT'
usage: scripts/demo.sh [--system]

  --system  use this host's own libvirt, under names that begin with 'vmkin-demo-', all removed at the end
            (without it: a private libvirtd that is gone at the end)
TEXT
}

WHERE=private
for argument in "$@"; do
    case $argument in
        --system) WHERE=system ;;
        --inside-private | --inside-system) WHERE=${argument#--} ;;
        -h | --help) usage && exit 0 ;;
        *) usage >&2 && die "unknown argument '$argument'" ;;
    esac
done

case $WHERE in
    inside-private) demo_run "$VMKIN_GOLDEN_DIR" '' ;;
    inside-system) demo_on_system ;;
    *)
        step "installing what is missing"
        bash scripts/setup.sh --all
        rust_path || rust_hint
        if [[ -z ${VMKIN:-} ]]; then
            step "cargo build --release"
            cargo build --release --locked
            VMKIN=$REPO_DIR/target/release/vmkin
        fi
        # sudo passes on what is written here, not the environment.
        if [[ $WHERE == private ]]; then
            exec scripts/with-private-libvirtd.sh --golden env VMKIN="$VMKIN" bash scripts/demo.sh --inside-private
        fi
        as_root env VMKIN="$VMKIN" VMKIN_CACHE_DIR="$CACHE_DIR" bash scripts/demo.sh --inside-system
        ;;
esac
