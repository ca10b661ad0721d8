//! Runs the cells of the matrix on all processors, and says how it went in the
//! words of Rust's own test runner.
//!
//! A cell that cannot be run fails. None is skipped.

use std::cell::RefCell;
use std::ops::AddAssign;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crate::fault::{Cell, ROWS};
use crate::operations::OPERATIONS;
use crate::stories::{STORIES, Story};

/// Given to a run of this program that has file systems of its own.
const INSIDE: &str = "--inside";

/// How often an operation was run in a cell, and at how many places it died.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) runs: usize,
    pub(crate) kill_points: usize,
}

impl Tally {
    /// So many runs, none of which died.
    pub(crate) fn runs(runs: usize) -> Self {
        Self {
            runs,
            kill_points: 0,
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.kill_points += other.kill_points;
    }
}

/// What is run: a cell, or a story.
enum Job {
    Cell(Cell),
    Story(&'static Story),
}

impl Job {
    fn name(&self) -> String {
        match self {
            Self::Cell(cell) => cell.name(),
            Self::Story(story) => format!("story/{}", story.name),
        }
    }

    fn run(&self) -> Tally {
        match self {
            Self::Cell(cell) => (cell.row.run)(cell),
            Self::Story(story) => {
                (story.run)();
                Tally::runs(1)
            }
        }
    }
}

thread_local! {
    /// What the last panic of this thread said.
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

static IS_INSIDE: AtomicBool = AtomicBool::new(false);

struct Options {
    filters: Vec<String>,
    threads: usize,
    list: bool,
}

/// Reads the arguments; those of Rust's runner that say nothing here pass.
fn options() -> Options {
    let mut options = Options {
        filters: Vec::new(),
        threads: thread::available_parallelism().map_or(2, usize::from),
        list: false,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let (name, value) = match arg.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (arg.clone(), None),
        };
        match name.as_str() {
            "--list" => options.list = true,
            "--test-threads" => {
                let threads = value.or_else(|| args.next()).unwrap();
                options.threads = threads.parse().expect("a number of threads");
            }
            INSIDE => IS_INSIDE.store(true, Ordering::Relaxed),
            "--nocapture" | "--no-capture" | "--show-output" | "--exact" => {}
            _ if arg.starts_with('-') => panic!("unknown argument {arg}"),
            _ => options.filters.push(arg),
        }
    }
    options
}

/// All jobs, those that take longest first, and how many cells there cannot be.
fn jobs() -> (Vec<Job>, usize) {
    let mut jobs = Vec::new();
    let mut never = 0;
    for row in ROWS {
        for operation in OPERATIONS {
            match Cell::of(row, operation) {
                Ok(cell) => jobs.push(Job::Cell(cell)),
                Err(_) => never += 1,
            }
        }
    }
    jobs.extend(STORIES.iter().map(Job::Story));
    jobs.sort_by_key(|job| {
        let long = ["F07/", "F01/", "F02/", "F15/"];
        let name = job.name();
        long.iter().position(|id| name.starts_with(id)).unwrap_or(9)
    });
    (jobs, never)
}

fn list() {
    for row in ROWS {
        for operation in OPERATIONS {
            match Cell::of(row, operation) {
                Ok(cell) => println!(
                    "{}: {} -> {:?}, exit {:?}",
                    cell.name(),
                    row.what,
                    cell.letter,
                    cell.codes
                ),
                Err(why) => println!("{}/{}: never: {why}", row.id, operation.name),
            }
        }
    }
    for story in STORIES {
        println!("story/{}", story.name);
    }
}

pub(crate) fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|info| {
        PANIC.with(|text| *text.borrow_mut() = info.to_string());
    }));
    let options = options();
    if options.list {
        list();
        return ExitCode::SUCCESS;
    }
    let (mut jobs, never) = jobs();
    let all = jobs.len();
    let inside = IS_INSIDE.load(Ordering::Relaxed);
    jobs.retain(|job| {
        let name = job.name();
        let wanted = |filter: &String| name == *filter || (!inside && name.contains(filter));
        options.filters.is_empty() || options.filters.iter().any(wanted)
    });
    let since = Instant::now();
    if !inside {
        println!("\nrunning {} tests", jobs.len());
    }
    let next = AtomicUsize::new(0);
    let total = Mutex::new(Tally::default());
    let failed: Mutex<Vec<(String, String)>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..options.threads.max(1) {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let began = Instant::now();
                    let result = catch_unwind(AssertUnwindSafe(|| job.run()));
                    let word = match result {
                        Ok(tally) => {
                            *total.lock().unwrap() += tally;
                            "ok"
                        }
                        Err(_) => {
                            let text = PANIC.with(|text| text.borrow().clone());
                            // At once as well as at the end: a log may be cut short.
                            println!("\n---- {} ----\n{text}", job.name());
                            failed.lock().unwrap().push((job.name(), text));
                            "FAILED"
                        }
                    };
                    if !inside {
                        let time = began.elapsed().as_secs_f32();
                        println!("test {} ... {word} ({time:.1}s)", job.name());
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    let total = total.into_inner().unwrap();
    if inside {
        return answer(&failed, total);
    }
    for (name, text) in &failed {
        println!("\n---- {name} ----\n{text}");
    }
    let passed = jobs.len() - failed.len();
    let word = if failed.is_empty() { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {passed} passed; {} failed; 0 ignored; 0 measured; {} filtered out; \
         finished in {:.2}s",
        failed.len(),
        all - jobs.len(),
        since.elapsed().as_secs_f32()
    );
    println!(
        "fault matrix: {} cells run, {passed} passed, {} kill points, {} runs in all; {never} cells cannot be\n",
        jobs.len(),
        total.kill_points,
        total.runs
    );
    if failed.is_empty() && !jobs.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Tells the run outside how it went in here.
fn answer(failed: &[(String, String)], total: Tally) -> ExitCode {
    if let Some((_, text)) = failed.first() {
        println!("{text}");
        return ExitCode::FAILURE;
    }
    println!("tally {} {}", total.runs, total.kill_points);
    ExitCode::SUCCESS
}

/// Runs a cell with mounts of its own, which are gone when it ends, however it
/// ends. Returns `None` in there: that is where the work is to be done.
pub(crate) fn with_own_mounts(cell: &Cell) -> Option<Tally> {
    if IS_INSIDE.load(Ordering::Relaxed) {
        return None;
    }
    // Its hosts are made on a file system that is mounted here in there.
    let dir = tempfile::tempdir().unwrap();
    #[expect(
        clippy::disallowed_methods,
        reason = "it is this very program that is started"
    )]
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "--"])
        .arg(std::env::current_exe().unwrap())
        .args([INSIDE, &cell.name()])
        .env("TMPDIR", dir.path())
        .stdin(Stdio::null())
        .output()
        .expect("`unshare` of util-linux is needed for this test");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{text}{said}\n(mounts of one's own need root)"
    );
    let numbers: Vec<usize> = text
        .trim()
        .strip_prefix("tally ")
        .unwrap_or_else(|| panic!("no tally: {text}"))
        .split(' ')
        .map(|number| number.parse().unwrap())
        .collect();
    Some(Tally {
        runs: numbers[0],
        kill_points: numbers[1],
    })
}
