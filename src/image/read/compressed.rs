//! Compressed clusters (`qcow2.rst`, "Compressed Clusters Descriptor").

use std::fmt;
use std::io::Read;
use std::sync::{Mutex, PoisonError};

use flate2::{Decompress, FlushDecompress, Status};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::image::file::le32;
use crate::image::qcow2::Compression;

/// The largest window of a zstd frame that is decoded, in bytes: what every
/// decoder has to manage (RFC 8878, 3.1.1.1.2). QEMU's frames need no more
/// than a cluster.
const MAX_WINDOW: u64 = 8 << 20;

const ZSTD_MAGIC: u32 = 0xfd2f_b528;

/// Decompresses clusters, from several threads at once.
pub(super) struct Decompressor {
    method: Compression,
    /// Those that nobody uses now: their tables are worth keeping.
    idle: Mutex<Vec<Decoder>>,
}

enum Decoder {
    Deflate(Decompress),
    Zstd(Box<FrameDecoder>),
}

/// Why a cluster cannot be decompressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Corrupt;

impl Decompressor {
    /// So many decoders are kept for later.
    const KEPT: usize = 4;

    pub(super) fn new(method: Compression) -> Self {
        Self {
            method,
            idle: Mutex::default(),
        }
    }

    /// Fills `cluster` out of `bytes`, which may go on after the end of the
    /// compressed data.
    pub(super) fn decompress(&self, bytes: &[u8], cluster: &mut [u8]) -> Result<(), Corrupt> {
        let idle = self.idle().pop();
        let mut decoder = idle.unwrap_or_else(|| match self.method {
            Compression::Deflate => Decoder::Deflate(Decompress::new(false)),
            Compression::Zstd => Decoder::Zstd(Box::new(FrameDecoder::new())),
        });
        match &mut decoder {
            Decoder::Deflate(decoder) => inflate(decoder, bytes, cluster),
            Decoder::Zstd(decoder) => unzstd(decoder, bytes, cluster),
        }?;
        // One that has failed is not worth keeping.
        let mut idle = self.idle();
        if idle.len() < Self::KEPT {
            idle.push(decoder);
        }
        Ok(())
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Decoder>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decompressor({:?})", self.method)
    }
}

/// Raw deflate, as QEMU writes it. It is done when the cluster is full, whether
/// or not the stream says that it ends there.
fn inflate(decoder: &mut Decompress, bytes: &[u8], cluster: &mut [u8]) -> Result<(), Corrupt> {
    decoder.reset(false);
    let (mut read, mut done) = (0_usize, 0_usize);
    while done < cluster.len() {
        let (before_in, before_out) = (decoder.total_in(), decoder.total_out());
        let input = bytes.get(read..).ok_or(Corrupt)?;
        let output = cluster.get_mut(done..).ok_or(Corrupt)?;
        let status = decoder
            .decompress(input, output, FlushDecompress::None)
            .map_err(|_| Corrupt)?;
        let step = |now: u64, before: u64| usize::try_from(now.saturating_sub(before));
        let consumed = step(decoder.total_in(), before_in).map_err(|_| Corrupt)?;
        let produced = step(decoder.total_out(), before_out).map_err(|_| Corrupt)?;
        read = read.saturating_add(consumed);
        done = done.saturating_add(produced);
        let stuck = consumed == 0 && produced == 0;
        if done < cluster.len() && (status == Status::StreamEnd || stuck) {
            return Err(Corrupt);
        }
    }
    Ok(())
}

/// One frame that is the cluster and nothing else.
fn unzstd(decoder: &mut FrameDecoder, bytes: &[u8], cluster: &mut [u8]) -> Result<(), Corrupt> {
    check_window(bytes, cluster.len() as u64)?;
    let mut rest = bytes;
    decoder.reset(&mut rest).map_err(|_| Corrupt)?;
    let mut done = 0;
    // A block at a time: a few bytes can stand for 128 KiB.
    while !decoder.is_finished() {
        decoder
            .decode_blocks(&mut rest, BlockDecodingStrategy::UptoBlocks(1))
            .map_err(|_| Corrupt)?;
        done = drain(decoder, cluster, done)?;
    }
    if done == cluster.len() && decoder.can_collect() == 0 {
        Ok(())
    } else {
        Err(Corrupt)
    }
}

/// Takes what a decoder has, up to the end of the cluster.
fn drain(decoder: &mut FrameDecoder, cluster: &mut [u8], from: usize) -> Result<usize, Corrupt> {
    let mut done = from;
    loop {
        let room = cluster.get_mut(done..).ok_or(Corrupt)?;
        let available = decoder.can_collect();
        if available > room.len() {
            return Err(Corrupt);
        }
        if available == 0 {
            return Ok(done);
        }
        match decoder.read(room) {
            Ok(0) | Err(_) => return Err(Corrupt),
            Ok(count) => done = done.saturating_add(count),
        }
    }
}

/// Looks at the header of a frame (RFC 8878, 3.1.1.1) before a decoder gets it,
/// which would make room for whatever window that asks for.
fn check_window(bytes: &[u8], cluster: u64) -> Result<(), Corrupt> {
    if le32(bytes, 0) != Some(ZSTD_MAGIC) {
        return Err(Corrupt);
    }
    let descriptor = *bytes.get(4).ok_or(Corrupt)?;
    let single_segment = descriptor & 1 << 5 != 0;
    let dictionary = descriptor & 3;
    if dictionary != 0 {
        return Err(Corrupt);
    }
    let window = if single_segment {
        content_size(bytes, descriptor).ok_or(Corrupt)?
    } else {
        let byte = u64::from(*bytes.get(5).ok_or(Corrupt)?);
        let base = 1_u64 << (10 + (byte >> 3));
        base + base / 8 * (byte & 7)
    };
    let most = if single_segment { cluster } else { MAX_WINDOW };
    if window <= most { Ok(()) } else { Err(Corrupt) }
}

/// The size that a frame of a single segment says its content has.
fn content_size(bytes: &[u8], descriptor: u8) -> Option<u64> {
    let length = 1_usize << (descriptor >> 6);
    let field = bytes.get(5..5 + length)?;
    let number = field
        .iter()
        .rev()
        .fold(0, |n, byte| n << 8 | u64::from(*byte));
    Some(if length == 2 { number + 256 } else { number })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression as Level;
    use flate2::write::DeflateEncoder;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn text(length: usize) -> Vec<u8> {
        (0..length)
            .map(|n| u8::try_from(n * n / 7 % 251).unwrap())
            .collect()
    }

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Level::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        compress_to_vec(bytes, CompressionLevel::Fastest)
    }

    fn decompressed(method: Compression, bytes: &[u8], size: usize) -> Result<Vec<u8>, Corrupt> {
        let mut cluster = vec![0; size];
        let decompressor = Decompressor::new(method);
        // Twice, so that a used decoder is tried too.
        for _ in 0..2 {
            cluster.fill(0xee);
            decompressor.decompress(bytes, &mut cluster)?;
        }
        Ok(cluster)
    }

    #[test]
    fn a_cluster_is_what_was_compressed() {
        for size in [512, 4096, 1 << 16, 2 << 20] {
            for content in [text(size), vec![0; size], vec![7; size]] {
                for (method, mut bytes) in [
                    (Compression::Deflate, deflated(&content)),
                    (Compression::Zstd, zstd(&content)),
                ] {
                    let whole = bytes.len();
                    bytes.extend([0xaa; 511]);
                    let found = decompressed(method, &bytes, size).unwrap();
                    assert!(found == content, "{method:?} {size}");
                    // Cut off, and too short for the cluster.
                    for bytes in [&bytes[..whole / 2], &[]] {
                        assert_eq!(decompressed(method, bytes, size), Err(Corrupt));
                    }
                    let longer = decompressed(method, &bytes[..whole], size + 512);
                    assert_eq!(longer, Err(Corrupt), "{method:?} {size}");
                }
            }
        }
    }

    #[test]
    fn a_frame_larger_than_the_cluster_is_refused_before_it_is_decoded() {
        // One block of 128 KiB of the same byte, a thousand times: 4 KB of input.
        let window = |descriptor: u8, window: u8, blocks: usize| {
            let mut bytes = ZSTD_MAGIC.to_le_bytes().to_vec();
            bytes.extend([descriptor, window]);
            for n in 0..blocks {
                let last = u32::from(n + 1 == blocks);
                let header = last | 1 << 1 | (128 << 10) << 3;
                bytes.extend(&header.to_le_bytes()[..3]);
                bytes.push(b'x');
            }
            bytes
        };
        // A window of 1 MiB is (20 - 10) << 3.
        let one = decompressed(Compression::Zstd, &window(0, 80, 1), 128 << 10).unwrap();
        assert_eq!(one, vec![b'x'; 128 << 10]);
        let zstd = |bytes: &[u8]| decompressed(Compression::Zstd, bytes, 64 << 10);
        assert_eq!(zstd(&window(0, 80, 1000)), Err(Corrupt));
        // 2 TiB.
        assert_eq!(zstd(&window(0, 31 << 3, 1)), Err(Corrupt));
        // A single segment of 2^64 - 1 bytes.
        let mut bytes = ZSTD_MAGIC.to_le_bytes().to_vec();
        bytes.extend([0xe0]);
        bytes.extend([0xff; 8]);
        bytes.extend([0x03, 0, 0, b'x']);
        assert_eq!(zstd(&bytes), Err(Corrupt));
        // A dictionary, which there is not.
        assert_eq!(zstd(&window(3, 80, 1)), Err(Corrupt));
    }
}
