//! Reading domain XML, and making the XML of a clone out of it.
//!
//! The clone is compared with its golden domain by a reader of XML that knows
//! nothing of vmkin's: what no rule is about has to be the same.
#![no_main]

use std::path::{Path, PathBuf};

use libfuzzer_sys::fuzz_target;
use uuid::Uuid;
use vmkin::error::Kind;
use vmkin::model::{
    CloneMode, DeclaredLayer, Disk, DiskSource, ImageFormat, Lineage, LineageDisk, Mac, Reservation,
};
use vmkin::xml::domain::{
    BackingLayer, CloneSpec, DomainFacts, HostdevRule, LINEAGE_NAMESPACE, NewDisk, Rewriter,
};
use vmkin_fuzz::tree::{Element, Tree};

const UUID: Uuid = Uuid::from_u128(0x0000_0000_0000_4000_8000_0000_0000_0007);
const NVRAM: &str = "/clones/web-01_VARS.fd";

fuzz_target!(|data: &[u8]| {
    let xml = String::from_utf8_lossy(data);
    let golden = match Rewriter::new(&xml) {
        Ok(golden) => golden,
        Err(error) => {
            assert!(
                matches!(error.kind(), Kind::Usage | Kind::WrongState),
                "{error}"
            );
            return;
        }
    };
    let facts = golden.facts();
    let other = Tree::read(&xml);
    if let Some(tree) = &other {
        agree(tree, facts);
    }

    // Half of all documents are cloned one way, half the other.
    let mode = if xml.len().is_multiple_of(2) {
        CloneMode::Linked
    } else {
        CloneMode::Full
    };
    let disks: Vec<NewDisk> = facts
        .disks
        .iter()
        .filter(|disk| disk.is_private())
        .map(|disk| new_disk(disk, mode))
        .collect();
    let macs: Vec<Mac> = (0..facts.nics.len())
        .map(|n| Mac::kvm([0xff, u8::try_from(n >> 8).unwrap_or(0xff), (n & 0xff) as u8]))
        .collect();
    let lineage = lineage(facts, mode, &disks);
    let name = "web-01".parse().expect("a good name");
    let spec = CloneSpec {
        name: &name,
        uuid: UUID,
        genid: Uuid::from_u128(8),
        macs: &macs,
        disks: &disks,
        nvram: Some(Path::new(NVRAM)),
        hostdevs: HostdevRule::Drop,
        tpm_copied: false,
        seed: None,
        smbios: None,
        lineage: &lineage,
    };
    let clone = match golden.rewrite(&spec) {
        Ok(clone) => clone.xml,
        Err(error) => {
            assert!(
                matches!(error.kind(), Kind::Usage | Kind::WrongState),
                "{error}"
            );
            return;
        }
    };
    let again = Rewriter::new(&clone).expect("what was written can be read");
    assert_eq!(again.facts(), &expected(facts, again.facts(), &spec));
    let twice = again
        .rewrite(&spec)
        .expect("what was written can be cloned");
    if !has_what_is_made(facts) {
        // What took the place of an element without a line of its own may get
        // one the second time.
        let packed = |xml: &str| -> String { xml.split_ascii_whitespace().collect() };
        let same = packed(&twice.xml) == packed(&clone);
        assert!(same, "the second time is different");
    }

    if let Some(tree) = &other {
        let after = Tree::read(&clone).expect("it was well-formed before");
        agree(&after, again.facts());
        assert_eq!(kept(&after, facts), kept(tree, facts));
    }
});

/// Whether a disk of the golden domain is one of the files that are made for
/// the clone. Nobody can ask for that: vmkin makes no file where one is. What
/// was made for a guest does not go on to clones of it, so the second time
/// is different.
fn has_what_is_made(golden: &DomainFacts) -> bool {
    let mut disks = golden.disks.iter();
    disks.any(|disk| matches!(&disk.source, DiskSource::File(path) if path.starts_with("/clones")))
}

fn new_disk(disk: &Disk, mode: CloneMode) -> NewDisk {
    let path = format!("/clones/web-01-{}", disk.target);
    let base = BackingLayer {
        source: DiskSource::File("/images/base &<'\">.qcow2".into()),
        format: ImageFormat::Qcow2,
        keep_owner: true,
    };
    let linked = mode == CloneMode::Linked;
    NewDisk {
        target: disk.target.clone(),
        source: DiskSource::File(path.into()),
        format: if linked {
            ImageFormat::Qcow2
        } else {
            ImageFormat::Raw
        },
        backing: if linked { vec![base] } else { Vec::new() },
        chain_known: true,
    }
}

fn lineage(facts: &DomainFacts, mode: CloneMode, disks: &[NewDisk]) -> Lineage {
    Lineage {
        golden_name: facts.name.clone(),
        golden_uuid: facts.uuid.unwrap_or_default(),
        time: "2026-01-02T03:04:05Z".to_owned(),
        mode,
        disks: disks
            .iter()
            .map(|disk| LineageDisk {
                target: disk.target.clone(),
                path: PathBuf::from(format!("/clones/web-01-{}", disk.target)),
                bases: Vec::new(),
                export: None,
            })
            .collect(),
        files: vec![NVRAM.into()],
        reservations: vec![Reservation {
            network: "default".to_owned(),
            mac: Mac::kvm([9, 9, 9]),
            ip: [192, 168, 122, 50].into(),
            name: "web-01".to_owned(),
        }],
    }
}

/// What the XML of the clone must say: what that of the golden domain does,
/// but for who it is and what was made for it.
fn expected(golden: &DomainFacts, clone: &DomainFacts, spec: &CloneSpec<'_>) -> DomainFacts {
    let mut facts = golden.clone();
    facts.name = spec.name.to_string();
    facts.uuid = Some(spec.uuid);
    facts.title = None;
    facts.lineage = Some(spec.lineage.clone());
    facts.lineage_damage = None;
    facts.hostdevs = 0;
    facts.nics.retain(|nic| {
        use vmkin::model::NicSource::Other;
        !matches!(&nic.source, Other(kind) if kind == "hostdev")
    });
    for (nic, mac) in facts.nics.iter_mut().zip(spec.macs) {
        nic.mac = Some(*mac);
    }
    for disk in &mut facts.disks {
        let Some(new) = spec.disks.iter().find(|new| new.target == disk.target) else {
            continue;
        };
        disk.source = new.source.clone();
        disk.format = new.format;
        disk.device = vmkin::model::DiskDevice::Disk;
        disk.declared_whole = true;
        let layer = |layer: &BackingLayer| DeclaredLayer {
            source: layer.source.clone(),
            format: Some(layer.format),
        };
        disk.declared = new.backing.iter().map(layer).collect();
    }
    for screen in &mut facts.graphics {
        if matches!(screen.kind.as_str(), "vnc" | "spice" | "rdp") {
            screen.port = None;
        }
    }
    let new = clone.nvram.as_ref().and_then(|nvram| nvram.path.as_deref());
    if let Some(nvram) = &mut facts.nvram {
        // A path that is empty may be one, in the newer form.
        if nvram.path.is_some() || new.is_some() {
            nvram.path = Some(NVRAM.into());
        }
    }
    facts
}

/// Two readers of one text see one domain.
fn agree(tree: &Tree, facts: &DomainFacts) {
    let one = |path: &str| tree.at(path).map(|element| element.text.as_str());
    assert_eq!(one("domain/name"), Some(facts.name.as_str()));
    let uuid = one("domain/uuid").and_then(|text| Uuid::try_parse(text.trim()).ok());
    assert_eq!(uuid, facts.uuid);

    let nics = tree.all("domain/devices/interface").count();
    assert_eq!(nics, facts.nics.len());
    let disks: Vec<&Element> = tree.all("domain/devices/disk").collect();
    assert_eq!(disks.len(), facts.disks.len());
    for (element, disk) in disks.into_iter().zip(&facts.disks) {
        let child = |name| tree.child(element, name);
        let target = child("target").and_then(|target| target.get("dev"));
        assert_eq!(target, Some(disk.target.as_str()));
        let source = |name| child("source").and_then(|source| source.get(name));
        match &disk.source {
            DiskSource::File(path) => assert_eq!(source("file"), path.to_str()),
            DiskSource::Block(path) => assert_eq!(source("dev"), path.to_str()),
            _ => {}
        }
        assert_eq!(child("readonly").is_some(), disk.readonly);
        assert_eq!(child("shareable").is_some(), disk.shareable);
    }
}

/// What no rule is about, one line for each element.
fn kept(tree: &Tree, golden: &DomainFacts) -> Vec<String> {
    tree.walk(&mut |element| verdict(tree, element, golden))
}

/// Which attributes of an element do not count; `None` if nothing in it does.
fn verdict(
    tree: &Tree,
    element: &Element,
    golden: &DomainFacts,
) -> Option<&'static [&'static str]> {
    let path = element.path.as_str();
    if element.namespace.as_deref() == Some(LINEAGE_NAMESPACE) {
        return None;
    }
    let is = |names: &[&str]| names.iter().any(|name| path == format!("domain/{name}"));
    if is(&[
        "name",
        "uuid",
        "genid",
        "title",
        "os/nvram",
        "sysinfo/system",
    ]) {
        return None;
    }
    match path {
        "domain" => return Some(&["id"]),
        // It may be there for the lineage alone.
        "domain/metadata" => return Some(&["*"]),
        _ => {}
    }
    let Some(device) = path.strip_prefix("domain/devices/") else {
        return Some(&[]);
    };
    let (device, inner) = device.split_once('/').unwrap_or((device, ""));
    let own = || tree.ancestor(element, "domain/devices/", device);
    let own_type = || own().and_then(|own| own.get("type")).unwrap_or_default();
    match (device, inner) {
        ("hostdev", _) => None,
        ("interface", _) if own_type() == "hostdev" => None,
        ("interface", "mac" | "target" | "virtualport" | "source" | "backend") => None,
        ("disk", "mirror") => None,
        ("disk", _) => disk(tree, element, own()?, inner, golden),
        ("graphics", "") => Some(&["port", "tlsPort", "websocket", "autoport", "socket"]),
        ("graphics", "listen") => None,
        (
            "serial" | "console" | "parallel" | "channel" | "redirdev" | "smartcard",
            "log" | "source",
        ) => None,
        ("tpm", "backend/source") | ("vsock", "cid") | ("pstore", "path") => None,
        _ => Some(&[]),
    }
}

fn disk(
    tree: &Tree,
    element: &Element,
    disk: &Element,
    inner: &str,
    golden: &DomainFacts,
) -> Option<&'static [&'static str]> {
    let target = tree
        .child(disk, "target")
        .and_then(|target| target.get("dev"));
    let made = golden
        .disks
        .iter()
        .any(|disk| Some(disk.target.as_str()) == target && disk.is_private());
    match inner {
        "" if made => Some(&["type", "device", "sgio", "rawio"]),
        "driver" | "source" | "backingStore" | "auth" | "wwn" if made => None,
        _ if element.path.ends_with("/source") || element.path.ends_with("/backingStore") => {
            Some(&["index"])
        }
        _ => Some(&[]),
    }
}
