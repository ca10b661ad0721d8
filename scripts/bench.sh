#!/usr/bin/env bash
# What a clone costs, and a snapshot, and reading and changing the files of guests: vmkin beside what people use for that. Every
# repeat runs all of them in turn, on one golden image, with a libvirtd of its own.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib/common.sh
. scripts/lib/common.sh
# shellcheck source=scripts/lib/rust.sh
. scripts/lib/rust.sh
# shellcheck source=scripts/lib/bench.sh
. scripts/lib/bench.sh
# shellcheck source=scripts/lib/bench-report.sh
. scripts/lib/bench-report.sh
# shellcheck source=scripts/lib/bench-files.sh
. scripts/lib/bench-files.sh
# shellcheck source=scripts/lib/bench-disks.sh
. scripts/lib/bench-disks.sh
# shellcheck source=scripts/lib/bench-writes.sh
. scripts/lib/bench-writes.sh
# shellcheck source=scripts/lib/bench-hosts.sh
. scripts/lib/bench-hosts.sh
# shellcheck source=scripts/lib/kvm.sh
. scripts/lib/kvm.sh

usage() {
    cat <<'TEXT'
usage: scripts/bench.sh [--repeat N] [--write] [--check]

  --repeat N  so many rounds (default: 5); medians are shown
  --write     write the result to docs/performance.md too
  --check     exit 1 when a target is missed
TEXT
}

# Its tools would try KVM first.
FILES_TCG=
use_kvm || FILES_TCG=yes
export LIBGUESTFS_BACKEND=direct ${FILES_TCG:+LIBGUESTFS_BACKEND_SETTINGS=force_tcg}

REPEAT=5 WRITE='' CHECK='' INSIDE=''
while [[ $# -gt 0 ]]; do
    case $1 in
        --repeat) REPEAT=$2 && shift ;;
        --write) WRITE=yes ;;
        --check) CHECK=yes ;;
        --inside) INSIDE=$2 && shift ;;
        -h | --help) usage && exit 0 ;;
        *) usage >&2 && die "unknown argument '$1'" ;;
    esac
    shift
done
[[ $REPEAT =~ ^[1-9][0-9]*$ ]] || die "--repeat takes a number from 1, not '$REPEAT'"

if [[ -n $INSIDE ]]; then
    bench_run "$INSIDE"
    exit
fi

step "installing what is missing"
bash scripts/setup.sh --all
rust_path || rust_hint
if [[ -z ${VMKIN:-} ]]; then
    step "cargo build --release"
    cargo build --release --locked
    VMKIN=$REPO_DIR/target/release/vmkin
fi
# libvirt's define calls without a process around them, once the crate has a program for it.
if [[ -e benches/define.rs && -z ${VMKIN_DEFINE_BENCH:-} ]]; then
    VMKIN_DEFINE_BENCH=$(cargo bench --locked --bench define --no-run --message-format=json |
        sed -n 's/.*"name":"define".*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
fi

# The chains of a folder of images, read natively in one process.
if [[ -z ${VMKIN_CHAINS_BENCH:-} ]]; then
    VMKIN_CHAINS_BENCH=$(cargo bench --locked --bench chains --no-run --message-format=json |
        sed -n 's/.*"name":"chains".*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
fi

# Results come out as lines of figures; the report is written out here, by the user who asked for it.
RESULTS=$(mktemp -d)
trap 'rm -rf -- "$RESULTS"' EXIT
scripts/with-private-libvirtd.sh env VMKIN="$VMKIN" VMKIN_DEFINE_BENCH="${VMKIN_DEFINE_BENCH:-}" \
    VMKIN_CHAINS_BENCH="${VMKIN_CHAINS_BENCH:-}" bash scripts/bench.sh --repeat "$REPEAT" --inside "$RESULTS"
bench_report "$RESULTS"
if [[ -n $WRITE ]]; then
    # Only what stands between the two marks is generated.
    bench_report "$RESULTS" markdown >"$RESULTS/figures"
    awk -v figures="$RESULTS/figures" '
        /^<!-- figures: end -->$/ { skip = 0 }
        !skip { print }
        /^<!-- figures: begin -->$/ { skip = 1; while ((getline line < figures) > 0) print line }
    ' docs/performance.md >"$RESULTS/performance.md"
    cp "$RESULTS/performance.md" docs/performance.md
    say "written: docs/performance.md"
fi
[[ -z $CHECK ]] || bench_targets_met "$RESULTS"
