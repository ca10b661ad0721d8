//! What it costs to find the layers of many disks natively: surveys the qcow2
//! images in a folder, and prints how many there are, how many layers they
//! have in all, and the seconds that took. Measured by `scripts/bench.sh`,
//! beside `qemu-img info --backing-chain`.
//!
//! ```text
//! cargo bench --bench chains -- FOLDER [ALLOWED…]
//! ```
#![allow(
    clippy::allow_attributes,
    clippy::print_stdout,
    reason = "a program that prints one line"
)]

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use vmkin::image::{Trust, survey};
use vmkin::model::ImageFormat;

fn main() -> Result<(), Box<dyn Error>> {
    let folders: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"))
        .collect();
    let folder = folders.first().ok_or("name a folder of images")?;
    let mut disks: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    disks.retain(|path| path.extension().is_some_and(|e| e == "qcow2"));
    disks.sort();
    let trust = Trust::new(&folders, [] as [PathBuf; 0]);
    let begun = Instant::now();
    let mut layers = 0;
    for disk in &disks {
        let found = survey(disk, ImageFormat::Qcow2, &trust);
        if let Some(problem) = found.problem {
            return Err(problem.to_string().into());
        }
        layers += found.layers.len();
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("{} {layers} {seconds:.6}", disks.len());
    Ok(())
}
