//! Files of shell assignments, a line each: `NAME=value`.

/// Such a file. What is not set stays as it is, comments too.
pub(super) struct Assignments {
    lines: Vec<String>,
}

impl Assignments {
    /// Reads one.
    pub(super) fn of(text: &str) -> Self {
        Self {
            lines: text.lines().map(str::to_owned).collect(),
        }
    }

    /// A value, without quotes.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.lines.iter().rev().filter_map(|line| {
            let (other, value) = line.trim_start().split_once('=')?;
            (other == name).then_some(value)
        });
        values
            .next()
            .map(|value| value.trim().trim_matches(['"', '\'']))
    }

    /// Sets a value, in the place of the old one if there is one.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-' | '_' | '/');
        let line = match value.chars().all(plain) {
            true => format!("{name}={value}"),
            false => format!("{name}=\"{value}\""),
        };
        let at = self.lines.iter().position(|line| name_of(line) == name);
        // Another one behind it would win.
        self.remove(|other| other == name);
        let at = at.unwrap_or(self.lines.len()).min(self.lines.len());
        self.lines.insert(at, line);
    }

    /// Sets values, and removes others, by their names.
    pub(super) fn replace(
        &mut self,
        is_gone: impl Fn(&str) -> bool,
        settings: &[(String, String)],
    ) {
        let is_set = |name: &str| settings.iter().any(|(other, _)| other == name);
        self.remove(|name| is_gone(name) && !is_set(name));
        for (name, value) in settings {
            self.set(name, value);
        }
    }

    fn remove(&mut self, is_gone: impl Fn(&str) -> bool) {
        self.lines
            .retain(|line| !line.contains('=') || !is_gone(name_of(line)));
    }

    /// The file as it is now.
    pub(super) fn text(&self) -> String {
        self.lines.join("\n") + "\n"
    }
}

fn name_of(line: &str) -> &str {
    line.trim_start().split('=').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::Assignments;

    #[test]
    fn what_is_not_set_stays() {
        let mut all = Assignments::of("# A=1\nA='x y'\n\nB=1\nA=2\nif x; then");
        assert_eq!((all.get("A"), all.get("C")), (Some("2"), None));
        let settings = [("A", "a b"), ("C", "1")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        all.replace(|name| name == "B" || name == "A", &settings);
        assert_eq!(all.text(), "# A=1\nA=\"a b\"\n\nif x; then\nC=1\n");
    }
}
