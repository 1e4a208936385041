//! `probe`: answers the kubelet's probes by asking this pod's own server alone: no Kubernetes, no DNS, one connection.
//!
//! Liveness passes if the server answers at all: an error, a TLS alert, even a connection that it accepts and closes. And
//! a wrong password alone takes no server out of service: the password may as well be wrong here.
//!
//! While ordain copies a snapshot for a server that would append to it, nothing answers yet, and the pod lives: a
//! kubelet that killed the pod would have the copy start again, for ever.
//!
//! A probe changes nothing. It does not make a replica promotable either: that takes a majority of the
//! Sentinels that find nothing wrong with the master, whom a probe does not ask. A replica that only
//! looks at its own link would become promotable right after its master has restarted in place, while a
//! failover is about to begin, and replace a master that lives; `reconcile` asks them.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context, Result, anyhow};
use tokio::time::{Instant, timeout_at};

use super::Next;
use crate::cli::{Probe, Question, Secrets, Server};
use crate::core::evidence::Failure;
use crate::core::identity::{Host, PodName};
use crate::core::probe;
use crate::core::sets::Sets;
use crate::edge::data_directory::is_being_copied;
use crate::edge::wire::{self, Manner, Pems, Target, tls_to_anyone, tls_to_myself};
use crate::edge::{redis, sentinel};
use crate::exit::OrWrong;
use crate::steps::context::{Credentials, read_pems};
use crate::steps::off_thread::off_thread;
use crate::steps::retry::blame;

pub async fn run(args: Probe, deadline: Instant) -> Result<Next> {
    let Probe { server, question, groups, pod_name, sets, pod_ip, port, sentinel_port, data_dir, secrets, deadline: _ } = args;
    let Question { liveness: _, readiness, startup: _ } = question;
    let me = pod_name.or_else(|| std::env::var("HOSTNAME").ok()?.parse::<PodName>().ok());
    let ip = pod_ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let sets = Sets::new(sets).or_wrong().context("--set or ORDAIN_SETS")?;
    let (name, port) = match server {
        Server::Redis => ("Redis", port),
        Server::Sentinel => ("Sentinel", sentinel_port),
    };
    let target = Target { name: Host::Ip(ip), ips: vec![ip], port };
    let ask = async {
        let pems = read_pems(&secrets.tls).await;
        if readiness {
            let answer = match credentials(&secrets, pems.as_ref()).await {
                Ok(credentials) => match server {
                    Server::Redis => redis::serving(&target, &credentials.redis)
                        .await
                        .map(|serving| probe::redis(&serving, me.as_ref(), &sets)),
                    Server::Sentinel => sentinel::quorums(&target, &credentials.sentinel, &groups)
                        .await
                        .map(|quorums| probe::sentinel(&quorums, me.as_ref())),
                },
                Err(error) => Err(Failure::NotAllowed(format!("{error:#}"))),
            };
            match answer.map_err(|failure| probe::kept_by_a_secret(&failure).ok_or(failure)) {
                Ok(verdict) => Ok(verdict),
                Err(Err(failure)) => Err(failure),
                // It serves those who have the secret, if it answers at all.
                Err(Ok(verdict)) => answers(&target, &secrets, pems, deadline).await.map(|manner| match manner {
                    Manner::AsAsked => Ok(verdict),
                    Manner::Plainly => Err(probe::SPEAKS_NO_TLS.to_owned()),
                }),
            }
        } else {
            answers(&target, &secrets, pems, deadline).await.map(|_| Ok("lives".to_owned()))
        }
    };
    let answer: Result<_, Failure> = timeout_at(deadline, ask).await.unwrap_or(Err(Failure::TimedOut));
    if answer.is_err()
        && !readiness
        && matches!(server, Server::Redis)
        && off_thread(move |_| Ok(is_being_copied(&data_dir))).await?
    {
        println!("Redis is not started yet: ordain copies its data");
        return Ok(Next::Exit);
    }
    let verdict = answer.map_err(|failure| blame(&format!("{name} at {ip} port {port}"), failure))?;
    println!("{name} {}", verdict.map_err(|why| anyhow!("{name} {why}"))?);
    Ok(Next::Exit)
}

/// How this pod's own server is logged in to.
async fn credentials(secrets: &Secrets, pems: Result<&Option<Pems>, &anyhow::Error>) -> Result<Credentials> {
    let pems = pems.map_err(|error| anyhow!("{error:#}"))?;
    Credentials::with_tls(secrets, pems.as_ref().map(tls_to_myself).transpose()?).await
}

/// Whether it answers at all, for which no file is needed: one that cannot be read is done without. Half of the time
/// is kept for a server that speaks no TLS.
async fn answers(target: &Target, secrets: &Secrets, pems: Result<Option<Pems>>, deadline: Instant) -> Result<Manner, Failure> {
    let tls = secrets.tls.files().map(|_| tls_to_anyone(pems.ok().flatten().as_ref()));
    let patience = deadline.saturating_duration_since(Instant::now()) / 2;
    wire::answers(target, tls.as_ref(), patience).await
}
