use std::path::PathBuf;

use clap::Args;

use super::super::formats::{DiskFormat, by_name};
use super::wrong;
use crate::cli::commands::identity_args::password;
use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::{Error, Kind, Result};
use crate::model::options::InvalidOption;
use crate::model::{ImageFormat, ImageOptions, Size, human_bytes};
use crate::ops::Observer as _;
use crate::ops::disk::create::{self, Below, CreateRequest, Created};

/// What may stand in -o besides the options of the format.
const ALSO: [&str; 3] = ["backing_file", "backing_fmt", "size"];

/// Make a new disk with nothing in it, or an overlay on another image
///
/// It is made under another name, and gets its own when it is whole: nothing that
/// is there is written to. What is below an overlay is read first, and must be
/// trusted; its format is not guessed.
#[derive(Debug, Args)]
pub(in crate::cli) struct CreateArgs {
    /// The image to make; nothing may be there
    #[arg(value_name = "FILE")]
    out: PathBuf,

    /// How large the disk is, such as 10G; a number without a unit counts bytes [default: that of the backing file]
    #[arg(value_name = "SIZE", value_parser = size)]
    size: Option<Size>,

    /// Its format [default: qcow2 if its name ends so or it has a backing file, else raw]
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<DiskFormat>,

    /// The image that it is an overlay on
    #[arg(short, long, visible_alias = "backing-file", value_name = "FILE")]
    backing: Option<PathBuf>,

    /// The format of that image, if no domain has it
    #[arg(
        short = 'F',
        long,
        visible_alias = "backing-fmt",
        value_name = "FORMAT"
    )]
    backing_format: Option<ImageFormat>,

    /// Options of the format, as in qemu-img: `-o cluster_size=2M,lazy_refcounts=on`; may be repeated
    #[arg(short, long, value_name = "OPTIONS")]
    option: Vec<String>,

    /// How large its clusters are
    #[arg(long, value_name = "SIZE")]
    cluster_size: Option<String>,

    /// What is allocated ahead: off, metadata, falloc or full
    #[arg(long, value_name = "HOW")]
    preallocation: Option<String>,

    /// How clusters are compressed that somebody compresses: zlib or zstd
    #[arg(long, value_name = "HOW")]
    compression_type: Option<String>,

    /// Encrypt what the guest writes (LUKS): a file with the secret, on one line; - for standard input
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,

    /// Trust backing files in this directory too
    #[arg(long, value_name = "DIR")]
    allow_dir: Vec<PathBuf>,

    /// Tell what would be made, and make nothing
    #[arg(long)]
    dry_run: bool,
}

/// As for all sizes of disks here, a plain number counts bytes.
fn size(text: &str) -> std::result::Result<Size, String> {
    Size::parse(text, 1).map_err(|why| why.to_string())
}

pub(super) fn run(ui: &Ui, session: &Session<'_>, args: &CreateArgs) -> Result<()> {
    let wish = Wish::read(args)?;
    let request = CreateRequest {
        out: args.out.clone(),
        options: wish.options,
        size: wish.size.map(Size::bytes),
        secret: args.secret_file.as_deref().map(password).transpose()?,
    };
    let hypervisor = match &wish.backing {
        // Without one no domain is concerned.
        None => {
            session.recover_apart()?;
            None
        }
        Some(_) => Some(session.connect_unless(args.dry_run)?),
    };
    let below = wish.backing.map(|path| Below {
        path,
        format: wish.backing_format,
        format_option: "--backing-format",
        allow_dirs: args.allow_dir.clone(),
    });
    let host = hypervisor
        .as_ref()
        .map(|hypervisor| session.host(hypervisor));
    let plan = create::plan(request, host.zip(below.as_ref()))?;
    for warning in &plan.warnings {
        ui.warning(warning);
    }
    let created = match args.dry_run {
        true => plan.outcome(),
        false => create::create(session.workshop(), &plan)?,
    };
    ui.result(&text(&created), &created)
}

/// What is wanted, wherever on the command line that stands.
struct Wish {
    options: ImageOptions,
    size: Option<Size>,
    backing: Option<PathBuf>,
    backing_format: Option<ImageFormat>,
}

impl Wish {
    fn read(args: &CreateArgs) -> Result<Self> {
        // Which words there are depends on the format, and that on a word.
        let overlay = args.backing.is_some()
            || args.option.iter().any(|list| {
                list.split(',')
                    .any(|word| word.starts_with("backing_file="))
            });
        let format = match args.format {
            Some(format) => format.into(),
            None if overlay => ImageFormat::Qcow2,
            None => by_name(&args.out),
        };
        let mut wish = Self {
            options: ImageOptions::new(format),
            size: args.size,
            backing: args.backing.clone(),
            backing_format: args.backing_format,
        };
        for list in &args.option {
            for (word, value) in wish.options.add(list, &ALSO).map_err(wrong)? {
                wish.also(&word, &value)?;
            }
        }
        for (word, value) in [
            ("cluster_size", &args.cluster_size),
            ("preallocation", &args.preallocation),
            ("compression_type", &args.compression_type),
        ] {
            if let Some(value) = value {
                wish.options.set(word, value).map_err(wrong)?;
            }
        }
        if wish.backing.is_none() && wish.backing_format.is_some() {
            return Err(Error::new(
                Kind::Usage,
                "there is a format of a backing file, and no backing file",
            ));
        }
        Ok(wish)
    }

    fn also(&mut self, word: &str, value: &str) -> Result<()> {
        let taken = match word {
            "size" => self.size.replace(size(value).map_err(usage)?).is_some(),
            "backing_fmt" => {
                let format = value.parse().map_err(usage)?;
                self.backing_format.replace(format).is_some()
            }
            _ => self.backing.replace(value.into()).is_some(),
        };
        match taken {
            true => Err(wrong(InvalidOption(format!("'{word}' is given twice")))),
            false => Ok(()),
        }
    }
}

fn usage(why: impl std::fmt::Display) -> Error {
    Error::new(Kind::Usage, why)
}

fn text(created: &Created) -> String {
    let done = match created.made {
        true => "Created",
        false => "Would create",
    };
    let on = created.backing.as_ref().map(|path| {
        let format = created.backing_format.map(|format| format.to_string());
        format!(", on {} ({})", path.display(), format.unwrap_or_default())
    });
    let encrypted = if created.encrypted { ", encrypted" } else { "" };
    let line = format!(
        "{done} {} ({}, {}{encrypted}){}.",
        created.path.display(),
        created.format,
        human_bytes(created.size),
        on.unwrap_or_default()
    );
    format!("{}\n", one_line(&line))
}
