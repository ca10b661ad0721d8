//! The names that a header may have for something that is none of its business.

use super::{Lure, Place};

/// A name, and what the refusal says about it.
pub(super) struct Lead {
    pub(super) case: &'static str,
    pub(super) says: &'static str,
    pub(super) lure: Lure,
    pub(super) name: fn(&Place) -> String,
}

/// What a qcow2 image may name as its backing file, as raw.
pub(super) fn leads() -> Vec<Lead> {
    let outside = "outside the allowed directories";
    let protocol = "only files are followed";
    let lead = |case, says, lure, name| Lead {
        case,
        says,
        lure,
        name,
    };
    vec![
        lead("backing-absolute", outside, Lure::Secret, |p| {
            p.secret().to_owned()
        }),
        lead("backing-relative", outside, Lure::Secret, |p| {
            // Up to the root and down again, however deep the directory is.
            format!("{}{}", "../".repeat(30), p.secret().trim_start_matches('/'))
        }),
        lead("backing-link", outside, Lure::Secret, |p| {
            let link = p.at("innocent.img");
            drop(std::fs::remove_file(&link));
            std::os::unix::fs::symlink(&p.secret, &link).unwrap();
            "innocent.img".to_owned()
        }),
        lead("backing-shadow", outside, Lure::Nothing, |_| {
            "/etc/shadow".to_owned()
        }),
        lead("backing-file-prefix", outside, Lure::Secret, |p| {
            format!("file:{}", p.secret())
        }),
        lead("backing-json", protocol, Lure::Secret, |p| {
            format!(
                r#"json:{{"driver":"raw","file":{{"driver":"file","filename":"{}"}}}}"#,
                p.secret()
            )
        }),
        lead("backing-json-nbd", protocol, Lure::Port, |p| {
            format!(
                r#"json:{{"driver":"raw","file":{{"driver":"nbd","host":"127.0.0.1","port":"{}"}}}}"#,
                p.port
            )
        }),
        lead("backing-nbd-uri", protocol, Lure::Port, |p| {
            format!("nbd://127.0.0.1:{}/x", p.port)
        }),
        lead("backing-nbd", protocol, Lure::Port, |p| {
            format!("nbd:127.0.0.1:{}", p.port)
        }),
        lead("backing-http", protocol, Lure::Port, |p| {
            format!("http://127.0.0.1:{}/x", p.port)
        }),
        lead("backing-ssh", protocol, Lure::Port, |p| {
            format!("ssh://root@127.0.0.1:{}/x", p.port)
        }),
        lead("backing-fat", protocol, Lure::Name, |p| {
            format!("fat:{}", p.secret.parent().unwrap().display())
        }),
        lead("backing-blkdebug", protocol, Lure::Secret, |p| {
            format!("blkdebug::{}", p.secret())
        }),
        lead("backing-fdset", protocol, Lure::Nothing, |_| {
            "fd:/dev/fdset/0".to_owned()
        }),
        lead(
            "backing-file-escaped",
            "read its `file:` name differently",
            Lure::Name,
            |p| format!("file://{}", p.secret().replace('e', "%65")),
        ),
        lead("backing-nul", "NUL byte", Lure::Name, |p| {
            format!("{}\0.img", p.secret())
        }),
        lead("backing-device", "not to be trusted", Lure::Nothing, |_| {
            "/dev/zero".to_owned()
        }),
        lead(
            "backing-directory",
            "not to be trusted",
            Lure::Nothing,
            |_| ".".to_owned(),
        ),
        lead("backing-terminal", "outside", Lure::Nothing, |p| {
            let name = "\u{1b}]0;x\u{7}\n";
            std::fs::write(p.secret.with_file_name(name), [0; 512]).unwrap();
            p.secret.with_file_name(name).to_str().unwrap().to_owned()
        }),
    ]
}
