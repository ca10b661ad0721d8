# shellcheck shell=bash disable=SC2034  # the variables are for those who source this
# What every script here says and asks: messages, root, where things are.

SCRIPTS_DIR=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
REPO_DIR=$(dirname -- "$SCRIPTS_DIR")

# Pictures, kernels and images that are worth keeping between runs; safe to delete at any time.
CACHE_DIR=${VMKIN_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/vmkin}

say() { printf '%s\n' "$*" >&2; }
step() { printf '==> %s\n' "$*" >&2; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die() {
    printf 'error: %s\n' "$1" >&2
    shift
    local hint
    for hint in "$@"; do printf '  hint: %s\n' "$hint" >&2; done
    exit 1
}

# have NAME: is there such a program, also in the sbin folders that a user's PATH leaves out?
have() { PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin command -v -- "$1" >/dev/null 2>&1; }

is_root() { [[ $(id -u) -eq 0 ]]; }

# can_be_root: is there a way to root that does not end in a question nobody can answer?
can_be_root() {
    is_root && return 0
    have sudo || return 1
    [[ -t 0 ]] || sudo -n true 2>/dev/null
}

# as_root COMMAND…: as it is for root, else through sudo, else the command to type.
as_root() {
    if is_root; then
        "$@"
    elif can_be_root; then
        sudo -- "$@"
    else
        die "this needs root, and there is no sudo that works without a question" "as root: ${*@Q}"
    fi
}
