//! Access control lists: ext4 keeps them in a form of its own, and the kernel hands
//! them out in another.

/// What an entry is about. Only users and groups that are named have an id.
const USER: u16 = 0x02;
const GROUP: u16 = 0x08;

/// The version of the form that is on disk, and of the one that is handed out.
const ON_DISK: u32 = 1;
const HANDED_OUT: u32 = 2;

/// A list as the kernel hands it out; as it is, if it is no list.
pub(super) fn as_handed_out(name: &[u8], value: Vec<u8>) -> Vec<u8> {
    let is_list = name.starts_with(b"system.posix_acl_");
    match is_list.then(|| converted(&value)).flatten() {
        Some(list) => list,
        None => value,
    }
}

fn converted(value: &[u8]) -> Option<Vec<u8>> {
    let (version, mut rest) = value.split_first_chunk()?;
    if u32::from_le_bytes(*version) != ON_DISK {
        return None;
    }
    let mut list = HANDED_OUT.to_le_bytes().to_vec();
    while !rest.is_empty() {
        let (tag, after) = rest.split_first_chunk()?;
        let (rights, after) = after.split_first_chunk::<2>()?;
        let named = matches!(u16::from_le_bytes(*tag), USER | GROUP);
        let (id, after) = match named {
            true => after.split_first_chunk()?,
            false => (&[0xff; 4], after),
        };
        list.extend_from_slice(tag);
        list.extend_from_slice(rights);
        list.extend_from_slice(id);
        rest = after;
    }
    Some(list)
}

#[cfg(test)]
mod tests {
    use super::as_handed_out;

    #[test]
    fn entries_get_the_length_that_the_kernel_hands_out() {
        let on_disk = [
            &[1, 0, 0, 0][..],
            &[1, 0, 6, 0],
            &[2, 0, 6, 0, 0xe8, 3, 0, 0],
            &[0x20, 0, 4, 0],
        ]
        .concat();
        let wanted = [
            &[2, 0, 0, 0][..],
            &[1, 0, 6, 0, 255, 255, 255, 255],
            &[2, 0, 6, 0, 0xe8, 3, 0, 0],
            &[0x20, 0, 4, 0, 255, 255, 255, 255],
        ]
        .concat();
        let name = b"system.posix_acl_access";
        assert_eq!(as_handed_out(name, on_disk.clone()), wanted);
        assert_eq!(as_handed_out(name, wanted.clone()), wanted);
        assert_eq!(as_handed_out(b"user.x", on_disk.clone()), on_disk);
        let cut = on_disk[..9].to_vec();
        assert_eq!(as_handed_out(name, cut.clone()), cut);
    }
}
