//! Knocking: one TCP connection, of which nothing is asked but whether it comes about.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::core::takeover::Answer;

/// Long enough for a lost packet to be sent once more, after a second.
const LIMIT: Duration = Duration::from_secs(2);

/// Knocks.
pub async fn tcp_probe(at: SocketAddr) -> Answer {
    match timeout(LIMIT, TcpStream::connect(at)).await {
        Ok(Ok(_)) => Answer::Accepted,
        Ok(Err(error)) => match error.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Answer::Refused,
            // No neighbour has the address, or a router knows of none.
            ErrorKind::TimedOut | ErrorKind::HostUnreachable => Answer::Silence,
            _ => Answer::NotAsked(error.to_string()),
        },
        Err(_) => Answer::Silence,
    }
}
