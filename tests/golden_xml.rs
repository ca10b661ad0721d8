//! Whole documents: what a clone's XML looks like, and that libvirt takes it.
//!
//! `VMKIN_BLESS=1 cargo test --test golden_xml` writes the expected files
//! anew; read the difference before you commit it. The test driver of libvirt
//! has its own idea of devices, so what QEMU's driver makes of these files is
//! for the tests that start a libvirtd.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use uuid::Uuid;
use virt::connect::Connect;
use vmkin::model::{
    BaseIdentity, BaseRecord, CloneMode, DiskSource, DomainName, FileId, ImageFormat, Lineage,
    LineageDisk, Mac, NbdExport, NbdServer,
};
use vmkin::xml::domain::{
    BackingLayer, CloneSpec, HostdevRule, NewDisk, NoteKind, Rewriter, Rewritten, read, rewrite,
};

/// The documents that are rewritten, and how.
const CASES: [&str; 5] = [
    "kitchen-sink",
    "nvram-text",
    "minimal",
    "one-line",
    "network",
];

fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(file)
}

fn source(case: &str) -> String {
    fs::read_to_string(golden(&format!("{case}.xml"))).unwrap()
}

fn base(path: &str) -> BackingLayer {
    BackingLayer {
        source: DiskSource::File(path.into()),
        format: ImageFormat::Raw,
        keep_owner: true,
    }
}

fn export(server: NbdServer, name: &str) -> BackingLayer {
    BackingLayer {
        source: DiskSource::Network(NbdExport::new(server, name).unwrap().into()),
        format: ImageFormat::Raw,
        keep_owner: false,
    }
}

fn tcp(host: &str, port: u16) -> NbdServer {
    let host = host.to_owned();
    NbdServer::Tcp { host, port }
}

fn file(target: &str, path: &str, backing: Vec<BackingLayer>) -> NewDisk {
    NewDisk {
        target: target.parse().unwrap(),
        source: DiskSource::File(path.into()),
        format: ImageFormat::Qcow2,
        backing,
        chain_known: true,
    }
}

fn disks(case: &str) -> Vec<NewDisk> {
    let first = |path| vec![file("vda", "/srv/images/web-01.qcow2", vec![base(path)])];
    match case {
        "kitchen-sink" => vec![
            file(
                "vda",
                "/srv/images/web-01.qcow2",
                vec![base("/srv/images/golden.img")],
            ),
            NewDisk {
                source: DiskSource::Volume {
                    pool: "default".to_owned(),
                    volume: "web-01-vdb.qcow2".to_owned(),
                },
                ..file("vdb", "", Vec::new())
            },
            NewDisk {
                backing: vec![BackingLayer {
                    source: DiskSource::Block("/dev/vg/golden".into()),
                    ..base("")
                }],
                ..file("sda", "/srv/images/web-01-sda.qcow2", Vec::new())
            },
            NewDisk {
                format: ImageFormat::Raw,
                ..file("vdc", "/srv/images/web-01-vdc, \"&<'.img", Vec::new())
            },
            NewDisk {
                chain_known: false,
                ..file("vdd", "/srv/images/web-01-vdd.qcow2", Vec::new())
            },
        ],
        "network" => vec![
            file(
                "vda",
                "/srv/images/web-01.qcow2",
                vec![export(tcp("nas.example", 10_810), "golden disk")],
            ),
            file(
                "vdb",
                "/srv/images/web-01-vdb.qcow2",
                vec![export(NbdServer::Unix("/run/nbd.sock".to_owned()), "")],
            ),
            file(
                "vdc",
                "/srv/images/web-01-vdc.qcow2",
                vec![
                    BackingLayer {
                        format: ImageFormat::Qcow2,
                        ..base("/srv/images/golden-vdc.qcow2")
                    },
                    export(tcp("::1", NbdExport::PORT), "deep"),
                ],
            ),
        ],
        "minimal" => Vec::new(),
        _ => first("/srv/images/golden.img"),
    }
}

fn lineage(case: &str) -> Lineage {
    Lineage {
        golden_name: "gold&en\t'1'".to_owned(),
        golden_uuid: Uuid::from_u128(0x11111111_2222_4333_8444_555555555555),
        time: "2026-03-04T05:06:07Z".to_owned(),
        mode: CloneMode::Linked,
        disks: disks(case)
            .iter()
            .map(|disk| LineageDisk {
                target: disk.target.clone(),
                path: PathBuf::from(format!("/srv/images/web-01-{}.qcow2", disk.target)),
                export: disk.backing.first().and_then(|base| match &base.source {
                    DiskSource::Network(network) => Some(network.export.as_ref().unwrap().uri()),
                    _ => None,
                }),
                bases: (disk.backing.first())
                    .is_some_and(|base| !matches!(base.source, DiskSource::Network(_)))
                    .then(|| BaseRecord {
                        path: "/srv/images/golden, \"&<'.img".into(),
                        format: ImageFormat::Raw,
                        identity: BaseIdentity {
                            file: FileId {
                                device: 64_769,
                                inode: u64::MAX,
                            },
                            size: 1 << 40,
                            mtime_ns: -1,
                            ctime_ns: i64::MAX,
                            head_sha256: "ab".repeat(32),
                        },
                    })
                    .into_iter()
                    .collect(),
            })
            .collect(),
        files: vec!["/var/lib/libvirt/qemu/nvram/web-01_VARS.fd".into()],
        reservations: Vec::new(),
    }
}

fn with_spec<T>(case: &str, act: impl FnOnce(&CloneSpec<'_>) -> T) -> T {
    let name: DomainName = "web-01".parse().unwrap();
    let macs: Vec<Mac> = (1..=6).map(|n| Mac::kvm([0xc1, 0, n])).collect();
    act(&CloneSpec {
        name: &name,
        uuid: Uuid::from_u128(0x00000000_0000_4000_8000_0123456789ab),
        genid: Uuid::from_u128(0x00000000_0000_4000_8000_00000000beef),
        macs: &macs,
        disks: &disks(case),
        nvram: Some(Path::new("/var/lib/libvirt/qemu/nvram/web-01_VARS.fd")),
        hostdevs: HostdevRule::Drop,
        tpm_copied: false,
        seed: None,
        smbios: None,
        lineage: &lineage(case),
    })
}

fn clone(case: &str) -> Rewritten {
    with_spec(case, |spec| rewrite(&source(case), spec).unwrap())
}

/// Compares with the committed file, or writes it if asked to.
fn expect(file: &str, actual: &str) {
    let path = golden(file);
    if std::env::var_os("VMKIN_BLESS").is_some() {
        fs::write(&path, actual).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == actual,
        "{file} is not what came out; run with VMKIN_BLESS=1 and look at the difference"
    );
}

#[test]
fn a_rewritten_domain_is_as_the_committed_file_says() {
    for case in CASES {
        expect(&format!("{case}.clone.xml"), &clone(case).xml);
    }
}

#[test]
fn the_user_is_told_what_the_committed_file_says() {
    let notes: Vec<String> = clone("kitchen-sink")
        .notes
        .iter()
        .map(|note| format!("{:?}: {}\n", note.kind, note.message))
        .collect();
    assert!(notes.iter().all(|note| note.lines().count() == 1));
    expect("kitchen-sink.notes.txt", &notes.concat());
}

#[test]
fn rewriting_again_changes_nothing() {
    for case in CASES {
        let once = clone(case).xml;
        with_spec(case, |spec| {
            assert_eq!(rewrite(&once, spec).unwrap().xml, once, "{case}");
        });
    }
}

#[test]
fn one_rewriter_serves_many_clones() {
    let xml = source("kitchen-sink");
    let rewriter = Rewriter::new(&xml).unwrap();
    with_spec("kitchen-sink", |spec| {
        let first = rewriter.rewrite(spec).unwrap();
        assert_eq!(rewriter.rewrite(spec).unwrap(), first);
        assert_eq!(rewrite(&xml, spec).unwrap(), first);
    });
}

#[test]
fn the_lineage_comes_back_as_it_was() {
    for case in CASES {
        let facts = read(&clone(case).xml).unwrap();
        assert_eq!(facts.lineage, Some(lineage(case)), "{case}");
        assert_eq!(facts.lineage_damage, None);
    }
}

#[test]
fn nothing_of_the_golden_domain_is_left_without_a_word() {
    let Rewritten { xml, notes } = clone("kitchen-sink");
    let facts = read(&xml).unwrap();
    assert_eq!(facts.name, "web-01");
    assert_eq!(facts.hostdevs, 0);
    // The password stays in the XML and never reaches the facts.
    assert!(xml.contains("passwd='s3cret&quot;'"));
    assert!(!format!("{facts:?}").contains("s3cret"));
    let metadata = xml.find("<metadata>").unwrap()..xml.find("</metadata>").unwrap();
    let outside = xml.replace(&xml[metadata], "");
    for (number, line) in outside.lines().enumerate() {
        let left = line.contains("gold&amp;en") || line.contains("11111111-2222");
        let warned = notes.iter().any(|note| {
            note.kind == NoteKind::Warning
                && line
                    .replace("&amp;", "&")
                    // What stands beside it may be nobody's business.
                    .split(['\'', '>', '<', ' ', ',', ';'])
                    .filter(|part| part.contains("gold&en") || part.contains("11111111-2222"))
                    .any(|part| part.len() > 7 && note.message.contains(part))
        });
        assert!(!left || warned, "line {number}: {line}");
    }
}

#[test]
fn libvirts_schema_accepts_what_comes_out() {
    let mut validated = 0;
    for case in cases_of_this_libvirt() {
        if let Err(why) = validate(&golden(&format!("{case}.xml"))) {
            // An older schema knows less; then there is nothing to compare with.
            assert!(Connect::version().unwrap() < SINCE, "{why}");
            println!("left out: {case}: {why}");
            continue;
        }
        validate(&golden(&format!("{case}.clone.xml"))).unwrap_or_else(|why| panic!("{why}"));
        validated += 1;
    }
    assert!(validated > 2);
}

/// The libvirt that knows all of the cases.
const SINCE: u32 = 11_000_000;

/// The cases that the libvirt of this host can know. One of them has one of
/// everything, up to what came with libvirt 11; an older one knows no word of
/// some of it, in the original as little as in the clone.
fn cases_of_this_libvirt() -> impl Iterator<Item = &'static str> {
    const EVERYTHING: &str = "kitchen-sink";
    let here = Connect::version().unwrap();
    assert!(CASES.contains(&EVERYTHING) && CASES.len() > 3);
    if here < SINCE {
        println!("left out: {EVERYTHING}, for libvirt here is {here} and it needs {SINCE}");
    }
    CASES
        .iter()
        .copied()
        .filter(move |case| here >= SINCE || *case != EVERYTHING)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test starts a tool of libvirt's to check what vmkin wrote"
)]
fn validate(file: &Path) -> Result<(), String> {
    let output = std::process::Command::new("virt-xml-validate")
        .args([file.as_os_str(), "domain".as_ref()])
        .output()
        .unwrap_or_else(|error| panic!("virt-xml-validate (libvirt-clients): {error}"));
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{}: {}{}",
        file.display(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    ))
}

#[test]
fn libvirt_defines_what_comes_out() {
    virt::error::clear_error_callback();
    let connection = Connect::open(Some("test:///default")).unwrap();
    for case in cases_of_this_libvirt() {
        let xml = clone(case).xml;
        let facts = read(&xml).unwrap();
        let kind = format!("<domain type='{}'", facts.domain_type);
        let xml = xml.replacen(&kind, "<domain type='test'", 1);
        // QEMU's driver makes up this path, the test driver asks for it.
        let pstore = "<pstore backend='acpi-erst'>";
        let xml = xml.replacen(pstore, &format!("{pstore}<path>/pstore</path>"), 1);
        let domain = connection
            .define_domain_xml(&xml)
            .unwrap_or_else(|error| panic!("{case}: {error}"));
        let defined = read(&domain.xml_desc(virt::sys::VIR_DOMAIN_XML_INACTIVE).unwrap()).unwrap();
        domain.undefine().unwrap();
        assert_eq!(defined.name, "web-01");
        assert_eq!(defined.uuid, facts.uuid);
        // Libvirt keeps the lineage as it was written, and so can we read it.
        assert_eq!(defined.lineage, facts.lineage, "{case}");
        let sources = |facts: &vmkin::xml::domain::DomainFacts| {
            // Libvirt sorts them by bus.
            facts
                .disks
                .iter()
                .map(|disk| (disk.target.clone(), (disk.source.clone(), disk.format)))
                .collect::<BTreeMap<_, _>>()
        };
        assert_eq!(sources(&defined), sources(&facts), "{case}");
        assert_eq!(defined.nics.len(), facts.nics.len());
    }
}
