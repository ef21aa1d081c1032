//! The echo server on tokio-websockets: what was read already is answered together, then flushed once.

use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_websockets::{Config, Error, Limits, ServerBuilder};

/// Frames that wait are written when they are as much as this, vectored.
const FLUSH_THRESHOLD: usize = 512 * 1024;

async fn echo(stream: TcpStream) -> Result<(), Error> {
    let (_request, mut socket) = ServerBuilder::new()
        .config(Config::default().frame_size(usize::MAX).flush_threshold(FLUSH_THRESHOLD))
        .limits(Limits::unlimited())
        .accept(stream)
        .await?;
    while let Some(first) = socket.next().await {
        let mut next = Some(Some(first));
        while let Some(Some(message)) = next {
            let message = message?;
            if message.is_text() || message.is_binary() {
                socket.feed(message).await?;
            }
            next = socket.next().now_or_never();
        }
        socket.flush().await?;
    }
    Ok(())
}

fn main() -> std::io::Result<()> {
    bench_e2e_servers::serve(echo)
}
