//! A JSON client that shows everything that came back.

use std::{
    fmt::{self, Write as _},
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1::{SendRequest, handshake},
    header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue},
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};

/// How long one answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Connections that `open` has under way at once, so that no queue of the kernel's runs over.
const CONNECTS_MAX: usize = 256;

/// An open connection.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Moves its bytes; ends with it.
    driver: JoinHandle<()>,
}

impl Connection {
    /// A request that is handed over in the very moment in which the connection ends can be left lying
    /// between the two: neither answered nor refused. So the driver's end ends the wait.
    async fn send(&mut self, request: hyper::Request<Full<Bytes>>) -> Result<Response<Incoming>, Lost> {
        let sending = self.sender.send_request(request);
        tokio::select! {
            biased;
            answer = sending => answer.map_err(Lost::Broken),
            _ = &mut self.driver => Err(Lost::Ended),
        }
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Lost {
    /// No connection: the request never left.
    Unsent(io::Error),
    /// The connection broke: the outcome is not known.
    Broken(hyper::Error),
    /// The connection ended while the request was handed to it: the outcome is not known.
    Ended,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lost::Unsent(error) => write!(f, "no connection: {error}"),
            Lost::Ended => f.write_str("the connection ended"),
            Lost::Broken(error) => {
                write!(f, "the connection broke: {error}")?;
                std::error::Error::source(error).map_or(Ok(()), |cause| write!(f, ": {cause}"))
            }
        }
    }
}

/// A client of one server, with or without a token. Clones share their connections.
#[derive(Clone)]
pub struct Client {
    address: Arc<str>,
    token: Option<Arc<str>>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

/// A request under construction.
pub struct Request {
    client: Client,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Every header.
    pub headers: HeaderMap,
    /// The body as it came.
    pub body: Bytes,
    /// The body as JSON; null when it is none.
    pub json: Value,
    /// The request, for a failure's message.
    asked: String,
}

impl Client {
    /// A client of the server at `url`, such as `http://127.0.0.1:8080`, without a token.
    #[must_use]
    pub fn new(url: &str) -> Self {
        let address = url.trim_start_matches("http://").trim_end_matches('/');
        Self { address: address.into(), token: None, idle: Arc::default() }
    }

    /// The same with a bearer token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    /// The token it sends.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The server's `host:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A request with nothing but the token.
    #[must_use]
    pub fn request(&self, method: Method, path: &str) -> Request {
        let request = Request {
            client: self.clone(),
            method,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        };
        let request = request.header(HOST.as_str(), &self.address);
        match &self.token {
            Some(token) => request.header(AUTHORIZATION.as_str(), &format!("Bearer {token}")),
            None => request,
        }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Reply {
        self.request(Method::GET, path).send().await
    }

    /// POST with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.request(Method::POST, path).json(body).send().await
    }

    /// PUT with a JSON body.
    pub async fn put(&self, path: &str, body: &Value) -> Reply {
        self.request(Method::PUT, path).json(body).send().await
    }

    /// PATCH with a JSON body.
    pub async fn patch(&self, path: &str, body: &Value) -> Reply {
        self.request(Method::PATCH, path).json(body).send().await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Reply {
        self.request(Method::DELETE, path).send().await
    }

    /// DELETE with a JSON body.
    pub async fn delete_with(&self, path: &str, body: &Value) -> Reply {
        self.request(Method::DELETE, path).json(body).send().await
    }

    /// Sends these bytes as they are on a connection of their own, and reads until the server closes
    /// it or has sent one whole answer. `None` when it closes without one.
    pub async fn raw(&self, bytes: &[u8]) -> Option<Reply> {
        let talk = async {
            let mut stream =
                TcpStream::connect(&*self.address).await.expect("the server accepts a connection");
            // A server that has seen enough may close before it has read everything.
            drop(stream.write_all(bytes).await);
            let mut answer = Vec::new();
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = stream.read(&mut chunk).await {
                answer.extend_from_slice(&chunk[..read]);
                if let Some(reply) = parse(&answer, false) {
                    return Some(reply);
                }
            }
            parse(&answer, true)
        };
        tokio::time::timeout(ANSWER_MAX, talk).await.expect("the server answers or closes")
    }

    /// Opens so many connections ahead of the requests that will share them. Each asks for something
    /// at once: a server hangs up on those who say nothing.
    pub async fn open(&self, connections: usize) -> Result<(), Lost> {
        let opening = (0..connections).map(|_| async {
            let mut connection = self.connect().await?;
            let request = self.request(Method::GET, "/live").into_message();
            let answer = connection.send(request).await?;
            answer.into_body().collect().await.map_err(Lost::Broken)?;
            Ok(connection)
        });
        let opened: Vec<_> = stream::iter(opening).buffer_unordered(CONNECTS_MAX).try_collect().await?;
        opened.into_iter().for_each(|connection| self.keep(connection));
        Ok(())
    }

    fn keep(&self, connection: Connection) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }

    async fn connection(&self) -> Result<Connection, Lost> {
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(mut connection) = idle else { break };
            if connection.sender.ready().await.is_ok() {
                return Ok(connection);
            }
        }
        self.connect().await
    }

    async fn connect(&self) -> Result<Connection, Lost> {
        let stream = TcpStream::connect(&*self.address).await.map_err(Lost::Unsent)?;
        // Without it every request would wait for the delayed acknowledgement of the one before.
        stream.set_nodelay(true).map_err(Lost::Unsent)?;
        let (sender, driver) = handshake(TokioIo::new(stream)).await.map_err(Lost::Broken)?;
        // What goes wrong on it is seen by the request under way.
        let driver = tokio::spawn(async move { drop(driver.await) });
        Ok(Connection { sender, driver })
    }
}

impl Request {
    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
        self.headers.insert(name, HeaderValue::from_str(value).expect("a header's value"));
        self
    }

    /// Adds an `Idempotency-Key`.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// Sets a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.bytes("application/json", body.to_string())
    }

    /// Sets a body as it is.
    #[must_use]
    pub fn bytes(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header(CONTENT_TYPE.as_str(), content_type)
    }

    /// Sends it and reads the whole answer. Panics when there is none.
    pub async fn send(self) -> Reply {
        let asked = format!("{} {}", self.method, self.path);
        match self.try_send().await {
            Ok(reply) => reply,
            Err(lost) => panic!("{asked}: no answer: {lost}"),
        }
    }

    fn into_message(self) -> hyper::Request<Full<Bytes>> {
        let mut request = hyper::Request::new(Full::new(self.body));
        *request.method_mut() = self.method;
        *request.uri_mut() = self.path.parse().expect("a path");
        *request.headers_mut() = self.headers;
        request
    }

    /// Sends it on a connection of its own and reads nothing of the answer. Dropping the connection
    /// loses that answer.
    pub async fn unanswered(self) -> io::Result<TcpStream> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            let value = value.to_str().map_err(io::Error::other)?;
            write!(head, "{name}: {value}\r\n").map_err(io::Error::other)?;
        }
        write!(head, "content-length: {}\r\n\r\n", self.body.len()).map_err(io::Error::other)?;
        let mut stream = TcpStream::connect(&*self.client.address).await?;
        stream.write_all(&[head.as_bytes(), &self.body].concat()).await?;
        Ok(stream)
    }

    /// Sends it; an error says why there is no answer.
    pub async fn try_send(self) -> Result<Reply, Lost> {
        let asked = format!("{} {}", self.method, self.path);
        let client = self.client.clone();
        let request = self.into_message();
        let exchange = async {
            let mut connection = client.connection().await?;
            let (head, body) = connection.send(request).await?.into_parts();
            let body = body.collect().await.map_err(Lost::Broken)?.to_bytes();
            client.keep(connection);
            Ok(Reply::new(head.status, head.headers, body, asked.clone()))
        };
        match tokio::time::timeout(ANSWER_MAX, exchange).await {
            Ok(answer) => answer,
            Err(_) => panic!("{asked}: no answer within {ANSWER_MAX:?}"),
        }
    }
}

impl Reply {
    fn new(status: StatusCode, headers: HeaderMap, body: Bytes, asked: String) -> Self {
        let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Self { status: status.as_u16(), headers, body, json, asked }
    }

    /// A header's text, empty when missing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The JSON body of an answer that must have this status.
    #[track_caller]
    pub fn ok(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{} answered {}", self.asked, self.text());
        self.json
    }

    /// The JSON body of a purchase that must have been accepted: 201, or 202 while its order is on its
    /// way.
    #[track_caller]
    pub fn bought(self) -> Value {
        let status = if self.status == 202 { 202 } else { 201 };
        self.ok(status)
    }

    /// A text member of the JSON body.
    #[track_caller]
    #[must_use]
    pub fn str(&self, member: &str) -> &str {
        match self.json[member].as_str() {
            Some(text) => text,
            None => panic!("{}: no text `{member}` in {}", self.asked, self.text()),
        }
    }

    /// The problem document of a refusal that must have this status and code, and every member that
    /// the contract promises.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Value {
        let text = self.text();
        let said = format!("{} answered {} {text}", self.asked, self.status);
        assert_eq!((self.status, self.json["code"].as_str()), (status, Some(code)), "{said}");
        assert!(self.header("content-type").starts_with("application/problem+json"), "{said}");
        assert_eq!(self.json["status"].as_u64(), Some(u64::from(status)), "{said}");
        let page = self.json["type"].as_str().unwrap_or_default();
        assert!(page.ends_with(&format!("/problems/{code}")), "{said}");
        for member in ["title", "detail", "request_id"] {
            assert!(self.json[member].as_str().is_some_and(|text| !text.is_empty()), "no `{member}`: {said}");
        }
        assert_eq!(self.json["request_id"].as_str(), Some(self.header("x-request-id")), "{said}");
        self.json
    }
}

/// An HTTP/1.1 answer from its bytes, if all of it is there; `closed` says that no more will come.
fn parse(bytes: &[u8], closed: bool) -> Option<Reply> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':')?;
        headers
            .append(HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value.trim()).ok()?);
    }
    let body = &bytes[end + 4..];
    let length = headers.get("content-length").and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let whole = closed || length.is_some_and(|length| body.len() >= length);
    let status = StatusCode::from_u16(status).ok()?;
    whole.then(|| Reply::new(status, headers, Bytes::copy_from_slice(body), "raw bytes".to_owned()))
}
