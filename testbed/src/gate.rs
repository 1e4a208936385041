//! A gate before the API server, a pod's own: it can be shut, held, or held after so many requests.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use crate::wait_for;

/// How soon the gate itself must have done what it is told.
const DONE: Duration = Duration::from_secs(5);
/// A TLS record that carries what the client says, as against the handshake before it.
const APPLICATION_DATA: u8 = 23;

/// What happens to what comes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It passes.
    Open,
    /// Connections are taken, and nothing passes in either direction.
    Held,
    /// Connections are refused, and those that were there are cut.
    Shut,
    /// The gate is gone.
    Gone,
}

#[derive(Debug)]
struct Inside {
    way: Way,
    is_listening: bool,
    /// How many of the client's records have passed since the gate was told to count.
    passed: usize,
    /// After how many it holds itself.
    limit: Option<usize>,
    last: Instant,
    streams: Vec<TcpStream>,
    /// How many connections there have been.
    connections: usize,
    /// Of those the first so many are held, whatever happens to the others.
    frozen: usize,
}

#[derive(Debug)]
struct Shared {
    inside: Mutex<Inside>,
    changed: Condvar,
}

/// A gate; it is gone when this is dropped.
#[derive(Debug)]
pub struct Gate {
    /// Where it listens: at the address of what is behind it, which its certificate names.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl Gate {
    /// An open gate before a server.
    pub fn before(server: SocketAddr) -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(7000);
        let (listener, address) = (0..2000)
            .find_map(|_| {
                let address = SocketAddr::new(server.ip(), NEXT.fetch_add(1, Ordering::Relaxed));
                Some((TcpListener::bind(address).ok()?, address))
            })
            .expect("a free port");
        let inside = Inside {
            way: Way::Open,
            is_listening: true,
            passed: 0,
            limit: None,
            last: Instant::now(),
            streams: Vec::new(),
            connections: 0,
            frozen: 0,
        };
        let shared = Arc::new(Shared { inside: Mutex::new(inside), changed: Condvar::new() });
        let watched = shared.clone();
        spawn(move || listen(listener, address, server, &watched));
        Self { address, shared }
    }

    /// The host and the port that a pod is told.
    pub fn told(&self) -> (IpAddr, u16) {
        (self.address.ip(), self.address.port())
    }

    /// Holds the connections that are there, with whatever is on its way, and lets others pass.
    pub fn freeze(&self) {
        self.inside(|inside| inside.frozen = inside.connections);
        self.turn(Way::Open, None);
    }

    /// Lets what was frozen go on.
    pub fn thaw(&self) {
        self.inside(|inside| inside.frozen = 0);
        self.shared.changed.notify_all();
    }

    /// Lets everything pass but what is frozen.
    pub fn open(&self) {
        self.turn(Way::Open, None);
        wait_for("the gate to open", DONE, || self.inside(|inside| inside.is_listening).then_some(()));
    }

    /// Refuses everyone, and cuts what is there.
    pub fn shut(&self) {
        self.turn(Way::Shut, None);
        wait_for("the gate to shut", DONE, || self.inside(|inside| !inside.is_listening).then_some(()));
    }

    /// Takes connections and says nothing.
    pub fn hold(&self) {
        self.turn(Way::Held, None);
    }

    /// Holds itself once so many records of the client have passed: the last of them is done by the
    /// server, and its reply never comes. A request is one record or a few; so are acknowledgements.
    pub fn hold_after(&self, records: usize) {
        self.turn(Way::Open, Some(records));
    }

    /// Whether it holds.
    pub fn is_held(&self) -> bool {
        self.inside(|inside| inside.way == Way::Held)
    }

    /// How many of the client's records have passed since it was turned.
    pub fn passed(&self) -> usize {
        self.inside(|inside| inside.passed)
    }

    /// Waits until nothing has passed for a while: what was asked for has been answered.
    pub fn wait_until_quiet(&self, pause: Duration, deadline: Duration) {
        wait_for("a quiet gate", deadline, || self.inside(|inside| inside.last.elapsed() >= pause).then_some(()));
    }

    fn turn(&self, way: Way, limit: Option<usize>) {
        self.inside(|inside| {
            (inside.way, inside.limit, inside.passed) = (way, limit, 0);
            inside.last = Instant::now();
            if matches!(way, Way::Shut | Way::Gone) {
                for stream in inside.streams.drain(..) {
                    let _ = stream.shutdown(Shutdown::Both);
                }
            }
        });
        self.shared.changed.notify_all();
    }

    fn inside<T>(&self, look: impl FnOnce(&mut Inside) -> T) -> T {
        look(&mut self.shared.inside.lock().expect("the gate"))
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.turn(Way::Gone, None);
    }
}

fn listen(listener: TcpListener, address: SocketAddr, server: SocketAddr, shared: &Arc<Shared>) {
    let mut listener = Some(listener);
    loop {
        let way = shared.inside.lock().expect("the gate").way;
        match way {
            Way::Gone => return,
            Way::Shut => listener = None,
            Way::Open | Way::Held if listener.is_none() => listener = TcpListener::bind(address).ok(),
            Way::Open | Way::Held => {}
        }
        shared.inside.lock().expect("the gate").is_listening = listener.is_some();
        if let Some(listener) = &listener {
            listener.set_nonblocking(true).expect("a listener that does not block");
            match listener.accept() {
                Ok((client, _)) => take(client, server, shared),
                Err(error) if error.kind() == ErrorKind::WouldBlock => sleep(Duration::from_millis(2)),
                Err(error) => panic!("the gate at {address}: {error}"),
            }
        } else {
            sleep(Duration::from_millis(2));
        }
    }
}

fn take(client: TcpStream, server: SocketAddr, shared: &Arc<Shared>) {
    client.set_nonblocking(false).expect("a stream that blocks");
    let server = TcpStream::connect(server).expect("the API server");
    for stream in [&client, &server] {
        stream.set_nodelay(true).expect("a stream without delay");
    }
    let clone = |stream: &TcpStream| stream.try_clone().expect("a stream");
    let number = {
        let mut inside = shared.inside.lock().expect("the gate");
        inside.streams.extend([clone(&client), clone(&server)]);
        inside.connections += 1;
        inside.connections
    };
    let (from, to, here) = (clone(&client), clone(&server), shared.clone());
    spawn(move || copy(from, to, &here, number, true));
    let here = shared.clone();
    spawn(move || copy(server, client, &here, number, false));
}

/// Copies in one direction until either end is cut.
fn copy(mut from: TcpStream, mut to: TcpStream, shared: &Shared, number: usize, is_clients: bool) {
    let mut head = [0; 5];
    let mut body = Vec::new();
    while from.read_exact(&mut head).is_ok() {
        body.resize(usize::from(u16::from_be_bytes([head[3], head[4]])), 0);
        if from.read_exact(&mut body).is_err() {
            break;
        }
        let mut inside = shared.inside.lock().expect("the gate");
        while inside.way == Way::Held || inside.way == Way::Open && number <= inside.frozen {
            inside = shared.changed.wait(inside).expect("the gate");
        }
        if matches!(inside.way, Way::Shut | Way::Gone) {
            break;
        }
        inside.last = Instant::now();
        if is_clients && head[0] == APPLICATION_DATA {
            inside.passed += 1;
            if inside.limit.is_some_and(|limit| inside.passed >= limit) {
                inside.way = Way::Held;
            }
        }
        drop(inside);
        if to.write_all(&head).and_then(|()| to.write_all(&body)).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
