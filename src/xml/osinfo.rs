//! The documents of osinfo-db: what is known of an operating system.
//!
//! Source of the format: `schema/osinfo.rng` of the package osinfo-db. Only
//! what a new domain depends on is read; installers, media, trees and
//! translations are passed over.

use super::span::{Document, Node};
use crate::error::Result;

/// What one document says of one operating system, without what it inherits.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OsEntry {
    /// Such as `http://debian.org/debian/12`.
    pub id: String,
    /// Such as `debian12`; some systems have several, the usual one first.
    pub short_ids: Vec<String>,
    /// For people, in English.
    pub name: Option<String>,
    /// The kind of kernel, such as `linux` or `winnt`.
    pub family: Option<String>,
    /// Such as `debian`.
    pub distro: Option<String>,
    /// As its makers write it, such as `22.04`.
    pub version: Option<String>,
    /// `YYYY-MM-DD`.
    pub release_date: Option<String>,
    /// The end of its support, `YYYY-MM-DD`.
    pub eol_date: Option<String>,
    /// `released` (the default), `snapshot`, `prerelease` or `rolling`.
    pub release_status: Option<String>,
    /// The user that its cloud images have.
    pub cloud_user: Option<String>,
    /// Whether it has images that heed cloud-init.
    pub cloud_init: bool,
    /// The systems that it is made of, by their identifiers.
    pub derives_from: Vec<String>,
    /// The systems that it is a copy of, by their identifiers.
    pub clones: Vec<String>,
    /// The devices it drives, or says that it does not.
    pub devices: Vec<DeviceLink>,
    /// The firmware it starts with, or says that it does not.
    pub firmware: Vec<FirmwareLink>,
    /// What it needs.
    pub resources: Vec<ResourcesEntry>,
}

/// A device, and whether a system drives it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DeviceLink {
    /// Such as `http://pcisig.com/pci/1af4/1001`.
    pub id: String,
    /// Whether it works. One that does not takes back what is inherited.
    pub supported: bool,
}

/// A firmware, and whether a system starts with it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FirmwareLink {
    /// The processor, such as `x86_64`.
    pub arch: String,
    /// `bios` or `efi`.
    pub kind: String,
    /// Whether it works.
    pub supported: bool,
}

/// What a system needs on one processor.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ResourcesEntry {
    /// The processor, or `all`.
    pub arch: String,
    /// Whether what is not said here is as for the systems it is made of.
    pub inherit: bool,
    /// Less does not do.
    pub minimum: Amounts,
    /// What its makers advise.
    pub recommended: Amounts,
}

/// How much of what. Zero says nothing and is left out.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Amounts {
    /// Memory, in bytes.
    pub ram: Option<u64>,
    /// Processors.
    pub cpus: Option<u64>,
    /// Disk space, in bytes.
    pub storage: Option<u64>,
}

impl Amounts {
    /// These, and those of `other` where these say nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            ram: self.ram.or(other.ram),
            cpus: self.cpus.or(other.cpus),
            storage: self.storage.or(other.storage),
        }
    }
}

impl OsEntry {
    /// Adds what another document says of the same system. Of what can be
    /// said once, the later word counts.
    pub fn extend(&mut self, later: Self) {
        for short_id in later.short_ids {
            if !self.short_ids.contains(&short_id) {
                self.short_ids.push(short_id);
            }
        }
        let fields = [
            (&mut self.name, later.name),
            (&mut self.family, later.family),
            (&mut self.distro, later.distro),
            (&mut self.version, later.version),
            (&mut self.release_date, later.release_date),
            (&mut self.eol_date, later.eol_date),
            (&mut self.release_status, later.release_status),
            (&mut self.cloud_user, later.cloud_user),
        ];
        for (mine, later) in fields {
            if later.is_some() {
                *mine = later;
            }
        }
        self.cloud_init |= later.cloud_init;
        self.derives_from.extend(later.derives_from);
        self.clones.extend(later.clones);
        self.devices.extend(later.devices);
        self.firmware.extend(later.firmware);
        self.resources.extend(later.resources);
    }
}

/// The operating systems in a document of osinfo-db, mostly one.
///
/// # Errors
///
/// [`Kind::Usage`](crate::error::Kind::Usage) if this is no such document.
pub fn systems(xml: &str) -> Result<Vec<OsEntry>> {
    let document = Document::parse(xml, "libosinfo")?;
    let root = document.root();
    let systems = root.into_iter().flat_map(|root| root.all("os"));
    Ok(systems.map(system).collect())
}

fn system(os: Node<'_, '_>) -> OsEntry {
    let ids = |name| -> Vec<String> {
        let nodes = os.all(name).filter_map(|node| node.get("id"));
        nodes.map(str::to_owned).collect()
    };
    let devices = os.all("devices").flat_map(|devices| {
        devices.children().filter_map(|device| {
            Some(DeviceLink {
                id: device.get("id").filter(|_| device.is("device"))?.to_owned(),
                supported: device.get("supported") != Some("false"),
            })
        })
    });
    let firmware = os.all("firmware").filter_map(|firmware| {
        Some(FirmwareLink {
            arch: firmware.get("arch")?.to_owned(),
            kind: firmware.get("type")?.to_owned(),
            supported: firmware.get("supported").is_none_or(|word| word == "true"),
        })
    });
    OsEntry {
        id: os.get("id").unwrap_or_default().to_owned(),
        short_ids: os.all("short-id").filter_map(text).collect(),
        name: value(os, "name"),
        family: value(os, "family"),
        distro: value(os, "distro"),
        version: value(os, "version"),
        release_date: value(os, "release-date").filter(|date| is_date(date)),
        eol_date: value(os, "eol-date").filter(|date| is_date(date)),
        release_status: value(os, "release-status"),
        cloud_user: value(os, "cloud-image-username").filter(|name| is_user(name)),
        cloud_init: os
            .all("image")
            .any(|image| image.get("cloud-init") == Some("true")),
        derives_from: ids("derives-from"),
        clones: ids("clones"),
        devices: devices.collect(),
        firmware: firmware.collect(),
        resources: os.all("resources").filter_map(resources).collect(),
    }
}

fn text(node: Node<'_, '_>) -> Option<String> {
    let text = node.text();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The text of the first element of this name that is no translation.
fn value(os: Node<'_, '_>, name: &str) -> Option<String> {
    os.all(name)
        .find(|node| node.get("xml:lang").is_none())
        .and_then(text)
}

fn resources(node: Node<'_, '_>) -> Option<ResourcesEntry> {
    let amounts = |name: &str| {
        let amount = |what: &str| {
            let text = node.at(&[name, what]).and_then(text)?;
            text.parse().ok().filter(|number| *number > 0)
        };
        Amounts {
            ram: amount("ram"),
            cpus: amount("n-cpus"),
            storage: amount("storage"),
        }
    };
    Some(ResourcesEntry {
        arch: node.get("arch")?.to_owned(),
        inherit: node.get("inherit") == Some("true"),
        minimum: amounts("minimum"),
        recommended: amounts("recommended"),
    })
}

/// Whether this is `YYYY-MM-DD`, so that two of them compare as texts.
fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

/// Whether this can be the name of a user, for it is written into files in
/// which other characters would mean something.
fn is_user(text: &str) -> bool {
    text.len() <= 32
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_counts_is_read() {
        let xml = r#"<?xml version="1.0"?>
<libosinfo version="0.0.1">
  <os id="http://a.org/a/2">
    <name xml:lang="de">Das A 2</name>
    <short-id>a2</short-id><short-id> a-two </short-id><short-id/>
    <name>A&amp;B 2</name><name xml:lang="fr">Le A 2</name>
    <version>2</version><family>linux</family><distro>a</distro>
    <derives-from id="http://a.org/a/1"/><upgrades id="http://a.org/a/1"/>
    <clones id="http://b.org/b/2"/>
    <release-date>2020-01-02</release-date><eol-date>some day</eol-date>
    <release-status>rolling</release-status>
    <cloud-image-username>a_user-1</cloud-image-username>
    <image arch="x86_64" format="raw"/>
    <image arch="x86_64" format="qcow2" cloud-init="true"/>
    <firmware arch="x86_64" type="efi"/>
    <firmware arch="x86_64" type="bios" supported="false"/>
    <devices><device id="d1"/><device id="d2" supported="false"/><other id="d3"/></devices>
    <resources arch="all" inherit="true"><minimum><ram>1024</ram><n-cpus>0</n-cpus></minimum>
      <recommended><storage> 7 </storage><ram>lots</ram></recommended></resources>
  </os>
  <device id="d4"/>
</libosinfo>"#;
        let entries = systems(xml).unwrap();
        assert_eq!(entries.len(), 1);
        let os = &entries[0];
        assert_eq!(os.id, "http://a.org/a/2");
        assert_eq!(os.short_ids, ["a2", "a-two"]);
        assert_eq!(os.name.as_deref(), Some("A&B 2"));
        assert_eq!(os.derives_from, ["http://a.org/a/1"]);
        assert_eq!(os.clones, ["http://b.org/b/2"]);
        assert_eq!(os.release_date.as_deref(), Some("2020-01-02"));
        assert_eq!(os.eol_date, None);
        assert_eq!(os.cloud_user.as_deref(), Some("a_user-1"));
        assert!(os.cloud_init);
        let devices: Vec<_> = os
            .devices
            .iter()
            .map(|d| (d.id.as_str(), d.supported))
            .collect();
        assert_eq!(devices, [("d1", true), ("d2", false)]);
        let firmware: Vec<_> = os
            .firmware
            .iter()
            .map(|f| (f.kind.as_str(), f.supported))
            .collect();
        assert_eq!(firmware, [("efi", true), ("bios", false)]);
        assert_eq!(
            os.resources,
            [ResourcesEntry {
                arch: "all".to_owned(),
                inherit: true,
                minimum: Amounts {
                    ram: Some(1024),
                    ..Amounts::default()
                },
                recommended: Amounts {
                    storage: Some(7),
                    ..Amounts::default()
                },
            }]
        );
    }

    #[test]
    fn a_later_document_adds_and_has_the_last_word() {
        let one = "<libosinfo><os id='i'><short-id>a</short-id><name>A</name>\
                   <family>linux</family><devices><device id='d'/></devices></os></libosinfo>";
        let two = "<libosinfo><os id='i'><short-id>a</short-id><short-id>b</short-id><name>B</name>\
                   <devices><device id='d' supported='false'/></devices></os></libosinfo>";
        let mut os = systems(one).unwrap().remove(0);
        os.extend(systems(two).unwrap().remove(0));
        assert_eq!(os.short_ids, ["a", "b"]);
        assert_eq!(os.name.as_deref(), Some("B"));
        assert_eq!(os.family.as_deref(), Some("linux"));
        assert_eq!(os.devices.len(), 2);
        assert!(!os.devices[1].supported);
    }

    #[test]
    fn what_could_be_misread_elsewhere_is_left_out() {
        for user in ["root:x", "a b", "-a", "A", "a\nb", "ä"] {
            assert!(!is_user(user), "{user}");
        }
        for date in ["2020-1-2", "20200102", "2020-01-02 ", "2020/01/02"] {
            assert!(!is_date(date), "{date}");
        }
        assert!(systems("<!DOCTYPE libosinfo []><libosinfo/>").is_err());
        assert!(systems("<domain/>").is_err());
    }
}
