//! The documents keep up with the program: links lead somewhere, and the
//! README has every command and every exit code.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests may panic as tests do"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use vmkin::error::Kind;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The documents for people, in and below these directories.
fn documents() -> Vec<PathBuf> {
    let mut all = Vec::new();
    for dir in ["", "docs", "docs/json", "examples"] {
        let entries = fs::read_dir(root().join(dir)).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        all.extend(paths.filter(|path| path.extension().is_some_and(|e| e == "md")));
    }
    assert!(all.len() > 5, "{all:?}");
    all
}

/// The targets of all `[text](target)` of a document.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target)
}

#[test]
fn every_link_in_the_documents_leads_to_a_file() {
    for document in documents() {
        for link in links(&read(&document)) {
            if link.contains("://") {
                continue;
            }
            let file = link.split('#').next().unwrap();
            let target = document.parent().unwrap().join(file);
            assert!(target.exists(), "{}: {link}", document.display());
        }
    }
}

#[test]
fn the_readme_has_every_exit_code() {
    let readme = read(&root().join("README.md"));
    let codes: Vec<&str> = readme
        .lines()
        .skip_while(|line| *line != "| code | meaning |")
        .skip(2)
        .map_while(|line| line.strip_prefix("| "))
        .filter_map(|line| line.split(" |").next())
        .flat_map(|codes| codes.split(", "))
        .collect();
    let mut expected = vec!["0".to_owned()];
    expected.extend(Kind::ALL.iter().map(|kind| kind.exit_code().to_string()));
    assert_eq!(codes, expected);
}

#[test]
fn the_readme_has_every_command() {
    let readme = read(&root().join("README.md"));
    let table: String = readme
        .lines()
        .skip_while(|line| *line != "| command | what it does |")
        .take_while(|line| line.starts_with('|'))
        .collect();
    let parents = ["base", "disk", "image", "snapshot", "template"];
    let prefixes = parents.map(|parent| (format!("{parent} "), Some(parent)));
    for (prefix, parent) in std::iter::once((String::new(), None)).chain(prefixes) {
        for command in subcommands(parent) {
            if command == "help" || parents.contains(&command.as_str()) {
                continue;
            }
            let name = format!("`{prefix}{command}`");
            assert!(table.contains(&name), "the README has no {name}");
        }
    }
}

/// What `vmkin PARENT --help` lists under "Commands".
fn subcommands(parent: Option<&str>) -> impl Iterator<Item = String> {
    #[expect(clippy::disallowed_methods, reason = "it is the program under test")]
    let output = Command::new(env!("CARGO_BIN_EXE_vmkin"))
        .args(parent)
        .arg("-h")
        .output()
        .unwrap();
    assert!(output.status.success(), "{parent:?}");
    let help = String::from_utf8(output.stdout).unwrap();
    let names: Vec<String> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .map_while(|line| line.strip_prefix("  "))
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect();
    names.into_iter()
}
