//! Domains for the test driver's host file.

use std::fmt::Write as _;
use std::path::Path;

/// The namespace of what only the test driver knows.
pub(crate) const TEST_NAMESPACE: &str = "http://libvirt.org/schemas/domain/test/1.0";

/// A domain of the host, shut off unless said otherwise.
pub(crate) struct Guest {
    name: String,
    head: String,
    os: String,
    devices: String,
    test: String,
    state: u32,
}

impl Guest {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            head: String::new(),
            os: String::new(),
            devices: String::new(),
            test: String::new(),
            state: 5,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn uuid(mut self, uuid: &str) -> Self {
        let _ = write!(self.head, "<uuid>{uuid}</uuid>");
        self
    }

    pub(crate) fn disk(self, target: &str, format: &str, path: &Path) -> Self {
        self.disk_with(target, format, path, "")
    }

    /// A disk with more elements, such as `<readonly/>`.
    pub(crate) fn disk_with(self, target: &str, format: &str, path: &Path, more: &str) -> Self {
        let path = path
            .to_str()
            .unwrap()
            .replace('&', "&amp;")
            .replace('\'', "&apos;");
        self.device(&format!(
            "<disk type='file' device='disk'><driver name='qemu' type='{format}'/>\
             <source file='{path}'/><target dev='{target}' bus='virtio'/>{more}</disk>"
        ))
    }

    pub(crate) fn nic(self, mac: &str) -> Self {
        self.device(&format!(
            "<interface type='network'><mac address='{mac}'/><source network='default'/></interface>"
        ))
    }

    pub(crate) fn nvram(mut self, path: &Path) -> Self {
        let _ = write!(
            self.os,
            "<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader><nvram>{}</nvram>",
            path.display()
        );
        self
    }

    /// Any device, as XML.
    pub(crate) fn device(mut self, xml: &str) -> Self {
        self.devices.push_str(xml);
        self
    }

    /// A state, by libvirt's number: 1 is running, 3 paused, 5 shut off.
    pub(crate) fn state(mut self, state: u32) -> Self {
        self.state = state;
        self
    }

    pub(crate) fn transient(mut self) -> Self {
        self.test.push_str("<test:transient/>");
        self
    }

    pub(crate) fn saved(mut self) -> Self {
        self.test.push_str("<test:hasmanagedsave/>");
        self
    }

    pub(super) fn xml(&self) -> String {
        let Self {
            name,
            head,
            os,
            devices,
            test,
            state,
        } = self;
        format!(
            "<domain type='test' xmlns:test='{TEST_NAMESPACE}'><name>{name}</name>{head}\
             <memory unit='MiB'>512</memory><vcpu>1</vcpu>\
             <os><type arch='i686'>hvm</type>{os}</os><devices>{devices}</devices>\
             <test:runstate>{state}</test:runstate>{test}</domain>"
        )
    }
}
