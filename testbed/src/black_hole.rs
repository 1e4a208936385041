//! An address that neither answers nor refuses, as behind a NetworkPolicy: a listener whose queue
//! is full, so that the kernel drops every further SYN.

use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Socket, Type};

/// Holds the address.
pub struct BlackHole {
    _listener: Socket,
    _fillers: Vec<Socket>,
}

impl BlackHole {
    /// Swallows everything that is sent to the address.
    pub fn at(ip: IpAddr, port: u16) -> Self {
        let address = SocketAddr::new(ip, port);
        let (domain, address) = (Domain::for_address(address), address.into());
        let listener = Socket::new(domain, Type::STREAM, None).expect("a socket");
        listener.set_reuse_address(true).expect("a reused address");
        listener.bind(&address).expect("a free address");
        listener.listen(0).expect("a listener");
        // A queue of length 0 takes one connection; the second is left hanging, as all that follow.
        let fillers = (0..2).map(|_| {
            let socket = Socket::new(domain, Type::STREAM, None).expect("a socket");
            socket.set_nonblocking(true).expect("a socket that does not block");
            let _ = socket.connect(&address);
            socket
        });
        Self { _fillers: fillers.collect(), _listener: listener }
    }
}
