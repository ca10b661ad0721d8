//! A base gets another place, and all that is on it follows.

use std::path::{Path, PathBuf};

use crate::common::{DISK, Guest, Host, backing, contents, tool};

/// The domains as they are after a base has got another place, which the test
/// driver forgets.
fn follow(host: &Host, from: &Path, to: &Path) {
    let (from, to) = (from.display().to_string(), to.display().to_string());
    let names: Vec<String> = host.names();
    for name in names {
        host.edit(&name, |xml| xml.replace(&from, &to));
    }
}

/// A golden domain with two clones, one of which has been written to, an overlay
/// that nobody has beside the base and one elsewhere.
fn family(host: &Host) -> [PathBuf; 4] {
    host.pool("other", &host.root().join("other"));
    let [one, two] = ["web-01", "web-02"].map(|name| host.child(name));
    tool(
        "qemu-io",
        &args!["-f", "qcow2", "-c", "write -P 7 0 64k", &one],
    );
    let base = host.image("golden.qcow2");
    let strays = [
        host.image("stray.qcow2"),
        host.root().join("other/far.qcow2"),
    ];
    for stray in &strays {
        tool(
            "qemu-img",
            &args![
                "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", &base, stray
            ],
        );
    }
    let [near, far] = strays;
    [one, two, near, far]
}

#[test]
fn a_base_that_moves_takes_its_children_with_it() {
    for copy in [false, true] {
        let host = Host::golden();
        let overlays = family(&host);
        let (from, to) = (
            host.image("golden.qcow2"),
            host.root().join("other/base.qcow2"),
        );
        let before: Vec<_> = overlays
            .iter()
            .map(|path| host.reads(path, "qcow2"))
            .collect();
        let world = host.world();
        let args = format!("base move {} {}", from.display(), to.display());
        let args = if copy { format!("{args} --copy") } else { args };
        let plan = host
            .vmkin(&format!("{args} --dry-run --json"))
            .success()
            .json();
        assert_eq!(
            plan["domains"],
            serde_json::json!(["golden", "web-01", "web-02"])
        );
        assert_eq!(plan["overlays"].as_array().unwrap().len(), 4);
        assert_eq!(plan["method"], if copy { "copy" } else { "rename" });
        assert_eq!(host.world(), world);
        host.vmkin(&args)
            .success()
            .says("3 domains and 4 overlays follow it");
        assert!(!from.exists());
        for (path, before) in overlays.iter().zip(&before) {
            assert_eq!(backing(path).unwrap().0, to.display().to_string());
            assert_eq!(host.reads(path, "qcow2"), *before, "{}", path.display());
        }
        let world = host.world();
        assert!(world.is_sealed("other/base.qcow2"), "{world:?}");
        assert!(world.journals().is_empty());
        assert_eq!(world.seals().len(), 1);
        // What libvirt would have now, but for what a copy looks like.
        follow(&host, &from, &to);
        if !copy {
            host.vmkin("base verify -d golden").success();
            host.vmkin("reset --yes -d web-01").success();
            assert_eq!(host.reads(&overlays[0], "qcow2"), contents());
        }
        let children = host.vmkin("base children -d golden").success();
        for name in ["web-01", "web-02", "stray.qcow2", "far.qcow2"] {
            assert!(children.stdout().contains(name), "{children}");
        }
    }
}

#[test]
fn a_base_stays_where_it_is_if_not_all_can_follow() {
    let host = Host::golden();
    let [_, two, ..] = family(&host);
    let from = host.image("golden.qcow2");
    let base = from.display().to_string();
    let uuid = "00000000-0000-4000-8000-000000000009";
    let stray = host.image("stray.qcow2");
    let busy = || Guest::new("busy").uuid(uuid).disk("vda", "qcow2", &stray);
    host.add(busy().state(1));
    let other = host.root().join("other");
    let to = other.display();
    host.vmkin(&format!("base move {base} {to}"))
        .fails(4, "is running, and must be shut off");
    host.add(busy().saved());
    host.vmkin(&format!("base move {base} {to}"))
        .fails(4, "is saved, and must be shut off");
    host.remove("busy");
    let world = host.world();
    let taken = other.join("far.qcow2");
    for (to, code, words) in [
        (taken.display().to_string(), 5, "is there already"),
        (base.clone(), 5, "is there already"),
        (format!("{to}/none/x"), 3, "no directory"),
    ] {
        host.vmkin(&format!("base move {base} {to}"))
            .fails(code, words);
    }
    host.vmkin(&format!("base move {base}x {to}"))
        .fails(3, "no image");
    let guard = vmkin::image::Guard::base(&two).unwrap();
    host.vmkin(&format!("base move {base} {to}"))
        .fails(7, "is in use by");
    drop(guard);
    assert_eq!(host.world(), world);
    host.vmkin(&format!("base move {base} {to}")).success();
}

#[test]
fn a_base_that_was_killed_on_its_way_is_whole_and_the_next_run_ends_it() {
    for copy in [false, true] {
        let steps: &[&str] = if copy {
            &["copied", "named", "overlay@2", "opened"]
        } else {
            &[
                "journal",
                "opened",
                "locked",
                "named",
                "committed",
                "overlay@3",
                "defined@1",
                "recorded",
                "removed",
            ]
        };
        for step in steps {
            let host = Host::golden();
            let overlays = family(&host);
            let from = host.image("golden.qcow2");
            let to = host.root().join("other/golden.qcow2");
            let before: Vec<_> = overlays
                .iter()
                .map(|path| host.reads(path, "qcow2"))
                .collect();
            let mut args = format!(
                "base move {} {}",
                from.display(),
                host.root().join("other").display()
            );
            if copy {
                args.push_str(" --copy");
            }
            let killed = host.vmkin_failing(&args, &format!("move.{step}=kill"));
            assert_eq!(killed.signal(), Some(9), "{step}: {killed}");
            // Whatever is not done, no guest is without its base.
            for (path, before) in overlays.iter().zip(&before) {
                assert_eq!(
                    host.reads(path, "qcow2"),
                    *before,
                    "{step} {}",
                    path.display()
                );
            }
            host.vmkin("recover").success();
            // What is immutable is opened before it gets its second name, and where a
            // copy was made, before the old file is removed.
            let early = ["journal", "copied", "locked", "named"].contains(step);
            let moved = !early && (copy || *step != "opened");
            let (at, not_at) = if moved { (&to, &from) } else { (&from, &to) };
            assert!(at.exists() && !not_at.exists(), "{step}");
            let world = host.world();
            assert!(world.journals().is_empty(), "{step}");
            assert_eq!(world.seals().len(), 1, "{step}");
            let name = if moved {
                "other/golden.qcow2"
            } else {
                "images/golden.qcow2"
            };
            assert!(world.is_sealed(name), "{step} {world:?}");
            assert!(vmkin::image::is_immutable(at).unwrap(), "{step}");
            assert_eq!(
                world
                    .files()
                    .iter()
                    .filter(|file| file.contains(".vmkin-"))
                    .count(),
                0
            );
            for (path, before) in overlays.iter().zip(&before) {
                assert_eq!(backing(path).unwrap().0, at.display().to_string(), "{step}");
                assert_eq!(host.reads(path, "qcow2"), *before, "{step}");
            }
        }
    }
}

#[test]
fn fifty_children_follow_at_once() {
    let host = Host::golden();
    let names: Vec<String> = (0..50).map(|n| format!("c{n}")).collect();
    let base = host.image("golden.qcow2");
    for (n, name) in names.iter().enumerate() {
        let overlay = host.image(&format!("{name}.qcow2"));
        let spec = vmkin::image::Overlay {
            virtual_size: DISK,
            backing: &base,
            backing_format: vmkin::model::ImageFormat::Qcow2,
        };
        drop(vmkin::image::write(&overlay, &spec).unwrap());
        let uuid = format!("00000000-0000-4000-8000-0000000001{n:02}");
        host.add(Guest::new(name).uuid(&uuid).disk("vda", "qcow2", &overlay));
    }
    host.vmkin("base seal -d golden").success();
    let (from, to) = (host.image("golden.qcow2"), host.image("elsewhere.qcow2"));
    host.vmkin(&format!("base move {} {}", from.display(), to.display()))
        .success()
        .says("51 domains and 50 overlays follow it");
    follow(&host, &from, &to);
    for name in &names {
        assert_eq!(
            backing(&host.image(&format!("{name}.qcow2"))).unwrap().0,
            to.display().to_string()
        );
    }
    host.vmkin("base verify -d golden").success();
}

#[test]
fn a_layer_on_a_base_that_moves_stays_sealed_and_known() {
    for step in ["", "overlay"] {
        let host = Host::golden();
        let layer = host.child("web-01");
        host.vmkin("promote -d web-01").success();
        host.vmkin("clone -d web-01 top --quiet").success();
        let top = host.image("top.qcow2");
        let before = host.reads(&top, "qcow2");
        let (from, to) = (host.image("golden.qcow2"), host.image("moved.qcow2"));
        let args = format!("base move {} {}", from.display(), to.display());
        if step.is_empty() {
            host.vmkin(&args).success();
        } else {
            // The seal of the layer is open at that moment.
            let killed = host.vmkin_failing(&args, &format!("move.{step}=kill"));
            assert_eq!(killed.signal(), Some(9), "{killed}");
            assert!(!vmkin::image::is_immutable(&layer).unwrap());
            host.vmkin("recover").success();
        }
        assert_eq!(backing(&layer).unwrap().0, to.display().to_string());
        assert_eq!(host.reads(&top, "qcow2"), before);
        assert!(vmkin::image::is_immutable(&layer).unwrap());
        assert!(host.world().is_sealed("images/web-01.qcow2"));
        follow(&host, &from, &to);
        // Its contents are others, byte for byte, and that is known.
        host.vmkin_args(&args!["base", "verify", &layer])
            .success()
            .says("byte for byte");
    }
}

#[test]
fn a_guest_that_would_not_find_its_base_any_more_keeps_it_where_it_is() {
    let host = Host::golden();
    family(&host);
    let stray = host.image("stray.qcow2");
    host.add(Guest::new("plain").disk("vda", "qcow2", &stray));
    let away = host.root().join("away");
    std::fs::create_dir(&away).unwrap();
    let world = host.world();
    let args = format!(
        "base move {} {}",
        host.image("golden.qcow2").display(),
        away.display()
    );
    for args in [args.clone(), format!("{args} --dry-run")] {
        host.vmkin(&args)
            .fails(4, "domain 'plain' could not follow it")
            .says("virsh pool-define-as NAME dir --target");
        assert_eq!(host.world(), world);
    }
    host.pool("away", &away);
    host.vmkin(&args).success();
    // What libvirt would have now of those whose XML names it.
    follow(
        &host,
        &host.image("golden.qcow2"),
        &away.join("golden.qcow2"),
    );
    host.vmkin("start -d plain").success();
}
