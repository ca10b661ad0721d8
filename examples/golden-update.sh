#!/usr/bin/env bash
# A golden guest is brought up to date: its seal is opened, it runs while it is changed, and it is sealed again.
# Only while it has no clones: whatever changes a base corrupts every overlay on it.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: examples/golden-update.sh GOLDEN [COMMAND [ARGUMENT…]]

  GOLDEN   the golden domain, shut off
  COMMAND  run on this host when the guest has an address, to change the guest. '{}' in an argument stands for the
           address; GUEST_IP is in its environment too. Without one: change the guest as you like, then press Enter

  examples/golden-update.sh golden ssh -o ConnectionAttempts=30 root@{} 'apt-get update && apt-get -y upgrade'

Refuses, with exit code 6, while the golden image has clones; they are listed. Delete them first, or clone the golden
domain with `vmkin clone --full`, and change and use the copy from now on.

Needs vmkin on PATH, or in $VMKIN. If COMMAND fails, the guest is shut down and sealed all the same, and the exit code
is that of COMMAND. If the guest does not shut down, the seal stays open, and so says the error.
TEXT
}

die() { printf 'error: %s\n' "$1" >&2 && exit "${2:-2}"; }

case ${1:-} in
    -h | --help) usage && exit 0 ;;
    -*) usage >&2 && die "unknown option '$1'" ;;
    '') usage >&2 && die "no golden domain given" ;;
esac
GOLDEN=$1
shift
VMKIN=${VMKIN:-vmkin}

# `base unseal` looks itself, and refuses with exit code 6; asked first, it can be told what to do about it.
CHILDREN=$("$VMKIN" base children -d "$GOLDEN")
if [[ -n $CHILDREN ]]; then
    printf '%s\n' "$CHILDREN" >&2
    die "'$GOLDEN' has these clones, and changing it would corrupt them" 6
fi
"$VMKIN" base unseal -d "$GOLDEN"

# From here on the seal is open, and whatever happens, it is closed again once nothing writes to the image.
seal_again() {
    local status=$?
    trap '' INT TERM HUP
    if ! "$VMKIN" shutdown -d "$GOLDEN" --wait --timeout "${SHUTDOWN_TIMEOUT:-5m}"; then
        printf "error: '%s' did not shut down, and is not sealed; then: vmkin base seal -d %q\n" "$GOLDEN" "$GOLDEN" >&2
        exit 1
    fi
    "$VMKIN" base seal -d "$GOLDEN" || status=1
    exit "$status"
}
trap seal_again EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

"$VMKIN" start -d "$GOLDEN"
ADDRESSES=$("$VMKIN" ip -d "$GOLDEN" --wait --timeout 5m)
ADDRESS=${ADDRESSES%%$'\n'*}
if [[ $# -gt 0 ]]; then
    GUEST_IP=$ADDRESS "${@//\{\}/$ADDRESS}"
else
    read -r -p "'$GOLDEN' is at $ADDRESS. Change it, then press Enter. " || true
fi
