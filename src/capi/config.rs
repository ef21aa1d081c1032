//! Settings and limits

use std::ffi::{c_char, c_int};

use crate::capi::guard::{Handle, free, into_handle, stateless, text, with};
use crate::capi::status::ws_status;
use crate::config::Config;
use crate::error::Error;
use crate::event::Delivery;
use crate::handshake::policy::OriginPolicy;

/// Every setting and limit, with defaults that are safe on the open internet. A builder: ws_engine_new() copies it, so
/// it may be changed or freed at once. Used by one thread at a time.
///
/// All setters return #WS_OK, or #WS_ERR_INVALID_ARGUMENT for a NULL handle or a value out of range, and then change
/// nothing.
pub struct ws_config {
    pub(crate) config: Config,
    poisoned: bool,
}

impl Handle for ws_config {
    fn poisoned(&mut self) -> &mut bool {
        &mut self.poisoned
    }
}

/// Which web pages may connect to a server, by the `Origin` that their browser sends (RFC 6455, 10.2).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ws_origin_policy {
    /// Pages from the host and port that the request names in `Host`. The default.
    WS_ORIGIN_SAME_HOST = 0,
    /// Pages whose origin was given to ws_config_allow_origin().
    WS_ORIGIN_ALLOW_LIST = 1,
    /// Every page. Only for public services, which know nobody by cookie or address.
    WS_ORIGIN_ANY = 2,
}

/// Makes the default settings.
///
/// @return settings to be freed with ws_config_free(); NULL only after an internal error
#[unsafe(no_mangle)]
pub extern "C" fn ws_config_new() -> *mut ws_config {
    stateless(std::ptr::null_mut(), || into_handle(ws_config { config: Config::new(), poisoned: false }))
}

/// Frees settings. Engines made with them are not affected.
///
/// @param config  settings, or NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_free(config: *mut ws_config) {
    free(config);
}

/// Limits the head of an HTTP message, request line and blank line included. A longer request is answered with 431.
///
/// @param config  settings
/// @param bytes   128 to 1,048,576; default 8,192
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_max_head_size(config: *mut ws_config, bytes: usize) -> ws_status {
    set(config, |config| config.set_max_head_size(bytes).map(drop))
}

/// Limits the number of headers of an HTTP message. A request with more is answered with 431.
///
/// @param config  settings
/// @param count   8 to 256; default 64
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_max_headers(config: *mut ws_config, count: usize) -> ws_status {
    set(config, |config| config.set_max_headers(count).map(drop))
}

/// Limits what is kept behind a request that waits for a decision. A client that sends more before it was answered is
/// refused with 400.
///
/// @param config  settings
/// @param bytes   0 to 16 MiB; default 8,192
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_max_held_bytes(config: *mut ws_config, bytes: usize) -> ws_status {
    set(config, |config| config.set_max_held_bytes(bytes).map(drop))
}

/// Limits the payload of one data frame from the peer. A larger one closes the connection with 1009 as soon as its
/// length is known, before any of it is stored (RFC 6455, 10.4).
///
/// @param config  settings
/// @param bytes   125 to 2^63-1; default 1 MiB
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_max_frame_size(config: *mut ws_config, bytes: u64) -> ws_status {
    set(config, |config| config.set_max_frame_size(bytes).map(drop))
}

/// Limits the payload of one message from the peer, all its frames together. A larger one closes the connection with
/// 1009 as soon as the length of a frame shows that it will be (RFC 6455, 10.4).
///
/// @param config  settings
/// @param bytes   125 to 2^63-1; default 1 MiB
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_max_message_size(config: *mut ws_config, bytes: u64) -> ws_status {
    set(config, |config| config.set_max_message_size(bytes).map(drop))
}

/// Limits the frames of one message from the peer. A message of more closes the connection with 1008.
///
/// @param config  settings
/// @param count   1 and up; default 16,384
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_max_fragments(config: *mut ws_config, count: u32) -> ws_status {
    set(config, |config| config.set_max_fragments(count).map(drop))
}

/// Limits the frames without payload in one fragmented message from the peer, the last one not counted. A message with
/// more closes the connection with 1008.
///
/// @param config  settings
/// @param count   0 and up; default 64
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_max_empty_fragments(config: *mut ws_config, count: u32) -> ws_status {
    set(config, |config| {
        config.set_max_empty_fragments(count);
        Ok(())
    })
}

/// Limits the pings and pongs from the peer within one second. More close the connection with 1008. They are counted
/// only once the engine has been told the time: ws_engine_advance().
///
/// @param config             settings
/// @param frames_per_second  1 to 65,535, more counts as that; default 250
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_max_control_rate(config: *mut ws_config, frames_per_second: u32) -> ws_status {
    set(config, |config| config.set_max_control_rate(frames_per_second).map(drop))
}

/// Limits what one connection holds in all between two calls: input that was not pulled, a message of which more is to
/// come, and output. Input above it closes the connection with 1009; a message to send above it is refused with
/// #WS_ERR_QUEUE_FULL.
///
/// @param config  settings
/// @param bytes   4,096 and up; default 16 MiB
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_max_connection_bytes(config: *mut ws_config, bytes: usize) -> ws_status {
    set(config, |config| config.set_max_connection_bytes(bytes).map(drop))
}

/// Limits what all connections of an engine hold together, the heads of handshakes too. Input above it closes the
/// connection that brought it with 1013, or refuses its request with 503; a message to send above it is refused with
/// #WS_ERR_QUEUE_FULL.
///
/// @param config  settings
/// @param bytes   4,096 and up; default 1 GiB
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_max_engine_bytes(config: *mut ws_config, bytes: usize) -> ws_status {
    set(config, |config| config.set_max_engine_bytes(bytes).map(drop))
}

/// How messages are delivered. Text is checked as it arrives in each (RFC 6455, 8.1), and compressed messages are
/// inflated.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ws_delivery {
    /// Whole: #WS_EVENT_TEXT and #WS_EVENT_BINARY. The default.
    WS_DELIVER_MESSAGES = 0,
    /// In parts, as they arrive: #WS_EVENT_CHUNK. For messages that need not fit in memory.
    WS_DELIVER_CHUNKS = 1,
    /// Frame by frame, each whole: #WS_EVENT_FRAME. For tools and proxies.
    WS_DELIVER_FRAMES = 2,
}

/// Chooses how messages are delivered, for connections that do not choose for themselves: ws_conn_set_delivery().
///
/// @param config    settings
/// @param delivery  a ::ws_delivery; default #WS_DELIVER_MESSAGES
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_delivery(config: *mut ws_config, delivery: c_int) -> ws_status {
    set(config, |config| {
        config.set_delivery(to_delivery(delivery)?);
        Ok(())
    })
}

/// Limits the output that waits to be taken, frame headers included. A message that would exceed it is refused with
/// #WS_ERR_QUEUE_FULL, also when the queue is empty; control frames always have room.
///
/// @param config  settings
/// @param bytes   1,024 and up; default 4 MiB
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_max_queued_bytes(config: *mut ws_config, bytes: usize) -> ws_status {
    set(config, |config| config.set_max_queued_bytes(bytes).map(drop))
}

/// Chooses at how many bytes of output the queue counts as full, see ws_conn_above_high_water(), and at how many it has
/// room again and #WS_EVENT_WRITABLE comes.
///
/// @param config  settings
/// @param low     below high; default 256 KiB
/// @param high    default 1 MiB
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_water_marks(config: *mut ws_config, low: usize, high: usize) -> ws_status {
    set(config, |config| config.set_water_marks(low, high).map(drop))
}

/// Chooses whether permessage-deflate is negotiated (RFC 7692).
///
/// @param config   settings
/// @param enabled  0 or 1; default 0
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_compression(config: *mut ws_config, enabled: c_int) -> ws_status {
    set(config, |config| {
        config.set_compression(flag(enabled)?);
        Ok(())
    })
}

/// Chooses how hard to compress.
///
/// @param config  settings
/// @param level   1 (fast) to 9 (small); default 6
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_compression_level(config: *mut ws_config, level: c_int) -> ws_status {
    set(config, |config| config.set_compression_level(byte(level)?).map(drop))
}

/// Chooses the memory of a compressor, as zlib's memLevel does.
///
/// @param config  settings
/// @param level   1 (small) to 9 (large); default 6
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_compression_mem_level(config: *mut ws_config, level: c_int) -> ws_status {
    set(config, |config| config.set_compression_mem_level(byte(level)?).map(drop))
}

/// Chooses the size below which a message is sent plain.
///
/// @param config  settings
/// @param bytes   any; default 1,024
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_compression_threshold(config: *mut ws_config, bytes: usize) -> ws_status {
    set(config, |config| {
        config.set_compression_threshold(bytes);
        Ok(())
    })
}

/// Chooses whether a compressor may refer to earlier messages (RFC 7692, 7.1.1). Messages get smaller, but each
/// connection then keeps a compressor (300 KB), and of the peer's messages up to one window (32 KiB); else compressors
/// and inflators are borrowed for the time of a message.
///
/// @param config  settings
/// @param own     0 or 1: this end's compressor; default 0
/// @param peer    0 or 1: the peer's compressor; default 0
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_context_takeover(config: *mut ws_config, own: c_int, peer: c_int) -> ws_status {
    set(config, |config| {
        config.set_context_takeover(flag(own)?, flag(peer)?);
        Ok(())
    })
}

/// Limits the LZ77 windows, as powers of two (RFC 7692, 7.1.2). A server with a limit for the peer declines compression to
/// a client that cannot be limited, which is one that did not offer `client_max_window_bits`.
///
/// @param config  settings
/// @param own     8 to 15: this end's compressor; default 15
/// @param peer    8 to 15: the peer's compressor; default 15
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_window_bits(config: *mut ws_config, own: c_int, peer: c_int) -> ws_status {
    set(config, |config| config.set_window_bits(byte(own)?, byte(peer)?).map(drop))
}

/// Limits the time from the making of a connection to its opening. A request that is late is answered with 408. This and
/// the other deadlines do not count before ws_engine_advance() was called for the first time.
///
/// @param config  settings
/// @param ms      0 (off) to 604,800,000 (seven days) milliseconds; default 10,000
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_handshake_timeout(config: *mut ws_config, ms: u32) -> ws_status {
    set(config, |config| config.set_handshake_timeout(ms).map(drop))
}

/// Sends pings (RFC 6455, 5.5.2): the time between two of them, less up to a quarter at random, so that those of many
/// connections spread. The first one counts from the opening.
///
/// @param config  settings
/// @param ms      0 (off) to 604,800,000 (seven days) milliseconds; default 30,000
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_ping_interval(config: *mut ws_config, ms: u32) -> ws_status {
    set(config, |config| config.set_ping_interval(ms).map(drop))
}

/// Limits the time from a ping of the engine to a sign of life: a byte from the peer, or progress in writing to it. Then
/// the connection is closed with 1001.
///
/// @param config  settings
/// @param ms      0 (off) to 604,800,000 (seven days) milliseconds; default 30,000
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_pong_timeout(config: *mut ws_config, ms: u32) -> ws_status {
    set(config, |config| config.set_pong_timeout(ms).map(drop))
}

/// Limits the time without a message in either direction; pings and pongs are none. Then the connection is closed with
/// 1001.
///
/// @param config  settings
/// @param ms      0 (off) to 604,800,000 (seven days) milliseconds; default 0
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_idle_timeout(config: *mut ws_config, ms: u32) -> ws_status {
    set(config, |config| config.set_idle_timeout(ms).map(drop))
}

/// Limits the time from our close frame to the peer's (then #WS_EVENT_CLOSE with 1006 comes), and from the end of the
/// connection to that of the stream. Then ws_conn_wants_abort() is 1.
///
/// @param config  settings
/// @param ms      0 (off) to 604,800,000 (seven days) milliseconds; default 5,000
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_close_timeout(config: *mut ws_config, ms: u32) -> ws_status {
    set(config, |config| config.set_close_timeout(ms).map(drop))
}

/// Limits the time in which output waits and none of it is taken. Then #WS_EVENT_CLOSE with 1006 comes, and
/// ws_conn_wants_abort() is 1.
///
/// @param config  settings
/// @param ms      0 (off) to 604,800,000 (seven days) milliseconds; default 30,000
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_write_stall_timeout(config: *mut ws_config, ms: u32) -> ws_status {
    set(config, |config| config.set_write_stall_timeout(ms).map(drop))
}

/// Limits the time from the opening on, whatever happens. Then the connection is closed with 1001.
///
/// @param config  settings
/// @param ms      0 (off) to 604,800,000 (seven days) milliseconds; default 0
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_max_lifetime(config: *mut ws_config, ms: u32) -> ws_status {
    set(config, |config| config.set_max_lifetime(ms).map(drop))
}

/// Chooses which web pages may connect (RFC 6455, 10.2). Others are answered with 403. Requests without `Origin` come
/// from programs, not from pages, and always pass.
///
/// #WS_ORIGIN_ALLOW_LIST with no origin given lets no page in.
///
/// @param config  settings
/// @param policy  a ::ws_origin_policy; default #WS_ORIGIN_SAME_HOST
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_origin_policy(config: *mut ws_config, policy: c_int) -> ws_status {
    set(config, |config| {
        let list = match &config.origin_policy {
            OriginPolicy::AllowList(list) => list.clone(),
            _ => Vec::new(),
        };
        config.set_origin_policy(match policy {
            policy if policy == ws_origin_policy::WS_ORIGIN_SAME_HOST as c_int => OriginPolicy::SameHost,
            policy if policy == ws_origin_policy::WS_ORIGIN_ALLOW_LIST as c_int => OriginPolicy::AllowList(list),
            policy if policy == ws_origin_policy::WS_ORIGIN_ANY as c_int => OriginPolicy::Any,
            _ => return Err(Error::InvalidArgument("not a ws_origin_policy")),
        });
        Ok(())
    })
}

/// Adds an origin to the allow list and makes #WS_ORIGIN_ALLOW_LIST the policy.
///
/// @param config  settings
/// @param origin  NUL-terminated, as browsers send it: "https://app.example.com", with the port if it is not the
///                scheme's own, without a path; letter case does not count
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_allow_origin(config: *mut ws_config, origin: *const c_char) -> ws_status {
    set(config, |config| config.allow_origin(text(origin)?).map(drop))
}

/// Adds a subprotocol that the server speaks, in order of preference (RFC 6455, 1.9). It answers with the first of
/// them that the client offers, and with none if there is no such.
///
/// @param config  settings
/// @param name    NUL-terminated; an HTTP token that was not added before
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_add_subprotocol(config: *mut ws_config, name: *const c_char) -> ws_status {
    set(config, |config| config.add_subprotocol(text(name)?).map(drop))
}

/// Chooses whether the engine answers pings by itself (RFC 6455, 5.5.2). Pings are reported in either case.
///
/// @param config   settings
/// @param enabled  0 or 1; default 1
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_auto_pong(config: *mut ws_config, enabled: c_int) -> ws_status {
    set(config, |config| {
        config.set_auto_pong(flag(enabled)?);
        Ok(())
    })
}

/// Chooses whether a server asks its host before it accepts: it then delivers #WS_EVENT_REQUEST for every request that
/// is valid and passes the origin policy, and waits for ws_conn_accept() or ws_conn_reject().
///
/// @param config   settings
/// @param enabled  0 or 1; default 0
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_manual_accept(config: *mut ws_config, enabled: c_int) -> ws_status {
    set(config, |config| {
        config.set_manual_accept(flag(enabled)?);
        Ok(())
    })
}

fn set(config: *mut ws_config, change: impl FnOnce(&mut Config) -> Result<(), Error>) -> ws_status {
    with(config, |handle| change(&mut handle.config).map(|()| ws_status::WS_OK))
}

fn flag(value: c_int) -> Result<bool, Error> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Error::InvalidArgument("a switch must be 0 or 1")),
    }
}

fn byte(value: c_int) -> Result<u8, Error> {
    u8::try_from(value).map_err(|_| Error::InvalidArgument("a number that is out of range"))
}

pub(crate) fn to_delivery(value: c_int) -> Result<Delivery, Error> {
    match value {
        value if value == ws_delivery::WS_DELIVER_MESSAGES as c_int => Ok(Delivery::Messages),
        value if value == ws_delivery::WS_DELIVER_CHUNKS as c_int => Ok(Delivery::Chunks),
        value if value == ws_delivery::WS_DELIVER_FRAMES as c_int => Ok(Delivery::Frames),
        _ => Err(Error::InvalidArgument("not a ws_delivery")),
    }
}
