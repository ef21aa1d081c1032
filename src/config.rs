//! Every setting and limit, with defaults that are safe on the open internet.

use crate::error::Error;
use crate::event::Delivery;
use crate::handshake::policy::OriginPolicy;
use crate::handshake::token::is_token;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Settings of an engine. A builder: the engine copies it.
#[derive(Debug, Clone)]
pub struct Config {
    pub(crate) max_head_size: usize,
    pub(crate) max_headers: usize,
    pub(crate) max_held_bytes: usize,
    pub(crate) origin_policy: OriginPolicy,
    pub(crate) subprotocols: Vec<String>,
    pub(crate) manual_accept: bool,

    pub(crate) delivery: Delivery,
    pub(crate) auto_pong: bool,
    pub(crate) max_frame_size: u64,
    pub(crate) max_message_size: u64,
    pub(crate) max_fragments: u32,
    pub(crate) max_empty_fragments: u32,
    pub(crate) max_control_rate: u32,
    pub(crate) max_connection_bytes: usize,
    pub(crate) max_engine_bytes: usize,
    pub(crate) receive_buffer_size: usize,

    pub(crate) outgoing_utf8_check: bool,
    pub(crate) max_queued_bytes: usize,
    pub(crate) low_water: usize,
    pub(crate) high_water: usize,

    pub(crate) compression: Compression,
    pub(crate) timeouts: Timeouts,
    pub(crate) stream: Streams,
}

/// What permessage-deflate may do (RFC 7692). "Own" is this end's compressor, "peer" the other end's.
#[derive(Debug, Clone)]
pub(crate) struct Compression {
    pub(crate) enabled: bool,
    pub(crate) level: u8,
    pub(crate) mem_level: u8,
    pub(crate) threshold: usize,
    pub(crate) own_takeover: bool,
    pub(crate) peer_takeover: bool,
    pub(crate) own_window_bits: u8,
    pub(crate) peer_window_bits: u8,
}

/// Milliseconds; 0 is off.
#[derive(Debug, Clone)]
pub(crate) struct Timeouts {
    pub(crate) handshake: u32,
    pub(crate) ping_interval: u32,
    pub(crate) pong: u32,
    pub(crate) idle: u32,
    pub(crate) close: u32,
    pub(crate) write_stall: u32,
    pub(crate) max_lifetime: u32,
}

/// How token streams merge and cut, and when they have enough.
#[derive(Debug, Clone)]
pub(crate) struct Streams {
    /// Milliseconds.
    pub(crate) merge_time: u32,
    pub(crate) piece_size: usize,
    pub(crate) low_water: usize,
    pub(crate) high_water: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            max_head_size: 8 * KIB,
            max_headers: 64,
            max_held_bytes: 8 * KIB,
            origin_policy: OriginPolicy::SameHost,
            subprotocols: Vec::new(),
            manual_accept: false,

            delivery: Delivery::Messages,
            auto_pong: true,
            max_frame_size: MIB as u64,
            max_message_size: MIB as u64,
            max_fragments: 16 * 1024,
            max_empty_fragments: 64,
            max_control_rate: 250,
            max_connection_bytes: 16 * MIB,
            max_engine_bytes: 1024 * MIB,
            receive_buffer_size: 512 * KIB,

            outgoing_utf8_check: true,
            max_queued_bytes: 4 * MIB,
            low_water: 256 * KIB,
            high_water: MIB,

            compression: Compression {
                enabled: false,
                level: 6,
                mem_level: 6,
                threshold: KIB,
                own_takeover: false,
                peer_takeover: false,
                own_window_bits: 15,
                peer_window_bits: 15,
            },
            timeouts: Timeouts {
                handshake: 10_000,
                ping_interval: 30_000,
                pong: 30_000,
                idle: 0,
                close: 5_000,
                write_stall: 30_000,
                max_lifetime: 0,
            },
            stream: Streams { merge_time: 40, piece_size: 4 * KIB, low_water: 16 * KIB, high_water: 64 * KIB },
        }
    }
}

impl Config {
    /// The most headers that [`Config::set_max_headers`] takes.
    pub const MAX_HEADERS: usize = 256;

    /// The longest timeout: seven days, in milliseconds.
    pub const MAX_TIMEOUT: u32 = 7 * 24 * 60 * 60 * 1000;

    /// The defaults.
    pub fn new() -> Config {
        Config::default()
    }
}

/// Handshake.
impl Config {
    /// Bytes of an HTTP head, request line and blank line included: 128 to 1 MiB, default 8 KiB. A longer request gets 431.
    pub fn set_max_head_size(&mut self, bytes: usize) -> Result<&mut Config, Error> {
        if !(128..=MIB).contains(&bytes) {
            return Err(Error::InvalidArgument("max_head_size must be 128 bytes to 1 MiB"));
        }
        self.max_head_size = bytes;
        Ok(self)
    }

    /// Headers in an HTTP head: 8 to 256, default 64. A request with more gets 431.
    pub fn set_max_headers(&mut self, count: usize) -> Result<&mut Config, Error> {
        if !(8..=Config::MAX_HEADERS).contains(&count) {
            return Err(Error::InvalidArgument("max_headers must be 8 to 256"));
        }
        self.max_headers = count;
        Ok(self)
    }

    /// Bytes that are kept behind a request that waits for a decision: 0 to 16 MiB, default 8 KiB. A client that sends
    /// more before it was answered gets 400.
    pub fn set_max_held_bytes(&mut self, bytes: usize) -> Result<&mut Config, Error> {
        if bytes > 16 * MIB {
            return Err(Error::InvalidArgument("max_held_bytes must be 0 to 16 MiB"));
        }
        self.max_held_bytes = bytes;
        Ok(self)
    }

    /// Which web pages may connect to a server (RFC 6455, 10.2); default [`OriginPolicy::SameHost`]. Requests without
    /// an `Origin`, which come from programs and not from pages, always pass.
    pub fn set_origin_policy(&mut self, policy: OriginPolicy) -> &mut Config {
        self.origin_policy = policy;
        self
    }

    /// Adds an origin, as a browser sends it (`https://app.example.com`, or with a port), to the allow list, and makes
    /// the list the policy if it was another.
    pub fn allow_origin(&mut self, origin: &str) -> Result<&mut Config, Error> {
        let host = origin.split_once("://").map_or("", |(_scheme, host)| host);
        if host.is_empty() || host.contains('/') || !origin.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::InvalidArgument("an origin is scheme://host or scheme://host:port, without a path"));
        }
        match &mut self.origin_policy {
            OriginPolicy::AllowList(list) => list.push(origin.to_owned()),
            other => *other = OriginPolicy::AllowList(vec![origin.to_owned()]),
        }
        Ok(self)
    }

    /// Adds a subprotocol that the server speaks (RFC 6455, 1.9), in order of preference. It answers with the first of
    /// these that the client offers, and with none if there is no such.
    pub fn add_subprotocol(&mut self, name: &str) -> Result<&mut Config, Error> {
        if !is_token(name.as_bytes()) {
            return Err(Error::InvalidArgument(
                "a subprotocol must be an HTTP token: ASCII without spaces or separators",
            ));
        }
        if self.subprotocols.iter().any(|known| known == name) {
            return Err(Error::InvalidArgument("this subprotocol was added before"));
        }
        self.subprotocols.push(name.to_owned());
        Ok(self)
    }

    /// Whether a server asks before it accepts: it then delivers [`Event::Request`](crate::Event::Request) for every
    /// request that is valid and passes the origin policy, and waits for `accept` or `reject`. Default no.
    pub fn set_manual_accept(&mut self, enabled: bool) -> &mut Config {
        self.manual_accept = enabled;
        self
    }
}

/// Messages from the peer.
impl Config {
    /// How messages are delivered; default [`Delivery::Messages`].
    pub fn set_delivery(&mut self, delivery: Delivery) -> &mut Config {
        self.delivery = delivery;
        self
    }

    /// Whether the engine answers pings by itself (RFC 6455, 5.5.2); default yes.
    pub fn set_auto_pong(&mut self, enabled: bool) -> &mut Config {
        self.auto_pong = enabled;
        self
    }

    /// Payload bytes of one data frame from the peer: 125 to 2^63-1, default 1 MiB. A larger frame closes with 1009
    /// as soon as its length is known.
    pub fn set_max_frame_size(&mut self, bytes: u64) -> Result<&mut Config, Error> {
        self.max_frame_size = in_payload_range(bytes)?;
        Ok(self)
    }

    /// Payload bytes of one message from the peer, all its frames together: 125 to 2^63-1, default 1 MiB. A larger
    /// message closes with 1009 as soon as a frame's length shows that it will be.
    pub fn set_max_message_size(&mut self, bytes: u64) -> Result<&mut Config, Error> {
        self.max_message_size = in_payload_range(bytes)?;
        Ok(self)
    }

    /// Frames of one message from the peer: 1 and up, default 16,384. A message of more closes with 1008.
    pub fn set_max_fragments(&mut self, count: u32) -> Result<&mut Config, Error> {
        if count == 0 {
            return Err(Error::InvalidArgument("max_fragments must be 1 or more"));
        }
        self.max_fragments = count;
        Ok(self)
    }

    /// Frames without payload in one fragmented message from the peer, the last one not counted: default 64. A message
    /// with more closes with 1008.
    pub fn set_max_empty_fragments(&mut self, count: u32) -> &mut Config {
        self.max_empty_fragments = count;
        self
    }

    /// Pings and pongs from the peer within one second: 1 to 65,535 (more counts as that), default 250. More close with
    /// 1008. Counted only once the engine has been told the time.
    pub fn set_max_control_rate(&mut self, frames_per_second: u32) -> Result<&mut Config, Error> {
        if frames_per_second == 0 {
            return Err(Error::InvalidArgument("max_control_rate must be 1 or more"));
        }
        self.max_control_rate = frames_per_second;
        Ok(self)
    }

    /// Bytes that one connection may hold in all, between two calls: input that was not pulled, a message of which more
    /// is to come, and output. 4 KiB and up, default 16 MiB. Input above it closes with 1009; a message to send above it
    /// is refused.
    pub fn set_max_connection_bytes(&mut self, bytes: usize) -> Result<&mut Config, Error> {
        self.max_connection_bytes = in_memory_range(bytes)?;
        Ok(self)
    }

    /// Bytes that all connections of an engine may hold together, the heads of handshakes too: 4 KiB and up, default
    /// 1 GiB. Input above it closes the connection that brought it with 1013, or refuses its request with 503; a message
    /// to send above it is refused.
    pub fn set_max_engine_bytes(&mut self, bytes: usize) -> Result<&mut Config, Error> {
        self.max_engine_bytes = in_memory_range(bytes)?;
        Ok(self)
    }

    /// Bytes of the buffer that [`Connection::recv_buffer`] lends, which the connections of an engine share: 4 KiB to 16
    /// MiB, default 512 KiB. The larger, the more messages come with one read. Memory that no read has reached is not
    /// used.
    ///
    /// [`Connection::recv_buffer`]: crate::Connection::recv_buffer
    pub fn set_receive_buffer_size(&mut self, bytes: usize) -> Result<&mut Config, Error> {
        if !(4 * KIB..=16 * MIB).contains(&bytes) {
            return Err(Error::InvalidArgument("receive_buffer_size must be 4 KiB to 16 MiB"));
        }
        self.receive_buffer_size = bytes;
        Ok(self)
    }
}

/// Output.
impl Config {
    /// Bytes of output that may wait to be taken, frame headers included: 1 KiB and up, default 4 MiB. A message that
    /// would exceed it is refused; control frames always have room. What waits in a [`TokenStream`](crate::TokenStream)
    /// has the same limit.
    pub fn set_max_queued_bytes(&mut self, bytes: usize) -> Result<&mut Config, Error> {
        if bytes < KIB || bytes > isize::MAX as usize {
            return Err(Error::InvalidArgument("max_queued_bytes must be 1 KiB or more"));
        }
        self.max_queued_bytes = bytes;
        Ok(self)
    }

    /// Whether text to send is checked for UTF-8 (RFC 6455, 5.6), which costs a pass over it; default yes. Without, the
    /// host vouches for it, as an echo can: a peer fails the connection over text that is not UTF-8. Prepared messages
    /// and close reasons are always checked.
    pub fn set_outgoing_utf8_check(&mut self, enabled: bool) -> &mut Config {
        self.outgoing_utf8_check = enabled;
        self
    }

    /// Bytes of output at which the queue is called full ([`Outbound::is_above_high_water`]) and at which it has room
    /// again ([`Event::Writable`]): `low` less than `high`; default 256 KiB and 1 MiB.
    ///
    /// [`Outbound::is_above_high_water`]: crate::Outbound::is_above_high_water
    /// [`Event::Writable`]: crate::Event::Writable
    pub fn set_water_marks(&mut self, low: usize, high: usize) -> Result<&mut Config, Error> {
        if low >= high {
            return Err(Error::InvalidArgument("the low-water mark must be below the high-water mark"));
        }
        (self.low_water, self.high_water) = (low, high);
        Ok(self)
    }
}

/// Compression (RFC 7692).
impl Config {
    /// Whether permessage-deflate is negotiated; default no.
    pub fn set_compression(&mut self, enabled: bool) -> &mut Config {
        self.compression.enabled = enabled;
        self
    }

    /// How hard to compress: 1 (fast) to 9 (small), default 6.
    pub fn set_compression_level(&mut self, level: u8) -> Result<&mut Config, Error> {
        if !(1..=9).contains(&level) {
            return Err(Error::InvalidArgument("compression_level must be 1 to 9"));
        }
        self.compression.level = level;
        Ok(self)
    }

    /// Memory of a compressor: 1 (small) to 9 (large), default 6; zlib's `memLevel`. More than 6 costs memory and gains
    /// next to nothing.
    pub fn set_compression_mem_level(&mut self, level: u8) -> Result<&mut Config, Error> {
        if !(1..=9).contains(&level) {
            return Err(Error::InvalidArgument("compression_mem_level must be 1 to 9"));
        }
        self.compression.mem_level = level;
        Ok(self)
    }

    /// Messages below this many bytes are sent plain: default 1 KiB.
    pub fn set_compression_threshold(&mut self, bytes: usize) -> &mut Config {
        self.compression.threshold = bytes;
        self
    }

    /// Whether a compressor may refer to earlier messages (context takeover, RFC 7692, 7.1.1): this end's own, and the
    /// peer's. Smaller messages, but each connection then keeps a compressor (300 KB), and of the peer's messages up to
    /// one window (32 KiB). Default neither: compressors and inflators are borrowed for the time of a message.
    pub fn set_context_takeover(&mut self, own: bool, peer: bool) -> &mut Config {
        (self.compression.own_takeover, self.compression.peer_takeover) = (own, peer);
        self
    }

    /// The largest LZ77 window, as a power of two (RFC 7692, 7.1.2): of this end's own compressor, and of the peer's, 8
    /// to 15 each, default 15. A server with a limit for the peer declines compression to a client that cannot be limited
    /// (one that did not offer `client_max_window_bits`).
    pub fn set_window_bits(&mut self, own: u8, peer: u8) -> Result<&mut Config, Error> {
        if !(8..=15).contains(&own) || !(8..=15).contains(&peer) {
            return Err(Error::InvalidArgument("window bits must be 8 to 15 (RFC 7692, 7.1.2)"));
        }
        (self.compression.own_window_bits, self.compression.peer_window_bits) = (own, peer);
        Ok(self)
    }
}

/// Time, in milliseconds; 0 turns a deadline off, the longest is seven days. None counts before
/// [`Engine::advance`](crate::Engine::advance) was called for the first time.
impl Config {
    /// From the making of a connection to its opening: default 10 s. A request that is late gets 408.
    pub fn set_handshake_timeout(&mut self, ms: u32) -> Result<&mut Config, Error> {
        self.timeouts.handshake = in_time_range(ms)?;
        Ok(self)
    }

    /// Between two pings of the engine, less up to a quarter at random, so that those of many connections spread; the
    /// first one counts from the opening. Default 30 s.
    pub fn set_ping_interval(&mut self, ms: u32) -> Result<&mut Config, Error> {
        self.timeouts.ping_interval = in_time_range(ms)?;
        Ok(self)
    }

    /// From a ping of the engine to a sign of life: a byte from the peer, or progress in writing to it. Default 30 s.
    /// Then 1001.
    pub fn set_pong_timeout(&mut self, ms: u32) -> Result<&mut Config, Error> {
        self.timeouts.pong = in_time_range(ms)?;
        Ok(self)
    }

    /// Without a message in either direction; pings and pongs are none. Default off. Then 1001.
    pub fn set_idle_timeout(&mut self, ms: u32) -> Result<&mut Config, Error> {
        self.timeouts.idle = in_time_range(ms)?;
        Ok(self)
    }

    /// From our close frame to the peer's, and from the end of the connection to that of the stream: default 5 s. Then
    /// the stream is to be closed at once.
    pub fn set_close_timeout(&mut self, ms: u32) -> Result<&mut Config, Error> {
        self.timeouts.close = in_time_range(ms)?;
        Ok(self)
    }

    /// While output waits and none of it is taken: default 30 s. Then the stream is to be closed at once.
    pub fn set_write_stall_timeout(&mut self, ms: u32) -> Result<&mut Config, Error> {
        self.timeouts.write_stall = in_time_range(ms)?;
        Ok(self)
    }

    /// From the opening on, whatever happens: default off. Then 1001.
    pub fn set_max_lifetime(&mut self, ms: u32) -> Result<&mut Config, Error> {
        self.timeouts.max_lifetime = in_time_range(ms)?;
        Ok(self)
    }
}

/// Token streams: see [`TokenStream`](crate::TokenStream).
impl Config {
    /// For how many milliseconds after a message what is written is merged into the next one: 0 to 10,000, default 40. 0
    /// makes a message of every write. Counted only once the engine has been told the time: until then what was written
    /// is due at once.
    pub fn set_stream_merge_time(&mut self, ms: u32) -> Result<&mut Config, Error> {
        if ms > 10_000 {
            return Err(Error::InvalidArgument("stream_merge_time must be 0 to 10,000 milliseconds"));
        }
        self.stream.merge_time = ms;
        Ok(self)
    }

    /// Bytes of text at which a message is made before its time, and the most that one has, before JSON escapes any: 16
    /// to 1 MiB, default 4 KiB. Text is cut between characters.
    pub fn set_stream_piece_size(&mut self, bytes: usize) -> Result<&mut Config, Error> {
        if !(16..=MIB).contains(&bytes) {
            return Err(Error::InvalidArgument("stream_piece_size must be 16 bytes to 1 MiB"));
        }
        self.stream.piece_size = bytes;
        Ok(self)
    }

    /// Bytes that wait in a stream above which it has enough ([`TokenStream::wants_more`]), and down to which it wants
    /// more again: `low`, or half of `max_queued_bytes` if that is less. `low` less than `high`; default 16 KiB and 64
    /// KiB.
    ///
    /// [`TokenStream::wants_more`]: crate::TokenStream::wants_more
    pub fn set_stream_water_marks(&mut self, low: usize, high: usize) -> Result<&mut Config, Error> {
        if low >= high {
            return Err(Error::InvalidArgument("a stream's low-water mark must be below its high-water mark"));
        }
        (self.stream.low_water, self.stream.high_water) = (low, high);
        Ok(self)
    }
}

fn in_payload_range(bytes: u64) -> Result<u64, Error> {
    if (125..=i64::MAX as u64).contains(&bytes) {
        Ok(bytes)
    } else {
        Err(Error::InvalidArgument("a frame or message limit must be 125 bytes to 2^63-1"))
    }
}

fn in_memory_range(bytes: usize) -> Result<usize, Error> {
    if (4 * KIB..=isize::MAX as usize).contains(&bytes) {
        Ok(bytes)
    } else {
        Err(Error::InvalidArgument("a memory limit must be 4 KiB or more"))
    }
}

fn in_time_range(ms: u32) -> Result<u32, Error> {
    if ms <= Config::MAX_TIMEOUT {
        Ok(ms)
    } else {
        Err(Error::InvalidArgument("a timeout must be 0 (off) to 604,800,000 milliseconds"))
    }
}
