//! What a new image can be besides its format, in the words of `qemu-img -o`.
//!
//! Words that would have QEMU open or make another file (`backing_file`,
//! `data_file`) are not among them, nor those that split an image into several.

use super::options::{InvalidOption, Options};
use super::{ImageFormat, Size};

/// What a value may be.
enum Value {
    /// `on` or `off`.
    Switch,
    /// A size from the first to the last, a power of two.
    Power(u64, u64),
    /// A number of bytes.
    Bytes,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// A number or a name of digits, letters, dots and dashes.
    Plain,
}

type Known = &'static [(&'static str, Value)];

const RAW: Known = &[
    ("preallocation", Value::OneOf(&["off", "falloc", "full"])),
    ("extent_size_hint", Value::Bytes),
    ("nocow", Value::Switch),
];

const QCOW2: Known = &[
    ("cluster_size", Value::Power(512, 2 << 20)),
    (
        "preallocation",
        Value::OneOf(&["off", "metadata", "falloc", "full"]),
    ),
    ("compression_type", Value::OneOf(&["zlib", "zstd"])),
    ("lazy_refcounts", Value::Switch),
    ("extended_l2", Value::Switch),
    ("compat", Value::OneOf(&["0.10", "1.1", "v2", "v3"])),
    ("refcount_bits", Value::Power(1, 64)),
    ("nocow", Value::Switch),
];

const QED: Known = &[
    ("cluster_size", Value::Power(4096, 64 << 20)),
    ("table_size", Value::Power(1, 16)),
];

const VMDK: Known = &[
    (
        "subformat",
        Value::OneOf(&["monolithicSparse", "streamOptimized"]),
    ),
    (
        "adapter_type",
        Value::OneOf(&["ide", "buslogic", "lsilogic", "legacyESX"]),
    ),
    ("compat6", Value::Switch),
    ("hwversion", Value::Plain),
    ("toolsversion", Value::Plain),
    ("zeroed_grain", Value::Switch),
];

const VDI: Known = &[("preallocation", Value::OneOf(&["off", "metadata"]))];

const VPC: Known = &[
    ("subformat", Value::OneOf(&["dynamic", "fixed"])),
    ("force_size", Value::Switch),
];

const VHDX: Known = &[
    ("subformat", Value::OneOf(&["dynamic", "fixed"])),
    ("block_size", Value::Power(1 << 20, 256 << 20)),
    ("log_size", Value::Bytes),
    ("block_state_zero", Value::Switch),
];

const PARALLELS: Known = &[("cluster_size", Value::Power(512, 64 << 20))];

fn known(format: ImageFormat) -> Known {
    match format {
        ImageFormat::Raw => RAW,
        ImageFormat::Qcow2 => QCOW2,
        ImageFormat::Qed => QED,
        ImageFormat::Vmdk => VMDK,
        ImageFormat::Vdi => VDI,
        ImageFormat::Vpc => VPC,
        ImageFormat::Vhdx => VHDX,
        ImageFormat::Parallels => PARALLELS,
        _ => &[],
    }
}

/// What a new image is to be besides its format.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ImageOptions {
    format: ImageFormat,
    pairs: Vec<(String, String)>,
}

impl ImageOptions {
    /// Nothing but what images of the format are when nobody says anything.
    pub fn new(format: ImageFormat) -> Self {
        Self {
            format,
            pairs: Vec::new(),
        }
    }

    /// Adds what stands in a list such as `cluster_size=2M,compat=1.1`. Words
    /// among `also` are none of these, and come back.
    ///
    /// # Errors
    ///
    /// If a word means nothing for the format, or its value makes no sense.
    pub fn add(
        &mut self,
        list: &str,
        also: &[&str],
    ) -> Result<Vec<(String, String)>, InvalidOption> {
        let words = known(self.format).iter().map(|(word, _)| *word);
        let words: Vec<&str> = words.chain(also.iter().copied()).collect();
        if words.is_empty() {
            return Err(InvalidOption(format!(
                "images of the format {} have no options",
                self.format
            )));
        }
        // A first word that is not known must not be taken for a value.
        let first = list.split([',', '=']).next().unwrap_or_default();
        let first = if words.contains(&first) { "" } else { first };
        let options = Options::parse(list, first, &words)?;
        let mut others = Vec::new();
        for word in options.words() {
            // A switch that stands alone is on.
            let switch = known(self.format)
                .iter()
                .any(|(known, kind)| *known == word && matches!(kind, Value::Switch));
            let value = match options.text(word) {
                Err(_) if switch => "on",
                value => value?.unwrap_or_default(),
            };
            if also.contains(&word) {
                others.push((word.to_owned(), value.to_owned()));
            } else {
                self.set(word, value)?;
            }
        }
        Ok(others)
    }

    /// Sets one of them.
    ///
    /// # Errors
    ///
    /// If the word means nothing for the format, is set already, or its value makes
    /// no sense.
    pub fn set(&mut self, word: &str, value: &str) -> Result<(), InvalidOption> {
        let all = known(self.format);
        let Some((_, kind)) = all.iter().find(|(known, _)| *known == word) else {
            let words: Vec<&str> = all.iter().map(|(known, _)| *known).collect();
            return Err(match words.is_empty() {
                true => InvalidOption(format!(
                    "images of the format {} have no options, and so no '{word}'",
                    self.format
                )),
                false => InvalidOption(format!(
                    "{}, for the format {}",
                    InvalidOption::unknown(word, &words),
                    self.format
                )),
            });
        };
        if self.get(word).is_some() {
            return Err(InvalidOption(format!("'{word}' is given twice")));
        }
        let value = kind.read(word, value)?;
        self.pairs.push((word.to_owned(), value));
        Ok(())
    }

    /// The value of one, if it is set, as `qemu-img` takes it.
    pub fn get(&self, word: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|(known, _)| known == word);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether a switch is set, and on.
    pub fn is_on(&self, word: &str) -> bool {
        self.get(word) == Some("on")
    }

    /// What format they are for.
    pub fn format(&self) -> ImageFormat {
        self.format
    }

    /// Whether none is set.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The words and their values, in the order in which they were set. No value
    /// has a comma in it.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.pairs.iter();
        pairs.map(|(word, value)| (word.as_str(), value.as_str()))
    }
}

impl Value {
    /// Reads a value, and writes it as `qemu-img` takes it.
    fn read(&self, word: &str, value: &str) -> Result<String, InvalidOption> {
        let one = Options::parse(&format!("{word}={}", value.replace(',', ",,")), "", &[word])?;
        let wrong = |why: String| InvalidOption(format!("{word}={value}: {why}"));
        let bytes = || {
            Size::parse(value, 1)
                .map(Size::bytes)
                .map_err(|why| wrong(why.to_string()))
        };
        match self {
            Self::Switch => match one.switch(word)? {
                Some(true) => Ok("on".to_owned()),
                _ => Ok("off".to_owned()),
            },
            Self::OneOf(values) => Ok(one.one_of(word, values)?.unwrap_or_default()),
            Self::Bytes => bytes().map(|bytes| bytes.to_string()),
            Self::Power(least, most) => match bytes()? {
                bytes if bytes.is_power_of_two() && (*least..=*most).contains(&bytes) => {
                    Ok(bytes.to_string())
                }
                _ => Err(wrong(format!(
                    "it must be a power of two from {least} to {most}"
                ))),
            },
            Self::Plain => {
                let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
                match !value.is_empty() && value.chars().all(plain) {
                    true => Ok(value.to_owned()),
                    false => Err(wrong("it is a number or a name".to_owned())),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(format: ImageFormat, list: &str) -> Result<ImageOptions, String> {
        let mut options = ImageOptions::new(format);
        options.add(list, &[]).map_err(|e| e.0)?;
        Ok(options)
    }

    #[test]
    fn words_are_those_of_the_format() {
        let options = add(
            ImageFormat::Qcow2,
            "cluster_size=2M,lazy_refcounts,compat=1.1",
        );
        let options = options.unwrap();
        let pairs: Vec<_> = options.pairs().collect();
        assert_eq!(
            pairs,
            [
                ("cluster_size", "2097152"),
                ("lazy_refcounts", "on"),
                ("compat", "1.1")
            ]
        );
        for (format, list, says) in [
            (
                ImageFormat::Qcow2,
                "cluster_size=1000",
                "power of two from 512 to 2097152",
            ),
            (ImageFormat::Qcow2, "cluster_sise=64k", "did you mean"),
            (ImageFormat::Qcow2, "compat=9", "it can be"),
            (
                ImageFormat::Qcow2,
                "data_file=/etc/shadow",
                "unknown option 'data_file'",
            ),
            (
                ImageFormat::Qcow2,
                "backing_file=/etc/shadow",
                "unknown option",
            ),
            (ImageFormat::Vmdk, "subformat=monolithicFlat", "it can be"),
            (ImageFormat::Vmdk, "hwversion=1,,x=y", "a number or a name"),
            (ImageFormat::Raw, "cluster_size=64k", "unknown option"),
            (ImageFormat::Qcow, "cluster_size=64k", "have no options"),
            (ImageFormat::Qcow2, "compat=1.1,compat=1.1", "given twice"),
            (ImageFormat::Qcow2, "nonsense", "unknown option"),
        ] {
            let error = add(format, list).unwrap_err();
            assert!(error.contains(says), "{list}: {error}");
        }
    }

    #[test]
    fn what_is_none_of_them_comes_back() {
        let mut options = ImageOptions::new(ImageFormat::Qcow2);
        let others = options.add(
            "backing_file=/a,,b.qcow2,size=30G,compat=1.1",
            &["backing_file", "size"],
        );
        let expected = [("backing_file", "/a,b.qcow2"), ("size", "30G")]
            .map(|(word, value)| (word.to_owned(), value.to_owned()));
        assert_eq!(others.unwrap(), expected);
        assert_eq!(options.get("compat"), Some("1.1"));
    }
}
