#!/usr/bin/env bash
# A lab of guests from one base image that is no domain's: each with a name, a host name and a disk of its own.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: examples/lab-from-base.sh [--prefix NAME] [--count N] [--template TEMPLATE] [--ssh-key FILE] BASE [OPTION…]

  BASE                 the base image; it is sealed, and each guest writes to an overlay on it
  OPTION               handed on to `vmkin import`, such as --memory 512
  --prefix NAME        the guests are NAME-01, NAME-02, … (default: lab)
  --count N            how many (default: 10)
  --template TEMPLATE  what makes their domain XML (default: lean); examples/lab.xml.hbs is one to adapt
  --ssh-key FILE       a public key that may log in, for images with cloud-init

Prints name and address of each guest, and leaves them running. `vmkin delete --force -d NAME-01 …` takes them down.
Needs vmkin on PATH, or in $VMKIN.
TEXT
}

die() { printf 'error: %s\n' "$1" >&2 && exit "${2:-2}"; }

PREFIX=lab COUNT=10 TEMPLATE=lean MORE=()
while [[ $# -gt 0 ]]; do
    case $1 in
        --prefix | --count | --template | --ssh-key)
            [[ $# -ge 2 ]] || die "$1 needs a value"
            case $1 in
                --prefix) PREFIX=$2 ;;
                --count) COUNT=$2 ;;
                --template) TEMPLATE=$2 ;;
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
[[ $# -ge 1 ]] || { usage >&2 && die "no base image given"; }
BASE=$1
shift
[[ $COUNT =~ ^[1-9][0-9]*$ ]] || die "'$COUNT' is not a number of guests"
VMKIN=${VMKIN:-vmkin}

# All or none: a lab with a hole in it is of no use. A comma separates the words of --disk; in a path it is doubled.
MADE=$("$VMKIN" import --name "$PREFIX-{n:02}" --count "$COUNT" --disk "backing=${BASE//,/,,}" --template "$TEMPLATE" \
    --all-or-nothing "${MORE[@]}" "$@")
mapfile -t UUIDS <<<"$MADE"
"$VMKIN" --quiet start -d "${UUIDS[@]}"
for index in "${!UUIDS[@]}"; do
    addresses=$("$VMKIN" ip -d "${UUIDS[index]}" --wait --timeout 5m)
    printf '%s-%02d %s\n' "$PREFIX" "$((index + 1))" "${addresses%%$'\n'*}"
done
