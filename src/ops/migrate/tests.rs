use std::sync::atomic::Ordering;

use super::*;
use crate::hypervisor::fake::Fake;
use crate::ops::testing::Bench;

/// Another host, with a storage pool that is this directory.
fn other(bench: &Bench, dir: &str) -> Fake {
    let mut fake = Fake::default();
    fake.elsewhere = true;
    fake.pools.push(Pool {
        name: "shared".to_owned(),
        active: true,
        path: Some(PathBuf::from(dir)),
    });
    let golden = bench.path("golden.raw");
    fake.has_volume(&golden, &golden);
    fake
}

fn shared(bench: &Bench) -> Fake {
    let golden = bench.path("golden.raw");
    other(bench, golden.parent().unwrap().to_str().unwrap())
}

fn at<'a>(bench: &'a Bench, fake: &'a Fake) -> Host<'a> {
    Host {
        hypervisor: fake,
        ..bench.host()
    }
}

fn planned(bench: &Bench, there: &Fake) -> Result<Plan> {
    let request = MigrateRequest::default();
    let golden = bench.domain("golden");
    plan(bench.host(), at(bench, there), &golden, &request)
}

fn applied(bench: &Bench, there: &Fake, plan: &Plan) -> Result<Migrated> {
    let plan = Plan {
        told: plan.told.clone(),
        copies: None,
    };
    let request = MigrateRequest::default();
    apply(bench.host(), at(bench, there), plan, &request)
}

#[test]
fn a_guest_goes_where_its_disks_are() {
    for running in [false, true] {
        let bench = Bench::new();
        if running {
            bench
                .fake
                .change("golden", |golden| golden.state = DomainState::Running);
        }
        let there = shared(&bench);
        let before = bench.files();
        let plan = planned(&bench, &there).unwrap();
        assert_eq!(plan.told.live, running);
        assert_eq!(plan.told.files, [bench.path("golden.raw")]);
        assert_eq!(bench.files(), before, "the probe is there still");
        applied(&bench, &there, &plan).unwrap();
        assert!(bench.fake.names().is_empty());
    }
}

#[test]
fn a_guest_stays_where_the_host_has_other_disks() {
    let bench = Bench::new();
    let refused = |there: &Fake| planned(&bench, there).unwrap_err().kind();
    // No pool of that directory, and none that knows the image.
    assert_eq!(refused(&other(&bench, "/elsewhere")), Kind::NotFound);
    let mut blind = shared(&bench);
    blind.volumes = std::sync::Arc::default();
    assert_eq!(refused(&blind), Kind::WrongState);
    let taken = shared(&bench);
    taken.add(
        &bench.xml("golden", 7, "other.raw", "raw"),
        DomainState::ShutOff,
    );
    assert_eq!(refused(&taken), Kind::Exists);
    let itself = planned(&bench, &bench.fake).unwrap_err();
    assert_eq!(itself.kind(), Kind::Usage);
    bench
        .fake
        .change("golden", |golden| golden.state = DomainState::Saved);
    assert_eq!(refused(&shared(&bench)), Kind::WrongState);
}

#[test]
fn where_a_guest_is_after_a_failure_is_found_out() {
    let mut bench = Bench::new();
    let there = shared(&bench);
    let plan = planned(&bench, &there).unwrap();
    bench.fake.refuse_start = Some("golden".to_owned());
    let refused = applied(&bench, &there, &plan).unwrap_err();
    assert_eq!(refused.kind(), Kind::Libvirt);
    assert_eq!(bench.fake.names(), ["golden"]);
    // The answer is lost, and the guest with it: then with it there.
    bench.fake.refuse_start = None;
    bench.fake.deny_undefine.store(true, Ordering::SeqCst);
    let copy = bench.fake.copy();
    let lost = applied(&bench, &there, &plan).unwrap_err();
    assert_eq!(lost.kind(), Kind::NotUndone);
    there.add(
        &bench.xml("golden", 1, "golden.raw", "raw"),
        DomainState::ShutOff,
    );
    bench.fake = copy;
    bench.fake.deny_undefine.store(true, Ordering::SeqCst);
    applied(&bench, &there, &plan).unwrap();
}

#[test]
fn a_guest_that_goes_on_here_after_a_failure_is_here() {
    let mut bench = Bench::new();
    bench
        .fake
        .change("golden", |golden| golden.state = DomainState::Running);
    let there = shared(&bench);
    let plan = planned(&bench, &there).unwrap();
    bench.fake.refuse_start = Some("golden".to_owned());
    // What the other host has of it then, libvirt there throws away.
    there.add(
        &bench.xml("golden", 1, "golden.raw", "raw"),
        DomainState::Paused,
    );
    let stayed = applied(&bench, &there, &plan).unwrap_err();
    assert_eq!(stayed.kind(), Kind::Libvirt);
}
