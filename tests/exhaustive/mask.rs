//! Masking (RFC 6455, 5.3) at every length to 300, offset and alignment, whole and in two pieces.

use crate::{full, in_parallel, sample};
use wsengine::frame::mask;

const MAX_LEN: usize = 300;
const ALIGNMENTS: usize = 64;
const GUARD: u8 = 0xa5;

/// Octet i of the result is octet i of the data XOR octet i modulo 4 of the key.
fn model(key: [u8; 4], offset: u64, data: &[u8]) -> Vec<u8> {
    data.iter().enumerate().map(|(i, byte)| byte ^ key[((offset % 4) as usize + i) % 4]).collect()
}

/// A buffer whose byte 64 lies on a boundary of 64 bytes, so that `64 + alignment` has that alignment.
#[repr(align(64))]
struct Aligned([u8; 64 + ALIGNMENTS + MAX_LEN + 64]);

fn check(key: [u8; 4], offset: u64, len: usize, alignment: usize, data: &[u8], cuts: &[usize]) {
    let expected = model(key, offset, &data[..len]);
    let start = 64 + alignment;
    for &cut in cuts {
        let mut buffer = Aligned([GUARD; 64 + ALIGNMENTS + MAX_LEN + 64]);
        buffer.0[start..start + len].copy_from_slice(&data[..len]);
        let (first, second) = buffer.0[start..start + len].split_at_mut(cut);
        mask::apply(key, offset, first);
        mask::apply(key, offset.wrapping_add(cut as u64), second);
        let context = || format!("key {key:x?}, offset {offset}, {len} bytes, alignment {alignment}, cut at {cut}");
        assert!(buffer.0[start..start + len] == expected[..], "{}", context());
        let around = buffer.0[..start].iter().chain(&buffer.0[start + len..]);
        assert!(around.copied().all(|byte| byte == GUARD), "nothing around it changes: {}", context());
    }
}

#[test]
fn every_length_offset_alignment_and_cut() {
    let data: Vec<u8> = (0..MAX_LEN as u32).map(|i| (i * 151 + 7) as u8).collect();
    let keys = [[0x37, 0xfa, 0x21, 0x3d], [0, 1, 2, 3], [0xff, 0, 0, 0]];
    in_parallel(MAX_LEN + 1, |len| {
        let cuts: Vec<usize> = if full() { (0..=len).collect() } else { vec![len, len / 2, len.min(33)] };
        for alignment in sample(0..ALIGNMENTS, 5) {
            for offset in 0..8 {
                let key = keys[(alignment + offset as usize) % keys.len()];
                check(key, offset, len, alignment, &data, &cuts);
            }
        }
        for offset in [u64::from(u32::MAX) - 1, u64::from(u32::MAX), 1 << 32, (1 << 63) - 1] {
            check(keys[0], offset, len, len % ALIGNMENTS, &data, &cuts);
        }
    });
}

/// The two ends of the key space are not special, and masking twice is nothing.
#[test]
fn masking_twice_gives_the_data_back() {
    let data: Vec<u8> = (0..MAX_LEN).map(|i| i as u8).collect();
    for key in [[0; 4], [0xff; 4], [1, 2, 4, 8]] {
        for offset in 0..8 {
            let mut masked = data.clone();
            mask::apply(key, offset, &mut masked);
            assert_eq!(masked, model(key, offset, &data));
            mask::apply(key, offset, &mut masked);
            assert_eq!(masked, data);
        }
    }
}
