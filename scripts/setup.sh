#!/usr/bin/env bash
# Installs what is missing to build vmkin, to test it, or both. Does nothing, fast, when all is there.
# Starts no service, and leaves the host's own libvirtd and guests alone.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
# shellcheck source=scripts/lib/common.sh
. lib/common.sh
# shellcheck source=scripts/lib/os.sh
. lib/os.sh
# shellcheck source=scripts/lib/needs.sh
. lib/needs.sh
# shellcheck source=scripts/lib/apt.sh
. lib/apt.sh
# shellcheck source=scripts/lib/backports.sh
. lib/backports.sh
# shellcheck source=scripts/lib/dnf.sh
. lib/dnf.sh
# shellcheck source=scripts/lib/rust.sh
. lib/rust.sh
# shellcheck source=scripts/lib/kernel.sh
. lib/kernel.sh

usage() {
    cat <<'TEXT'
usage: scripts/setup.sh [--build | --test | --all] [--check]

  --build   what `cargo build` needs: a compiler, libvirt's headers, Rust (the default)
  --test    what scripts/test.sh, demo.sh and bench.sh need besides: libvirt, QEMU, a kernel for the guests
  --all     both
  --check   install nothing; name what is missing, and exit 1 if anything is
TEXT
}

# install_needs TITLE LIST-FUNCTION: installs, then asks again, so that a package that did not help is seen.
install_needs() {
    local title=$1 list=$2 family missing
    family=$(os_family)
    missing=$("$list" | missing_packages "$family")
    [[ -n $missing ]] || return 0
    if [[ -n $CHECK_ONLY ]]; then
        say "missing for $title: ${missing//$'\n'/ }"
        MISSING=yes
        return 0
    fi
    step "missing for $title: ${missing//$'\n'/ }"
    # shellcheck disable=SC2086  # one word is one package
    case $family in
        apt) apt_install $missing ;;
        dnf) dnf_install $missing ;;
        *) die "this system has neither apt nor dnf" "install by hand: ${missing//$'\n'/ }" ;;
    esac
    hash -r
    missing=$("$list" | missing_packages "$family")
    [[ -z $missing ]] || die "still missing for $title after the installation: ${missing//$'\n'/ }" \
        "install by hand what holds it; the questions asked are in scripts/lib/needs.sh"
}

setup_build() {
    install_needs build needs_build
    if ! rust_path; then
        if [[ -n $CHECK_ONLY ]]; then
            say "missing for build: Rust $(rust_wanted)"
            MISSING=yes
        else
            rust_install
        fi
    fi
}

setup_test() {
    install_needs test needs_test
    if [[ -n $CHECK_ONLY ]]; then
        kernel_here && kernel_installed || { say "missing for test: a kernel for the guests" && MISSING=yes; }
    else
        kernel_prepare
    fi
}

setup_components() {
    rust_path && rust_components_missing || return 0
    if [[ -n $CHECK_ONLY ]]; then
        say "missing for test: cargo fmt, cargo clippy"
        MISSING=yes
    else
        rust_components_install
        ! rust_components_missing || die "cargo fmt or cargo clippy is missing, and no package of this system has it" \
            "rustup component add rustfmt clippy"
    fi
}

CHECK_ONLY=
MISSING=
WHAT=--build
for argument in "$@"; do
    case $argument in
        --build | --test | --all) WHAT=$argument ;;
        --check) CHECK_ONLY=yes ;;
        -h | --help) usage && exit 0 ;;
        *) usage >&2 && die "unknown argument '$argument'" ;;
    esac
done
[[ $(uname -s) == Linux ]] || die "libvirt's QEMU driver runs on Linux only"
[[ $WHAT == --test ]] || setup_build
[[ $WHAT == --build ]] || setup_test
[[ $WHAT != --all ]] || setup_components
[[ -z $MISSING ]]
