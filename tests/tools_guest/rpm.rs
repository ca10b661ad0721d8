//! The packages of a guest as rpm lists them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{Raw, command, run};
use vmkin::guest::inspect::{Inspection, PackageKind, inspect};
use vmkin::guest::native::Volumes;
use vmkin::guest::system::System;

/// Builds packages, one of them with many files and so with a header that is
/// longer than a page, and enters them into the database `$DB`.
const FILL: &str = r#"
    cd "$SCRATCH"
    {
        printf 'Name: vmkin-many\nVersion: 1.5~rc2\nRelease: 3%%{?dist}\nEpoch: 2\n'
        printf 'Summary: s\nLicense: none\nBuildArch: noarch\n%%description\nd\n'
        printf '%%install\nmkdir -p %%{buildroot}/srv/many\n'
        printf 'for i in `seq 1 900`; do : > %%{buildroot}/srv/many/a-file-with-a-long-name-$i; done\n'
        printf '%%files\n/srv/many\n'
        for ((i = 0; i < 120; i++)); do
            printf '%%package -n vmkin-part-%d\nVersion: %d\nSummary: s\n' "$i" "$i"
            printf '%%description -n vmkin-part-%d\nd\n%%files -n vmkin-part-%d\n' "$i" "$i"
        done
    } > many.spec
    rpmbuild --quiet --define "_topdir $SCRATCH/build" --define 'dist .fc39' \
        --define '__spec_install_post %{nil}' -bb many.spec >&2
    rpm --dbpath "$DB" --define '_db_backend sqlite' --initdb
    rpm --dbpath "$DB" --define '_db_backend sqlite' -i --justdb --nodeps --nosignature \
        build/RPMS/noarch/*.rpm >&2
    # A deleted row leaves a page that is free.
    rpm --dbpath "$DB" --define '_db_backend sqlite' -e --justdb --nodeps vmkin-part-7 >&2
    rpm --dbpath "$DB" --define '_db_backend sqlite' -qa \
        --qf '%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE} %{NAME} %{ARCH}\n'
"#;

/// A guest with such a database, and what rpm says is in it.
fn guest() -> (tempfile::TempDir, PathBuf, Vec<String>) {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("root");
    let database = root.join("usr/lib/sysimage/rpm");
    fs::create_dir_all(&database).unwrap();
    for dir in ["etc", "usr/bin"] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    fs::write(root.join("usr/bin/dnf"), "").unwrap();
    let output = command("bash")
        .args(["-euc", FILL])
        .env("SCRATCH", scratch.path())
        .env("HOME", scratch.path())
        .env("DB", &database)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let listed = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<String> = listed.lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines.len(), 120, "{lines:?}");
    (scratch, root, lines)
}

/// Looks at a guest with these files.
fn looked_at(scratch: &Path, root: &Path) -> Inspection {
    let image = scratch.join("image");
    fs::remove_file(&image).ok();
    let (root, path) = (root.to_str().unwrap(), image.to_str().unwrap());
    run("mke2fs", &["-q", "-t", "ext4", "-d", root, path, "32M"]);
    let volumes = Volumes::find(&[("vda".to_owned(), Raw::open(&image))]);
    inspect(&System::open(&volumes).tree().unwrap())
}

/// The packages as rpm shows them here.
fn shown(looked: &Inspection) -> Vec<String> {
    let shown = looked.packages.list.iter().map(|one| {
        let arch = one.arch.as_deref().unwrap_or_default();
        format!("{} {} {arch}", one.version, one.name)
    });
    let mut ours: Vec<String> = shown.collect();
    ours.sort();
    ours
}

#[test]
fn packages_are_those_that_rpm_lists() {
    let (scratch, root, theirs) = guest();
    let looked = looked_at(scratch.path(), &root);
    assert_eq!(looked.problems, Vec::<String>::new());
    let packages = &looked.packages;
    assert_eq!(packages.kind, Some(PackageKind::Rpm));
    assert_eq!((packages.manager, packages.read), (Some("dnf"), true));
    let ours = shown(&looked);
    assert_eq!(ours, theirs);
    assert!(ours.contains(&"2:1.5~rc2-3.fc39 vmkin-many noarch".to_owned()));
}

/// The headers of the database in SQLite, as `db_load` takes them: a byte of a key
/// or a value is two digits. Under key 0 is a number.
const HEADERS: &str = "
    select ' 00000000' || char(10) || ' 78000000' || char(10) ||
        group_concat(' ' || printf('%02x%02x0000', hnum & 255, hnum >> 8) || char(10) || ' ' || hex(blob), char(10))
    from Packages";

#[test]
fn packages_of_berkeley_db_are_those_that_rpm_lists() {
    let (scratch, root, theirs) = guest();
    let old = root.join("usr/lib/sysimage/rpm");
    let headers = run(
        "sqlite3",
        &[old.join("rpmdb.sqlite").to_str().unwrap(), HEADERS],
    );
    let dump = scratch.path().join("dump");
    fs::write(
        &dump,
        format!(
            "VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize=4096\nHEADER=END\n{}\nDATA=END\n",
            headers.trim_end_matches('\n').to_lowercase()
        ),
    )
    .unwrap();
    fs::remove_dir_all(&old).unwrap();
    let new = root.join("var/lib/rpm");
    fs::create_dir_all(&new).unwrap();
    let packages = new.join("Packages");
    run(
        "db_load",
        &["-f", dump.to_str().unwrap(), packages.to_str().unwrap()],
    );
    let looked = looked_at(scratch.path(), &root);
    assert_eq!(looked.problems, Vec::<String>::new());
    assert!(looked.packages.read);
    assert_eq!(shown(&looked), theirs);
    let whole = fs::read(&packages).unwrap();
    fs::write(&packages, &whole[..whole.len() / 2]).unwrap();
    let looked = looked_at(scratch.path(), &root);
    assert!(!looked.packages.read);
    assert!(
        looked.problems[0].contains("damaged"),
        "{:?}",
        looked.problems
    );
}

#[test]
fn a_database_that_is_not_whole_is_told_and_not_shown() {
    let (scratch, root, _) = guest();
    let database = root.join("usr/lib/sysimage/rpm/rpmdb.sqlite");
    let log = root.join("usr/lib/sysimage/rpm/rpmdb.sqlite-wal");
    let whole = fs::read(&database).unwrap();
    let refused = |why: &str| {
        let looked = looked_at(scratch.path(), &root);
        assert!(!looked.packages.read);
        assert_eq!(looked.packages.list, []);
        assert!(looked.problems[0].contains(why), "{:?}", looked.problems);
    };
    fs::write(&log, "changes").unwrap();
    refused("write-ahead log");
    fs::remove_file(&log).unwrap();
    fs::write(&database, &whole[..whole.len() / 2]).unwrap();
    refused("damaged");
    fs::write(&database, "no database").unwrap();
    refused("damaged");
    fs::rename(&database, root.join("usr/lib/sysimage/rpm/Packages.db")).unwrap();
    refused("SUSE");
}
