//! Images that lead to a file of the host, on a libvirtd and a QEMU that would
//! follow them.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::hostile_images::chains::overlay;
use crate::hostile_images::{Case, Lure, Place, SECRET, Verdict, cases};
use crate::lab::{Lab, look, tool};

/// A file that is nobody's business, and images that make it somebody's.
struct Host {
    lab: Lab,
    place: Place,
}

impl Host {
    fn new(test: &str) -> Self {
        let lab = Lab::new(test);
        fs::remove_file(lab.image()).unwrap();
        tool("virsh", &["-q", "undefine", &lab.golden]);
        // QEMU's user could go there, or its own refusal would hide ours.
        let dir = PathBuf::from(format!("/var/lib/libvirt/{test}-host"));
        fs::DirBuilder::new().mode(0o711).create(&dir).unwrap();
        let place = Place::new(lab.dir.clone(), dir.join("secret"), 1);
        fs::set_permissions(&place.secret, fs::Permissions::from_mode(0o600)).unwrap();
        Self { lab, place }
    }

    /// Gives the golden domain this image as its disk.
    fn golden(&self, case: &Case) -> PathBuf {
        let mut image = case.make(&self.place);
        let mut format = case.format;
        if matches!(format, "vhdx" | "luks") {
            (image, format) = (overlay(&self.place, &image, format), "qcow2");
        }
        let recipe = self
            .lab
            .recipe
            .replace(
                &self.lab.image().display().to_string(),
                &image.display().to_string(),
            )
            .replace("type='qcow2'", &format!("type='{format}'"));
        assert!(recipe.contains(&format!("type='{format}'")), "{recipe}");
        self.lab.define(&recipe);
        image
    }

    /// Takes away what a case has made.
    fn clear(&self) {
        for name in self.lab.files() {
            fs::remove_file(self.lab.dir.join(name)).unwrap();
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(self.place.secret.parent().unwrap()));
    }
}

fn owner(path: &Path) -> (u32, u32) {
    look(path).owner
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_no_image_hands_a_file_of_the_host_to_a_guest() {
    let host = Host::new("lure");
    let golden = &host.lab.golden;
    let before = look(&host.place.secret);
    let mut tried = 0;
    for case in cases() {
        let Verdict::Refused(says) = case.verdict else {
            continue;
        };
        if case.lure == Lure::Nothing {
            continue;
        }
        host.golden(&case);
        let files = host.lab.files();
        let clone = host.lab.name("clone");
        for command in [
            format!("start -d {golden}"),
            format!("clone -d {golden} {clone}"),
            format!("clone -d {golden} {clone} --start --no-seal"),
            format!("clone -d {golden} {clone} --full"),
            format!("clone -d {golden} {clone} --full --start"),
            format!("clone -d {golden} {clone} --print-xml"),
        ] {
            let what = format!("{}: {command}", case.name);
            let ran = host.lab.fails(9, &command);
            assert!(ran.stderr.contains(says), "{what}: {}", ran.stderr);
            let all = format!("{}{}", ran.stdout, ran.stderr);
            assert!(!all.contains(SECRET), "{what}: {all}");
            assert_eq!(look(&host.place.secret), before, "{what}");
            assert_eq!(host.lab.files(), files, "{what}");
            assert!(!host.lab.is_active(golden), "{what}");
        }
        for command in [
            "list --all".to_owned(),
            format!("show -d {golden}"),
            "tree".to_owned(),
        ] {
            let ran = host.lab.ok(&command);
            assert!(!ran.stdout.contains(SECRET) && !ran.stderr.contains(SECRET));
        }
        // Nor when the domain goes.
        host.lab
            .ok(&format!("delete -d {golden} --yes --keep-storage"));
        assert_eq!(look(&host.place.secret), before, "{}", case.name);
        assert_eq!(host.lab.clones(), [""; 0]);
        host.clear();
        tried += 1;
    }
    assert!(tried > 30, "{tried}");
}

/// The control: what is refused above does happen without vmkin. Which of these
/// the host's libvirt gives away by itself may change with its version; that it
/// gives away none would mean that the test above shows nothing.
#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_libvirt_gives_a_file_of_the_host_away() {
    let host = Host::new("control");
    let before = look(&host.place.secret);
    let mut given_away = Vec::new();
    for case in cases().into_iter().filter(|case| case.lure == Lure::Secret) {
        let image = host.golden(&case);
        let started = host.lab.virsh_start(&host.lab.golden);
        if owner(&host.place.secret) != before.owner {
            given_away.push(case.name);
        }
        if started.is_ok() {
            host.lab.virsh_destroy(&host.lab.golden);
        }
        std::os::unix::fs::chown(&host.place.secret, Some(0), Some(0)).unwrap();
        // And root's own qemu-img reads it, to whomever the copy belongs then.
        let copy = host.place.secret.with_file_name("copy");
        let [from, to] = [&image, &copy].map(|path| path.display().to_string());
        tool(
            "qemu-img",
            &["convert", "-U", "-f", case.format, "-O", "raw", &from, &to],
        );
        assert!(crate::hostile_images::betrays(&copy), "{}", case.name);
        fs::remove_file(copy).unwrap();
        tool("virsh", &["-q", "undefine", &host.lab.golden]);
        host.clear();
    }
    println!("given away by libvirt: {given_away:?}");
    for name in ["backing-absolute", "backing-json", "data-file"] {
        assert!(given_away.contains(&name), "{name}: {given_away:?}");
    }
}
