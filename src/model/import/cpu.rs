//! `--vcpus 4,sockets=1`, `--cpu host-model,+vmx`, `--virt-type kvm`.

use std::str::FromStr;

use crate::model::nearest;
use crate::model::options::{InvalidOption, Options};

/// The most processors that make sense to be asked for: libvirt's own limit is
/// lower for all machines there are.
const MOST: u32 = 4096;

/// How many processors a guest has, and how they look to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VcpuOption {
    /// How many it starts with.
    pub count: u32,
    /// How many it can have while it runs.
    pub most: Option<u32>,
    /// Sockets, cores a socket, threads a core.
    pub topology: Option<(u32, u32, u32)>,
}

impl VcpuOption {
    /// So many, of which nothing else is said.
    pub fn new(count: u32) -> Self {
        Self {
            count,
            most: None,
            topology: None,
        }
    }
}

impl FromStr for VcpuOption {
    type Err = InvalidOption;

    fn from_str(text: &str) -> Result<Self, InvalidOption> {
        let words = ["vcpus", "maxvcpus", "sockets", "cores", "threads"];
        let options = Options::parse(text, "vcpus", &words)?;
        let number = |word: &str| -> Result<Option<u32>, InvalidOption> {
            match options.parsed::<u32>(word)? {
                Some(n) if (1..=MOST).contains(&n) => Ok(Some(n)),
                None => Ok(None),
                Some(n) => Err(InvalidOption(format!(
                    "{word}={n} is not between 1 and {MOST}"
                ))),
            }
        };
        let most = number("maxvcpus")?;
        let parts = [number("sockets")?, number("cores")?, number("threads")?];
        let [sockets, cores, threads] = parts.map(|part| part.unwrap_or(1));
        let product = sockets
            .checked_mul(cores)
            .and_then(|n| n.checked_mul(threads));
        let product = product
            .filter(|n| *n <= MOST)
            .ok_or_else(|| InvalidOption(format!("there can be {MOST} processors at the most")))?;
        let topology = parts.iter().any(Option::is_some);
        let count = match number("vcpus")? {
            Some(count) => count,
            None if topology => product,
            None => return Err(InvalidOption("say how many: `--vcpus 2`".to_owned())),
        };
        let all = most.unwrap_or(count);
        if all < count {
            return Err(InvalidOption(format!(
                "maxvcpus={all} is less than {count}"
            )));
        }
        if topology && product != all {
            return Err(InvalidOption(format!(
                "sockets × cores × threads is {product}, and must be {all}"
            )));
        }
        Ok(Self {
            count,
            most: most.filter(|most| *most != count),
            topology: topology.then_some((sockets, cores, threads)),
        })
    }
}

/// Which processor a guest sees.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CpuOption {
    /// `host-passthrough`, `host-model`, `maximum`, or the name of a model.
    pub model: String,
    /// Features that it has besides, and that it has not.
    pub features: Vec<(String, bool)>,
}

impl FromStr for CpuOption {
    type Err = InvalidOption;

    fn from_str(text: &str) -> Result<Self, InvalidOption> {
        let is_name = |name: &str| {
            !name.is_empty()
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        let mut parts = text.split(',');
        let model = match parts.next() {
            Some("host") => "host-passthrough",
            Some("max") => "maximum",
            Some(model) if is_name(model) => model,
            _ => {
                return Err(InvalidOption(format!(
                    "'{text}' does not begin with the name of a processor"
                )));
            }
        };
        let features = parts
            .map(|part| {
                let (has, name) = match (part.strip_prefix('+'), part.strip_prefix('-')) {
                    (Some(name), _) => (true, name),
                    (_, Some(name)) => (false, name),
                    _ => (true, ""),
                };
                if is_name(name) {
                    Ok((name.to_owned(), has))
                } else {
                    Err(InvalidOption(format!(
                        "'{part}' is no feature, such as +vmx or -svm"
                    )))
                }
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            model: model.to_owned(),
            features,
        })
    }
}

/// What runs a guest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum VirtType {
    /// The processor itself, through KVM.
    Kvm,
    /// QEMU, by emulation.
    Qemu,
}

impl FromStr for VirtType {
    type Err = InvalidOption;

    fn from_str(text: &str) -> Result<Self, InvalidOption> {
        match text {
            "kvm" => Ok(Self::Kvm),
            "qemu" => Ok(Self::Qemu),
            other => Err(match nearest(other, ["kvm", "qemu"], 1).first() {
                Some(near) => {
                    InvalidOption(format!("'{other}' is unknown; did you mean '{near}'?"))
                }
                None => InvalidOption(format!("'{other}' is unknown; it can be kvm or qemu")),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_counted() {
        let vcpus = |text: &str| text.parse::<VcpuOption>();
        assert_eq!(vcpus("2").unwrap(), VcpuOption::new(2));
        assert_eq!(vcpus("sockets=2,cores=4").unwrap().count, 8);
        let some = vcpus("2,maxvcpus=8,sockets=1,cores=4,threads=2").unwrap();
        assert_eq!((some.count, some.most), (2, Some(8)));
        for text in [
            "",
            "0",
            "-1",
            "2,maxvcpus=1",
            "2,cores=3",
            "99999",
            "sockets=4096,cores=4096,threads=4096",
            "2,core=2",
        ] {
            assert!(vcpus(text).is_err(), "{text}");
        }
    }

    #[test]
    fn processors_have_names_and_features() {
        let cpu: CpuOption = "host,+vmx,-svm".parse().unwrap();
        assert_eq!(cpu.model, "host-passthrough");
        assert_eq!(
            cpu.features,
            [("vmx".to_owned(), true), ("svm".to_owned(), false)]
        );
        for text in ["", "a'b", "host,vmx", "host,+", "+vmx"] {
            assert!(text.parse::<CpuOption>().is_err(), "{text}");
        }
        assert!("kmv".parse::<VirtType>().unwrap_err().0.contains("'kvm'"));
    }
}
