//! The vocabulary of the program: plain values, no input or output.

mod chain;
mod disk;
mod domain;
mod image;
mod lineage;
mod mac;
mod name;
mod network;
mod pattern;
mod secret;
mod size;
mod state;
mod status;

pub use self::chain::{Chain, Layer};
pub use self::disk::{DeclaredLayer, Disk, DiskDevice, DiskSource, DiskTarget};
pub use self::domain::{Domain, DomainRef, Nic, NicSource, Nvram};
pub use self::image::{BaseIdentity, FileId, ImageFormat, UnknownFormat};
pub use self::lineage::{BaseRecord, CloneMode, Lineage, LineageDisk};
pub use self::mac::{InvalidMac, Mac};
pub use self::name::{DomainName, InvalidName};
pub use self::network::{NbdExport, NbdServer, NetworkSource};
pub use self::pattern::{InvalidPattern, NamePattern};
pub use self::secret::SecretText;
pub use self::size::{Size, human_bytes};
pub use self::state::DomainState;
pub use self::status::{Address, AddressSource, DomainStatus, Pool};
