//! The servers as child processes: started on one core, asked for their CPU time and memory, ended.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A server that takes part.
pub struct Subject {
    pub name: &'static str,
    command: PathBuf,
    arguments: &'static [&'static str],
    /// It echoes bytes, not messages.
    pub raw: bool,
}

/// Those that were built, the limit first. `folder` is where run.sh puts what it compiles.
pub fn subjects(root: &Path, folder: &Path) -> Vec<Subject> {
    let subject = |name, command: PathBuf, arguments, raw| Subject { name, command, arguments, raw };
    let built = |name: &str| folder.join(name);
    let all = [
        subject("raw TCP", built("raw_echo"), &[] as &[&str], true),
        subject("wsengine", root.join("examples-c/build/echo_server"), &["--port", "0"], false),
        subject("uWebSockets", built("uwebsockets_echo"), &[], false),
        subject("fastwebsockets", built("release/fastwebsockets_echo"), &[], false),
        subject("tokio-websockets", built("release/tokio_websockets_echo"), &[], false),
        subject("tokio-tungstenite", built("release/tokio_tungstenite_echo"), &[], false),
    ];
    all.into_iter().filter(|subject| subject.command.exists()).collect()
}

/// A running server; it ends when this is dropped, or with the driver, however that ends.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    clock: libc::clockid_t,
}

impl Server {
    pub fn start(subject: &Subject, core: Option<usize>) -> io::Result<Server> {
        let mut command = Command::new(&subject.command);
        command.args(subject.arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        // SAFETY: between fork and exec only system calls are made, which is allowed there.
        unsafe {
            command.pre_exec(move || {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                pin(core);
                Ok(())
            });
        }
        let mut child = command.spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line)?;
        let address = line.trim().rsplit(' ').next().and_then(|address| address.parse().ok());
        let Some(address) = address else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(io::Error::other(format!("{} did not say where it listens, but {line:?}", subject.name)));
        };
        let mut clock = 0;
        // SAFETY: the pointer is to an integer of the right type.
        if unsafe { libc::clock_getcpuclockid(child.id() as libc::pid_t, &mut clock) } != 0 {
            return Err(io::Error::other("the server has no CPU clock"));
        }
        Ok(Server { child, address, clock })
    }

    /// CPU time that all threads of the server took, in user and kernel, in nanoseconds.
    pub fn cpu_ns(&self) -> u64 {
        read_clock(self.clock)
    }

    /// Anonymous memory of the server: heap and stacks, neither program text nor the kernel's sockets.
    pub fn user_memory(&self) -> io::Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id()))?;
        let kilobytes =
            |line: &str| line.strip_prefix("Anonymous:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok();
        text.lines()
            .find_map(kilobytes)
            .map(|kb| kb * 1024)
            .ok_or_else(|| io::Error::other("smaps_rollup has no Anonymous"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn read_clock(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a struct that lives throughout the call.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Two cores that may be used, for the server and for the driver; none if there is only one.
pub fn cores() -> Option<(usize, usize)> {
    // SAFETY: a cpu_set_t of zeros is an empty set, and the call is told its size.
    let set = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::sched_getaffinity(0, size_of_val(&set), &mut set);
        set
    };
    // SAFETY: the index is below the number of bits of the set.
    let mut allowed = (0..libc::CPU_SETSIZE as usize).filter(|&core| unsafe { libc::CPU_ISSET(core, &set) });
    let driver = allowed.next()?;
    Some((allowed.next()?, driver))
}

/// Keeps this thread on a core.
pub fn pin(core: Option<usize>) {
    let Some(core) = core else { return };
    // SAFETY: a cpu_set_t of zeros is an empty set, and the call is told its size.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &set);
    }
}
