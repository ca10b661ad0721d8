//! What is generated is not stale, and no file is a god file.
//!
//! `VMKIN_BLESS=1 cargo test --test generated` writes the generated files anew.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn vmkin(args: &[&str]) -> String {
    #[expect(clippy::disallowed_methods, reason = "this is the program under test")]
    let output = Command::new(env!("CARGO_BIN_EXE_vmkin"))
        .env_clear()
        .env("HOME", "/nowhere")
        .env("COLUMNS", "100")
        .args(args)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// The top-level commands, and those of `base`, from the help.
fn commands() -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for name in listed(&[]) {
        for sub in listed(&[&name]) {
            all.push(vec![name.clone(), sub]);
        }
        all.push(vec![name]);
    }
    assert!(all.len() > 15, "{all:?}");
    all
}

/// The commands that the help of a command lists.
fn listed(path: &[&str]) -> Vec<String> {
    let help = vmkin(&[path, &["--help"]].concat());
    let Some((_, rest)) = help.split_once("\nCommands:\n") else {
        return Vec::new();
    };
    let section = rest.split("\n\n").next().unwrap();
    section
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .filter(|name| name != "help")
        .collect()
}

/// Compares files with what they should be, or writes them.
#[track_caller]
fn up_to_date(dir: &Path, expected: &BTreeMap<String, String>, extension: Option<&str>) {
    if std::env::var_os("VMKIN_BLESS").is_some_and(|value| !value.is_empty()) {
        fs::create_dir_all(dir).unwrap();
        for (name, text) in expected {
            fs::write(dir.join(name), text).unwrap();
        }
    }
    let how = "VMKIN_BLESS=1 cargo test --test generated";
    for (name, text) in expected {
        let there = fs::read_to_string(dir.join(name)).unwrap_or_default();
        assert!(there == *text, "{}/{name} is stale: {how}", dir.display());
    }
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let ours = extension.is_none_or(|e| path.extension().is_some_and(|other| other == e));
        let name = path.file_name().unwrap().to_str().unwrap();
        let known = path.is_dir() || expected.contains_key(name);
        assert!(
            !ours || known,
            "{} is about no command; remove it",
            path.display()
        );
    }
}

fn read_all(dir: &Path) -> BTreeMap<String, String> {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let path: PathBuf = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

#[test]
fn manual_pages_are_not_stale() {
    let dir = tempfile::tempdir().unwrap();
    vmkin(&["man", dir.path().to_str().unwrap()]);
    let pages = read_all(dir.path());
    for command in commands() {
        let name = format!("vmkin-{}.1", command.join("-"));
        assert!(pages.contains_key(&name), "no page {name}");
    }
    let root = pages.get("vmkin.1").unwrap();
    for kind in vmkin::error::Kind::ALL {
        let code = format!("\\fB{}\\fR", kind.exit_code());
        assert!(
            root.contains(&code),
            "vmkin.1 does not have exit code {code}"
        );
    }
    up_to_date(&repository().join("man"), &pages, Some("1"));
}

#[test]
fn completions_are_not_stale() {
    let scripts: BTreeMap<String, String> = [
        ("bash", "vmkin.bash"),
        ("zsh", "_vmkin"),
        ("fish", "vmkin.fish"),
    ]
    .into_iter()
    .map(|(shell, name)| (name.to_owned(), vmkin(&["completions", shell])))
    .collect();
    up_to_date(&repository().join("man/completions"), &scripts, None);
}

#[test]
fn help_is_short_and_says_what_a_command_does() {
    for command in commands() {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        // Of these, -h shows sizes that people can read, as of what they replace.
        let own = ["ls", "df"].contains(&words.join(" ").as_str());
        let flags = if own {
            &["--help"][..]
        } else {
            &["-h", "--help"]
        };
        for flag in flags {
            let help = vmkin(&[&words[..], &[flag]].concat());
            for line in help.lines() {
                assert!(line.chars().count() <= 100, "{command:?} {flag}: {line}");
            }
            let summary = help.lines().next().unwrap();
            assert!(
                summary.starts_with(char::is_uppercase) && !summary.ends_with('.'),
                "{command:?}: {summary}"
            );
            assert!(help.contains("\nUsage: vmkin "), "{command:?}");
        }
    }
}
