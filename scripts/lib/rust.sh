# shellcheck shell=bash
# A Rust that is new enough: the one on PATH, rustup's, or the distribution's, in this order.

# rust_wanted: the rust-version of Cargo.toml, the only place that names it.
rust_wanted() {
    awk -F '"' '/^rust-version[ \t]*=/ { print $2; exit }' "$REPO_DIR/Cargo.toml"
}

# version_at_least HAVE WANT, both dotted numbers; what follows a '+', '-' or '~' does not count.
version_at_least() {
    local have=${1%%[+~-]*} want=$2
    [[ $(printf '%s\n%s\n' "$want" "$have" | sort -V | head -n 1) == "$want" ]]
}

# rust_version PROGRAM: what `cargo --version` says, empty when it does not run.
rust_version() {
    # From the root folder, so that no rust-toolchain file and no cargo configuration answers instead.
    (cd / && "$1" --version 2>/dev/null) | awk 'NR == 1 { print $2 }'
}

rust_new_enough() {
    local want program
    want=$(rust_wanted)
    for program in rustc cargo; do
        version_at_least "$(rust_version "$program")" "$want" || return 1
    done
}

# rust_path: puts a Rust that is new enough first on PATH, if there is one anywhere on this machine.
rust_path() {
    rust_new_enough && return 0
    local old=$PATH folder
    for folder in "${CARGO_HOME:-$HOME/.cargo}/bin" $(compgen -G '/usr/lib/rust-[0-9]*/bin' | sort -V -r || true); do
        [[ -x $folder/cargo && -x $folder/rustc ]] || continue
        PATH=$folder:$old
        rust_new_enough && return 0
    done
    PATH=$old
    return 1
}

rust_hint() {
    local want
    want=$(rust_wanted)
    die "Rust $want or newer is needed, found rustc '$(rust_version rustc)' and cargo '$(rust_version cargo)', and no package of this system has it" \
        "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y && . \"\$HOME/.cargo/env\"" \
        "or update an old rustup: rustup update stable"
}

# rust_apt_sets: package sets that may hold it, the best first: 'RUSTC CARGO RUSTFMT CLIPPY'. Debian stable carries a
# newer one for its browsers (-web), Ubuntu has one package for each version.
rust_apt_sets() {
    printf '%s\n' 'rustc cargo rustfmt rust-clippy' 'rustc-web cargo-web rustfmt-web rust-web-clippy'
    local version
    for version in $(apt-cache pkgnames rustc-1. | sed -n 's/^rustc-\(1\.[0-9]*\)$/\1/p' | sort -V -r); do
        printf 'rustc-%s cargo-%s rustfmt-%s rust-%s-clippy\n' "$version" "$version" "$version" "$version"
    done
}

# rust_install: through apt or dnf; a machine with its own rustup keeps it, and is told what to type.
rust_install() {
    local want rustc cargo rustfmt clippy
    want=$(rust_wanted)
    if have rustup; then rust_by_rustup || rust_hint; return; fi
    case $(os_family) in
        apt)
            apt_update
            while read -r rustc cargo rustfmt clippy; do
                version_at_least "$(apt_candidate "$rustc")" "$want" || continue
                [[ -n $(apt_candidate "$cargo") ]] || continue
                apt_install "$rustc" "$cargo" "$rustfmt" "$clippy"
                hash -r
                if rust_path; then return 0; fi
            done < <(rust_apt_sets)
            if [[ -n $(apt_candidate rustup) ]]; then
                apt_install rustup
                hash -r
                if rust_by_rustup; then return 0; fi
            fi
            ;;
        dnf)
            dnf_install rust cargo rustfmt clippy
            hash -r
            if rust_path; then return 0; fi
            ;;
    esac
    rust_hint
}

rust_by_rustup() {
    step "rustup toolchain install stable"
    rustup toolchain install stable --profile minimal -c rustfmt -c clippy >&2 || return 1
    rust_path || { rustup default stable >&2 && rust_path; }
}

# rust_components: `cargo fmt` and `cargo clippy`, for the tests.
rust_components_missing() {
    ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1
}

rust_components_install() {
    if have rustup && rustup component add rustfmt clippy >&2; then return 0; fi
    local rustc _cargo rustfmt clippy
    case $(os_family) in
        apt)
            apt_update
            while read -r rustc _cargo rustfmt clippy; do
                [[ -n $(apt_installed "$rustc") ]] || continue
                apt_install "$rustfmt" "$clippy"
            done < <(rust_apt_sets)
            ;;
        dnf) dnf_install rustfmt clippy ;;
    esac
}
