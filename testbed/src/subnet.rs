//! Loopback addresses that nobody else uses: 127.A.B.0/24, held by the name server's port, and as many of
//! fd6f:7264:6169::/48, which hack/isolated has on its loopback.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

/// Of which kind an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::V4 => Self::V6,
            Self::V6 => Self::V4,
        }
    }
}

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

    /// The same, or its like among the IPv6 addresses.
    pub fn address(&self, last: u8, family: Family) -> IpAddr {
        let v4 = self.host(last);
        let [_, a, b, last] = v4.octets().map(u16::from);
        match family {
            Family::V4 => v4.into(),
            Family::V6 => Ipv6Addr::new(0xfd6f, 0x7264, 0x6169, 0, 0, a, b, last).into(),
        }
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
