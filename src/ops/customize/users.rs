//! Users that the guest does not have yet.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use super::accounts::today;
use crate::error::{Error, Kind, Result};
use crate::guest::change::Given;
use crate::guest::native::fs::FileKind;
use crate::model::UserName;
use crate::ops::write::plan::Draft;

const USERS: &[u8] = b"/etc/passwd";
const PASSWORDS: &[u8] = b"/etc/shadow";
const GROUPS: &[u8] = b"/etc/group";
const GROUP_PASSWORDS: &[u8] = b"/etc/gshadow";

/// What is in the home of a new user.
const SKELETON: &str = "/etc/skel";

/// The ids of people, as `/etc/login.defs` has them everywhere.
const IDS: std::ops::Range<u32> = 1000..60_000;

/// How deep the skeleton is copied.
const DEEPEST: usize = 8;

/// A user that is to be there: `NAME[:GROUP,…]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewUser {
    /// The name.
    pub name: UserName,
    /// The groups that it is in besides its own, which the guest has.
    pub groups: Vec<UserName>,
    /// Whether it may become root with `sudo` without a password.
    pub admin: bool,
}

/// That a text is no such user.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InvalidNewUser;

impl fmt::Display for InvalidNewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it must be NAME or NAME:GROUP,GROUP with names in lower case")
    }
}

impl std::error::Error for InvalidNewUser {}

impl FromStr for NewUser {
    type Err = InvalidNewUser;

    fn from_str(text: &str) -> std::result::Result<Self, InvalidNewUser> {
        let (name, groups) = match text.split_once(':') {
            Some((name, groups)) => (name, groups.split(',').collect()),
            None => (text, Vec::new()),
        };
        let parsed = |name: &str| name.parse().map_err(|_| InvalidNewUser);
        Ok(Self {
            name: parsed(name)?,
            groups: groups
                .into_iter()
                .map(parsed)
                .collect::<std::result::Result<_, _>>()?,
            admin: false,
        })
    }
}

/// A user is there, with a home, and in these groups. One that is there keeps all
/// else that it has.
///
/// # Errors
///
/// [`Kind::NotFound`] if the guest has no such group, or no `/etc/sudoers.d` for who
/// is to become root; [`Kind::WrongState`] if it has no place for it.
pub(super) fn add(draft: &mut Draft<'_>, user: &NewUser) -> Result<()> {
    let name = user.name.as_str();
    let users = text_of(draft, USERS)?;
    let mut groups = text_of(draft, GROUPS)?;
    if line_of(&users, name).is_none() {
        let (id, group) = free_ids(&users, &groups, name)?;
        if line_of(&groups, name).is_none() {
            push(&mut groups, &format!("{name}:x:{group}:"));
            if let Some(mut secrets) = draft.text(GROUP_PASSWORDS)?.and_then(utf8) {
                push(&mut secrets, &format!("{name}:!::"));
                put(draft, GROUP_PASSWORDS, &secrets)?;
            }
        }
        // Through the link that /bin is where it is one.
        let shell = match draft.stat(b"/bin/bash")?.is_some() {
            true => "/bin/bash",
            false => "/bin/sh",
        };
        let home = format!("/home/{name}");
        let mut users = users;
        push(
            &mut users,
            &format!("{name}:x:{id}:{group}::{home}:{shell}"),
        );
        put(draft, USERS, &users)?;
        let mut secrets = text_of(draft, PASSWORDS)?;
        push(&mut secrets, &format!("{name}:!:{}:0:99999:7:::", today()));
        put(draft, PASSWORDS, &secrets)?;
        make_home(draft, &home, (id, group))?;
    }
    for group in &user.groups {
        groups = joined(&groups, group.as_str(), name).ok_or_else(|| {
            Error::new(
                Kind::NotFound,
                format!("the guest has no group '{}' in /etc/group", group.as_str()),
            )
            .hint("see which it has: `vmkin cat -d DOMAIN /etc/group`")
        })?;
        if let Some(secrets) = draft.text(GROUP_PASSWORDS)?.and_then(utf8) {
            if let Some(secrets) = joined(&secrets, group.as_str(), name) {
                put(draft, GROUP_PASSWORDS, &secrets)?;
            }
        }
    }
    put(draft, GROUPS, &groups)?;
    if user.admin {
        may_become_root(draft, name)?;
    }
    Ok(())
}

fn may_become_root(draft: &mut Draft<'_>, name: &str) -> Result<()> {
    let dir = "/etc/sudoers.d";
    if draft.must_be_directory(dir.as_bytes()).is_err() {
        return Err(Error::new(
            Kind::NotFound,
            format!("the guest has no {dir}, by which user '{name}' could become root"),
        ));
    }
    let given = Given {
        mode: Some(0o440),
        ..Given::default()
    };
    let text = format!("{name} ALL=(ALL) NOPASSWD:ALL\n");
    let path = format!("{dir}/90-vmkin-{name}");
    draft.put(path.as_bytes(), text.as_bytes(), given).map(drop)
}

fn make_home(draft: &mut Draft<'_>, home: &str, owner: (u32, u32)) -> Result<()> {
    draft.need_directory(b"/home", Given::default())?;
    let given = |mode, label| Given {
        mode: Some(mode),
        owner: Some(owner),
        label_type: Some(label),
        ..Given::default()
    };
    draft.need_directory(home.as_bytes(), given(0o700, "user_home_dir_t"))?;
    let mut dirs = vec![(String::new(), 0)];
    while let Some((below, depth)) = dirs.pop() {
        let from = format!("{SKELETON}{below}");
        for name in draft.names(from.as_bytes())? {
            let Some(name) = utf8(name) else {
                continue;
            };
            let from = format!("{from}/{name}");
            let to = format!("{home}{below}/{name}");
            let Some(stat) = draft.stat(from.as_bytes())? else {
                continue;
            };
            let given = given(u32::from(stat.mode) & 0o777, "user_home_t");
            match stat.kind {
                FileKind::Directory if depth < DEEPEST => {
                    draft.need_directory(to.as_bytes(), given)?;
                    dirs.push((format!("{below}/{name}"), depth + 1));
                }
                FileKind::File => {
                    let text = draft.text(from.as_bytes())?.unwrap_or_default();
                    draft.put(to.as_bytes(), &text, given)?;
                }
                // Nobody keeps anything else there.
                _ => {}
            }
        }
    }
    Ok(())
}

/// A user id that is free, with the group of that name, or a new one of that number.
fn free_ids(users: &str, groups: &str, name: &str) -> Result<(u32, u32)> {
    let numbers = |text: &str| -> HashSet<u32> {
        let lines = text.lines().filter_map(|line| line.split(':').nth(2));
        lines.filter_map(|number| number.parse().ok()).collect()
    };
    let (taken_users, taken_groups) = (numbers(users), numbers(groups));
    let known = line_of(groups, name);
    let known = known.and_then(|line| line.split(':').nth(2)?.parse().ok());
    let free =
        |id: &u32| !taken_users.contains(id) && (known.is_some() || !taken_groups.contains(id));
    match IDS.into_iter().find(free) {
        Some(id) => Ok((id, known.unwrap_or(id))),
        None => Err(Error::new(
            Kind::WrongState,
            "the guest has no user id left from 1000 to 59999",
        )),
    }
}

/// The line of a name: `NAME:…`.
fn line_of<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let is_of = |line: &&str| line.split(':').next() == Some(name);
    text.lines().find(is_of)
}

/// `/etc/group` or `/etc/gshadow` with one more member in a group; `None` if there is
/// no such group.
fn joined(text: &str, group: &str, member: &str) -> Option<String> {
    line_of(text, group)?;
    let lines = text.lines().map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [own, password, third, members] = fields[..] else {
            return line.to_owned();
        };
        let mut all = members.split(',').filter(|one| !one.is_empty());
        if own != group || all.any(|one| one == member) {
            return line.to_owned();
        }
        let comma = if members.is_empty() { "" } else { "," };
        format!("{own}:{password}:{third}:{members}{comma}{member}")
    });
    Some(lines.map(|line| line + "\n").collect())
}

fn push(text: &mut String, line: &str) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(line);
    text.push('\n');
}

fn utf8(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok()
}

fn text_of(draft: &Draft<'_>, path: &[u8]) -> Result<String> {
    draft.text(path)?.and_then(utf8).ok_or_else(|| {
        Error::new(
            Kind::WrongState,
            format!(
                "the guest has no {} that could be changed",
                path.escape_ascii()
            ),
        )
    })
}

fn put(draft: &mut Draft<'_>, path: &[u8], text: &str) -> Result<()> {
    draft.put(path, text.as_bytes(), Given::default()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_named_with_their_groups() {
        let user: NewUser = "ann:sudo,docker".parse().unwrap();
        assert_eq!(user.name.as_str(), "ann");
        let groups: Vec<&str> = user.groups.iter().map(UserName::as_str).collect();
        assert_eq!(groups, ["sudo", "docker"]);
        for bad in ["", "Ann", "a b", "ann:", "ann:a,", "a:b:c"] {
            assert!(bad.parse::<NewUser>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_member_is_put_behind_the_others_once() {
        let text = "root:x:0:\nsudo:x:27:bob\nodd\n";
        let now = joined(text, "sudo", "ann").unwrap();
        assert_eq!(now, "root:x:0:\nsudo:x:27:bob,ann\nodd\n");
        assert_eq!(joined(&now, "sudo", "ann").unwrap(), now);
        assert_eq!(
            joined(text, "root", "ann").unwrap(),
            "root:x:0:ann\nsudo:x:27:bob\nodd\n"
        );
        assert_eq!(joined(text, "wheel", "ann"), None);
    }

    #[test]
    fn an_id_is_free_for_user_and_group() {
        let users = "a:x:1000:1000::/:\nb:x:1002:1002::/:\n";
        let groups = "a:x:1000:\nother:x:1001:\n";
        assert_eq!(free_ids(users, groups, "c").unwrap(), (1003, 1003));
        // There is a group of its name.
        assert_eq!(free_ids(users, groups, "other").unwrap(), (1001, 1001));
        let full: String = IDS.map(|id| format!("u{id}:x:{id}:1::/:\n")).collect();
        assert_eq!(
            free_ids(&full, "", "c").unwrap_err().kind(),
            Kind::WrongState
        );
    }
}
