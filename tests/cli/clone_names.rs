//! Names, counts, MAC addresses and UUIDs that a clone cannot have, and those
//! that it gets.

use std::os::unix::ffi::OsStrExt as _;

use insta::assert_snapshot;

use crate::common::{GOLDEN_MAC, GOLDEN_UUID, Guest, Host};

const OTHER_UUID: &str = "00000000-0000-4000-8000-000000000002";
const OTHER_MAC: &str = "52:54:00:00:00:02";
const FREE_UUID: &str = "00000000-0000-4000-8000-00000000000f";

/// Arguments after `clone -d golden`, the exit code, and what the error says.
type Row<'a> = (&'a [&'a str], i32, &'a str);

const LONG: &str = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\
                    nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn";

const NAMES: &[Row<'_>] = &[
    (&[""], 2, "a domain name cannot be empty"),
    (&["."], 2, "cannot begin with '.'"),
    (&[".."], 2, "cannot begin with '.'"),
    (&[".hidden"], 2, "cannot begin with '.'"),
    (&["a/b"], 2, "cannot contain '/'"),
    (&["../up"], 2, "cannot contain '/'"),
    (&["/abs"], 2, "cannot contain '/'"),
    (&["a\nb"], 2, "cannot contain '\\n'"),
    (&["a\tb"], 2, "cannot contain '\\t'"),
    (&["a\u{1b}[2Jb"], 2, "cannot contain '\\u{1b}'"),
    (&["a\u{7f}"], 2, "cannot contain '\\u{7f}'"),
    (&["-lead"], 2, "unexpected argument"),
    (&["--name=-lead"], 2, "cannot begin with '-'"),
    (&["--", "-lead"], 2, "cannot begin with '-'"),
    (&[" lead"], 2, "cannot contain ' '"),
    (&["trail "], 2, "cannot contain ' '"),
    (&["123456"], 2, "cannot be digits only"),
    (&["x<>&\"'"], 2, "cannot contain '<'"),
    (&["x&amp;y"], 2, "cannot contain '&'"),
    (&["héllo"], 2, "cannot contain 'é'"),
    (&["$(id)"], 2, "cannot contain '$'"),
    (&[FREE_UUID], 2, "cannot be a UUID"),
    (&["0000000000004000800000000000000f"], 2, "cannot be"),
    (&[LONG], 2, "cannot have more than 120 bytes"),
    (&["%n"], 2, "cannot contain '%'"),
    (&["web-%s"], 2, "cannot contain '%'"),
    (&["golden"], 5, "domain 'golden' exists already"),
    (&["other"], 5, "domain 'other' exists already"),
    (&["--force", "other"], 2, "unexpected argument '--force'"),
    (&["new", "other"], 5, "domain 'other' exists already"),
    (&["twice", "twice"], 2, "the name 'twice' is given twice"),
    (
        &["--name", "twice", "--name", "twice"],
        2,
        "the name 'twice' is given twice",
    ),
];

const COUNTS: &[Row<'_>] = &[
    (&["web", "--count", "5"], 2, "the one name has no counter"),
    (&["a", "b", "--count", "5"], 2, "2 names are given"),
    (&["web", "--from", "5"], 2, "--from needs a pattern"),
    (&["--from", "5"], 2, "--from needs a pattern"),
    (&["web-{n}", "--count", "0"], 2, "--count is 0"),
    (&["web-{n}", "--count", "-1"], 2, "unexpected argument '-1'"),
    (&["web-{n}", "--count=-1"], 2, "invalid value '-1'"),
    (
        &["web-{n}", "--count", "1000000000"],
        2,
        "10000 at the most",
    ),
    (&["web-{n}", "--count", "1e3"], 2, "invalid value '1e3'"),
    (&["web-{n}", "--count", ""], 2, "--count"),
    (
        &["web-{n}", "--count", "99999999999999999999"],
        2,
        "invalid value",
    ),
    (
        &["web-{n}", "--from", "18446744073709551615", "--count", "2"],
        2,
        "too large to count on",
    ),
    (&["a-{n}", "b-{n}", "--count", "2"], 2, "cannot be mixed"),
    (&["a-{n}", "b"], 2, "cannot be mixed"),
    (&["web-{n"], 2, "a brace without its partner"),
    (&["web-n}"], 2, "a brace without its partner"),
    (&["web-{m}"], 2, "unknown field {m}"),
    (&["web-{n:x}"], 2, "unknown field {n:x}"),
    (&["web-{n:99}"], 2, "invalid value"),
    (&["web-{}"], 2, "unknown field {}"),
    (&["{n}", "--count", "3"], 2, "digits only"),
    (&["{n}/x", "--count", "3"], 2, "cannot contain '/'"),
    (&["othe{n}", "--count", "0"], 2, "--count is 0"),
];

const ADDRESSES: &[Row<'_>] = &[
    (
        &["x", "--mac", "52:54:00:gg:00:01"],
        2,
        "six hexadecimal bytes",
    ),
    (
        &["x", "--mac", "52:54:00:00:01"],
        2,
        "six hexadecimal bytes",
    ),
    (
        &["x", "--mac", "52:54:00:00:00:01:02"],
        2,
        "six hexadecimal bytes",
    ),
    (&["x", "--mac", ""], 2, "--mac"),
    (&["x", "--mac", "01:00:5e:00:00:01"], 2, "multicast"),
    (&["x", "--mac", "33:33:00:00:00:01"], 2, "multicast"),
    (&["x", "--mac", "00:00:00:00:00:00"], 2, "cannot be used"),
    (&["x", "--mac", "ff:ff:ff:ff:ff:ff"], 2, "cannot be used"),
    (&["x", "--mac", OTHER_MAC], 5, "belongs to another domain"),
    (&["x", "--mac", GOLDEN_MAC], 5, "belongs to another domain"),
    (
        &[
            "x",
            "--mac",
            "52:54:00:AB:CD:EF",
            "--mac",
            "52:54:00:ab:cd:ef",
        ],
        2,
        "MAC addresses are given",
    ),
    (
        &[
            "x",
            "y",
            "--mac",
            "52:54:00:ab:cd:ef",
            "--mac",
            "52:54:00:AB:CD:EF",
        ],
        2,
        "is given twice",
    ),
    (
        &["x", "y", "--mac", "52:54:00:ab:cd:ef"],
        2,
        "1 MAC addresses are given, and 2 clones",
    ),
    (&["x", "--uuid", "nonsense"], 2, "invalid value 'nonsense'"),
    (
        &["x", "--uuid", "zzzzzzzz-0000-4000-8000-000000000002"],
        2,
        "invalid value",
    ),
    (&["x", "--uuid", ""], 2, "--uuid"),
    (
        &["x", "--uuid", "00000000-0000-0000-0000-000000000000"],
        2,
        "cannot be the UUID",
    ),
    (
        &["x", "--uuid", "ffffffff-ffff-ffff-ffff-ffffffffffff"],
        2,
        "cannot be the UUID",
    ),
    (&["x", "--uuid", GOLDEN_UUID], 5, "exists already"),
    (&["x", "--uuid", OTHER_UUID], 5, "exists already"),
    (&["other", "--uuid", OTHER_UUID], 5, "exists already"),
    (
        &["x", "y", "--uuid", FREE_UUID],
        2,
        "1 UUIDs are given for 2 clones",
    ),
    (
        &["x", "y", "--uuid", FREE_UUID, "--uuid", FREE_UUID],
        2,
        "is given twice",
    ),
    (
        &["x", "--uuid", FREE_UUID, "--uuid", OTHER_UUID],
        2,
        "2 UUIDs are given for 1 clones",
    ),
];

fn host() -> Host {
    let host = Host::golden();
    host.add(Guest::new("other").uuid(OTHER_UUID).nic(OTHER_MAC));
    host
}

#[track_caller]
fn refuses(rows: &[Row<'_>]) {
    let host = host();
    let before = host.world();
    for (args, code, what) in rows {
        for way in [&[][..], &["--full"], &["--dry-run"], &["--print-xml"]] {
            let args = [&["clone", "-d", "golden"], way, args].concat();
            let outcome = host.vmkin_args(&args).fails(*code, what);
            assert!(outcome.stdout().is_empty(), "{args:?}: {outcome}");
            assert!(!outcome.stderr().contains('\u{1b}'), "{args:?}: {outcome}");
            assert_eq!(host.world(), before, "{args:?}");
        }
    }
}

#[test]
fn names_that_no_clone_can_have() {
    refuses(NAMES);
}

#[test]
fn counts_that_do_not_fit() {
    refuses(COUNTS);
}

#[test]
fn addresses_and_uuids_that_no_clone_can_have() {
    refuses(ADDRESSES);
}

#[test]
fn a_name_that_is_not_utf_8() {
    let host = host();
    let before = host.world();
    let name = std::ffi::OsStr::from_bytes(b"web\xff");
    let outcome = host.vmkin_args(&args!["clone", "-d", "golden", name]);
    assert_eq!(outcome.code(), Some(2), "{outcome}");
    assert_eq!(host.world(), before);
}

#[test]
fn a_name_that_is_taken() {
    assert_snapshot!(host().vmkin("clone -d golden web-01 other"), @"
    --- stderr ---
    error: domain 'other' exists already
      hint: choose another name, or delete it: `vmkin delete -d other`
    --- exit 5 ---
    ");
}

#[test]
fn a_pattern_counts_on_past_its_width() {
    let host = Host::golden();
    let outcome = host
        .vmkin("clone -d golden --name web-{n:02} --from 99 --count 2")
        .success();
    assert_snapshot!(outcome, @"
    [uuid]
    [uuid]
    --- stderr ---
    Note (of 'web-99', and the others likewise): network interface 1 ([mac]): the fixed name 'testnet0' on the host was dropped, so libvirt picks one.
    Sealed [host]/images/golden.qcow2 ([sealed]); `vmkin base unseal [host]/images/golden.qcow2` opens it again.
    Cloned 2 domains from 'golden': 'web-99' to 'web-100'.
    ");
    assert_eq!(
        host.world().images(),
        ["golden.qcow2", "web-100.qcow2", "web-99.qcow2"]
    );
}

#[test]
fn a_pattern_does_not_skip_names_that_are_taken() {
    let host = Host::golden();
    host.add(Guest::new("web-2"));
    let before = host.world();
    host.vmkin("clone -d golden web-{n} --count 3")
        .fails(5, "domain 'web-2' exists already");
    assert_eq!(host.world(), before);
}

#[test]
fn without_a_name_it_is_the_rule_of_virt_clone() {
    let host = Host::golden();
    let names = |host: &Host, args: &str| -> Vec<String> {
        let document = host.vmkin(args).success().json();
        let clones = document["clones"].as_array().unwrap();
        clones
            .iter()
            .map(|c| c["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&host, "clone -d golden --json"), ["golden-clone"]);
    host.add(Guest::new("golden-clone"));
    assert_eq!(
        names(&host, "clone -d golden --json --count 2"),
        ["golden-clone1", "golden-clone2"]
    );
    let image = host.qcow2("nine.qcow2");
    host.add(Guest::new("golden-clone9").disk("vda", "qcow2", &image));
    assert_eq!(
        names(&host, "clone -d golden-clone9 --json"),
        ["golden-clone10"]
    );
}

#[test]
fn given_addresses_and_uuids_are_used_in_their_order() {
    let host = Host::golden();
    let document = host
        .vmkin(
            "clone -d golden a b --json --mac 52:54:00:AA:00:01 --mac 52:54:00:aa:00:02 \
             --uuid 11111111-0000-4000-8000-000000000001 --uuid 11111111-0000-4000-8000-000000000002",
        )
        .success()
        .json();
    let clones = &document["clones"];
    for (i, name) in ["a", "b"].iter().enumerate() {
        let n = i + 1;
        assert_eq!(clones[i]["name"], *name);
        assert_eq!(clones[i]["macs"][0], format!("52:54:00:aa:00:0{n}"));
        assert_eq!(
            clones[i]["uuid"],
            format!("11111111-0000-4000-8000-00000000000{n}")
        );
    }
}

#[test]
fn two_hundred_clones_share_nothing() {
    let host = Host::golden();
    let document = host
        .vmkin("clone -d golden c{n} --count 200 --json")
        .success()
        .json();
    let clones = document["clones"].as_array().unwrap();
    assert_eq!(clones.len(), 200);
    for field in ["name", "uuid", "macs", "disks"] {
        let mut all: Vec<String> = clones.iter().map(|c| c[field].to_string()).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 200, "{field}");
    }
}
