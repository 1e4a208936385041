//! How requests reach the API server: side by side on one connection where it offers HTTP/2 (ALPN), else by HTTP/1.1, as
//! where a proxy stands before it that speaks nothing else.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use hyper::body::Incoming;
use hyper::{Request, Response, Uri};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::{Connect, Connection, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::retry::RetryPolicy;
use kube::client::{Body, ConfigExt};
use kube::{Client, Config};
use tokio_rustls::rustls::ClientConfig;
use tower::retry::RetryLayer;
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};

use super::budget::{Budgeted, is_caused_by, within_budget};

/// Between two attempts of a request that the API server had no time for, where it does not say itself how
/// long to wait (`Retry-After`).
const BUSY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How many attempts: whoever asks gives up earlier.
const ATTEMPTS: u32 = 30;
/// How long a connection to the API server may take.
const CONNECT: Duration = Duration::from_secs(2);
/// After how long of silence a connection is asked whether it lives, and how long it may take to say so.
const KEEP_ALIVE: Duration = Duration::from_secs(4);

/// Makes the client; nothing is sent yet.
///
/// # Errors
/// The credentials cannot be used.
pub fn client(config: &Config) -> Result<Client> {
    anyhow::ensure!(config.proxy_url.is_none(), "a proxy to the API server is not supported: unset proxy-url and HTTPS_PROXY");
    let mut builder = Http::builder(TokioExecutor::new());
    builder.timer(TokioTimer::new());
    let tls = config.rustls_client_config()?;
    let http1 = builder.build(connector(config, tls.clone(), false)?);
    // The first requests share one connection at once: until it is there, none makes another.
    builder.http2_only(true).http2_keep_alive_interval(KEEP_ALIVE).http2_keep_alive_timeout(KEEP_ALIVE);
    let http2 = builder.build(connector(config, tls, true)?);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(RetryLayer::new(RetryPolicy::new(BUSY.0, BUSY.1, ATTEMPTS, true)?))
        .service_fn(move |request| send(http2.clone(), http1.clone(), request));
    Ok(Client::new(service, config.default_namespace.clone()))
}

/// The server has not chosen HTTP/2.
#[derive(Debug)]
struct NotOffered;

impl fmt::Display for NotOffered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it speaks no HTTP/2")
    }
}

impl StdError for NotOffered {}

/// Connects by HTTP/1.1, or by HTTP/2 where that is chosen; where it was not once, or there is no TLS to choose it by, it
/// is not tried any more.
fn connector(config: &Config, tls: ClientConfig, by_http2: bool) -> Result<impl Connect + Clone + Send + Sync + use<>> {
    let https = https(config, tls, by_http2)?;
    let is_refused = Arc::new(AtomicBool::new(false));
    Ok(service_fn(move |server: Uri| {
        let (https, is_refused) = (https.clone(), is_refused.clone());
        Box::pin(async move {
            if by_http2 && (server.scheme_str() == Some("http") || is_refused.load(Ordering::Relaxed)) {
                return Err(BoxError::from(NotOffered));
            }
            let stream = https.oneshot(server).await?;
            if by_http2 && !stream.connected().is_negotiated_h2() {
                is_refused.store(true, Ordering::Relaxed);
                return Err(NotOffered.into());
            }
            Ok(stream)
        })
    }))
}

/// Makes connections that do not wait for delayed ACKs.
fn https(config: &Config, tls: ClientConfig, offers_http2: bool) -> Result<HttpsConnector<HttpConnector>> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT));
    let tls = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    let tls = match &config.tls_server_name {
        Some(name) => tls.with_server_name_resolver(FixedServerNameResolver::new(name.clone().try_into()?)),
        None => tls,
    };
    Ok(if offers_http2 { tls.enable_all_versions().wrap_connector(tcp) } else { tls.enable_http1().wrap_connector(tcp) })
}

/// Sends a request by HTTP/2, else by HTTP/1.1.
async fn send<C>(
    http2: Http<C, Body>,
    http1: Http<C, Body>,
    request: Request<Body>,
) -> Result<Response<Budgeted<Incoming>>, BoxError>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let (head, body) = request.into_parts();
    let same = body.try_clone().map(|body| Request::from_parts(head.clone(), body));
    let request = Request::from_parts(head, body);
    match (within_budget(http2, request).await, same) {
        (Err(error), Some(same)) if is_caused_by::<NotOffered>(&*error) => within_budget(http1, same).await,
        (answer, _) => answer,
    }
}
