# `just` lists the recipes. Each calls a script or cargo, and so does CI.

_default:
    @just --list

# Formatting, lints, shell scripts
check:
    cargo fmt --check
    cargo clippy --all-targets --locked -- -D warnings
    shellcheck -x --severity=warning .ci/run scripts/*.sh scripts/lib/*.sh examples/*.sh

# All tests that need no daemon
test:
    ./scripts/test.sh --no-qemu

# All tests, with those on real guests
test-qemu:
    ./scripts/test.sh

# Every fuzz target for so many seconds
fuzz seconds="60":
    ./scripts/fuzz.sh --seconds {{seconds}}

# The documentation of the library
docs:
    cargo doc --locked --no-deps --document-private-items

# Licenses, sources and versions of dependencies
deny:
    cargo deny check licenses bans sources

# Twenty clones, before your eyes
demo:
    ./scripts/demo.sh

# What CI runs
ci:
    ./.ci/run
