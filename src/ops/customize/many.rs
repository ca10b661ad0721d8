//! What cannot be: of several guests, and together.

use std::collections::HashMap;

use super::{InstanceId, MacPins, MachineId, Which, Wishes, hostname_of};
use crate::error::{Error, Kind, Result};

impl Wishes {
    /// Refuses what contradicts itself, and to make several guests alike in what they
    /// must not share.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`].
    pub fn check_for(&self, guests: usize) -> Result<()> {
        self.check_pins()?;
        self.check_addresses()?;
        if guests < 2 {
            return Ok(());
        }
        let usage = |what: &str, hint: &str| {
            Err(Error::new(Kind::Usage, format!("{guests} guests cannot have {what}")).hint(hint))
        };
        if self.hostname.as_ref().is_some_and(|it| !it.has_counter()) {
            return usage(
                "one host name",
                "use a pattern: `--hostname '{name}'`, or '{name}.lab', or 'node-{n:02}'",
            );
        }
        if let Some(MachineId::This(_)) = self.machine_id {
            return usage("one machine id", "use `--machine-id new`");
        }
        if let Some(InstanceId::This(_)) = self.instance_id {
            return usage("one instance id", "use `--instance-id new`");
        }
        if self.network.iter().any(|wish| wish.mac.is_some()) {
            return usage(
                "one MAC address",
                "say which of its interfaces each has: `--network 1,address=…`",
            );
        }
        let mut ranges = self.network.iter().flat_map(|wish| &wish.addresses);
        if let Some(range) = ranges.find(|range| !range.is_for(guests)) {
            return usage(
                &format!("addresses of their own out of {range}"),
                "give a range that has one for each: \
                 `--network address=192.168.122.50-192.168.122.69/24`",
            );
        }
        let mut pins = self.mac_pins.iter();
        if pins.any(|pin| matches!(pin, MacPins::Pair(..))) {
            return usage("one MAC address", "use `--mac-pins domain`");
        }
        Ok(())
    }

    /// Pins go, or become those of the domain, or are said one by one.
    fn check_pins(&self) -> Result<()> {
        let usage = |why: String| Err(Error::new(Kind::Usage, why));
        let is_pair = |pin: &MacPins| matches!(pin, MacPins::Pair(..));
        if self.mac_pins.len() > 1 && !self.mac_pins.iter().all(is_pair) {
            return usage("--mac-pins is given once, or with OLD=NEW for each address".to_owned());
        }
        for (index, pin) in self.mac_pins.iter().enumerate() {
            let MacPins::Pair(old, _) = pin else {
                continue;
            };
            let mut before = self.mac_pins.iter().take(index);
            if before.any(|pin| matches!(pin, MacPins::Pair(other, _) if other == old)) {
                return usage(format!("--mac-pins has two addresses for {old}"));
            }
        }
        Ok(())
    }

    /// No address is that of two interfaces, of whichever guests.
    fn check_addresses(&self) -> Result<()> {
        let ranges: Vec<_> = self
            .network
            .iter()
            .flat_map(|wish| wish.addresses.iter().copied())
            .collect();
        for (index, range) in ranges.iter().enumerate() {
            let mut before = ranges.iter().take(index);
            if let Some(other) = before.find(|other| other.overlaps(*range)) {
                return Err(Error::new(
                    Kind::Usage,
                    format!("{range} and {other} have an address in common"),
                ));
            }
        }
        Ok(())
    }
}

/// Refuses guests that would be alike in what they must not share.
///
/// # Errors
///
/// [`Kind::Usage`], with both.
pub fn must_differ<'w>(each: impl Iterator<Item = (Which<'w>, &'w Wishes)>) -> Result<()> {
    let mut seen: HashMap<String, &str> = HashMap::new();
    for (which, wishes) in each {
        let hostname = wishes.hostname.as_ref();
        let hostname = hostname
            .map(|pattern| hostname_of(pattern, which))
            .transpose()?;
        let hostname = hostname.map(|name| format!("the host name {name}").to_ascii_lowercase());
        let id = match &wishes.machine_id {
            Some(MachineId::This(id)) => Some(format!("the machine id {id}")),
            _ => None,
        };
        let ranges = wishes.network.iter().flat_map(|wish| &wish.addresses);
        let addresses = ranges.filter_map(|range| range.of(which.number));
        let addresses = addresses.map(|ip| format!("the address {ip}"));
        for what in hostname.into_iter().chain(id).chain(addresses) {
            if let Some(other) = seen.insert(what.clone(), which.name) {
                let name = which.name;
                return Err(Error::new(
                    Kind::Usage,
                    format!("'{other}' and '{name}' cannot both have {what}"),
                ));
            }
        }
    }
    Ok(())
}
