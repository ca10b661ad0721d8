//! Connections that are bound to a card which the domain does not have.

use super::patient::InTree;
use super::report::Check;
use crate::error::Result;
use crate::model::Glob;
use crate::ops::customize::pins::{lines, pinned_to};

pub(super) fn look(here: &InTree<'_>, check: &mut Check) -> Result<()> {
    let Some(facts) = here.patient.facts else {
        check.not_applicable("which cards it has is not known: no domain is named");
        return Ok(());
    };
    let cards: Vec<String> = facts
        .nics
        .iter()
        .filter_map(|nic| nic.mac.map(|mac| mac.to_string().to_lowercase()))
        .collect();
    for (dir, pattern, settings) in lines() {
        let glob: std::result::Result<Glob, _> = pattern.parse();
        for name in here.names(dir)? {
            if !glob.as_ref().is_ok_and(|glob| glob.matches(&name)) {
                continue;
            }
            let path = format!("{dir}/{name}");
            let text = here.text(&path)?.unwrap_or_default();
            for address in text.lines().filter_map(|line| pinned_to(line, settings)) {
                let plain = address.trim_matches(['"', '\'']).to_lowercase();
                if !cards.contains(&plain) {
                    check.problem(
                        format!("{path} is for the card {plain}, which the domain does not have"),
                        here.edit(&path),
                    );
                }
            }
        }
    }
    check.fine(format!("cards of the domain: {}", cards.len()));
    Ok(())
}
