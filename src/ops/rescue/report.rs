//! What a check is, and what it has found.

use serde::Serialize;

/// How something is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// There is nothing of the sort in this guest.
    NotApplicable,
    /// As it must be.
    Ok,
    /// Nobody could tell.
    Unknown,
    /// The guest may boot all the same, or not do all that it should.
    Warning,
    /// This keeps the guest from booting, or from being used.
    Problem,
}

/// Something that was found.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// How it is.
    pub state: State,
    /// What it is, as a clause, with where it is.
    pub what: String,
    /// What to do about it, preferably as a command to type.
    pub hint: Option<String>,
}

/// A check, and all that it has found.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// Its name, which stays.
    pub id: &'static str,
    /// What was looked at.
    pub title: &'static str,
    /// The worst of what was found.
    pub state: State,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// A guest that was examined.
#[derive(Clone, Debug, Serialize)]
pub struct Examined {
    /// Its name.
    pub guest: String,
    /// How many checks have found a problem.
    pub problems: usize,
    /// How many have found nothing worse than what may do.
    pub warnings: usize,
    /// The checks, in the order in which a guest boots.
    pub checks: Vec<Check>,
}

impl Examined {
    pub(super) fn new(guest: String, checks: Vec<Check>) -> Self {
        let count = |state| checks.iter().filter(|check| check.state == state).count();
        Self {
            guest,
            problems: count(State::Problem),
            warnings: count(State::Warning),
            checks,
        }
    }
}

impl Check {
    pub(super) fn new(id: &'static str, title: &'static str) -> Self {
        Self {
            id,
            title,
            state: State::Ok,
            findings: Vec::new(),
        }
    }

    /// There is nothing to look at, for this reason.
    pub(super) fn not_applicable(&mut self, why: &str) {
        if self.findings.is_empty() {
            self.state = State::NotApplicable;
            self.add(State::NotApplicable, why.to_owned(), None);
        }
    }

    /// Something is as it must be.
    pub(super) fn fine(&mut self, what: String) {
        self.add(State::Ok, what, None);
    }

    pub(super) fn unknown(&mut self, what: String) {
        self.add(State::Unknown, what, None);
    }

    pub(super) fn warning(&mut self, what: String, hint: Option<String>) {
        self.add(State::Warning, what, hint);
    }

    pub(super) fn problem(&mut self, what: String, hint: Option<String>) {
        self.add(State::Problem, what, hint);
    }

    fn add(&mut self, state: State, what: String, hint: Option<String>) {
        self.state = self.state.max(state);
        self.findings.push(Finding { state, what, hint });
    }
}
