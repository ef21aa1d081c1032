//! `Sec-WebSocket-Key` and `Sec-WebSocket-Accept` (RFC 6455, 4.1, 4.2.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// 16 bytes in Base64.
pub(crate) const KEY_LEN: usize = 24;
/// A SHA-1 in Base64.
pub(crate) const ACCEPT_LEN: usize = 28;

/// The key of these 16 random bytes.
pub(crate) fn encode(nonce: [u8; 16]) -> [u8; KEY_LEN] {
    let mut key = [0; KEY_LEN];
    STANDARD.encode_slice(nonce, &mut key).expect("16 bytes make 24 characters");
    key
}

/// Whether a client may send this key: 16 bytes in Base64.
pub(crate) fn is_valid(key: &[u8]) -> bool {
    let mut nonce = [0; 18];
    key.len() == KEY_LEN && STANDARD.decode_slice(key, &mut nonce) == Ok(16)
}

/// The answer that proves that a server understood the key.
pub(crate) fn accept(key: &[u8]) -> [u8; ACCEPT_LEN] {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let mut accept = [0; ACCEPT_LEN];
    STANDARD.encode_slice(digest, &mut accept).expect("20 bytes make 28 characters");
    accept
}
