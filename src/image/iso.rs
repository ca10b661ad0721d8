//! Making CD images: ISO 9660, with the names of Rock Ridge and Joliet.

use std::ffi::OsString;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::file::{id_of, shown};
use super::overlay::NewFile;
use crate::error::{Error, Kind, Result};
use crate::process::Tool;

/// Programs that make them, the best first, and what comes before the arguments
/// that they have in common.
const MAKERS: &[(&str, &[&str])] = &[
    ("xorriso", &["-as", "mkisofs"]),
    ("genisoimage", &[]),
    ("mkisofs", &[]),
];

/// The longest label, in bytes.
const LABEL: usize = 32;

/// What is made.
#[derive(Clone, Copy, Debug)]
pub struct IsoSpec<'a> {
    /// The directory whose contents are in it.
    pub from: &'a Path,
    /// Its label.
    pub label: Option<&'a str>,
    /// Whether all in it is root's.
    pub roots: bool,
}

impl IsoSpec<'_> {
    /// The program that would make it.
    ///
    /// # Errors
    ///
    /// [`Kind::Environment`] if there is none; [`Kind::Usage`] if the label cannot
    /// be.
    pub fn maker(&self) -> Result<&'static str> {
        if let Some(label) = self.label {
            let plain = label
                .bytes()
                .all(|byte| byte.is_ascii_graphic() || byte == b' ');
            if label.is_empty() || label.len() > LABEL || !plain {
                return Err(Error::new(
                    Kind::Usage,
                    format!("'{label}' is no label for a CD: up to {LABEL} ASCII characters"),
                ));
            }
        }
        tool().map(|(_, name, _)| name)
    }
}

fn tool() -> Result<(Tool, &'static str, &'static [&'static str])> {
    let found = MAKERS.iter().find_map(|(name, before)| {
        let tool = Tool::find(name).ok()?;
        Some((tool, *name, *before))
    });
    found.ok_or_else(|| {
        Error::new(
            Kind::Environment,
            "none of xorriso, genisoimage and mkisofs is installed, which make CD images",
        )
        .hint("on Debian and Ubuntu: `apt install xorriso`; on Fedora: `dnf install xorriso`")
    })
}

/// Fills a new file with the image of a CD.
///
/// # Errors
///
/// Those of [`IsoSpec::maker`]; [`Kind::Interrupted`] soon after `cancel` becomes
/// true; [`Kind::Storage`] if the program fails.
pub fn write_iso(new: &NewFile, spec: &IsoSpec<'_>, cancel: &AtomicBool) -> Result<()> {
    let (tool, _, before) = tool()?;
    let absolute = |path: &Path| {
        std::path::absolute(path)
            .map_err(|error| Error::io(format_args!("cannot use {}", shown(path)), error))
    };
    let mut args: Vec<OsString> = before.iter().map(OsString::from).collect();
    // Files of 4 GiB and more; deep directories where they are; names as they are.
    let plain = [
        "-quiet",
        "-iso-level",
        "3",
        "-D",
        "-R",
        "-J",
        "-joliet-long",
    ];
    args.extend(plain.iter().map(OsString::from));
    if spec.roots {
        args.extend(["-uid", "0", "-gid", "0"].iter().map(OsString::from));
    }
    args.push("-V".into());
    args.push(spec.label.unwrap_or("CDROM").into());
    args.push("-o".into());
    args.push(absolute(new.path())?.into());
    args.push(absolute(spec.from)?.into());
    tool.command(args).cancel(cancel).run()?;
    if id_of(new.path()) == Some(new.id()) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Storage,
        format_args!("{} was replaced while it was written", shown(new.path())),
    ))
}
