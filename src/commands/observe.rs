//! Observe: all sources are asked at once, each with its own timeout.

use std::net::IpAddr;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::setting::{ANSWER, Council, Ground, Logins, Subject, World};
use crate::core::decision::is_settled;
use crate::core::evidence::{Evidence, Failure, Heard, Peer, RecordSeen, Role, Sentinel, SentinelAnswer};
use crate::core::identity::{Endpoint, PodName};
use crate::core::labels::Pod;
use crate::edge::kubernetes::{Cluster, Refusal};
use crate::edge::wire::Target;
use crate::edge::{redis, sentinel};

/// What comes back from a source.
enum News {
    /// The Sentinels behind their Service's name.
    Council(Result<Vec<Endpoint>, Failure>),
    Sentinel(Endpoint, Result<SentinelAnswer, Failure>),
    Record(RecordSeen),
    /// The pods that the API server lists.
    Pods(Result<Vec<Pod>, Failure>),
    /// The addresses under which a peer was asked, and its answer.
    Peer(PodName, Vec<IpAddr>, Result<Role, Failure>),
}

/// Asks everyone about one group.
pub struct Observer<'a> {
    pub world: &'a World,
    pub subject: &'a Subject,
    pub council: &'a Council,
    pub logins: &'a Logins,
}

impl<'a> Observer<'a> {
    /// Asks all sources and returns when each has answered or failed, when what was heard settles it
    /// already, or at the deadline. `waited` is how long this run has been looking.
    pub async fn observe(&self, waited: Duration, deadline: Instant) -> Evidence {
        let Self { subject, council, .. } = self;
        let mut evidence = Evidence {
            me: subject.me.clone(),
            my_ip: subject.my_ip,
            first: subject.first.clone(),
            domain: subject.domain.clone(),
            sentinel_count: council.count,
            down_after: subject.down_after,
            waited,
            sentinels: Vec::new(),
            discovery: None,
            listing: None,
            record: RecordSeen::Pending,
            peers: Vec::new(),
            kept: subject.kept.clone(),
        };
        let mut asked: FuturesUnordered<BoxFuture<'_, News>> = FuturesUnordered::new();
        match &self.world.ground {
            Ground::Cluster(cluster) => {
                asked.push(self.ask_record(cluster).boxed());
                asked.push(async { News::Pods(in_time(self.list_pods(cluster)).await) }.boxed());
            }
            Ground::NoKubernetes => {
                evidence.record = RecordSeen::NotKept;
                self.ask_numbered_peers(&mut evidence, &asked);
            }
            Ground::Nowhere => {
                // By the time the others start, the first pod would have created the record.
                let leads = subject.me.as_ref() == Some(&subject.first);
                evidence.record = if leads { RecordSeen::Absent } else { RecordSeen::NotKept };
                evidence.peers = self.numbered_peers().map(absent).collect();
                return evidence;
            }
        }
        for at in &council.named {
            self.ask_sentinel(at.clone(), &mut evidence, &asked);
        }
        if let Some(service) = &council.service {
            asked.push(async { News::Council(in_time(self.world.servers(service, council.port)).await) }.boxed());
        }
        // The pods are asked as soon as the API server has told their addresses.
        let mut are_pods_known = !matches!(self.world.ground, Ground::Cluster(_));
        let mut is_council_known = council.service.is_none();
        while let Ok(Some(news)) = timeout_at(deadline, asked.next()).await {
            match news {
                News::Council(found) => {
                    is_council_known = true;
                    match found {
                        Ok(found) => found.into_iter().for_each(|at| self.ask_sentinel(at, &mut evidence, &asked)),
                        Err(failure) => evidence.discovery = Some(failure),
                    }
                }
                News::Sentinel(at, answer) => {
                    if let Some(sentinel) = evidence.sentinels.iter_mut().find(|sentinel| sentinel.at == at) {
                        sentinel.heard = answer.into();
                    }
                }
                News::Record(seen) => evidence.record = seen,
                News::Pods(listed) => {
                    are_pods_known = true;
                    match listed {
                        Ok(pods) => self.ask_listed_peers(&pods, &mut evidence, &asked),
                        // Without the API server the peers are found by name and number.
                        Err(failure) => {
                            evidence.listing = Some(failure);
                            self.ask_numbered_peers(&mut evidence, &asked);
                        }
                    }
                }
                News::Peer(pod, ips, answer) => {
                    if let Some(peer) = evidence.peers.iter_mut().find(|peer| peer.pod == pod) {
                        peer.ips = ips;
                        peer.heard = answer.into();
                    }
                }
            }
            if are_pods_known && is_council_known && is_settled(&evidence) {
                break;
            }
        }
        evidence
    }

    fn ask_sentinel(&self, at: Endpoint, evidence: &mut Evidence, asked: &FuturesUnordered<BoxFuture<'a, News>>) {
        evidence.sentinels.push(Sentinel { at: at.clone(), heard: Heard::Pending });
        let Self { world, subject, logins, .. } = *self;
        let ask = async move {
            let view = async {
                let target = world.target(&at).await?;
                sentinel::view(&target, &logins.sentinel, &subject.group).await
            };
            let answer = in_time(view).await;
            News::Sentinel(at, answer)
        };
        asked.push(ask.boxed());
    }

    async fn ask_record(&self, cluster: &Cluster) -> News {
        let read = async { Ok(cluster.record(&self.subject.group).await) };
        News::Record(match in_time(read).await {
            Ok(Ok(record)) => RecordSeen::Present(record),
            Ok(Err(Refusal::Missing)) => RecordSeen::Absent,
            Ok(Err(Refusal::Conflict)) => {
                RecordSeen::Unknown(Failure::Nonsense("a conflict where nothing was written".to_owned()))
            }
            Ok(Err(Refusal::Failed(failure))) | Err(failure) => RecordSeen::Unknown(failure),
        })
    }

    async fn list_pods(&self, cluster: &Cluster) -> Result<Vec<Pod>, Failure> {
        cluster.pods(&self.subject.selector, &self.subject.scheme).await.map_err(|refusal| match refusal {
            Refusal::Failed(failure) => failure,
            refusal => Failure::Nonsense(refusal.to_string()),
        })
    }

    /// The pods that exist are asked where the API server says that they are. A pod that it does
    /// not list does not exist, whatever DNS still remembers.
    fn ask_listed_peers(&self, pods: &[Pod], evidence: &mut Evidence, asked: &FuturesUnordered<BoxFuture<'a, News>>) {
        for pod in pods {
            if Some(&pod.name) == evidence.me.as_ref() {
                evidence.my_ip = evidence.my_ip.or(pod.ips.first().copied());
            } else {
                self.ask_peer(pod.name.clone(), Some(pod.ips.clone()), evidence, asked);
            }
        }
        for name in self.numbered_peers() {
            if pods.iter().all(|pod| pod.name != name) {
                evidence.peers.push(absent(name));
            }
        }
    }

    fn ask_numbered_peers(&self, evidence: &mut Evidence, asked: &FuturesUnordered<BoxFuture<'a, News>>) {
        for pod in self.numbered_peers() {
            self.ask_peer(pod, None, evidence, asked);
        }
    }

    fn numbered_peers(&self) -> impl Iterator<Item = PodName> {
        let Subject { first, me, replicas, .. } = self.subject;
        (0..*replicas).map(|ordinal| first.sibling(ordinal)).filter(move |pod| Some(pod) != me.as_ref())
    }

    fn ask_peer(
        &self,
        pod: PodName,
        ips: Option<Vec<IpAddr>>,
        evidence: &mut Evidence,
        asked: &FuturesUnordered<BoxFuture<'a, News>>,
    ) {
        evidence.peers.push(Peer { pod: pod.clone(), ips: ips.clone().unwrap_or_default(), heard: Heard::Pending });
        let Self { world, subject, logins, .. } = *self;
        let ask = async move {
            let found = match ips {
                Some(ips) => Ok(ips),
                None => in_time(world.addresses(&subject.host_name(&pod))).await,
            };
            let (ips, answer) = match found {
                Ok(ips) => {
                    let target = Target { name: subject.certified(&pod, &ips), ips, port: subject.port };
                    let answer = in_time(redis::role(&target, &logins.redis)).await;
                    (target.ips, answer)
                }
                Err(failure) => (Vec::new(), Err(failure)),
            };
            News::Peer(pod, ips, answer)
        };
        asked.push(ask.boxed());
    }
}

fn absent(pod: PodName) -> Peer {
    Peer { pod, ips: Vec::new(), heard: Heard::Failed(Failure::NoSuchHost) }
}

/// An answer, a failure, or silence.
pub async fn in_time<T>(ask: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    timeout(ANSWER, ask).await.unwrap_or(Err(Failure::TimedOut))
}
