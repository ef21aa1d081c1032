//! The driver's end: many connections on one epoll, each with so many messages in flight, and every byte that comes back
//! compared with what has to come.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use crate::histogram::Histogram;
use crate::server::read_clock;
use crate::tape::Tape;

pub const MAX_WINDOW: usize = 16;

/// One recv() takes all that waits, so that the driver has fewer calls to make than the server.
const BUFFER: usize = 1 << 20;

/// A server that sends nothing for so long is broken.
const PATIENCE_NS: u64 = 10_000_000_000;

struct Client {
    stream: TcpStream,
    /// Bytes in all.
    sent: u64,
    received: u64,
    /// Messages of which the first byte was sent, and that came back.
    begun: u64,
    finished: u64,
    /// When the last ones were begun, by their number.
    began: [u64; MAX_WINDOW],
    waits_for_room: bool,
}

pub struct Clients<'a> {
    tape: &'a Tape,
    epoll: libc::c_int,
    clients: Vec<Client>,
    buffer: Vec<u8>,
    pub finished: u64,
    pub latency: Histogram,
}

impl<'a> Clients<'a> {
    /// Connects, and goes through the opening handshake if `handshake`.
    pub fn connect(address: SocketAddr, count: usize, handshake: bool, tape: &'a Tape) -> io::Result<Clients<'a>> {
        // SAFETY: a plain system call.
        let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if epoll < 0 {
            return Err(io::Error::last_os_error());
        }
        let mut all = Clients {
            tape,
            epoll,
            clients: Vec::with_capacity(count),
            buffer: vec![0; BUFFER],
            finished: 0,
            latency: Histogram::new(),
        };
        for index in 0..count {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            if handshake {
                upgrade(&stream, address)?;
            }
            stream.set_nonblocking(true)?;
            let client = Client {
                stream,
                sent: 0,
                received: 0,
                begun: 0,
                finished: 0,
                began: [0; MAX_WINDOW],
                waits_for_room: false,
            };
            all.clients.push(client);
            all.watch(libc::EPOLL_CTL_ADD, index, libc::EPOLLIN)?;
        }
        Ok(all)
    }

    /// Has `window` messages in flight on each connection from now on, as long as `serve` is called.
    pub fn start(&mut self, window: usize) -> io::Result<()> {
        (0..self.clients.len()).try_for_each(|index| self.send(index, window as u64, now()))
    }

    /// Sends one message on each of some connections and waits until all are back.
    pub fn exchange_one(&mut self, range: std::ops::Range<usize>) -> io::Result<()> {
        let finished = self.finished + range.len() as u64;
        let goals: Vec<u64> = range.clone().map(|index| self.clients[index].finished + 1).collect();
        for (index, goal) in range.clone().zip(&goals) {
            self.send(index, *goal, now())?;
        }
        let began = now();
        while self.finished < finished {
            for (index, ready) in self.wait(began)? {
                if ready & !(libc::EPOLLOUT as u32) != 0 {
                    self.receive(index, now())?;
                }
                if range.contains(&index) {
                    self.send(index, goals[index - range.start], now())?;
                }
            }
        }
        Ok(())
    }

    /// Takes what comes and replaces it, until `until`.
    pub fn serve(&mut self, window: usize, until: u64) -> io::Result<()> {
        let mut last = now();
        loop {
            for (index, ready) in self.wait(last)? {
                last = now();
                if ready & !(libc::EPOLLOUT as u32) != 0 {
                    self.receive(index, last)?;
                }
                let goal = self.clients[index].finished + window as u64;
                self.send(index, goal, last)?;
            }
            if now() >= until {
                return Ok(());
            }
        }
    }

    fn wait(&self, since: u64) -> io::Result<Vec<(usize, u32)>> {
        const EVENTS: usize = 256;
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; EVENTS];
        // SAFETY: the pointer is to an array of as many events.
        let count = unsafe { libc::epoll_wait(self.epoll, events.as_mut_ptr(), EVENTS as libc::c_int, 100) };
        if count < 0 && io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return Err(io::Error::last_os_error());
        }
        if count == 0 && now() - since > PATIENCE_NS {
            return Err(io::Error::other("nothing came back for ten seconds"));
        }
        Ok(events[..count.max(0) as usize].iter().map(|event| (event.u64 as usize, event.events)).collect())
    }

    fn receive(&mut self, index: usize, now: u64) -> io::Result<()> {
        let client = &mut self.clients[index];
        let count = match client.stream.read(&mut self.buffer) {
            Ok(0) => return Err(io::Error::other("the server closed a connection")),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        compare(&self.buffer[..count], &self.tape.answer, client.received)?;
        client.received += count as u64;
        let finished = client.received / self.tape.answer_len as u64;
        if finished > client.begun {
            return Err(io::Error::other("the server sent more than it got"));
        }
        for message in client.finished..finished {
            self.latency.add(now - client.began[message as usize % MAX_WINDOW]);
        }
        self.finished += finished - client.finished;
        client.finished = finished;
        Ok(())
    }

    /// Sends up to the message number `goal`, as far as the socket takes it.
    fn send(&mut self, index: usize, goal: u64, now: u64) -> io::Result<()> {
        let (tape, len) = (&self.tape.request, self.tape.request_len as u64);
        let client = &mut self.clients[index];
        let mut blocked = false;
        while client.sent < goal * len && !blocked {
            let from = (client.sent % tape.len() as u64) as usize;
            let count = ((goal * len - client.sent) as usize).min(tape.len() - from);
            match client.stream.write(&tape[from..from + count]) {
                Ok(written) => {
                    client.sent += written as u64;
                    blocked = written < count;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => blocked = true,
                Err(error) => return Err(error),
            }
            while client.begun < client.sent.div_ceil(len) {
                client.began[client.begun as usize % MAX_WINDOW] = now;
                client.begun += 1;
            }
        }
        if blocked != client.waits_for_room {
            client.waits_for_room = blocked;
            let interest = if blocked { libc::EPOLLIN | libc::EPOLLOUT } else { libc::EPOLLIN };
            self.watch(libc::EPOLL_CTL_MOD, index, interest)?;
        }
        Ok(())
    }

    fn watch(&self, operation: libc::c_int, index: usize, interest: libc::c_int) -> io::Result<()> {
        let mut event = libc::epoll_event { events: interest as u32, u64: index as u64 };
        let fd = self.clients[index].stream.as_raw_fd();
        // SAFETY: the descriptors are open, and the pointer is to a struct that lives throughout the call.
        match unsafe { libc::epoll_ctl(self.epoll, operation, fd, &mut event) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl Drop for Clients<'_> {
    fn drop(&mut self) {
        for client in &self.clients {
            // With a reset, so that the ports are free again at once.
            let linger = libc::linger { l_onoff: 1, l_linger: 0 };
            let (option, size) = ((&raw const linger).cast(), size_of_val(&linger) as libc::socklen_t);
            // SAFETY: the pointer is to a struct of the size that is given.
            unsafe { libc::setsockopt(client.stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, option, size) };
        }
        // SAFETY: the descriptor is this one's own.
        unsafe { libc::close(self.epoll) };
    }
}

/// The handshake, by tungstenite.
fn upgrade(stream: &TcpStream, address: SocketAddr) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let (mut socket, _response) =
        tungstenite::client(format!("ws://{address}/"), stream).map_err(|error| io::Error::other(error.to_string()))?;
    // Nothing may have come behind it: it would be lost to the comparison.
    stream.set_nonblocking(true)?;
    match socket.read() {
        Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        other => Err(io::Error::other(format!("unasked for: {other:?}"))),
    }
}

/// Whether `bytes` are those of the tape, which goes round and round, from `position` on.
fn compare(mut bytes: &[u8], tape: &[u8], position: u64) -> io::Result<()> {
    let mut from = (position % tape.len() as u64) as usize;
    while !bytes.is_empty() {
        let count = bytes.len().min(tape.len() - from);
        if bytes[..count] != tape[from..from + count] {
            let at = bytes.iter().zip(&tape[from..]).take_while(|(got, wanted)| got == wanted).count();
            return Err(io::Error::other(format!(
                "wrong bytes came back, at {}: {:02x?} instead of {:02x?}",
                position + at as u64,
                &bytes[at..bytes.len().min(at + 16)],
                &tape[from + at..tape.len().min(from + at + 16)]
            )));
        }
        bytes = &bytes[count..];
        from = 0;
    }
    Ok(())
}

/// Nanoseconds of the monotonic clock.
pub fn now() -> u64 {
    read_clock(libc::CLOCK_MONOTONIC)
}

#[cfg(test)]
mod tests {
    use super::compare;

    #[test]
    fn a_wrong_byte_is_found_wherever_it_is() {
        let tape: Vec<u8> = (0..100).collect();
        for position in 0..200_u64 {
            let right: Vec<u8> = (0..250).map(|i| tape[(position as usize + i) % 100]).collect();
            assert!(compare(&right, &tape, position).is_ok());
            for wrong in [0, 1, 99, 100, 149, 249] {
                let mut bytes = right.clone();
                bytes[wrong] ^= 1;
                assert!(compare(&bytes, &tape, position).is_err());
            }
        }
    }
}
