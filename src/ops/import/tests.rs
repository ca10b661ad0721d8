use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use super::*;
use crate::error::{Kind, Result};
use crate::image::{Overlay, OverlayContents, blank};
use crate::model::import::VirtType;
use crate::model::{CloneMode, DomainState, ImageFormat, Pool, Size};
use crate::ops::clone::request::Golden;
use crate::ops::clone::{CloneRequest, NameChoice, Outcome, Placement, apply, plan};
use crate::ops::testing::Bench;

/// A host with the image `base.raw`, of which nobody has made anything.
fn bench() -> Bench {
    let bench = Bench::new();
    let path = bench.path("base.raw");
    fs::write(&path, vec![1; 1 << 20]).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    bench
}

pub(super) fn wishes(bench: &Bench, disks: &[&str]) -> Wishes {
    let dir = bench.path("").display().to_string();
    let disks = disks
        .iter()
        .map(|disk| disk.replace("DIR/", &dir).parse().unwrap());
    Wishes {
        disks: disks.collect(),
        ..Wishes::default()
    }
}

pub(super) fn import(bench: &Bench, wishes: &Wishes, names: &[&str]) -> Result<Outcome> {
    let count = u64::try_from(names.len()).unwrap();
    let designed = design(bench.host(), wishes, count)?;
    let request = CloneRequest {
        golden: Golden::Blueprint(Arc::new(designed.blueprint)),
        names: NameChoice::Given(names.iter().map(|name| name.parse().unwrap()).collect()),
        macs: designed.macs,
        ..bench.request("golden", names)
    };
    assert_eq!(request.mode, CloneMode::Linked);
    apply(bench.host(), plan(bench.host(), &request)?)
}

pub(super) fn refused(bench: &Bench, disks: &[&str], names: &[&str]) -> (Kind, String) {
    let before = bench.files();
    let error = import(bench, &wishes(bench, disks), names).unwrap_err();
    assert_eq!(bench.files(), before, "{error}");
    (error.kind(), error.to_string())
}

#[test]
fn overlays_and_new_images_are_made_for_each_guest() {
    let bench = bench();
    let disks = ["backing=DIR/base.raw,size=2M", "size=3M,pool=here"];
    let wishes = wishes(&bench, &disks);
    let (kind, _) = refused(&bench, &disks, &["a"]);
    assert_eq!(kind, Kind::NotFound, "there is no pool");
    let mut bench = bench;
    bench.fake.pools.push(Pool {
        name: "here".to_owned(),
        active: true,
        path: Some(bench.path("")),
    });
    import(&bench, &wishes, &["a", "b"]).unwrap();
    let files = [
        "a-vdb.qcow2",
        "a.qcow2",
        "b-vdb.qcow2",
        "b.qcow2",
        "base.raw",
        "golden.raw",
    ];
    assert_eq!(bench.files(), files);
    let facts = crate::xml::domain::read(&bench.domain_xml("b")).unwrap();
    assert_eq!(facts.disks.len(), 2);
    assert_eq!(facts.disks[0].declared.len(), 1);
    let lineage = facts.lineage.unwrap();
    assert_eq!(lineage.golden_name, "base.raw");
    assert_eq!(lineage.disks[0].bases[0].format, ImageFormat::Raw);
    assert!(lineage.disks[1].bases.is_empty());
    assert!(
        crate::image::seal_state(&bench.path("base.raw"))
            .unwrap()
            .sealed
    );
    let chain = |name: &str| {
        let trust = crate::image::Trust::new([bench.path("")], [bench.path("base.raw")]);
        crate::image::resolve(&bench.path(name), ImageFormat::Qcow2, &trust).unwrap()
    };
    assert_eq!(chain("a.qcow2").top().virtual_size, 2 << 20);
    assert_eq!(chain("a.qcow2").base().path, bench.path("base.raw"));
    assert_eq!(chain("a-vdb.qcow2").top().virtual_size, 3 << 20);
    assert!(chain("a-vdb.qcow2").is_single());
}

#[test]
fn a_new_image_goes_where_it_is_said_and_else_to_the_default_pool() {
    let mut bench = bench();
    for name in ["default", "other"] {
        fs::create_dir(bench.path(name)).unwrap();
        bench.fake.pools.push(Pool {
            name: name.to_owned(),
            active: true,
            path: Some(bench.path(name)),
        });
    }
    let designed = || design(bench.host(), &wishes(&bench, &["size=1M"]), 1).unwrap();
    for (placement, dir) in [
        (Placement::Beside, "default"),
        (Placement::Pool("other".to_owned()), "other"),
        (Placement::Dir(bench.path("other")), "other"),
    ] {
        let request = CloneRequest {
            golden: Golden::Blueprint(Arc::new(designed().blueprint)),
            placement,
            ..bench.request("golden", &["a"])
        };
        let planned = plan(bench.host(), &request).unwrap();
        let path = bench.path(dir).join("a.qcow2");
        assert_eq!(planned.clones[0].disks[0].path, path);
    }
}

#[test]
fn an_image_is_used_as_it_is_by_one_guest_and_no_other() {
    let bench = bench();
    import(&bench, &wishes(&bench, &["DIR/base.raw"]), &["a"]).unwrap();
    assert_eq!(bench.files(), ["base.raw", "golden.raw"]);
    let facts = crate::xml::domain::read(&bench.domain_xml("a")).unwrap();
    assert!(facts.lineage.is_none(), "nothing was made for it");
    let (kind, says) = refused(&bench, &["DIR/base.raw"], &["b"]);
    assert_eq!(kind, Kind::Exists);
    assert!(says.contains("is a disk of domain 'a' already"), "{says}");
    let (kind, _) = refused(&bench, &["DIR/golden.raw"], &["b"]);
    assert_eq!(kind, Kind::Exists);
    // Both would have to say that they share it.
    let shared = ["DIR/base.raw,shareable=on"];
    assert_eq!(refused(&bench, &shared, &["b"]).0, Kind::Exists);
}

#[test]
fn a_base_is_never_given_to_a_guest_that_writes_to_it() {
    let bench = bench();
    let overlay = ["backing=DIR/base.raw"];
    import(&bench, &wishes(&bench, &overlay), &["a"]).unwrap();
    let (kind, says) = refused(&bench, &["DIR/base.raw"], &["b"]);
    assert_eq!(kind, Kind::Protected);
    assert!(says.contains("would write to a base"), "{says}");
    // To read it does no harm.
    import(
        &bench,
        &wishes(&bench, &["DIR/base.raw,readonly=on"]),
        &["c"],
    )
    .unwrap();
}

#[test]
fn what_a_running_guest_writes_to_is_no_base() {
    let bench = bench();
    let golden = "golden";
    bench
        .fake
        .change(golden, |one| one.state = DomainState::Running);
    let (kind, says) = refused(&bench, &["backing=DIR/golden.raw"], &["a"]);
    assert_eq!(kind, Kind::WrongState);
    assert!(says.contains("is running"), "{says}");
}

#[test]
fn images_that_cannot_be_are_refused() {
    let bench = bench();
    fs::create_dir(bench.path("dir")).unwrap();
    for (disks, names, kind, says) in [
        (
            &["DIR/none.qcow2"][..],
            &["a"][..],
            Kind::NotFound,
            "there is no image",
        ),
        (
            &["backing=DIR/none"],
            &["a"],
            Kind::NotFound,
            "there is no image",
        ),
        (&["DIR/dir"], &["a"], Kind::WrongState, "is a directory"),
        (&["/dev/null"], &["a"], Kind::WrongState, "is no file"),
        (
            &["DIR/base.raw,size=1"],
            &["a"],
            Kind::Exists,
            "exists already",
        ),
        (
            &["backing=DIR/base.raw,size=512b"],
            &["a"],
            Kind::Usage,
            "cut off its end",
        ),
        (
            &["DIR/base.raw"],
            &["a", "b"],
            Kind::Usage,
            "2 guests would write to it",
        ),
        (
            &["DIR/new,size=1"],
            &["a", "b"],
            Kind::Usage,
            "2 guests would write to it",
        ),
        (&["size=1"], &["a"], Kind::Usage, "nothing says where"),
        (
            &["DIR/new,size=1,format=vmdk"],
            &["a"],
            Kind::Usage,
            "qcow2 or raw",
        ),
        (&["vol=none/x"], &["a"], Kind::NotFound, "no pool"),
        (
            &["DIR/base.raw,target=vda", "DIR/golden.raw,target=vda"],
            &["a"],
            Kind::Usage,
            "two disks have the target",
        ),
        (
            &["backing=DIR/base.raw,backing_format=qcow2"],
            &["a"],
            Kind::Unsafe,
            "",
        ),
    ] {
        let (got, text) = refused(&bench, disks, names);
        assert_eq!(got, kind, "{disks:?}: {text}");
        assert!(text.contains(says), "{disks:?}: {text}");
    }
}

#[test]
fn what_is_encrypted_is_given_to_no_guest() {
    let mut bench = bench();
    bench.fake.pools.push(Pool {
        name: "here".to_owned(),
        active: true,
        path: Some(bench.path("")),
    });
    let bytes_of = |contents: OverlayContents| {
        let mut bytes = vec![0; usize::try_from(contents.length).unwrap()];
        for (at, piece) in contents.pieces {
            let at = usize::try_from(at).unwrap();
            bytes[at..at + piece.len()].copy_from_slice(&piece);
        }
        bytes
    };
    let mut secret = bytes_of(blank(1 << 20, ImageFormat::Qcow2).unwrap());
    // Its header says that it is, by AES.
    secret[35] = 1;
    fs::write(bench.path("secret.qcow2"), secret).unwrap();
    let overlay = Overlay {
        virtual_size: 1 << 20,
        backing: &bench.path("secret.qcow2"),
        backing_format: ImageFormat::Qcow2,
    };
    let top = bytes_of(overlay.contents().unwrap());
    fs::write(bench.path("top.qcow2"), top).unwrap();
    for disk in [
        "DIR/secret.qcow2,readonly=on",
        "backing=DIR/secret.qcow2",
        "DIR/top.qcow2",
        "backing=DIR/top.qcow2",
    ] {
        let (kind, says) = refused(&bench, &[disk], &["a"]);
        assert_eq!(kind, Kind::WrongState, "{disk}: {says}");
        assert!(says.contains("secret.qcow2, which is encrypted"), "{says}");
    }
}

#[test]
fn what_is_not_said_is_chosen_and_what_the_template_wants_comes_second() {
    let bench = bench();
    let of = |change: &dyn Fn(&mut Wishes)| {
        let mut wishes = wishes(&bench, &["DIR/base.raw,readonly=on"]);
        change(&mut wishes);
        design(bench.host(), &wishes, 1).unwrap()
    };
    let plain = of(&|_| {}).blueprint;
    assert_eq!(plain.machine.domain_type, "qemu");
    assert_eq!(plain.machine.machine.as_deref(), Some("q35"));
    assert_eq!(plain.machine.memory, Size(1 << 30));
    assert!(plain.screen.is_none());
    assert_eq!(plain.drives[0].target.as_str(), "vda");
    let desktop = |wishes: &mut Wishes| wishes.template = Some("desktop".to_owned());
    let desktop = of(&desktop).blueprint;
    assert_eq!(desktop.machine.memory, Size(4 << 30));
    assert!(desktop.screen.unwrap().listen.is_loopback());
    let asked = of(&|wishes| {
        wishes.template = Some("desktop".to_owned());
        wishes.memory = Some(Size(1 << 29));
        wishes.screen = Some(Graphics {
            option: "vnc,listen=0.0.0.0".parse().unwrap(),
            password: None,
        });
    });
    assert_eq!(asked.blueprint.machine.memory, Size(1 << 29));
    assert!(
        asked.warnings[0].contains("without a password"),
        "{:?}",
        asked.warnings
    );
    let none = of(&|wishes| wishes.nics = vec!["none".parse().unwrap()]);
    assert!(none.blueprint.nics.is_empty());
}

#[test]
fn what_the_host_cannot_run_is_refused() {
    let bench = bench();
    let refused = |change: &dyn Fn(&mut Wishes)| {
        let mut wishes = wishes(&bench, &["DIR/base.raw,readonly=on"]);
        change(&mut wishes);
        let error = design(bench.host(), &wishes, 1).unwrap_err();
        (error.kind(), error.to_string())
    };
    let arch = refused(&|wishes| wishes.arch = Some("s390x".to_owned()));
    assert_eq!(arch.0, Kind::Environment, "{}", arch.1);
    let kvm = refused(&|wishes| wishes.virt_type = Some(VirtType::Kvm));
    assert_eq!(kvm.0, Kind::Environment, "{}", kvm.1);
    let machine = refused(&|wishes| wishes.machine = Some("q53".to_owned()));
    assert_eq!(machine.0, Kind::Usage, "{}", machine.1);
    let memory = refused(&|wishes| wishes.memory = Some(Size(1024)));
    assert_eq!(memory.0, Kind::Usage, "{}", memory.1);
    let kernel = refused(&|wishes| wishes.boot = Some("kernel=/none".parse().unwrap()));
    assert_eq!(kernel.0, Kind::NotFound, "{}", kernel.1);
    let order = refused(&|wishes| {
        wishes.boot = Some("hd".parse().unwrap());
        wishes.nics = vec!["user,boot_order=1".parse().unwrap()];
    });
    assert_eq!(order.0, Kind::Usage, "{}", order.1);
    let template = refused(&|wishes| wishes.template = Some("serve".to_owned()));
    assert_eq!(template.0, Kind::NotFound, "{}", template.1);
}

#[test]
fn given_addresses_are_kept_in_their_order() {
    let bench = bench();
    let mut wishes = wishes(&bench, &["DIR/base.raw"]);
    let second = "network=default,mac=52:54:00:aa:bb:cc";
    wishes.nics = vec!["user".parse().unwrap(), second.parse().unwrap()];
    let designed = design(bench.host(), &wishes, 1).unwrap();
    assert_eq!(designed.macs[1].to_string(), "52:54:00:aa:bb:cc");
    wishes.disks[0].readonly = true;
    let error = design(bench.host(), &wishes, 2).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
}

#[test]
fn each_guest_has_a_log_of_its_own() {
    let bench = bench();
    let mut wishes = wishes(&bench, &["backing=DIR/base.raw"]);
    wishes.console = Some("pty,log=/var/log/console.log".parse().unwrap());
    let error = design(bench.host(), &wishes, 2).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    assert!(error.hints().iter().any(|hint| hint.contains("{name}")));
    import(&bench, &wishes, &["one"]).unwrap();
    let xml = bench.domain_xml("one");
    assert!(xml.contains("<log file='/var/log/console.log' "), "{xml}");
    wishes.console = Some("pty,log=/var/log/{name}.log".parse().unwrap());
    import(&bench, &wishes, &["a", "b"]).unwrap();
    for name in ["a", "b"] {
        let xml = bench.domain_xml(name);
        assert!(
            xml.contains(&format!("<log file='/var/log/{name}.log' ")),
            "{xml}"
        );
    }
}
