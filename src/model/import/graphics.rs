//! `--graphics vnc,listen=127.0.0.1`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use crate::model::options::{InvalidOption, Options};

const WORDS: &[&str] = &[
    "type",
    "listen",
    "port",
    "password-file",
    "password_file",
    "password",
    "keymap",
];

/// A screen that a guest is to have, or none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GraphicsOption {
    /// Which protocol it speaks.
    pub kind: GraphicsKind,
    /// Where it listens.
    pub listen: Option<IpAddr>,
    /// The port, if it is not drawn at each start.
    pub port: Option<u16>,
    /// The file whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// The layout of the keyboard.
    pub keymap: Option<String>,
}

/// Which protocol a screen speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GraphicsKind {
    /// There is no screen.
    None,
    /// VNC.
    Vnc,
    /// SPICE.
    Spice,
}

impl GraphicsKind {
    /// The word for it in XML.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Vnc => "vnc",
            Self::Spice => "spice",
        }
    }
}

impl FromStr for GraphicsOption {
    type Err = InvalidOption;

    fn from_str(text: &str) -> Result<Self, InvalidOption> {
        let options = Options::parse(text, "type", WORDS)?;
        let kind = match options
            .one_of("type", &["none", "vnc", "spice"])?
            .as_deref()
        {
            Some("none") => GraphicsKind::None,
            Some("spice") => GraphicsKind::Spice,
            Some(_) => GraphicsKind::Vnc,
            None => return Err(InvalidOption("say which: vnc, spice or none".to_owned())),
        };
        if options.has("password") {
            return Err(InvalidOption(
                "a password in the arguments can be read by everybody on the host; \
                 put it into a file: `password-file=FILE`"
                    .to_owned(),
            ));
        }
        let listen = match options.text("listen")? {
            None => None,
            Some("localhost") => Some(IpAddr::from([127, 0, 0, 1])),
            Some(text) => Some(text.parse().map_err(|_| {
                InvalidOption(format!("listen={text} is no address, such as 127.0.0.1"))
            })?),
        };
        let password_file = options
            .text("password-file")?
            .or(options.text("password_file")?);
        let graphics = Self {
            kind,
            listen,
            port: options.parsed::<u16>("port")?.filter(|port| *port != 0),
            password_file: password_file.map(PathBuf::from),
            keymap: options.text("keymap")?.map(str::to_owned),
        };
        if kind == GraphicsKind::None && text != "none" && text != "type=none" {
            return Err(InvalidOption("no screen has no options".to_owned()));
        }
        if let Some(keymap) = &graphics.keymap {
            if !keymap
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-')
            {
                return Err(InvalidOption(format!(
                    "keymap={keymap} is no layout, such as de"
                )));
            }
        }
        Ok(graphics)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_can_be_told() {
        let graphics: GraphicsOption = "vnc,listen=0.0.0.0,port=5901".parse().unwrap();
        assert_eq!(graphics.kind, GraphicsKind::Vnc);
        assert_eq!(graphics.listen, Some(IpAddr::from([0, 0, 0, 0])));
        assert_eq!(graphics.port, Some(5901));
        assert_eq!(
            "none".parse::<GraphicsOption>().unwrap().kind,
            GraphicsKind::None
        );
        for text in [
            "",
            "vcn",
            "none,listen=::",
            "vnc,password=x",
            "vnc,listen=everywhere",
            "spice,port=70000",
            "vnc,keymap=<",
        ] {
            assert!(text.parse::<GraphicsOption>().is_err(), "{text}");
        }
    }
}
