//! The kernel for every processor.

/// Bytes per step: wide enough for the compiler to use the vector unit.
const BLOCK: usize = 32;

pub(super) fn unmask(key: [u8; 4], data: &mut [u8]) -> bool {
    let mut wide = [0u8; BLOCK];
    for (i, byte) in wide.iter_mut().enumerate() {
        *byte = key[i % 4];
    }
    let mut seen = [0u8; BLOCK];
    let mut blocks = data.chunks_exact_mut(BLOCK);
    for block in &mut blocks {
        for ((byte, key), seen) in block.iter_mut().zip(&wide).zip(&mut seen) {
            *byte ^= key;
            *seen |= *byte;
        }
    }
    for ((byte, key), seen) in blocks.into_remainder().iter_mut().zip(&wide).zip(&mut seen) {
        *byte ^= key;
        *seen |= *byte;
    }
    seen.is_ascii()
}
