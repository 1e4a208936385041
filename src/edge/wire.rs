//! The one place where a connection to a Redis or a Sentinel is made.

use std::io::{Cursor, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::future::{select, select_ok};
use redis::{Cmd, Parser, Value, from_redis_value};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{WantsClientCert, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{self, ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::core::evidence::Failure;
use crate::core::identity::Host;
use crate::core::outside::shown;
use crate::core::replies::{LONGEST_MESSAGE, LONGEST_REPLY, Replies};

/// After how long of silence a server that publishes is asked whether it lives.
const SILENCE: Duration = Duration::from_secs(10);
/// How long it may take to say so.
const PATIENCE: Duration = Duration::from_secs(2);
/// After how many messages of a server the others that wait come first, for how long: one that sends them without end
/// takes no more than its share. A Sentinel that has lost hundreds of masters at once sends some thousands.
const BURST: usize = 64;
const BREATH: Duration = Duration::from_millis(10);
/// How much is read at once, in bytes.
const PIECE: usize = 16 * 1024;
/// How many servers at once may give a large reply: of many that do, all together would be too much memory.
static LARGE: Semaphore = Semaphore::const_new(4);

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

/// The three files of TLS, as they were read.
#[derive(Debug, Clone)]
pub struct Pems {
    /// The authorities to trust.
    pub ca: Pem,
    /// The certificate that is shown to servers which ask for one.
    pub cert: Pem,
    /// Its key.
    pub key: Pem,
}

/// A file in PEM, and where it lies.
#[derive(Clone)]
pub struct Pem {
    /// Where.
    pub path: PathBuf,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Pem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(&self.path, f)
    }
}

/// Makes TLS settings: whom to trust, and the certificate that is shown to servers which ask for one.
///
/// # Errors
/// A file holds no PEM, or the key does not fit the certificate.
pub fn tls(pems: &Pems) -> Result<TlsConnector> {
    with_certificate(ClientConfig::builder().with_root_certificates(trusted(&pems.ca)?), pems)
}

/// The same for this pod's own server, which is asked by an address that its certificate need not name:
/// whoever listens there is this pod. An authority must have certified it all the same.
///
/// # Errors
/// As for [`tls`].
pub fn tls_to_myself(pems: &Pems) -> Result<TlsConnector> {
    let chain = WebPkiServerVerifier::builder(Arc::new(trusted(&pems.ca)?)).build()?;
    let config = ClientConfig::builder().dangerous().with_custom_certificate_verifier(AnyName::of(Some(chain)));
    with_certificate(config, pems)
}

/// For who wants to know only whether this pod's own server answers: whatever that shows is as good as any. Our
/// certificate is shown where there is one that can be used.
pub fn tls_to_anyone(pems: Option<&Pems>) -> TlsConnector {
    let config = || ClientConfig::builder().dangerous().with_custom_certificate_verifier(AnyName::of(None));
    let shown = pems.and_then(|pems| with_certificate(config(), pems).ok());
    shown.unwrap_or_else(|| TlsConnector::from(Arc::new(config().with_no_client_auth())))
}

fn trusted(ca: &Pem) -> Result<RootCertStore> {
    let mut trusted = RootCertStore::empty();
    for authority in certificates(ca)? {
        trusted.add(authority).with_context(|| format!("cannot trust what is in `{}`", ca.path.display()))?;
    }
    Ok(trusted)
}

fn with_certificate(config: ConfigBuilder<ClientConfig, WantsClientCert>, pems: &Pems) -> Result<TlsConnector> {
    let Pems { ca: _, cert, key } = pems;
    let secret =
        PrivateKeyDer::from_pem_slice(&key.bytes).with_context(|| format!("cannot read the key in `{}`", key.path.display()))?;
    let config = config.with_client_auth_cert(certificates(cert)?, secret);
    let config =
        config.with_context(|| format!("`{}` and `{}` do not fit each other", cert.path.display(), key.path.display()))?;
    Ok(TlsConnector::from(Arc::new(config)))
}

fn certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>> {
    let describe = || format!("cannot read the certificates in `{}`", pem.path.display());
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem.bytes).collect::<Result<_, _>>().with_context(describe)?;
    anyhow::ensure!(!found.is_empty(), "`{}` holds no certificate in PEM", pem.path.display());
    Ok(found)
}

/// Verifies that the other end has the key of what it shows, and by its authorities, where there are any, all of that
/// but the name, which is looked at last.
#[derive(Debug)]
struct AnyName {
    authorities: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl AnyName {
    fn of(authorities: Option<Arc<WebPkiServerVerifier>>) -> Arc<Self> {
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        Arc::new(Self { authorities, algorithms })
    }
}

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
        let Some(authorities) = &self.authorities else { return Ok(ServerCertVerified::assertion()) };
        match authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
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
        verify_tls12_signature(message, cert, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
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
    let stream = connect(target).await?;
    let Some(tls) = &login.tls else { return Ok(Box::new(stream)) };
    Ok(Box::new(tls.connect(certified_name(target)?, stream).await.map_err(|error| tls_failure(&error))?))
}

async fn connect(target: &Target) -> Result<TcpStream, Failure> {
    let Target { name: _, ips, port } = target;
    if ips.is_empty() {
        return Err(Failure::NoSuchHost);
    }
    let attempts = ips.iter().map(|ip| Box::pin(TcpStream::connect(SocketAddr::new(*ip, *port))));
    let (stream, _) = select_ok(attempts).await.map_err(|error| match error.kind() {
        ErrorKind::ConnectionRefused => Failure::Refused,
        _ => io_failure(&error),
    })?;
    Ok(stream)
}

fn certified_name(target: &Target) -> Result<ServerName<'static>, Failure> {
    match &target.name {
        Host::Ip(ip) => Ok(ServerName::IpAddress((*ip).into())),
        Host::Name(name) => ServerName::try_from(name.clone()).map_err(|error| Failure::InvalidReply(error.to_string())),
    }
}

/// In which way a server has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As it was asked: plainly, or by TLS, an alert included.
    AsAsked,
    /// It speaks no TLS, by which it was asked.
    Plainly,
}

/// Whether a server answers anything at all to a `PING`: a reply, an error, an alert of TLS, or the end of a
/// connection that it has accepted. Without a login, and without trust: it is not believed what it says. One that is
/// silent to TLS for so long is asked plainly, too: to a server without TLS a handshake is the beginning of a line
/// (`processInlineBuffer` in Redis `src/networking.c`), for whose end it waits.
///
/// # Errors
/// Why it gave no answer: there is no connection. The caller limits the time.
pub async fn answers(target: &Target, tls: Option<&TlsConnector>, time: Duration) -> Result<Manner, Failure> {
    let Some(tls) = tls else { return answers_plainly(target).await.map(|_| Manner::AsAsked) };
    let plainly = async {
        sleep(time).await;
        // One with TLS ends such a connection, and one that ends it says no more than that it lives.
        match answers_plainly(target).await {
            Ok(Some(b'+' | b'-')) => Ok(Manner::Plainly),
            answer => answer.map(|_| Manner::AsAsked),
        }
    };
    select(pin!(answers_by_tls(target, tls)), pin!(plainly)).await.factor_first().0
}

/// The first byte of the answer; none where the connection ends.
async fn answers_plainly(target: &Target) -> Result<Option<u8>, Failure> {
    let mut stream = connect(target).await?;
    let mut first = [0];
    // Whether what was sent has come, and whatever comes back, or does not: the other end has said so.
    let (_, read) = (stream.write_all(&ping()).await, stream.read(&mut first).await);
    Ok(read.is_ok_and(|count| count > 0).then_some(first[0]))
}

async fn answers_by_tls(target: &Target, tls: &TlsConnector) -> Result<Manner, Failure> {
    let stream = connect(target).await?;
    match tls.connect(certified_name(target)?, stream).await {
        Ok(mut stream) => {
            let _ = (stream.write_all(&ping()).await, stream.flush().await, stream.read(&mut [0]).await);
        }
        Err(error) if is_no_tls(&error) => return Ok(Manner::Plainly),
        Err(_) => {}
    }
    Ok(Manner::AsAsked)
}

fn ping() -> Vec<u8> {
    let mut ping = Cmd::new();
    ping.arg("PING");
    ping.get_packed_command()
}

/// Hears all that a server publishes, each message with its channel; `begun` once it listens. Ends only with
/// the connection; one that is silent is asked every now and then whether it lives.
///
/// # Errors
/// Why it ended.
pub async fn listen(target: &Target, login: &Login, begun: impl FnOnce(), hear: impl Fn(&str, &str)) -> Result<(), Failure> {
    let ears = async {
        let mut ears = Conversation::over(reach(target, login).await?);
        let mut subscribe = Cmd::new();
        subscribe.arg("PSUBSCRIBE").arg("*");
        // What a login is answered: that it is right, or what is wrong, such as that none is needed.
        let (count, mut packed) = greeting(login).map_or((1, Vec::new()), |greeting| (2, greeting.get_packed_command()));
        packed.extend(subscribe.get_packed_command());
        let mut replies = ears.exchange(&packed, count, LONGEST_MESSAGE).await?;
        answered(replies.pop().unwrap_or(Value::Nil))?;
        Ok(ears)
    };
    let mut ears = timeout(PATIENCE, ears).await.unwrap_or(Err(Failure::TimedOut))?;
    begun();
    let mut heard = 0;
    loop {
        heard = (heard + 1) % BURST;
        if heard == 0 {
            sleep(BREATH).await;
        }
        let message = match timeout(SILENCE, ears.receive(1, LONGEST_MESSAGE)).await {
            Ok(message) => message?,
            Err(_) => timeout(PATIENCE, ears.exchange(&ping(), 1, LONGEST_MESSAGE)).await.unwrap_or(Err(Failure::TimedOut))?,
        };
        let message = message.into_iter().next().map(from_redis_value::<Vec<String>>);
        // What else comes is that it lives.
        if let Some(Ok([kind, _, channel, text])) = message.as_ref().map(|words| words.as_ref().map(Vec::as_slice))
            && kind == "pmessage"
        {
            hear(channel, text);
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
    stream: Box<dyn Duplex>,
    /// What has come and is not read yet.
    received: Vec<u8>,
    /// What is not sent yet, and how many replies have not come: whoever asks may go away before.
    unsent: Vec<u8>,
    owed: usize,
}

impl Conversation {
    /// Begins with some commands, as [`ask`] does.
    ///
    /// # Errors
    /// Why there are no answers.
    pub async fn begin(target: &Target, login: &Login, commands: &[Cmd]) -> Result<(Self, Vec<Value>), Failure> {
        let mut conversation = Self::over(reach(target, login).await?);
        let answers = conversation.log_in_and_ask(login, commands).await?;
        Ok((conversation, answers))
    }

    fn over(stream: Box<dyn Duplex>) -> Self {
        Self { stream, received: Vec::new(), unsent: Vec::new(), owed: 0 }
    }

    /// Sends one more command to the same process.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn go_on(&mut self, command: &Cmd) -> Result<Value, Failure> {
        let mut replies = self.exchange(&command.get_packed_command(), 1, LONGEST_REPLY).await?;
        Ok(replies.pop().unwrap_or(Value::Nil))
    }

    /// A password is bytes, and the crate would send it as UTF-8 only: we log in ourselves.
    async fn log_in_and_ask(&mut self, login: &Login, commands: &[Cmd]) -> Result<Vec<Value>, Failure> {
        let greeting = greeting(login);
        let greetings = usize::from(greeting.is_some());
        let packed: Vec<u8> = greeting.iter().chain(commands).flat_map(Cmd::get_packed_command).collect();
        let mut replies = self.exchange(&packed, greetings + commands.len(), LONGEST_REPLY).await?;
        let answers = replies.split_off(greetings);
        // A server without a password refuses the login and answers all the same. One that refuses
        // both is better explained by the first refusal.
        match (replies.pop(), answers.first().and_then(Code::of)) {
            (Some(Value::ServerError(refusal)), Some(Code::NoLogin)) => Err(Failure::NotAllowed(describe(&refusal))),
            _ => Ok(answers),
        }
    }

    /// Sends what is asked, and waits for so many replies. A server that has ended the connection may have said
    /// why before: what it said counts, not that the question did not reach it.
    async fn exchange(&mut self, packed: &[u8], count: usize, longest: usize) -> Result<Vec<Value>, Failure> {
        self.unsent.extend(packed);
        self.owed += count;
        let sent = async {
            while !self.unsent.is_empty() {
                let written = self.stream.write(&self.unsent).await?;
                if written == 0 {
                    return Err(std::io::Error::from(ErrorKind::WriteZero));
                }
                self.unsent.drain(..written);
            }
            self.stream.flush().await
        };
        let sent = sent.await.map_err(|error| io_failure(&error));
        match (self.receive(self.owed, longest).await, sent) {
            // The first are to questions whose asker has gone away.
            (Ok(mut replies), _) => Ok(replies.split_off(replies.len() - count)),
            (Err(Failure::Unreachable(_)), Err(failure)) | (Err(failure), _) => Err(failure),
        }
    }

    /// Waits for so many replies.
    async fn receive(&mut self, count: usize, longest: usize) -> Result<Vec<Value>, Failure> {
        let mut replies = Replies::new(count, longest);
        let mut permit = None;
        while !replies.are_whole(&self.received).map_err(Failure::InvalidReply)? {
            if self.received.len() > LONGEST_MESSAGE && permit.is_none() {
                permit = LARGE.acquire().await.ok();
            }
            let room = (longest + 1).saturating_sub(self.received.len()).min(PIECE);
            self.received.reserve(room);
            match (&mut self.stream).take(room as u64).read_buf(&mut self.received).await {
                Ok(0) => return Err(self.ended(&replies, Failure::Unreachable("the connection has ended".to_owned()))),
                Ok(_) => {}
                Err(error) => return Err(self.ended(&replies, io_failure(&error))),
            }
        }
        let (count, length) = replies.whole();
        // They have come, whether or not they can be read.
        self.owed = self.owed.saturating_sub(count);
        read_replies(self.received.drain(..length).as_slice(), count)
    }

    /// What it means that no more comes: the error that came last, else that nothing came.
    fn ended(&self, replies: &Replies, failure: Failure) -> Failure {
        let (count, length) = replies.whole();
        match read_replies(&self.received[..length], count).map(|mut replies| replies.pop()) {
            Ok(Some(error @ Value::ServerError(_))) => answered(error).err().unwrap_or(failure),
            _ => failure,
        }
    }
}

fn read_replies(bytes: &[u8], count: usize) -> Result<Vec<Value>, Failure> {
    let (mut bytes, mut parser) = (Cursor::new(bytes), Parser::new());
    (0..count).map(|_| parser.parse_value(&mut bytes).map_err(|error| Failure::InvalidReply(shown(&error.to_string())))).collect()
}

/// Takes one answer, where an error that the server sent is a failure.
///
/// # Errors
/// [`Failure::NotAllowed`] for a login or an ACL rule, else [`Failure::InvalidReply`].
pub fn answered(reply: Value) -> Result<Value, Failure> {
    let code = Code::of(&reply);
    match reply {
        Value::ServerError(error) => Err(match code {
            Some(Code::NoLogin | Code::NotAllowed) => Failure::NotAllowed(describe(&error)),
            _ => Failure::InvalidReply(describe(&error)),
        }),
        reply => Ok(reply),
    }
}

/// Why a server has not done what it was asked: the code by which its error begins. What stands behind that is for
/// people, and another in each version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// `NOAUTH`: it wants a login first.
    NoLogin,
    /// `WRONGPASS`, `NOPERM`: the login is wrong, or an ACL rule forbids the command.
    NotAllowed,
    /// `MASTERDOWN`: a replica without a link, which serves nobody.
    MasterDown,
    /// `NOQUORUM`: a Sentinel that reaches too few others.
    NoQuorum,
    /// `ERR`: it has no word for this, such as that it does not know the command.
    Plain,
    /// Any other, such as `LOADING`, `MISCONF`, `INPROG` or `NOGOODSLAVE`: all that callers want of it is its text.
    Other,
}

impl Code {
    /// The code of an error; none where the reply is no error.
    pub fn of(reply: &Value) -> Option<Self> {
        let Value::ServerError(error) = reply else { return None };
        Some(match error.code() {
            "NOAUTH" => Self::NoLogin,
            "WRONGPASS" | "NOPERM" => Self::NotAllowed,
            "MASTERDOWN" => Self::MasterDown,
            "NOQUORUM" => Self::NoQuorum,
            "ERR" => Self::Plain,
            _ => Self::Other,
        })
    }
}

fn describe(error: &redis::ServerError) -> String {
    shown(&format!("{} {}", error.code(), error.details().unwrap_or_default()))
}

fn io_failure(error: &std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::TimedOut => Failure::TimedOut,
        // An alert of TLS 1.3 comes after the handshake.
        _ if error.get_ref().is_some_and(|cause| cause.downcast_ref::<rustls::Error>().is_some()) => tls_failure(error),
        _ => Failure::Unreachable(shown(&error.to_string())),
    }
}

/// Whether what has come back is not of TLS.
fn is_no_tls(error: &std::io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(rustls::Error::InvalidMessage(_)))
}

/// Either end does not trust the other, or the other does not speak TLS.
fn tls_failure(error: &std::io::Error) -> Failure {
    use rustls::Error::{AlertReceived, InvalidCertificate};
    let why = shown(&error.to_string());
    match error.get_ref().and_then(|cause| cause.downcast_ref()) {
        Some(AlertReceived(_) | InvalidCertificate(_)) => Failure::Untrusted(why),
        _ => Failure::Unreachable(format!("TLS: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reply_that_cannot_be_read_is_not_waited_for_once_more() {
        let (mine, mut server) = tokio::io::duplex(64);
        let mut conversation = Conversation::over(Box::new(mine));
        server.write_all(b":x\r\n+OK\r\n").await.unwrap();
        assert!(matches!(conversation.exchange(&ping(), 1, LONGEST_REPLY).await, Err(Failure::InvalidReply(_))));
        let next = timeout(PATIENCE, conversation.exchange(&ping(), 1, LONGEST_REPLY)).await;
        assert_eq!(next, Ok(Ok(vec![Value::Okay])));
    }
}
