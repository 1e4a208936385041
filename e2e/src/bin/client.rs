//! The client that runs in the cluster.
//!
//! - `client write ADDRESS PREFIX` writes numbered keys, one after the other, until its input ends.
//!   It prints `a NUMBER MILLISECONDS` when a write is acknowledged and when that was, `d NUMBER` when
//!   a replica has it, too, and `e TEXT` for what went wrong.
//! - `client read ADDRESS` reads, one answer after the other, until its input ends. It prints `r MILLISECONDS`
//!   when a read is answered.
//! - `client masters` reads addresses, and prints `m ADDRESS MILLISECONDS` each time one took a write.
//! - `client missing ADDRESS PREFIX` reads numbers, and prints those that the server does not have.
//!
//! It logs in with what is in `REDISCLI_AUTH`, as redis-cli does.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Write, stdin, stdout};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a server may take for an answer.
const ANSWER: Duration = Duration::from_secs(1);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_millis(500);
/// Between two writes, and before a new attempt.
const PACE: Duration = Duration::from_millis(5);
/// Between two questions whether a server takes writes.
const PROBE: Duration = Duration::from_millis(25);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["write", address, prefix] => address.parse().map_err(Error::other).and_then(|address| write(address, prefix)),
        ["read", address] => address.parse().map_err(Error::other).and_then(read),
        ["masters"] => masters(),
        ["missing", address, prefix] => address.parse().map_err(Error::other).and_then(|address| missing(address, prefix)),
        _ => Err(Error::new(
            ErrorKind::InvalidInput,
            "usage: client write|missing ADDRESS:PORT PREFIX, client read ADDRESS:PORT, client masters",
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("client: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Does something again and again at a client's pace, until the input ends.
fn until_the_input_ends(mut act: impl FnMut() -> Result<()>) -> Result<()> {
    static ENDED: AtomicBool = AtomicBool::new(false);
    std::thread::spawn(|| {
        let _ = stdin().lock().read_to_end(&mut Vec::new());
        ENDED.store(true, Ordering::Relaxed);
    });
    while !ENDED.load(Ordering::Relaxed) {
        act()?;
        // A client's pace; nothing waits for it.
        std::thread::sleep(PACE);
    }
    Ok(())
}

fn tell(line: &str) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

fn write(address: SocketAddr, prefix: &str) -> Result<()> {
    let mut server = None;
    let mut number = 0_u64;
    until_the_input_ends(|| {
        number += 1;
        write_one(&mut server, address, &format!("{prefix}-{number}"), number).or_else(|error| {
            server = None;
            tell(&format!("e {error}"))
        })
    })
}

fn write_one(server: &mut Option<Server>, address: SocketAddr, key: &str, number: u64) -> Result<()> {
    let server = Server::connected(server, address)?;
    server.ask(&["SET", key, "x"])?;
    tell(&format!("a {number} {}", now()?))?;
    if server.ask(&["WAIT", "1", "100"])? > 0 {
        tell(&format!("d {number}"))?;
    }
    Ok(())
}

fn read(address: SocketAddr) -> Result<()> {
    let mut server = None;
    until_the_input_ends(|| {
        if read_one(&mut server, address).is_err() {
            server = None;
        }
        Ok(())
    })
}

fn read_one(server: &mut Option<Server>, address: SocketAddr) -> Result<()> {
    Server::connected(server, address)?.ask(&["EXISTS", "e2e-probe"])?;
    tell(&format!("r {}", now()?))
}

fn masters() -> Result<()> {
    for address in stdin().lock().lines() {
        let address: SocketAddr = address?.parse().map_err(Error::other)?;
        std::thread::spawn(move || {
            let mut server = None;
            // Until the program ends: a pod that is gone does not answer, and costs nothing.
            loop {
                if let Err(error) = take_a_write(&mut server, address) {
                    server = None;
                    // A replica refuses at once, a pod that starts refuses the connection.
                    if error.kind() != ErrorKind::TimedOut {
                        std::thread::sleep(PROBE);
                    }
                }
                std::thread::sleep(PROBE);
            }
        });
    }
    Ok(())
}

fn take_a_write(server: &mut Option<Server>, address: SocketAddr) -> Result<()> {
    Server::connected(server, address)?.ask(&["SET", "e2e-probe", "x"])?;
    tell(&format!("m {address} {}", now()?))
}

fn now() -> Result<u128> {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_millis()).map_err(Error::other)
}

fn missing(address: SocketAddr, prefix: &str) -> Result<()> {
    let mut server = Server::connect(address)?;
    for number in stdin().lock().lines() {
        let number = number?;
        if server.ask(&["EXISTS", &format!("{prefix}-{number}")])? == 0 {
            println!("{number}");
        }
    }
    Ok(())
}

/// A connection that speaks as much of Redis' protocol as the questions above need.
struct Server(BufReader<TcpStream>);

impl Server {
    /// The connection that there is, else a new one.
    fn connected(server: &mut Option<Self>, address: SocketAddr) -> Result<&mut Self> {
        match server {
            Some(server) => Ok(server),
            None => Ok(server.insert(Self::connect(address)?)),
        }
    }

    fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, CONNECT)?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.set_write_timeout(Some(ANSWER))?;
        stream.set_nodelay(true)?;
        let mut server = Self(BufReader::new(stream));
        if let Ok(password) = std::env::var("REDISCLI_AUTH") {
            server.ask(&["AUTH", &password])?;
        }
        Ok(server)
    }

    /// Sends a command; gives the number that is the answer, 0 for OK.
    fn ask(&mut self, words: &[&str]) -> Result<i64> {
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            command += &format!("${}\r\n{word}\r\n", word.len());
        }
        self.0.get_mut().write_all(command.as_bytes())?;
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end().split_at_checked(1) {
            Some((":", number)) => number.parse().map_err(Error::other),
            Some(("+", _)) => Ok(0),
            _ => Err(Error::other(line.trim_end())),
        }
    }
}
