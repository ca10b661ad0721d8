//! Keeps the layers of `src/lib.rs` in order, and files at a size that can be
//! read.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::fs;
use std::path::{Path, PathBuf};

/// Each module, and the modules it may name besides itself.
const LAYERS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("failpoint", BOTTOM),
    ("interrupt", BOTTOM),
    ("model", BOTTOM),
    ("xml", BOTTOM),
    ("process", BOTTOM),
    ("template", BOTTOM),
    ("hypervisor", LOW),
    ("image", LOW),
    ("osinfo", OSINFO),
    ("store", LOW),
    ("guest", GUEST),
    ("ops", OPS),
    ("cli", CLI),
];

const BOTTOM: &[&str] = &["model", "error", "interrupt", "failpoint"];
const LOW: &[&str] = &["xml", "process", "model", "error", "interrupt", "failpoint"];
const OSINFO: &[&str] = &["xml", "model", "error"];
const GUEST: &[&str] = &[
    "image",
    "process",
    "model",
    "error",
    "interrupt",
    "failpoint",
];
const OPS: &[&str] = &[
    "guest",
    "hypervisor",
    "image",
    "osinfo",
    "store",
    "xml",
    "process",
    "template",
    "model",
    "error",
    "interrupt",
    "failpoint",
];
const CLI: &[&str] = &[
    "ops",
    "guest",
    "hypervisor",
    "image",
    "osinfo",
    "store",
    "xml",
    "process",
    "template",
    "model",
    "error",
    "interrupt",
    "failpoint",
];

/// Crates, and parts of the standard library, that are the business of a few
/// files only: those whose path begins with one of these.
const OWNED: &[(&str, &[&str])] = &[
    ("virt", &["hypervisor/libvirt.rs", "hypervisor/libvirt/"]),
    ("quick_xml", &["xml/"]),
    ("handlebars", &["template/"]),
    (
        "fatfs",
        &["image/fat.rs", "image/seed.rs", "guest/native/fs/fat"],
    ),
    ("fuser", &["guest/fuse/"]),
    ("fs_ntfs", &["guest/native/fs/ntfs"]),
    ("hadris_fs", &["guest/native/fs/iso.rs"]),
    ("hadris_io", &["guest/native/fs/iso.rs"]),
    ("hadris_iso", &["guest/native/fs/iso.rs"]),
    ("hadris_storage", &["guest/native/fs/iso.rs"]),
    ("sha_crypt", &["ops/identity/password.rs"]),
    ("clap", &["cli/"]),
    ("clap_complete", &["cli/"]),
    ("clap_mangen", &["cli/"]),
    ("indicatif", &["cli/"]),
    ("comfy_table", &["cli/"]),
    ("anstream", &["cli/"]),
    ("anstyle", &["cli/"]),
    ("signal_hook", &["interrupt.rs"]),
    ("which", &["process.rs", "process/"]),
    // Besides starting programs, it has the exit code, which is the command
    // line's, and the number of this process.
    ("std::process::Command", &["process.rs", "process/"]),
    ("std::process::Child", &["process.rs", "process/"]),
    ("std::process::Stdio", &["process.rs", "process/"]),
    ("std::process::ExitCode", &["main.rs", "cli/mod.rs"]),
    ("std::process::exit", &[]),
    ("std::process::abort", &[]),
];

/// What changes or locks an image, and the only files that may hold it: an
/// operation gets at a domain's disk through `ops/guard.rs`, which has seen
/// that it is shut off, and through nothing else.
const WRITERS: &[(&str, &[&str])] = &[
    (
        "Lease::exclusive",
        &["image/lock.rs", "image/self_test.rs", "ops/guard.rs"],
    ),
    // A new file, which is nobody's disk yet.
    ("OFlags::RDWR", &["image/overlay.rs"]),
    // A new file of the user's, made with `O_EXCL`; holes in a leased image; a
    // pipe of our own.
    (
        "OFlags::WRONLY",
        &[
            "guest/build/pour.rs",
            "guest/extract/dir.rs",
            "image/lock.rs",
        ],
    ),
    // What stands for the volumes of another host in tests.
    ("write(true)", &["store/", "hypervisor/fake/volumes.rs"]),
    // A new volume of another host, which is nobody's disk yet; or a probe.
    (
        "create_volume(",
        &[
            "hypervisor/",
            "ops/base/push.rs",
            "ops/clone/far/",
            "ops/migrate.rs",
            "ops/migrate/copied.rs",
        ],
    ),
    (
        "volume.write(",
        &[
            "hypervisor/",
            "ops/base/push.rs",
            "ops/clone/far/",
            "ops/migrate/copied.rs",
        ],
    ),
    ("append(true)", &["store/", "failpoint.rs"]),
    (" File::create(", &[]),
    ("fs::File::create(", &[]),
    // Manual pages, into a directory that the user names.
    ("fs::write(", &["failpoint.rs", "cli/commands/man.rs"]),
    ("fs::rename(", &["image/overlay.rs", "store/"]),
];

/// A file with more lines usually holds two subjects.
const MAX_LINES: usize = 700;

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The `.rs` files below `src`, by their paths in it.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut dirs = vec![src()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(src()).unwrap().display().to_string();
                found.push((name, fs::read_to_string(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// Every path in the code of a file, such as `crate::ops::Host`, with the
/// number of its line. Comments are left out: a link in one is no use.
fn paths(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap();
        let part_of_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
        for word in code.split(|c| !part_of_path(c)) {
            // `use std::{…}` ends with a colon pair; the names stand alone.
            if word.contains("::") {
                found.push((number + 1, word.trim_matches(':').to_owned()));
            }
        }
    }
    found
}

/// Whether `path` is `name` or something in it.
fn within(path: &str, name: &str) -> bool {
    path.strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The module that a file belongs to.
fn module(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap()
}

/// What is wrong with the paths of one file.
fn wrong_in(file: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let allowed = LAYERS.iter().find(|(name, _)| *name == module(file));
    for (line, path) in paths(text) {
        let mut say = |what: String| wrong.push(format!("src/{file}:{line}: {what}"));
        if let Some(rest) = path.strip_prefix("crate::") {
            let used = rest.split("::").next().unwrap();
            let is_module = LAYERS.iter().any(|(name, _)| *name == used);
            match allowed {
                Some((own, allowed)) if is_module && used != *own && !allowed.contains(&used) => {
                    say(format!("`{path}`: {own} may not use {used}"));
                }
                Some(_) if !is_module => say(format!("`{path}`: {used} is in no layer")),
                _ => {}
            }
        }
        for (name, owners) in OWNED {
            if within(&path, name) && !owners.iter().any(|owner| file.starts_with(owner)) {
                say(format!("`{path}`: {name} belongs to {owners:?}"));
            }
        }
    }
    // `use std::process::{Command, …}` and the like would hide what is named.
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_start();
        let opens = |what: &str| line.starts_with(what) && !line.contains("// ");
        if opens("use std::process::{") && !file.starts_with("process") {
            let number = number + 1;
            wrong.push(format!(
                "src/{file}:{number}: name what is used of std::process one by one"
            ));
        }
        if opens("use crate::{") || opens("use std::{") {
            let number = number + 1;
            wrong.push(format!(
                "src/{file}:{number}: a group at the root hides the layers"
            ));
        }
    }
    wrong
}

#[test]
fn no_module_reaches_up() {
    let sources = sources();
    let wrong: Vec<String> = sources
        .iter()
        .flat_map(|(file, text)| wrong_in(file, text))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The code of a file without its unit tests.
fn without_tests(text: &str) -> &str {
    let end = text.find("#[cfg(test)]\nmod tests {");
    &text[..end.unwrap_or(text.len())]
}

/// What writes where it must not, in one file.
fn writers_in(file: &str, text: &str) -> Vec<String> {
    let code = without_tests(text).lines().enumerate();
    code.flat_map(|(number, line)| {
        WRITERS
            .iter()
            .filter(move |(what, owners)| {
                let code = line.split("//").next().unwrap();
                code.contains(what) && !owners.iter().any(|owner| file.starts_with(owner))
            })
            .map(move |(what, owners)| {
                format!("src/{file}:{}: `{what}` belongs to {owners:?}", number + 1)
            })
    })
    .collect()
}

#[test]
fn nothing_writes_to_a_disk_without_the_guard() {
    let only_tests = |file: &str| file.contains("tests") || file == "ops/testing.rs";
    let wrong: Vec<String> = sources()
        .iter()
        .filter(|(file, _)| !only_tests(file))
        .flat_map(|(file, text)| writers_in(file, text))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    for (file, text) in [
        ("ops/x.rs", "let lease = Lease::exclusive(&path)?;"),
        ("image/x.rs", "OpenOptions::new().write(true).open(path)"),
        ("image/x.rs", "    std::fs::write(path, bytes)?;"),
    ] {
        assert!(!writers_in(file, text).is_empty(), "{file}: {text}");
    }
    let tested = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fs::write(a, b);\n}";
    assert!(writers_in("image/x.rs", tested).is_empty());
}

#[test]
fn every_module_has_a_layer() {
    for (file, _) in sources() {
        let module = module(&file);
        let known = LAYERS.iter().any(|(name, _)| *name == module);
        assert!(known || ["lib", "main"].contains(&module), "src/{file}");
    }
}

/// A test that finds nothing proves nothing.
#[test]
fn what_is_wrong_is_found() {
    for (file, text) in [
        ("ops/x.rs", "use crate::cli::Session;"),
        ("ops/x.rs", "    let a = crate::cli::run(b);"),
        (
            "image/x.rs",
            "fn f(h: &dyn crate::hypervisor::Hypervisor) {}",
        ),
        ("image/x.rs", "use crate::store::Store;"),
        ("image/x.rs", "use crate::guest::native::Blocks;"),
        ("guest/x.rs", "use crate::hypervisor::Hypervisor;"),
        ("xml/x.rs", "use crate::process::Tool;"),
        ("osinfo/x.rs", "use crate::process::Tool;"),
        ("model/mac.rs", "use crate::xml::domain;"),
        ("error.rs", "use crate::model::FileId;"),
        ("ops/x.rs", "use virt::connect::Connect;"),
        ("hypervisor/mod.rs", "type A = virt::domain::Domain;"),
        ("model/x.rs", "use quick_xml::Reader;"),
        ("ops/x.rs", "#[derive(clap::Args)]"),
        ("image/x.rs", "use std::process::Command;"),
        ("image/x.rs", "    std::process::Command::new(x)"),
        ("image/x.rs", "use std::process::{Child, Command};"),
        ("cli/x.rs", "    std::process::exit(1);"),
        ("ops/x.rs", "use crate::{cli, model};"),
        ("ops/x.rs", "use crate::elsewhere::X;"),
    ] {
        assert!(!wrong_in(file, text).is_empty(), "{file}: {text}");
    }
    for (file, text) in [
        ("ops/x.rs", "use crate::image::Guard;"),
        ("cli/mod.rs", "use std::process::ExitCode;"),
        ("store/x.rs", "let pid = std::process::id();"),
        ("image/x.rs", "/// See [`crate::ops::base`]."),
        ("ops/x.rs", "let a = 1; // not crate::cli::run"),
        ("hypervisor/x.rs", "let uri = virtual_size::of(x);"),
    ] {
        assert!(wrong_in(file, text).is_empty(), "{file}: {text}");
    }
}

#[test]
fn no_file_is_too_long_to_read() {
    let long: Vec<String> = sources()
        .iter()
        .map(|(file, text)| (file, text.lines().count()))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(file, lines)| format!("src/{file} has {lines} lines"))
        .collect();
    assert!(long.is_empty(), "\n{}", long.join("\n"));
}

#[test]
fn modules_that_are_folders_hold_no_logic_of_their_own() {
    for (file, text) in sources() {
        if file.ends_with("/mod.rs") && !file.contains("/tests/") {
            let lines = text.lines().count();
            assert!(lines <= 250, "src/{file} has {lines} lines");
        }
    }
}

/// Every run of `qemu-img` on an image goes through one place, which has no way
/// to leave a format out and none to run it without limits.
#[test]
fn qemu_img_is_run_in_one_place() {
    let allowed = ["image/qemu_img.rs"];
    let mut found = Vec::new();
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let code = text.split("#[cfg(test)]").next().unwrap();
        let runs = code.contains("find(\"qemu-img\")") || code.contains("/qemu-img\"");
        if runs && file.ends_with(".rs") && !file.ends_with("tests.rs") {
            if allowed.contains(&file.as_str()) {
                found.push(file);
            } else {
                wrong.push(file);
            }
        }
    }
    assert!(wrong.is_empty(), "these run qemu-img themselves: {wrong:?}");
    assert_eq!(found, allowed);
    let builder = fs::read_to_string(src().join("image/qemu_img.rs")).unwrap();
    let code = builder.split("#[cfg(test)]").next().unwrap();
    // The one place in it, and what is always with it.
    assert_eq!(code.matches(".command(").count(), 1);
    assert_eq!(code.matches(".limits(").count(), 1);
    let verbs = code.matches("self.run(\"").count();
    assert_eq!(code.matches("\"--image-opts\"").count(), verbs);
}
