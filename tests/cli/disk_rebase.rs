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
        .fails(2, "its format is not known")
        .says("`--onto-format qcow2`");
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
fn the_new_base_may_be_in_another_directory() {
    for which in ["-d web", "-a web.qcow2 --format qcow2"] {
        let bases = Bases::of_a_guest();
        let host = &bases.host;
        let dir = host.root().join("elsewhere");
        std::fs::create_dir(&dir).unwrap();
        let next = dir.join("next.qcow2");
        std::fs::rename(&bases.next, &next).unwrap();
        let before = host.reads(&bases.overlay, "qcow2");
        let which = which.replace("web.qcow2", &bases.overlay.display().to_string());
        // Its XML does not say what it is on: there nobody would look for it.
        let world = host.world();
        host.vmkin(&bases.to(&next, &which))
            .fails(4, "in no storage pool")
            .says("virsh pool-define-as NAME dir --target");
        assert_eq!(host.world(), world);
        host.pool("elsewhere", &dir);
        host.vmkin(&bases.to(&next, &which)).success();
        assert_eq!(bases.on(), next);
        assert_eq!(host.reads(&bases.overlay, "qcow2"), before);
    }
}

#[test]
fn where_it_reads_the_same_the_header_alone_is_written() {
    let bases = Bases::of_a_guest();
    let host = &bases.host;
    let before = host.reads(&bases.overlay, "qcow2");
    // What differs is behind what the overlay hides.
    let world = host.world();
    host.vmkin(&bases.to(&bases.next, "-u -d web"))
        .fails(9, "would read something else")
        .says("from byte 393216 on")
        .says("leave `--unsafe` out");
    let raw = host.raw("raw.img");
    let raw = format!(
        "disk rebase -u -d web --onto {} --onto-format raw",
        raw.display()
    );
    let with_raw = host.world();
    host.vmkin(&raw).fails(4, "says another format");
    assert_eq!(host.world(), with_raw);
    assert_eq!(world.images().len() + 1, with_raw.images().len());

    // The same where it is hidden, in other clusters, and of another size.
    let copy = host.image("a-copy-with-a-much-longer-name-than-that-of-the-base.qcow2");
    let (from, to) = (&bases.base, &copy);
    tool("qemu-img", &args!["convert", "-c", "-O", "qcow2", from, to]);
    tool(
        "qemu-io",
        &args!["-f", "qcow2", "-c", "write -P 3 0 32k", to],
    );
    tool("qemu-img", &args!["resize", "-q", "-f", "qcow2", to, "+1M"]);
    let to_copy = bases.to(&copy, "--unsafe -d web");
    let bytes = std::fs::read(&bases.overlay).unwrap();
    let plan = host
        .vmkin(&format!("{to_copy} --dry-run --json"))
        .success()
        .json();
    assert_eq!(plan["in_place"], true);
    assert_eq!(std::fs::read(&bases.overlay).unwrap(), bytes);
    host.vmkin(&to_copy).success().says("is not sealed");
    assert_eq!(bases.on(), copy);
    assert_eq!(host.reads(&bases.overlay, "qcow2"), before);
    let now = std::fs::read(&bases.overlay).unwrap();
    assert_eq!(now.len(), bytes.len());
    assert_eq!(now[4096..], bytes[4096..]);
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
