//! Loopback addresses that nobody else uses: 127.A.B.0/24, held by the name server's port.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

/// A /24 of 127.0.0.0/8.
#[derive(Debug)]
pub struct Subnet {
    base: Ipv4Addr,
    /// Holding this socket holds the subnet: whoever else tries it is refused.
    socket: UdpSocket,
}

impl Subnet {
    /// Takes a free subnet.
    pub fn take() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let start = std::process::id() % 8000;
        for _ in 0..8000 {
            let number = (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 8000 + 1000;
            let base = Ipv4Addr::new(127, (number / 200 + 20) as u8, (number % 200) as u8, 0);
            match UdpSocket::bind((host(base, 53), 53)) {
                Ok(socket) => return Self { base, socket },
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
                Err(error) => panic!("cannot listen on port 53 of loopback ({error}): run as root, or by hack/isolated"),
            }
        }
        panic!("no subnet of loopback is free");
    }

    /// An address of it.
    pub fn host(&self, last: u8) -> Ipv4Addr {
        host(self.base, last)
    }

    /// The name server's address: port 53 of it is bound already.
    pub fn name_server(&self) -> (Ipv4Addr, UdpSocket) {
        (self.host(53), self.socket.try_clone().expect("the socket"))
    }
}

fn host(base: Ipv4Addr, last: u8) -> Ipv4Addr {
    let [a, b, c, _] = base.octets();
    Ipv4Addr::new(a, b, c, last)
}
