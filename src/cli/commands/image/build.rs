use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueEnum};

use super::super::formats::{DiskFormat, by_name};
use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::{Error, Kind, Result};
use crate::guest::build::{Owners, Source};
use crate::guest::scratch::Scratch;
use crate::model::layout::{
    FsType, Holds, Layout, LogicalSpec, Part, PartSpec, PartitionTable, Room, Shape,
};
use crate::model::{Size, human_bytes};
use crate::ops::Observer as _;
use crate::ops::build::{self, BuildRequest, Built, DiskSize, Plan, Target};

/// Make a new disk, CD or floppy, with files in it
///
/// Out of a directory or a tar archive, with partitions, logical volumes and file
/// systems; owners, modes, times and attributes of the files stay. The image is
/// made under another name, read back and compared with the source, and gets its
/// name at last: it is whole, or it is not there. A disk is made by libguestfs; a
/// floppy, and a raw disk that is one FAT file system, by vmkin itself.
#[derive(Debug, Args)]
pub(in crate::cli) struct BuildArgs {
    /// The image to make; nothing may be there
    #[arg(value_name = "IMAGE")]
    out: PathBuf,

    /// What is put into it: a directory, a tar archive (plain or compressed by gzip, xz or zstd), or '-' for one on standard input
    #[arg(long, value_name = "DIR|TAR")]
    from: Option<PathBuf>,

    /// The format of a disk [default: qcow2 if its name ends so, else raw]
    #[arg(long, value_name = "FORMAT")]
    format: Option<DiskFormat>,

    /// How large the disk is; with a plus, how much more than what is in it takes
    #[arg(long, value_name = "SIZE", default_value = "auto")]
    size: SizeArg,

    /// The file system: ext2, ext3, ext4, xfs, btrfs, vfat or ntfs
    #[arg(
        short = 't',
        long = "type",
        value_name = "TYPE",
        default_value = "ext4"
    )]
    fs: FsType,

    /// Put a partition table on the disk; a GPT, if it is not said which
    #[arg(
        long,
        value_name = "TABLE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "gpt"
    )]
    partition: Option<PartitionTable>,

    /// The label of the file system
    #[arg(long, value_name = "LABEL", conflicts_with_all = ["part", "lv", "shape"])]
    label: Option<String>,

    /// Put the file system on a logical volume
    #[arg(long, value_name = "GROUP/NAME", conflicts_with_all = ["part", "lv", "shape"])]
    lvm: Option<String>,

    /// A partition, such as 512M:esp, 1G:ext4:/boot or rest:lvm:vg; may be repeated
    #[arg(long, value_name = "SIZE:TYPE[:DIR[:LABEL]]")]
    part: Vec<PartSpec>,

    /// A logical volume, such as vg/root:8G:xfs:/; may be repeated
    #[arg(
        long,
        value_name = "GROUP/NAME:SIZE:TYPE[:DIR[:LABEL]]",
        requires = "part"
    )]
    lv: Vec<LogicalSpec>,

    /// A layout by its name, as in guestfish -N: disk, part, fs, lv, lvfs, bootroot, bootrootlv
    #[arg(
        short = 'N',
        long = "new",
        value_name = "NAME[:…]",
        conflicts_with_all = ["part", "partition", "lvm", "size", "fs"]
    )]
    shape: Option<Shape>,

    /// Make a CD: ISO 9660 with the names of Rock Ridge and Joliet
    #[arg(
        long,
        requires = "from",
        conflicts_with_all = ["floppy", "part", "partition", "lvm", "shape", "size", "format", "fs"]
    )]
    iso: bool,

    /// Make a floppy of 1440 KiB
    #[arg(
        long,
        conflicts_with_all = ["part", "partition", "lvm", "shape", "size", "format", "fs"]
    )]
    floppy: bool,

    /// Whose the files are
    #[arg(long, value_name = "OWNER", default_value = "keep")]
    owner: Owner,

    /// Tell what would be made, and make nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Owner {
    /// Those who own them in the source, by number
    Keep,
    /// Root
    Root,
}

/// How large the disk is.
#[derive(Clone, Copy, Debug)]
struct SizeArg(DiskSize);

impl FromStr for SizeArg {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        if text == "auto" {
            return Ok(Self(DiskSize::Estimated(0)));
        }
        // As for all sizes of disks here, a plain number counts bytes.
        let size = |text: &str| Size::parse(text, 1).map_err(|why| why.to_string());
        Ok(Self(match text.strip_prefix('+') {
            Some(more) => DiskSize::Estimated(size(more)?.bytes()),
            None => DiskSize::Exactly(size(text)?.bytes()),
        }))
    }
}

pub(super) fn run(ui: &Ui, session: &Session<'_>, args: &BuildArgs) -> Result<()> {
    session.recover_apart()?;
    // It is read more than once.
    let scratch = Scratch::new()?;
    let source = match args.from.as_deref() {
        None => Source::Nothing,
        Some(path) if path == Path::new("-") => {
            Source::Archive(scratch.file_from("source", &mut std::io::stdin().lock())?)
        }
        Some(path) => Source::at(path)?,
    };
    let request = BuildRequest {
        out: args.out.clone(),
        source,
        owners: match args.owner {
            Owner::Keep => Owners::Kept,
            Owner::Root => Owners::Root,
        },
        target: target(args)?,
    };
    let workshop = session.workshop();
    let plan = Plan::new(workshop, &request)?;
    let built = match args.dry_run {
        true => plan.outcome(),
        false => build::build(workshop, &plan)?,
    };
    for left in &built.left_out {
        ui.warning(&format!("Left out: {}.", one_line(left)));
    }
    ui.result(&text(&built), &built)
}

fn target(args: &BuildArgs) -> Result<Target> {
    if args.iso {
        let label = args.label.clone();
        return Ok(Target::Iso { label });
    }
    if args.floppy {
        let label = args.label.clone();
        return Ok(Target::Floppy { label });
    }
    let (layout, size) = match &args.shape {
        Some(shape) => (shape.layout.clone(), DiskSize::Exactly(shape.size)),
        None => (layout(args)?, args.size.0),
    };
    Ok(Target::Disk {
        layout,
        format: args.format.map_or_else(|| by_name(&args.out), Into::into),
        size,
    })
}

fn layout(args: &BuildArgs) -> Result<Layout> {
    if !args.part.is_empty() {
        return Ok(Layout {
            table: Some(args.partition.unwrap_or(PartitionTable::Gpt)),
            parts: args.part.iter().map(|part| part.0.clone()).collect(),
            volumes: args.lv.iter().map(|volume| volume.0.clone()).collect(),
        });
    }
    let files = Holds::Files {
        kind: args.fs,
        dir: None,
        label: args.label.clone(),
    };
    let whole = |holds| Part {
        room: Room::Rest,
        holds,
        esp: false,
    };
    let Some(volume) = &args.lvm else {
        return Ok(Layout {
            table: args.partition,
            parts: vec![whole(files)],
            volumes: Vec::new(),
        });
    };
    let spec: LogicalSpec = format!("{volume}:rest:none")
        .parse()
        .map_err(|why| Error::new(Kind::Usage, why))?;
    let mut logical = spec.0;
    logical.holds = files;
    Ok(Layout {
        table: args.partition,
        parts: vec![whole(Holds::Group(logical.group.clone()))],
        volumes: vec![logical],
    })
}

fn text(built: &Built) -> String {
    let done = match built.made {
        true => "Made",
        false => "Would make",
    };
    let size = built.size.map(|size| format!(", {}", human_bytes(size)));
    let mut text = format!(
        "{done} {} ({}{}) with {}: {} files, {}.\n",
        one_line(&built.path.display().to_string()),
        built.format,
        size.unwrap_or_default(),
        built.engine,
        built.files,
        human_bytes(built.bytes)
    );
    for volume in &built.volumes {
        let room = volume.room.map_or("rest".to_owned(), human_bytes);
        let dir = volume.dir.as_deref().unwrap_or("");
        let label = volume.label.as_ref().map(|label| format!("  '{label}'"));
        let line = format!(
            "  {}  {room}  {}  {dir}{}",
            volume.device,
            volume.holds,
            label.unwrap_or_default()
        );
        text.push_str(&one_line(line.trim_end()));
        text.push('\n');
    }
    text
}
