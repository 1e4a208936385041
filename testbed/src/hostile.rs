//! A server that answers whatever it is asked in a way that shall cost whoever asks: without end, without a
//! truth to it, or not at all.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{sleep, spawn};
use std::time::Duration;

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One value of half a gigabyte, of which it sends as much as is taken.
    Bulk,
    /// A list of two billion values.
    List,
    /// A list whose length is within reason, of values that are not.
    ListOfLists,
    /// Lists in lists in lists.
    Nested,
    /// Messages of a channel, one after the other, and one that does not end.
    Messages,
    /// A byte a second.
    Drops,
    /// An error of megabytes.
    Error,
    /// Lines that are no server's that is asked.
    Http,
    /// An answer of an API server, of which a byte a second comes.
    HttpDrops,
    /// An answer of an API server without an end, in one line.
    HttpLine,
    /// The same in many lines.
    HttpLines,
    /// Connections are taken, and nothing is said.
    Silence,
}

/// An answer whose length is not told.
const HTTP: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";

/// Every shape that sends something without end.
pub const ENDLESS: [Shape; 7] =
    [Shape::Bulk, Shape::List, Shape::ListOfLists, Shape::Nested, Shape::Messages, Shape::Drops, Shape::Error];

/// The server; its connections end with it.
pub struct Hostile {
    is_over: Arc<AtomicBool>,
    connections: Arc<AtomicUsize>,
    questions: Arc<AtomicUsize>,
}

impl Hostile {
    /// Listens there.
    pub fn at(ip: IpAddr, port: u16, shape: Shape) -> Self {
        let listener = TcpListener::bind((ip, port)).expect("a free address");
        listener.set_nonblocking(true).expect("a listener that does not block");
        let server = Self { is_over: Arc::default(), connections: Arc::default(), questions: Arc::default() };
        let (is_over, connections) = (server.is_over.clone(), server.connections.clone());
        let questions = server.questions.clone();
        spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        connections.fetch_add(1, Ordering::Relaxed);
                        let (is_over, questions) = (is_over.clone(), questions.clone());
                        spawn(move || answer(stream, shape, &is_over, &questions));
                    }
                    Err(_) => sleep(Duration::from_millis(5)),
                }
            }
        });
        server
    }

    /// How many have connected so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// How many of them have asked something.
    pub fn questions(&self) -> usize {
        self.questions.load(Ordering::Relaxed)
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// Answers the first question until nobody listens.
fn answer(mut stream: TcpStream, shape: Shape, is_over: &AtomicBool, questions: &AtomicUsize) {
    let _ = (stream.set_nonblocking(false), stream.set_write_timeout(Some(Duration::from_secs(1))));
    let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
    if !matches!(stream.read(&mut [0; 1024]), Ok(1..)) {
        return;
    }
    questions.fetch_add(1, Ordering::Relaxed);
    let filling = "x".repeat(16 * 1024);
    let message = "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\nc\r\n$7\r\nredis a\r\n";
    let (head, rest) = match shape {
        Shape::Bulk => ("$536870912\r\n".to_owned(), filling),
        Shape::List => ("*2147483647\r\n".to_owned(), ":1\r\n".repeat(4096)),
        Shape::ListOfLists => ("*60000\r\n".to_owned(), "*1\r\n+\r\n".repeat(2048)),
        Shape::Nested => (String::new(), "*1\r\n".repeat(4096)),
        Shape::Messages => (message.repeat(1000), format!("{message}*4\r\n$8\r\npmessage\r\n+{filling}")),
        Shape::Drops => ("$1000\r\n".to_owned(), "x".to_owned()),
        Shape::Error => ("-ERR ".to_owned(), filling),
        Shape::Http => ("HTTP/1.1 400 Bad Request\r\n".to_owned(), filling),
        Shape::HttpDrops => {
            ("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n".to_owned(), " ".to_owned())
        }
        Shape::HttpLine => (format!("{HTTP}{{\"metadata\":{{\"name\":\""), filling),
        Shape::HttpLines => (HTTP.to_owned(), format!("{filling}\n")),
        Shape::Silence => (String::new(), String::new()),
    };
    let mut is_taken = stream.write_all(head.as_bytes()).is_ok();
    while is_taken && !is_over.load(Ordering::Relaxed) {
        match shape {
            Shape::Silence => sleep(Duration::from_millis(20)),
            Shape::Drops | Shape::HttpDrops => sleep(Duration::from_secs(1)),
            _ => {}
        }
        is_taken = stream.write_all(rest.as_bytes()).is_ok();
    }
}
