use std::path::{Path, PathBuf};

use clap::Args;
use uuid::Uuid;

use super::super::identity_args::{self, IdentityArgs};
use super::super::making::WaitArgs;
use crate::error::{Error, Kind, Result};
use crate::image::ReflinkRule;
use crate::model::import::{
    BootOption, ConsoleOption, CpuOption, DiskOption, GraphicsKind, GraphicsOption, NicOption,
    TpmOption, VcpuOption, VirtType,
};
use crate::model::{CloneMode, DiskDevice, IpRange, Mac, NamePattern, SecretText, Size};
use crate::ops::clone::request::Golden;
use crate::ops::clone::{CloneRequest, NameChoice, Placement, TpmRule};
use crate::ops::import::{Graphics, Wishes};

/// The longest password that VNC knows (RFC 6143, 7.2.2).
const VNC_PASSWORD: usize = 8;

/// Make guests of disk images, in the words of virt-install
///
/// Each guest gets its own domain on the images that are named: as they are
/// (`--disk path=`), as overlays on a base (`--disk backing=`), or new and empty
/// (`--disk size=`). A pattern in --name and --count make many at once. Nothing
/// is started unless --start is given, and each guest is made whole or not at
/// all, as clones are. On another host than this one, images are volumes of its
/// storage pools.
///
/// Prints the UUIDs of the guests, one per line.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct ImportArgs {
    /// The name of the guest, or a pattern such as 'web-{n:02}'; may be repeated
    #[arg(short, long, value_name = "NAME", required = true)]
    pub(super) name: Vec<NamePattern>,

    /// How many guests, numbered by the pattern in --name [default: 1]
    #[arg(long, value_name = "N")]
    pub(super) count: Option<u64>,

    /// The first number of a pattern [default: 1]
    #[arg(long, value_name = "N")]
    pub(super) from: Option<u64>,

    /// A disk: path=IMAGE, backing=BASE or size=GIB, and bus=, format=, cache=,
    /// readonly=, shareable=, device=, target=, serial=, pool=, vol=, …
    ///
    /// The format is what is said here, or what the header of the image says;
    /// QEMU never guesses it. backing= makes an overlay on that image, which is
    /// sealed then; size= beside it makes the overlay larger. May be repeated.
    #[arg(long, value_name = "DISK")]
    disk: Vec<DiskOption>,

    /// An image for a CD drive
    #[arg(long, value_name = "IMAGE")]
    cdrom: Option<PathBuf>,

    /// The memory, in MiB if there is no unit [default: 1024, or what the
    /// operating system should have]
    #[arg(short = 'r', long, visible_alias = "ram", value_name = "MIB", value_parser = memory)]
    memory: Option<Size>,

    /// How many processors, and maxvcpus=, sockets=, cores=, threads= [default: 1]
    #[arg(long, value_name = "N")]
    vcpus: Option<VcpuOption>,

    /// The processor that guests see: host-passthrough, host-model, maximum or a
    /// model, and +feature, -feature
    #[arg(long, value_name = "CPU", allow_hyphen_values = true)]
    cpu: Option<CpuOption>,

    /// A network interface: network=NAME, bridge=NAME, user or none, and model=,
    /// mac=, portgroup=, mtu=, … [default: network=default]
    #[arg(short = 'w', long, value_name = "NETWORK")]
    network: Vec<NicOption>,

    /// A screen: none, vnc or spice, and listen=, port=, password-file=, keymap=
    ///
    /// It listens on this host alone unless listen= says otherwise.
    #[arg(long, value_name = "SCREEN")]
    graphics: Option<GraphicsOption>,

    /// The console: pty or none, and target_type=serial or virtio, log=FILE
    ///
    /// {name} in FILE stands for the name of the guest.
    #[arg(long, value_name = "CONSOLE")]
    console: Option<ConsoleOption>,

    /// How guests boot: uefi, hd, cdrom, network, kernel=, initrd=, cmdline=,
    /// menu=on, secure_boot=
    #[arg(long, value_name = "BOOT")]
    boot: Option<BootOption>,

    /// The operating system, such as debian12: it decides on devices, firmware
    /// and amounts where nothing else is said
    #[arg(long, visible_alias = "osinfo", value_name = "ID")]
    os_variant: Option<String>,

    /// A TPM: default, none, 2.0 or 1.2, and model=
    #[arg(long, value_name = "TPM")]
    tpm: Option<TpmOption>,

    /// The video device where there is a screen
    #[arg(long, value_name = "MODEL")]
    video: Option<String>,

    /// What runs the guests, kvm or qemu [default: kvm where it works]
    #[arg(long, value_name = "TYPE")]
    virt_type: Option<VirtType>,

    /// The architecture [default: that of the host]
    #[arg(long, value_name = "ARCH")]
    arch: Option<String>,

    /// The machine type [default: q35, or what the operating system knows]
    #[arg(long, value_name = "MACHINE")]
    machine: Option<String>,

    /// A title for people
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,

    /// A longer text for people
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// The template that makes the domain XML, by name or by path
    /// [default: server, or windows]
    #[arg(long, value_name = "TEMPLATE")]
    template: Option<String>,

    /// A value for the template; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,

    /// Put new images into this directory
    #[arg(long, value_name = "DIR", conflicts_with = "pool")]
    dir: Option<PathBuf>,

    /// Put new images into this storage pool
    #[arg(long, value_name = "POOL")]
    pool: Option<String>,

    /// A MAC address; repeat it in the order of guests and their interfaces
    #[arg(short, long, value_name = "MAC")]
    mac: Vec<Mac>,

    /// Reserve this IPv4 address for a guest, or addresses of this range for
    /// several; repeat it in the order of guests
    ///
    /// The DHCP server of the libvirt network gives the address to the guest
    /// alone, and its DNS server knows the guest by its name. `vmkin delete`
    /// gives it back.
    #[arg(long, value_name = "ADDRESS|FIRST-LAST")]
    ip: Vec<IpRange>,

    /// A UUID; repeat it in the order of guests
    #[arg(short, long, value_name = "UUID")]
    uuid: Vec<Uuid>,

    #[command(flatten)]
    identity: IdentityArgs,

    /// Start the guests
    #[arg(long)]
    pub(super) start: bool,

    #[command(flatten)]
    pub(super) wait: WaitArgs,

    /// Have the guests start with the host
    #[arg(long)]
    pub(super) autostart: bool,

    /// Do not seal the images that overlays are made on
    #[arg(long)]
    no_seal: bool,

    /// Allow backing files in this directory, which is no storage pool
    #[arg(long, value_name = "DIR")]
    allow_dir: Vec<PathBuf>,

    /// Allow block devices of the host as disks
    #[arg(long)]
    block: bool,

    /// If one guest fails, take back those made before it too
    #[arg(long)]
    all_or_nothing: bool,

    /// Print the XML of the guests and change nothing
    #[arg(long, conflicts_with_all = ["start", "dry_run"])]
    pub(super) print_xml: bool,

    /// With --print-xml, print passwords too, as `virsh dumpxml` does
    #[arg(long, requires = "print_xml")]
    security_info: bool,

    /// Print each step and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,

    /// What happens anyway; for those who are used to virt-install
    #[arg(long, hide = true)]
    import: bool,

    /// The same
    #[arg(long, hide = true)]
    hvm: bool,

    /// The same: nobody waits at a console
    #[arg(long, hide = true)]
    noautoconsole: bool,

    /// What virt-install has given up too
    #[arg(long, hide = true, value_name = "TYPE")]
    os_type: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  vmkin import --name web --memory 2048 --vcpus 2 --disk web.qcow2 --os-variant debian12
  vmkin import --name 'lab-{n:02}' --count 10 --disk backing=base.qcow2,size=30 --start
  vmkin import --name win --disk win.qcow2 --os-variant win11 --graphics vnc";

impl ImportArgs {
    /// What was typed and has no effect, as sentences.
    pub(super) fn not_heeded(&self) -> Option<String> {
        self.os_type.as_ref().map(|_| {
            "--os-type has no effect, as in virt-install; --os-variant says it all.".to_owned()
        })
    }

    /// What the guests are to be.
    pub(super) fn wishes(&self) -> Result<Wishes> {
        let mut disks = self.disk.clone();
        let cdrom = self.cdrom.clone();
        disks.extend(cdrom.map(|path| DiskOption::of(DiskDevice::Cdrom, path)));
        let screen = self
            .graphics
            .clone()
            .map(|option| {
                let file = option.password_file.as_deref();
                let password = file.map(|file| password(file, option.kind)).transpose()?;
                Ok(Graphics { option, password })
            })
            .transpose()?;
        Ok(Wishes {
            template: self.template.clone(),
            set: self.set.clone(),
            os_variant: self.os_variant.clone(),
            title: self.title.clone(),
            description: self.description.clone(),
            memory: self.memory,
            vcpus: self.vcpus,
            cpu: self.cpu.clone(),
            disks,
            nics: self.network.clone(),
            screen,
            console: self.console.clone(),
            boot: self.boot.clone(),
            tpm: self.tpm.clone(),
            virt_type: self.virt_type,
            arch: self.arch.clone(),
            machine: self.machine.clone(),
            video: self.video.clone(),
            block: self.block,
        })
    }

    /// How guests of this kind are made.
    pub(super) fn request(
        &self,
        golden: Golden,
        names: NameChoice,
        macs: Vec<Mac>,
    ) -> Result<CloneRequest> {
        if !macs.is_empty() && !self.mac.is_empty() {
            return Err(Error::new(
                Kind::Usage,
                "--mac and `--network mac=` both give addresses",
            ));
        }
        Ok(CloneRequest {
            golden,
            names,
            mode: CloneMode::Linked,
            placement: match (&self.dir, &self.pool) {
                (Some(dir), _) => Placement::Dir(dir.clone()),
                (None, Some(pool)) => Placement::Pool(pool.clone()),
                (None, None) => Placement::Beside,
            },
            macs: if macs.is_empty() {
                self.mac.clone()
            } else {
                macs
            },
            addresses: self.ip.clone(),
            uuids: self.uuid.clone(),
            files: Vec::new(),
            nvrams: Vec::new(),
            share: Vec::new(),
            reflink: ReflinkRule::Auto,
            seal: !self.no_seal,
            tpm: TpmRule::Fresh,
            allow_dirs: self.allow_dir.clone(),
            keep_hostdevs: true,
            all_or_nothing: self.all_or_nothing,
            identity: self.identity.read()?,
            secrets: !self.print_xml || self.security_info,
        })
    }
}

fn memory(text: &str) -> std::result::Result<Size, String> {
    // virt-install's own way of saying it.
    let text = text.strip_prefix("memory=").unwrap_or(text);
    Size::parse(text, 1 << 20).map_err(|e| e.to_string())
}

/// A name and a value with an equals sign between them.
pub(in crate::cli) fn pair(text: &str) -> std::result::Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("a value is given as NAME=VALUE")?;
    let mut chars = name.chars();
    let fine = chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_');
    if fine {
        Ok((name.to_owned(), value.to_owned()))
    } else {
        Err(format!("'{name}' is no name: letters, digits and _"))
    }
}

/// The password of a screen: the first line of a file.
fn password(file: &Path, kind: GraphicsKind) -> Result<SecretText> {
    let password = identity_args::password(file)?;
    let length = password.expose().len();
    if kind == GraphicsKind::Vnc && length > VNC_PASSWORD {
        return Err(Error::new(
            Kind::Usage,
            format!(
                "the password in {} has {length} bytes, and VNC knows {VNC_PASSWORD} at the most",
                file.display()
            ),
        ));
    }
    Ok(password)
}
