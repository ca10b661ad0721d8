//! An ordinary user, whose libvirt is `qemu:///session`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lab::{Lab, Ran, look};

/// `nobody`, who has no rights of any kind.
const UID: u32 = 65534;

/// A home of that user's, with the program in it.
struct User {
    home: PathBuf,
}

impl User {
    fn new() -> Self {
        let home = PathBuf::from("/tmp/vmkin-session");
        drop(fs::remove_dir_all(&home));
        for dir in ["run", "img"] {
            fs::create_dir_all(home.join(dir)).unwrap();
        }
        fs::set_permissions(home.join("run"), fs::Permissions::from_mode(0o700)).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_vmkin"), home.join("vmkin")).unwrap();
        Self { home }
    }

    #[track_caller]
    fn run(&self, program: &str, args: &str) -> Ran {
        let id = UID.to_string();
        #[expect(clippy::disallowed_methods, reason = "the program under test")]
        let output = Command::new("setpriv")
            .args(["--reuid", &id, "--regid", &id, "--clear-groups", program])
            .args(args.split_whitespace())
            .env_clear()
            .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
            .env("HOME", &self.home)
            .env("XDG_RUNTIME_DIR", self.home.join("run"))
            .current_dir(&self.home)
            .output()
            .unwrap();
        let ran = Ran::new(&output);
        assert_eq!(
            ran.code,
            Some(0),
            "{program} {args}\n{}{}",
            ran.stdout,
            ran.stderr
        );
        ran
    }

    fn vmkin(&self, args: &str) -> Ran {
        self.run("./vmkin", args)
    }
}

/// Gives the user a directory with all that is in it.
fn give_away(path: &Path) {
    chown(path, Some(UID), Some(UID)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give_away(&entry.unwrap().path());
        }
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let id = UID.to_string();
        #[expect(clippy::disallowed_methods, reason = "the session's daemon goes too")]
        let killed = Command::new("pkill").args(["-u", &id]).status();
        drop(killed);
        drop(fs::remove_dir_all(&self.home));
    }
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_an_ordinary_user_clones_in_a_session() {
    let lab = Lab::new("session");
    let user = User::new();
    let img = user.home.join("img");
    for file in ["golden.qcow2", "vmlinuz", "initrd"] {
        fs::copy(lab.source.join(file), img.join(file)).unwrap();
    }
    let image = img.join("golden.qcow2");
    fs::set_permissions(&image, fs::Permissions::from_mode(0o600)).unwrap();
    let xml = fs::read_to_string(lab.source.join("golden.xml"))
        .unwrap()
        .replace(
            &lab.source.display().to_string(),
            &img.display().to_string(),
        )
        .replace("<interface type='network'>", "<interface type='user'>")
        .replace("<source network='default'/>", "");
    fs::write(user.home.join("golden.xml"), xml).unwrap();
    give_away(&user.home);
    let before = look(&image);
    user.run("virsh", "define golden.xml");

    user.vmkin("clone -d golden --name s-{n} --count 3");
    assert_eq!(fs::metadata(&image).unwrap().mode() & 0o777, 0o444);
    assert!(user.home.join(".local/state/vmkin/bases").is_dir());
    user.vmkin("start -d s-1");
    let log = img.join("s-1.log");
    for _ in 0..600 {
        if fs::read_to_string(&log).is_ok_and(|text| text.contains("VMKIN-READY")) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    let text = String::from_utf8_lossy(&fs::read(&log).unwrap()).into_owned();
    assert!(text.contains("VMKIN-READY"), "{text}");
    user.vmkin("delete --yes --force -d s-1 s-2 s-3");
    user.vmkin("base unseal -d golden");
    assert_eq!(look(&image), before);
}
