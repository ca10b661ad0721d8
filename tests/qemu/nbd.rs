//! Golden disks that an NBD server offers, and clones of them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::lab::{Lab, header, look, tool};

/// How long a server may take to listen.
const LISTENING: Duration = Duration::from_secs(20);

/// A server that offers the golden image, gone when this is dropped.
struct Server {
    child: Child,
    /// The golden domain's `<source>` for it.
    source: String,
    /// Its URI, as the header of an overlay has it.
    uri: String,
}

impl Server {
    /// On a socket that QEMU's user may open.
    fn unix(lab: &Lab, name: &str) -> Self {
        let socket = lab.dir.join("nbd server.sock");
        let path = socket.display().to_string();
        let child = serve(lab, &["-x", name, "-k", &path]);
        let since = Instant::now();
        while !socket.exists() {
            assert!(since.elapsed() < LISTENING, "no {path}");
            sleep(Duration::from_millis(50));
        }
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o777)).unwrap();
        Self {
            child,
            source: format!(
                "<source protocol='nbd' name='{name}'>\n        \
                 <host transport='unix' socket='{path}'/>\n      </source>"
            ),
            uri: format!(
                "nbd+unix:///{}?socket={}",
                name.replace(' ', "%20"),
                path.replace(' ', "%20")
            ),
        }
    }

    /// On a port of the loopback device, under no name.
    fn tcp(lab: &Lab, port: u16) -> Self {
        let number = port.to_string();
        let child = serve(lab, &["-b", "127.0.0.1", "-p", &number]);
        let since = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(since.elapsed() < LISTENING, "nobody listens on {port}");
            sleep(Duration::from_millis(50));
        }
        Self {
            child,
            source: format!(
                "<source protocol='nbd'>\n        \
                 <host name='127.0.0.1' port='{port}'/>\n      </source>"
            ),
            uri: format!("nbd://127.0.0.1:{port}"),
        }
    }
}

fn serve(lab: &Lab, args: &[&str]) -> Child {
    #[expect(clippy::disallowed_methods, reason = "a server is no tool that ends")]
    Command::new("qemu-nbd")
        .args(["-f", "qcow2", "--read-only", "--persistent", "--shared=10"])
        .args(args)
        .arg(lab.image())
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Puts the golden domain on the network.
fn redefine(lab: &Lab, source: &str) {
    let file = format!("<source file='{}'/>", lab.image().display());
    let mut xml = lab.recipe.clone();
    for (from, to) in [
        (file.as_str(), source),
        ("<disk type='file'", "<disk type='network'"),
        ("type='qcow2'", "type='raw'"),
    ] {
        assert!(xml.contains(from), "{from} is not in\n{xml}");
        xml = xml.replace(from, to);
    }
    if let Some(uuid) = lab.facts(&lab.golden).uuid {
        xml = xml.replace("</name>", &format!("</name><uuid>{uuid}</uuid>"));
    }
    lab.define(&xml);
}

/// Clones, judges, boots and deletes clones of what a server offers.
fn clones_of(lab: &Lab, server: &Server) {
    redefine(lab, &server.source);
    let before = look(&lab.image());
    let (one, two) = (lab.name("a"), lab.name("b"));
    let dir = lab.dir.display().to_string();

    let refused = lab.fails(2, &format!("clone -d {} {one}", lab.golden));
    assert!(refused.stderr.contains("--dir"), "{}", refused.stderr);
    let made = lab.ok(&format!("clone -d {} {one} {two} --dir {dir}", lab.golden));
    let warnings = made.stderr.lines().filter(|l| l.contains(&server.uri));
    assert_eq!(warnings.count(), 1, "{}", made.stderr);

    let overlay = lab.dir.join(format!("{one}.qcow2"));
    let head = header(&overlay);
    assert_eq!(head["backing-filename"], server.uri.as_str());
    assert_eq!(head["backing-filename-format"], "raw");
    // By the header, and by the XML.
    tool(
        "qemu-img",
        &[
            "compare",
            "-f",
            "qcow2",
            "-F",
            "qcow2",
            &lab.image().display().to_string(),
            &overlay.display().to_string(),
        ],
    );
    lab.same_contents(&one, &lab.image());
    // Libvirt has indented it anew.
    let plain = |xml: &str| xml.lines().map(str::trim).collect::<String>();
    let xml = lab.xml(&one);
    assert!(plain(&xml).contains(&plain(&server.source)), "{xml}");
    let lineage = lab.facts(&one).lineage.unwrap();
    assert!(lineage.disks[0].bases.is_empty());
    assert_eq!(lineage.disks[0].export.as_deref(), Some(&*server.uri));
    for command in ["list --all", &format!("show -d {one}")] {
        let out = lab.ok(command).stdout;
        assert!(out.contains(&server.uri), "{out}");
    }
    let shown = lab.ok(&format!("show -d {}", lab.golden)).stdout;
    assert!(shown.contains(&two), "{shown}");

    lab.ok(&format!("start -d {one}"));
    lab.ready(&one);
    lab.virsh_destroy(&one);
    let refused = lab.fails(6, &format!("start -d {}", lab.golden));
    assert!(refused.stderr.contains(&server.uri), "{}", refused.stderr);

    // A clone of the clone: two overlays over the export.
    let deeper = lab.name("c");
    lab.ok(&format!("clone -d {two} {deeper} --no-seal"));
    lab.same_contents(&deeper, &lab.image());
    lab.ok(&format!("start -d {deeper}"));
    lab.ready(&deeper);
    lab.virsh_destroy(&deeper);
    lab.fails(6, &format!("delete --yes -d {two}"));

    // What QEMU could only copy by the header.
    lab.fails(4, &format!("clone --full -d {two} {}", lab.name("x")));
    let full = lab.name("f");
    lab.ok(&format!(
        "clone --full -d {} {full} --dir {dir}",
        lab.golden
    ));
    lab.same_contents(&full, &lab.image());
    // Their files are read through the export as out of a copy.
    let files = |name: &str| lab.ok(&format!("ls -lR -d {name} /")).stdout;
    assert!(files(&full).contains("etc"), "{}", files(&full));
    assert_eq!(files(&two), files(&full));
    for name in [&deeper, &two, &one, &full] {
        lab.ok(&format!("delete --yes -d {name} --remove-all-storage"));
    }
    assert_eq!(lab.clones(), [""; 0]);
    let left: Vec<String> = lab
        .files()
        .into_iter()
        .filter(|f| !f.ends_with(".sock"))
        .collect();
    assert_eq!(left, ["golden.qcow2"]);
    assert_eq!(look(&lab.image()), before);
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_nbd_exports_on_a_socket_are_cloned() {
    let lab = Lab::new("nbdunix");
    let server = Server::unix(&lab, "golden disk");
    clones_of(&lab, &server);
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_nbd_exports_on_a_port_are_cloned() {
    let lab = Lab::new("nbdtcp");
    let server = Server::tcp(&lab, 10_899);
    clones_of(&lab, &server);
    // The server is gone.
    drop(server);
    let dir = lab.dir.display();
    let refused = lab.fails(
        8,
        &format!("clone -d {} {} --dir {dir}", lab.golden, lab.name("a")),
    );
    assert!(
        refused.stderr.contains("nbd://127.0.0.1:10899"),
        "{}",
        refused.stderr
    );
    assert_eq!(lab.files(), ["golden.qcow2"]);
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_nbd_names_in_a_header_lead_nowhere_else() {
    let lab = Lab::new("nbdtrust");
    let server = Server::unix(&lab, "golden");
    redefine(&lab, &server.source);
    let clone = lab.name("a");
    let dir = lab.dir.display();
    lab.ok(&format!("clone -d {} {clone} --dir {dir}", lab.golden));
    let overlay = lab.dir.join(format!("{clone}.qcow2")).display().to_string();
    // What a guest that broke out into QEMU could write there.
    let other = server.uri.replace("golden?", "other?");
    for (name, format) in [(other.as_str(), "raw"), (&server.uri, "qcow2")] {
        let rebase = [
            "rebase", "-u", "-f", "qcow2", "-F", format, "-b", name, &overlay,
        ];
        tool("qemu-img", &rebase);
        lab.fails(9, &format!("start -d {clone}"));
        lab.ok("list --all");
    }
    let rebase = [
        "rebase",
        "-u",
        "-f",
        "qcow2",
        "-F",
        "raw",
        "-b",
        &server.uri,
        &overlay,
    ];
    tool("qemu-img", &rebase);
    lab.ok(&format!("start -d {clone}"));
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_nbd_and_other_networks_that_cannot_be_a_base_are_refused() {
    let lab = Lab::new("nbdrefused");
    let dir = lab.dir.display().to_string();
    let host = "<host name='127.0.0.1' port='1'/>";
    for (source, format, why) in [
        (
            format!("protocol='rbd' name='p/i'>{host}"),
            "raw",
            "rbd:p/i",
        ),
        (
            format!("protocol='iscsi' name='iqn.2013-07.com.example:t/1'>{host}"),
            "raw",
            "'iscsi'",
        ),
        (
            format!("protocol='https' name='d.img'>{host}"),
            "raw",
            "'https'",
        ),
        (
            format!("protocol='ssh' name='/d.img'>{host}"),
            "raw",
            "'ssh'",
        ),
        (
            format!("protocol='gluster' name='v/d'>{host}"),
            "raw",
            "'gluster'",
        ),
        (format!("protocol='nbd' tls='yes'>{host}"), "raw", "TLS"),
        (
            format!(
                "protocol='nbd'>{host}<slices><slice type='storage' offset='0' size='512'/></slices>"
            ),
            "raw",
            "slices",
        ),
        (format!("protocol='nbd'>{host}"), "qcow2", "qcow2"),
    ] {
        redefine(&lab, &format!("<source {source}</source>"));
        if format != "raw" {
            lab.define(&lab.golden_xml().replace("type='raw'", "type='qcow2'"));
        }
        let words = format!("clone -d {} {} --dir {dir}", lab.golden, lab.name("a"));
        let refused = lab.fails(4, &words);
        assert!(refused.stderr.contains(why), "{why}: {}", refused.stderr);
        assert!(refused.stderr.contains("--share vda"), "{}", refused.stderr);
    }
    assert_eq!(lab.files(), ["golden.qcow2"]);
}
