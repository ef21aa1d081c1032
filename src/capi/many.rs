//! Many connections at once

use std::cell::Cell;

use crate::capi::connection::ws_conn;
use crate::capi::guard::{stateless, with_each};
use crate::capi::output::to_iovec;
use crate::capi::prepared::ws_prepared;
use crate::capi::status::ws_status;
use crate::connection::{Outbound, Spread, Taking};
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
    /// Set by ws_conns_queue_prepared(): 1 if more waits to be written than a slice: ws_conn_output() lends it. Else 0.
    pub more: u8,
    /// Set by ws_conns_output_consume(): 1 if a pull brings #WS_EVENT_WRITABLE. Else 0.
    pub writable: u8,
    /// For later versions; 0 after either call.
    pub reserved: [u8; 2],
}

/// About as many calls as memory takes to answer. Connections lie where they were made, so that the processor cannot
/// know where the next one is.
const FETCHED_AHEAD: usize = 6;

/// Does what ws_conn_queue_prepared() does for each of many connections, and what ws_conn_output() does: says what
/// there is to write now. It takes much less time than as many calls. A connection that is refused does not stop the
/// others, and what waited on it before is lent.
///
/// Some hundred connections at a time are best, each time followed by their writes and ws_conns_output_consume(): then
/// they are still in the processor's caches. A connection may be given twice: the message is queued twice, and the
/// last one of its recipients says what there is to write.
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
    let Some(prepared) = (unsafe { prepared.as_ref() }) else {
        let refuse =
            |recipient: Place, out: &mut Outbound| recipient.lend_output(out, ws_status::WS_ERR_INVALID_ARGUMENT);
        return each::<0>(recipients, count, refuse, |recipient, status| recipient.lend(&[], false, status));
    };
    let mut spread = Spread::new(&prepared.prepared);
    let queue = |recipient: Place, out: &mut Outbound| match spread.queue_usual(out) {
        Some(frame) => recipient.lend(frame, false, ws_status::WS_OK),
        None => {
            let result = spread.queue_any(out);
            recipient.lend_output(out, to_status(result))
        }
    };
    let overall =
        each::<FETCHED_AHEAD>(recipients, count, queue, |recipient, status| recipient.lend(&[], false, status));
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
    let consume = |recipient: Place, out: &mut Outbound| {
        let written = recipient.written();
        if taking.consume_usual(out, written) {
            return recipient.note(ws_status::WS_OK, false, false);
        }
        let status = to_status(taking.consume_any(out, written));
        recipient.note(status, false, out.writable_due)
    };
    let overall = each::<0>(recipients, count, consume, |recipient, status| recipient.note(status, false, false));
    stateless((), || drop(taking));
    overall
}

fn to_status(result: Result<(), Error>) -> ws_status {
    result.map_or_else(ws_status::from, |()| ws_status::WS_OK)
}

/// Runs `call` for each recipient, or `refuse` where there is none to call; both note the status and return it. Returns
/// one that is not [`ws_status::WS_OK`], if there is one.
#[inline(always)]
fn each<const AHEAD: usize>(
    recipients: *mut ws_recipient,
    count: usize,
    mut call: impl FnMut(Place, &mut Outbound) -> ws_status,
    refuse: impl Fn(Place, ws_status) -> ws_status,
) -> ws_status {
    if recipients.is_null() {
        return if count == 0 { ws_status::WS_OK } else { ws_status::WS_ERR_INVALID_ARGUMENT };
    }
    let overall = Cell::new(ws_status::WS_OK);
    let look_at = |status| {
        if status != ws_status::WS_OK {
            overall.set(status);
        }
    };
    with_each::<AHEAD, _, _>(
        recipients,
        count,
        |recipient| Place(recipient).conn(),
        |recipient, conn| look_at(call(Place(recipient), conn.conn.outbound())),
        |recipient, status| look_at(refuse(Place(recipient), status)),
    );
    overall.get()
}

/// A recipient of the caller's. Some of it may never have been written, so that there is no reference to it.
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
    fn lend(self, slice: &[u8], more: bool, status: ws_status) -> ws_status {
        // SAFETY: see above.
        unsafe {
            (&raw mut (*self.0).slice).write(to_iovec(slice));
            (&raw mut (*self.0).written).write(0);
        }
        self.note(status, more, false)
    }

    /// Lends whatever waits, or says that it is more than a slice.
    fn lend_output(self, out: &Outbound, status: ws_status) -> ws_status {
        match out.only_output() {
            Some(slice) => self.lend(slice, false, status),
            None => self.lend(&[], !out.in_host_frame && out.queued_bytes() > 0, status),
        }
    }

    #[inline(always)]
    fn note(self, status: ws_status, more: bool, writable: bool) -> ws_status {
        // SAFETY: see above.
        unsafe {
            (&raw mut (*self.0).status).write(status);
            (&raw mut (*self.0).more).write(u8::from(more));
            (&raw mut (*self.0).writable).write(u8::from(writable));
            (&raw mut (*self.0).reserved).write([0; 2]);
        }
        status
    }
}
