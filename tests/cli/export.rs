//! Guests as what others read, which real parsers read here.

use std::fs;

use serde_json::Value;

use crate::common::{Guest, Host};

/// A host with a golden domain, two clones of it, and a name that nobody else takes.
fn host() -> Host {
    let host = Host::golden();
    host.child("web-01");
    host.child("web-02");
    host
}

fn documents(yaml: &str) -> Vec<Value> {
    let all: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
    all.into_iter().filter(|one| !one.is_null()).collect()
}

fn of_kind<'d>(documents: &'d [Value], kind: &str) -> Vec<&'d Value> {
    documents.iter().filter(|one| one["kind"] == kind).collect()
}

#[test]
fn kubevirt_gets_a_machine_and_a_volume_for_each_disk() {
    let host = host();
    let text = host.vmkin("export -d web-01 --format kubevirt").success();
    insta::assert_snapshot!("kubevirt", text.stdout());
    let all = documents(text.stdout());
    let machines = of_kind(&all, "VirtualMachine");
    assert_eq!(machines[0]["metadata"]["name"], "web-01");
    let spec = &machines[0]["spec"]["template"]["spec"];
    let volumes = of_kind(&all, "DataVolume");
    assert_eq!(volumes.len(), 1);
    assert_eq!(
        volumes[0]["spec"]["source"]["upload"],
        serde_json::json!({})
    );
    assert_eq!(
        spec["volumes"][0]["dataVolume"]["name"],
        volumes[0]["metadata"]["name"]
    );
    assert_eq!(
        spec["volumes"][0]["name"],
        spec["domain"]["devices"]["disks"][0]["name"]
    );
}

#[test]
fn a_base_is_handed_over_once_with_its_clones() {
    let host = host();
    let text = host
        .vmkin("export -d web-01 web-02 --from-base --format kubevirt")
        .success();
    let all = documents(text.stdout());
    let volumes = of_kind(&all, "DataVolume");
    assert_eq!(volumes.len(), 3);
    let base = &volumes[0]["metadata"]["name"];
    assert_eq!(*base, "base-golden");
    for clone in &volumes[1..] {
        assert_eq!(clone["spec"]["source"]["pvc"]["name"], *base);
    }
    assert_eq!(of_kind(&all, "VirtualMachine").len(), 2);
}

#[test]
fn terraform_gets_resources_that_name_each_other() {
    let host = host();
    let text = host
        .vmkin("export -d web-01 web-02 --from-base --format terraform")
        .success();
    insta::assert_snapshot!("terraform", text.stdout());
    let body: Value = hcl::from_str(text.stdout()).unwrap();
    let volumes = &body["resource"]["libvirt_volume"];
    assert_eq!(
        volumes["web-01-vda"]["base_volume_id"],
        "${libvirt_volume.base-golden.id}"
    );
    let domain = &body["resource"]["libvirt_domain"]["web-02"];
    assert_eq!(
        domain["disk"]["volume_id"],
        "${libvirt_volume.web-02-vda.id}"
    );
    assert_eq!(volumes.as_object().unwrap().len(), 3);
}

#[test]
fn a_name_is_a_name_and_nothing_else() {
    let host = Host::golden();
    let name = "a\"${x}%{y}#: - Z";
    host.add(Guest::new("odd").disk("vda", "qcow2", &host.qcow2("odd.qcow2")));
    host.edit("odd", |xml| {
        xml.replace(
            "<name>odd</name>",
            &format!("<name>{}</name>", name.replace('"', "&quot;")),
        )
    });
    let export = |format: &str| {
        let args = ["export", "-d", name, "--format", format];
        host.vmkin_args(&args).success().stdout().to_owned()
    };
    let all = documents(&export("kubevirt"));
    let machine = of_kind(&all, "VirtualMachine")[0];
    assert_eq!(machine["metadata"]["annotations"]["vmkin/domain"], name);
    assert_eq!(machine["metadata"]["name"], "a---x---y------z");
    let body: hcl::Body = hcl::parse(&export("terraform")).unwrap();
    let context = hcl::eval::Context::new();
    let domain = body
        .blocks()
        .find(|block| {
            block
                .labels()
                .first()
                .is_some_and(|one| one.as_str() == "libvirt_domain")
        })
        .unwrap();
    let named = domain
        .body()
        .attributes()
        .find(|one| one.key() == "name")
        .unwrap();
    let value = hcl::eval::Evaluate::evaluate(named.expr(), &context).unwrap();
    assert_eq!(value.as_str(), Some(name));
    // What is to be pasted into a shell has it as one word.
    let pasted = format!("vmkin disk convert -d '{name}' --target vda ");
    for format in ["kubevirt", "terraform"] {
        assert!(export(format).contains(&pasted), "{format}");
    }
}

#[test]
fn what_a_guest_there_does_not_get_is_said() {
    let host = Host::new();
    let bridge = "<interface type='bridge'><mac address='52:54:00:00:00:32'/>\
                  <source bridge='br0'/></interface>";
    let user = "<interface type='user'><mac address='52:54:00:00:00:33'/></interface>";
    host.add(
        Guest::new("many")
            .disk("vda", "qcow2", &host.qcow2("many.qcow2"))
            .disk_with("vdb", "raw", &host.raw("both.img"), "<shareable/>")
            .nic("52:54:00:00:00:31")
            .device(bridge)
            .device(user),
    );
    let text = host.vmkin("export -d many --format kubevirt").success();
    let all = documents(text.stdout());
    let machine = of_kind(&all, "VirtualMachine")[0];
    let spec = &machine["spec"]["template"]["spec"];
    let networks = spec["networks"].as_array().unwrap();
    assert_eq!(networks.len(), 2, "{text}");
    assert_eq!(networks[1]["multus"]["networkName"], "br0");
    let interfaces = &spec["domain"]["devices"]["interfaces"];
    assert_eq!(interfaces.as_array().unwrap().len(), 2, "{text}");
    for what in ["\n# Disk vdb is left", "\n# Interface 3 is left"] {
        assert!(text.stdout().contains(what), "{text}");
    }
    let text = host.vmkin("export -d many --format terraform").success();
    hcl::from_str::<Value>(text.stdout()).unwrap();
    assert!(text.stdout().contains("\n# Disk vdb is"), "{text}");
    assert!(!text.stdout().contains("# Interface"), "{text}");
}

#[test]
fn what_cannot_be_handed_over_is_said() {
    let host = host();
    host.add(Guest::new("WEB-01").uuid("00000000-0000-4000-8000-00000000abcd"));
    let both = host.vmkin("export -d web-01 WEB-01 --format kubevirt");
    assert_eq!(both.code(), Some(2), "{both}");
    both.says("would both have something called 'web-01' there");
    host.add(Guest::new("lost").disk("vda", "qcow2", &host.image("none.qcow2")));
    let lost = host.vmkin("export -d lost --format terraform");
    assert_eq!(lost.code(), Some(4), "{lost}");
    let several = host.vmkin("export -d web-01 web-02 --format xml");
    assert_eq!(several.code(), Some(2), "{several}");
}

#[test]
fn a_template_of_ones_own_gets_the_same_values() {
    let host = host();
    let own = host.root().join("own.hbs");
    fs::write(
        &own,
        "{{#each guests}}{{name}} {{memory_mib}} {{#each disks}}{{target}}{{/each}}\n{{/each}}",
    )
    .unwrap();
    let args = format!(
        "export -d web-01 web-02 --format terraform --template {}",
        own.display()
    );
    let text = host.vmkin(&args).success();
    assert_eq!(text.stdout().lines().count(), 2);
    assert!(text.stdout().starts_with("web-01 "), "{text}");
    fs::write(&own, "{{nothing}}").unwrap();
    assert_eq!(host.vmkin(&args).code(), Some(2));
}

#[test]
fn xml_has_no_passwords() {
    let host = host();
    host.edit("web-01", |xml| {
        xml.replace(
            "</devices>",
            "<graphics type='vnc' port='-1' passwd='hunter22'/></devices>",
        )
    });
    let text = host.vmkin("export -d web-01 --format xml").success();
    assert!(text.stdout().contains("<name>web-01</name>"));
    assert!(!text.stdout().contains("hunter22"), "{text}");
}
