//! Every line of docs/from-libguestfs.md does what it says.

use std::fs;
use std::path::Path;

use crate::common::{Guest, Host, tool};
use crate::guest_files::guest_image;

/// The lines of vmkin in the table.
fn lines() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/from-libguestfs.md");
    let text = fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let lines = rows.map(|row| {
        let cell = row.rsplit(" | ").next().unwrap();
        cell.trim_matches(|c| "` |".contains(c)).to_owned()
    });
    lines.collect()
}

#[test]
fn every_line_works() {
    let lines = lines();
    assert!(lines.len() > 14, "{lines:?}");
    for line in lines {
        let host = Host::new();
        let raw = guest_image(&host, "disk", "vmtest01");
        let image = host.image("vm1");
        tool(
            "qemu-img",
            &args!["convert", "-f", "raw", "-O", "qcow2", &raw, &image],
        );
        for name in ["instance-00000020", "golden"] {
            host.add(Guest::new(name).disk("vda", "qcow2", &image));
        }
        // What is a place on some host in the document is one on this.
        let to = host.root().join("home/localdir");
        fs::create_dir(&to).unwrap();
        let args = line.strip_prefix("vmkin ").unwrap();
        let args: Vec<String> = args
            .split(' ')
            .map(|word| match word {
                "/mykvm/vms/vm1" | "/kvm-vm/vmtest01.qcow2" => image.display().to_string(),
                "/path/on/host" => to.display().to_string(),
                "'*'" => "*".to_owned(),
                "disk.img" => raw.display().to_string(),
                word => word.to_owned(),
            })
            .collect();
        let outcome = host.command().args(&args).output().unwrap();
        let said = String::from_utf8_lossy(&outcome.stderr);
        assert!(outcome.status.success(), "{line}: {said}");
        let copies = line.contains("copy-out") && !line.ends_with(" -");
        let made = host.paths_below(&host.root().join("home"));
        assert_eq!(made.iter().any(|path| path.is_file()), copies, "{line}");
        // Of one image, nothing differs.
        let silent = copies || line.contains("diff");
        assert_eq!(outcome.stdout.is_empty(), silent, "{line}");
    }
}
