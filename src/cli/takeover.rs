//! `takeover`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::headings::{KUBERNETES, OUTPUT, TIMING};
use super::shared::Form;
use super::values::{grace, selector};
use crate::core::selector::Selector;

/// `takeover`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example, what would be done on the nodes of one zone:
  ordain takeover --dry-run --node-selector topology.kubernetes.io/zone=a")]
pub struct Takeover {
    /// Time for which a node's Ready must be Unknown before its pods are freed, at least 1s
    ///
    /// For a quarter of it, at least, the node must also have answered nothing.
    #[arg(long, env = "ORDAIN_GRACE", value_name = "TIME", help_heading = TIMING, default_value = "20s", value_parser = grace)]
    pub grace: Duration,
    /// How the pods of a dead node are freed
    #[arg(long, env = "ORDAIN_METHOD", help_heading = KUBERNETES, default_value = "out-of-service")]
    pub method: Method,
    /// Number of nodes that ordain may take out of service at once
    #[arg(long, env = "ORDAIN_AT_MOST", value_name = "COUNT", help_heading = KUBERNETES, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub at_most: u32,
    /// Label selector of pods in all namespaces: only a node that runs one of them is taken out of service
    #[arg(
        long,
        env = "ORDAIN_SELECTOR",
        help_heading = KUBERNETES,
        value_parser = selector,
        default_value = "app.kubernetes.io/name=redis,app.kubernetes.io/component in (redis,sentinel)"
    )]
    pub selector: Selector,
    /// Label selector of the nodes to look after, of which a majority must be Ready [default: all nodes]
    #[arg(long, env = "ORDAIN_NODE_SELECTOR", value_name = "SELECTOR", help_heading = KUBERNETES, value_parser = selector)]
    pub node_selector: Option<Selector>,
    /// Lease whose holder acts; create it beforehand
    #[arg(long, env = "ORDAIN_LEASE", help_heading = KUBERNETES, default_value = "node-takeover")]
    pub lease: String,
    /// Name of this pod, which holds the Lease
    #[arg(long, env = "POD_NAME", value_name = "POD", help_heading = KUBERNETES, default_value = "takeover")]
    pub pod_name: String,
    /// Namespace of the Lease [default: that of the service account, else of the kubeconfig]
    #[arg(long, env = "POD_NAMESPACE", help_heading = KUBERNETES)]
    pub namespace: Option<String>,
    /// Print what would be done, and change nothing, the Lease included
    #[arg(long, help_heading = OUTPUT)]
    pub dry_run: bool,
    /// File that names the DNS servers and the search domains
    #[arg(long, env = "ORDAIN_RESOLV_CONF", value_name = "FILE", help_heading = KUBERNETES, default_value = "/etc/resolv.conf")]
    pub resolv_conf: PathBuf,
    /// Form of the log on stderr
    #[arg(long, env = "ORDAIN_LOG_FORMAT", value_name = "FORM", help_heading = OUTPUT, default_value = "text")]
    pub log_format: Form,
}

/// How the pods of a dead node are freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Method {
    /// Taint the node node.kubernetes.io/out-of-service: Kubernetes (1.28 and later) deletes its pods and detaches its volumes
    OutOfService,
    /// Delete the Node and its pods
    DeleteNode,
}
