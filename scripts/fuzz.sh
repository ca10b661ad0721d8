#!/usr/bin/env bash
# Runs the fuzz targets of fuzz/, two at a time, on stable Rust. What they have found is shown, and kept.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib/common.sh
. scripts/lib/common.sh
# shellcheck source=scripts/lib/rust.sh
. scripts/lib/rust.sh

usage() {
    cat <<'TEXT'
usage: scripts/fuzz.sh [--seconds N] [--seed N] [--asan] [--build-only] [TARGET…]

  --seconds N   so long for each target (default: 60); 0 tries the seeds only
  --seed N      go the same way each time; else each run goes its own
  --asan        with AddressSanitizer, which takes half of the speed
  --build-only  build the targets and run none

Without a target: all of them. What makes one fail is kept in fuzz/artifacts, what is worth to go on from in fuzz/corpus.
TEXT
}

# As many as the machine of CI has processors.
AT_ONCE=2
SECONDS_EACH=60 SEED='' ASAN='' BUILD_ONLY='' TARGETS=()
while [[ $# -gt 0 ]]; do
    case $1 in
        --seconds) SECONDS_EACH=${2:-} && shift ;;
        --seed) SEED=${2:-} && shift ;;
        --asan) ASAN=yes ;;
        --build-only) BUILD_ONLY=yes ;;
        -h | --help) usage && exit 0 ;;
        -*) usage >&2 && die "unknown argument '$1'" ;;
        *) TARGETS+=("$1") ;;
    esac
    shift
done
[[ $SECONDS_EACH =~ ^(0|[1-9][0-9]*)$ ]] || die "--seconds takes a whole number, not '$SECONDS_EACH'"

[[ $SEED =~ ^([1-9][0-9]*)?$ ]] || die "--seed takes a number from 1, not '$SEED'"

known() {
    local file
    for file in fuzz/fuzz_targets/*.rs; do basename -- "$file" .rs; done
}
if [[ ${#TARGETS[@]} -eq 0 ]]; then mapfile -t TARGETS < <(known); fi
for target in "${TARGETS[@]}"; do
    [[ -e fuzz/fuzz_targets/$target.rs ]] || die "there is no target '$target'" "there are: $(known | paste -s -d ' ')"
done
rust_path || rust_hint

HOST=$(rustc -vV | sed -n 's/^host: //p')
TARGET_DIR=fuzz/target
# What `cargo fuzz` sets, without its sanitizer: all of it is stable.
FLAGS='--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares'
MEMORY=512
if [[ -n $ASAN ]]; then
    compgen -G "$(rustc --print target-libdir)/librustc*_rt.asan.a" >/dev/null ||
        die "this Rust comes without AddressSanitizer" "rustup's has it, that of Debian has not"
    # A flag of nightly Rust; so told, the stable compiler takes it.
    export RUSTC_BOOTSTRAP=1
    FLAGS+=' -Zsanitizer=address'
    TARGET_DIR=fuzz/target/asan
    # Its own bookkeeping counts too.
    MEMORY=2048
fi

step "building the fuzz targets"
# With a target given, the flags do not reach build scripts. All in one go: most of the work is shared.
RUSTFLAGS=$(tr -s ' \n' ' ' <<<"$FLAGS") env -u CARGO_ENCODED_RUSTFLAGS \
    cargo build --manifest-path fuzz/Cargo.toml --locked --release --bins --target "$HOST" --target-dir "$TARGET_DIR"
[[ -z $BUILD_ONLY ]] || exit 0

# In memory where possible: some targets write a file for each input.
WORK=$(mktemp -d -p "$([[ -d /dev/shm && -w /dev/shm ]] && echo /dev/shm || echo "${TMPDIR:-/tmp}")")
RUNNING=()
stop() {
    local pid
    for pid in "${RUNNING[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait
    rm -rf -- "$WORK"
}
trap stop EXIT
trap 'exit 130' INT TERM HUP

# fuzz TARGET: one run; its words go to a log.
fuzz() {
    local target=$1 options=()
    mkdir -p "fuzz/corpus/$target" "fuzz/artifacts/$target" "$WORK/$target"
    if [[ -e fuzz/dictionaries/$target.dict ]]; then options+=("-dict=fuzz/dictionaries/$target.dict"); fi
    if [[ $SECONDS_EACH -eq 0 ]]; then options+=(-runs=0); else options+=("-max_total_time=$SECONDS_EACH"); fi
    if [[ -n $SEED ]]; then options+=("-seed=$SEED"); fi
    TMPDIR=$WORK/$target exec "$TARGET_DIR/$HOST/release/$target" "${options[@]}" -max_len=16384 -timeout=10 \
        "-rss_limit_mb=$MEMORY" -malloc_limit_mb=128 "-artifact_prefix=fuzz/artifacts/$target/" \
        "fuzz/corpus/$target" "fuzz/seeds/$target" >"$WORK/$target.log" 2>&1
}

# verdict TARGET STATUS: says what came of it.
verdict() {
    local target=$1 status=$2 log=$WORK/$1.log found
    if [[ $status -eq 0 ]]; then
        PASSED=$((PASSED + 1))
        say "$target: $(sed -n 's/^Done \([0-9]*\) runs in \([0-9]*\) second.*/\1 inputs in \2 s/p' "$log")"
        return
    fi
    FAILED=$((FAILED + 1))
    say "$target: FAILED (exit $status)"
    # Why, first; an assertion may print two documents, of which the sides say enough.
    grep -a -A 3 'panicked at' "$log" | cut -b 1-2000 >&2 || true
    grep -a -v -e '^#[0-9]' -e '^INFO:' "$log" | cut -b 1-400 | tail -n 20 >&2 || true
    found=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
    if [[ -n $found ]]; then
        say "kept: $found ($(wc -c <"$found") bytes)"
        # All of it: the log is what is left of a machine of CI.
        say "its contents, by 'base64 -d | gzip -d':"
        gzip -9 -n -c -- "$found" | base64 -w 120 >&2
        say "  hint: again: $TARGET_DIR/$HOST/release/$target $found"
        say "  hint: smaller: $TARGET_DIR/$HOST/release/$target -minimize_crash=1 -runs=100000 $found"
    fi
}

step "fuzzing, $SECONDS_EACH s each: ${TARGETS[*]}"
PASSED=0 FAILED=0
declare -A NAME_OF=()
# reap: waits for one of those that run.
reap() {
    local pid status=0
    wait -n -p pid "${RUNNING[@]}" || status=$?
    local left=() other
    for other in "${RUNNING[@]}"; do [[ $other == "$pid" ]] || left+=("$other"); done
    RUNNING=("${left[@]}")
    verdict "${NAME_OF[$pid]}" "$status"
}
for target in "${TARGETS[@]}"; do
    while [[ ${#RUNNING[@]} -ge $AT_ONCE ]]; do reap; done
    fuzz "$target" &
    RUNNING+=($!)
    NAME_OF[$!]=$target
done
while [[ ${#RUNNING[@]} -gt 0 ]]; do reap; done

# As cargo counts tests, for scripts/test.sh.
printf 'test result: %s. %d passed; %d failed\n' "$([[ $FAILED -eq 0 ]] && echo ok || echo FAILED)" "$PASSED" "$FAILED"
[[ $FAILED -eq 0 ]]
