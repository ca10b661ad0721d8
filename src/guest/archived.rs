//! Paths in archives.

/// The names in a path of an archive; `None` if it leads out of where it is unpacked.
pub fn names_in(path: &[u8]) -> Option<Vec<&[u8]>> {
    let names: Vec<&[u8]> = path
        .split(|&byte| byte == b'/')
        .filter(|name| !matches!(*name, b"" | b"."))
        .collect();
    let leads_out = names.iter().any(|name| *name == b".." || name.contains(&0));
    (!leads_out).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::names_in;

    #[test]
    fn no_path_leads_out() {
        assert_eq!(names_in(b"/a//./b/").unwrap(), [b"a", b"b"]);
        for out in [&b"../a"[..], b"a/../../b", b"a/..", b"a\0b"] {
            assert_eq!(names_in(out), None);
        }
    }
}
