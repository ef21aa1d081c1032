//! What the driver asks of a subject, and what it counts. Shared with the subjects in C++: cpp/bench.h.

use std::ffi::{c_char, c_int, c_void};

/// The most that one read gives.
pub const READ: usize = 65_536;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub enum Kind {
    Receive = 0,
    Echo = 1,
    Handshake = 2,
    Broadcast = 3,
    Deflate = 4,
    Idle = 5,
}

/// A piece of memory that lives as long as the program, as C++ sees it.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Bytes {
    pointer: *const u8,
    len: usize,
}

impl Bytes {
    pub fn new(bytes: Vec<u8>) -> Bytes {
        let bytes = bytes.leak();
        Bytes { pointer: bytes.as_ptr(), len: bytes.len() }
    }

    pub fn get(self) -> &'static [u8] {
        // SAFETY: made from leaked memory.
        unsafe { std::slice::from_raw_parts(self.pointer, self.len) }
    }
}

/// See cpp/bench.h: `struct BenchJob`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Job {
    pub kind: Kind,
    pub text: c_int,
    pub takeover: c_int,
    /// Frames of a client.
    pub input: Bytes,
    pub input_messages: usize,
    /// The most that one read gives.
    pub read_size: usize,
    /// A handshake.
    pub request: Bytes,
    /// Broadcast: the message.
    pub payload: Bytes,
    /// Handshakes or connections.
    pub count: usize,
}

/// See cpp/bench.h: `struct BenchTally`.
#[repr(C)]
pub struct Tally {
    pub messages: u64,
    pub bytes: u64,
    pub checksum: u64,
    pub out_bytes: u64,
    inspect_message: Option<extern "C" fn(*mut c_void, *const u8, usize)>,
    inspect_output: Option<extern "C" fn(*mut c_void, *const u8, usize)>,
    context: *mut c_void,
    send_buffer: *mut u8,
}

/// Every byte that came out, in the untimed run.
#[derive(Default)]
pub struct Inspected {
    pub messages: Vec<Vec<u8>>,
    pub output: Vec<u8>,
}

extern "C" fn inspect_message(context: *mut c_void, data: *const u8, len: usize) {
    // SAFETY: `context` is what Tally::inspecting() was given, `data` and `len` a message.
    unsafe { (*context.cast::<Inspected>()).messages.push(std::slice::from_raw_parts(data, len).to_vec()) }
}

extern "C" fn inspect_output(context: *mut c_void, data: *const u8, len: usize) {
    // SAFETY: as above.
    unsafe { (*context.cast::<Inspected>()).output.extend_from_slice(std::slice::from_raw_parts(data, len)) }
}

impl Tally {
    /// A broadcast ends where send() would begin: the kernel's copy would hide what is measured.
    pub fn timed(kind: Kind) -> Tally {
        Tally {
            messages: 0,
            bytes: 0,
            checksum: 0,
            out_bytes: 0,
            inspect_message: None,
            inspect_output: None,
            context: std::ptr::null_mut(),
            send_buffer: if kind == Kind::Broadcast { std::ptr::null_mut() } else { send_buffer() },
        }
    }

    /// For what is done while a run is made.
    pub fn ignored() -> Tally {
        Tally::timed(Kind::Broadcast)
    }

    pub fn inspecting(inspected: &mut Inspected) -> Tally {
        Tally {
            inspect_message: Some(inspect_message),
            inspect_output: Some(inspect_output),
            context: (inspected as *mut Inspected).cast(),
            ..Tally::ignored()
        }
    }

    /// A subject delivers a message.
    #[inline(always)]
    pub fn message(&mut self, data: &[u8]) {
        self.messages += 1;
        self.bytes += data.len() as u64;
        self.checksum += checksum(data);
        if let Some(inspect) = self.inspect_message {
            inspect(self.context, data.as_ptr(), data.len());
        }
        std::hint::black_box(data.as_ptr());
    }

    /// send(), where that is part of the job: one copy, of at most 64 KiB at a time into memory that stays where it is.
    #[inline(always)]
    pub fn send(&mut self, data: &[u8]) {
        self.out_bytes += data.len() as u64;
        if let Some(inspect) = self.inspect_output {
            inspect(self.context, data.as_ptr(), data.len());
        }
        std::hint::black_box(data.as_ptr());
        if self.send_buffer.is_null() {
            return;
        }
        for piece in data.chunks(READ) {
            // SAFETY: the buffer has READ bytes and is nobody else's.
            copy(piece, unsafe { std::slice::from_raw_parts_mut(self.send_buffer, piece.len()) });
            std::hint::black_box(self.send_buffer);
        }
    }
}

unsafe extern "C" {
    /// cpp/copy.cc
    fn bench_copy_long(to: *mut u8, from: *const u8, n: usize);
}

/// What the simulated recv() and send() do; `to` is as long. See cpp/copy.cc.
#[inline(always)]
pub fn copy(from: &[u8], to: &mut [u8]) {
    if from.len() < 2048 {
        to.copy_from_slice(from);
    } else {
        assert!(from.len() == to.len());
        // SAFETY: as long, and nobody else's.
        unsafe { bench_copy_long(to.as_mut_ptr(), from.as_ptr(), from.len()) };
    }
}

/// Of one message: cheap, and the same for all subjects. The untimed run compares every byte.
#[inline(always)]
pub fn checksum(data: &[u8]) -> u64 {
    match data.len() {
        0 => 0,
        len => u64::from(data[0]) + (u64::from(data[len - 1]) << 8) + (u64::from(data[len / 2]) << 16),
    }
}

fn send_buffer() -> *mut u8 {
    use std::sync::OnceLock;
    static BUFFER: OnceLock<usize> = OnceLock::new();
    *BUFFER.get_or_init(|| vec![0u8; READ].leak().as_mut_ptr() as usize) as *mut u8
}

/// What is compared.
pub trait Subject {
    fn name(&self) -> String;

    /// Prepares to do the job again and again; None if it cannot be done.
    fn make(&self, job: &Job) -> Option<Box<dyn Run>>;
}

pub trait Run {
    /// Does the whole job once.
    fn pass(&mut self, tally: &mut Tally);
}

/// See cpp/bench.h: `struct BenchSubject`.
#[repr(C)]
pub struct CppSubject {
    name: *const c_char,
    make: extern "C" fn(*const Job) -> *mut c_void,
    pass: extern "C" fn(*mut c_void, *mut Tally),
    drop: extern "C" fn(*mut c_void),
}

struct CppRun {
    subject: &'static CppSubject,
    run: *mut c_void,
}

impl Subject for &'static CppSubject {
    fn name(&self) -> String {
        // SAFETY: a literal.
        unsafe { std::ffi::CStr::from_ptr(self.name) }.to_string_lossy().into_owned()
    }

    fn make(&self, job: &Job) -> Option<Box<dyn Run>> {
        let run = (self.make)(job);
        (!run.is_null()).then(|| Box::new(CppRun { subject: self, run }) as Box<dyn Run>)
    }
}

impl Run for CppRun {
    fn pass(&mut self, tally: &mut Tally) {
        (self.subject.pass)(self.run, tally);
    }
}

impl Drop for CppRun {
    fn drop(&mut self) {
        (self.subject.drop)(self.run);
    }
}
