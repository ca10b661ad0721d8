//! Where settings are.

use std::path::{Path, PathBuf};

/// The directories in which this host and then this user keep their settings of
/// vmkin; what comes later hides what comes earlier (XDG Base Directory
/// Specification).
pub fn config_dirs() -> Vec<PathBuf> {
    let mut dirs = vec![PathBuf::from("/etc/vmkin")];
    let config = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .filter(|dir| dir.is_absolute())
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".config")));
    dirs.extend(config.map(|config| config.join("vmkin")));
    dirs
}
