# shellcheck shell=bash
# Installing with apt: only what is asked for, nothing started, nothing restarted.

APT_OPTIONS=(-y -q --no-install-recommends -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
APT_LISTS_FRESH=

# apt_run ARGUMENTS…: apt-get as root, silent about configuration, and needrestart kept from restarting daemons.
apt_run() {
    as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get "${APT_OPTIONS[@]}" "$@" </dev/null >&2
}

# Lists are read once a run, before anything is looked up: on a fresh machine there are none, on an old one they lie.
apt_update() {
    [[ -z $APT_LISTS_FRESH ]] && can_be_root || return 0
    step "apt-get update"
    apt_run update || warn "apt-get update failed; going on with the lists that are there"
    APT_LISTS_FRESH=yes
}

# apt_candidate PACKAGE: the version that apt would install, empty when it knows none.
apt_candidate() {
    LC_ALL=C apt-cache policy -- "$1" 2>/dev/null | awk '$1 == "Candidate:" && $2 != "(none)" { print $2; exit }'
}

apt_installed() {
    # The single quotes are dpkg's own variables, not the shell's.
    # shellcheck disable=SC2016
    dpkg-query -W -f '${db:Status-Abbrev} ${Version}\n' -- "$1" 2>/dev/null | awk '$1 == "ii" { print $2; exit }'
}

# apt_install PACKAGE…: those of them that apt knows (names differ between releases; the caller asks again afterwards
# whether the need is met), from backports only where a plain install can't work.
apt_install() {
    local package known=()
    apt_update
    for package in "$@"; do
        if [[ -n $(apt_candidate "$package") ]]; then
            known+=("$package")
        fi
    done
    can_be_root || die "packages are missing, and there is no sudo that works without a question" \
        "as root: apt-get update && apt-get install -y --no-install-recommends ${known[*]:-$*}"
    [[ ${#known[@]} -gt 0 ]] || return 0
    step "apt-get install ${known[*]}"
    with_no_services apt_install_known "${known[@]}"
}

apt_install_known() {
    if apt_would_work "$@"; then
        apt_run install "$@"
    elif backports_needed; then
        apt_install_with_backports "$@"
    else
        apt_run install "$@"
    fi
}

apt_would_work() {
    apt-get -s -q "${APT_OPTIONS[@]}" install "$@" >/dev/null 2>&1
}

# with_no_services COMMAND…: the packages' scripts ask policy-rc.d before they start or restart a service. A policy of
# the host (containers have one) stays as it is; ours is gone afterwards, also when we are interrupted.
POLICY_FILE=/usr/sbin/policy-rc.d
POLICY_MARK='# vmkin setup.sh: removed when it ends'
with_no_services() {
    local status=0
    if [[ ! -e $POLICY_FILE ]] || grep -qsF "$POLICY_MARK" "$POLICY_FILE"; then
        trap remove_policy EXIT
        trap 'exit 130' INT
        trap 'exit 143' TERM HUP
        printf '#!/bin/sh\n%s\nexit 101\n' "$POLICY_MARK" | as_root tee "$POLICY_FILE" >/dev/null
        as_root chmod 0755 "$POLICY_FILE"
    fi
    "$@" || status=$?
    remove_policy
    trap - EXIT INT TERM HUP
    return "$status"
}

remove_policy() {
    if grep -qsF "$POLICY_MARK" "$POLICY_FILE"; then
        as_root rm -f -- "$POLICY_FILE"
    fi
}
