//! A proxy before the API server that speaks HTTP/1.1 and nothing else, as a load balancer may.

use std::net::{SocketAddr, SocketAddrV4};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::runtime;

/// The proxy; it is gone when this is dropped.
pub struct Http1 {
    /// Where it listens: at the address of what is behind it, which its certificate names.
    pub address: SocketAddr,
    /// How many connections there have been.
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Http1 {
    /// Before the API server at this endpoint, whose certificates lie in this folder.
    pub(crate) fn before(server: SocketAddrV4, certificates: &Path) -> Self {
        let (acceptor, connector) = (acceptor(certificates), connector(certificates));
        let listener = runtime().block_on(TcpListener::bind((*server.ip(), 0))).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        let task = runtime().spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                let (acceptor, connector) = (acceptor.clone(), connector.clone());
                // Either end may go away at any moment.
                tokio::spawn(async move {
                    let mut client = acceptor.accept(client).await?;
                    let stream = TcpStream::connect(server).await?;
                    let mut server = connector.connect(ServerName::IpAddress((*server.ip()).into()), stream).await?;
                    copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        Self { address, connections, task }
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Http1 {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn acceptor(certificates: &Path) -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_file(certificates.join("server.crt")).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(certificates.join("server.key")).expect("a key");
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    let mut config = config.expect("a certificate and its key");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// Without a word of HTTP/2, the API server speaks HTTP/1.1.
fn connector(certificates: &Path) -> TlsConnector {
    let mut trusted = RootCertStore::empty();
    trusted.add(CertificateDer::from_pem_file(certificates.join("ca.crt")).expect("a certificate")).expect("an authority");
    TlsConnector::from(Arc::new(ClientConfig::builder().with_root_certificates(trusted).with_no_client_auth()))
}
