//! The tables of a qcow2 image, and its compressed clusters. What is read in
//! one piece has to be what is read in many, and what is no data zeros.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmkin::error::Kind;
use vmkin::image::{Trust, read, resolve};
use vmkin::model::ImageFormat;
use vmkin_fuzz::disks::qcow2;
use vmkin_fuzz::write;

/// No multiple of a sector, and none of a cluster.
const PIECE: usize = 1999;

fuzz_target!(|data: &[u8]| {
    let path = write("image", &qcow2(data));
    let chain = resolve(&path, ImageFormat::Qcow2, &Trust::default());
    let chain = chain.expect("its header is good");
    let disk = read::open(&chain, None).expect("its header is good");
    let mut whole = vec![0; usize::try_from(disk.len()).expect("it is small")];
    let all = disk.read_at(0, &mut whole);
    let mut failed = false;
    for (n, expected) in whole.chunks(PIECE).enumerate() {
        let mut piece = vec![0xee; expected.len()];
        match disk.read_at((n * PIECE) as u64, &mut piece) {
            Ok(()) if all.is_ok() => assert_eq!(piece, expected),
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error.kind(), Kind::Unsafe, "{error}");
                failed = true;
            }
        }
    }
    assert_eq!(failed, all.is_err());
    let mut at = 0;
    while let Ok(Some(found)) = disk.next_data(at) {
        assert!(at <= found.start && found.start < found.end && found.end <= disk.len());
        if all.is_ok() {
            let hole = at as usize..found.start as usize;
            assert!(whole[hole].iter().all(|byte| *byte == 0));
        }
        at = found.end;
    }
});
