//! `takeover`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::shared::Form;
use super::values::{grace, selector};
use crate::core::selector::Selector;

/// `takeover`.
#[derive(Debug, Args)]
pub struct Takeover {
    /// For how long a node's Ready must be Unknown before anything is done; for a quarter of it, at least, it must have been silent when this program knocked
    #[arg(long, env = "ORDAIN_GRACE", default_value = "20s", value_parser = grace)]
    pub grace: Duration,
    /// How the pods of a dead node are freed
    #[arg(long, env = "ORDAIN_METHOD", default_value = "out-of-service")]
    pub method: Method,
    /// How many nodes may be out of service by this program at once
    #[arg(long, env = "ORDAIN_AT_MOST", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub at_most: u32,
    /// The pods, in all namespaces, for whose sake something is done
    #[arg(
        long,
        env = "ORDAIN_SELECTOR",
        value_parser = selector,
        default_value = "app.kubernetes.io/name=redis,app.kubernetes.io/component in (redis,sentinel)"
    )]
    pub selector: Selector,
    /// The nodes to look after, of which a majority must be Ready [default: all]
    #[arg(long, env = "ORDAIN_NODE_SELECTOR", value_parser = selector)]
    pub node_selector: Option<Selector>,
    /// The Lease whose holder acts; it must exist
    #[arg(long, env = "ORDAIN_LEASE", default_value = "node-takeover")]
    pub lease: String,
    /// This pod's name, as which it holds the Lease
    #[arg(long, env = "POD_NAME", default_value = "takeover")]
    pub pod_name: String,
    /// The namespace of the Lease [default: the service account's or the kubeconfig's]
    #[arg(long, env = "POD_NAMESPACE")]
    pub namespace: Option<String>,
    /// Tell what would be done, and touch nothing, the Lease included
    #[arg(long)]
    pub dry_run: bool,
    /// Which name servers to ask, and under which domains
    #[arg(long, env = "ORDAIN_RESOLV_CONF", default_value = "/etc/resolv.conf")]
    pub resolv_conf: PathBuf,
    /// How to write the log on stderr
    #[arg(long, env = "ORDAIN_LOG_FORMAT", default_value = "text")]
    pub log_format: Form,
}

/// How the pods of a dead node are freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Method {
    /// By the taint node.kubernetes.io/out-of-service (Kubernetes 1.28): its volumes are detached, and its pods deleted
    OutOfService,
    /// By deleting the Node and its pods
    DeleteNode,
}
