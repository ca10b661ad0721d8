use super::pipes::STDERR_KEPT;
use super::*;

fn sh(script: &str) -> (Tool, [String; 2]) {
    (Tool::at("/bin/sh"), ["-c".to_owned(), script.to_owned()])
}

#[test]
fn a_missing_program_says_what_to_install() {
    let error = Tool::find("vmkin-no-such-program").unwrap_err();
    assert_eq!(error.kind(), Kind::Environment);
    assert_eq!(
        not_found("qemu-img").hints(),
        ["install it: `apt install qemu-utils` or `dnf install qemu-img`"]
    );
}

#[test]
fn both_streams_arrive() {
    let (tool, args) = sh("printf 'a\\nb\\r  (1.50/100%%)\\r'; echo oops >&2");
    let mut lines = Vec::new();
    let output = tool
        .command(args)
        .run_lines(&mut |line| lines.push(line.to_owned()))
        .unwrap();
    assert_eq!(lines, ["a", "b", "  (1.50/100%)"]);
    assert_eq!(output.stdout, b"a\nb\r  (1.50/100%)\r");
    assert_eq!(output.stderr, "oops");
}

#[test]
fn a_failure_names_the_status_and_the_end_of_stderr() {
    let (tool, args) = sh("printf 'no \\033[31mspace\\n' >&2; exit 3");
    let error = tool.run(args).unwrap_err();
    assert_eq!(error.kind(), Kind::Storage);
    assert_eq!(
        error.to_string(),
        "`sh` failed (exit 3): no \\u{1b}[31mspace"
    );
}

#[test]
fn a_signal_is_named() {
    let (tool, args) = sh("kill -9 $$");
    let error = tool.run(args).unwrap_err();
    assert_eq!(error.to_string(), "`sh` was killed (signal 9)");
}

#[test]
fn only_the_end_of_stderr_is_kept() {
    let (tool, args) = sh("yes x | head -c 100000 >&2; echo the end >&2; exit 1");
    let error = tool.run(args).unwrap_err().to_string();
    assert!(error.ends_with("the end"), "{error}");
    assert!(error.len() < 3 * STDERR_KEPT, "{}", error.len());
}

#[test]
fn cancelling_kills_it_and_what_it_started() {
    let cancel = AtomicBool::new(false);
    let begun = Instant::now();
    let error = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(100));
            cancel.store(true, Ordering::Relaxed);
        });
        let (tool, args) = sh("sleep 30 & sleep 30");
        tool.command(args).cancel(&cancel).run().unwrap_err()
    });
    assert_eq!(error.kind(), Kind::Interrupted);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_silent_program_is_given_up() {
    let (tool, args) = sh("sleep 30");
    let error = tool
        .command(args)
        .patience(Duration::from_millis(200))
        .run()
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Storage);
    assert!(error.to_string().contains("gave no progress"), "{error}");
}

#[test]
fn a_daemon_left_behind_does_not_hold_us_up() {
    let begun = Instant::now();
    let (tool, args) = sh("sleep 20 & echo done");
    let output = tool.run(args).unwrap();
    assert_eq!(output.stdout, b"done\n");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn limits_hold_in_the_child() {
    let (tool, args) = sh("ulimit -t; ulimit -v");
    let limits = Limits {
        cpu_seconds: Some(7),
        address_space: Some(1 << 30),
    };
    let output = tool.command(args).limits(limits).run().unwrap();
    assert_eq!(output.stdout, b"7\n1048576\n");
}

#[test]
fn a_program_that_counts_for_ever_is_stopped() {
    let (tool, args) = sh("while :; do :; done");
    let limits = Limits {
        cpu_seconds: Some(1),
        ..Limits::default()
    };
    let error = tool.command(args).limits(limits).run().unwrap_err();
    assert_eq!(error.kind(), Kind::Storage);
    assert_eq!(
        error.to_string(),
        "`sh` used 1 s of processor time, which is its limit"
    );
}

#[test]
fn a_program_that_wants_too_much_memory_does_not_get_it() {
    let (tool, args) = sh("exec dd if=/dev/zero of=/dev/null bs=256M count=1");
    let run = |address_space| {
        let limits = Limits {
            address_space,
            ..Limits::default()
        };
        tool.command(args.clone()).limits(limits).run()
    };
    run(None).unwrap();
    let error = run(Some(64 << 20)).unwrap_err();
    assert_eq!(error.kind(), Kind::Storage);
    assert!(error.to_string().contains("memory"), "{error}");
}

#[test]
fn more_files_can_be_open_than_is_usual() {
    allow_many_files();
    let now = rustix::process::getrlimit(Resource::Nofile);
    let wanted = now.maximum.map_or(OPEN_FILES, |most| most.min(OPEN_FILES));
    assert!(now.current.is_none_or(|current| current >= wanted));
}
