//! Masking (RFC 6455, 5.3): XOR with a repeated four-byte key. The same operation masks and unmasks.

/// Bytes per step: wide enough for the compiler to use the vector unit.
const BLOCK: usize = 32;

/// XORs `data` with `key`, where `offset` bytes of the payload came before `data`.
pub fn apply(key: [u8; 4], offset: u64, data: &mut [u8]) {
    let key = rotate(key, offset);
    let mut wide = [0u8; BLOCK];
    for (i, byte) in wide.iter_mut().enumerate() {
        *byte = key[i % 4];
    }

    let mut blocks = data.chunks_exact_mut(BLOCK);
    for block in &mut blocks {
        for (byte, key) in block.iter_mut().zip(&wide) {
            *byte ^= key;
        }
    }
    for (byte, key) in blocks.into_remainder().iter_mut().zip(&wide) {
        *byte ^= key;
    }
}

/// The key as it applies `offset` bytes into the payload.
fn rotate(key: [u8; 4], offset: u64) -> [u8; 4] {
    let mut key = key;
    key.rotate_left((offset % 4) as usize);
    key
}
