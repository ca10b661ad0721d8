# shellcheck shell=bash
# KVM or emulation for the guests of tests and of the demo?

# use_kvm: whether the user asked for it. It is not tried, because no quick try tells: there are hosts where QEMU aborts
# at its first virtual CPU, and others where it starts, runs firmware, and no kernel ever boots.
use_kvm() { [[ ${VMKIN_KVM:-} == yes ]]; }

domain_type() { if use_kvm; then echo kvm; else echo qemu; fi; }
