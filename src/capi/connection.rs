//! Connections

use std::ffi::{c_char, c_int, c_void};

use crate::capi::engine::ws_engine;
use crate::capi::guard::{
    Handle, SizedByCaller, ask, bytes, free, headers, make_handle, optional_bytes, optional_text, out, preset, sized,
    slice, text, with,
};
use crate::capi::status::ws_status;
use crate::connection::Connection;
use crate::handshake::client::ClientRequest;
use crate::handshake::parsed::ParsedRequest;

/// One WebSocket connection, server or client. Used by one thread at a time, the one that uses its engine.
pub struct ws_conn {
    pub(crate) conn: Connection,
    user_data: *mut c_void,
}

impl Handle for ws_conn {
    fn poisoned(&mut self) -> &mut bool {
        &mut self.conn.poisoned
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
    /// `sizeof(ws_client_request)`: see the conventions.
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

impl SizedByCaller for ws_client_request {}

/// Makes the server's end of a connection. Feed it what the client sends, from the first byte of its request on.
///
/// @param engine  the engine of this thread's event loop
/// @return a connection to be freed with ws_conn_free(); NULL if engine is NULL or poisoned
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_new_server(engine: *mut ws_engine) -> *mut ws_conn {
    ask(engine, std::ptr::null_mut(), std::ptr::null_mut(), |engine| new_handle(|| Connection::server(&engine.engine)))
}

/// A request that the host's own HTTP server has parsed. Set all of it to zero first, then `struct_size`, then what
/// there is. No text in it is NUL-terminated.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ws_parsed_request {
    /// `sizeof(ws_parsed_request)`: see the conventions.
    pub struct_size: usize,
    /// "GET"; "CONNECT" for an extended CONNECT. Required.
    pub method: *const c_char,
    /// Bytes of the method.
    pub method_len: usize,
    /// The request target as it was sent, path and query with the question mark; `:path` for an extended CONNECT.
    /// Required.
    pub target: *const c_char,
    /// Bytes of the target.
    pub target_len: usize,
    /// All headers in the order in which they came, repeated ones too, without pseudo-headers.
    pub headers: *const ws_header,
    /// Number of headers.
    pub header_count: usize,
    /// `:protocol`, "websocket", which makes this an extended CONNECT of HTTP/2 or HTTP/3; NULL for HTTP/1.1.
    pub protocol: *const c_char,
    /// Bytes of the protocol.
    pub protocol_len: usize,
    /// Extended CONNECT: `:scheme`; NULL if it is not known.
    pub scheme: *const c_char,
    /// Bytes of the scheme.
    pub scheme_len: usize,
    /// Extended CONNECT: `:authority`; NULL if there is only a `Host` among the headers.
    pub authority: *const c_char,
    /// Bytes of the authority.
    pub authority_len: usize,
    /// 1 if the request line says HTTP/1.0, which is refused (RFC 6455, 4.2.1). Else 0.
    pub http_1_0: c_int,
}

impl SizedByCaller for ws_parsed_request {}

/// Makes the server's end of a connection from a request that the host's own HTTP server has parsed. It is checked
/// and decided on at once, as a request that is fed is; pull to learn how: #WS_EVENT_REQUEST (manual accept),
/// #WS_EVENT_OPEN or #WS_EVENT_CLOSE. Feed only what came behind the request; this may be done before the pull.
///
/// Without `protocol`, the answer is a head of HTTP/1.1 in the output, as it is for a request that is fed. With it,
/// the request is an extended CONNECT (RFC 8441 for HTTP/2, RFC 9220 for HTTP/3): it has no `Sec-WebSocket-Key`,
/// `Upgrade` or `Connection`, and its answer is ws_conn_response_status() and headers for the host to send. Input and
/// output are then the content of the stream (DATA frames).
///
/// @param engine   the engine of this thread's event loop
/// @param request  the request; what is needed of it is copied. One that is larger than `max_head_size`, or has more
///                 headers than `max_headers`, is refused with 431
/// @param conn     receives a connection to be freed with ws_conn_free(); NULL if the call fails
/// @return #WS_OK, also for a request that is refused; #WS_ERR_INVALID_ARGUMENT for NULL or a struct_size that is too
///         small
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_new_server_from_request(
    engine: *mut ws_engine,
    request: *const ws_parsed_request,
    conn: *mut *mut ws_conn,
) -> ws_status {
    preset(conn, std::ptr::null_mut());
    with(engine, |engine| {
        let place = out(conn)?;
        let request = sized(request)?;
        let connection = Connection::server_from_request(
            &engine.engine,
            &ParsedRequest {
                method: bytes(request.method.cast(), request.method_len)?,
                target: bytes(request.target.cast(), request.target_len)?,
                headers: &headers(request.headers, request.header_count)?,
                http_1_0: request.http_1_0 != 0,
                protocol: optional_bytes(request.protocol, request.protocol_len)?,
                scheme: optional_bytes(request.scheme, request.scheme_len)?,
                authority: optional_bytes(request.authority, request.authority_len)?,
            },
        );
        *place = new_handle(|| connection);
        Ok(ws_status::WS_OK)
    })
}

/// Makes the client's end of a connection (RFC 6455, 4.1). Its request is in the output at once.
///
/// @param engine   the engine of this thread's event loop
/// @param request  what to ask for; copied
/// @param conn     receives a connection to be freed with ws_conn_free(); NULL if the call fails
/// @return #WS_OK; #WS_ERR_INVALID_ARGUMENT for NULL, a struct_size that is too small, or a field that would break
///         the request, such as a header value with a line feed; #WS_ERR_RANDOM
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_new_client(
    engine: *mut ws_engine,
    request: *const ws_client_request,
    conn: *mut *mut ws_conn,
) -> ws_status {
    preset(conn, std::ptr::null_mut());
    with(engine, |engine| {
        let place = out(conn)?;
        let request = sized(request)?;
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
        *place = new_handle(|| connection);
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

/// Keeps a pointer of the host's with the connection, such as what it needs to find the socket of a connection that
/// ws_engine_next_due() gives. The engine never looks at what it points to.
///
/// @param conn       a connection; NULL and a poisoned one are ignored
/// @param user_data  any pointer
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_set_user_data(conn: *mut ws_conn, user_data: *mut c_void) {
    ask(conn, (), (), |conn| conn.user_data = user_data);
}

/// The pointer that ws_conn_set_user_data() kept; also of a poisoned connection, whose socket is to be closed.
///
/// @param conn  a connection
/// @return the pointer; NULL if none was set or conn is NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_user_data(conn: *const ws_conn) -> *mut c_void {
    // SAFETY: NULL, or a connection that was not freed, and its thread is ours (Conventions).
    unsafe { conn.as_ref() }.map_or(std::ptr::null_mut(), |conn| conn.user_data)
}

#[inline(always)]
fn new_handle(make: impl FnOnce() -> Connection) -> *mut ws_conn {
    let handle = make_handle(|| ws_conn { conn: make(), user_data: std::ptr::null_mut() });
    // SAFETY: the handle was just made. ws_engine_next_due() gives its address back; nothing else looks at it.
    unsafe { (*handle).conn.set_token(handle.expose_provenance()) };
    handle
}
