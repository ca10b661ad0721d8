use super::*;
use crate::error::Kind;
use crate::hypervisor::Hypervisor as _;
use crate::model::DomainState;
use crate::ops::snapshot::create::CreateRequest;
use crate::ops::snapshot::tests::{bench, create as create_off, tags_of};
use crate::ops::snapshot::{Records, Subject};
use crate::ops::testing::Bench;

/// The guest runs now.
fn running() -> Bench {
    let bench = bench();
    let xml = bench.domain_xml("guest");
    bench.fake.change("guest", |d| {
        d.state = DomainState::Running;
        d.current = Some(xml);
    });
    bench
}

fn request(bench: &Bench, name: &str) -> CreateRequest {
    CreateRequest {
        subject: Subject::Domain(bench.domain("guest")),
        name: Some(name.parse().unwrap()),
        description: None,
        allow_dirs: Vec::new(),
    }
}

fn plan(bench: &Bench, name: &str) -> Result<create::MemoryPlan> {
    create::plan(bench.host(), &bench.domain("guest"), &request(bench, name))
}

#[test]
fn what_libvirt_says_it_has_made_is_looked_for_and_else_taken_back() {
    let bench = running();
    let plan = plan(&bench, "s1").unwrap();
    assert_eq!(plan.will.images.len(), 1);
    // The fake writes to no image.
    let error = create::apply(bench.host(), &plan).unwrap_err();
    assert_eq!(error.kind(), Kind::Storage);
    assert!(
        error.to_string().contains("vda does not have it"),
        "{error}"
    );
    let records = Records::read(bench.host(), &bench.domain("guest")).unwrap();
    assert!(records.all.is_empty());
    assert_eq!(bench.store.count_journals(), 0);
}

#[test]
fn a_guest_without_memory_has_none_to_keep() {
    let bench = running();
    for (state, says) in [
        (DomainState::ShutOff, "is shut off"),
        (DomainState::Saved, "is saved"),
        (DomainState::Crashed, "is crashed"),
    ] {
        bench.fake.change("guest", |d| d.state = state);
        let error = plan(&bench, "s1").err().unwrap();
        assert_eq!(error.kind(), Kind::WrongState);
        assert!(error.to_string().contains(says), "{error}");
    }
    bench.fake.change("guest", |d| {
        d.state = DomainState::Running;
        d.persistent = false;
    });
    assert_eq!(plan(&bench, "s1").err().unwrap().kind(), Kind::WrongState);
}

#[test]
fn a_name_that_one_image_has_is_taken() {
    let bench = bench();
    create_off(&bench, "s1").unwrap();
    bench
        .fake
        .forget_snapshot(&bench.domain("guest"), "s1")
        .unwrap();
    assert_eq!(tags_of(&bench), ["s1"]);
    let xml = bench.domain_xml("guest");
    bench.fake.change("guest", |d| {
        d.state = DomainState::Paused;
        d.current = Some(xml);
    });
    let error = plan(&bench, "s1").err().unwrap();
    assert_eq!(error.kind(), Kind::Exists);
    assert!(
        error.to_string().contains("vda of domain 'guest'"),
        "{error}"
    );
    plan(&bench, "s2").unwrap();
}

#[test]
fn what_the_guest_can_write_to_must_be_its_own_and_qcow2() {
    let bench = running();
    let good = bench.domain_xml("guest");
    let nvram = "<os><type>hvm</type><nvram>/v.fd</nvram></os>\n  <devices>";
    for (from, to, says) in [
        ("type='qcow2'", "type='raw'", "is in the format raw"),
        ("<target dev", "<shareable/><target dev", "is shareable"),
        ("<target dev", "<transient/><target dev", "is transient"),
        ("<devices>", nvram, "the UEFI variables"),
        (
            "<target dev",
            "<readonly/><target dev",
            "no disk that could hold",
        ),
    ] {
        let xml = good.replacen(from, to, 1);
        assert_ne!(xml, good);
        bench.fake.change("guest", |d| d.current = Some(xml));
        let error = plan(&bench, "s1").err().unwrap();
        assert_eq!(error.kind(), Kind::WrongState);
        assert!(error.to_string().contains(says), "{error}");
    }
}
