//! What cloud-init is told, out of the templates in `templates/cloud-init`.

use serde_json::json;
use uuid::Uuid;

use crate::error::Result;
use crate::model::{GuestIdentity, Hostname, SecretText};
use crate::template::{Escape, render};

const USER_DATA: &str = include_str!("../../../templates/cloud-init/user-data.hbs");
const META_DATA: &str = include_str!("../../../templates/cloud-init/meta-data.hbs");

/// What all guests are told: the user's own text, or one that is made of what
/// is asked for.
pub(super) fn user_data(
    identity: &GuestIdentity,
    password_hash: Option<&SecretText>,
    uuid: Uuid,
    hostname: &Hostname,
) -> Result<SecretText> {
    if let Some(own) = &identity.user_data {
        return Ok(own.clone());
    }
    // The user's own metadata says what the host is called.
    let named = identity.meta_data.is_none().then_some(hostname);
    let user = identity.user.as_ref().map(|user| user.as_str());
    let data = json!({
        "hostname": named.map(Hostname::short),
        "fqdn": named.and_then(Hostname::fqdn),
        "ssh_keys": identity.ssh_keys,
        "user": user,
        "root": user == Some("root"),
        "password_hash": password_hash.map(SecretText::expose),
        "machine_id": uuid.simple().to_string(),
    });
    render("cloud-init/user-data", USER_DATA, Escape::None, &data).map(SecretText::from)
}

/// Which instance of its image a guest is. Another UUID makes cloud-init begin
/// anew in a guest that it has run in before.
pub(super) fn meta_data(
    identity: &GuestIdentity,
    uuid: Uuid,
    hostname: &Hostname,
) -> Result<SecretText> {
    if let Some(own) = &identity.meta_data {
        return Ok(own.clone());
    }
    // Keys beside the user's own user-data have to go another way.
    let own_text = identity.user_data.is_some();
    let keys = own_text.then_some(&identity.ssh_keys);
    let data = json!({
        "instance_id": uuid.to_string(),
        "hostname": hostname.as_str(),
        "public_keys": keys,
    });
    render("cloud-init/meta-data", META_DATA, Escape::None, &data).map(SecretText::from)
}
