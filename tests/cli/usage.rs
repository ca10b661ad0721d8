//! What no command can do anything with: before libvirt is asked.

use insta::assert_snapshot;

use crate::common::Host;

#[test]
fn mistakes_in_the_command_line_have_exit_code_2() {
    let host = Host::golden();
    let before = host.world();
    for (args, what) in [
        ("frobnicate", "unrecognized subcommand 'frobnicate'"),
        ("list --nope", "unexpected argument '--nope'"),
        ("clone", "--domain"),
        (
            "clone -d golden --json --json x",
            "cannot be used multiple times",
        ),
        (
            "clone -d golden -d golden x",
            "cannot be used multiple times",
        ),
        ("clone -d golden x --full --linked", "cannot be used with"),
        ("clone -d golden x --dir a --pool b", "cannot be used with"),
        ("clone -d golden x --name y", "cannot be used with"),
        ("clone -d golden --original-xml x y", "cannot be used with"),
        (
            "clone -d golden x --print-xml --start",
            "cannot be used with",
        ),
        ("clone -d golden x --tpm maybe", "invalid value 'maybe'"),
        (
            "clone -d golden x --reflink=perhaps",
            "invalid value 'perhaps'",
        ),
        ("start", "--domain"),
        ("shutdown -d golden --timeout soon", "invalid value 'soon'"),
        ("delete", "--domain"),
        (
            "delete -d golden --remove-all-storage --keep-storage",
            "cannot be used with",
        ),
        ("base", "base"),
        ("base seal", "required"),
        ("base seal -d golden x.qcow2", "cannot be used with"),
        (
            "base seal --format floppy x.qcow2",
            "invalid value 'floppy'",
        ),
        ("completions tcsh", "invalid value 'tcsh'"),
        ("list --color sometimes", "invalid value 'sometimes'"),
        ("list --running --inactive", "cannot be used with"),
    ] {
        let outcome = host.vmkin(args);
        assert_eq!(outcome.code(), Some(2), "{args}: {outcome}");
        assert!(outcome.stderr().contains(what), "{args}: {outcome}");
        assert!(outcome.stdout().is_empty(), "{args}: {outcome}");
        assert_eq!(host.world(), before, "{args}");
    }
}

#[test]
fn mistakes_are_json_too_with_json() {
    let host = Host::golden();
    let outcome = host.vmkin("clone --json -d golden ../up");
    assert_eq!(outcome.code(), Some(2), "{outcome}");
    let document: serde_json::Value = serde_json::from_str(outcome.stderr()).unwrap();
    assert_eq!(document["error"]["kind"], "usage");
    assert_eq!(document["error"]["exit_code"], 2);
    let message = document["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("'../up'") && !message.contains('\n'),
        "{message}"
    );
}

#[test]
fn help_and_version_go_to_stdout() {
    let host = Host::new();
    for args in [
        "--help",
        "-h",
        "help",
        "help clone",
        "clone --help",
        "--version",
    ] {
        let outcome = host.vmkin(args).success();
        assert!(outcome.stderr().is_empty(), "{outcome}");
        assert!(!outcome.stdout().is_empty(), "{args}");
    }
}

#[test]
fn the_commands() {
    assert_snapshot!(Host::new().vmkin("-h"), @"
    Clone, run and look after libvirt guests

    Usage: vmkin [OPTIONS] <COMMAND>

    Commands:
      list         List all domains
      show         Show all that is known of a domain
      tree         Draw which images and domains depend on which
      clone        Make clones of a golden domain
      import       Make guests of disk images, in the words of virt-install
      template     Templates of domains: what there is, and what they make
      start        Start domains
      shutdown     Ask guests to shut down
      reboot       Ask guests to reboot
      suspend      Stop the processors of domains
      resume       Let paused domains go on
      save         Write the memory of guests to the disk, and end them
      restore      Let saved guests go on where they were
      destroy      Pull the plug of domains
      ip           Print the addresses of guests
      reset        Drop what guests have written: back to the base image, in milliseconds
      delete       Delete guests: their definitions, and the files that are theirs alone
      base         Look after the images that clones are based on
      flatten      Make guests independent of their bases
      promote      Make a golden domain of a guest
      export       Print guests as what KubeVirt, Terraform or another libvirt reads
      migrate      Bring guests to another host, with the same storage or copies of it
      prune        Find overlays, seeds and temporary files that no domain has, and remove them
      disk         Work on the disks of guests, or on images
      image        Make images
      inspect      Tell what guests are: operating system, mounts, kernels, users, packages
      ls           List files of guests
      cat          Print files of guests
      df           Show how full the file systems of guests are
      copy-out     Copy files and directories of a guest to the host
      grep         Look for lines in files of guests
      find         Look for files of guests
      diff         Tell which files differ between two guests
      log          Print the end of a guest's system log
      rescue       Find out why a guest does not boot
      mount        Mount the file systems of a guest on a directory
      umount       Unmount guests
      shell        Work with the files of a guest line by line
      edit         Edit files of guests that are shut off
      write        Write a file of guests that are shut off
      copy-in      Copy files and directories of the host into guests that are shut off
      tar-in       Unpack a tar archive into guests that are shut off
      customize    Give guests that are shut off a name, keys, passwords and files of their own
      mkdir        Make directories in guests that are shut off
      rm           Remove files from guests that are shut off
      mv           Move files of guests that are shut off, or give them other names
      ln           Make links in guests that are shut off
      touch        Make empty files in guests that are shut off, or set the times of files
      chmod        Give files of guests that are shut off another mode
      chown        Give files of guests that are shut off another owner
      snapshot     Make snapshots of guests, and go back to them: all disks, or none
      doctor       Find out what this host lacks, and how to get it
      recover      Finish or take back what an interrupted vmkin left behind
      completions  Print the completion script for a shell
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help (see more with '--help')
      -V, --version  Print version

    Global options:
      -c, --connect <URI>  Connect to the hypervisor at this libvirt URI
          --host <NAME>    Connect to this host, or to all of this group, of hosts.toml; may be repeated
          --json           Print the result as one JSON document
      -q, --quiet          Print only results, warnings and errors
      -v, --verbose...     Show the programs that are run, such as qemu-img; may be repeated
      -y, --yes            Do what cannot be undone without asking
          --color <WHEN>   When to use colours; NO_COLOR is heeded too [default: auto] [possible values:
                           auto, always, never]

    Examples:
      vmkin clone -d golden --name 'web-{n:02}' --count 20 --start
      ssh root@$(vmkin ip -d web-01 --wait)
      vmkin delete --yes --force -d web-01 web-02

    The exit codes are in vmkin(1).
    ");
}

#[test]
fn a_libvirt_that_cannot_be_reached() {
    let host = Host::golden();
    for (uri, what) in [
        (
            "test:///nowhere/host.xml",
            "cannot connect to test:///nowhere/host.xml",
        ),
        ("nonsense://x/y", "cannot connect to nonsense://x/y"),
    ] {
        host.vmkin_args(&["list", "-c", uri]).fails(8, what);
        host.vmkin_args(&["clone", "-c", uri, "-d", "golden", "x"])
            .fails(8, what);
    }
    assert_eq!(host.world().images(), ["golden.qcow2"]);
}

#[test]
fn a_state_directory_of_others_is_not_trusted() {
    use std::os::unix::fs::PermissionsExt as _;
    let host = Host::golden();
    std::fs::create_dir(host.state()).unwrap();
    std::fs::set_permissions(host.state(), std::fs::Permissions::from_mode(0o777)).unwrap();
    host.vmkin("clone -d golden web-01")
        .fails(8, "can be written to by others");
    assert_eq!(host.world().images(), ["golden.qcow2"]);
    host.vmkin("list").success();
}

#[test]
fn colours_only_where_they_are_wanted() {
    let host = Host::new();
    let plain = host.vmkin("show -d x").fails(3, "no domain");
    assert!(!plain.stderr().contains('\u{1b}'), "{plain}");
    let coloured = host.vmkin("show -d x --color always");
    assert!(coloured.stderr().contains("\u{1b}["), "{coloured}");
}

#[test]
fn a_reader_that_has_read_enough_is_no_error() {
    let host = Host::golden();
    let mut child = host
        .command()
        .args([
            "clone",
            "-d",
            "golden",
            "--name",
            "w{n}",
            "--count",
            "50",
            "--print-xml",
        ])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("panicked"), "{said}");
    assert_eq!(output.status.code(), Some(0), "{said}");
}
