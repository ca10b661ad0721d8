//! Every line of `docs/from-qemu-img.md`: what it says works, and does what
//! `qemu-img` does.

use std::fs;
use std::path::Path;

use crate::common::{Guest, Host, Outcome, contents as contents_of_disks, tool};

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

#[test]
fn each_line_about_snapshots_does_what_qemu_img_does() {
    let mut lines = lines();
    lines.retain(|(theirs, _)| theirs.starts_with("qemu-img snapshot "));
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
            assert_eq!(
                host.reads(&image, "qcow2"),
                host.reads(&twin, "qcow2"),
                "{ours}"
            );
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

/// The images that the lines about disks begin with.
fn images(dir: &Path) {
    let raw = dir.join("rhel6u3.img");
    fs::write(&raw, contents_of_disks()).unwrap();
    for (name, format) in [
        ("base-centos7.qcow2", "qcow2"),
        ("base-2.qcow2", "qcow2"),
        ("vm1.qcow2", "qcow2"),
        ("my-vmware.vmdk", "vmdk"),
    ] {
        let path = dir.join(name);
        tool(
            "qemu-img",
            &args!["convert", "-f", "raw", "-O", format, &raw, &path],
        );
    }
}

/// The image that a line makes: the last word that is the name of one.
fn made_by(line: &str) -> &str {
    let name = |word: &&str| word.ends_with(".img") || word.ends_with(".qcow2");
    line.split_whitespace().rfind(name).unwrap()
}

#[test]
fn each_line_about_disks_does_what_qemu_img_does() {
    let host = Host::new();
    let [theirs_in, ours_in] = ["images/theirs", "images/ours"].map(|name| host.root().join(name));
    for dir in [&theirs_in, &ours_in] {
        fs::create_dir(dir).unwrap();
        images(dir);
    }
    let mut done = 0;
    for (theirs, ours) in lines() {
        let theirs = theirs.split('`').next().unwrap().to_owned();
        let verb = theirs.split_whitespace().nth(1).unwrap().to_owned();
        if ["resize", "snapshot"].contains(&verb.as_str()) {
            continue;
        }
        done += 1;
        // A GiB of zeros is written in no other way than 64 MiB.
        let (theirs, ours) = (theirs.replace(" 1g", " 64m"), ours.replace(" 1g", " 64m"));
        #[expect(clippy::disallowed_methods, reason = "it is compared with")]
        let mut command = std::process::Command::new("qemu-img");
        let words = theirs.split_whitespace().skip(1);
        let output = command
            .args(words)
            .current_dir(&theirs_in)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{theirs}: {output:?}");
        let mut command = host.command();
        command.args(ours.split_whitespace().skip(1));
        let outcome = Outcome::of(command.current_dir(&ours_in).output().unwrap()).success();
        match verb.as_str() {
            "create" | "convert" | "amend" | "commit" | "rebase" => {
                let [one, other] = [&theirs_in, &ours_in].map(|dir| dir.join(made_by(&theirs)));
                assert_eq!(described(&one), described(&other), "{ours}");
                tool("qemu-img", &args!["compare", &one, &other]);
            }
            "info" => {
                let size = said.split("virtual size: ").nth(1).unwrap();
                let bytes = size.split(['(', ')']).nth(1).unwrap();
                assert!(outcome.stdout().contains(bytes), "{outcome}{said}");
            }
            "map" => assert_eq!(
                outcome.stdout().lines().count(),
                said.lines().count(),
                "{outcome}{said}"
            ),
            "--help" => {
                for format in ["raw", "qcow2", "qcow", "qed", "vmdk", "vdi", "vpc", "vhdx"] {
                    assert!(
                        outcome.stdout().contains(&format!("- {format}:")),
                        "{outcome}"
                    );
                    let formats = said.split("Supported ").nth(1).unwrap();
                    assert!(
                        formats.split_whitespace().any(|word| word == format),
                        "{said}"
                    );
                }
            }
            _ => assert_eq!(verb, "compare", "{ours}"),
        }
    }
    assert_eq!(done, 17);
}

/// What an image is, as far as both have to agree.
fn described(image: &Path) -> Vec<serde_json::Value> {
    let said = tool("qemu-img", &args!["info", "--output=json", image]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    let backing = said["full-backing-filename"].as_str().map(|path| {
        let name = Path::new(path).file_name().unwrap();
        name.to_string_lossy().into_owned()
    });
    let mut all = vec![backing.into()];
    all.push(said["format-specific"]["data"]["lazy-refcounts"].clone());
    for field in [
        "format",
        "virtual-size",
        "cluster-size",
        "backing-filename-format",
    ] {
        all.push(said[field].clone());
    }
    all
}

#[test]
fn each_line_about_sizes_does_what_qemu_img_does() {
    let mut lines = lines();
    lines.retain(|(theirs, _)| theirs.starts_with("qemu-img resize "));
    assert_eq!(lines.len(), 3, "{lines:?}");
    let host = Host::new();
    for (theirs, ours) in lines {
        let file = theirs
            .split_whitespace()
            .find(|word| word.ends_with(".qcow2"))
            .unwrap();
        let images = [host.image("twin.qcow2"), host.image(file)];
        for image in &images {
            tool(
                "qemu-img",
                &args!["create", "-q", "-f", "qcow2", image, "30G"],
            );
            let write = "write -P 5 1G 64k";
            tool("qemu-io", &args!["-f", "qcow2", "-c", write, image]);
        }
        let with = |line: &str, image: &Path| -> Vec<String> {
            let words = line.split_whitespace().skip(1);
            words
                .map(|word| word.replace(file, image.to_str().unwrap()))
                .collect()
        };
        tool("qemu-img", &with(&theirs, &images[0]));
        host.vmkin_args(&with(&ours, &images[1])).success();
        let info = |image: &Path| -> serde_json::Value {
            let said = tool("qemu-img", &args!["info", "--output=json", image]);
            serde_json::from_str(&said).unwrap()
        };
        let [twin, own] = [info(&images[0]), info(&images[1])];
        assert_eq!(twin["virtual-size"], own["virtual-size"], "{ours}");
        let [one, other] = &images;
        tool(
            "qemu-img",
            &args!["compare", "-s", "-f", "qcow2", "-F", "qcow2", one, other],
        );
        for image in &images {
            fs::remove_file(image).unwrap();
        }
    }
}
