//! A name server on loopback: real answers over UDP and TCP, and the faults that real ones have.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::net::xfer::Protocol;
use hickory_server::proto::op::{Header, HeaderCounts, Metadata, ResponseCode};
use hickory_server::proto::rr::rdata::SRV;
use hickory_server::proto::rr::{Name, RData, Record, RecordType};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use tokio::net::{TcpListener, UdpSocket};

use crate::runtime;
use crate::subnet::Subnet;

/// What a name answers.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// A and AAAA records.
    pub ips: Vec<IpAddr>,
    /// SRV records: target and port.
    pub services: Vec<(String, u16)>,
    /// What goes wrong.
    pub fault: Option<Fault>,
}

/// What can go wrong with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The server says that it failed.
    ServFail,
    /// The same for questions of one kind, such as `AAAA`.
    ServFailFor(&'static str),
    /// The server says nothing.
    Silence,
    /// The answer does not fit into a datagram: it must be asked for by TCP.
    Truncated,
}

/// The names; without a final dot, in lower case. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Zone(Arc<Mutex<HashMap<String, Answer>>>);

impl Zone {
    /// Sets what a name answers.
    pub fn set(&self, name: &str, answer: Answer) {
        self.0.lock().expect("the zone").insert(name.to_owned(), answer);
    }

    /// Sets a name's one address.
    pub fn address(&self, name: &str, ip: impl Into<IpAddr>) {
        self.set(name, Answer { ips: vec![ip.into()], ..Answer::default() });
    }

    /// Removes a name.
    pub fn remove(&self, name: &str) {
        self.0.lock().expect("the zone").remove(name);
    }

    fn find(&self, name: &str) -> Option<Answer> {
        self.0.lock().expect("the zone").get(name.trim_end_matches('.')).cloned()
    }
}

/// A name server that runs as long as it is held.
pub struct NameServer {
    /// What it answers.
    pub zone: Zone,
    address: Ipv4Addr,
    _server: Server<Zone>,
}

impl NameServer {
    /// Starts one in a subnet.
    pub fn start(subnet: &Subnet) -> Self {
        let zone = Zone::default();
        let (address, udp) = subnet.name_server();
        let _guard = runtime().enter();
        let mut server = Server::new(zone.clone());
        udp.set_nonblocking(true).expect("a socket that does not block");
        server.register_socket(UdpSocket::from_std(udp).expect("a UDP socket"));
        let tcp = runtime().block_on(TcpListener::bind((address, 53))).expect("TCP port 53 of the subnet");
        server.register_listener(tcp, Duration::from_secs(5), 4096);
        Self { zone, address, _server: server }
    }

    /// A `resolv.conf` as Kubernetes writes it for a namespace's pods.
    pub fn resolv_conf(&self, namespace: &str) -> String {
        format!(
            "nameserver {}\nsearch {namespace}.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n",
            self.address
        )
    }
}

#[async_trait::async_trait]
impl RequestHandler for Zone {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, mut handle: R) -> ResponseInfo {
        let Ok(info) = request.request_info() else { return unanswered(request) };
        let name = info.query.name().to_string().to_lowercase();
        let answer = self.find(&name);
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.authoritative = true;
        let mut records = Vec::new();
        match &answer {
            None => metadata.response_code = ResponseCode::NXDomain,
            Some(Answer { fault: Some(Fault::Silence), .. }) => return unanswered(request),
            Some(Answer { fault: Some(Fault::ServFail), .. }) => metadata.response_code = ResponseCode::ServFail,
            Some(Answer { fault: Some(Fault::ServFailFor(kind)), .. }) if info.query.query_type().to_string() == *kind => {
                metadata.response_code = ResponseCode::ServFail;
            }
            Some(Answer { fault: Some(Fault::Truncated), .. }) if info.protocol == Protocol::Udp => metadata.truncation = true,
            Some(Answer { ips, services, .. }) => {
                let owner = Name::from(info.query.name());
                let mut add = |data: RData| records.push(Record::from_rdata(owner.clone(), 5, data));
                let wanted = info.query.query_type();
                for ip in ips {
                    match ip {
                        IpAddr::V4(ip) if wanted == RecordType::A => add(RData::A((*ip).into())),
                        IpAddr::V6(ip) if wanted == RecordType::AAAA => add(RData::AAAA((*ip).into())),
                        _ => {}
                    }
                }
                if wanted == RecordType::SRV {
                    for (target, port) in services {
                        let target = Name::from_ascii(format!("{target}.")).expect("a name");
                        add(RData::SRV(SRV::new(0, 33, *port, target)));
                    }
                }
            }
        }
        let response = MessageResponseBuilder::from_message_request(request).build(metadata, &records, [], [], []);
        handle.send_response(response).await.unwrap_or_else(|_| unanswered(request))
    }
}

fn unanswered(request: &Request) -> ResponseInfo {
    Header { metadata: Metadata::response_from_request(&request.metadata), counts: HeaderCounts::default() }.into()
}
