//! A stream in memory for the peers that read and write one: each read is the simulated recv(), each write the
//! simulated send(). It is shared by the driver, which rewinds it, and the peer, which owns a handle.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::job::{Tally, copy};

pub struct Wire {
    input: Cell<&'static [u8]>,
    read_size: Cell<usize>,
    tally: Cell<*mut Tally>,
}

/// A handle. Everything here runs on one thread; some peers ask for Send all the same.
#[derive(Clone, Copy)]
pub struct WireStream(&'static Wire);

// SAFETY: used by one thread.
unsafe impl Send for WireStream {}
// SAFETY: used by one thread.
unsafe impl Sync for WireStream {}

impl WireStream {
    pub fn new() -> WireStream {
        let wire = Wire { input: Cell::new(&[]), read_size: Cell::new(0), tally: Cell::new(std::ptr::null_mut()) };
        WireStream(Box::leak(Box::new(wire)))
    }

    /// Lets `input` come, in reads of at most `read_size`, and counts what is sent in `tally`.
    pub fn connect(self, input: &'static [u8], read_size: usize, tally: *mut Tally) {
        self.0.input.set(input);
        self.0.read_size.set(read_size);
        self.0.tally.set(tally);
    }

    pub fn is_at_end(self) -> bool {
        self.0.input.get().is_empty()
    }

    /// The bytes of the next read, of which there is room for `room`.
    pub fn next_read(self, room: usize) -> &'static [u8] {
        let input = self.0.input.get();
        let (now, later) = input.split_at(input.len().min(self.0.read_size.get()).min(room));
        self.0.input.set(later);
        now
    }

    fn send(self, data: &[u8]) {
        // SAFETY: the driver connected one that outlives the pass.
        unsafe { (*self.0.tally.get()).send(data) }
    }
}

impl io::Read for WireStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.next_read(buffer.len());
        if bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        copy(bytes, &mut buffer[..bytes.len()]);
        std::hint::black_box(buffer.as_ptr());
        Ok(bytes.len())
    }
}

impl io::Write for WireStream {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.send(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for WireStream {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let bytes = self.next_read(buffer.remaining());
        if bytes.is_empty() {
            return Poll::Pending;
        }
        // SAFETY: there is room for the bytes, next_read() saw; they are written before they count.
        unsafe {
            let room = buffer.unfilled_mut().as_mut_ptr().cast::<u8>();
            copy(bytes, std::slice::from_raw_parts_mut(room, bytes.len()));
            buffer.assume_init(bytes.len());
        }
        buffer.advance(bytes.len());
        std::hint::black_box(buffer.filled().as_ptr());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WireStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.send(data);
        Poll::Ready(Ok(data.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        for slice in slices {
            self.send(slice);
        }
        Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A context that wakes nothing: the driver polls.
pub fn idle_context() -> Context<'static> {
    Context::from_waker(std::task::Waker::noop())
}
