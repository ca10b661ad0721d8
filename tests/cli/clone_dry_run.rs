use insta::assert_snapshot;
use virt::connect::Connect;

use crate::common::{Guest, Host};

#[test]
fn every_step_in_order_and_nothing_changed() {
    let host = Host::golden();
    let raw = host.raw("data.img");
    host.add(host.golden_guest().disk("vdb", "raw", &raw));
    host.pool("images", &host.image(""));
    let before = host.world();
    let outcome = host.vmkin("clone -d golden web-{n} --count 2 --start --dry-run");
    assert_snapshot!(outcome, @"
    lock [host]/images/golden.qcow2 against writers
    seal [host]/images/golden.qcow2 (mode 0444, immutable)
    lock [host]/images/data.img against writers
    seal [host]/images/data.img (mode 0444, immutable)
    create overlay [host]/images/web-1.qcow2 on [host]/images/golden.qcow2
    create overlay [host]/images/web-1-vdb.qcow2 on [host]/images/data.img
    define domain 'web-1' (UUID [uuid])
    create overlay [host]/images/web-2.qcow2 on [host]/images/golden.qcow2
    create overlay [host]/images/web-2-vdb.qcow2 on [host]/images/data.img
    define domain 'web-2' (UUID [uuid])
    refresh storage pool 'images'
    start domain 'web-1'
    start domain 'web-2'
    --- stderr ---
    Note (of 'web-1', and the others likewise): network interface 1 ([mac]): the fixed name 'testnet0' on the host was dropped, so libvirt picks one.
    ");
    let outcome = host.vmkin("clone -d golden web-01 --full --dry-run");
    assert_snapshot!(outcome, @"
    lock [host]/images/golden.qcow2 against writers
    lock [host]/images/data.img against writers
    copy [host]/images/golden.qcow2 to [host]/images/web-01.qcow2
    copy [host]/images/data.img to [host]/images/web-01-vdb.img
    define domain 'web-01' (UUID [uuid])
    refresh storage pool 'images'
    --- stderr ---
    Note: network interface 1 ([mac]): the fixed name 'testnet0' on the host was dropped, so libvirt picks one.
    ");
    assert_eq!(host.world(), before);
}

#[test]
fn the_printed_xml_of_a_clone() {
    let host = Host::golden();
    let before = host.world();
    let mut settings = insta::Settings::clone_current();
    let numbers = "(device|inode|size|mtime-ns|ctime-ns|head-sha256)='[0-9a-f]+'";
    settings.add_filter(numbers, "$1='…'");
    settings.bind(|| {
        assert_snapshot!(host.vmkin("clone -d golden web-01 --print-xml"), @"
        <domain type='test'>
          <name>web-01</name>
          <uuid>[uuid]</uuid>
          <metadata>
            <vmkin:clone xmlns:vmkin='urn:vmkin-clone:1' mode='linked' time='[time]'>
              <vmkin:golden name='golden' uuid='[uuid]'/>
              <vmkin:disk target='vda' path='[host]/images/web-01.qcow2'>
                <vmkin:base path='[host]/images/golden.qcow2' format='qcow2' device='…' inode='…' size='…' mtime-ns='…' ctime-ns='…' head-sha256='…'/>
              </vmkin:disk>
            </vmkin:clone>
          </metadata>
          <memory unit='KiB'>524288</memory>
          <currentMemory unit='KiB'>524288</currentMemory>
          <vcpu placement='static'>1</vcpu>
          <os>
            <type arch='i686'>hvm</type>
            <boot dev='hd'/>
          </os>
          <clock offset='utc'/>
          <on_poweroff>destroy</on_poweroff>
          <on_reboot>restart</on_reboot>
          <on_crash>destroy</on_crash>
          <devices>
            <disk type='file' device='disk'>
              <driver name='qemu' type='qcow2'/>
              <source file='[host]/images/web-01.qcow2'/>
              <backingStore type='file'>
                <format type='qcow2'/>
                <source file='[host]/images/golden.qcow2'>
                  <seclabel model='dac' relabel='no'/>
                </source>
                <backingStore/>
              </backingStore>
              <target dev='vda' bus='virtio'/>
            </disk>
            <interface type='network'>
              <mac address='[mac]'/>
              <source network='default'/>
            </interface>
          </devices>
        </domain>
        --- stderr ---
        Note: network interface 1 ([mac]): the fixed name 'testnet0' on the host was dropped, so libvirt picks one.
        ");
    });
    assert_eq!(host.world(), before);
}

#[test]
fn libvirt_accepts_what_is_printed() {
    let host = Host::golden();
    host.add(
        host.golden_guest()
            .disk_with("vdb", "raw", &host.raw("d.img"), "<shareable/>"),
    );
    for way in ["", "--full"] {
        let xml = host
            .vmkin(&format!("clone -d golden printed{way} --print-xml {way}"))
            .success();
        let libvirt = Connect::open(Some(&host.uri())).unwrap();
        let flags = virt::sys::VIR_DOMAIN_DEFINE_VALIDATE;
        let domain = libvirt
            .define_domain_xml_flags(xml.stdout(), flags)
            .unwrap();
        // The chain that was written is the chain that libvirt keeps.
        let kept = domain.xml_desc(virt::sys::VIR_DOMAIN_XML_INACTIVE).unwrap();
        assert_eq!(kept.contains("golden.qcow2'"), way.is_empty(), "{kept}");
        assert_eq!(kept.contains("relabel='no'"), way.is_empty(), "{kept}");
        assert!(kept.contains("vmkin:clone"), "{kept}");
    }
}

#[test]
fn printed_xml_is_made_again_by_the_same_command() {
    let host = Host::golden();
    let args = "clone -d golden web-01 --print-xml --uuid 11111111-0000-4000-8000-000000000001 \
                --mac 52:54:00:00:00:09";
    let strip = |text: &str| -> String {
        text.lines()
            .filter(|line| !line.contains("time='"))
            .collect()
    };
    let (one, two) = (host.vmkin(args).success(), host.vmkin(args).success());
    assert_eq!(strip(one.stdout()), strip(two.stdout()));
}

#[test]
fn several_documents_follow_each_other() {
    let host = Host::golden();
    let outcome = host
        .vmkin("clone -d golden web-{n} --count 3 --print-xml")
        .success();
    assert_eq!(outcome.stdout().matches("<domain type='test'").count(), 3);
    let documents = host
        .vmkin("clone -d golden web-{n} --count 3 --print-xml --json")
        .success()
        .json();
    assert_eq!(documents.as_array().unwrap().len(), 3);
}

#[test]
fn a_dry_run_of_what_cannot_be_done_says_why() {
    let host = Host::golden();
    host.add(Guest::new("web-01"));
    assert_snapshot!(host.vmkin("clone -d golden web-01 --dry-run"), @"
    --- stderr ---
    error: domain 'web-01' exists already
      hint: choose another name, or delete it: `vmkin delete -d web-01`
    --- exit 5 ---
    ");
}
