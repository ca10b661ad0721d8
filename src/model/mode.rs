//! Modes of files as `chmod` takes them.

use std::fmt;
use std::str::FromStr;

/// A change of a mode: `0644`, or `u+x,go-w`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ModeChange(Vec<Clause>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Clause {
    Exactly(u32),
    Some {
        /// Whose bits, of `0o7777`.
        who: u32,
        op: char,
        /// The bits as everybody's, such as `0o444`.
        bits: u32,
        /// Whether whoever may execute, or a directory, is given that: `X`.
        execute: bool,
    },
}

/// A text is no mode.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ModeError;

impl fmt::Display for ModeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it must be a mode such as 0644, u+x or go-w,a+r")
    }
}

impl std::error::Error for ModeError {}

impl FromStr for ModeChange {
    type Err = ModeError;

    fn from_str(text: &str) -> Result<Self, ModeError> {
        let octal = |c: char| ('0'..='7').contains(&c);
        if !text.is_empty() && text.chars().all(octal) {
            let mode = u32::from_str_radix(text, 8).map_err(|_| ModeError)?;
            return match mode {
                0..=0o7777 => Ok(Self(vec![Clause::Exactly(mode)])),
                _ => Err(ModeError),
            };
        }
        let clauses = text.split(',').map(clause);
        clauses.collect::<Result<_, _>>().map(Self)
    }
}

fn clause(text: &str) -> Result<Clause, ModeError> {
    let at = text.find(['+', '-', '=']).ok_or(ModeError)?;
    let (whose, rest) = text.split_at(at);
    let mut who = 0;
    for c in whose.chars() {
        who |= match c {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o1007,
            'a' => 0o7777,
            _ => return Err(ModeError),
        };
    }
    let mut chars = rest.chars();
    let op = chars.next().ok_or(ModeError)?;
    let (mut bits, mut execute) = (0, false);
    for c in chars {
        match c {
            'r' => bits |= 0o444,
            'w' => bits |= 0o222,
            'x' => bits |= 0o111,
            's' => bits |= 0o6000,
            't' => bits |= 0o1000,
            'X' => execute = true,
            _ => return Err(ModeError),
        }
    }
    Ok(Clause::Some {
        who: if whose.is_empty() { 0o7777 } else { who },
        op,
        bits,
        execute,
    })
}

impl ModeChange {
    /// What becomes of this mode.
    pub fn apply(&self, mode: u32, is_dir: bool) -> u32 {
        self.0.iter().fold(mode, |mode, clause| match *clause {
            Clause::Exactly(mode) => mode,
            Clause::Some {
                who,
                op,
                bits,
                execute,
            } => {
                let more = execute && (is_dir || mode & 0o111 != 0);
                let sticky = bits & 0o1000;
                let bits = (bits | if more { 0o111 } else { 0 }) & who | sticky;
                match op {
                    '+' => mode | bits,
                    '-' => mode & !bits,
                    // A directory keeps what is not named, as with GNU chmod.
                    _ => mode & !(who & if is_dir { 0o777 } else { 0o7777 }) | bits,
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::ModeChange;

    #[test]
    fn modes_change_as_with_chmod() {
        for (text, mode, dir, wanted) in [
            ("0644", 0o755, false, 0o644),
            ("4755", 0, false, 0o4755),
            ("u+x", 0o644, false, 0o744),
            ("go-w", 0o666, false, 0o644),
            ("+x", 0o644, false, 0o755),
            ("a=r", 0o777, false, 0o444),
            ("u=rw,go=", 0o777, false, 0o600),
            ("u+s", 0o755, false, 0o4755),
            ("g+s", 0o755, true, 0o2755),
            ("+t", 0o777, true, 0o1777),
            ("a+X", 0o644, false, 0o644),
            ("a+X", 0o744, false, 0o755),
            ("a+X", 0o600, true, 0o711),
            ("g=rx", 0o2777, true, 0o2757),
        ] {
            let change: ModeChange = text.parse().unwrap();
            assert_eq!(change.apply(mode, dir), wanted, "{text} of {mode:o}");
        }
        for text in ["", "9", "77777", "u", "q+x", "u+q", "u+x,"] {
            assert!(text.parse::<ModeChange>().is_err(), "{text}");
        }
    }
}
