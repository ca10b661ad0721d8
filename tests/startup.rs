//! What the program takes to start.

use vmkin::process::Tool;

/// Mapping libvirt and what it brings with it takes longer than to read a file
/// out of an image, which needs neither. See `src/hypervisor/libvirt/library.rs`.
#[test]
fn libvirt_is_not_needed_to_start() {
    let nm = Tool::find("nm").expect("binutils are there where anything is linked");
    let program = env!("CARGO_BIN_EXE_vmkin");
    let symbols = nm.run(["--dynamic", "--format=posix", program]);
    let symbols = String::from_utf8(symbols.expect("nm runs").stdout).expect("names are text");
    let undefined: Vec<&str> = symbols
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(_, what)| what.starts_with('U'))
        .map(|(name, _)| name)
        .collect();
    assert!(
        undefined.iter().any(|name| name.starts_with("malloc")),
        "this is no list of what is missing: {undefined:?}"
    );
    let of_libvirt: Vec<_> = undefined
        .iter()
        .filter(|name| name.starts_with("vir"))
        .collect();
    assert!(
        of_libvirt.is_empty(),
        "list them in src/hypervisor/libvirt/library.rs: {of_libvirt:?}"
    );
}
