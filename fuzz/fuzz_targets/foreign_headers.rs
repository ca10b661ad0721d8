//! The headers of images that are neither raw nor qcow2. What such an image
//! leads to is looked for once more, by the offsets of the formats' documents.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmkin::error::Kind;
use vmkin::image::{Trust, survey};
use vmkin::model::ImageFormat;
use vmkin_fuzz::{be, le, scratch, write};

const FORMATS: [ImageFormat; 8] = [
    ImageFormat::Qcow,
    ImageFormat::Qed,
    ImageFormat::Vmdk,
    ImageFormat::Vdi,
    ImageFormat::Vpc,
    ImageFormat::Vhdx,
    ImageFormat::Parallels,
    ImageFormat::Luks,
];

fuzz_target!(|data: &[u8]| {
    // Within reach of a name in a header, and not to be reached.
    if !scratch().join("secret").exists() {
        write("secret", &[0x55; 1024]);
    }
    let path = write("images/image", data);
    let dir = scratch().join("images");
    for format in FORMATS {
        let survey = survey(&path, format, &Trust::default());
        assert!(survey.export.is_none(), "{format}");
        for layer in &survey.layers {
            assert_eq!(
                layer.path.parent(),
                Some(dir.as_path()),
                "{format}: {layer:?}"
            );
        }
        match survey.problem {
            Some(error) => assert_eq!(error.kind(), Kind::Unsafe, "{format}: {error}"),
            None => {
                let top = survey.layers.first().expect("no layer and no problem");
                assert!(top.virtual_size > 0, "{format}");
                if let [_] = survey.layers.as_slice() {
                    alone(data, format);
                }
            }
        }
    }
});

/// An image that was taken for a whole one does not lead to another.
fn alone(data: &[u8], format: ImageFormat) {
    match format {
        ImageFormat::Qcow => assert_eq!(be(data, 8, 8), 0, "a backing file"),
        ImageFormat::Qed => assert_eq!(le(data, 16, 8) & 1, 0, "a backing file"),
        ImageFormat::Vdi => assert!(matches!(le(data, 0x4c, 4), 1 | 2), "a difference"),
        ImageFormat::Vpc => {
            // A copy of it in front counts first.
            let footer = match data.starts_with(b"conectix") {
                true => data,
                false => part(data, data.len().saturating_sub(512), 512),
            };
            assert_ne!(be(footer, 60, 4), 4, "a difference");
        }
        ImageFormat::Vmdk => {
            let sectors = |at| usize::try_from(le(data, at, 8) * 512).expect("it is small");
            let (at, length) = (sectors(28), sectors(36));
            let described = part(data, at, length);
            let qemu_looks_here = part(data, 0x200, 20 * 512);
            for text in [described, qemu_looks_here] {
                let text = text.to_ascii_lowercase();
                let hint = b"parentfilenamehint";
                assert!(
                    !text.windows(hint.len()).any(|part| part == hint),
                    "a parent"
                );
            }
        }
        _ => {}
    }
}

fn part(data: &[u8], at: usize, length: usize) -> &[u8] {
    let end = at.saturating_add(length).min(data.len());
    data.get(at..end).unwrap_or_default()
}
