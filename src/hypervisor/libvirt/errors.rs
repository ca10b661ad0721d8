//! What libvirt says when it fails, as errors of ours.

use std::fmt;

use virt::enumutil::Enum::Known;
use virt::error::ErrorNumber as Code;

use crate::error::{Error, Kind};
use crate::model::{Domain, DomainRef};

/// Turns a libvirt error into ours.
pub(super) fn failed(error: &virt::error::Error, what: impl fmt::Display) -> Error {
    said(error, what, error.message().to_owned())
}

/// The same with other words than libvirt's. The one place that knows its codes.
pub(super) fn said(error: &virt::error::Error, what: impl fmt::Display, words: String) -> Error {
    let kind = match error.code() {
        Known(Code::NoDomain | Code::NoStorageVolume | Code::NoStoragePool) => Kind::NotFound,
        Known(Code::DomExist | Code::StorageVolExist) => Kind::Exists,
        // A name that is taken comes as a mere "operation failed".
        Known(Code::OperationFailed) if error.message().contains("already exists with uuid") => {
            Kind::Exists
        }
        Known(Code::OperationInvalid) => Kind::WrongState,
        Known(
            Code::AuthFailed
            | Code::AuthCancelled
            | Code::AuthUnavailable
            | Code::OperationDenied
            | Code::AccessDenied
            | Code::NoConnect
            | Code::Rpc,
        ) => Kind::Environment,
        _ => Kind::Libvirt,
    };
    Error::wrap(kind, what, Said(words))
}

/// Libvirt's own words, without the codes the binding adds to them.
#[derive(Debug)]
struct Said(String);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Said {}

/// The error for a name that several domains go by.
pub(super) fn ambiguous(which: &DomainRef, several: &[Domain]) -> Error {
    let list: Vec<String> = several
        .iter()
        .map(|d| match d.id {
            Some(id) => format!("'{}' (id {id}, UUID {})", d.name, d.uuid),
            None => format!("'{}' (UUID {})", d.name, d.uuid),
        })
        .collect();
    Error::new(
        Kind::Usage,
        format!("'{which}' could be domain {}", list.join(" or ")),
    )
    .hint("name it by its UUID: `-d UUID`")
}
