//! Any arguments at all: the program ends with one of its exit codes, says why
//! in one line, and a mistake in them changes nothing.

use std::cell::Cell;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::process::Output;

use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use vmkin::error::Kind;

use super::common::{Host, Outcome};

/// Words that mean something to the program, and such as users mistype.
const WORDS: &[&str] = &[
    "list",
    "show",
    "tree",
    "clone",
    "start",
    "shutdown",
    "reboot",
    "suspend",
    "save",
    "restore",
    "resume",
    "destroy",
    "ip",
    "delete",
    "base",
    "seal",
    "unseal",
    "verify",
    "children",
    "doctor",
    "recover",
    "completions",
    "bash",
    "man",
    "help",
    "-d",
    "--domain",
    "golden",
    "nobody",
    "web-01",
    "web-{n:02}",
    "web-{n",
    "{n}",
    "1",
    "-",
    "--",
    "",
    "--count",
    "0",
    "2",
    "-1",
    "18446744073709551615",
    "18446744073709551616",
    "1e3",
    "--from",
    "--name",
    "--full",
    "--linked",
    "--start",
    "--mac",
    "52:54:00:00:00:09",
    "01:00:00:00:00:01",
    "52:54:00",
    "--uuid",
    "11111111-0000-4000-8000-000000000001",
    "not-a-uuid",
    "--share",
    "vda",
    "vdz",
    "--tpm",
    "fresh",
    "--reflink",
    "--reflink=always",
    "--no-seal",
    "--dry-run",
    "--print-xml",
    "--security-info",
    "--all-or-nothing",
    "--keep-hostdevs",
    "--json",
    "-q",
    "-v",
    "-vv",
    "--yes",
    "--force",
    "--keep-storage",
    "--remove-all-storage",
    "--wait",
    "--timeout",
    "--color",
    "never",
    "--dot",
    "--nonsense",
    "--pool",
    "--help",
    "-h",
    "--version",
    ".",
    "..",
    "%s",
    "\n",
    "\u{1b}[2J",
    "é",
    "--count=2",
    "--name=x",
    "-dgolden",
    "--original-xml",
    "nothing.xml",
];

fn argument() -> impl Strategy<Value = OsString> {
    prop_oneof![
        8 => prop::sample::select(WORDS).prop_map(OsString::from),
        // No slash: nothing outside of this host is to be named.
        1 => prop::collection::vec((1_u8..=255).prop_filter("a slash", |b| *b != b'/'), 0..12)
            .prop_map(OsString::from_vec),
    ]
}

/// Arguments that begin with a command, most of the time.
fn arguments() -> impl Strategy<Value = Vec<OsString>> {
    let command = prop::sample::select(&WORDS[..23]).prop_map(OsString::from);
    let golden = prop::bool::weighted(0.5);
    (command, golden, prop::collection::vec(argument(), 0..7)).prop_map(
        |(command, golden, rest)| {
            let named = ["-d", "golden"].map(OsString::from);
            let named = golden.then_some(named).into_iter().flatten();
            std::iter::once(command).chain(named).chain(rest).collect()
        },
    )
}

#[test]
fn any_arguments_end_in_a_documented_way() {
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 160,
        // Each try is a process.
        max_shrink_iters: 64,
        ..ProptestConfig::default()
    });
    // A host for the next try, as long as no command has changed it.
    let kept = Cell::new(None);
    let result = runner.run(&arguments(), |arguments| {
        let (host, before) = kept.take().unwrap_or_else(|| {
            let host = Host::golden();
            let world = host.world();
            (host, world)
        });
        let output = host.command().args(&arguments).output().unwrap();
        let after = host.world();
        let verdict = ended_well(&arguments, output, after == before);
        if after == before {
            kept.set(Some((host, before)));
        }
        verdict
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

fn ended_well(
    arguments: &[OsString],
    output: Output,
    nothing_changed: bool,
) -> Result<(), TestCaseError> {
    let code = output.status.code();
    let shown = format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let outcome = Outcome::of(output);
    let mut known = Kind::ALL.iter().map(|kind| i32::from(kind.exit_code()));
    let documented = code == Some(0) || known.any(|known| code == Some(known));
    prop_assert!(documented, "{}", shown);
    prop_assert!(code != Some(2) || nothing_changed, "{}", shown);
    let said = outcome.stderr();
    if code != Some(0) {
        let json = arguments.iter().any(|argument| argument == "--json");
        let errors = said.lines().filter(|line| line.starts_with("error:"));
        let one = errors.count() == 1 || json || said.contains("Usage:");
        prop_assert!(one, "{}", shown);
    }
    // What somebody else wrote moves no cursor.
    prop_assert!(!said.contains('\u{1b}'), "{}", shown);
    Ok(())
}
