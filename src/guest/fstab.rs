//! `/etc/fstab`: what a guest mounts, and where.

/// One line of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// What is mounted.
    pub source: Source,
    /// Where: an absolute path.
    pub at: String,
    /// Its options, separated by commas.
    pub options: String,
}

impl Line {
    /// Whether it may be missing.
    pub fn is_optional(&self) -> bool {
        let mut options = self.options.split(',');
        options.any(|option| matches!(option, "nofail" | "noauto"))
    }
}

/// How a line names what is to be mounted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// By its UUID, in lower case.
    Uuid(String),
    /// By its label.
    Label(String),
    /// By the UUID of its partition, in lower case.
    PartUuid(String),
    /// By the name of its partition.
    PartLabel(String),
    /// By the path of a device.
    Device(String),
}

/// File systems that are made by the kernel of the guest, or are elsewhere.
const NOT_ON_DISKS: &[&str] = &[
    "proc",
    "sysfs",
    "tmpfs",
    "devpts",
    "devtmpfs",
    "cgroup",
    "cgroup2",
    "debugfs",
    "securityfs",
    "mqueue",
    "hugetlbfs",
    "swap",
    "nfs",
    "nfs4",
    "cifs",
    "smbfs",
    "9p",
    "virtiofs",
    "overlay",
    "autofs",
    "none",
    "ignore",
    "fuse",
    "efivarfs",
    "configfs",
    "ceph",
    "glusterfs",
];

/// The lines that mount something off a disk, those of outer directories first;
/// and what is to be said of lines that cannot be understood.
pub fn parse(text: &str) -> (Vec<Line>, Vec<String>) {
    let mut lines = Vec::new();
    let mut problems = Vec::new();
    for (index, text) in text.lines().enumerate() {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        match line(text) {
            Ok(Some(line)) => lines.push(line),
            Ok(None) => {}
            Err(why) => problems.push(format!("line {} of /etc/fstab {why}", index + 1)),
        }
    }
    // What is mounted below another comes after it.
    lines.sort_by_key(|line| line.at.split('/').filter(|name| !name.is_empty()).count());
    (lines, problems)
}

fn line(text: &str) -> Result<Option<Line>, &'static str> {
    let fields: Vec<String> = text.split_whitespace().map(unescaped).collect();
    let [source, at, kind, rest @ ..] = fields.as_slice() else {
        return Err("has too few fields");
    };
    let is_bind = |options: &String| {
        options
            .split(',')
            .any(|one| one == "bind" || one == "rbind")
    };
    let elsewhere = NOT_ON_DISKS.contains(&kind.as_str()) || kind.starts_with("fuse.");
    if elsewhere || at == "none" || at == "swap" || rest.first().is_some_and(is_bind) {
        return Ok(None);
    }
    if !at.starts_with('/') {
        return Err("mounts at what is no absolute path");
    }
    let value = |text: &str| text.trim_matches('"').to_owned();
    let source = match source.split_once('=') {
        Some(("UUID", uuid)) => Source::Uuid(value(uuid).to_ascii_lowercase()),
        Some(("LABEL", label)) => Source::Label(value(label)),
        Some(("PARTUUID", uuid)) => Source::PartUuid(value(uuid).to_ascii_lowercase()),
        Some(("PARTLABEL", label)) => Source::PartLabel(value(label)),
        _ => match source.strip_prefix("/dev/disk/by-") {
            Some(name) => match name.split_once('/') {
                Some(("uuid", uuid)) => Source::Uuid(uuid.to_ascii_lowercase()),
                Some(("label", label)) => Source::Label(label.to_owned()),
                Some(("partuuid", uuid)) => Source::PartUuid(uuid.to_ascii_lowercase()),
                Some(("partlabel", label)) => Source::PartLabel(label.to_owned()),
                _ => Source::Device(source.clone()),
            },
            None if source.starts_with("/dev/") => Source::Device(source.clone()),
            // A file that is mounted, or nothing that is known.
            None => return Ok(None),
        },
    };
    Ok(Some(Line {
        source,
        at: at.clone(),
        options: rest.first().cloned().unwrap_or_default(),
    }))
}

/// A field with `\040` and the like for what separates fields.
fn unescaped(field: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = field.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = tail
            .get(..3)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code.filter(|_| byte == b'\\') {
            Some(code) => {
                bytes.push(code);
                rest = tail.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        let text = "\
# made by hand
UUID=AB-1  /boot/efi vfat umask=0077 0 1
/dev/mapper/vg-root / xfs defaults 0 0
LABEL=\"my\\040data\" /srv/my\\040data ext4 noatime
/dev/disk/by-uuid/Ab /boot ext4 defaults
PARTUUID=0A /opt ext4
tmpfs /tmp tmpfs
host:/x /mnt nfs
UUID=x none swap sw
/srv /export none bind
/dev/vdb relative ext4
what
UUID=b /home btrfs subvol=@home,compress=zstd
";
        let (lines, problems) = parse(text);
        let shown: Vec<String> = lines
            .iter()
            .map(|line| format!("{:?} {} {}", line.source, line.at, line.options))
            .collect();
        assert_eq!(
            shown,
            [
                r#"Device("/dev/mapper/vg-root") / defaults"#,
                r#"Uuid("ab") /boot defaults"#,
                r#"PartUuid("0a") /opt "#,
                r#"Uuid("b") /home subvol=@home,compress=zstd"#,
                r#"Uuid("ab-1") /boot/efi umask=0077"#,
                r#"Label("my data") /srv/my data noatime"#,
            ]
        );
        assert_eq!(
            problems,
            [
                "line 11 of /etc/fstab mounts at what is no absolute path",
                "line 12 of /etc/fstab has too few fields",
            ]
        );
    }
}
