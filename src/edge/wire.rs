//! The one place where a connection to a Redis or a Sentinel is made.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::StreamExt;
use futures::future::select_ok;
use redis::aio::{MultiplexedConnection, PubSub};
use redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisConnectionInfo, Value};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{WantsClientCert, WebPkiServerVerifier};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{self, ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::core::evidence::Failure;
use crate::core::identity::Host;

/// After how long of silence a server that publishes is asked whether it lives.
const SILENCE: Duration = Duration::from_secs(10);
/// How long it may take to say so.
const PATIENCE: Duration = Duration::from_secs(2);

/// A server that is asked.
#[derive(Debug, Clone)]
pub struct Target {
    /// What its certificate must name.
    pub name: Host,
    /// Where it may listen.
    pub ips: Vec<IpAddr>,
    /// On which TCP port.
    pub port: u16,
}

/// How to log in: an ACL user and its password, both bytes as they are, and the TLS settings.
#[derive(Clone, Default)]
pub struct Login {
    /// The ACL user; `default` where there is none.
    pub user: Option<Vec<u8>>,
    /// The password; no login where there is none.
    pub password: Option<Vec<u8>>,
    /// Speak TLS, with this client certificate and these authorities; plain where there is none.
    pub tls: Option<TlsConnector>,
}

/// Reads TLS settings: whom to trust, and the certificate that is shown to servers which ask for one.
///
/// # Errors
/// A file cannot be read, or the key does not fit the certificate.
pub fn tls(ca: &Path, cert: &Path, key: &Path) -> Result<TlsConnector> {
    let config = ClientConfig::builder().with_root_certificates(trusted(ca)?);
    with_certificate(config, cert, key)
}

/// The same for this pod's own server, which is asked by an address that its certificate need not name:
/// whoever listens there is this pod. An authority must have certified it all the same.
///
/// # Errors
/// As for [`tls`].
pub fn tls_to_myself(ca: &Path, cert: &Path, key: &Path) -> Result<TlsConnector> {
    let chain = WebPkiServerVerifier::builder(Arc::new(trusted(ca)?)).build()?;
    let config = ClientConfig::builder().dangerous().with_custom_certificate_verifier(Arc::new(AnyName(chain)));
    with_certificate(config, cert, key)
}

fn trusted(ca: &Path) -> Result<RootCertStore> {
    let mut trusted = RootCertStore::empty();
    for authority in certificates(ca)? {
        trusted.add(authority).with_context(|| format!("cannot trust what is in `{}`", ca.display()))?;
    }
    Ok(trusted)
}

fn with_certificate(config: ConfigBuilder<ClientConfig, WantsClientCert>, cert: &Path, key: &Path) -> Result<TlsConnector> {
    let secret = PrivateKeyDer::from_pem_file(key).with_context(|| format!("cannot read the key in `{}`", key.display()))?;
    let config = config.with_client_auth_cert(certificates(cert)?, secret);
    let config = config.with_context(|| format!("`{}` and `{}` do not fit each other", cert.display(), key.display()))?;
    Ok(TlsConnector::from(Arc::new(config)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let describe = || format!("cannot read the certificates in `{}`", path.display());
    let found: Vec<_> =
        CertificateDer::pem_file_iter(path).with_context(describe)?.collect::<Result<_, _>>().with_context(describe)?;
    anyhow::ensure!(!found.is_empty(), "`{}` holds no certificate in PEM", path.display());
    Ok(found)
}

/// Verifies all of a certificate but the name, which is looked at last.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use rustls::CertificateError::{NotValidForName, NotValidForNameContext};
        match self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Connects to whichever of the addresses answers first, logs in and sends the commands, all in
/// one round trip; the caller limits the time.
///
/// # Errors
/// Why there are no answers. An error among the answers is an answer: see [`answered`].
pub async fn ask(target: &Target, login: &Login, commands: &[Cmd]) -> Result<Vec<Value>, Failure> {
    Ok(Conversation::begin(target, login, commands).await?.1)
}

/// A way to a server and back, plain or by TLS.
trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

async fn reach(target: &Target, login: &Login) -> Result<Box<dyn Duplex>, Failure> {
    let Target { name, ips, port } = target;
    if ips.is_empty() {
        return Err(Failure::NoSuchHost);
    }
    let attempts = ips.iter().map(|ip| Box::pin(TcpStream::connect(SocketAddr::new(*ip, *port))));
    let (stream, _) = select_ok(attempts).await.map_err(|error| io_failure(&error))?;
    let Some(tls) = &login.tls else { return Ok(Box::new(stream)) };
    let name = match name {
        Host::Ip(ip) => ServerName::IpAddress((*ip).into()),
        Host::Name(name) => ServerName::try_from(name.clone()).map_err(|error| Failure::Nonsense(error.to_string()))?,
    };
    let stream = tls.connect(name, stream).await;
    Ok(Box::new(stream.map_err(|error| Failure::Unreachable(format!("TLS: {error}")))?))
}

/// Hears all that a server publishes, each message with its channel; `begun` once it listens. Ends only with
/// the connection; one that is silent is asked every now and then whether it lives.
///
/// # Errors
/// Why it ended.
pub async fn listen(target: &Target, login: &Login, begun: impl FnOnce(), hear: impl Fn(&str, &str)) -> Result<(), Failure> {
    let ears = async {
        let mut stream = reach(target, login).await?;
        if let Some(greeting) = greeting(login) {
            stream.write_all(&greeting.get_packed_command()).await.map_err(|error| io_failure(&error))?;
            // One line: that it is right, or what is wrong, such as that no login is needed.
            while stream.read_u8().await.map_err(|error| io_failure(&error))? != b'\n' {}
        }
        let quiet = RedisConnectionInfo::default().set_skip_set_lib_name();
        let mut ears = PubSub::new(&quiet, stream).await.map_err(|error| failure(&error))?;
        ears.psubscribe("*").await.map_err(|error| failure(&error))?;
        Ok(ears)
    };
    let ears = timeout(PATIENCE, ears).await.unwrap_or(Err(Failure::TimedOut))?;
    begun();
    let (mut sink, mut stream) = ears.split();
    loop {
        match timeout(SILENCE, stream.next()).await {
            Ok(Some(message)) => hear(message.get_channel_name(), &message.get_payload::<String>().unwrap_or_default()),
            Ok(None) => return Err(Failure::Unreachable("the connection has ended".to_owned())),
            Err(_) => {
                let lives = timeout(PATIENCE, sink.ping::<Value>()).await;
                lives.map_err(|_| Failure::TimedOut)?.map_err(|error| failure(&error))?;
            }
        }
    }
}

fn greeting(login: &Login) -> Option<Cmd> {
    let mut auth = Cmd::new();
    auth.arg("AUTH");
    if let Some(user) = &login.user {
        auth.arg(user.as_slice());
    }
    Some(auth.arg(login.password.as_ref()?.as_slice()).clone())
}

/// A connection to one process, for as long as that lives.
pub struct Conversation {
    connection: MultiplexedConnection,
    driver: JoinHandle<()>,
}

impl Conversation {
    /// Begins with some commands, as [`ask`] does.
    ///
    /// # Errors
    /// Why there are no answers.
    pub async fn begin(target: &Target, login: &Login, commands: &[Cmd]) -> Result<(Self, Vec<Value>), Failure> {
        let mut conversation = Self::over(reach(target, login).await?).await?;
        let answers = conversation.log_in_and_ask(login, commands).await?;
        Ok((conversation, answers))
    }

    async fn over(stream: Box<dyn Duplex>) -> Result<Self, Failure> {
        let quiet = RedisConnectionInfo::default().set_skip_set_lib_name();
        let unlimited = AsyncConnectionConfig::new().set_response_timeout(None);
        let (connection, driver) =
            MultiplexedConnection::new_with_config(&quiet, stream, unlimited).await.map_err(|error| failure(&error))?;
        Ok(Self { connection, driver: tokio::spawn(driver) })
    }

    /// Sends one more command to the same process.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn go_on(&mut self, command: &Cmd) -> Result<Value, Failure> {
        self.connection.send_packed_command(command).await.map_err(|error| failure(&error))
    }

    /// The crate would send a password only as UTF-8: a password is bytes, so we log in ourselves.
    async fn log_in_and_ask(&mut self, login: &Login, commands: &[Cmd]) -> Result<Vec<Value>, Failure> {
        let mut pipeline = Pipeline::new();
        if let Some(greeting) = greeting(login) {
            pipeline.add_command(greeting);
        }
        let greetings = pipeline.len();
        for command in commands {
            pipeline.add_command(command.clone());
        }
        let replies = self.connection.send_packed_commands(&pipeline, 0, pipeline.len()).await;
        let mut replies = replies.map_err(|error| failure(&error))?;
        let answers = replies.split_off(greetings);
        // A server without a password refuses the login and answers all the same. One that refuses
        // both is better explained by the first refusal.
        match (replies.pop(), &answers[..]) {
            (Some(Value::ServerError(refusal)), [Value::ServerError(first), ..]) if first.code() == "NOAUTH" => {
                Err(Failure::NotAllowed(describe(&refusal)))
            }
            _ => Ok(answers),
        }
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Takes one answer, where an error that the server sent is a failure.
///
/// # Errors
/// [`Failure::NotAllowed`] for a login or an ACL rule, else [`Failure::Nonsense`].
pub fn answered(reply: Value) -> Result<Value, Failure> {
    match reply {
        Value::ServerError(error) if ["NOAUTH", "WRONGPASS", "NOPERM"].contains(&error.code()) => {
            Err(Failure::NotAllowed(describe(&error)))
        }
        Value::ServerError(error) => Err(Failure::Nonsense(describe(&error))),
        reply => Ok(reply),
    }
}

fn describe(error: &redis::ServerError) -> String {
    format!("{} {}", error.code(), error.details().unwrap_or_default())
}

fn io_failure(error: &std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => Failure::Refused,
        std::io::ErrorKind::TimedOut => Failure::TimedOut,
        _ => Failure::Unreachable(error.to_string()),
    }
}

fn failure(error: &redis::RedisError) -> Failure {
    if error.is_connection_refusal() {
        Failure::Refused
    } else if error.is_timeout() {
        Failure::TimedOut
    } else if error.is_io_error() || error.is_connection_dropped() {
        Failure::Unreachable(error.to_string())
    } else {
        Failure::Nonsense(error.to_string())
    }
}
