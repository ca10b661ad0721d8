#!/usr/bin/env bash
# One guest of a disk image that is left as it is: an overlay, a domain, a start, and the address.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: examples/import-one.sh [--name NAME] [--os ID] [--ssh-key FILE] IMAGE [OPTION…]

  IMAGE           the disk image; it is sealed, and the guest writes to an overlay on it
  OPTION          handed on to `vmkin import`, such as --memory 2048 or --network bridge=br0
  --name NAME     the guest's name (default: that of the image, without its extension)
  --os ID         the operating system, as in `vmkin import --os-variant`
  --ssh-key FILE  a public key that may log in, for images with cloud-init

Prints the guest's address. Needs vmkin on PATH, or in $VMKIN.
TEXT
}

die() { printf 'error: %s\n' "$1" >&2 && exit "${2:-2}"; }

NAME='' MORE=()
while [[ $# -gt 0 ]]; do
    case $1 in
        --name | --os | --ssh-key)
            [[ $# -ge 2 ]] || die "$1 needs a value"
            case $1 in
                --name) NAME=$2 ;;
                --os) MORE+=(--os-variant "$2") ;;
                --ssh-key) MORE+=(--ssh-key "$2") ;;
            esac
            shift
            ;;
        -h | --help) usage && exit 0 ;;
        --) shift && break ;;
        -*) usage >&2 && die "unknown option '$1'" ;;
        *) break ;;
    esac
    shift
done
[[ $# -ge 1 ]] || { usage >&2 && die "no image given"; }
IMAGE=$1
shift
if [[ -z $NAME ]]; then
    NAME=${IMAGE##*/}
    NAME=${NAME%.*}
fi
VMKIN=${VMKIN:-vmkin}

# A comma separates the words of --disk; in a path it is doubled.
UUID=$("$VMKIN" import --name "$NAME" --disk "backing=${IMAGE//,/,,}" "${MORE[@]}" "$@" --start)
"$VMKIN" ip -d "$UUID" --wait --timeout 5m
