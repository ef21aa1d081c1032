//! Messages that lie whole in the input, one behind the other: the usual case, without a detour.

use std::ops::Range;

use crate::engine::metrics::Metrics;
use crate::event::MessageType;
use crate::frame::header::PlainHeader;
use crate::{simd, text, utf8};

/// Gives `each` up to `max` data messages that lie whole at the start of `input`, each in one plain frame, and unmasks
/// them there. Returns how many there were, and their bytes. What comes behind them is anything else, also what breaks a
/// rule, and was not changed.
#[inline(always)]
pub(crate) fn next<'a, const MASKED: bool>(
    input: &'a mut [u8],
    max: usize,
    max_len: usize,
    metrics: &Metrics,
    mut each: impl FnMut(usize, MessageType, &'a [u8]),
) -> (usize, usize) {
    let max_len = max_len.min(text::BLOCK); // a detour does not matter to a longer one
    let given = input.len();
    let (mut rest, mut count) = (input, 0);
    while count < max {
        let (message_type, payload) = if let Some(found) = message::<MASKED, 0>(rest, max_len) {
            metrics.short_message_in(found.0, found.1.len());
            found
        } else if let Some(found) = message::<MASKED, 2>(rest, max_len) {
            metrics.longer_message_in(found.0, found.1.len());
            found
        } else {
            break;
        };
        let (frame, behind) = rest.split_at_mut(payload.end);
        rest = behind;
        each(count, message_type, &frame[payload.start..]);
        count += 1;
    }
    (count, given - rest.len())
}

/// The same, apart from all around it, so that the loop has the registers.
#[inline(never)]
pub(crate) fn next_many<'a, const MASKED: bool>(
    input: &'a mut [u8],
    max: usize,
    max_len: usize,
    metrics: &Metrics,
    each: impl FnMut(usize, MessageType, &'a [u8]),
) -> (usize, usize) {
    next::<MASKED>(input, max, max_len, metrics, each)
}

/// A message with a header of this form, which is unmasked: what it is, and where its payload. `None`: anything else, and
/// nothing was changed.
#[inline(always)]
fn message<const MASKED: bool, const EXTRA: usize>(
    input: &mut [u8],
    max_len: usize,
) -> Option<(MessageType, Range<usize>)> {
    let header = PlainHeader::<MASKED, EXTRA>::decode(input)?;
    let start = PlainHeader::<MASKED, EXTRA>::LEN;
    let place = start..start + header.payload_len;
    let payload = input.get_mut(place.clone())?;
    if payload.len() > max_len {
        return None;
    }
    let is_ascii = if MASKED { simd::unmask(header.key, payload) } else { simd::is_ascii(payload) };
    let is_fine = is_ascii
        || header.message_type == MessageType::Binary
        || is_text_or_masked_again::<MASKED>(header.key, payload);
    is_fine.then_some((header.message_type, place))
}

#[inline(never)]
fn is_text_or_masked_again<const MASKED: bool>(key: [u8; 4], payload: &mut [u8]) -> bool {
    let is_text = utf8::is_valid(payload);
    if MASKED && !is_text {
        simd::unmask(key, payload);
    }
    is_text
}
