//! Hyper-V images ([MS-VHDX]): a megabyte of headers, the log, the metadata
//! and the table of blocks, a megabyte each.

use super::{Bytes, DISK};

const MIB: usize = 1 << 20;
const METADATA: usize = 2 * MIB;

/// The items of metadata that every image has, by their identifiers.
const PARAMETERS: &[u8] = b"\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b";
const DISK_SIZE: &[u8] = b"\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8";
const DISK_ID: &[u8] = b"\xab\x12\xca\xbe\xe6\xb2\x23\x45\x93\xef\xc3\x09\xe0\x00\xc7\x46";
const SECTOR: &[u8] = b"\x1d\xbf\x41\x81\x6f\xa9\x09\x47\xba\x47\xf2\x33\xa8\xfa\xab\x5f";
const REAL_SECTOR: &[u8] = b"\xc7\x48\xa3\xcd\x5d\x44\x71\x44\x9c\xc9\xe9\x88\x52\x51\xc5\x56";
const PARENT: &[u8] = b"\x2d\x5f\xd3\xa8\x0b\xb3\x4d\x45\xab\xf7\xd3\xd8\x48\x34\xab\x0c";
const BLOCKS_REGION: &[u8] = b"\x66\x77\xc2\x2d\x23\xf6\x00\x42\x9d\x64\x11\x5e\x9b\xfd\x4a\x08";
const METADATA_REGION: &[u8] = b"\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e";

/// What is to be in an image.
#[derive(Clone)]
pub(super) struct Vhdx {
    pub(super) log_guid: u8,
    pub(super) log_offset: u64,
    pub(super) parent: Option<String>,
    pub(super) size: u64,
    pub(super) block: u32,
    pub(super) sector: u32,
    pub(super) regions: u32,
    pub(super) items: u16,
    /// A region, and an item, of which the writer says that nobody can do
    /// without them.
    pub(super) required: (Option<u8>, Option<u8>),
    /// The sequence numbers of the two headers.
    pub(super) sequence: [u64; 2],
    /// Who wrote the second one, if not who wrote the first.
    pub(super) second_writer: u8,
}

impl Default for Vhdx {
    fn default() -> Self {
        Self {
            log_guid: 0,
            log_offset: 1 << 20,
            parent: None,
            size: DISK,
            block: 1 << 20,
            sector: 512,
            regions: 2,
            items: 5,
            required: (None, None),
            sequence: [1, 2],
            second_writer: 1,
        }
    }
}

impl Vhdx {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut image = Bytes::of_size(4 * MIB).put(0, b"vhdxfile");
        let [first, second] = self.sequence;
        image = image
            .put(64 << 10, self.header(first, 1))
            .put(128 << 10, self.header(second, self.second_writer));
        let regions = self.region_table();
        image = image.put(192 << 10, &regions).put(256 << 10, &regions);
        self.metadata(image).0
    }

    fn header(&self, sequence: u64, writer: u8) -> Vec<u8> {
        summed(
            Bytes::of_size(4096)
                .put(0, b"head")
                .le64(8, sequence)
                .put(16, [writer; 32])
                .put(48, [self.log_guid; 16])
                .le16(66, 1)
                .le32(68, 1 << 20)
                .le64(72, self.log_offset),
        )
    }

    fn region_table(&self) -> Vec<u8> {
        let region = |image: Bytes, n: usize, id: &[u8], offset: u64| {
            image
                .put(16 + 32 * n, id)
                .le64(32 + 32 * n, offset)
                .le32(40 + 32 * n, 1 << 20)
                .le32(44 + 32 * n, 1)
        };
        let table = Bytes::of_size(64 << 10)
            .put(0, b"regi")
            .le32(8, self.regions);
        let table = region(table, 0, BLOCKS_REGION, 3 << 20);
        let table = region(table, 1, METADATA_REGION, METADATA as u64);
        let table = match self.required.0 {
            Some(id) => region(table.le32(8, 3), 2, &[id; 16], 4 << 20),
            None => table,
        };
        summed(table)
    }

    fn metadata(&self, image: Bytes) -> Bytes {
        let has_parent = if self.parent.is_some() { 2_u32 } else { 0 };
        let mut parameters = self.block.to_le_bytes().to_vec();
        parameters.extend(has_parent.to_le_bytes());
        let mut items: Vec<(&[u8], Vec<u8>)> = vec![
            (PARAMETERS, parameters),
            (DISK_SIZE, self.size.to_le_bytes().to_vec()),
            (DISK_ID, vec![3; 16]),
            (SECTOR, self.sector.to_le_bytes().to_vec()),
            (REAL_SECTOR, 4096_u32.to_le_bytes().to_vec()),
        ];
        if let Some(name) = &self.parent {
            let wide = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
            items.push((PARENT, wide));
        }
        let unknown = [self.required.1.unwrap_or_default(); 16];
        if self.required.1.is_some() {
            items.push((&unknown, vec![0; 8]));
        }
        let more = u16::try_from(items.len() - 5).unwrap();
        let mut image = image
            .put(METADATA, b"metadata")
            .le16(METADATA + 10, self.items.saturating_add(more));
        let mut at = 64_usize << 10;
        for (n, (id, data)) in items.iter().enumerate() {
            let entry = METADATA + 32 + 32 * n;
            image = image
                .put(entry, id)
                .le32(entry + 16, u32::try_from(at).unwrap())
                .le32(entry + 20, u32::try_from(data.len()).unwrap())
                .le32(entry + 24, 4)
                .put(METADATA + at, data);
            at += data.len().next_multiple_of(8);
        }
        image
    }
}

/// Puts the checksum where it belongs: CRC-32C, with 0 in its own place.
fn summed(bytes: Bytes) -> Vec<u8> {
    let mut crc = u32::MAX;
    for &byte in &bytes.0 {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 * (crc & 1));
        }
    }
    bytes.le32(4, !crc).0
}
