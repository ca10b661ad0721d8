use clap::Args;

use super::Whose;
use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::Result;
use crate::model::{Kept, Size};
use crate::ops::snapshot::list::{self, ListedImage, ListedSnapshot};

/// Show all that is known of one snapshot
#[derive(Debug, Args)]
pub(in crate::cli) struct ShowArgs {
    #[command(flatten)]
    whose: Whose,

    /// The snapshot; of an image by its path, its id will do
    #[arg(value_name = "NAME")]
    name: String,
}

pub(super) fn run(ui: &Ui, session: &Session<'_>, args: &ShowArgs) -> Result<()> {
    let hypervisor = session.connect()?;
    let subject = args.whose.subject(&hypervisor)?;
    let host = session.host(&hypervisor);
    let found = list::show(host, &subject, &args.name, &args.whose.allow_dir)?;
    ui.result(&text(&found), &found)
}

fn text(one: &ListedSnapshot) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        text.push_str(&format!("{:13} {}\n", format!("{label}:"), one_line(value)));
    };
    line("Name", &one.name);
    for (label, value) in [
        ("Description", &one.description),
        ("Made", &one.created),
        ("Parent", &one.parent),
        ("State", &one.state),
    ] {
        if let Some(value) = value {
            line(label, value);
        }
    }
    line("Current", if one.current { "yes" } else { "no" });
    let place = one
        .place
        .map_or("mixed".to_owned(), |kept| kept.to_string());
    line("Kind", &place);
    if one.memory != Kept::No {
        let bytes = Size(one.memory_bytes());
        line("Memory", &format!("{} ({bytes} in images)", one.memory));
    }
    for image in &one.images {
        line("In", &in_image(image));
    }
    for overlay in &one.overlays {
        let target = overlay.target.as_ref().map_or("", |target| target.as_str());
        line(
            "Goes on in",
            &format!("{target}  {}", overlay.path.display()),
        );
    }
    if let Some(path) = &one.variables {
        line("UEFI", &path.display().to_string());
    }
    let remarks = super::list::remarks(one, false);
    if !remarks.is_empty() {
        line("Remarks", &remarks);
    }
    text
}

fn in_image(image: &ListedImage) -> String {
    let target = image.target.as_ref();
    let target = target
        .map(|target| format!("{target}  "))
        .unwrap_or_default();
    let space = match image.space {
        Some(bytes) => format!(", {} of its own", Size(bytes)),
        None => String::new(),
    };
    format!(
        "{target}{} (id {}, disk of {}{space})",
        image.path.display(),
        image.id,
        Size(image.disk_size)
    )
}
