//! The document that virt-inspector(1) prints, for scripts that read it.

use super::escape::{escaped, is_xml_char};

/// A document, while it is written.
#[derive(Debug)]
pub struct Document {
    text: String,
}

/// One operating system in it.
#[derive(Debug)]
pub struct Guest<'a> {
    text: &'a mut String,
}

/// A file system.
#[derive(Clone, Copy, Debug)]
pub struct Filesystem<'a> {
    /// Its device.
    pub device: &'a str,
    /// Its type.
    pub kind: &'a str,
    /// Its label.
    pub label: Option<&'a str>,
    /// Its UUID.
    pub uuid: Option<&'a str>,
}

/// A package.
#[derive(Clone, Copy, Debug)]
pub struct Application<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its whole version: `1:2.3-4`.
    pub version: &'a str,
    /// The processor it is for.
    pub arch: Option<&'a str>,
}

impl Default for Document {
    fn default() -> Self {
        Self::new()
    }
}

impl Document {
    /// An empty document.
    pub fn new() -> Self {
        Self {
            text: "<?xml version=\"1.0\"?>\n<operatingsystems>\n".to_owned(),
        }
    }

    /// Adds an operating system.
    pub fn guest(&mut self, describe: impl FnOnce(&mut Guest<'_>)) {
        self.text.push_str("  <operatingsystem>\n");
        describe(&mut Guest {
            text: &mut self.text,
        });
        self.text.push_str("  </operatingsystem>\n");
    }

    /// The text of it.
    pub fn finish(mut self) -> String {
        self.text.push_str("</operatingsystems>\n");
        self.text
    }
}

impl Guest<'_> {
    /// Adds a value, if there is one.
    pub fn value(&mut self, name: &str, value: Option<&str>) {
        element(self.text, 4, name, value);
    }

    /// Adds devices, and where they are mounted.
    pub fn mountpoints<'v>(&mut self, all: impl Iterator<Item = (&'v str, &'v str)>) {
        self.text.push_str("    <mountpoints>\n");
        for (device, at) in all {
            self.text.push_str(&format!(
                "      <mountpoint dev=\"{}\">{}</mountpoint>\n",
                clean(device),
                clean(at)
            ));
        }
        self.text.push_str("    </mountpoints>\n");
    }

    /// Adds file systems.
    pub fn filesystems<'v>(&mut self, all: impl Iterator<Item = Filesystem<'v>>) {
        self.text.push_str("    <filesystems>\n");
        for one in all {
            self.text.push_str(&format!(
                "      <filesystem dev=\"{}\">\n",
                clean(one.device)
            ));
            element(self.text, 8, "type", Some(one.kind));
            element(self.text, 8, "label", one.label);
            element(self.text, 8, "uuid", one.uuid);
            self.text.push_str("      </filesystem>\n");
        }
        self.text.push_str("    </filesystems>\n");
    }

    /// Adds packages. A version is taken apart as virt-inspector does it: what
    /// is before a colon is the epoch, what is behind the last dash the release.
    pub fn applications<'v>(&mut self, all: impl Iterator<Item = Application<'v>>) {
        self.text.push_str("    <applications>\n");
        for one in all {
            let (epoch, rest) = match one.version.split_once(':') {
                Some((epoch, rest)) => (Some(epoch), rest),
                None => (None, one.version),
            };
            let (version, release) = match rest.rsplit_once('-') {
                Some((version, release)) => (version, Some(release)),
                None => (rest, None),
            };
            self.text.push_str("      <application>\n");
            element(self.text, 8, "name", Some(one.name));
            element(self.text, 8, "epoch", epoch);
            element(self.text, 8, "version", Some(version));
            element(self.text, 8, "release", release);
            element(self.text, 8, "arch", one.arch);
            self.text.push_str("      </application>\n");
        }
        self.text.push_str("    </applications>\n");
    }
}

fn element(text: &mut String, indent: usize, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        text.push_str(&format!(
            "{:indent$}<{name}>{}</{name}>\n",
            "",
            clean(value)
        ));
    }
}

/// A value as XML can hold it: a guest may have written anything.
fn clean(value: &str) -> String {
    let fits = |c: char| if is_xml_char(c) { c } else { '\u{fffd}' };
    let value: String = value.chars().map(fits).collect();
    escaped(&value).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_cannot_write_elements() {
        let mut document = Document::new();
        document.guest(|guest| {
            guest.value("hostname", Some("a</hostname>\u{1b}&"));
            guest.value("arch", None);
            guest.mountpoints([("/dev/sda1", "/")].into_iter());
            let package = Application {
                name: "bash",
                version: "1:5.2-2+b7",
                arch: Some("amd64"),
            };
            guest.applications([package].into_iter());
        });
        insta::assert_snapshot!(document.finish(), @r#"
        <?xml version="1.0"?>
        <operatingsystems>
          <operatingsystem>
            <hostname>a&lt;/hostname&gt;�&amp;</hostname>
            <mountpoints>
              <mountpoint dev="/dev/sda1">/</mountpoint>
            </mountpoints>
            <applications>
              <application>
                <name>bash</name>
                <epoch>1</epoch>
                <version>5.2</version>
                <release>2+b7</release>
                <arch>amd64</arch>
              </application>
            </applications>
          </operatingsystem>
        </operatingsystems>
        "#);
    }
}
