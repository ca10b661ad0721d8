use std::fs;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::Path;

use insta::assert_snapshot;
use vmkin::image::Lease;

use crate::common::{Guest, Host};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_seal_is_put_on_and_taken_off() {
    let host = Host::golden();
    let image = host.image("golden.qcow2");
    fs::set_permissions(&image, fs::Permissions::from_mode(0o640)).unwrap();
    assert_snapshot!(host.vmkin("base seal -d golden"), @"
    --- stderr ---
    Sealed [host]/images/golden.qcow2 ([sealed]).
    ");
    assert_eq!(mode(&image), 0o444);
    // Once more changes nothing, and does not forget the mode before.
    host.vmkin("base seal -d golden --no-hash").success();
    assert_snapshot!(host.vmkin("base verify -d golden"), @"
    --- stderr ---
    [host]/images/golden.qcow2 is what it was, byte for byte.
    ");
    assert_snapshot!(host.vmkin("base verify -d golden --quick"), @"
    --- stderr ---
    [host]/images/golden.qcow2 looks like it did.
    ");
    assert_snapshot!(host.vmkin("base unseal -d golden"), @"
    --- stderr ---
    Opened the seal of [host]/images/golden.qcow2.
    ");
    assert_eq!(mode(&image), 0o640);
    assert!(host.world().seals().is_empty());
}

#[test]
fn what_is_not_sealed_is_left_alone() {
    let host = Host::golden();
    let image = host.image("golden.qcow2");
    fs::set_permissions(&image, fs::Permissions::from_mode(0o600)).unwrap();
    assert_snapshot!(host.vmkin("base unseal -d golden"), @"
    --- stderr ---
    [host]/images/golden.qcow2 is not sealed.
    ");
    assert_eq!(mode(&image), 0o600);
    host.vmkin("base seal -d golden").success();
    host.vmkin("base unseal -d golden").success();
    host.vmkin("base unseal -d golden")
        .success()
        .says("is not sealed");
    assert_eq!(mode(&image), 0o600);
}

#[test]
fn a_seal_with_children_stays_closed() {
    let host = Host::golden();
    host.child("web-01");
    let before = host.world();
    assert_snapshot!(host.vmkin("base unseal -d golden"), @"
    --- stderr ---
    error: [host]/images/golden.qcow2 is the base of 1 child: 'web-01'
      hint: see all of them: `vmkin base children [host]/images/golden.qcow2`
    --- exit 6 ---
    ");
    host.vmkin("base unseal -d golden --force")
        .fails(2, "--yes");
    assert_eq!(host.world(), before);
    host.vmkin("base unseal -d golden --force --yes").success();
    assert_eq!(mode(&host.image("golden.qcow2")), 0o644);
}

#[test]
fn a_seal_with_an_overlay_that_no_domain_has_stays_closed() {
    let host = Host::golden();
    host.vmkin("clone -d golden web-01").success();
    let before = host.world();
    host.vmkin("base unseal -d golden").fails(6, "web-01.qcow2");
    assert_eq!(host.world(), before);
}

#[test]
fn what_is_to_be_typed_of_a_base_can_be_typed() {
    let host = Host::new();
    let image = host.qcow2("my disk.qcow2");
    host.add(Guest::new("golden").disk("vda", "qcow2", &image));
    let word = format!("'{}'", image.display());
    host.vmkin("clone -d golden web-01")
        .success()
        .says(&format!("`vmkin base unseal {word}`"));
    host.vmkin("start -d golden")
        .fails(6, "web-01.qcow2")
        .says(&format!("`vmkin base children {word}`"));
    host.open_seal(&image);
    let verified = host.vmkin_args(&["base", "verify", image.to_str().unwrap()]);
    verified
        .success()
        .says(&format!("`vmkin base seal {word}`"));
}

#[test]
fn a_copy_of_a_sealed_image_is_sealed_too() {
    let host = Host::golden();
    let image = host.image("golden.qcow2");
    fs::set_permissions(&image, fs::Permissions::from_mode(0o444)).unwrap();
    host.vmkin("clone -d golden web-01")
        .success()
        .says("Sealed ");
    assert_eq!(host.world().seals().len(), 1);
    let again = host.vmkin("clone -d golden web-02").success();
    assert!(!again.stderr().contains("Sealed "), "{again}");
    host.vmkin("base unseal -d golden --force --yes").success();
    assert_eq!(mode(&image), 0o644);
}

#[test]
fn children_and_bases_are_listed() {
    let host = Host::golden();
    host.child("web-01");
    host.child("web-02");
    host.vmkin("clone -d golden nobody").success();
    assert_snapshot!(host.vmkin("base children -d golden"), @"
    web-01
    web-02
    [host]/images/nobody.qcow2
    ");
    let document = host.vmkin("base list --json").success().json();
    let base = &document[0];
    assert_eq!(base["children"], serde_json::json!(["web-01", "web-02"]));
    assert_eq!(base["sealed"], true);
    assert_eq!(base["format"], "qcow2");
    assert_eq!(base["problems"], serde_json::json!([]));
    let table = host.vmkin("base list").success();
    assert!(table.stdout().contains("as it was"), "{table}");
}

#[test]
fn a_change_is_found_by_its_hash_and_by_its_looks() {
    let host = Host::golden();
    let image = host.image("golden.qcow2");
    host.vmkin("base seal -d golden").success();
    host.open_seal(&image);
    let before = fs::metadata(&image).unwrap().modified().unwrap();
    let file = fs::OpenOptions::new().write(true).open(&image).unwrap();
    file.write_all_at(b"!", 200_000).unwrap();
    host.vmkin("base verify -d golden --quick")
        .fails(9, "is not what it was");
    // With its times forged, only the contents tell.
    file.set_modified(before).unwrap();
    host.vmkin("base verify -d golden")
        .fails(9, "is not what it was")
        .says("SHA-256");
    let table = host.vmkin("base list").success();
    assert!(table.stdout().contains("golden.qcow2"), "{table}");
}

#[test]
fn the_same_contents_in_another_file_are_accepted_after_reading_all() {
    let host = Host::golden();
    let image = host.image("golden.qcow2");
    host.vmkin("base seal -d golden").success();
    host.child("web-01");
    host.open_seal(&image);
    let bytes = fs::read(&image).unwrap();
    fs::write(host.image("new"), bytes).unwrap();
    fs::rename(host.image("new"), &image).unwrap();
    host.vmkin("start -d web-01").fails(9, "replaced");
    // The contents are accepted; that the seal is open is told.
    let verified = host.vmkin("base verify -d golden").success();
    assert!(
        verified.to_string().contains("has opened the seal"),
        "{verified}"
    );
    host.vmkin("start -d web-01").success();
    host.vmkin("base seal -d golden").success();
    host.vmkin("base verify -d golden").success();
    host.vmkin("start -d web-01").success();
}

#[test]
fn paths_that_are_no_bases() {
    let host = Host::golden();
    fs::create_dir(host.image("directory")).unwrap();
    std::os::unix::fs::symlink("loop", host.image("loop")).unwrap();
    host.add(Guest::new("empty"));
    let before = host.world();
    let images = host.image("");
    let at = |name: &str| images.join(name).display().to_string();
    for (image, code) in [
        (at("none"), 3),
        (at("directory"), 4),
        (at("loop"), 9),
        ("/dev/null".to_owned(), 4),
        ("json:{}".to_owned(), 3),
        ("nbd://h/x".to_owned(), 3),
    ] {
        for command in ["seal", "unseal"] {
            let outcome = host.vmkin_args(&["base", command, &image]);
            assert!(
                [Some(code), Some(3), Some(4)].contains(&outcome.code()),
                "{command} {image}: {outcome}"
            );
            assert_eq!(host.world(), before, "{command} {image}");
        }
        for command in ["verify", "children"] {
            let outcome = host.vmkin_args(&["base", command, &image]);
            assert!(
                outcome.code().is_some_and(|c| c != 0),
                "{command} {image}: {outcome}"
            );
            assert_eq!(host.world(), before, "{command} {image}");
        }
    }
    host.vmkin_args(&["base", "seal", ""]).fails(2, "IMAGE");
    host.vmkin("base seal -d nope").fails(3, "no domain 'nope'");
    host.vmkin("base seal -d empty")
        .fails(4, "has no disk of its own");
    assert_eq!(host.world(), before);
}

#[test]
fn an_image_that_is_written_to_is_not_sealed() {
    let host = Host::golden();
    let before = host.world();
    let lease = Lease::exclusive(&host.image("golden.qcow2")).unwrap();
    host.vmkin("base seal -d golden").fails(7, "golden.qcow2");
    assert_eq!(host.world(), before);
    drop(lease);
}

#[test]
fn an_image_that_no_domain_has_is_sealed_by_its_path() {
    let host = Host::new();
    host.raw("base.img");
    host.vmkin("base seal --json ../images/base.img").success();
    let document = host.vmkin("base list --json").success().json();
    assert_eq!(document[0]["format"], "raw");
    assert_eq!(
        document[0]["path"],
        host.image("base.img").to_str().unwrap()
    );
    host.vmkin("base unseal ../images/base.img").success();
}

#[test]
fn a_base_is_known_by_every_path_that_leads_to_it() {
    let host = Host::new();
    let image = host.qcow2("real.qcow2");
    let link = host.image("golden.qcow2");
    std::os::unix::fs::symlink(&image, &link).unwrap();
    host.add(Guest::new("golden").disk("vda", "qcow2", &link));
    host.vmkin("clone -d golden web-01").success();
    let stray = host.image("web-01.qcow2");
    for which in [
        "-d golden",
        "../images/golden.qcow2",
        "../images/real.qcow2",
    ] {
        let children = host.vmkin(&format!("base children {which}")).success();
        assert_eq!(
            children.stdout(),
            format!("{}\n", stray.display()),
            "{which}"
        );
        host.vmkin(&format!("base unseal {which}"))
            .fails(6, "web-01.qcow2");
        host.vmkin(&format!("base seal {which}")).success();
        host.vmkin(&format!("base verify {which}")).success();
    }
    assert_eq!(host.world().seals().len(), 1);
}
