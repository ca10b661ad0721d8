use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::{Args, Command, FromArgMatches as _};

use super::identity_args::{keys, password};
use super::to_guest::{Plan, ToGuest};
use crate::cli::plan_file::PlanFile;
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::{Error, Kind, Result};
use crate::model::HostnamePattern;
use crate::ops::Observer as _;
use crate::ops::customize::{
    AccountPassword, CopyInto, FileText, HostKeys, InstanceId, MacPins, MachineId, NetworkWish,
    NewUser, Timezone, UserFile, Which, Wishes, add_known_hosts, must_differ,
};
use crate::ops::write::Writing;
use crate::ops::write::plan::Draft;

/// Give guests that are shut off a name, keys, passwords and files of their own
///
/// For guests with Linux. Whatever the order of the options, first goes what is to
/// go (--generalize, --delete), then comes what is put there (--mkdir, --copy-in,
/// --write), and then all else. All is changed or nothing, guest by guest. Packages
/// cannot be installed or removed offline: do that with --firstboot.
#[derive(Debug, Args)]
pub(in crate::cli) struct CustomizeArgs {
    #[command(flatten)]
    guests: ToGuest,

    /// A file in TOML or YAML with what is different for each guest, instead of the options below
    ///
    /// It has a table 'guests' with a table for each guest, by the name of its domain,
    /// and may have a table 'all'. Their keys are the options below without the
    /// dashes. Without -d, the guests that are in it are meant.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,

    /// Add the keys of the SSH server to this file of the host, for `ssh` to know the guest by
    #[arg(long, value_name = "FILE")]
    known_hosts: Option<PathBuf>,

    #[command(flatten)]
    options: Options,
}

/// What a guest is to be.
#[derive(Debug, Args)]
#[group(skip)]
struct Options {
    /// The host name, or a pattern such as '{name}.lab' or 'node-{n:02}'
    #[arg(long, value_name = "NAME")]
    hostname: Option<HostnamePattern>,

    /// The machine id: 'new', 'empty' for one that the guest takes when it starts, or 32 hexadecimal digits
    #[arg(long, value_name = "ID")]
    machine_id: Option<MachineId>,

    /// Give the SSH server other keys, or remove them for the guest to make others when it starts
    #[arg(long, value_name = "HOW", value_parser = host_keys)]
    ssh_host_keys: Option<HostKeys>,

    /// Make a user, with a home, in these groups too; one that is there joins them; may be repeated
    #[arg(long, value_name = "NAME[:GROUP,…]")]
    user: Vec<NewUser>,

    /// Public keys that may log in as USER, or as root; may be repeated
    #[arg(long, value_name = "[USER:]FILE")]
    ssh_key: Vec<UserFile>,

    /// The password of root: file:FILE, with '-' for standard input
    #[arg(long, value_name = "PASSWORD", value_parser = AccountPassword::of_root)]
    root_password: Option<AccountPassword>,

    /// The password of a user that is there: USER:file:FILE, with '-' for standard input; may be repeated
    #[arg(long, value_name = "PASSWORD")]
    password: Vec<AccountPassword>,

    /// The time zone, such as Europe/Berlin
    #[arg(long, value_name = "ZONE")]
    timezone: Option<Timezone>,

    /// A script that the guest runs once when it starts; may be repeated
    ///
    /// In this order, as root, with the network up, and with what they say in
    /// /var/log/vmkin-firstboot.log. What runs them removes them and itself.
    #[arg(long, value_name = "SCRIPT")]
    firstboot: Vec<PathBuf>,

    /// Copy a file or a tree of the host into a directory; may be repeated
    #[arg(long, value_name = "LOCAL:DIR")]
    copy_in: Vec<CopyInto>,

    /// Write a file, with this text as it is; may be repeated
    #[arg(long, value_name = "FILE:CONTENT")]
    write: Vec<FileText>,

    /// Make a directory, and those above it; may be repeated
    #[arg(long, value_name = "DIR")]
    mkdir: Vec<String>,

    /// Remove a file, or a directory with all that is in it, if it is there; may be repeated
    #[arg(long, value_name = "PATH")]
    delete: Vec<String>,

    /// Give a network interface addresses, or DHCP: '1,address=10.0.0.5/24,gateway=10.0.0.1'; may be repeated
    ///
    /// [NIC,]address=ADDRESS/PREFIX|dhcp[,gateway=…][,dns=…][,search=…][,mac=MAC]
    ///
    /// NIC is the number or the guest's name of the interface, the first without.
    /// Several values have '+' between them, and several guests need a range:
    /// address=10.0.0.5-10.0.0.9/24+fd00::5-fd00::9/64.
    #[arg(long, value_name = "NETWORK")]
    network: Vec<NetworkWish>,

    /// Remove what binds networks to MAC addresses ('remove'), or bind it to those of the 'domain', or OLD=NEW; may be repeated
    #[arg(long, value_name = "HOW")]
    mac_pins: Vec<MacPins>,

    /// The instance id of cloud-init: 'new' for the UUID of the domain, or one; it begins anew then when the guest starts
    #[arg(long, value_name = "ID")]
    instance_id: Option<InstanceId>,

    /// Remove what clones must not share
    ///
    /// The machine id and the keys of the SSH server, unless they are said; DHCP
    /// leases and client ids, random seeds, the state of cloud-init, the secrets of
    /// NetworkManager and systemd, MAC addresses of cards in the settings of
    /// networks, unless --mac-pins says otherwise, subscriptions. See it with --dry-run.
    #[arg(long)]
    generalize: bool,
}

fn host_keys(text: &str) -> std::result::Result<HostKeys, &'static str> {
    match text {
        "new" => Ok(HostKeys::New),
        "remove" => Ok(HostKeys::Remove),
        _ => Err("it must be 'new' or 'remove'"),
    }
}

impl Options {
    /// What a plan says of a guest.
    fn of_plan(plan: &PlanFile, guest: &str) -> Result<Self> {
        let command = Command::new("plan").no_binary_name(true);
        let command = Self::augment_args(command.disable_help_flag(true));
        let matches = command.try_get_matches_from(plan.arguments(guest));
        let options = matches.and_then(|matches| Self::from_arg_matches(&matches));
        options.map_err(|error| {
            let why = error.to_string();
            let why = why.lines().next().unwrap_or_default();
            let why = why.strip_prefix("error: ").unwrap_or(why);
            usage(format!("guest '{guest}' in the plan: {why}"))
        })
    }

    /// What is asked for, with the files read.
    fn wishes(&self) -> Result<Wishes> {
        let ssh_keys = self.ssh_key.iter().map(|UserFile { user, file }| {
            let keys = keys(file)?;
            Ok((user.clone(), keys))
        });
        let mut passwords: Vec<(String, _)> = Vec::new();
        let given = self.root_password.iter().chain(&self.password);
        if given.filter(|one| one.file == Path::new("-")).count() > 1 {
            return Err(usage(
                "standard input has one password, and two are to be on it",
            ));
        }
        for AccountPassword { user, file } in self.root_password.iter().chain(&self.password) {
            if passwords.iter().any(|(known, _)| known == user) {
                return Err(usage(format!("user '{user}' is given two passwords")));
            }
            passwords.push((user.clone(), password(file)?));
        }
        Ok(Wishes {
            hostname: self.hostname.clone(),
            machine_id: self.machine_id.clone(),
            host_keys: self.ssh_host_keys,
            known_hosts: false,
            users: self.user.clone(),
            cards: Vec::new(),
            ssh_keys: ssh_keys.collect::<Result<_>>()?,
            passwords,
            timezone: self.timezone.clone(),
            firstboot: self.firstboot.clone(),
            copy_in: self.copy_in.clone(),
            write: self.write.clone(),
            mkdir: self.mkdir.clone(),
            delete: self.delete.clone(),
            network: self.network.clone(),
            mac_pins: self.mac_pins.clone(),
            instance_id: self.instance_id.clone(),
            generalize: self.generalize,
        })
    }
}

fn usage(message: impl std::fmt::Display) -> Error {
    Error::new(Kind::Usage, message)
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &CustomizeArgs) -> Result<()> {
    let mut plan = Customizing {
        ui,
        args,
        wishes: args.options.wishes()?,
        file: args.plan.as_deref().map(PlanFile::read).transpose()?,
        own: HashMap::new(),
        number: 0,
        known: Vec::new(),
    };
    if plan.file.is_some() && !plan.wishes.is_empty() {
        return Err(
            usage("a plan says all that is to be changed, and there are options")
                .hint("put what is for all guests into its table 'all'"),
        );
    }
    plan.wishes.known_hosts = args.known_hosts.is_some();
    if plan.file.is_none() && plan.wishes.is_empty() {
        return Err(usage("nothing is to be changed").hint("see what there is: `--help`"));
    }
    args.guests.each(ui, session, &mut plan)
}

struct Customizing<'c> {
    ui: &'c Ui,
    args: &'c CustomizeArgs,
    /// What all are to be, if there is no plan.
    wishes: Wishes,
    file: Option<PlanFile>,
    /// What each is to be, if there is one.
    own: HashMap<String, Wishes>,
    /// How many guests were drafted.
    number: u64,
    /// The keys of each that was drafted.
    known: Vec<Vec<String>>,
}

impl Customizing<'_> {
    /// What a guest is called: the domain, or the image without its extension.
    fn name_of<'n>(&self, name: &'n str) -> &'n str {
        match self.args.guests.is_image() {
            true => {
                let stem = Path::new(name).file_stem();
                stem.and_then(|stem| stem.to_str()).unwrap_or(name)
            }
            false => name,
        }
    }
}

impl Plan for Customizing<'_> {
    fn guests(&self) -> Vec<String> {
        self.file.as_ref().map(PlanFile::guests).unwrap_or_default()
    }

    fn begin(&mut self, guests: &[String]) -> Result<()> {
        let Some(file) = &self.file else {
            return self.wishes.check_for(guests.len());
        };
        let known = file.guests();
        for guest in guests {
            let name = self.name_of(guest);
            let mut wishes = Options::of_plan(file, name)?.wishes()?;
            if wishes.is_empty() {
                return Err(usage(format!("the plan says nothing of '{name}'"))
                    .hint(format!("it has: {}", known.join(", "))));
            }
            wishes.check_for(1)?;
            wishes.known_hosts = self.args.known_hosts.is_some();
            self.own.insert(guest.clone(), wishes);
        }
        let each = guests.iter().zip(1..).filter_map(|(guest, number)| {
            let name = self.name_of(guest);
            let which = Which {
                name,
                number,
                uuid: None,
                macs: &[],
            };
            Some((which, self.own.get(guest)?))
        });
        must_differ(each)
    }

    fn draft(&mut self, writing: &Writing<'_>, draft: &mut Draft<'_>) -> Result<()> {
        self.number = self.number.saturating_add(1);
        let which = Which {
            name: self.name_of(&writing.name),
            number: self.number,
            uuid: writing.domain().map(|domain| domain.uuid),
            macs: &writing.macs()?,
        };
        let wishes = self.own.get(&writing.name).unwrap_or(&self.wishes);
        let outcome = wishes.draft(which, draft)?;
        for warning in &outcome.warnings {
            self.ui.warning(&format!("{}: {warning}", writing.name));
        }
        self.known.push(outcome.known_hosts);
        Ok(())
    }

    fn done(&mut self, number: usize) -> Result<()> {
        let known = self.known.get(number);
        let (Some(file), Some(known)) = (&self.args.known_hosts, known) else {
            return Ok(());
        };
        add_known_hosts(file, known).map_err(|error| {
            error.hint(
                "the guest is changed all the same; once more with `--known-hosts` alone adds its \
                 keys",
            )
        })
    }
}
