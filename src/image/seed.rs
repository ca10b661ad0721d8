//! The small disk from which cloud-init learns who a guest is (its data source
//! NoCloud): a FAT file system with the label CIDATA and up to three files.

use std::io::Cursor;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::fat::{FatSpec, FatVolume};
use super::file::ImageFile;
use super::overlay::{NewFile, cannot_write};
use crate::error::{Error, Kind, Result};
use crate::model::SecretText;

/// The label that cloud-init looks for.
const LABEL: &str = "CIDATA";

/// The size of an image; a larger one is needed for few.
const SIZE: usize = 1 << 20;

/// What of it is written at once, or not at all.
const BLOCK: usize = 4096;

/// How much of a file system says what it is.
const SECTOR: usize = 512;

/// The most that the files of an image may have together.
pub const MAX_SEED: usize = 2 << 20;

/// What a guest is told. It may hold passwords, and so does the image: mode
/// 0600. Libvirt gives it to the user that QEMU runs as when the guest starts.
#[derive(Clone, Debug)]
pub struct Seed {
    /// The serial number of the file system. The same seed is the same bytes.
    pub volume_id: u32,
    /// `user-data`, which cloud-init carries out.
    pub user_data: SecretText,
    /// `meta-data`: the instance id, and the name of the host.
    pub meta_data: SecretText,
    /// `network-config`; without one, cloud-init asks for addresses by DHCP.
    pub network_config: Option<SecretText>,
}

impl Seed {
    /// The names of the files in it.
    pub fn names(&self) -> Vec<&'static str> {
        self.files().into_iter().map(|(name, _)| name).collect()
    }

    fn files(&self) -> Vec<(&'static str, &SecretText)> {
        let mut files = vec![
            ("user-data", &self.user_data),
            ("meta-data", &self.meta_data),
        ];
        files.extend(
            self.network_config
                .iter()
                .map(|text| ("network-config", text)),
        );
        files
    }

    /// Writes the image into a new file. It is not on the disk before
    /// [`NewFile::sync`].
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] if the texts are larger than [`MAX_SEED`] together;
    /// [`Kind::Exists`] if there is something at `path`; [`Kind::Storage`] or
    /// [`Kind::Environment`] if it cannot be written. Nothing is left behind.
    pub fn write(&self, path: &Path) -> Result<NewFile> {
        let image = self.image()?;
        let new = NewFile::create(path)?;
        let fill = || -> std::io::Result<()> {
            // Most of it is nothing, which takes no space if it is not written.
            for (index, block) in image.chunks(BLOCK).enumerate() {
                if block.iter().any(|byte| *byte != 0) {
                    let at = index.saturating_mul(BLOCK);
                    new.file().write_all_at(block, at as u64)?;
                }
            }
            new.file().set_len(image.len() as u64)
        };
        match fill() {
            Ok(()) => Ok(new),
            Err(error) => {
                new.discard();
                Err(cannot_write(path, error))
            }
        }
    }

    /// The bytes of the image: whole sectors, so that QEMU takes all of them.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] if the texts are larger than [`MAX_SEED`] together.
    pub fn image(&self) -> Result<Vec<u8>> {
        let files = self.files();
        let total: usize = files.iter().map(|(_, text)| text.expose().len()).sum();
        if total > MAX_SEED {
            return Err(Error::new(
                Kind::Usage,
                format!(
                    "what cloud-init is to be told has {total} bytes, and can have {MAX_SEED} at \
                     the most"
                ),
            ));
        }
        // Besides the files there are the tables and the ends of clusters.
        let size = SIZE.saturating_add(total.next_multiple_of(SIZE));
        let mut image = Cursor::new(vec![0_u8; size]);
        let spec = FatSpec {
            label: Some(LABEL),
            volume_id: self.volume_id,
            fat12: true,
            floppy: false,
        };
        let fill = || -> Result<()> {
            let mut volume = FatVolume::format(&mut image, &spec)?;
            for (name, text) in files {
                // The first second that FAT knows: when it was made is nobody's
                // business, and would make two images of one seed differ.
                volume.file(name.as_bytes(), 0, &mut text.expose().as_bytes())?;
            }
            volume.finish()
        };
        fill().map_err(|error| error.context("cannot make a disk for cloud-init"))?;
        Ok(image.into_inner())
    }
}

/// Whether cloud-init would take this file for a seed: an image of a FAT file
/// system or of a CD with that label. What cannot be read is none.
pub fn looks_like_seed(path: &Path) -> bool {
    let Ok(image) = ImageFile::open(path) else {
        return false;
    };
    let holds = |offset: u64, magic: &[u8], label_at: usize, length: usize| {
        let bytes = image.read_at(offset, SECTOR).unwrap_or_default();
        let label = bytes.get(label_at..label_at.saturating_add(length));
        bytes.windows(magic.len()).any(|part| part == magic)
            && label.is_some_and(|label| label.trim_ascii_end().eq_ignore_ascii_case(b"cidata"))
    };
    // FAT12 and FAT16; FAT32; ISO 9660.
    holds(0, b"FAT1", 43, 11) || holds(0, b"FAT32", 71, 11) || holds(32768, b"CD001", 40, 32)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use fatfs::{FileSystem, FsOptions};

    use super::*;

    fn seed(user_data: &str) -> Seed {
        Seed {
            volume_id: 0x1234_5678,
            user_data: user_data.to_owned().into(),
            meta_data: "instance-id: x\n".to_owned().into(),
            network_config: None,
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seed");
        let long = "#cloud-config\n".repeat(100_000);
        let written = Seed {
            network_config: Some("version: 2\n".to_owned().into()),
            ..seed(&long)
        };
        let new = written.write(&path).unwrap();
        new.sync().unwrap();
        let image = std::fs::read(&path).unwrap();
        assert_eq!(image.len() % 512, 0);
        let system = FileSystem::new(Cursor::new(image), FsOptions::new()).unwrap();
        assert_eq!(system.volume_label(), "CIDATA");
        assert_eq!(
            system.read_volume_label_from_root_dir().unwrap().as_deref(),
            Some("CIDATA")
        );
        assert_eq!(system.volume_id(), 0x1234_5678);
        for (name, text) in written.files() {
            let mut read = String::new();
            let mut file = system.root_dir().open_file(name).unwrap();
            file.read_to_string(&mut read).unwrap();
            assert!(read == text.expose(), "{name}");
        }
        assert_eq!(
            written.names(),
            ["user-data", "meta-data", "network-config"]
        );
    }

    #[test]
    fn the_same_seed_is_the_same_bytes() {
        assert_eq!(seed("a").image().unwrap(), seed("a").image().unwrap());
        assert_ne!(seed("a").image().unwrap(), seed("b").image().unwrap());
        assert_eq!(seed("a").image().unwrap().len(), 2 << 20);
    }

    #[test]
    fn it_is_a_new_file_that_nobody_else_reads() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seed");
        let new = seed("a").write(&path).unwrap();
        let mode = new.file().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        assert_eq!(seed("b").write(&path).unwrap_err().kind(), Kind::Exists);
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        assert_eq!(seed("b").write(&link).unwrap_err().kind(), Kind::Exists);
    }

    #[test]
    fn a_seed_is_known_by_its_label() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        seed("a").write(&path("ours")).unwrap();
        assert!(looks_like_seed(&path("ours")));
        let mut cd = vec![0_u8; 40 << 10];
        cd[32769..32774].copy_from_slice(b"CD001");
        cd[32808..32840].copy_from_slice(b"cidata                          ");
        std::fs::write(path("cd"), &cd).unwrap();
        assert!(looks_like_seed(&path("cd")));
        cd[32808] = b'x';
        std::fs::write(path("other"), &cd).unwrap();
        std::fs::write(path("short"), "CIDATA").unwrap();
        for name in ["other", "short", "missing", ""] {
            assert!(!looks_like_seed(&path(name)), "{name}");
        }
    }

    #[test]
    fn too_much_text_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seed");
        seed(&"x".repeat(MAX_SEED - 15))
            .write(&path)
            .unwrap()
            .discard();
        let error = seed(&"x".repeat(MAX_SEED)).write(&path).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(!path.exists());
    }
}
