//! Which Windows it is, and who uses it.

use super::Looker;
use super::os::Os;
use super::places::User;
use super::registry::{Hive, Value};
use crate::error::Result;

/// The directory of Windows; all that is told here is of the one on C:.
const WINDOWS: &str = "/Windows/System32";

/// The profiles of users.
const USERS: &str = "/Users";

/// What is told of the version, in `SOFTWARE`.
const VERSION: &str = r"Microsoft\Windows NT\CurrentVersion";

/// Whether it is one, and no Linux with the files of one.
pub(super) fn is_there(looker: &mut Looker<'_>) -> bool {
    looker.is_there(WINDOWS) && !looker.is_there("/etc/passwd")
}

pub(super) fn read(looker: &mut Looker<'_>) -> Os {
    let mut os = Os {
        kind: "windows".to_owned(),
        distro: Some("windows".to_owned()),
        ..Os::default()
    };
    told(looker, "SOFTWARE", &mut |hive| {
        let text = |name| text(hive, VERSION, name);
        let number = |name| {
            Ok(match hive.value(VERSION, name)? {
                Some(Value::Number(number)) => Some(number),
                _ => None,
            })
        };
        os.name = text("ProductName")?;
        // Since Windows 10 the old value says 6.3.
        let (major, minor) = (
            number("CurrentMajorVersionNumber")?,
            number("CurrentMinorVersionNumber")?,
        );
        let version = match major.zip(minor) {
            Some((major, minor)) => Some(format!("{major}.{minor}")),
            None => text("CurrentVersion")?,
        };
        let build = text("CurrentBuildNumber")?;
        os.version = version.map(|version| match build {
            Some(build) => format!("{version}.{build}"),
            None => version,
        });
        Ok(())
    });
    told(looker, "SYSTEM", &mut |hive| {
        // Which of the sets of settings is in use.
        let set = match hive.value("Select", "Current")? {
            Some(Value::Number(number)) => number,
            _ => 1,
        };
        let set = format!("ControlSet{set:03}");
        let environment = format!(r"{set}\Control\Session Manager\Environment");
        os.arch =
            text(hive, &environment, "PROCESSOR_ARCHITECTURE")?.map(|arch| match arch.as_str() {
                "AMD64" => "x86_64".to_owned(),
                "ARM64" => "aarch64".to_owned(),
                "x86" => "i386".to_owned(),
                other => other.to_lowercase(),
            });
        let network = format!(r"{set}\Services\Tcpip\Parameters");
        let name = format!(r"{set}\Control\ComputerName\ComputerName");
        os.hostname = match text(hive, &network, "Hostname")? {
            Some(name) => Some(name),
            None => text(hive, &name, "ComputerName")?,
        };
        Ok(())
    });
    os
}

/// Those who have a profile, which is made when they first log in.
pub(super) fn users(looker: &mut Looker<'_>) -> Vec<User> {
    let mut names = looker.names(USERS);
    names.retain(|name| {
        // What new profiles are a copy of.
        name != "Default" && looker.is_there(&format!("{USERS}/{name}/NTUSER.DAT"))
    });
    let users = names.into_iter().map(|name| User {
        home: format!(r"C:\Users\{name}"),
        name,
        uid: None,
        gid: None,
        shell: None,
    });
    users.collect()
}

fn text(hive: &Hive<'_>, path: &str, name: &str) -> Result<Option<String>> {
    Ok(match hive.value(path, name)? {
        Some(Value::Text(text)) if !text.is_empty() => Some(text),
        _ => None,
    })
}

/// Looks into a hive, if it is there.
fn told(looker: &mut Looker<'_>, name: &str, look: &mut dyn FnMut(&Hive<'_>) -> Result<()>) {
    let path = format!("{WINDOWS}/config/{name}");
    let tree = looker.tree;
    let read = tree.look(&path).and_then(|place| {
        let Some(place) = place else { return Ok(true) };
        let read = |offset, buf: &mut [u8]| tree.read(&place, offset, buf);
        let hive = Hive::open(&read)?;
        look(&hive)?;
        Ok(hive.is_whole)
    });
    if looker.told(&path, read) == Some(false) {
        let problem = format!("{path}: what was changed last is in its log, which is not read");
        looker.problems.push(problem);
    }
}
