//! Connections

use std::ffi::{c_char, c_void};

use crate::capi::engine::ws_engine;
use crate::capi::guard::{Handle, ask, free, headers, into_handle, optional_text, out, slice, text, with};
use crate::capi::status::ws_status;
use crate::connection::Connection;
use crate::error::Error;
use crate::handshake::client::ClientRequest;

/// One WebSocket connection, server or client. Used by one thread at a time, the one that uses its engine.
pub struct ws_conn {
    pub(crate) conn: Connection,
    user_data: *mut c_void,
    poisoned: bool,
}

impl Handle for ws_conn {
    fn poisoned(&mut self) -> &mut bool {
        &mut self.poisoned
    }
}

/// A header field of an HTTP message. Neither part is NUL-terminated.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ws_header {
    /// An HTTP token; letter case does not count.
    pub name: *const c_char,
    /// Bytes of the name.
    pub name_len: usize,
    /// Any bytes but control characters; tabs are fine.
    pub value: *const c_char,
    /// Bytes of the value.
    pub value_len: usize,
}

/// What a client asks for. Set all of it to zero first, then `struct_size`, then what is needed.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ws_client_request {
    /// `sizeof(ws_client_request)`: tells which fields the caller knows.
    pub struct_size: usize,
    /// NUL-terminated `Host`: "example.com", or "127.0.0.1:9001" with a port that is not the default one. Required.
    pub host: *const c_char,
    /// NUL-terminated path and query, "/chat?room=1"; NULL is "/".
    pub target: *const c_char,
    /// NUL-terminated `Origin`; NULL for none.
    pub origin: *const c_char,
    /// Subprotocols that the client speaks, in order of preference, each NUL-terminated.
    pub subprotocols: *const *const c_char,
    /// Number of subprotocols.
    pub subprotocol_count: usize,
    /// Headers beside those of the handshake: cookies, authorization.
    pub headers: *const ws_header,
    /// Number of headers.
    pub header_count: usize,
}

/// Makes the server's end of a connection. Feed it what the client sends, from the first byte of its request on.
///
/// @param engine  the engine of this thread's event loop
/// @return a connection to be freed with ws_conn_free(); NULL if engine is NULL or poisoned
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_new_server(engine: *mut ws_engine) -> *mut ws_conn {
    ask(engine, std::ptr::null_mut(), std::ptr::null_mut(), |engine| new_handle(Connection::server(&engine.engine)))
}

/// Makes the client's end of a connection (RFC 6455, 4.1). Its request is in the output at once.
///
/// @param engine   the engine of this thread's event loop
/// @param request  what to ask for; copied
/// @param conn     receives a connection to be freed with ws_conn_free(); NULL if the call fails
/// @return #WS_OK; #WS_ERR_INVALID_ARGUMENT for NULL, a struct_size that is too small, or a field that would break the
///         request, such as a header value with a line feed; #WS_ERR_RANDOM
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_new_client(
    engine: *mut ws_engine,
    request: *const ws_client_request,
    conn: *mut *mut ws_conn,
) -> ws_status {
    with(engine, |engine| {
        let place = out(conn)?;
        *place = std::ptr::null_mut();
        let request = slice(request, 1)?.first().ok_or(Error::InvalidArgument("no request"))?;
        if request.struct_size < size_of::<ws_client_request>() {
            return Err(Error::InvalidArgument("struct_size is smaller than ws_client_request has ever been"));
        }
        let subprotocols = slice(request.subprotocols, request.subprotocol_count)?
            .iter()
            .map(|&name| text(name))
            .collect::<Result<Vec<_>, _>>()?;
        let connection = Connection::client(
            &engine.engine,
            &ClientRequest {
                host: text(request.host)?,
                target: optional_text(request.target)?.unwrap_or_default(),
                origin: optional_text(request.origin)?,
                subprotocols: &subprotocols,
                headers: &headers(request.headers, request.header_count)?,
            },
        )?;
        *place = new_handle(connection);
        Ok(ws_status::WS_OK)
    })
}

/// Frees a connection, whatever its state. It says nothing to the peer: see ws_conn_queue_close().
///
/// @param conn  a connection, or NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_free(conn: *mut ws_conn) {
    free(conn);
}

/// Keeps a pointer of the host's with the connection. The engine never looks at what it points to.
///
/// @param conn       a connection; NULL is ignored
/// @param user_data  any pointer
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_set_user_data(conn: *mut ws_conn, user_data: *mut c_void) {
    ask(conn, (), (), |conn| conn.user_data = user_data);
}

/// The pointer that ws_conn_set_user_data() kept.
///
/// @param conn  a connection
/// @return the pointer; NULL if none was set or conn is NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_user_data(conn: *const ws_conn) -> *mut c_void {
    ask(conn.cast_mut(), std::ptr::null_mut(), std::ptr::null_mut(), |conn| conn.user_data)
}

fn new_handle(conn: Connection) -> *mut ws_conn {
    let handle = into_handle(ws_conn { conn, user_data: std::ptr::null_mut(), poisoned: false });
    // SAFETY: the handle was just made. ws_engine_next_due() gives its address back; nothing else looks at it.
    unsafe { (*handle).conn.set_token(handle.expose_provenance()) };
    handle
}
