//! One overlay goes on another base, and reads what it read before.

use std::path::{Path, PathBuf};

use crate::common::{Guest, Host, backing, tool};

/// An overlay on `base.qcow2`, and another base with other bytes in it.
struct Bases {
    host: Host,
    overlay: PathBuf,
    base: PathBuf,
    next: PathBuf,
}

impl Bases {
    fn new() -> Self {
        let host = Host::new();
        let base = host.qcow2("base.qcow2");
        let next = host.qcow2("next.qcow2");
        let overlay = host.image("web.qcow2");
        let create = args![
            "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", &base, &overlay
        ];
        tool("qemu-img", &create);
        for (image, write) in [
            (&overlay, "write -P 7 0 64k"),
            (&next, "write -P 9 384k 64k"),
        ] {
            tool("qemu-io", &args!["-f", "qcow2", "-c", write, image]);
        }
        Self {
            host,
            overlay,
            base,
            next,
        }
    }

    /// The same where the overlay is the disk of a guest `web`.
    fn of_a_guest() -> Self {
        let bases = Self::new();
        let disk = &bases.overlay;
        bases.host.add(Guest::new("web").disk("vda", "qcow2", disk));
        bases
    }

    fn to(&self, onto: &Path, which: &str) -> String {
        let onto = onto.display();
        format!("disk rebase {which} --onto {onto} --onto-format qcow2")
    }

    fn on(&self) -> PathBuf {
        backing(&self.overlay).unwrap().0.into()
    }
}

#[test]
fn a_disk_on_another_base_reads_what_it_read_before() {
    let bases = Bases::of_a_guest();
    let (host, next) = (&bases.host, &bases.next);
    let before = host.reads(&bases.overlay, "qcow2");
    let world = host.world();
    let plan = host.vmkin(&bases.to(next, "-d web --dry-run --json"));
    let plan = plan.success().json();
    assert_eq!(plan["from"], bases.base.display().to_string());
    assert_eq!(plan["onto"], next.display().to_string());
    host.vmkin(&bases.to(&bases.base, "-d web"))
        .fails(4, "already");
    host.vmkin(&bases.to(&bases.overlay, "-d web"))
        .fails(4, "is on it itself");
    host.vmkin("disk rebase -d web --onto none")
        .fails(2, "stands alone")
        .says("`vmkin flatten -d DOMAIN`");
    host.vmkin(&format!("disk rebase -d web --onto {}", next.display()))
        .fails(2, "its format is not known");
    let guard = vmkin::image::Lease::exclusive(next).unwrap();
    host.vmkin(&bases.to(next, "-d web")).fails(7, "is in use");
    drop(guard);
    assert_eq!(host.world(), world);
    host.vmkin(&bases.to(next, "-d web"))
        .success()
        .says("is not sealed");
    assert_eq!(bases.on(), *next);
    assert_eq!(host.reads(&bases.overlay, "qcow2"), before);
    assert!(host.world().journals().is_empty());
}

#[test]
fn an_image_of_nobody_is_on_one_base_or_the_other_after_a_kill() {
    for (step, done) in [
        ("file", false),
        ("made", false),
        ("aside", true),
        ("published", true),
        ("removed", true),
    ] {
        let bases = Bases::new();
        let host = &bases.host;
        let before = host.reads(&bases.overlay, "qcow2");
        let which = format!("-a {} --format qcow2", bases.overlay.display());
        let to = bases.to(&bases.next, &which);
        let killed = host.vmkin_failing(&to, &format!("relayer.{step}=kill"));
        assert_eq!(killed.signal(), Some(9), "{step}: {killed}");
        host.vmkin("recover").success();
        assert_eq!(bases.on() == bases.next, done, "{step}");
        assert_eq!(host.reads(&bases.overlay, "qcow2"), before, "{step}");
        if !done {
            host.vmkin(&to).success();
            assert_eq!(bases.on(), bases.next, "{step}");
            assert_eq!(host.reads(&bases.overlay, "qcow2"), before, "{step}");
        }
        let world = host.world();
        let images = ["base.qcow2", "next.qcow2", "web.qcow2"];
        assert_eq!(world.images(), images, "{step}");
        assert!(world.journals().is_empty(), "{step}");
    }
}
