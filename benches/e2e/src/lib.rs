//! What the echo servers of the peers share: a runtime of one thread, and a listener that says where it is.

use std::future::Future;
use std::io;

use tokio::net::{TcpListener, TcpStream};

/// Accepts connections on a free port, prints `listening on 127.0.0.1:PORT`, and gives each to a task of its own. It runs
/// until it is killed.
pub fn serve<F>(echo: impl Fn(TcpStream) -> F) -> io::Result<()>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("listening on {}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // As in the peers' own benchmarks: a task that has input goes on with it.
            tokio::spawn(tokio::task::unconstrained(echo(stream)));
        }
    })
}

/// Every connection is a descriptor: takes as many as are allowed.
pub fn raise_descriptor_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a struct that lives throughout the calls.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}
