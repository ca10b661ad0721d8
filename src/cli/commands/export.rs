use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Domains;
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::{Error, Kind, Result};
use crate::hypervisor::Hypervisor as _;
use crate::ops::export::{self, ExportRequest, Target};

/// Print guests as what KubeVirt, Terraform or another libvirt reads
///
/// For KubeVirt a VirtualMachine each, and DataVolumes for its disks; for
/// Terraform the resources of the provider dmacvicar/libvirt; or domain XML,
/// without passwords. How disks get there stands in comments.
#[derive(Debug, Args)]
pub(in crate::cli) struct ExportArgs {
    #[command(flatten)]
    domains: Domains,

    /// For what
    #[arg(short, long, value_name = "FORMAT")]
    format: Format,

    /// Have clones made of their base anew there, without what they have written
    #[arg(long)]
    from_base: bool,

    /// A Handlebars template of your own
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
}

/// What reads it.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Kubernetes with KubeVirt and its CDI
    Kubevirt,
    /// Terraform or OpenTofu
    Terraform,
    /// libvirt
    Xml,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &ExportArgs) -> Result<()> {
    let hypervisor = session.connect()?;
    let named = args.domains.all();
    let domains: Vec<_> = named
        .iter()
        .map(|which| hypervisor.find(which))
        .collect::<Result<_>>()?;
    let target = match args.format {
        Format::Kubevirt => Target::Kubevirt,
        Format::Terraform => Target::Terraform,
        Format::Xml => {
            let [domain] = domains.as_slice() else {
                return Err(Error::new(Kind::Usage, "domain XML is of one domain")
                    .hint("export them one by one"));
            };
            let xml = hypervisor.public_xml(domain)?;
            return ui.result(&xml, &xml);
        }
    };
    let template = args.template.as_ref().map(|path| {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|e| Error::io(format!("cannot read {}", path.display()), e))?;
        Ok::<_, Error>((path.display().to_string(), text))
    });
    let request = ExportRequest {
        target,
        from_base: args.from_base,
        template: template.transpose()?,
    };
    let text = export::export(session.host(&hypervisor), &domains, &request)?;
    ui.result(&text, &text)
}
