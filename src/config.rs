//! Every setting and limit, with defaults that are safe on the open internet.

use crate::error::Error;
use crate::handshake::policy::OriginPolicy;
use crate::handshake::token::is_token;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Settings of an engine. A builder: the engine copies it.
#[derive(Debug, Clone)]
pub struct Config {
    pub(crate) max_head_size: usize,
    pub(crate) max_headers: usize,
    pub(crate) max_frame_size: u64,
    pub(crate) max_message_size: u64,
    pub(crate) max_queued_bytes: usize,
    pub(crate) origin_policy: OriginPolicy,
    pub(crate) subprotocols: Vec<String>,
    pub(crate) auto_pong: bool,
    pub(crate) manual_accept: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            max_head_size: 8 * KIB,
            max_headers: 64,
            max_frame_size: MIB as u64,
            max_message_size: MIB as u64,
            max_queued_bytes: 4 * MIB,
            origin_policy: OriginPolicy::SameHost,
            subprotocols: Vec::new(),
            auto_pong: true,
            manual_accept: false,
        }
    }
}

impl Config {
    /// The most headers that [`Config::set_max_headers`] takes.
    pub const MAX_HEADERS: usize = 256;

    /// The defaults.
    pub fn new() -> Config {
        Config::default()
    }

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

    /// Bytes of output that may wait to be taken, frame headers included: 1 KiB and up, default 4 MiB. A message that
    /// would exceed it is refused; control frames always have room.
    pub fn set_max_queued_bytes(&mut self, bytes: usize) -> Result<&mut Config, Error> {
        if bytes < KIB || bytes > isize::MAX as usize {
            return Err(Error::InvalidArgument("max_queued_bytes must be 1 KiB or more"));
        }
        self.max_queued_bytes = bytes;
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

    /// Whether the engine answers pings by itself (RFC 6455, 5.5.2); default yes.
    pub fn set_auto_pong(&mut self, enabled: bool) -> &mut Config {
        self.auto_pong = enabled;
        self
    }

    /// Whether a server asks before it accepts: it then delivers [`Event::Request`](crate::Event::Request) for every
    /// request that is valid and passes the origin policy, and waits for `accept` or `reject`. Default no.
    pub fn set_manual_accept(&mut self, enabled: bool) -> &mut Config {
        self.manual_accept = enabled;
        self
    }
}

fn in_payload_range(bytes: u64) -> Result<u64, Error> {
    if (125..=i64::MAX as u64).contains(&bytes) {
        Ok(bytes)
    } else {
        Err(Error::InvalidArgument("a frame or message limit must be 125 bytes to 2^63-1"))
    }
}
