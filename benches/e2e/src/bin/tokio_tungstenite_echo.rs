//! The echo server on tokio-tungstenite: what was read already is answered together, then flushed once.

use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};

async fn echo(stream: TcpStream) -> Result<(), Error> {
    let mut socket = tokio_tungstenite::accept_async(stream).await?;
    while let Some(first) = socket.next().await {
        let mut next = Some(Some(first));
        while let Some(Some(message)) = next {
            let message = message?;
            if matches!(message, Message::Text(_) | Message::Binary(_)) {
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
