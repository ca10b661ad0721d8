use clap::{ArgAction, Args};

use super::on_guest::OnGuest;
use crate::cli::session::Session;
use crate::cli::table::columns;
use crate::cli::ui::{Ui, one_line};
use crate::error::Result;
use crate::guest::native::fs::Usage;
use crate::model::human_bytes;
use crate::ops::guest::df::{Filled, df};

/// Show how full the file systems of guests are
///
/// Of all guests on the host, if none is named. Read off the disks: what a
/// running guest has not written out is not counted.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(in crate::cli) struct DfArgs {
    #[command(flatten)]
    guests: OnGuest,

    #[command(flatten)]
    how: Columns,

    /// Print comma-separated values
    #[arg(long, conflicts_with = "json")]
    csv: bool,

    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// What is shown of file systems.
#[derive(Debug, Args)]
#[group(skip)]
pub(in crate::cli) struct Columns {
    /// Show sizes in units that people read, and not in blocks of 1 KiB
    #[arg(short, long)]
    human_readable: bool,

    /// Show inodes and not space
    #[arg(short, long)]
    inodes: bool,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &DfArgs) -> Result<()> {
    let mut all: Vec<Filled> = Vec::new();
    let act = |guest: &mut crate::ops::guest::Guest| Ok(df(&guest.name, &guest.system));
    let result = args.guests.each(ui, session, "read", &act, |filled| {
        all.extend(filled);
        Ok(())
    });
    let text = if args.csv {
        csv(&all)
    } else {
        table(&all, &args.how)
    };
    ui.result(&text, &all)?;
    for one in &all {
        if let Some(problem) = &one.problem {
            use crate::ops::Observer as _;
            ui.warning(&format!("{}:{}: {problem}.", one.guest, one.device));
        }
    }
    result
}

/// How much, how much of it is taken, and what is left.
fn numbers(usage: &Usage, inodes: bool) -> [Option<u64>; 3] {
    if !inodes {
        return [Some(usage.size), Some(usage.used), Some(usage.available)];
    }
    let free = usage.inodes.zip(usage.inodes_used);
    let free = free.map(|(all, used)| all.saturating_sub(used));
    [usage.inodes, usage.inodes_used, free]
}

/// As df does it: of what users can have, and rounded up.
fn percent(used: Option<u64>, free: Option<u64>) -> String {
    let Some((used, free)) = used.zip(free) else {
        return String::new();
    };
    let all = u128::from(used) + u128::from(free);
    if all == 0 {
        return String::new();
    }
    format!("{}%", (u128::from(used) * 100).div_ceil(all))
}

/// File systems as a table.
pub(in crate::cli) fn table(all: &[Filled], how: &Columns) -> String {
    let heading = match (how.inodes, how.human_readable) {
        (true, _) => ["Filesystem", "Type", "Inodes", "IUsed", "IFree", "IUse%"],
        (_, true) => ["Filesystem", "Type", "Size", "Used", "Available", "Use%"],
        (_, false) => [
            "Filesystem",
            "Type",
            "1K-blocks",
            "Used",
            "Available",
            "Use%",
        ],
    };
    let shown = |number: Option<u64>| match number {
        None => String::new(),
        Some(number) if how.inodes => number.to_string(),
        Some(number) if how.human_readable => human_bytes(number),
        Some(number) => (number / 1024).to_string(),
    };
    let rows = all.iter().map(|one| {
        let [size, used, free] = match &one.usage {
            Some(usage) => numbers(usage, how.inodes),
            None => [None; 3],
        };
        vec![
            format!("{}:{}", one.guest, one.device),
            one.fs.clone(),
            shown(size),
            shown(used),
            shown(free),
            percent(used, free),
        ]
    });
    columns(&heading, &[2, 3, 4, 5], rows.collect())
}

fn csv(all: &[Filled]) -> String {
    let mut text = "Guest,Device,Type,Label,UUID,Size,Used,Available,Inodes,IUsed\n".to_owned();
    for one in all {
        let usage = one.usage.as_ref();
        let number = |of: &dyn Fn(&Usage) -> Option<u64>| {
            let number = usage.and_then(of);
            number.map(|number| number.to_string()).unwrap_or_default()
        };
        let fields = [
            one.guest.clone(),
            one.device.clone(),
            one.fs.clone(),
            one.label.clone().unwrap_or_default(),
            one.uuid.clone().unwrap_or_default(),
            number(&|usage| Some(usage.size)),
            number(&|usage| Some(usage.used)),
            number(&|usage| Some(usage.available)),
            number(&|usage| usage.inodes),
            number(&|usage| usage.inodes_used),
        ];
        let fields: Vec<String> = fields.iter().map(|field| field_of_csv(field)).collect();
        text.push_str(&fields.join(","));
        text.push('\n');
    }
    text
}

/// RFC 4180; and nothing that a spreadsheet would take for a formula.
fn field_of_csv(field: &str) -> String {
    let mut field = one_line(field);
    if field.starts_with(['=', '+', '-', '@']) {
        field.insert(0, '\'');
    }
    if field.contains([',', '"']) {
        return format!("\"{}\"", field.replace('"', "\"\""));
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_one_field() {
        assert_eq!(field_of_csv("a,b"), "\"a,b\"");
        assert_eq!(field_of_csv("a\"b"), "\"a\"\"b\"");
        assert_eq!(field_of_csv("=cmd"), "'=cmd");
        assert_eq!(field_of_csv("a\nb"), "a\\nb");
    }

    #[test]
    fn percents_are_rounded_up() {
        assert_eq!(percent(Some(1), Some(999)), "1%");
        assert_eq!(percent(Some(0), Some(5)), "0%");
        assert_eq!(percent(Some(u64::MAX), Some(u64::MAX)), "50%");
        assert_eq!(percent(Some(0), Some(0)), "");
    }
}
