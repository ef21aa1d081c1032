//! UTF-8 that arrives in pieces (RFC 6455, 8.1): refused at the first byte that cannot belong to it.

/// Validates a text piece by piece. Only an unfinished character is kept between pieces.
#[derive(Debug, Clone, Copy, Default)]
pub struct Validator {
    /// The start of a character whose end has not arrived: at most three bytes.
    partial: [u8; 4],
    partial_len: u8,
}

/// The text is not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invalid;

/// Whether a text that is there as a whole is valid. Worth asking only of one that is not all ASCII.
#[inline(never)]
pub(crate) fn is_valid(text: &[u8]) -> bool {
    const WORTH_VECTORS: usize = 64; // below it simdutf8 asks the standard library, too, some calls later
    if text.len() < WORTH_VECTORS {
        std::str::from_utf8(text).is_ok()
    } else {
        simdutf8::basic::from_utf8(text).is_ok()
    }
}

impl Validator {
    /// Takes the next piece. It may end inside a character, as long as that can still become a valid one.
    pub fn feed(&mut self, mut piece: &[u8]) -> Result<(), Invalid> {
        while self.partial_len > 0 {
            let Some((&byte, rest)) = piece.split_first() else {
                return Ok(());
            };
            piece = rest;
            self.extend_partial(byte)?;
        }
        // Cut at the end of a character, the fastest validator can do, which says nothing of the place of a mistake.
        let (whole, tail) = piece.split_at(piece.len() - unfinished(piece));
        if !is_valid(whole) {
            return Err(Invalid);
        }
        tail.iter().try_for_each(|&byte| self.extend_partial(byte))
    }

    /// Like [`feed`](Validator::feed), of a piece that is known to be all ASCII.
    #[inline]
    pub(crate) fn feed_ascii(&mut self, piece: &[u8]) -> Result<(), Invalid> {
        debug_assert!(piece.is_ascii());
        if self.partial_len > 0 && !piece.is_empty() { Err(Invalid) } else { Ok(()) }
    }

    /// Ends the text and makes the validator ready for the next one.
    pub fn finish(&mut self) -> Result<(), Invalid> {
        match std::mem::take(&mut self.partial_len) {
            0 => Ok(()),
            _ => Err(Invalid),
        }
    }

    fn extend_partial(&mut self, byte: u8) -> Result<(), Invalid> {
        // It is full only after a refusal.
        *self.partial.get_mut(self.partial_len as usize).ok_or(Invalid)? = byte;
        self.partial_len += 1;
        match std::str::from_utf8(&self.partial[..self.partial_len as usize]) {
            Ok(_) => {
                self.partial_len = 0;
                Ok(())
            }
            Err(error) if error.error_len().is_some() => Err(Invalid),
            Err(_) => Ok(()),
        }
    }
}

/// How many bytes at the end of `piece` begin a character that does not end there: at most three.
fn unfinished(piece: &[u8]) -> usize {
    for (before, &byte) in piece.iter().rev().take(3).enumerate() {
        let len = match byte {
            0x00..0x80 => 1,
            0x80..0xc0 => continue, // it goes on with one
            0xc0..0xe0 => 2,
            0xe0..0xf0 => 3,
            0xf0..=0xff => 4,
        };
        return if len > before + 1 { before + 1 } else { 0 };
    }
    0
}
