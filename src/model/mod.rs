//! The vocabulary of the program: plain values, no input or output.

mod capabilities;
mod chain;
mod disk;
mod domain;
mod glob;
mod guest_identity;
mod hostname;
mod image;
mod image_options;
pub mod import;
pub mod layout;
mod lineage;
mod mac;
mod mode;
mod name;
mod nearest;
mod network;
pub mod options;
mod pattern;
mod reservation;
mod secret;
mod settings;
mod size;
mod snapshot;
mod ssh_key;
mod state;
mod status;
mod substitution;
mod volume;

pub use self::capabilities::{Capabilities, GuestAbility, HostRoom};
pub use self::chain::{Chain, Layer};
pub use self::disk::{DeclaredLayer, Disk, DiskDevice, DiskSource, DiskTarget};
pub use self::domain::{Domain, DomainRef, Nic, NicSource, Nvram};
pub use self::glob::Glob;
pub use self::guest_identity::{
    Credential, GuestIdentity, IdentityChannel, InvalidUserName, Smbios, UserName,
};
pub use self::hostname::{Hostname, HostnamePattern, InvalidHostname};
pub use self::image::{BaseIdentity, FileId, ImageFormat, UnknownFormat};
pub use self::image_options::ImageOptions;
pub use self::lineage::{BaseRecord, CloneMode, Lineage, LineageDisk};
pub use self::mac::{InvalidMac, Mac};
pub use self::mode::{ModeChange, ModeError};
pub use self::name::{DomainName, InvalidName};
pub use self::nearest::nearest;
pub use self::network::{NbdExport, NbdServer, NetworkSource};
pub use self::pattern::{InvalidPattern, NamePattern};
pub use self::reservation::{
    DhcpHost, DnsHost, InvalidIpRange, IpRange, Lease, Network, NetworkFacts, Reservation, Subnet,
};
pub use self::secret::SecretText;
pub use self::settings::config_dirs;
pub use self::size::{InvalidSize, Size, human_bytes};
pub use self::snapshot::{
    InvalidSnapshotName, Kept, RecordedDisk, RecordedSnapshot, SnapshotName, UNDO_PREFIX,
};
pub use self::ssh_key::{InvalidSshKey, SshKey};
pub use self::state::DomainState;
pub use self::status::{Address, AddressSource, DomainStatus, MachineSize, Stored};
pub use self::substitution::{Substitution, SubstitutionError};
pub use self::volume::{NewVolume, Pool, PoolFacts, PoolVolume, VolumeFacts, VolumeName};
