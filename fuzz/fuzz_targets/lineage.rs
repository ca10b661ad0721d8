//! What a clone carries in its metadata about where it came from. `delete`
//! removes the files that it names.
#![no_main]

use libfuzzer_sys::fuzz_target;
use uuid::Uuid;
use vmkin::error::Kind;
use vmkin::model::Lineage;
use vmkin::xml::domain::{self, CloneSpec, HostdevRule, rewrite};

fuzz_target!(|data: &[u8]| {
    let inner = String::from_utf8_lossy(data);
    let xml = format!("<domain><name>golden</name><metadata>{inner}</metadata></domain>");
    let Ok(facts) = domain::read(&xml) else {
        return;
    };
    assert!(facts.lineage.is_none() || facts.lineage_damage.is_none());
    let Some(lineage) = facts.lineage else {
        return;
    };
    let name = "web-01".parse().expect("a good name");
    let spec = CloneSpec {
        name: &name,
        uuid: Uuid::from_u128(7),
        genid: Uuid::from_u128(8),
        macs: &[],
        disks: &[],
        nvram: None,
        hostdevs: HostdevRule::Drop,
        tpm_copied: false,
        seed: None,
        smbios: None,
        lineage: &lineage,
    };
    match rewrite(&xml, &spec) {
        Ok(clone) => {
            let again = domain::read(&clone.xml).expect("what was written can be read");
            assert_eq!(again.lineage.as_ref(), Some(&lineage));
            let twice = rewrite(&clone.xml, &spec).expect("what was written can be read");
            assert_eq!(twice.xml, clone.xml);
        }
        Err(error) => {
            assert_eq!(error.kind(), Kind::Usage, "{error}");
            assert!(!plain(&lineage), "{error}");
        }
    }
});

/// Whether every path in it can be put into XML again.
fn plain(lineage: &Lineage) -> bool {
    let bases = lineage.disks.iter().flat_map(|disk| &disk.bases);
    let disks = lineage.disks.iter().map(|disk| &disk.path);
    let mut paths = disks
        .chain(bases.map(|base| &base.path))
        .chain(&lineage.files);
    paths.all(|path| {
        let text = path.to_str().unwrap_or_default();
        !text.is_empty() && !text.contains(char::is_control)
    })
}
