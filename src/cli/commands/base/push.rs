use clap::Args;

use super::Which;
use crate::cli::fleet::Of;
use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::Result;
use crate::model::ImageFormat;
use crate::ops::base::push::{self, Before, Delivery};

/// Send base images to other hosts, through libvirt
///
/// Each becomes a volume of a storage pool there, named by its file and a part of its
/// SHA-256, so that versions are side by side. Holes are not sent, and what a host has
/// already is not sent again; broken off, the same command goes on from there. It is
/// read back and compared before its header, which makes an image of it, is sent.
#[derive(Debug, Args)]
pub(in crate::cli) struct PushArgs {
    #[command(flatten)]
    which: Which,

    /// Where to: hosts and groups of hosts.toml, or URIs
    #[arg(long, value_name = "HOST", required = true, num_args = 1..)]
    to: Vec<String>,

    /// The storage pool there
    #[arg(long, value_name = "POOL", default_value = "default")]
    pool: String,

    /// What the volume is called there, of one image
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// The format of images that no domain uses [default: by the header]
    #[arg(long, value_name = "FORMAT")]
    format: Option<ImageFormat>,

    /// Show what would be sent, and send nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(ui: &Ui, session: &Session<'_>, args: &PushArgs) -> Result<()> {
    let hypervisor = session.connect()?;
    let host = session.host(&hypervisor);
    let fleet = session.fleet_of(&args.to)?;
    let which = args.which.resolve(host)?;
    if args.name.is_some() && which.len() > 1 {
        return Err(push::one_name_for_several());
    }
    let mut parcels = Vec::new();
    for (path, format) in which {
        let format = args.format.or(format);
        parcels.push(push::pack(host, path, format, args.name.as_deref())?);
    }
    let (done, failed) = fleet.on_each(|at| {
        let mut done = Vec::new();
        for parcel in &parcels {
            let delivery = push::look(at.host, parcel, &args.pool)?;
            if !args.dry_run {
                let label = at.shown(&parcel.volume);
                push::deliver(at.host, parcel, &delivery, &label)?;
                at.host.observer.status(&said(&label, &delivery));
            }
            done.push(delivery);
        }
        Ok(done)
    })?;
    let answered = done.len();
    let all: Vec<Of<Delivery>> = done.into_iter().flat_map(Of::each).collect();
    let text = match args.dry_run {
        true => all.iter().map(planned).collect(),
        false => String::new(),
    };
    ui.result(&text, &all)?;
    fleet.verdict(answered, failed)
}

fn said(label: &str, delivery: &Delivery) -> String {
    match delivery.before {
        Before::All => format!("{label} is there already."),
        Before::Part => format!("Pushed {label}: the {} that were missing.", delivery.sent),
        Before::Nothing => format!("Pushed {label}: {}.", delivery.sent),
    }
}

fn planned(of: &Of<Delivery>) -> String {
    let delivery = &of.what;
    let path = one_line(&delivery.path.display().to_string());
    let to = of.shown(&path);
    match delivery.before {
        Before::All => format!("{to} is there already\n"),
        Before::Part => format!("send the {} that are missing of {to}\n", delivery.sent),
        Before::Nothing => format!("send {} to {to}\n", delivery.sent),
    }
}
