//! Text that nobody is to read over somebody's shoulder.

use std::fmt;

/// Domain XML with the passwords of its screens.
///
/// It goes to libvirt and into XML, and nowhere else: not into messages, not
/// into a journal. Whoever takes the text out says so by [`Self::expose`].
#[derive(Clone, Eq, PartialEq)]
pub struct SecretText(String);

impl SecretText {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_in_what_is_printed_of_it() {
        let secret = SecretText::from("<graphics passwd='hunter2'/>".to_owned());
        assert_eq!(format!("{secret:?}"), "***");
        assert!(secret.expose().contains("hunter2"));
    }
}
