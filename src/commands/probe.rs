//! `probe`: the kubelet's questions, answered by this pod's own server and nobody else: no Kubernetes,
//! no DNS, one connection.
//!
//! A probe changes nothing. It does not make a replica electable either: that takes a majority of the
//! Sentinels that find nothing wrong with the master, whom a probe does not ask. A replica that only
//! looks at its own link would become electable right after its master has restarted in place, while a
//! failover is about to begin, and replace a master that lives; `reconcile` asks them.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context, Result, anyhow};
use tokio::time::{Instant, timeout_at};

use super::Then;
use super::patience::blame;
use super::setting::Logins;
use crate::cli::{Probe, Question, Server};
use crate::core::conf::TlsFiles;
use crate::core::evidence::Failure;
use crate::core::identity::{Host, PodName};
use crate::core::probe;
use crate::core::sets::Sets;
use crate::edge::wire::{Login, Target, tls_to_myself};
use crate::edge::{redis, sentinel};
use crate::exit::OrWrong;

pub async fn run(args: Probe, deadline: Instant) -> Result<Then> {
    let Probe { server, question, groups, pod_name, sets, pod_ip, port, sentinel_port, secrets, deadline: _ } = args;
    let Question { liveness: _, readiness, startup: _ } = question;
    let me = pod_name.or_else(|| std::env::var("HOSTNAME").ok()?.parse::<PodName>().ok());
    let ip = pod_ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let sets = Sets::new(sets).or_wrong().context("--set or ORDAIN_SETS")?;
    // Whether it lives is asked without a login.
    let logins = if readiness { Logins::read(&secrets)? } else { Logins::default() };
    let tls = match secrets.tls.files() {
        Some(TlsFiles { ca, cert, key }) => Some(tls_to_myself(ca, cert, key).or_wrong()?),
        None => None,
    };
    let (name, port, login) = match server {
        Server::Redis => ("Redis", port, logins.redis),
        Server::Sentinel => ("Sentinel", sentinel_port, logins.sentinel),
    };
    let login = Login { tls, ..login };
    let target = Target { name: Host::Ip(ip), ips: vec![ip], port };
    let ask = async {
        Ok(match (server, readiness) {
            (_, false) => redis::ping(&target, &login).await.map(|()| Ok("lives".to_owned()))?,
            (Server::Redis, true) => probe::redis(&redis::serving(&target, &login).await?, me.as_ref(), &sets),
            (Server::Sentinel, true) => probe::sentinel(&sentinel::quorums(&target, &login, &groups).await?, me.as_ref()),
        })
    };
    let told: Result<_, Failure> = timeout_at(deadline, ask).await.unwrap_or(Err(Failure::TimedOut));
    let told = told.map_err(|failure| blame(&format!("{name} at {ip} port {port}"), failure))?;
    println!("{name} {}", told.map_err(|why| anyhow!("{name} {why}"))?);
    Ok(Then::Exit)
}
