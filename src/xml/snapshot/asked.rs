//! What libvirt is asked for when it makes a snapshot itself.

use super::written;
use crate::error::Result;

/// The XML that asks for a snapshot of a running guest, with its memory, in the
/// images of these disks.
///
/// # Errors
///
/// [`Kind::Usage`](crate::error::Kind::Usage) if a text cannot be put into XML.
pub fn with_memory(name: &str, description: Option<&str>, targets: &[&str]) -> Result<String> {
    let mut xml = format!("<domainsnapshot>\n  <name>{}</name>\n", written(name)?);
    if let Some(description) = description {
        let text = written(description)?;
        xml.push_str(&format!("  <description>{text}</description>\n"));
    }
    xml.push_str("  <memory snapshot='internal'/>\n  <disks>\n");
    for target in targets {
        let target = written(target)?;
        xml.push_str(&format!(
            "    <disk name='{target}' snapshot='internal'/>\n"
        ));
    }
    xml.push_str("  </disks>\n</domainsnapshot>\n");
    Ok(xml)
}

#[cfg(test)]
mod tests {
    use crate::model::Kept;
    use crate::xml::snapshot::read;

    #[test]
    fn what_is_asked_for_is_a_snapshot() {
        let xml = super::with_memory("a <b>", Some("c & d"), &["vda", "vdb"]).unwrap();
        let asked = read(&xml).unwrap();
        assert_eq!(
            (asked.name.as_str(), asked.memory),
            ("a <b>", Kept::Internal)
        );
        assert_eq!(asked.description.as_deref(), Some("c & d"));
        assert!(asked.disks.iter().all(|disk| disk.kept == Kept::Internal));
        assert_eq!(asked.disks.len(), 2);
        assert!(super::with_memory("a\u{1}", None, &[]).is_err());
    }
}
