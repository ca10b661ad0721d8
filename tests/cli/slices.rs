//! Disks that are a part of an image (`<slices>`): what is beside that part is not
//! the guest's.

use std::path::Path;

use crate::common::{Guest, Host};

fn part_of(path: &Path) -> String {
    format!(
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{}'>\
         <slices><slice type='storage' offset='1048576' size='1048576'/></slices></source>\
         <target dev='vda' bus='virtio'/></disk>",
        path.display()
    )
}

#[test]
fn a_part_of_an_image_is_neither_cloned_nor_read_nor_written() {
    let host = Host::new();
    let raw = host.raw("whole.raw");
    let from = host.image("from");
    std::fs::write(&from, "new").unwrap();
    host.add(Guest::new("part").device(&part_of(&raw)));
    let before = host.world();
    for args in [
        "clone -d part new",
        "clone -d part new --full",
        "cat -d part --mount /dev/vda /etc/hostname",
        &format!("copy-in -d part --mount /dev/vda {} /", from.display()),
        "disk convert -d part copy.qcow2",
        "disk resize -d part --target vda +1M",
        "disk check -d part",
    ] {
        host.vmkin(args).fails(4, "part of an image");
        assert_eq!(host.world(), before, "{args}");
    }
    // That nobody else may use it is known all the same.
    host.add(Guest::new("other").disk("vdb", "raw", &raw));
    host.vmkin("disk resize -d other --target vdb +1M")
        .fails(4, "is also in use as disk vda of domain 'part'");
    host.vmkin("start -d part").success();
}
