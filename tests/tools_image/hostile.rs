//! Images that were made to do harm, put to the parser, and to QEMU beside it.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::time::Duration;

use vmkin::error::Kind;
use vmkin::image::{Trust, resolve, survey};
use vmkin::model::ImageFormat;
use vmkin::process::{Limits, Tool};

use crate::common::{Pool, try_run, virtual_size};
use crate::hostile_images::chains::{layers, overlay, truncations};
use crate::hostile_images::{Lure, Place, Verdict, betrays, cases};

/// Tells a test that it is the inner half of itself.
const INNER: &str = "VMKIN_TEST_INNER";

/// A directory for images, and a secret in another.
fn place(pool: &Pool) -> Place {
    let (dir, secret) = (pool.at("images"), pool.at("host"));
    fs::create_dir_all(&dir).unwrap();
    fs::create_dir_all(&secret).unwrap();
    Place::new(dir, secret.join("secret"), 1)
}

/// Each image in a directory of its own, and what the parser says.
#[test]
fn each_image_is_what_the_table_says() {
    if std::env::var_os(INNER).is_none() {
        // With little memory and time, whatever an image asks for.
        let name = "hostile::each_image_is_what_the_table_says";
        let limits = Limits {
            cpu_seconds: Some(60),
            address_space: Some(512 << 20),
        };
        Tool::at(std::env::current_exe().unwrap())
            .command(["--exact", name, "--nocapture", "--test-threads=1"])
            .env(INNER, "1")
            .limits(limits)
            .patience(Duration::from_secs(60))
            .run()
            .unwrap();
        return;
    }
    let mut wrong = Vec::new();
    for case in cases() {
        let pool = Pool::new();
        let path = case.make(&place(&pool));
        let format: ImageFormat = case.format.parse().unwrap();
        let found = resolve(&path, format, &Trust::default());
        let survey = survey(&path, format, &Trust::default());
        let as_told = match (case.verdict, &found) {
            (Verdict::Accepted, Ok(chain)) => chain.layers().len() == 1,
            (Verdict::Refused(says), Err(e)) => {
                e.kind() == Kind::Unsafe && e.to_string().contains(says)
            }
            _ => false,
        };
        let place = Place::new(pool.at("images"), pool.at("host/secret"), 1);
        let top = overlay(&place, &path, case.format);
        let below = resolve(&top, ImageFormat::Qcow2, &Trust::default());
        // As the only layer or below another one.
        let as_told = as_told && below.is_ok() == found.is_ok();
        let agreed = survey.problem.is_none() == found.is_ok();
        if !as_told || !agreed {
            wrong.push(format!("{}: {found:?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The names are what they are in the table, once each.
#[test]
fn the_table_has_each_name_once() {
    let mut names: Vec<&str> = cases().iter().map(|case| case.name).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
    assert!(all > 150, "{all}");
}

/// What is accepted here has to be opened by `qemu-img`, and to be as large.
#[test]
fn qemu_img_opens_what_is_accepted() {
    for case in cases() {
        if case.verdict != Verdict::Accepted {
            continue;
        }
        let pool = Pool::new();
        let path = case.make(&place(&pool));
        let format: ImageFormat = case.format.parse().unwrap();
        let chain = resolve(&path, format, &Trust::default()).unwrap();
        let (ok, text) = info(case.format, &path);
        assert!(ok, "{}: {text}", case.name);
        let size = chain.top().virtual_size;
        assert_eq!(size, virtual_size(&path, case.format), "{}", case.name);
    }
}

/// The control: these images do what they are refused for. If QEMU has become
/// wise to one of them, the table has to say so.
#[test]
fn the_images_do_betray_the_secret_to_whoever_believes_them() {
    let mut harmless = Vec::new();
    for case in cases() {
        if case.lure != Lure::Secret {
            continue;
        }
        let pool = Pool::new();
        let path = case.make(&place(&pool));
        let to = pool.at("copy");
        let (ok, text) = try_run(
            "qemu-img",
            &args!["convert", "-U", "-f", case.format, "-O", "raw", &path, &to],
        );
        if !ok || !betrays(&to) {
            harmless.push(format!("{}: {text}", case.name));
        }
    }
    assert!(harmless.is_empty(), "{}", harmless.join("\n"));
}

/// Cut off at every byte of the first 4 KiB, and at each 4 KiB after that.
#[test]
fn images_that_were_cut_off() {
    let pool = Pool::new();
    let place = place(&pool);
    let path = pool.at("cut");
    for (format, bytes) in truncations(&place) {
        let known: ImageFormat = format.parse().unwrap();
        fs::write(&path, &bytes).unwrap();
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        let lengths = (0..bytes.len().min(4096)).chain((4096..bytes.len()).step_by(4096));
        let mut accepted = Vec::new();
        // From the end, so that each is a piece of the one before.
        for length in lengths.collect::<Vec<_>>().into_iter().rev() {
            file.set_len(length as u64).unwrap();
            match resolve(&path, known, &Trust::default()) {
                Ok(_) => accepted.push(length),
                Err(e) => assert_eq!(e.kind(), Kind::Unsafe, "{format} {length}: {e}"),
            }
        }
        // Of each kind of accepted length some go to QEMU: it takes long.
        let step = accepted.len().div_ceil(12).max(1);
        for &length in accepted.iter().step_by(step).chain(accepted.last()) {
            fs::write(&path, &bytes[..length]).unwrap();
            let (ok, text) = info(format, &path);
            assert!(ok, "{format} cut off at {length}: {text}");
            let chain = resolve(&path, known, &Trust::default()).unwrap();
            let size = chain.top().virtual_size;
            assert_eq!(size, virtual_size(&path, format), "{format} {length}");
        }
    }
}

/// Good images with a few bytes changed where the headers and tables are.
#[test]
fn mutants_that_are_accepted_are_opened_by_qemu_img() {
    let pool = Pool::new();
    let place = place(&pool);
    let path = pool.at("mutant");
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut accepted = 0;
    for (format, good) in truncations(&place) {
        let known: ImageFormat = format.parse().unwrap();
        let places: Vec<usize> = (0..good.len()).filter(|&at| good[at] != 0).collect();
        for n in 0..80 {
            let mut bytes = good.clone();
            for _ in 0..1 + random.below(3) {
                // On what is said, or right beside it.
                let at = places[random.below(places.len())] + random.below(3);
                let at = at.min(bytes.len() - 1);
                bytes[at] = match random.below(4) {
                    0 => 0,
                    1 => 0xff,
                    2 => bytes[at] ^ (1 << random.below(8)),
                    _ => u8::try_from(random.below(256)).unwrap(),
                };
            }
            fs::write(&path, &bytes).unwrap();
            let Ok(chain) = resolve(&path, known, &Trust::default()) else {
                continue;
            };
            // A few of each are enough: QEMU takes long.
            if n % 5 == 0 || format == "qcow2" {
                accepted += 1;
                let (ok, text) = info(format, &path);
                let odd: Vec<_> = (0..good.len())
                    .filter(|&at| bytes[at] != good[at])
                    .map(|at| (at, bytes[at]))
                    .collect();
                assert!(ok, "{format} {n} {odd:?}: {text}");
                let size = chain.top().virtual_size;
                assert_eq!(size, virtual_size(&path, format), "{format} {n} {odd:?}");
            }
        }
    }
    assert!(accepted > 50, "{accepted}");
}

/// Numbers that are the same in every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % 1_000_003).unwrap() % most
    }
}

/// Neither the number of layers nor what they say makes the walk long.
#[test]
fn a_thousand_layers_are_not_walked() {
    let pool = Pool::new();
    let top = layers(&place(&pool), 1000);
    let survey = survey(&top, ImageFormat::Qcow2, &Trust::default());
    assert_eq!(survey.layers.len(), vmkin::image::MAX_OVERLAYS + 1);
    assert_eq!(survey.problem.unwrap().kind(), Kind::Unsafe);
}

fn info(format: &str, path: &Path) -> (bool, String) {
    try_run("qemu-img", &args!["info", "-U", "-f", format, path])
}
