//! A small HTTP/1.1 client for JSON, on hyper's connection and nothing above it.
//!
//! Owns one keep-alive connection to one server and opens it again when it is gone. The command
//! line speaks to a running server with it, and the load test sets up and proves with it; the load
//! itself goes over `loadtest::wire`. `http://` only: to reach a server behind TLS, speak to the
//! node that the balancer stands before.

use std::{fmt, io, str::FromStr, time::Duration};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode, Uri,
    body::{Bytes, Incoming},
    client::conn::http1::{self, SendRequest},
    header,
};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::net::TcpStream;

/// The largest answer that is read.
const BODY_BYTES_MAX: usize = 64 << 20;
/// How long an answer may take unless the caller says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Times that a request which never left is sent on a fresh connection.
const RECONNECTS_MAX: u32 = 2;

/// Why there is no answer, or not the one that was hoped for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("`{url}` is not a usable server address: {cause}")]
    Url { url: String, cause: &'static str },
    #[error("no connection to {authority}")]
    Connect { authority: String, source: io::Error },
    #[error("{method} {path} could not be written as a request")]
    Request { method: Method, path: String },
    #[error("{method} {path}: the connection was lost before the answer had come")]
    Lost { method: Method, path: String, source: hyper::Error },
    #[error("{method} {path}: no answer within {seconds} s")]
    Timeout { method: Method, path: String, seconds: u64 },
    #[error("{method} {path}: the answer broke off or was larger than {} MiB", BODY_BYTES_MAX >> 20)]
    Body { method: Method, path: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("{method} {path} was refused: {refusal}")]
    Refused { method: Method, path: String, refusal: Refusal },
    #[error("{path}: the answer is not the JSON that was expected")]
    Decode { path: String, source: serde_json::Error },
}

impl ClientError {
    /// The server's refusal, if it answered with one.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        if let Self::Refused { refusal, .. } = self { Some(refusal) } else { None }
    }
}

/// An answer other than 2xx.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    /// The problem's stable code; `http_<status>` if the answer was no problem document.
    pub code: String,
    pub detail: String,
    /// Seconds to wait, from `Retry-After`.
    pub retry_after: Option<u64>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.code)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, " ({})", self.detail) }
    }
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    host: String,
    port: u16,
    authority: String,
    base: String,
}

impl FromStr for Endpoint {
    type Err = ClientError;

    fn from_str(url: &str) -> Result<Self, ClientError> {
        let refuse = |cause| ClientError::Url { url: url.to_owned(), cause };
        let uri: Uri = url.parse().map_err(|_| refuse("write it as http://host:port"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(refuse("TLS is not spoken here; name the node's own http:// address"));
            }
            Some(_) => return Err(refuse("only http:// is spoken here")),
            None => return Err(refuse("it lacks http:// in front")),
        }
        if uri.query().is_some() {
            return Err(refuse("it has a query"));
        }
        let authority = uri.authority().ok_or_else(|| refuse("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(refuse("it holds a user name or a password"));
        }
        Ok(Self {
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(80),
            authority: authority.as_str().to_owned(),
            base: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl Endpoint {
    /// Host and port as the `Host` header says them.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The request target of `path` on this server.
    #[must_use]
    pub fn target(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Opens a connection that sends small writes at once.
    pub async fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.base)
    }
}

/// One request.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    method: Method,
    path: &'a str,
    bearer: Option<&'a str>,
    idempotency_key: Option<&'a str>,
    body: Option<Bytes>,
}

impl<'a> Call<'a> {
    /// A request without a body.
    #[must_use]
    pub fn new(method: Method, path: &'a str) -> Self {
        Self { method, path, bearer: None, idempotency_key: None, body: None }
    }

    /// A GET.
    #[must_use]
    pub fn get(path: &'a str) -> Self {
        Self::new(Method::GET, path)
    }

    /// A POST of `body` as JSON.
    ///
    /// # Errors
    /// When `body` cannot be written as JSON.
    pub fn post(path: &'a str, body: &impl Serialize) -> Result<Self, ClientError> {
        let body = serde_json::to_vec(body)
            .map_err(|source| ClientError::Decode { path: path.to_owned(), source })?;
        Ok(Self { body: Some(body.into()), ..Self::new(Method::POST, path) })
    }

    /// With an access token, instead of the client's own.
    #[must_use]
    pub fn bearer(self, token: &'a str) -> Self {
        Self { bearer: Some(token), ..self }
    }

    /// With an `Idempotency-Key`.
    #[must_use]
    pub fn idempotency_key(self, key: &'a str) -> Self {
        Self { idempotency_key: Some(key), ..self }
    }
}

/// A 2xx answer, whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub body: Bytes,
}

/// A client with one connection. Requests go one after the other; open several clients for several
/// at once.
pub struct Client {
    endpoint: Endpoint,
    bearer: Option<String>,
    timeout: Duration,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    /// A client of `endpoint`; it connects with the first request.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, bearer: None, timeout: TIMEOUT, connection: None }
    }

    /// The access token of every request that brings none of its own.
    #[must_use]
    pub fn with_bearer(self, token: String) -> Self {
        Self { bearer: Some(token), ..self }
    }

    /// How long one answer may take.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// The server that this client speaks to.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends `call` and reads its answer as JSON.
    ///
    /// # Errors
    /// Every variant of [`ClientError`]; an answer other than 2xx is `Refused`.
    pub async fn json<T: DeserializeOwned>(&mut self, call: Call<'_>) -> Result<T, ClientError> {
        let path = call.path;
        let answer = self.send(call).await?;
        serde_json::from_slice(&answer.body)
            .map_err(|source| ClientError::Decode { path: path.to_owned(), source })
    }

    /// GETs `path` as JSON.
    ///
    /// # Errors
    /// As [`Client::json`].
    pub async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, ClientError> {
        self.json(Call::get(path)).await
    }

    /// POSTs `body` to `path` and reads the answer as JSON.
    ///
    /// # Errors
    /// As [`Client::json`].
    pub async fn post<T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.json(Call::post(path, body)?).await
    }

    /// Sends `call` and reads its answer.
    ///
    /// # Errors
    /// Every variant of [`ClientError`] but `Decode`; an answer other than 2xx is `Refused`.
    pub async fn send(&mut self, call: Call<'_>) -> Result<Answer, ClientError> {
        let (method, path) = (call.method.clone(), call.path.to_owned());
        match tokio::time::timeout(self.timeout, self.exchange(call)).await {
            Ok(answered) => answered,
            Err(_) => {
                // The late answer must not be taken for the next request's.
                self.connection = None;
                Err(ClientError::Timeout { method, path, seconds: self.timeout.as_secs() })
            }
        }
    }

    async fn exchange(&mut self, call: Call<'_>) -> Result<Answer, ClientError> {
        let (method, path) = (call.method.clone(), call.path.to_owned());
        let response = self.response(call).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let collected = Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await;
        let body = match collected {
            Ok(body) => body.to_bytes(),
            Err(source) => {
                self.connection = None;
                return Err(ClientError::Body { method, path, source });
            }
        };
        if status.is_success() {
            return Ok(Answer { status: status.as_u16(), body });
        }
        let retry_after = headers.get(header::RETRY_AFTER).and_then(|text| text.to_str().ok()?.parse().ok());
        Err(ClientError::Refused { method, path, refusal: refusal(status, &body, retry_after) })
    }

    /// Sends `call`, on a fresh connection if the old one was closed before it left.
    async fn response(&mut self, call: Call<'_>) -> Result<Response<Incoming>, ClientError> {
        let mut request = self.request(&call)?;
        let mut reconnects = 0;
        loop {
            let connection = self.connection().await?;
            match connection.try_send_request(request).await {
                Ok(response) => return Ok(response),
                Err(mut failed) => {
                    self.connection = None;
                    match failed.take_message() {
                        Some(unsent) if reconnects < RECONNECTS_MAX => request = unsent,
                        Some(_) | None => {
                            let source = failed.into_error();
                            return Err(ClientError::Lost {
                                method: call.method,
                                path: call.path.to_owned(),
                                source,
                            });
                        }
                    }
                    reconnects += 1;
                }
            }
        }
    }

    fn request(&self, call: &Call<'_>) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(self.endpoint.target(call.path))
            .header(header::HOST, self.endpoint.authority())
            .header(header::ACCEPT, "application/json");
        if let Some(token) = call.bearer.or(self.bearer.as_deref()) {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(key) = call.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        if call.body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        request
            .body(Full::new(call.body.clone().unwrap_or_default()))
            .map_err(|_| ClientError::Request { method: call.method.clone(), path: call.path.to_owned() })
    }

    async fn connection(&mut self) -> Result<&mut SendRequest<Full<Bytes>>, ClientError> {
        let alive = match &mut self.connection {
            Some(connection) => connection.ready().await.is_ok(),
            None => false,
        };
        let open = match self.connection.take() {
            Some(connection) if alive => connection,
            Some(_) | None => self.open().await?,
        };
        Ok(self.connection.insert(open))
    }

    async fn open(&self) -> Result<SendRequest<Full<Bytes>>, ClientError> {
        let stream = self.endpoint.connect().await.map_err(|source| self.unconnected(source))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|source| self.unconnected(io::Error::other(source)))?;
        // It ends with the sender; what goes wrong on it is seen by the request under way.
        tokio::spawn(async move {
            drop(connection.await);
        });
        Ok(sender)
    }

    fn unconnected(&self, source: io::Error) -> ClientError {
        ClientError::Connect { authority: self.endpoint.authority.clone(), source }
    }
}

/// A problem document, or as much of it as there is.
fn refusal(status: StatusCode, body: &[u8], retry_after: Option<u64>) -> Refusal {
    #[derive(Deserialize)]
    struct Problem {
        code: String,
        #[serde(default)]
        detail: String,
    }
    let status = status.as_u16();
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) => Refusal { status, code: problem.code, detail: problem.detail, retry_after },
        Err(_) => Refusal { status, code: format!("http_{status}"), detail: String::new(), retry_after },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_http_with_a_host() -> Result<(), ClientError> {
        let plain: Endpoint = "http://127.0.0.1:8080".parse()?;
        assert_eq!((plain.authority(), plain.target("/live").as_str()), ("127.0.0.1:8080", "/live"));
        let below: Endpoint = "http://[::1]:9/shop/".parse()?;
        assert_eq!((below.host.as_str(), below.target("/live").as_str()), ("::1", "/shop/live"));
        let portless: Endpoint = "http://shop.example".parse()?;
        assert_eq!(portless.port, 80);
        Ok(())
    }

    #[test]
    fn any_other_address_says_what_is_wrong() {
        for (url, hint) in [
            ("https://shop.example", "TLS"),
            ("ftp://shop.example", "only http://"),
            ("127.0.0.1:8080", "http://"),
            ("http://admin:secret@shop.example", "password"),
            ("http://shop.example/?a=1", "query"),
            ("", "http://host:port"),
        ] {
            let message = url.parse::<Endpoint>().map_or_else(|error| error.to_string(), |it| it.to_string());
            assert!(message.contains(hint), "{url}: {message}");
        }
    }

    #[test]
    fn an_answer_that_is_no_problem_is_named_by_its_status() {
        let refused = refusal(StatusCode::BAD_GATEWAY, b"<html>", None);
        assert_eq!((refused.status, refused.code.as_str()), (502, "http_502"));
        let problem = br#"{"code":"sold_out","detail":"Nothing is left."}"#;
        let refused = refusal(StatusCode::CONFLICT, problem, Some(1));
        assert_eq!(refused.to_string(), "409 sold_out (Nothing is left.)");
    }
}
