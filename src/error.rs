//! One error type for everything a command can fail with.

use std::fmt;

/// The result of an operation.
pub type Result<T> = std::result::Result<T, Error>;

/// What sort of failure this is. Decides the exit code, nothing else.
///
/// The codes are public: they are documented in `vmkin(1)` under EXIT STATUS,
/// and scripts depend on them.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// Libvirt refused or failed, and everything was undone.
    Libvirt,
    /// The arguments or a template cannot be understood or do not fit together.
    Usage,
    /// A domain, volume or file that the user named is not there.
    NotFound,
    /// The domain is in a state in which this cannot be done, or has a disk
    /// that this cannot be done with.
    WrongState,
    /// Something of that name, address or identity is there already.
    Exists,
    /// The image is a base that other images depend on.
    Protected,
    /// Another process works on it: another vmkin, or a holder of its image lock.
    Busy,
    /// The host lacks something: no libvirt, no tool, no permission.
    Environment,
    /// An image is damaged or not to be trusted, or a base has changed.
    Unsafe,
    /// Storage or a program that was started failed, and everything was undone.
    Storage,
    /// Something went wrong and could not be undone now; `vmkin recover` can.
    NotUndone,
    /// Some of a batch was done and some was not.
    Partial,
    /// The user interrupted, and everything was undone.
    Interrupted,
    /// The process was asked to terminate, and everything was undone.
    Terminated,
}

impl Kind {
    /// Every kind, in the order of the exit codes.
    pub const ALL: &'static [Self] = &[
        Self::Libvirt,
        Self::Usage,
        Self::NotFound,
        Self::WrongState,
        Self::Exists,
        Self::Protected,
        Self::Busy,
        Self::Environment,
        Self::Unsafe,
        Self::Storage,
        Self::NotUndone,
        Self::Partial,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The exit code, as documented in `vmkin(1)` under EXIT STATUS.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Libvirt => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::WrongState => 4,
            Self::Exists => 5,
            Self::Protected => 6,
            Self::Busy => 7,
            Self::Environment => 8,
            Self::Unsafe => 9,
            Self::Storage => 10,
            Self::NotUndone => 11,
            Self::Partial => 12,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// The kind of failure that this exit code stands for.
    pub fn of_exit_code(code: u8) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|kind| kind.exit_code() == code)
    }

    /// The word for this kind in JSON output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Libvirt => "libvirt",
            Self::Usage => "usage",
            Self::NotFound => "not-found",
            Self::WrongState => "wrong-state",
            Self::Exists => "exists",
            Self::Protected => "protected",
            Self::Busy => "busy",
            Self::Environment => "environment",
            Self::Unsafe => "unsafe",
            Self::Storage => "storage",
            Self::NotUndone => "not-undone",
            Self::Partial => "partial",
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
        }
    }

    /// What the exit code means, as one line of the manual.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Libvirt => "libvirt refused or failed; everything was undone",
            Self::Usage => "bad arguments or a bad template",
            Self::NotFound => "not found",
            Self::WrongState => "wrong state: running, saved, transient, or an unsupported disk",
            Self::Exists => "exists already, or collides with something that does",
            Self::Protected => "the image is a base that has children",
            Self::Busy => "busy: another vmkin is at work, or the image is locked",
            Self::Environment => "environment: libvirt unreachable, a tool missing, no permission",
            Self::Unsafe => "an unsafe or damaged image, or a base that changed",
            Self::Storage => "storage or a child program failed; everything was undone",
            Self::NotUndone => "could not undo: run `vmkin recover`",
            Self::Partial => "of a batch, some were done and some were not (each is listed)",
            Self::Interrupted => "interrupted (SIGINT)",
            Self::Terminated => "terminated (SIGTERM)",
        }
    }
}

/// A failure, the chain of what led to it, and what the user can do about it.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    source: anyhow::Error,
    parts: Vec<String>,
    hints: Vec<String>,
    told: bool,
}

impl Error {
    /// Starts an error. `message` is one line, lower case, without a final period.
    pub fn new(kind: Kind, message: impl fmt::Display) -> Self {
        Self {
            kind,
            source: anyhow::anyhow!("{message}"),
            parts: Vec::new(),
            hints: Vec::new(),
            told: false,
        }
    }

    /// Starts an error out of one from another library.
    pub fn wrap<E>(kind: Kind, message: impl fmt::Display, source: E) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        Self {
            kind,
            source: anyhow::Error::new(source).context(message.to_string()),
            parts: Vec::new(),
            hints: Vec::new(),
            told: false,
        }
    }

    /// Starts an error out of one of the operating system's. Missing files,
    /// missing permission and taken names get their own kinds, all else is
    /// [`Kind::Storage`].
    pub fn io(message: impl fmt::Display, source: std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        let kind = match source.kind() {
            Io::NotFound => Kind::NotFound,
            Io::PermissionDenied | Io::ReadOnlyFilesystem => Kind::Environment,
            Io::AlreadyExists => Kind::Exists,
            _ => Kind::Storage,
        };
        Self::wrap(kind, message, source)
    }

    /// Says that another process has told the user already.
    #[must_use]
    pub fn told(mut self) -> Self {
        self.told = true;
        self
    }

    /// Whether the user has been told already.
    pub fn is_told(&self) -> bool {
        self.told
    }

    /// Says in one sentence what to do next, preferably as a command to type.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        // Of a batch, many may fail for one reason.
        if !self.hints.contains(&hint) {
            self.hints.push(hint);
        }
        self
    }

    /// Adds what became of one part of a batch.
    #[must_use]
    pub fn part(mut self, part: impl Into<String>) -> Self {
        self.parts.push(part.into());
        self
    }

    /// Says what was being attempted.
    #[must_use]
    pub fn context(mut self, what: impl fmt::Display + Send + Sync + 'static) -> Self {
        self.source = self.source.context(what);
        self
    }

    /// Changes what sort of failure this is, for a caller that knows better.
    #[must_use]
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// What sort of failure this is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The messages, outermost first.
    pub fn chain(&self) -> impl Iterator<Item = String> {
        self.source.chain().map(ToString::to_string)
    }

    /// What became of the parts of a batch.
    pub fn parts(&self) -> &[String] {
        &self.parts
    }

    /// What the user can do next.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }
}

/// The whole chain on one line, for a list of failures.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_code_of_its_own() {
        let mut codes: Vec<u8> = Kind::ALL.iter().map(|k| k.exit_code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Kind::ALL.len());
        assert!(!codes.contains(&0));
    }

    #[test]
    fn the_chain_is_outermost_first() {
        let error = Error::io("cannot open /x", std::io::Error::from_raw_os_error(2))
            .context("reading the base");
        let chain: Vec<String> = error.chain().collect();
        assert_eq!(chain[0], "reading the base");
        assert_eq!(chain[1], "cannot open /x");
        assert_eq!(error.kind(), Kind::NotFound);
    }
}
