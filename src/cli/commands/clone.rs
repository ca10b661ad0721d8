mod spread;

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use uuid::Uuid;

use super::identity_args::IdentityArgs;
use super::import::pair;
use super::making::{Making, WaitArgs};
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::{Error, Kind, Result};
use crate::image::ReflinkRule;
use crate::model::import::DiskOption;
use crate::model::{
    CloneMode, DiskTarget, Domain, DomainRef, ImageFormat, IpRange, Mac, NamePattern,
};
use crate::ops::clone::request::Golden;
use crate::ops::clone::{self, CloneRequest, Cloned, NameChoice, Placement, TpmRule};
use crate::ops::import::{self, Wishes};
use crate::ops::{Host, Observer as _, ShutOff};

/// How much of a file of domain XML is read; the XML layer accepts less.
const MAX_XML: u64 = 16 << 20;

/// Make clones of a golden domain
///
/// Each clone gets a name, a UUID and MAC addresses of its own, and its own
/// disks: overlays on the golden domain's, or with --full independent copies.
/// The golden domain must be shut off. Its disks are sealed when overlays are
/// made on them, because starting it once would corrupt every clone. With --base
/// there is an image and no golden domain.
///
/// Of several hosts (-c, --host), they are made where the golden domain is. On
/// another host than this one, disks are volumes of its storage pools, made through
/// libvirt alone. Images there cannot be locked or sealed from here.
///
/// Prints the UUIDs of the clones, one per line; with --wait-ip their names and
/// addresses, or the address alone if it is one clone.
#[derive(Debug, Args)]
pub(in crate::cli) struct CloneArgs {
    /// The golden domain, by name, UUID or id
    #[arg(
        short,
        long,
        visible_short_alias = 'o',
        visible_alias = "original",
        value_name = "DOMAIN",
        required_unless_present_any = ["original_xml", "base"]
    )]
    domain: Option<DomainRef>,

    /// Clone what this file of domain XML describes, which need not be defined
    #[arg(long, value_name = "FILE", conflicts_with = "domain")]
    original_xml: Option<PathBuf>,

    /// Make guests of this image, which is no domain's; what else they are is up
    /// to --template
    ///
    /// `vmkin import --disk backing=IMAGE` says the same, and has options for all
    /// that a guest can be.
    #[arg(long, value_name = "IMAGE", conflicts_with_all = ["domain", "original_xml"])]
    base: Option<PathBuf>,

    /// The format of the image [default: what its header says]
    #[arg(long, value_name = "FORMAT", requires = "base", conflicts_with_all = ["domain", "original_xml"])]
    base_format: Option<ImageFormat>,

    /// The template that makes the domain XML of guests on --base [default: server]
    #[arg(long, value_name = "TEMPLATE", requires = "base", conflicts_with_all = ["domain", "original_xml"])]
    template: Option<String>,

    /// A value for the template; may be repeated
    #[arg(long, value_name = "NAME=VALUE", requires = "base", conflicts_with_all = ["domain", "original_xml"], value_parser = pair)]
    set: Vec<(String, String)>,

    /// The names of the clones, or a pattern such as 'web-{n:02}'
    ///
    /// Without one: the golden domain's name with -clone, -clone1, … after it.
    #[arg(value_name = "NAME", conflicts_with = "name")]
    names: Vec<NamePattern>,

    /// The same as NAME: a name, or a pattern such as 'web-{n:02}'
    #[arg(short, long, value_name = "NAME")]
    name: Vec<NamePattern>,

    /// How many clones, numbered by the pattern in NAME [default: 1]
    #[arg(long, value_name = "N")]
    count: Option<u64>,

    /// The first number of a pattern [default: 1]
    #[arg(long, value_name = "N")]
    from: Option<u64>,

    /// Make overlays on the golden domain's disks, which is the default
    #[arg(long, conflicts_with = "full")]
    linked: bool,

    /// Make independent copies of the disks
    #[arg(long)]
    full: bool,

    /// Whether --full shares blocks with the original, where the file system can
    #[arg(
        long,
        value_name = "WHEN",
        num_args = 0..=1,
        default_value = "auto",
        default_missing_value = "always"
    )]
    reflink: Reflink,

    #[command(flatten)]
    identity: IdentityArgs,

    /// Start the clones
    #[arg(long)]
    start: bool,

    #[command(flatten)]
    wait: WaitArgs,

    /// Put the disks into this directory instead of beside their originals
    #[arg(long, value_name = "DIR", conflicts_with = "pool")]
    dir: Option<PathBuf>,

    /// Put the disks into this storage pool
    #[arg(long, value_name = "POOL")]
    pool: Option<String>,

    /// A MAC address; repeat it in the order of clones and their interfaces
    #[arg(short, long, value_name = "MAC")]
    mac: Vec<Mac>,

    /// Reserve this IPv4 address for a clone, or addresses of this range for
    /// several; repeat it in the order of clones
    ///
    /// The DHCP server of the libvirt network gives the address to the clone
    /// alone, and its DNS server knows the clone by its name. `vmkin delete`
    /// gives it back.
    #[arg(long, value_name = "ADDRESS|FIRST-LAST")]
    ip: Vec<IpRange>,

    /// A UUID; repeat it in the order of clones
    #[arg(short, long, value_name = "UUID")]
    uuid: Vec<Uuid>,

    /// The path of a disk; repeat it in the order of clones and their disks
    #[arg(short, long, value_name = "PATH")]
    file: Vec<PathBuf>,

    /// The path of the copy of the UEFI variables; repeat it in the order of clones
    #[arg(long, value_name = "PATH")]
    nvram: Vec<PathBuf>,

    /// Leave this disk shared with the golden domain, such as vdb
    #[arg(long, value_name = "TARGET")]
    share: Vec<DiskTarget>,

    /// What becomes of an emulated TPM: an empty one, or a copy
    #[arg(long, value_name = "WHAT", default_value = "fresh")]
    tpm: Tpm,

    /// Keep devices of the host that are passed through; two domains cannot
    /// have one at once
    #[arg(long)]
    keep_hostdevs: bool,

    /// Do not seal the disks that overlays are made on
    #[arg(long)]
    no_seal: bool,

    /// Allow backing files in this directory, which is no storage pool
    #[arg(long, value_name = "DIR")]
    allow_dir: Vec<PathBuf>,

    /// If one clone fails, take back those made before it too
    #[arg(long)]
    all_or_nothing: bool,

    /// What happens anyway; for those who are used to virt-clone
    #[arg(long, hide = true)]
    auto_clone: bool,

    /// Share the clones out over the hosts named by -c and --host
    ///
    /// Each host needs the golden domain, and gets as many as its free memory, its
    /// processors and its storage pool have room for. Names, UUIDs and MAC addresses
    /// are unique on all of them.
    #[arg(long, requires = "domain", conflicts_with_all = ["original_xml", "base", "wait_ip", "print_xml", "ip", "file", "nvram"])]
    spread: bool,

    /// With --spread, the most clones that one host gets
    #[arg(long, value_name = "N", requires = "spread")]
    max_per_host: Option<usize>,

    /// Print the XML of the clones and change nothing
    #[arg(long, conflicts_with_all = ["start", "dry_run"])]
    print_xml: bool,

    /// With --print-xml, print passwords too, as `virsh dumpxml` does
    #[arg(long, requires = "print_xml")]
    security_info: bool,

    /// Print each step and change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Reflink {
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Tpm {
    Fresh,
    Copy,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &CloneArgs) -> Result<()> {
    let words = if args.names.is_empty() {
        &args.name
    } else {
        &args.names
    };
    let names = NameChoice::from_words(words, args.count, args.from)?;
    let making = Making {
        start: args.start,
        wait_ip: args.wait.wait_ip,
        print_xml: args.print_xml,
        dry_run: args.dry_run,
    };
    if let Some(which) = args.domain.as_ref().filter(|_| args.spread) {
        return spread::run(ui, session, args, which, &names);
    }
    let fleet = session.fleet_unless(making.print_xml || making.dry_run)?;
    // The clones are made where the golden domain is.
    let golden = args.domain.as_ref().map(|which| fleet.one(which));
    let golden = golden.transpose()?;
    let host = match &golden {
        Some(golden) => fleet.host_of(golden)?,
        None => fleet.host()?,
    };
    let request = request(ui, host, args, golden.map(|golden| golden.what), names)?;
    let plan = clone::plan(host, &request)?;
    let golden = plan.golden_name.clone();
    let made = making.make(ui, host, plan, &|done| say(ui, &golden, done));
    fleet.with_lost(made)
}

/// Guests on an image that is no domain's.
fn on_base(ui: &Ui, host: Host<'_>, args: &CloneArgs, base: &Path, count: u64) -> Result<Golden> {
    let wishes = Wishes {
        template: args.template.clone(),
        set: args.set.clone(),
        disks: vec![DiskOption::on(base.to_owned(), args.base_format)],
        ..Wishes::default()
    };
    let designed = import::design(host, &wishes, count)?;
    for sentence in designed.chosen.iter().chain(&designed.warnings) {
        ui.status(sentence);
    }
    Ok(Golden::Blueprint(Arc::new(designed.blueprint)))
}

fn request(
    ui: &Ui,
    host: Host<'_>,
    args: &CloneArgs,
    golden: Option<Domain>,
    names: NameChoice,
) -> Result<CloneRequest> {
    let golden = match (&args.base, &args.original_xml, golden) {
        (Some(base), ..) => on_base(ui, host, args, base, names.count())?,
        (None, Some(file), _) => Golden::Xml(read_xml(file)?.into()),
        (None, None, Some(golden)) => {
            ShutOff::check(host.hypervisor, &golden)?;
            Golden::Domain(golden)
        }
        (None, None, None) => {
            return Err(Error::new(Kind::Usage, "no domain is named")
                .hint("name the golden domain: `-d DOMAIN`"));
        }
    };
    Ok(CloneRequest {
        golden,
        names,
        mode: if args.full {
            CloneMode::Full
        } else {
            CloneMode::Linked
        },
        placement: placement(args),
        macs: args.mac.clone(),
        addresses: args.ip.clone(),
        uuids: args.uuid.clone(),
        files: args.file.clone(),
        nvrams: args.nvram.clone(),
        share: args.share.clone(),
        reflink: match args.reflink {
            Reflink::Auto => ReflinkRule::Auto,
            Reflink::Always => ReflinkRule::Always,
            Reflink::Never => ReflinkRule::Never,
        },
        seal: !args.no_seal,
        tpm: match args.tpm {
            Tpm::Fresh => TpmRule::Fresh,
            Tpm::Copy => TpmRule::Copy,
        },
        allow_dirs: args.allow_dir.clone(),
        keep_hostdevs: args.keep_hostdevs,
        all_or_nothing: args.all_or_nothing,
        identity: args.identity.read()?,
        secrets: !args.print_xml || args.security_info,
    })
}

fn placement(args: &CloneArgs) -> Placement {
    match (&args.dir, &args.pool) {
        (Some(dir), _) => Placement::Dir(dir.clone()),
        (None, Some(pool)) => Placement::Pool(pool.clone()),
        (None, None) => Placement::Beside,
    }
}

/// Reads a file of domain XML, which may be a pipe.
fn read_xml(file: &Path) -> Result<String> {
    let mut text = String::new();
    File::open(file)
        // `/dev/zero` has no end.
        .and_then(|open| open.take(MAX_XML).read_to_string(&mut text))
        .map_err(|e| {
            let kind = e.kind();
            let error = Error::io(format!("cannot read {}", file.display()), e);
            match kind {
                ErrorKind::IsADirectory | ErrorKind::InvalidData => error.with_kind(Kind::Usage),
                _ => error,
            }
        })?;
    Ok(text)
}

fn say(ui: &Ui, golden: &str, done: &[Cloned]) {
    match done {
        [] => {}
        [one] => ui.status(&format!("Cloned '{}' from '{golden}'.", one.name)),
        [first, .., last] => ui.status(&format!(
            "Cloned {} domains from '{golden}': '{}' to '{}'.",
            done.len(),
            first.name,
            last.name
        )),
    }
}
