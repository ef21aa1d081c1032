//! Debugging

use std::ffi::{c_char, c_void};

use crate::capi::guard::{SizedByCaller, bytes, out, sized, stateless, write_text};
use crate::capi::status::ws_status;
use crate::error::Error;
use crate::frame::describe::Description;

/// A frame header as ws_frame_describe() reads it, so that a dump can be followed.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ws_frame_header {
    /// `sizeof(ws_frame_header)`, set before the call: see the conventions.
    pub struct_size: usize,
    /// Bytes of payload; 0 if the length is not complete. With a broken rule it may be any 64-bit number.
    pub payload_len: u64,
    /// Bytes of the header; 0 if it is not complete.
    pub header_len: u8,
    /// The opcode, 0 to 15 (RFC 6455, 5.2).
    pub opcode: u8,
    /// 1 for the last frame of its message, else 0.
    pub fin: u8,
    /// The reserved bits: 4 is RSV1, 2 RSV2, 1 RSV3.
    pub reserved_bits: u8,
    /// 1 if the payload is masked, else 0.
    pub masked: u8,
    /// 1 if the header breaks a rule, whoever sent it, else 0.
    pub invalid: u8,
    /// The key, if the payload is masked and the key is complete; else 0.
    pub mask: [u8; 4],
    /// For later versions; 0.
    pub reserved: [u8; 6],
}

impl SizedByCaller for ws_frame_header {}

/// Room for any line that ws_frame_describe() writes.
pub const WS_DESCRIBE_SIZE: usize = 1024;

/// Describes the frame header at the start of some bytes in one line, for debugging: `FIN TEXT len=5 masked
/// key=37fa213d header=6`. Whatever can be read is there, then how many bytes are missing, then which rules are
/// broken. Rules that depend on who sent the frame, on its place among others or on a limit are not looked at.
/// Stateless.
///
/// @param data      the bytes from the start of a frame on; the first 14 are enough. NULL if len is 0
/// @param len       their number
/// @param buffer    receives the line, NUL-terminated; may be NULL if capacity is 0
/// @param capacity  room for bytes; #WS_DESCRIBE_SIZE is always enough. With less the line is cut; 0 for no line
/// @param header    receives what was read; may be NULL
/// @return #WS_OK if the header is complete, right or wrong; #WS_AGAIN if it needs more bytes;
///         #WS_ERR_INVALID_ARGUMENT for NULL or a struct_size that is too small, and then nothing was written
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_frame_describe(
    data: *const c_void,
    len: usize,
    buffer: *mut c_char,
    capacity: usize,
    header: *mut ws_frame_header,
) -> ws_status {
    stateless(ws_status::WS_ERR_INTERNAL, || {
        describe(data, len, buffer, capacity, header).unwrap_or_else(ws_status::from)
    })
}

fn describe(
    data: *const c_void,
    len: usize,
    buffer: *mut c_char,
    capacity: usize,
    header: *mut ws_frame_header,
) -> Result<ws_status, Error> {
    let description = Description::read(bytes(data, len)?);
    if !header.is_null() {
        sized(header)?;
    }
    if buffer.is_null() && capacity > 0 {
        return Err(Error::InvalidArgument("NULL with a capacity above 0"));
    }
    let mut line = description.to_string();
    line.truncate(capacity.saturating_sub(1)); // it is ASCII
    write_text(&line, buffer, capacity);
    if let Ok(place) = out(header) {
        *place = ws_frame_header {
            struct_size: place.struct_size,
            payload_len: description.payload_len.unwrap_or(0),
            header_len: if description.complete { description.header_len as u8 } else { 0 },
            opcode: description.opcode_bits(),
            fin: u8::from(description.fin()),
            reserved_bits: description.reserved_bits(),
            masked: u8::from(description.masked == Some(true)),
            invalid: u8::from(description.violations().next().is_some()),
            mask: description.mask.unwrap_or_default(),
            reserved: [0; 6],
        };
    }
    Ok(if description.complete { ws_status::WS_OK } else { ws_status::WS_AGAIN })
}
