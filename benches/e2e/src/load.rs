//! What is measured: sizes, kinds of payload, connections, messages in flight.

use serde::{Deserialize, Serialize};

/// What the messages are made of.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Binary,
    Ascii,
    Chinese,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Binary => "binary",
            Kind::Ascii => "ascii",
            Kind::Chinese => "chinese",
        }
    }
}

/// One load: so many connections, each with `window` messages of `size` bytes in flight at all times.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Load {
    pub size: usize,
    pub kind: Kind,
    pub connections: usize,
    pub window: usize,
}

impl Load {
    /// As in the table, and what `E2E_FILTER` looks into: `16 KiB chinese 100x16`.
    pub fn name(&self) -> String {
        format!("{} {} {}x{}", size_name(self.size), self.kind.name(), self.connections, self.window)
    }
}

pub fn size_name(bytes: usize) -> String {
    match bytes {
        _ if bytes >= 1 << 20 && bytes % (1 << 20) == 0 => format!("{} MiB", bytes >> 20),
        _ if bytes >= 1 << 10 && bytes % (1 << 10) == 0 => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} B"),
    }
}

/// All loads, in the order in which they are measured. Large messages get fewer connections: 1,000 times 16 messages of 1 MiB
/// are more than sockets hold.
pub fn all() -> Vec<Load> {
    const SMALL: [(usize, usize); 6] = [(1, 1), (1, 16), (100, 1), (100, 16), (1000, 1), (1000, 16)];
    const LARGE: [(usize, usize); 3] = [(1, 1), (1, 16), (10, 1)];
    let mut loads = Vec::new();
    for size in [16, 512, 16 << 10, 1 << 20] {
        for kind in [Kind::Binary, Kind::Ascii, Kind::Chinese] {
            let shapes = if size < 1 << 20 { &SMALL[..] } else { &LARGE[..] };
            for &(connections, window) in shapes {
                // ASCII is there to compare Chinese with: one number of connections is enough.
                let compared = if size < 1 << 20 { connections == 100 } else { window == 1 };
                if kind != Kind::Ascii || compared {
                    loads.push(Load { size, kind, connections, window });
                }
            }
        }
    }
    loads
}
