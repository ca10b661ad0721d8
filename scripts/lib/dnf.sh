# shellcheck shell=bash
# Fedora and its relatives. Packages of that family start nothing when they are installed.

dnf_install() {
    can_be_root || die "packages are missing, and there is no sudo that works without a question" \
        "as root: dnf install -y $*"
    step "dnf install $*"
    as_root dnf install -y --setopt=install_weak_deps=False --skip-broken "$@" >&2
}
