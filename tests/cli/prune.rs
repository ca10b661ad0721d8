//! What nobody has any more is found, and goes if it is asked for.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{Guest, Host, tool};

fn overlay(host: &Host, name: &str, base: &Path) -> PathBuf {
    let path = host.image(name);
    tool(
        "qemu-img",
        &args![
            "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, &path
        ],
    );
    path
}

#[test]
fn orphans_go_and_nothing_else_does() {
    let host = Host::golden();
    let used = host.child("web-01");
    let gone = host.child("web-02");
    host.remove("web-02");
    let on_gone = overlay(&host, "on-gone.qcow2", &gone);
    let base = host.image("golden.qcow2");
    let open = overlay(&host, "open.qcow2", &base);
    let kept = overlay(&host, "below-open.qcow2", &base);
    let on_kept = overlay(&host, "on-kept.qcow2", &kept);
    let lost = host.qcow2("lost.qcow2");
    let on_lost = overlay(&host, "on-lost.qcow2", &lost);
    fs::remove_file(lost).unwrap();
    let temporary = host.image(&format!(".vmkin-{}-0.tmp", "0".repeat(32)));
    fs::write(&temporary, "left").unwrap();
    fs::write(host.image("notes.txt"), "mine").unwrap();
    let layer = overlay(&host, "layer.qcow2", &base);
    host.vmkin_args(&args!["base", "seal", &layer]).success();
    let guards = [&open, &on_kept].map(|path| vmkin::image::Guard::base(path).unwrap());
    let before = host.world();
    let found = host.vmkin("prune --json").success().json();
    assert_eq!(host.world(), before);
    let paths = |list: &str| -> Vec<String> {
        let all = found[list].as_array().unwrap().iter();
        let mut all: Vec<_> = all
            .map(|one| one["path"].as_str().unwrap().to_owned())
            .collect();
        all.sort();
        all
    };
    let shown = |paths: &[&PathBuf]| -> Vec<String> {
        let mut all: Vec<_> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        all.sort();
        all
    };
    assert_eq!(paths("orphans"), shown(&[&gone, &on_gone, &temporary]));
    assert_eq!(
        paths("unknown"),
        shown(&[&open, &kept, &on_kept, &on_lost, &layer])
    );
    assert!(found["size"].as_u64().unwrap() > 0);
    host.vmkin("prune")
        .success()
        .says("`vmkin prune --yes` removes them");
    assert_eq!(host.world(), before);
    host.vmkin("prune --yes").success().says("Removed 3 files");
    let gone: Vec<String> = before.differences(&host.world());
    assert_eq!(gone.len(), 3, "{gone:?}");
    assert!(gone.iter().all(|one| one.ends_with("has gone")), "{gone:?}");
    drop(guards);
    assert!(used.exists());
    host.vmkin("prune --yes").success().says("Removed 3 files");
    host.vmkin("prune --yes")
        .success()
        .says("There are no orphans");
}

#[test]
fn nothing_goes_while_nobody_can_tell_who_uses_it() {
    let host = Host::golden();
    let gone = host.child("web-01");
    host.remove("web-01");
    let broken = host.image("broken.qcow2");
    fs::write(&broken, "QFI\u{fb}").unwrap();
    host.add(
        Guest::new("broken")
            .uuid("00000000-0000-4000-8000-000000000008")
            .disk("vda", "qcow2", &broken),
    );
    let before = host.world();
    host.vmkin("prune --yes").fails(9, "broken");
    assert_eq!(host.world(), before);
    host.remove("broken");
    // What a run that is under way has made is not touched.
    host.vmkin("prune --yes").success();
    assert!(!gone.exists());
}
