//! How much the API server may answer at once: whoever may make an object may make it large, and a proxy may answer
//! without end.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use kube::client::Body as RequestBody;
use tower::BoxError;

/// How much one answer may have, and one object that a watch sends, in bytes: more than an
/// object of etcd has (1.5 MiB). Some answers are read side by side.
const LONGEST: usize = 4 * 1024 * 1024;

/// An answer, or what a watch sends of one object, is longer than the budget.
#[derive(Debug)]
pub struct TooLarge;

impl TooLarge {
    /// Whether this is why a request failed.
    pub fn is_in(error: &(dyn StdError + 'static)) -> bool {
        is_caused_by::<Self>(error)
    }
}

/// Whether an error, or what caused it, is of this kind.
pub fn is_caused_by<E: StdError + 'static>(error: &(dyn StdError + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source()).any(<dyn StdError>::is::<E>)
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it answered with more than {LONGEST} bytes")
    }
}

impl StdError for TooLarge {}

/// Sends a request, and reads no more of its answer than the budget.
///
/// # Errors
/// The connection's; while the answer is read, [`TooLarge`].
pub async fn within_budget<C>(
    http: Client<C, RequestBody>,
    request: Request<RequestBody>,
) -> Result<Response<Budgeted<Incoming>>, BoxError>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let is_watch = request.uri().query().is_some_and(|query| query.split('&').any(|part| part == "watch=true"));
    let response = http.request(request).await?;
    Ok(response.map(|answer| Budgeted { answer, is_watch, read: 0 }))
}

/// An answer that ends where it is too long. A watch has no end: each of its lines is an answer.
pub struct Budgeted<B> {
    answer: B,
    is_watch: bool,
    /// How many bytes the answer has had, or its last line.
    read: usize,
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin> Body for Budgeted<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(frame) = ready!(Pin::new(&mut self.answer).poll_frame(context)) else { return Poll::Ready(None) };
        let frame = frame.map_err(Into::into)?;
        if let Some(bytes) = frame.data_ref() {
            let end = bytes.iter().rposition(|byte| *byte == b'\n').filter(|_| self.is_watch);
            self.read = end.map_or(self.read + bytes.len(), |end| bytes.len() - end - 1);
            if self.read > LONGEST {
                return Poll::Ready(Some(Err(TooLarge.into())));
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }
}
