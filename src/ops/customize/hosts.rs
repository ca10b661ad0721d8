//! A guest's own name in its `/etc/hosts`.

use crate::model::Hostname;

/// The text of `/etc/hosts` with another name of the guest.
///
/// On lines of the loopback device the old name becomes the new one; the line of
/// 127.0.1.1, which is a Debian guest's own, has it in any case. Lines of other
/// addresses stay: those are the business of others.
pub(super) fn renamed(hosts: &[u8], old: Option<&Hostname>, new: &Hostname) -> Vec<u8> {
    let lines = hosts.split_inclusive(|&byte| byte == b'\n');
    let lines = lines.map(|line| match std::str::from_utf8(line) {
        Ok(line) => line_renamed(line, old, new).into_bytes(),
        Err(_) => line.to_owned(),
    });
    lines.collect::<Vec<_>>().concat()
}

fn line_renamed(line: &str, old: Option<&Hostname>, new: &Hostname) -> String {
    let text = line.trim_end_matches(['\n', '\r']);
    let (entry, comment) = text.split_at(text.find('#').unwrap_or(text.len()));
    let mut words = entry.split_whitespace();
    let Some(address) = words.next() else {
        return line.to_owned();
    };
    if address != "::1" && !address.starts_with("127.") {
        return line.to_owned();
    }
    let names: Vec<&str> = words.collect();
    let mut others: Vec<String> = Vec::new();
    for name in &names {
        let name = name_renamed(name, old, new);
        if !others.contains(&name) {
            others.push(name);
        }
    }
    if address == "127.0.1.1" && !others.iter().any(|name| is(name, new)) {
        // Whoever's name it was, it is this guest's own.
        others = new.fqdn().map(str::to_owned).into_iter().collect();
        others.push(new.short().to_owned());
    }
    if let Some(fqdn) = new.fqdn().filter(|_| address == "127.0.1.1") {
        // Before the short one: the first is the one that `hostname -f` tells.
        if !others.iter().any(|name| name == fqdn) {
            others.insert(0, fqdn.to_owned());
        }
    }
    if others == names {
        return line.to_owned();
    }
    let mut renamed = format!("{address}\t{}", others.join(" "));
    if !comment.is_empty() {
        renamed.push(' ');
        renamed.push_str(comment);
    }
    let end = line.get(text.len()..).unwrap_or_default();
    renamed + end
}

fn is(name: &str, host: &Hostname) -> bool {
    name == host.as_str() || name.split('.').next() == Some(host.short())
}

fn name_renamed(name: &str, old: Option<&Hostname>, new: &Hostname) -> String {
    // Each guest is called so by itself.
    let Some(old) = old.filter(|old| old.short() != "localhost") else {
        return name.to_owned();
    };
    if name == old.short() {
        return new.short().to_owned();
    }
    let domain = name
        .strip_prefix(old.short())
        .filter(|rest| rest.starts_with('.'));
    match (domain, new.fqdn()) {
        (None, _) => name.to_owned(),
        (Some(_), Some(fqdn)) => fqdn.to_owned(),
        (Some(domain), None) => format!("{}{domain}", new.short()),
    }
}

#[cfg(test)]
mod tests {
    use super::renamed;

    #[track_caller]
    fn check(hosts: &str, old: &str, new: &str, wanted: &str) {
        let (old, new) = (old.parse().ok(), new.parse().unwrap());
        let now = renamed(hosts.as_bytes(), old.as_ref(), &new);
        assert_eq!(
            now.escape_ascii().to_string(),
            wanted.escape_default().to_string()
        );
        // Once more changes nothing.
        for old in [None, Some(&new)] {
            assert_eq!(renamed(&now, old, &new), now);
        }
    }

    #[test]
    fn what_is_no_text_stays() {
        let hosts = b"127.0.1.1 golden # \xff\n127.0.1.1 golden\n";
        let now = renamed(hosts, None, &"web".parse().unwrap());
        assert_eq!(now, b"127.0.1.1 golden # \xff\n127.0.1.1\tweb\n");
    }

    #[test]
    fn debian_has_a_line_of_its_own() {
        let hosts = "127.0.0.1\tlocalhost\n127.0.1.1\tgolden.lab golden # us\n\n# golden\n\
                     10.0.0.2 golden\n::1 localhost ip6-localhost";
        let rest = " # us\n\n# golden\n10.0.0.2 golden\n::1 localhost ip6-localhost";
        let head = "127.0.0.1\tlocalhost\n127.0.1.1\t";
        check(
            hosts,
            "golden",
            "web-01",
            &format!("{head}web-01.lab web-01{rest}"),
        );
        check(hosts, "golden", "a.b.c", &format!("{head}a.b.c a{rest}"));
        // The name of somebody else, or of nobody that is known.
        for old in ["other", ""] {
            check(hosts, old, "web-01", &format!("{head}web-01{rest}"));
            check(hosts, old, "a.b.c", &format!("{head}a.b.c a{rest}"));
        }
    }

    #[test]
    fn others_name_themselves_beside_localhost() {
        check(
            "127.0.0.1 localhost golden golden.x\r\n::1 localhost\r\n",
            "golden.x",
            "web",
            "127.0.0.1\tlocalhost web web.x\r\n::1 localhost\r\n",
        );
        let hosts = "127.0.0.1 localhost localhost.localdomain\n";
        check(hosts, "localhost.localdomain", "web", hosts);
        check(hosts, "localhost", "web.lab", hosts);
        // Not a part of another name.
        check(
            "127.0.0.1 golden2 mygolden\n",
            "golden",
            "web",
            "127.0.0.1 golden2 mygolden\n",
        );
    }
}
