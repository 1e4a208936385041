//! A bare client of the API server, for `bench`: sends the requests of a file one after the other on one cold
//! connection, and knows nothing else. Lines of `METHOD PATH CONTENT-TYPE BODY`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

fn main() {
    let [_, account, host, port, requests] = &std::env::args().collect::<Vec<_>>()[..] else {
        panic!("bare ACCOUNT-FOLDER HOST PORT REQUESTS-FILE");
    };
    let file = |name: &str| std::fs::read(Path::new(account).join(name)).expect("a file of the account");
    let token = String::from_utf8(file("token")).expect("a token");
    let mut trusted = RootCertStore::empty();
    trusted.add(CertificateDer::from_pem_slice(&file("ca.crt")).expect("a certificate")).expect("an authority");
    let config = ClientConfig::builder().with_root_certificates(trusted).with_no_client_auth();
    let name = ServerName::try_from(host.clone()).expect("a name");
    let tcp = TcpStream::connect((host.as_str(), port.parse().expect("a port"))).expect("the API server");
    tcp.set_nodelay(true).expect("a stream without delay");
    let tls = StreamOwned::new(ClientConnection::new(Arc::new(config), name).expect("TLS"), tcp);
    let mut server = BufReader::new(tls);
    for line in std::fs::read_to_string(requests).expect("the requests").lines() {
        let [method, path, kind, body] = line.splitn(4, ' ').collect::<Vec<_>>()[..] else { panic!("no request: {line}") };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        server.get_mut().write_all(format!("{head}{body}").as_bytes()).expect("a request sent");
        answer(&mut server, line);
    }
}

fn answer(server: &mut impl BufRead, request: &str) {
    let line = |server: &mut dyn BufRead| {
        let mut line = String::new();
        server.read_line(&mut line).expect("a line");
        line.trim_end().to_ascii_lowercase()
    };
    let status = line(server);
    let (mut length, mut is_chunked) = (0, false);
    loop {
        let header = line(server);
        match header.split_once(": ") {
            Some(("content-length", number)) => length = number.parse().expect("a length"),
            Some(("transfer-encoding", "chunked")) => is_chunked = true,
            Some(_) => {}
            None => break,
        }
    }
    let mut body = Vec::new();
    let mut take = |server: &mut dyn BufRead, length: u64| server.take(length).read_to_end(&mut body).expect("a body");
    if is_chunked {
        loop {
            let length = u64::from_str_radix(&line(server), 16).expect("a chunk");
            take(server, length + 2);
            if length == 0 {
                break;
            }
        }
    } else {
        take(server, length);
    }
    assert!(status.contains(" 200 ") || status.contains(" 201 "), "{request}: {status}: {}", String::from_utf8_lossy(&body));
}
