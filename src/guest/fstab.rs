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

/// A line as it is, whatever it mounts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// What is mounted, as it is written there.
    pub text: String,
    /// What that means, if it is something on a disk.
    pub source: Option<Source>,
    /// Where.
    pub at: String,
    /// Which file system.
    pub kind: String,
    /// Its options, separated by commas.
    pub options: String,
}

impl Entry {
    /// Whether one of its options is this.
    pub fn has(&self, option: &str) -> bool {
        self.options.split(',').any(|one| one == option)
    }

    /// Whether the kernel of the guest, or another host, has what it mounts.
    pub fn is_elsewhere(&self) -> bool {
        self.kind != "swap"
            && (NOT_ON_DISKS.contains(&self.kind.as_str()) || self.kind.starts_with("fuse."))
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

/// All lines but comments, by their numbers from 1 on; or why one makes no sense.
pub fn entries(text: &str) -> Vec<(usize, Result<Entry, &'static str>)> {
    let lines = text.lines().map(str::trim).enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(index, line)| (index.saturating_add(1), entry(line)))
        .collect()
}

fn entry(text: &str) -> Result<Entry, &'static str> {
    let fields: Vec<String> = text.split_whitespace().map(unescaped).collect();
    let [source, at, kind, rest @ ..] = fields.as_slice() else {
        return Err("has too few fields");
    };
    Ok(Entry {
        text: source.clone(),
        source: source_of(source),
        at: at.clone(),
        kind: kind.clone(),
        options: rest.first().cloned().unwrap_or_default(),
    })
}

fn line(text: &str) -> Result<Option<Line>, &'static str> {
    let entry = entry(text)?;
    let bound = entry.has("bind") || entry.has("rbind");
    let swap = entry.kind == "swap" || entry.at == "none" || entry.at == "swap";
    if entry.is_elsewhere() || swap || bound {
        return Ok(None);
    }
    if !entry.at.starts_with('/') {
        return Err("mounts at what is no absolute path");
    }
    Ok(entry.source.map(|source| Line {
        source,
        at: entry.at,
        options: entry.options,
    }))
}

/// What is meant by a name; `None` if that is a file, or nothing that is known.
pub fn source_of(text: &str) -> Option<Source> {
    let value = |text: &str| text.trim_matches('"').to_owned();
    Some(match text.split_once('=') {
        Some(("UUID", uuid)) => Source::Uuid(value(uuid).to_ascii_lowercase()),
        Some(("LABEL", label)) => Source::Label(value(label)),
        Some(("PARTUUID", uuid)) => Source::PartUuid(value(uuid).to_ascii_lowercase()),
        Some(("PARTLABEL", label)) => Source::PartLabel(value(label)),
        _ => match text.strip_prefix("/dev/disk/by-") {
            Some(name) => match name.split_once('/') {
                Some(("uuid", uuid)) => Source::Uuid(uuid.to_ascii_lowercase()),
                Some(("label", label)) => Source::Label(label.to_owned()),
                Some(("partuuid", uuid)) => Source::PartUuid(uuid.to_ascii_lowercase()),
                Some(("partlabel", label)) => Source::PartLabel(label.to_owned()),
                _ => Source::Device(text.to_owned()),
            },
            None if text.starts_with("/dev/") => Source::Device(text.to_owned()),
            None => return None,
        },
    })
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
