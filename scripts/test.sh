#!/usr/bin/env bash
# Every test there is, after installing what they need. The last line says how many passed and failed.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib/common.sh
. scripts/lib/common.sh
# shellcheck source=scripts/lib/rust.sh
. scripts/lib/rust.sh
# shellcheck source=scripts/lib/kvm.sh
. scripts/lib/kvm.sh

usage() {
    cat <<'TEXT'
usage: scripts/test.sh [--no-qemu] [--fuzz SECONDS]

  --no-qemu       leave out the tests on real guests (tests/qemu), which need a private libvirtd
  --fuzz SECONDS  so long for each fuzz target (default: 20)

The fault matrix (tests/faults) needs root either way: for mounts, immutable directories and another user.
TEXT
}

WITH_QEMU=yes FUZZ_SECONDS=20
while [[ $# -gt 0 ]]; do
    case $1 in
        --no-qemu) WITH_QEMU= ;;
        --fuzz) FUZZ_SECONDS=${2:-} && shift ;;
        -h | --help) usage && exit 0 ;;
        *) usage >&2 && die "unknown argument '$1'" ;;
    esac
    shift
done
[[ $FUZZ_SECONDS =~ ^(0|[1-9][0-9]*)$ ]] || die "--fuzz takes a whole number, not '$FUZZ_SECONDS'"

bash scripts/setup.sh --all
rust_path || rust_hint

# Where KVM runs no kernel, vmkin finds that out each time, which takes seconds. What keeps programs apart on one
# processor costs an emulated kernel a tenth of its time.
if ! use_kvm; then
    export LIBGUESTFS_BACKEND=direct LIBGUESTFS_BACKEND_SETTINGS=force_tcg LIBGUESTFS_APPEND=mitigations=off
fi

# No test may ever meet this host's own daemon.
export LIBVIRT_DEFAULT_URI=test:///default
unset VIRSH_DEFAULT_CONNECT_URI
export CARGO_TERM_COLOR=never

LOG=$(mktemp)
trap 'rm -f -- "$LOG"' EXIT
BROKEN=()

# check NAME COMMAND…: goes on after a failure, so that one run shows all of them.
check() {
    local name=$1 from begun=$SECONDS status=0
    shift
    step "$name"
    from=$(wc -l <"$LOG")
    # A step without input can't wait for an answer.
    "$@" </dev/null 2>&1 | tee -a "$LOG" || status=$?
    say "($name: $((SECONDS - begun)) s)"
    [[ $status -ne 0 ]] || return 0
    # Failed tests count themselves; a step that failed without one (a warning, a compile error) counts as one.
    if ! tail -n "+$((from + 1))" "$LOG" | grep -q '^test result: FAILED'; then BROKEN+=("$name"); fi
    FAILED_STEPS+=("$name")
}
FAILED_STEPS=()

# total WORD: summed over all `test result:` lines of all runs.
total() {
    awk -v word="$1" '/^test result:/ { for (i = 2; i <= NF; i++) if ($i ~ "^" word) sum += $(i - 1) } END { print sum + 0 }' "$LOG"
}

lint_scripts() {
    shellcheck -x --severity=warning .ci/run scripts/*.sh scripts/lib/*.sh scripts/lib/private-bin/* scripts/golden/{init,rcS,udhcpc.script} scripts/debian/ready
}

check 'cargo fmt' cargo fmt --check
check 'cargo clippy' cargo clippy --all-targets --all-features --locked -- -D warnings
# The program as it is shipped has no failpoints.
check 'cargo clippy, as shipped' cargo clippy --locked -- -D warnings
check 'shellcheck' lint_scripts
# All rungs that need neither root nor a daemon: units, the CLI on libvirt's test driver, real tools on small images.
check 'cargo test' cargo test --locked --all-features --no-fail-fast
# The highest rung: tests/qemu and the examples, all of it #[ignore], on real guests. It finds a golden image (golden.xml, golden.qcow2,
# vmlinuz, initrd) in VMKIN_GOLDEN_DIR, those of the Debian guests in VMKIN_DEBIAN_DIR, and may restart the daemon with `vmkin-private-libvirtd-restart`.
# Two daemons at once, for much of it is waiting for one guest. What is here is left to the second.
SECOND=(
    addresses:: boot:: customize:: devices:: disks:: editing:: far_clone:: files:: guard:: hostile:: identity:: import::
    lines:: nbd:: pushing:: remote:: spreading:: wire::
)

# on_guests LOGS WALL… -- TEST…: some of the tests, beside a daemon of their own. Line by line, for two of them write at once.
on_guests() {
    local logs=$1 walls=()
    shift
    while [[ $1 != -- ]]; do walls+=("$1") && shift; done
    shift
    # What they need from a registry is built by now.
    CARGO_NET_OFFLINE=true VMKIN_PRIVATE_LOGS=$logs scripts/with-private-libvirtd.sh "${walls[@]}" \
        cargo test --locked --all-features --no-fail-fast "$@" 2>&1 | sed -u ''
}

real_guests() {
    local logs=${VMKIN_PRIVATE_LOGS:-$REPO_DIR/target/private-libvirtd} first skip=() name status=0
    for name in "${SECOND[@]}"; do skip+=(--skip "$name"); done
    cargo test --locked --all-features --test qemu --test examples --no-run || return
    on_guests "$logs/first" --golden -- --test qemu -- --ignored --test-threads=1 "${skip[@]}" &
    first=$!
    on_guests "$logs/second" --golden --debian -- --test qemu -- --ignored --test-threads=1 "${SECOND[@]}" || status=$?
    on_guests "$logs/examples" --golden -- --test examples -- --ignored --test-threads=1 || status=$?
    wait "$first" || status=$?
    return "$status"
}

if [[ -z $WITH_QEMU ]]; then
    say "left out: the tests on real guests"
else
    check 'cargo test on private libvirtds' real_guests
fi

# A package of its own, so the steps above did not see it.
check 'fuzz: cargo fmt' cargo fmt --manifest-path fuzz/Cargo.toml --check
# Where most of what it needs has been checked already.
check 'fuzz: cargo clippy' cargo clippy --manifest-path fuzz/Cargo.toml --target-dir target --all-targets --locked -- -D warnings
# What cannot be built counts as failed, as one that finds something does. The same way each time, or a change would
# be refused for what was there before it; the long runs of docs/fuzzing.md look for that.
check 'fuzz' scripts/fuzz.sh --seed 1 --seconds "$FUZZ_SECONDS"

for name in "${FAILED_STEPS[@]}"; do say "failed: $name"; done
# What the fault matrix has covered, from the run above.
grep '^fault matrix: ' "$LOG" || true
printf '%d passed, %d failed\n' "$(total passed)" "$(($(total failed) + ${#BROKEN[@]}))"
[[ ${#FAILED_STEPS[@]} -eq 0 ]]
