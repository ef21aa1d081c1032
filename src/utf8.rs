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
        match simdutf8::compat::from_utf8(piece) {
            Ok(_) => Ok(()),
            Err(error) if error.error_len().is_some() => Err(Invalid),
            Err(error) => {
                let tail = &piece[error.valid_up_to()..];
                self.partial[..tail.len()].copy_from_slice(tail);
                self.partial_len = tail.len() as u8;
                Ok(())
            }
        }
    }

    /// Takes the next piece, of so many bytes, which is known to be all ASCII.
    pub fn feed_ascii(&mut self, len: usize) -> Result<(), Invalid> {
        if len > 0 && self.partial_len > 0 { Err(Invalid) } else { Ok(()) }
    }

    /// Ends the text and makes the validator ready for the next one.
    pub fn finish(&mut self) -> Result<(), Invalid> {
        match std::mem::take(&mut self.partial_len) {
            0 => Ok(()),
            _ => Err(Invalid),
        }
    }

    fn extend_partial(&mut self, byte: u8) -> Result<(), Invalid> {
        self.partial[self.partial_len as usize] = byte;
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
