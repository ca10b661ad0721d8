#!/usr/bin/env bash
# A guest for one command: cloned, started, and deleted when the command ends.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: examples/throwaway.sh GOLDEN COMMAND [ARGUMENT…]

  GOLDEN   the golden domain: shut off, and with a network whose addresses libvirt knows
  COMMAND  run on this host when the guest has an address. '{}' in an argument stands for the address;
           GUEST_IP and GUEST_NAME are in its environment too

An address comes before the guest's services do: let COMMAND try again until they answer.

  examples/throwaway.sh golden ssh -o ConnectionAttempts=30 root@{} make -C /src test

Needs vmkin on PATH, or in $VMKIN. The exit code is that of COMMAND.
TEXT
}

die() { printf 'error: %s\n' "$1" >&2 && exit 2; }

case ${1:-} in
    -h | --help) usage && exit 0 ;;
    -*) usage >&2 && die "unknown option '$1'" ;;
esac
[[ $# -ge 2 ]] || { usage >&2 && die "no golden domain or no command given"; }
GOLDEN=$1
shift
VMKIN=${VMKIN:-vmkin}
NAME=throwaway-$$-$RANDOM

UUID=
tear_down() {
    local status=$?
    trap '' INT TERM HUP
    if [[ -n $UUID ]]; then "$VMKIN" --quiet --yes delete --force -d "$UUID" >&2 || status=1; fi
    exit "$status"
}
trap tear_down EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Started in a second step: a clone that was made and does not start has to be deleted too.
UUID=$("$VMKIN" --quiet clone -d "$GOLDEN" "$NAME")
"$VMKIN" --quiet start -d "$UUID"
ADDRESSES=$("$VMKIN" ip -d "$UUID" --wait --timeout 5m)
ADDRESS=${ADDRESSES%%$'\n'*}
GUEST_IP=$ADDRESS GUEST_NAME=$NAME "${@//\{\}/$ADDRESS}"
