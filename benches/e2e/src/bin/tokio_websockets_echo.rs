//! The echo server on tokio-websockets: what was read already is answered together, then flushed once.

use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_websockets::{Config, Error, Limits, ServerBuilder};

/// Frames that wait are written when they are as much as this, vectored.
const FLUSH_THRESHOLD: usize = 512 * 1024;
const MOST_TOGETHER: usize = 64;

async fn echo(stream: TcpStream) -> Result<(), Error> {
    let (_request, mut socket) = ServerBuilder::new()
        .config(Config::default().frame_size(usize::MAX).flush_threshold(FLUSH_THRESHOLD))
        .limits(Limits::unlimited())
        .accept(stream)
        .await?;
    let mut together = Vec::new();
    while let Some(first) = socket.next().await {
        // All are taken before one is queued, for next() writes what is queued.
        let mut next = Some(Some(first));
        while let Some(Some(message)) = next {
            together.push(message?);
            next = if together.len() < MOST_TOGETHER { socket.next().now_or_never() } else { None };
        }
        for message in together.drain(..).filter(|message| message.is_text() || message.is_binary()) {
            socket.feed(message).await?;
        }
        socket.flush().await?;
    }
    Ok(())
}

fn main() -> std::io::Result<()> {
    bench_e2e_servers::serve(echo)
}
