//! Many connections at once

use std::ptr::null_mut;

use crate::capi::connection::ws_conn;
use crate::capi::guard::{stateless, with_each};
use crate::capi::output::to_iovec;
use crate::capi::prepared::ws_prepared;
use crate::capi::status::ws_status;
use crate::connection::{Spread, Taking};
use crate::error::Error;

/// One of many connections that a message goes to. ws_conns_queue_prepared() says in it what is to be written,
/// ws_conns_output_consume() is told in it what was.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ws_recipient {
    /// The host sets it: a connection, of any engine of this thread.
    pub conn: *mut ws_conn,
    /// What ws_conn_output() would lend, if that is one slice, and for as long. Else its length is 0.
    pub slice: libc::iovec,
    /// Bytes that the host has written of the output. ws_conns_queue_prepared() sets it to 0, then the host sets it.
    pub written: usize,
    /// What the call came to for this connection.
    pub status: ws_status,
    /// 1 if more waits to be written than a slice: ws_conn_output() lends it. Else 0.
    pub more: u8,
    /// Set by ws_conns_output_consume(): 1 if a pull brings #WS_EVENT_WRITABLE. Else 0.
    pub writable: u8,
    /// For later versions; neither read nor written.
    pub reserved: [u8; 2],
}

const NOTHING: libc::iovec = libc::iovec { iov_base: null_mut(), iov_len: 0 };

/// Does what ws_conn_queue_prepared() does for each of many connections, and what ws_conn_output() does: says what
/// there is to write now. It takes much less time than as many calls. A connection that is refused does not stop the
/// others, and what waited on it before is lent.
///
/// A few dozen connections at a time are best, each time followed by their writes and ws_conns_output_consume(): then
/// they are still in the processor's nearest cache. A connection may be given twice: it is queued twice, and the last
/// one of its recipients says what there is to write.
///
/// @param recipients  their `conn` is set; receives all else but `writable`
/// @param count       number of recipients
/// @param prepared    a message
/// @return #WS_OK if every status is; else one of those that are not, which are those of ws_conn_queue_prepared().
///         #WS_ERR_INVALID_ARGUMENT if recipients is NULL and count is not 0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conns_queue_prepared(
    recipients: *mut ws_recipient,
    count: usize,
    prepared: *const ws_prepared,
) -> ws_status {
    // SAFETY: NULL, or a message to which the caller holds a reference (Conventions).
    let prepared = unsafe { prepared.as_ref() };
    let mut spread = prepared.map(|prepared| Spread::new(&prepared.prepared));
    let overall = each(
        recipients,
        count,
        |recipient, conn| {
            let out = conn.conn.outbound();
            let result = match &mut spread {
                Some(spread) => spread.queue(out),
                None => Err(Error::InvalidArgument("no message")),
            };
            match out.only_output() {
                Some(slice) => recipient.lend(to_iovec(slice), false),
                None => recipient.lend(NOTHING, !out.in_host_frame && out.queued_bytes() > 0),
            }
            result
        },
        |recipient| recipient.lend(NOTHING, false),
    );
    stateless((), || drop(spread));
    overall
}

/// Does what ws_conn_output_consume() does for each of many connections, with the bytes that were `written`. One that
/// is refused does not stop the others.
///
/// @param recipients  as ws_conns_queue_prepared() left them, but for what was `written`, which may be 0; or with `conn`
///                    and `written` set. Receives `status` and `writable`
/// @param count       number of recipients
/// @return #WS_OK if every status is; else one of those that are not, which are those of ws_conn_output_consume().
///         #WS_ERR_INVALID_ARGUMENT if recipients is NULL and count is not 0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conns_output_consume(recipients: *mut ws_recipient, count: usize) -> ws_status {
    let mut taking = Taking::default();
    let overall = each(
        recipients,
        count,
        |recipient, conn| {
            let out = conn.conn.outbound();
            let result = taking.consume(out, recipient.written());
            recipient.set_writable(out.writable_due);
            result
        },
        |recipient| recipient.set_writable(false),
    );
    stateless((), || drop(taking));
    overall
}

/// Runs `call` for each recipient, or `refuse` if it cannot be, and notes the statuses.
#[inline(always)]
fn each(
    recipients: *mut ws_recipient,
    count: usize,
    mut call: impl FnMut(Place, &mut ws_conn) -> Result<(), Error>,
    refuse: impl Fn(Place),
) -> ws_status {
    if recipients.is_null() {
        return if count == 0 { ws_status::WS_OK } else { ws_status::WS_ERR_INVALID_ARGUMENT };
    }
    // Some of it may never have been written, so that there is no reference to all of it.
    let place = |index| Place(recipients.wrapping_add(index));
    let overall = std::cell::Cell::new(ws_status::WS_OK);
    let note = |place: Place, status| {
        place.set_status(status);
        overall.set(status);
    };
    with_each(
        count,
        |index| place(index).conn(),
        |index, conn| match call(place(index), conn) {
            Ok(()) => place(index).set_status(ws_status::WS_OK),
            Err(error) => note(place(index), error.into()),
        },
        |index, status| {
            refuse(place(index));
            note(place(index), status);
        },
    );
    overall.get()
}

/// A recipient of the caller's.
#[derive(Clone, Copy)]
struct Place(*mut ws_recipient);

// SAFETY of all of these: the caller owns `count` recipients there for the time of the call, each index is below that,
// and what is read is what the caller has to have set (Conventions).
impl Place {
    #[inline(always)]
    fn conn(self) -> *mut ws_conn {
        // SAFETY: see above.
        unsafe { (*self.0).conn }
    }

    #[inline(always)]
    fn written(self) -> usize {
        // SAFETY: see above.
        unsafe { (*self.0).written }
    }

    #[inline(always)]
    fn lend(self, slice: libc::iovec, more: bool) {
        // SAFETY: see above.
        unsafe {
            (&raw mut (*self.0).slice).write(slice);
            (&raw mut (*self.0).written).write(0);
            (&raw mut (*self.0).more).write(u8::from(more));
        }
    }

    #[inline(always)]
    fn set_writable(self, writable: bool) {
        // SAFETY: see above.
        unsafe { (&raw mut (*self.0).writable).write(u8::from(writable)) };
    }

    #[inline(always)]
    fn set_status(self, status: ws_status) {
        // SAFETY: see above.
        unsafe { (&raw mut (*self.0).status).write(status) };
    }
}
