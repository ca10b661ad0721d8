//! Volumes and clones on another host, made through its libvirtd.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use vmkin::error::Kind;
use vmkin::hypervisor::{Connection, Hypervisor as _, Volumes as _};
use vmkin::model::NewVolume;

use crate::far::Far;
use crate::lab::{Lab, Ran, header, tool};

/// A host elsewhere with a golden domain, and where its images really are.
struct There {
    lab: Lab,
    far: Far,
    real: PathBuf,
}

/// A host with the golden domain of a lab, and the directory that its images are in.
pub fn with_golden(host: &str, lab: &Lab) -> (Far, PathBuf) {
    give_images(host, lab, |real| Far::start(host, real))
}

/// The same of a host that `start` makes.
pub fn give_images(host: &str, lab: &Lab, start: impl Fn(&Path) -> Far) -> (Far, PathBuf) {
    let real = lab.dir.join(host);
    fs::create_dir_all(&real).unwrap();
    fs::copy(lab.image(), real.join("golden.qcow2")).unwrap();
    let source = PathBuf::from(std::env::var_os("VMKIN_GOLDEN_DIR").unwrap());
    for name in ["vmlinuz", "initrd"] {
        fs::copy(source.join(name), real.join(name)).unwrap();
    }
    let far = start(&real);
    give_golden(&far, lab);
    (far, real)
}

/// Defines what such a host has to know.
pub fn give_golden(far: &Far, lab: &Lab) {
    let source = PathBuf::from(std::env::var_os("VMKIN_GOLDEN_DIR").unwrap());
    let xml = lab
        .golden_xml()
        .replace(&lab.dir.display().to_string(), &far.at(""))
        .replace(&source.display().to_string(), &far.at(""))
        .replace("<interface type='network'>", "<interface type='user'>")
        .replace("<source network='default'/>", "");
    far.define(&xml);
    far.virsh(&["pool-create-as", "far", "dir", "--target", &far.at("")]);
}

impl There {
    fn new(test: &str) -> Self {
        let lab = Lab::new(test);
        let (far, real) = with_golden(test, &lab);
        // What has the name of its image here is another.
        fs::write(far.at("golden.qcow2"), "not this one").unwrap();
        Self { lab, far, real }
    }

    fn on(&self, args: &str) -> String {
        format!("-c {} {args}", self.far.uri)
    }

    fn domains(&self) -> BTreeSet<String> {
        let names = self.far.virsh(&["list", "--all", "--name"]);
        let names = names.lines().filter(|name| name.contains("-golden-"));
        names.map(str::to_owned).collect()
    }

    fn overlays(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(&self.real).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let stems = names.filter_map(|name| Some(name.strip_suffix(".qcow2")?.to_owned()));
        stems.filter(|name| name != "golden").collect()
    }

    /// All files of its pool, but for what guests print.
    fn all(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(&self.real).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !name.ends_with(".log")).collect()
    }

    /// Nothing of that host has been written here.
    fn nothing_here(&self) {
        let here = fs::read_dir(&self.far.images).unwrap();
        let here: Vec<_> = here.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(here, ["golden.qcow2"]);
        let decoy = fs::read(self.far.at("golden.qcow2")).unwrap();
        assert_eq!(decoy, b"not this one");
        assert_eq!(self.lab.journals(), 0);
    }
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_twenty_clones_there_and_two_of_them_boot() {
    let there = There::new("farclone");
    let golden = &there.lab.golden;
    let before = fs::read(there.real.join("golden.qcow2")).unwrap();
    let pattern = there.lab.name("{n:02}");
    let clone = there.on(&format!("clone -d {golden} --name {pattern}"));
    let steps = there.lab.ok(&format!("{clone} --count 20 --dry-run"));
    assert_eq!(steps.stdout.matches("define domain").count(), 20);
    assert!(there.overlays().is_empty());
    let made = there.lab.ok(&format!("{clone} --count 2 --start"));
    assert_eq!(made.stdout.lines().count(), 2);
    assert_eq!(
        made.stderr.matches("cannot be locked").count(),
        1,
        "{}",
        made.stderr
    );
    let running = there.lab.fails(
        4,
        &format!("{} -d {}", there.on("clone"), there.lab.name("01")),
    );
    assert!(running.stderr.contains("shut off"), "{}", running.stderr);
    for (code, what) in [
        (2, "--full --file /mine.qcow2"),
        (8, "--full --reflink always"),
        (8, "--tpm copy"),
        (8, "--identity offline"),
        (2, "--dir here"),
        (4, "--dir /nowhere"),
        (3, "--pool none"),
    ] {
        let refused = there.lab.fails(code, &format!("{clone} --from 3 {what}"));
        assert!(refused.stderr.contains("hint:") || code == 2, "{what}");
    }
    there.lab.ok(&format!("{clone} --count 18 --from 3"));
    assert_eq!(there.domains().len(), 20);
    assert_eq!(there.overlays(), there.domains());
    let taken = there.lab.fails(5, &clone);
    assert!(taken.stderr.contains("-01"), "{}", taken.stderr);

    for name in there.domains().iter().skip(2) {
        let image = there.real.join(format!("{name}.qcow2"));
        let base = there.far.at("golden.qcow2");
        assert_eq!(header(&image)["backing-filename"], base.as_str());
        assert_eq!(header(&image)["backing-filename-format"], "qcow2");
    }
    let (one, two) = (there.lab.name("03"), there.far.at("golden.qcow2"));
    let one = there.far.at(&format!("{one}.qcow2"));
    there.far.tool(&[
        "qemu-img", "compare", "-f", "qcow2", "-F", "qcow2", &one, &two,
    ]);
    there.far.tool(&["qemu-img", "check", "-f", "qcow2", &one]);
    let listed = there.far.virsh(&["vol-dumpxml", &one]);
    assert!(
        listed.contains("<format type='qcow2'/>") && listed.contains(&two),
        "{listed}"
    );

    let [first, second] = ["01", "02"].map(|number| {
        let name = there.lab.name(number);
        there
            .lab
            .ready_within(&format!("farclone/{name}"), Duration::from_secs(120))
    });
    assert_ne!(first["mac"], second["mac"]);
    let xml = there.far.virsh(&["dumpxml", &there.lab.name("01")]);
    assert!(
        xml.contains(&first["mac"]) && xml.contains("vmkin:base"),
        "{xml}"
    );
    assert!(fs::read(there.real.join("golden.qcow2")).unwrap() == before);

    let (running, off): (Vec<String>, Vec<String>) = there
        .domains()
        .into_iter()
        .partition(|name| name.ends_with("01") || name.ends_with("02"));
    let running = running.join(" ");
    there
        .lab
        .ok(&there.on(&format!("delete -y -d {}", off.join(" "))));
    there
        .lab
        .fails(4, &there.on(&format!("delete -y -d {running}")));
    assert_eq!(there.overlays().len(), 2, "those that run");
    there
        .lab
        .ok(&there.on(&format!("delete -y --destroy -d {running}")));
    assert!(there.overlays().is_empty() && there.domains().is_empty());
    assert!(fs::read(there.real.join("golden.qcow2")).unwrap() == before);
    there.nothing_here();
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_clones_there_are_taken_back_after_a_kill() {
    let there = There::new("farkill");
    let golden = &there.lab.golden;
    // UEFI variables, and a disk that tells the guest who it is.
    let variables: Vec<u8> = (0..131_072_u32).map(|n| (n % 253) as u8).collect();
    fs::write(there.real.join("VARS.fd"), &variables).unwrap();
    there.far.virsh(&["pool-refresh", "far"]);
    let os = "<os firmware='efi'>";
    let xml = there.far.virsh(&["dumpxml", "--inactive", golden]);
    assert!(!xml.contains(os));
    let nvram = format!(
        "<loader readonly='yes' type='pflash'>/usr/share/x</loader><nvram>{}</nvram></os>",
        there.far.at("VARS.fd")
    );
    there.far.define(&xml.replace("</os>", &nvram));
    let pattern = there.lab.name("{n}");
    let clone = there.on(&format!(
        "clone -d {golden} --name {pattern} --count 4 --identity cloud-init"
    ));
    for (point, whole) in [
        ("clone.journal", 0),
        ("clone.file@3", 0),
        ("clone.made", 0),
        ("clone.renamed@5", 0),
        ("clone.defined", 1),
        ("clone.done", 4),
    ] {
        let killed = there.lab.vmkin_with(&format!("{point}=kill"), &clone);
        assert_eq!(killed.code, None, "{point}: {}", killed.stderr);
        there.lab.ok("recover");
        let there_now = there.domains();
        assert!(there_now.len() >= whole, "{point}: {there_now:?}");
        assert!(whole != 0 || there_now.is_empty(), "{point}: {there_now:?}");
        assert_eq!(there.overlays(), there_now, "{point}");
        for name in &there_now {
            let copy = fs::read(there.real.join(format!("{name}_VARS.fd"))).unwrap();
            assert!(copy == variables, "{point}: {name}");
            let seed = fs::read(there.real.join(format!("{name}-seed.img"))).unwrap();
            assert!(seed.windows(6).any(|part| part == b"CIDATA"), "{point}");
        }
        // And a deletion is killed likewise.
        for (name, point) in there_now
            .iter()
            .zip(["delete.undefined", "delete.file", "none"])
        {
            let delete = there.on(&format!("delete -y -d {name}"));
            there.lab.vmkin_with(&format!("{point}=kill"), &delete);
            there.lab.ok("recover");
            assert!(!there.overlays().contains(name), "{point}");
            assert!(
                !there.real.join(format!("{name}_VARS.fd")).exists(),
                "{point}"
            );
            assert!(
                !there.real.join(format!("{name}-seed.img")).exists(),
                "{point}"
            );
        }
        for name in there.domains() {
            there.lab.ok(&there.on(&format!("delete -y -d {name}")));
        }
        let left = fs::read_dir(&there.real).unwrap().count();
        assert_eq!(
            left, 4,
            "{point}: golden.qcow2, its variables, vmlinuz, initrd"
        );
        there.nothing_here();
    }
    // One that fails is taken back at once.
    let failed = there.lab.vmkin_with("clone.renamed@7=error", &clone);
    assert_ne!(failed.code, Some(0), "{}", failed.stderr);
    assert!(there.overlays().is_empty() && there.domains().is_empty());
    there.nothing_here();
}

/// Lets that host end no copy as long as the file `gate` is there.
fn hold_copies(there: &There) -> PathBuf {
    let (gate, program) = (there.real.join("gate"), there.real.join("qemu-img"));
    fs::copy("/usr/bin/qemu-img", there.real.join("qemu-img.real")).unwrap();
    let script = format!(
        "#!/bin/sh\n{0} \"$@\"\ncode=$?\nwhile [ -e {1} ]; do sleep 0.1; done\nexit $code\n",
        there.far.at("qemu-img.real"),
        there.far.at("gate")
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let program = there.far.at("qemu-img");
    there
        .far
        .tool(&["mount", "--bind", &program, "/usr/bin/qemu-img"]);
    gate
}

/// Waits until what libvirt copies has begun to be there.
fn wait_for_copy(there: &There, of: &str) {
    let since = Instant::now();
    while !there.overlays().iter().any(|name| name.starts_with(of)) {
        assert!(since.elapsed() < Duration::from_secs(60), "no copy begins");
        sleep(Duration::from_millis(20));
    }
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_full_clone_there_is_copied_by_libvirt_and_stands_alone() {
    let there = There::new("farfull");
    let (lab, far) = (&there.lab, &there.far);
    let golden = &lab.golden;
    // An overlay, and a raw disk with a hole.
    fs::rename(there.real.join("golden.qcow2"), there.real.join("base")).unwrap();
    let (top, base) = (far.at("golden.qcow2"), far.at("base"));
    let create = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2"];
    far.tool(&[&create[..], &["-b", &base, &top]].concat());
    let raw = fs::File::create(there.real.join("data.raw")).unwrap();
    raw.write_all_at(&[5; 4096], 1 << 20).unwrap();
    raw.set_len(64 << 20).unwrap();
    far.virsh(&["pool-refresh", "far"]);
    let disk = format!(
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{}'/>\
         <target dev='vdb' bus='virtio'/></disk></devices>",
        far.at("data.raw")
    );
    let xml = far.virsh(&["dumpxml", "--inactive", golden]);
    far.define(&xml.replace("</devices>", &disk));
    let gate = hold_copies(&there);
    let before = there.all();
    let name = lab.name("one");
    let clone = there.on(&format!("clone -d {golden} {name} --full"));

    // Killed while libvirt copies, which goes on.
    fs::write(&gate, "").unwrap();
    let mut killed = lab.spawn(&clone);
    wait_for_copy(&there, &name);
    killed.kill().unwrap();
    killed.wait().unwrap();
    let busy = lab.fails(11, "recover");
    assert!(busy.stderr.contains("still copies"), "{}", busy.stderr);
    fs::remove_file(&gate).unwrap();
    let since = Instant::now();
    while lab.vmkin("recover").code != Some(0) {
        assert!(since.elapsed() < Duration::from_secs(60), "it stays");
        sleep(Duration::from_millis(100));
    }
    assert_eq!(there.all(), before);

    // Interrupted.
    fs::write(&gate, "").unwrap();
    let stopped = lab.spawn(&clone);
    wait_for_copy(&there, &name);
    tool("kill", &["-INT", &stopped.id().to_string()]);
    sleep(Duration::from_secs(1));
    fs::remove_file(&gate).unwrap();
    let stopped = Ran::new(&stopped.wait_with_output().unwrap());
    assert_eq!(stopped.code, Some(130), "{}", stopped.stderr);
    assert!(
        stopped.stderr.contains("cannot be stopped"),
        "{}",
        stopped.stderr
    );
    assert_eq!(there.all(), before);
    assert!(there.domains().is_empty());

    let made = lab.ok(&clone);
    let says = made.stderr.matches("Libvirt copies").count();
    assert_eq!(says, 2, "{}", made.stderr);
    let new: Vec<String> = there.all().difference(&before).cloned().collect();
    let [data, disk] = [".raw", ".qcow2"].map(|end| {
        let mut new = new.iter().filter(|new| new.ends_with(end));
        new.next().unwrap_or_else(|| panic!("{end}: {new:?}"))
    });
    let told = header(&there.real.join(disk));
    assert!(told["backing-filename"].is_null(), "{told}");
    assert_eq!(told["format-specific"]["data"]["compat"], "1.1", "{told}");
    let compare = ["qemu-img.real", "compare", "-f", "qcow2", "-F", "qcow2"];
    let compare = compare.map(|word| word.replace("qemu-img.real", &far.at("qemu-img.real")));
    let mut words: Vec<&str> = compare.iter().map(String::as_str).collect();
    let copy = far.at(disk);
    words.extend([copy.as_str(), &top]);
    far.tool(&words);
    let [one, other] = [data.as_str(), "data.raw"].map(|name| there.real.join(name));
    assert!(fs::read(&one).unwrap() == fs::read(other).unwrap());
    let takes = fs::metadata(&one).unwrap().blocks() * 512;
    assert!(takes < 1 << 20, "the hole is filled: {takes}");

    // It has all that it needs.
    fs::rename(there.real.join("base"), there.real.join("gone")).unwrap();
    lab.ok(&there.on(&format!("start -d {name}")));
    let guest = lab.ready_within(&format!("farfull/{name}"), Duration::from_secs(120));
    let xml = far.virsh(&["dumpxml", &name]);
    assert!(xml.contains(&guest["mac"]), "{xml}");
    lab.ok(&there.on(&format!("delete -y --destroy -d {name}")));
    fs::rename(there.real.join("gone"), there.real.join("base")).unwrap();
    assert_eq!(there.all(), before);
    there.nothing_here();
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_guests_are_imported_there_and_one_boots() {
    let there = There::new("farimport");
    let (lab, far) = (&there.lab, &there.far);
    for name in ["disk.qcow2", "base.qcow2"] {
        fs::copy(lab.image(), there.real.join(name)).unwrap();
    }
    let create = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2"];
    let (golden, above) = (far.at("golden.qcow2"), far.at("above.qcow2"));
    far.tool(&[&create[..], &["-b", &golden, &above]].concat());
    far.virsh(&["pool-refresh", "far"]);
    let files = || there.all();
    let before = files();
    let base = fs::read(there.real.join("base.qcow2")).unwrap();
    let xml = far.virsh(&["dumpxml", &lab.golden]);
    let import = |failpoints: &str, name: &str, args: &str| {
        let args = format!(
            "-c {} --name {name} --memory 256 --network user --virt-type qemu {args}",
            far.uri
        );
        lab.import_like(&xml, failpoints, &args)
    };
    let [one, two, three] = ["one", "two", "three"].map(|name| lab.name(name));

    for (code, disk, says) in [
        (4, lab.image().display().to_string(), "storage pool"),
        (4, format!("backing={}", lab.image().display()), "base push"),
        (5, golden.clone(), "is a disk of domain"),
        (5, format!("{above},size=1"), "exists already"),
        (2, "disk.qcow2".to_owned(), "absolute path"),
    ] {
        let refused = import("", &one, &format!("--disk {disk}"));
        assert_eq!(refused.code, Some(code), "{disk}: {}", refused.stderr);
        assert!(refused.stderr.contains(says), "{disk}: {}", refused.stderr);
    }
    // An overlay that no domain has is seen by what libvirt says of its volume.
    far.virsh(&["undefine", &lab.golden]);
    let refused = import("", &one, &format!("--disk {golden}"));
    assert_eq!(refused.code, Some(6), "{}", refused.stderr);
    assert!(refused.stderr.contains(&above), "{}", refused.stderr);

    let disk = format!(
        "--disk vol=far/disk.qcow2 --console pty,log={}",
        far.at(&format!("{one}.log"))
    );
    let made = import("", &one, &format!("{disk} --start"));
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let disks = format!(
        "--disk backing={},size=2 --disk size=1,format=raw,pool=far --boot uefi",
        far.at("base.qcow2")
    );
    let second = format!(
        "import -c {} --name {two} --virt-type qemu --network user {disks}",
        far.uri
    );
    let steps = lab.ok(&format!("{second} --dry-run"));
    assert!(steps.stdout.contains("create overlay"), "{}", steps.stdout);
    let printed = lab.ok(&format!("{second} --print-xml"));
    assert!(printed.stdout.contains("base.qcow2"), "{}", printed.stdout);
    let clone = there.on(&format!("clone --base {} {three}", far.at("base.qcow2")));
    let steps = lab.ok(&format!("{clone} --dry-run"));
    assert!(steps.stdout.contains("create overlay"), "{}", steps.stdout);
    let steps = lab.ok(&format!("{clone} --full --dry-run"));
    assert!(steps.stdout.contains("copy "), "{}", steps.stdout);
    assert_eq!(files(), before);
    for (point, whole) in [
        ("clone.journal", false),
        ("clone.file@2", false),
        ("clone.made", false),
        ("clone.renamed", false),
        ("clone.defined", true),
    ] {
        let killed = lab.vmkin_with(&format!("{point}=kill"), &second);
        assert_eq!(killed.code, None, "{point}: {}", killed.stderr);
        lab.ok("recover");
        assert_eq!(there.domains().contains(&two), whole, "{point}");
        let new: Vec<String> = files().difference(&before).cloned().collect();
        if whole {
            assert_eq!(new, [format!("{two}-vdb.raw"), format!("{two}.qcow2")]);
        } else {
            assert!(new.is_empty(), "{point}: {new:?}");
        }
    }
    let overlay = there.real.join(format!("{two}.qcow2"));
    assert_eq!(
        header(&overlay)["backing-filename"],
        far.at("base.qcow2").as_str()
    );
    assert_eq!(header(&overlay)["virtual-size"], 2_u64 << 30);
    let raw = fs::metadata(there.real.join(format!("{two}-vdb.raw"))).unwrap();
    assert_eq!(raw.len(), 1 << 30);
    let refused = import("", &three, &format!("--disk {}", far.at("base.qcow2")));
    assert_eq!(refused.code, Some(6), "{}", refused.stderr);
    assert!(refused.stderr.contains(&two), "{}", refused.stderr);
    // Its variables are made by libvirt, when it is started.
    lab.ok(&there.on(&format!("start -d {two}")));
    let running = far.virsh(&["dumpxml", &two]);
    let (_, nvram) = running.split_once("<nvram").unwrap();
    let nvram = nvram.split(['>', '<']).nth(1).unwrap();
    far.tool(&["test", "-s", nvram]);
    lab.ok(&there.on(&format!("delete -y --destroy -d {two}")));

    let guest = lab.ready_within(&format!("farimport/{one}"), Duration::from_secs(120));
    let xml = far.virsh(&["dumpxml", &one]);
    assert!(xml.contains(&guest["mac"]), "{xml}");
    assert!(xml.contains("type='qcow2'"), "by its header: {xml}");
    lab.ok(&there.on(&format!("delete -y --destroy -d {one}")));
    // What was there before stays.
    assert_eq!(files(), before);
    assert!(fs::read(there.real.join("base.qcow2")).unwrap() == base);
    there.nothing_here();
}

#[test]
#[ignore = "needs a private libvirtd"]
fn a_volume_there_is_made_written_and_deleted() {
    let real = tempfile::tempdir().unwrap();
    let far = Far::start("far-volumes", real.path());
    let images = far.images.display().to_string();
    far.virsh(&["pool-create-as", "far", "dir", "--target", &images]);
    let there = Connection::open(Some(&far.uri)).unwrap();
    assert!(!there.is_local());
    let facts = there.pool_facts("far").unwrap();
    assert_eq!(facts.directory.as_ref(), Some(&far.images));
    assert!(facts.available > 1 << 20, "{facts:?}");

    let mut new = NewVolume::raw("a.img", 3 << 20);
    new.mode = Some(0o640);
    let volume = there.create_volume("far", &new).unwrap();
    let again = there.create_volume("far", &new).unwrap_err();
    assert_eq!(again.kind(), Kind::Exists, "{again}");
    // More than one message holds, and not to the end.
    let bytes: Vec<u8> = (0..2_000_001_u32).map(|n| (n % 251) as u8).collect();
    volume.write(5, &bytes).unwrap();
    let file = fs::read(real.path().join("a.img")).unwrap();
    assert_eq!(file.len(), 3 << 20);
    assert!(file[5..5 + bytes.len()] == bytes, "something else");
    assert_eq!(file[..5], [0; 5]);
    assert_eq!(volume.facts().unwrap().size, 3 << 20);
    // What ends too early is an error, and the connection goes on.
    let short = volume.upload(0, 1 << 20, &mut &b"abc"[..]).unwrap_err();
    assert_eq!(short.kind(), Kind::Storage, "{short}");

    // A file that libvirt has not seen, and that stays what it is.
    fs::write(real.path().join("b.img"), "mine").unwrap();
    let unseen = there.create_volume("far", &NewVolume::raw("b.img", 8));
    assert_eq!(unseen.unwrap_err().kind(), Kind::Exists);
    assert_eq!(fs::read(real.path().join("b.img")).unwrap(), b"mine");
    there.refresh_pool("far").unwrap();
    let listed = there.volumes_of("far").unwrap();
    let mut names: Vec<&str> = listed.iter().map(|volume| volume.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["a.img", "b.img"]);

    let found = there.volume_at(&far.images.join("a.img")).unwrap();
    found.unwrap().delete().unwrap();
    assert!(!real.path().join("a.img").exists());
    assert!(there.volume_in("far", "a.img").unwrap().is_none());
    assert!(!far.images.join("a.img").exists(), "it was made here");
}
