//! A name server on loopback: real answers over UDP and TCP, and the faults that real ones have.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::net::xfer::Protocol;
use hickory_server::proto::op::{Header, HeaderCounts, Metadata, ResponseCode};
use hickory_server::proto::rr::rdata::{CNAME, NS, SOA, SRV, TXT};
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
    /// How late it comes.
    pub delay: Duration,
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
    /// To questions of one kind nothing is answered: no record, no error, and no SOA record.
    EmptyFor(&'static str),
    /// The same, and to all others that there is no such name.
    NoNameAndEmptyFor(&'static str),
    /// Nothing is answered to any question.
    Empty,
    /// Another name server is named, which should be asked instead.
    Referral,
    /// The name is an alias of itself.
    AliasOfItself,
    /// A record that nobody asked for.
    OtherType,
}

impl Fault {
    /// What is answered in the place of what was asked for, in the answer and beside it.
    fn records(self, name: &Name, question: &str) -> Option<(Vec<RData>, Vec<RData>)> {
        match self {
            Self::EmptyFor(kind) | Self::NoNameAndEmptyFor(kind) if kind == question => Some((vec![], vec![])),
            Self::Empty => Some((vec![], vec![])),
            Self::Referral => Some((vec![], vec![RData::NS(NS(name.clone()))])),
            Self::AliasOfItself => Some((vec![RData::CNAME(CNAME(name.clone()))], vec![])),
            Self::OtherType => Some((vec![RData::TXT(TXT::new(vec!["x".to_owned()]))], vec![])),
            _ => None,
        }
    }
}

impl Answer {
    /// The records of one type.
    fn records(&self, kind: RecordType) -> Vec<RData> {
        let address = |ip: &IpAddr| match ip {
            IpAddr::V4(ip) if kind == RecordType::A => Some(RData::A((*ip).into())),
            IpAddr::V6(ip) if kind == RecordType::AAAA => Some(RData::AAAA((*ip).into())),
            _ => None,
        };
        let service = |(target, port): &(String, u16)| {
            let target = Name::from_ascii(format!("{target}.")).expect("a name");
            RData::SRV(SRV::new(0, 33, *port, target))
        };
        let services = self.services.iter().filter(|_| kind == RecordType::SRV).map(service);
        self.ips.iter().filter_map(address).chain(services).collect()
    }
}

/// Where there is no record, the SOA record beside it proves that, as `CoreDNS` sends it (RFC 2308).
fn with_proof(records: Vec<RData>) -> (Vec<RData>, Vec<RData>) {
    let soa = RData::SOA(SOA::new(Name::root(), Name::root(), 1, 1, 1, 1, 1));
    let proof = if records.is_empty() { vec![soa] } else { vec![] };
    (records, proof)
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

    /// Has a name answer later.
    pub fn delay(&self, name: &str, delay: Duration) {
        self.0.lock().expect("the zone").get_mut(name).expect("a name").delay = delay;
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
        // Even a sleep of no time takes a millisecond, and Sentinel does nothing else while it looks a name up.
        if let Some(Answer { delay, .. }) = answer.as_ref().filter(|answer| !answer.delay.is_zero()) {
            tokio::time::sleep(*delay).await;
        }
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.authoritative = true;
        let kind = info.query.query_type();
        let fault = answer.as_ref().and_then(|answer| answer.fault);
        match fault {
            Some(Fault::Silence) => return unanswered(request),
            Some(Fault::ServFail) => metadata.response_code = ResponseCode::ServFail,
            Some(Fault::ServFailFor(failing)) if kind.to_string() == failing => metadata.response_code = ResponseCode::ServFail,
            Some(Fault::NoNameAndEmptyFor(empty)) if kind.to_string() != empty => metadata.response_code = ResponseCode::NXDomain,
            Some(Fault::Truncated) if info.protocol == Protocol::Udp => metadata.truncation = true,
            _ if answer.is_none() => metadata.response_code = ResponseCode::NXDomain,
            _ => {}
        }
        let owner = Name::from(info.query.name());
        let instead = fault.and_then(|fault| fault.records(&owner, &kind.to_string()));
        let is_answered =
            matches!(metadata.response_code, ResponseCode::NoError | ResponseCode::NXDomain) && !metadata.truncation;
        let (answers, beside) = instead.unwrap_or_else(|| match answer {
            Some(answer) if is_answered => with_proof(answer.records(kind)),
            _ => with_proof(vec![]),
        });
        let record = |data| Record::from_rdata(owner.clone(), 5, data);
        let answers: Vec<_> = answers.into_iter().map(record).collect();
        let beside: Vec<_> = beside.into_iter().map(record).collect();
        let response = MessageResponseBuilder::from_message_request(request).build(metadata, &answers, &beside, [], []);
        handle.send_response(response).await.unwrap_or_else(|_| unanswered(request))
    }
}

fn unanswered(request: &Request) -> ResponseInfo {
    Header { metadata: Metadata::response_from_request(&request.metadata), counts: HeaderCounts::default() }.into()
}
