//! Passwords as guests keep them.

use sha_crypt::{Sha512Params, sha512_crypt_b64};
use uuid::Uuid;

use crate::error::{Error, Kind, Result};
use crate::model::SecretText;

/// How often it is hashed: what `crypt(3)` does by default, which it then
/// leaves out of the text.
const ROUNDS: usize = 5_000;

/// What salts are made of: 64 characters, so that six bits are one of them.
const SALT: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A password in the form of `/etc/shadow`, which every Linux guest of the
/// last fifteen years knows: SHA-512 with a salt drawn now.
///
/// # Errors
///
/// [`Kind::Usage`] if it cannot be hashed.
pub(in crate::ops) fn hashed(password: &SecretText) -> Result<SecretText> {
    let salt: String = Uuid::new_v4()
        .as_bytes()
        .iter()
        .filter_map(|byte| SALT.get(usize::from(byte & 63)))
        .map(|byte| char::from(*byte))
        .collect();
    hashed_with(password, &salt)
}

fn hashed_with(password: &SecretText, salt: &str) -> Result<SecretText> {
    let cannot = || Error::new(Kind::Usage, "the password cannot be hashed");
    let params = Sha512Params::new(ROUNDS).map_err(|_| cannot())?;
    let hash = sha512_crypt_b64(password.expose().as_bytes(), salt.as_bytes(), &params)
        .map_err(|_| cannot())?;
    Ok(format!("$6${salt}${hash}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_crypt_makes_of_it() {
        // `openssl passwd -6 -salt saltstring 'Hello world!'`
        let hash = hashed_with(&"Hello world!".to_owned().into(), "saltstring").unwrap();
        assert_eq!(
            hash.expose(),
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"
        );
    }

    #[test]
    fn each_has_a_salt_of_its_own() {
        let password: SecretText = "hunter2".to_owned().into();
        let [one, other] = [0, 1].map(|_| hashed(&password).unwrap());
        assert_ne!(one, other);
        for hash in [one, other] {
            let parts: Vec<&str> = hash.expose().split('$').collect();
            assert_eq!(parts.len(), 4, "{parts:?}");
            assert_eq!((parts[1], parts[2].len(), parts[3].len()), ("6", 16, 86));
            let again = hashed_with(&password, parts[2]).unwrap();
            assert_eq!(again, hash);
        }
    }
}
