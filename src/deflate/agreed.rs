//! What both ends agreed on in the handshake.

/// What both ends agreed on. "Own" is this end's compressor, "peer" the other end's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(crate) own_takeover: bool,
    pub(crate) peer_takeover: bool,
    /// 8 to 15.
    pub(crate) own_window_bits: u8,
    pub(crate) peer_window_bits: u8,
}
