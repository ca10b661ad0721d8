mod args;

use std::sync::Arc;

pub(in crate::cli) use self::args::{ImportArgs, pair};
use super::making::Making;
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::ops::Observer as _;
use crate::ops::clone::request::Golden;
use crate::ops::clone::{self, NameChoice};
use crate::ops::import::{self, Designed};

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &ImportArgs) -> Result<()> {
    if let Some(sentence) = args.not_heeded() {
        ui.status(&sentence);
    }
    let names = NameChoice::from_words(&args.name, args.count, args.from)?;
    let wishes = args.wishes()?;
    let making = Making {
        start: args.start,
        wait_ip: args.wait.wait_ip,
        print_xml: args.print_xml,
        dry_run: args.dry_run,
    };
    let hypervisor = making.connect(session)?;
    let host = session.host(&hypervisor);
    let Designed {
        blueprint,
        chosen,
        warnings,
        macs,
    } = import::design(host, &wishes, names.count())?;
    for sentence in &chosen {
        ui.status(sentence);
    }
    for warning in &warnings {
        ui.warning(warning);
    }
    let golden = Golden::Blueprint(Arc::new(blueprint));
    let plan = clone::plan(host, &args.request(golden, names, macs)?)?;
    let label = plan.golden_name.clone();
    making.make(ui, host, plan, &|done| {
        match done {
            [] => {}
            [one] => ui.status(&format!("Made '{}' of {label}.", one.name)),
            [first, .., last] => ui.status(&format!(
                "Made {} domains of {label}: '{}' to '{}'.",
                done.len(),
                first.name,
                last.name
            )),
        }
        if args.autostart {
            import::start_with_host(host, done);
        }
    })
}
