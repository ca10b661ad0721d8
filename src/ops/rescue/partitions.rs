//! What the firmware needs: a partition that it boots from.

use super::patient::InTree;
use super::report::Check;
use crate::error::Result;
use crate::guest::native::partition::{PartitionType, TableKind};

/// The types of partitions that count (UEFI specification; GRUB's manual).
const ESP: uuid::Uuid = uuid::uuid!("c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
const BIOS: uuid::Uuid = uuid::uuid!("21686148-6449-6e6f-744e-656564454649");
const ESP_IN_MBR: u8 = 0xef;

/// Where GRUB has what it boots with on a BIOS.
const GRUB_OF_BIOS: &[&str] = &["/boot/grub/i386-pc", "/boot/grub2/i386-pc"];

pub(super) fn look(here: &InTree<'_>, check: &mut Check) -> Result<()> {
    let parts = || {
        let parts = here.patient.guest.system.parts.iter();
        parts.filter_map(|part| part.partition())
    };
    let of_type = |kinds: &[PartitionType]| parts().any(|(_, part)| kinds.contains(&part.kind));
    let esp = of_type(&[PartitionType::Gpt(ESP), PartitionType::Mbr(ESP_IN_MBR)]);
    let Some(facts) = here.patient.facts else {
        check.not_applicable("which firmware starts it is not known: no domain is named");
        return Ok(());
    };
    if facts.nvram.is_some() {
        match esp {
            true => check.fine("the domain starts with UEFI, and there is an EFI partition".to_owned()),
            false => check.problem(
                "the domain starts with UEFI, and no partition is marked as the EFI system partition"
                    .to_owned(),
                Some("mark it (`sgdisk -t N:ef00`), or have the domain start with a BIOS".to_owned()),
            ),
        }
        return Ok(());
    }
    let gpt = parts().any(|(table, _)| table == TableKind::Gpt);
    let mut grub = false;
    for path in GRUB_OF_BIOS {
        grub |= here.is_there(path)?;
    }
    if gpt && grub && !of_type(&[PartitionType::Gpt(BIOS)]) {
        check.problem(
            "the domain starts with a BIOS, and the GPT has no partition for GRUB (bios_grub)"
                .to_owned(),
            Some(
                "make one of 1 MiB (`sgdisk -n 0:0:+1M -t 0:ef02`), and run grub-install"
                    .to_owned(),
            ),
        );
    } else if esp && !grub {
        check.warning(
            "the domain starts with a BIOS, and its disk is made for UEFI".to_owned(),
            Some("have the domain start with UEFI: `virsh edit`, <os firmware='efi'>".to_owned()),
        );
    } else {
        check.fine("the domain starts with a BIOS".to_owned());
    }
    Ok(())
}
