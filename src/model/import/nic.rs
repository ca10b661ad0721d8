//! `--network network=default,model=virtio`.

use std::str::FromStr;

use crate::model::Mac;
use crate::model::options::{InvalidOption, Options};

const WORDS: &[&str] = &[
    "network",
    "bridge",
    "user",
    "none",
    "type",
    "source",
    "source_mode",
    "model",
    "mac",
    "portgroup",
    "virtualport_type",
    "mtu",
    "boot_order",
];

/// A network interface that a guest is to have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NicOption {
    /// What it is on; `None` for no interface at all.
    pub place: Option<NicPlace>,
    /// The device that the guest sees, such as `virtio`.
    pub model: Option<String>,
    /// Its address.
    pub mac: Option<Mac>,
    /// The port group of a libvirt network.
    pub portgroup: Option<String>,
    /// The type of a virtual port, such as `openvswitch`.
    pub virtualport: Option<String>,
    /// The largest packet, in bytes.
    pub mtu: Option<u32>,
    /// Its turn when the firmware looks for something to boot.
    pub boot_order: Option<u32>,
}

/// What a network interface is on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NicPlace {
    /// A network of libvirt's.
    Network(String),
    /// A bridge of the host.
    Bridge(String),
    /// A device of the host, by macvtap.
    Direct {
        /// The device.
        device: String,
        /// How: `bridge`, `vepa`, `private` or `passthrough`.
        mode: String,
    },
    /// The user's own network stack, which needs no privilege.
    User,
}

impl NicOption {
    /// An interface of which nothing but its place is known.
    pub fn on(place: NicPlace) -> Self {
        Self {
            place: Some(place),
            model: None,
            mac: None,
            portgroup: None,
            virtualport: None,
            mtu: None,
            boot_order: None,
        }
    }
}

impl FromStr for NicOption {
    type Err = InvalidOption;

    fn from_str(text: &str) -> Result<Self, InvalidOption> {
        // virt-install's words for a whole list.
        if text == "default" {
            return Ok(Self::on(NicPlace::Network("default".to_owned())));
        }
        let options = Options::parse(text, "type", WORDS)?;
        let kind = options.one_of("type", &["network", "bridge", "direct", "user", "none"])?;
        let source = options.text("source")?.map(str::to_owned);
        let named = |word: &str| -> Result<Option<String>, InvalidOption> {
            Ok(options.text(word)?.map(str::to_owned))
        };
        let mut places = Vec::new();
        if options.has("network") {
            places.push(named("network")?.map(NicPlace::Network));
        }
        if options.has("bridge") {
            places.push(named("bridge")?.map(NicPlace::Bridge));
        }
        if options.switch("user")? == Some(true) {
            places.push(Some(NicPlace::User));
        }
        if options.switch("none")? == Some(true) {
            places.push(None);
        }
        if let Some(kind) = kind {
            let needed = || {
                source
                    .clone()
                    .ok_or_else(|| InvalidOption(format!("type={kind} needs a source=")))
            };
            let has_place = !places.is_empty();
            match kind.as_str() {
                "user" => places.push(Some(NicPlace::User)),
                "none" => places.push(None),
                "direct" => places.push(Some(NicPlace::Direct {
                    device: needed()?,
                    mode: options
                        .one_of("source_mode", &["bridge", "vepa", "private", "passthrough"])?
                        .unwrap_or_else(|| "bridge".to_owned()),
                })),
                // `type=network,network=default` says the same twice.
                _ if has_place => {}
                "network" => places.push(Some(NicPlace::Network(needed()?))),
                _ => places.push(Some(NicPlace::Bridge(needed()?))),
            }
        }
        let place = match <[Option<NicPlace>; 1]>::try_from(places) {
            Ok([place]) => place,
            Err(none) if none.is_empty() => {
                return Err(InvalidOption(
                    "say what it is on: `network=NAME`, `bridge=NAME` or `user`".to_owned(),
                ));
            }
            Err(_) => {
                return Err(InvalidOption("an interface is on one network".to_owned()));
            }
        };
        let nic = Self {
            place,
            model: named("model")?,
            mac: options.parsed("mac")?,
            portgroup: named("portgroup")?,
            virtualport: named("virtualport_type")?,
            mtu: options.parsed("mtu")?,
            boot_order: options.parsed("boot_order")?.filter(|order| *order > 0),
        };
        if let Some(model) = &nic.model {
            let fine = model.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
            if !fine || model.len() > 32 {
                return Err(InvalidOption(format!(
                    "model={model} is no name of a device"
                )));
            }
        }
        Ok(nic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_say_it_is_understood() {
        let place = |text: &str| text.parse::<NicOption>().unwrap().place;
        let network = Some(NicPlace::Network("default".to_owned()));
        for text in [
            "network=default",
            "default",
            "type=network,source=default",
            "network=default,model=e1000e",
        ] {
            assert_eq!(place(text), network, "{text}");
        }
        assert_eq!(
            place("bridge=br0"),
            Some(NicPlace::Bridge("br0".to_owned()))
        );
        assert_eq!(place("user"), Some(NicPlace::User));
        assert_eq!(place("user,model=virtio"), Some(NicPlace::User));
        assert_eq!(place("none"), None);
        let direct = NicPlace::Direct {
            device: "eth0".to_owned(),
            mode: "bridge".to_owned(),
        };
        assert_eq!(place("type=direct,source=eth0"), Some(direct));
    }

    #[test]
    fn a_slip_is_answered_with_the_word_that_was_meant() {
        let error = "netwrok=default".parse::<NicOption>().unwrap_err();
        assert!(error.0.contains("did you mean 'network'?"), "{error}");
        for text in [
            "",
            "model=virtio",
            "network=a,bridge=b",
            "type=direct",
            "mac=1",
            "network",
            "network=a,model=<x>",
        ] {
            assert!(text.parse::<NicOption>().is_err(), "{text}");
        }
    }
}
