//! The ways in: what a connection makes of its input is the same, whichever it takes.

use wsengine::{Connection, Error, Event, Outbound};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// `feed`
    Copied,
    /// `feed_mut`, pulled to the end.
    Lent,
    /// `feed_mut`; after so many events the rest is pulled from the connection.
    LentFor(usize),
    /// `recv_buffer`, of at least so many bytes, and `commit`; as often as it takes.
    Received(usize),
}

/// More than a receive buffer of any size that the tests set.
const MORE_THAN_A_BUFFER: usize = 600_000;

pub const WAYS: [Way; 6] =
    [Way::Copied, Way::Lent, Way::LentFor(0), Way::LentFor(1), Way::Received(0), Way::Received(MORE_THAN_A_BUFFER)];

/// What is written where nobody may look any more.
const GARBAGE: u8 = 0xa5;

impl Way {
    /// One of them.
    #[allow(dead_code)] // not every test that shares this file picks one
    pub fn pick(choice: usize) -> Way {
        WAYS[choice % WAYS.len()]
    }

    /// Gives input and pulls until there is nothing more. Memory that is the host's again is overwritten at once.
    pub fn bring(self, conn: &mut Connection, bytes: &[u8], mut each: impl FnMut(Event<'_>)) -> Result<(), Error> {
        self.bring_and_answer(conn, bytes, |event, _outbound| each(event))
    }

    /// The same, with the sending half beside each event.
    pub fn bring_and_answer(
        self,
        conn: &mut Connection,
        bytes: &[u8],
        mut each: impl FnMut(Event<'_>, &mut Outbound),
    ) -> Result<(), Error> {
        let mut rest = bytes;
        loop {
            rest = &rest[self.give(conn, rest, &mut each)?..];
            while let Some((event, outbound)) = conn.next_event_and_outbound() {
                each(event, outbound);
            }
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// Gives input, as much as there is room for, and pulls what cannot be pulled later. How much was given.
    pub fn give(
        self,
        conn: &mut Connection,
        bytes: &[u8],
        mut each: impl FnMut(Event<'_>, &mut Outbound),
    ) -> Result<usize, Error> {
        match self {
            Way::Copied => conn.feed(bytes)?,
            Way::Lent | Way::LentFor(_) => {
                let most = if let Way::LentFor(most) = self { most } else { usize::MAX };
                let mut lent = bytes.to_vec();
                let mut drain = conn.feed_mut(&mut lent)?;
                let mut pulled = 0;
                while pulled < most
                    && let Some((event, outbound)) = drain.next_event_and_outbound()
                {
                    each(event, outbound);
                    pulled += 1;
                }
                drop(drain);
                lent.fill(GARBAGE);
            }
            Way::Received(min) => {
                let buffer = conn.recv_buffer(min)?;
                assert!(!buffer.is_empty() && buffer.len() >= min, "{} bytes, and {min} were needed", buffer.len());
                let count = bytes.len().min(buffer.len());
                buffer[..count].copy_from_slice(&bytes[..count]);
                let behind = buffer.len().min(count + 100);
                buffer[count..behind].fill(GARBAGE);
                conn.commit(count)?;
                return Ok(count);
            }
        }
        Ok(bytes.len())
    }
}
