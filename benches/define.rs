//! What libvirt's own define calls cost: defines the domains of the XML files
//! in a folder, one after the other on one connection, and prints the seconds
//! that took. The floor under `vmkin clone`, measured by `scripts/bench.sh`.
//!
//! ```text
//! cargo bench --bench define -- FOLDER
//! ```
#![allow(
    clippy::allow_attributes,
    clippy::print_stdout,
    reason = "a program that prints one number"
)]

use std::error::Error;
use std::fs;
use std::time::Instant;

use virt::connect::Connect;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args()
        .skip(1)
        .find(|arg| !arg.starts_with("--"))
        .ok_or("name a folder of XML files")?;
    let mut files: Vec<_> = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.sort();
    let documents = files
        .iter()
        .map(fs::read_to_string)
        .collect::<Result<Vec<_>, _>>()?;
    let connection = Connect::open(None)?;
    let begun = Instant::now();
    for document in &documents {
        connection.define_domain_xml(document)?;
    }
    println!("{:.6}", begun.elapsed().as_secs_f64());
    Ok(())
}
