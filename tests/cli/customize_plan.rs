//! `customize --plan`: what is different for each guest, out of a file.

use std::fs;

use insta::assert_snapshot;

use crate::customize::guests;

#[test]
fn the_example_says_for_each_guest_what_it_is_to_be() {
    let host = guests(&["web-01", "web-02", "db-01", "other"]);
    // These guests have no time zones, and ann has no home.
    let text = include_str!("../../examples/plan.toml");
    let text = text
        .replace("timezone = ", "# timezone = ")
        .replace(", \"ann:key.pub\"", "");
    fs::write(host.root().join("home/plan.toml"), text).unwrap();
    let outcome = host.vmkin("customize -q --dry-run --plan plan.toml");
    assert_snapshot!(outcome.success().stdout(), @"
    db-01: change /etc/hostname
    db-01: make /etc/machine-id
    db-01: change /etc/ssh/ssh_host_ed25519_key
    db-01: chmod /etc/ssh/ssh_host_ed25519_key
    db-01: change /etc/ssh/ssh_host_ed25519_key.pub
    db-01: mkdir /root/.ssh
    db-01: make /root/.ssh/authorized_keys
    web-01: change /etc/hostname
    web-01: make /etc/machine-id
    web-01: change /etc/ssh/ssh_host_ed25519_key
    web-01: chmod /etc/ssh/ssh_host_ed25519_key
    web-01: change /etc/ssh/ssh_host_ed25519_key.pub
    web-02: make /etc/motd
    web-02: make /etc/role
    web-02: change /etc/hostname
    web-02: make /etc/machine-id
    web-02: change /etc/ssh/ssh_host_ed25519_key
    web-02: chmod /etc/ssh/ssh_host_ed25519_key
    web-02: change /etc/ssh/ssh_host_ed25519_key.pub
    ");
    // Of those that are named, each has something to be.
    let outcome = host.vmkin("customize -q --dry-run --plan plan.toml -d other -d web-02");
    assert_snapshot!(outcome.success().stdout(), @"
    other: change /etc/hostname
    other: make /etc/machine-id
    other: change /etc/ssh/ssh_host_ed25519_key
    other: chmod /etc/ssh/ssh_host_ed25519_key
    other: change /etc/ssh/ssh_host_ed25519_key.pub
    web-02: make /etc/motd
    web-02: make /etc/role
    web-02: change /etc/hostname
    web-02: make /etc/machine-id
    web-02: change /etc/ssh/ssh_host_ed25519_key
    web-02: chmod /etc/ssh/ssh_host_ed25519_key
    web-02: change /etc/ssh/ssh_host_ed25519_key.pub
    ");
}

#[test]
fn a_plan_that_cannot_be_is_told_before_anything_is_looked_at() {
    let host = guests(&["web-01", "web-02"]);
    for (plan, options, code, wanted) in [
        (
            "guests:\n  web-01: {hostname: a}\n  web-02: {hostname: A}\n",
            "",
            2,
            "'web-01' and 'web-02' cannot both have the host name a",
        ),
        (
            "guests: {web-01: {hostnane: a}}\n",
            "",
            2,
            "guest 'web-01' in the plan: unexpected argument '--hostnane'",
        ),
        (
            "guests: {web-01: {machine-id: xyz}}\n",
            "",
            2,
            "guest 'web-01' in the plan: invalid value 'xyz'",
        ),
        (
            "guests: {web-01: {hostname: a}}\n",
            "-d web-02",
            2,
            "the plan says nothing of 'web-02'",
        ),
        ("guests: {web-03: {hostname: a}}\n", "", 3, "web-03"),
        (
            "guests: {web-01: {hostname: a}}\n",
            "--timezone UTC",
            2,
            "a plan says all that is to be changed",
        ),
        ("all: {hostname: a}\n", "", 2, "no guest is named"),
        (
            "all: {dry-run: true}\n",
            "-d web-01",
            2,
            "unexpected argument '--dry-run'",
        ),
    ] {
        fs::write(host.root().join("home/plan.yaml"), plan).unwrap();
        let args = format!("customize -q --plan plan.yaml {options}");
        host.vmkin(&args).fails(code, wanted);
    }
    host.vmkin("customize --plan gone.yaml")
        .fails(3, "gone.yaml");
}
