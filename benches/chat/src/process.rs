//! ai_chat and redis-server as child processes: started, asked for CPU time and memory, ended.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::poll::read_clock;

/// Ends when this is dropped, or with the driver, however that ends.
pub struct Process {
    child: Child,
    clock: libc::clockid_t,
}

impl Process {
    fn start(mut command: Command) -> io::Result<Process> {
        let program = command.get_program().to_owned();
        command.stdin(Stdio::null());
        // SAFETY: between fork and exec only a system call is made, which is allowed there.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            });
        }
        let child = command.spawn().map_err(|error| io::Error::other(format!("{}: {error}", program.display())))?;
        let mut clock = 0;
        // SAFETY: the pointer is to an integer of the right type.
        if unsafe { libc::clock_getcpuclockid(child.id() as libc::pid_t, &mut clock) } != 0 {
            return Err(io::Error::other(format!("{} has no CPU clock", program.display())));
        }
        Ok(Process { child, clock })
    }

    /// CPU time that all its threads took, in user and kernel, in nanoseconds.
    pub fn cpu_ns(&self) -> u64 {
        read_clock(self.clock)
    }

    /// VmRSS, in bytes.
    pub fn memory(&self) -> io::Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kilobytes =
            |line: &str| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok();
        let found = text.lines().find_map(kilobytes);
        found.map(|kb| kb * 1024).ok_or_else(|| io::Error::other("its status has no VmRSS"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        const PATIENCE: Duration = Duration::from_secs(5);
        // SAFETY: a plain system call; the child has not been waited for, so the number is still its own.
        unsafe { libc::kill(self.child.id() as libc::pid_t, libc::SIGTERM) };
        let began = Instant::now();
        while began.elapsed() < PATIENCE && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub struct Chat {
    pub process: Process,
    pub address: SocketAddr,
    /// What its event loops are: Muduo's, or those of the stand-in for it.
    pub reactor: String,
}

impl Chat {
    pub fn start(program: &Path, upstream: SocketAddr, arguments: &[String]) -> io::Result<Chat> {
        let mut command = Command::new(program);
        command.args(["--port", "0", "--upstream", &format!("http://{upstream}/v1"), "--max-runs", "2000"]);
        command.args(arguments).env_remove("API_KEY").stdout(Stdio::piped());
        let mut process = Process::start(command)?;
        let mut line = String::new();
        BufReader::new(process.child.stdout.take().expect("it is piped")).read_line(&mut line)?;
        let address = line.strip_prefix("ai_chat: http://").and_then(|rest| rest.split('/').next()?.parse().ok());
        let address = address.ok_or_else(|| io::Error::other(format!("ai_chat did not say its URL, but {line:?}")))?;
        let reactor = line.split(", ").find_map(|part| part.strip_prefix("on ")).unwrap_or("unknown").to_owned();
        Ok(Chat { process, address, reactor })
    }
}

pub struct Redis {
    pub process: Process,
    pub address: SocketAddr,
}

impl Redis {
    /// With an append-only file in `folder`, as the chat wants it.
    pub fn start(program: &Path, folder: &Path) -> io::Result<Redis> {
        let _ = std::fs::remove_dir_all(folder);
        std::fs::create_dir_all(folder)?;
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let mut command = Command::new(program);
        command.args([
            "--bind",
            "127.0.0.1",
            "--port",
            &address.port().to_string(),
            "--save",
            "",
            "--appendonly",
            "yes",
        ]);
        command.arg("--dir").arg(folder).stdout(Stdio::null());
        let process = Process::start(command)?;
        let began = Instant::now();
        while !answers(address) {
            if began.elapsed() > Duration::from_secs(10) {
                return Err(io::Error::other("redis-server does not answer"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Redis { process, address })
    }
}

fn answers(address: SocketAddr) -> bool {
    let ask = || -> io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        Ok(&answer == b"+PONG")
    };
    ask().unwrap_or(false)
}

/// The one that tests/setup.sh made, or the system's.
pub fn redis_server(root: &Path) -> Option<PathBuf> {
    let ours = root.join("target/setup/debian/usr/bin/redis-server");
    let on_path = std::env::var_os("PATH")?;
    std::iter::once(ours)
        .chain(std::env::split_paths(&on_path).map(|folder| folder.join("redis-server")))
        .find(|program| program.exists())
}
