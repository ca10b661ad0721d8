//! Every line of `docs/from-qemu-img.md`: what it says works, and does what
//! `qemu-img` does.

use std::fs;
use std::path::Path;

use crate::common::{Guest, Host, tool};

/// The commands of the tables: those of `qemu-img`, and ours.
fn lines() -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/from-qemu-img.md");
    let text = fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `qemu-img "));
    rows.map(|row| {
        let mut cells = row
            .split('|')
            .map(|cell| cell.trim().trim_matches('`').to_owned());
        cells.next();
        (cells.next().unwrap(), cells.next().unwrap())
    })
    .collect()
}

/// What `qemu-img` says of an image's snapshots, without times.
fn tags(image: &Path) -> Vec<String> {
    let said = tool("qemu-img", &args!["snapshot", "-l", image]);
    let rows = said.lines().skip(2);
    rows.map(|row| row.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
        .collect()
}

fn contents(host: &Host, image: &Path) -> Vec<u8> {
    let raw = host.root().join("compared.raw");
    tool(
        "qemu-img",
        &args!["convert", "-f", "qcow2", "-O", "raw", image, &raw],
    );
    fs::read(raw).unwrap()
}

#[test]
fn each_line_does_what_qemu_img_does() {
    let lines = lines();
    assert_eq!(lines.len(), 8, "{lines:?}");
    for names in [&lines[..4], &lines[4..]] {
        let host = Host::new();
        let file = names[0].0.split_whitespace().last().unwrap();
        let (image, twin) = (host.image(file), host.image("twin.qcow2"));
        for path in [&image, &twin] {
            let made = host.qcow2("made.qcow2");
            fs::rename(made, path).unwrap();
        }
        if file != "alone.qcow2" {
            host.add(Guest::new("web").disk("vda", "qcow2", &image));
        }
        for (theirs, ours) in names {
            // `qemu-img` on the twin, as it is written.
            let words: Vec<String> = theirs
                .split_whitespace()
                .map(|word| word.replace(file, twin.to_str().unwrap()))
                .collect();
            tool("qemu-img", &words[1..]);
            let words: Vec<String> = ours
                .split_whitespace()
                .map(|word| word.replace(file, image.to_str().unwrap()))
                .collect();
            let outcome = host.vmkin_args(&words[1..]).success();
            if ours.contains("list") {
                assert!(outcome.stdout().contains("s1"), "{outcome}");
            }
            assert_eq!(tags(&image), tags(&twin), "{ours}");
            assert_eq!(contents(&host, &image), contents(&host, &twin), "{ours}");
            for path in [&image, &twin] {
                tool(
                    "qemu-io",
                    &args!["-f", "qcow2", "-c", "write -P 5 0 64k", path],
                );
            }
        }
        assert_eq!(tags(&image), [""; 0]);
    }
}
