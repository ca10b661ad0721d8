# shellcheck shell=bash
# Does KVM work? A /dev/kvm proves nothing: it may be there and QEMU abort at its first virtual CPU.

# kvm_works: starts a paused machine with one CPU and asks it to quit.
kvm_works() {
    [[ -w /dev/kvm ]] || return 1
    # In a shell of its own, whose stderr takes the word that QEMU was aborted.
    (
        printf '%s\n' '{"execute":"qmp_capabilities"}' '{"execute":"quit"}' |
            timeout 10 qemu-system-x86_64 -accel kvm -cpu host -machine pc -m 64 -S \
                -nodefaults -no-user-config -display none -qmp stdio
    ) >/dev/null 2>&1
}

domain_type() { if kvm_works; then echo kvm; else echo qemu; fi; }
