#!/usr/bin/env bash
# A lab of N clones: made, started, written down as an ssh config and as lines for /etc/hosts, and gone at the end.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: examples/lab.sh [--prefix NAME] [--user USER] [--out DIR] GOLDEN N [COMMAND [ARGUMENT…]]

  GOLDEN         the golden domain: shut off, and with a network whose addresses libvirt knows
  N              how many clones
  COMMAND        run while the lab is up, with LAB_DIR, LAB_SSH_CONFIG and LAB_HOSTS in its environment;
                 without one, the lab stays up until Enter or Ctrl-C
  --prefix NAME  the clones are NAME-01, NAME-02, … (default: lab)
  --user USER    whom the ssh config logs in as (default: root)
  --out DIR      write ssh_config and hosts into DIR, and leave them there (default: a temporary folder)

Needs vmkin on PATH, or in $VMKIN. The exit code is that of COMMAND.
TEXT
}

die() { printf 'error: %s\n' "$1" >&2 && exit "${2:-2}"; }

PREFIX=lab USER_NAME=root OUT=
while [[ $# -gt 0 ]]; do
    case $1 in
        --prefix | --user | --out)
            [[ $# -ge 2 ]] || die "$1 needs a value"
            case $1 in
                --prefix) PREFIX=$2 ;;
                --user) USER_NAME=$2 ;;
                --out) OUT=$2 ;;
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
[[ $# -ge 2 ]] || { usage >&2 && die "no golden domain or no number given"; }
GOLDEN=$1 COUNT=$2
shift 2
[[ $COUNT =~ ^[1-9][0-9]*$ ]] || die "'$COUNT' is not a number of clones"
VMKIN=${VMKIN:-vmkin}

NAMES=()
for ((n = 1; n <= COUNT; n++)); do NAMES+=("$(printf '%s-%02d' "$PREFIX" "$n")"); done

# Only what this run has made is taken down: the UUIDs, and no name that somebody else may have by then.
MADE=
TEMPORARY=
tear_down() {
    local status=$?
    trap '' INT TERM HUP
    if [[ -n $MADE ]]; then
        mapfile -t UUIDS <<<"$MADE"
        "$VMKIN" --quiet --yes delete --force -d "${UUIDS[@]}" || status=1
    fi
    if [[ -n $TEMPORARY ]]; then rm -rf -- "$TEMPORARY"; fi
    exit "$status"
}
trap tear_down EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

if [[ -z $OUT ]]; then
    TEMPORARY=$(mktemp -d)
    OUT=$TEMPORARY
fi
mkdir -p -- "$OUT"

# All of them or none: a lab with a hole in it is of no use. Started in a second step, so that a clone that does not
# start is known here, and taken down with the others.
MADE=$("$VMKIN" clone -d "$GOLDEN" --all-or-nothing "${NAMES[@]}")
mapfile -t UUIDS <<<"$MADE"
"$VMKIN" --quiet start -d "${UUIDS[@]}"

: >"$OUT/ssh_config"
: >"$OUT/hosts"
for index in "${!NAMES[@]}"; do
    name=${NAMES[index]}
    addresses=$("$VMKIN" ip -d "${UUIDS[index]}" --wait --timeout 5m)
    address=${addresses%%$'\n'*}
    # The host keys of clones change from lab to lab, and are worth nothing in known_hosts.
    cat >>"$OUT/ssh_config" <<TEXT
Host $name
    HostName $address
    User $USER_NAME
    UserKnownHostsFile /dev/null
    StrictHostKeyChecking no
TEXT
    printf '%s %s\n' "$address" "$name" >>"$OUT/hosts"
done

cat -- "$OUT/hosts"
printf 'log in with: ssh -F %q %s\n' "$OUT/ssh_config" "${NAMES[0]}" >&2
if [[ $# -gt 0 ]]; then
    LAB_DIR=$OUT LAB_SSH_CONFIG=$OUT/ssh_config LAB_HOSTS=$OUT/hosts "$@"
else
    read -r -p 'Enter ends the lab. ' || true
fi
