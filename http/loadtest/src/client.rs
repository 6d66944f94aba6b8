//! What the command line asks of a running server: JSON over HTTP/1.1, with TLS where the address is
//! `https://`.
//!
//! hyper's pooled client does the work; here it learns what the product's answers mean, and its errors
//! become sentences. The load itself goes over [`crate::wire`].

use std::{error::Error, fmt, io, str::FromStr, time::Duration};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{HeaderMap, Method, Request, StatusCode, Uri, body::Bytes, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tokio_rustls::rustls::{self, CertificateError, RootCertStore};

use crate::tls::{self, TlsError};

/// The largest answer that is read.
const BODY_BYTES_MAX: usize = 64 << 20;
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Why there is no answer, or not the one that was hoped for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("`{url}` is not a usable server address: {cause}")]
    Url { url: String, cause: &'static str },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("no connection to {authority}: {cause}")]
    Connect { authority: String, cause: String },
    #[error("{authority} does not answer in TLS; perhaps http:// is meant")]
    NotTls { authority: String },
    #[error(
        "the certificate of {authority} is not trusted: no authority known here has signed it; \
         SSL_CERT_FILE may name a file with its authority's certificate"
    )]
    Untrusted { authority: String },
    #[error("the certificate of {authority} is not valid")]
    Certificate { authority: String, source: rustls::Error },
    #[error("{authority} does not answer in HTTP; perhaps https:// is meant")]
    NotHttp { authority: String },
    #[error("{method} {path} could not be written as a request")]
    Request { method: Method, path: String },
    #[error("{method} {path}: the connection was lost before the answer was complete: {cause}")]
    Lost { method: Method, path: String, cause: String },
    #[error("{method} {path}: no answer within {} s", TIMEOUT.as_secs())]
    Timeout { method: Method, path: String },
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
    encrypted: bool,
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
        let encrypted = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(_) => return Err(refuse("it must start with http:// or https://")),
            None => return Err(refuse("it lacks http:// or https:// in front")),
        };
        if uri.query().is_some() {
            return Err(refuse("it has a query"));
        }
        let authority = uri.authority().ok_or_else(|| refuse("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(refuse("it holds a user name or a password"));
        }
        Ok(Self {
            encrypted,
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(if encrypted { 443 } else { 80 }),
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

    /// Whether it is spoken to in TLS.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// The name or address of the machine, without the brackets of IPv6.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, also where the address leaves it out.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// That there is no connection, and why.
    pub(crate) fn unconnected(&self, cause: &dyn Error) -> ClientError {
        ClientError::Connect { authority: self.authority.clone(), cause: cause.to_string() }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.encrypted { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.base)
    }
}

/// A client of one server. Its clones share its connections, one for each request under way.
#[derive(Clone)]
pub struct Client {
    endpoint: Endpoint,
    http: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Client {
    /// A client of `endpoint`; it connects with the first request.
    ///
    /// # Errors
    /// When the endpoint is encrypted and no certificate authority is trusted here.
    pub fn new(endpoint: Endpoint) -> Result<Self, ClientError> {
        let authorities = if endpoint.encrypted { tls::authorities()? } else { RootCertStore::empty() };
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        // The scheme is checked by the connector around it.
        connector.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::config(authorities)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        Ok(Self { endpoint, http: legacy::Client::builder(TokioExecutor::new()).build(connector) })
    }

    /// The server that this client speaks to.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// GETs `path` as JSON, with an access token if there is one.
    ///
    /// # Errors
    /// Every variant of [`ClientError`]; an answer other than 2xx is `Refused`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str, token: Option<&str>) -> Result<T, ClientError> {
        self.json(Method::GET, path, token, Bytes::new()).await
    }

    /// POSTs `body` to `path` and reads the answer as JSON, with an access token if there is one.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        token: Option<&str>,
        body: &Value,
    ) -> Result<T, ClientError> {
        self.json(Method::POST, path, token, body.to_string().into()).await
    }

    async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Bytes,
    ) -> Result<T, ClientError> {
        let answer = tokio::time::timeout(TIMEOUT, self.exchange(&method, path, token, body)).await;
        let answer = answer.map_err(|_| ClientError::Timeout { method, path: path.to_owned() })??;
        serde_json::from_slice(&answer)
            .map_err(|source| ClientError::Decode { path: path.to_owned(), source })
    }

    async fn exchange(
        &self,
        method: &Method,
        path: &str,
        token: Option<&str>,
        body: Bytes,
    ) -> Result<Bytes, ClientError> {
        let mut request = Request::builder()
            .method(method.clone())
            .uri(format!("{}{path}", self.endpoint))
            .header(header::ACCEPT, "application/json");
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(Full::new(body))
            .map_err(|_| ClientError::Request { method: method.clone(), path: path.to_owned() })?;
        let lost = |cause: &dyn Error| ClientError::Lost {
            method: method.clone(),
            path: path.to_owned(),
            cause: cause.to_string(),
        };
        let response = self.http.request(request).await.map_err(|error| {
            let cause = root_cause(&error);
            let connecting = error.is_connect();
            self.known(cause)
                .unwrap_or_else(|| if connecting { self.endpoint.unconnected(cause) } else { lost(cause) })
        })?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
        let body = body.map_err(|error| lost(root_cause(&*error)))?.to_bytes();
        if head.status.is_success() {
            return Ok(body);
        }
        let refusal = refusal(head.status, &body, &head.headers);
        Err(ClientError::Refused { method: method.clone(), path: path.to_owned(), refusal })
    }

    /// What a person can act upon, of all that may go wrong below HTTP.
    fn known(&self, cause: &(dyn Error + 'static)) -> Option<ClientError> {
        let authority = self.endpoint.authority.clone();
        if cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            return Some(ClientError::NotHttp { authority });
        }
        let error = cause.downcast_ref::<rustls::Error>()?;
        if let rustls::Error::InvalidCertificate(why) = error {
            // The signature is bad where another authority has the same name.
            let untrusted = [CertificateError::UnknownIssuer, CertificateError::BadSignature];
            return Some(if untrusted.contains(why) {
                ClientError::Untrusted { authority }
            } else {
                ClientError::Certificate { authority, source: error.clone() }
            });
        }
        matches!(error, rustls::Error::InvalidMessage(_)).then_some(ClientError::NotTls { authority })
    }
}

/// The innermost error: what the libraries put around it says nothing to a person.
fn root_cause<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut cause = error;
    loop {
        // An IO error does not give the error that it wraps as its source.
        let wrapped = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let next = wrapped.map(|wrapped| wrapped as &(dyn Error + 'static)).or_else(|| cause.source());
        match next {
            Some(next) => cause = next,
            None => return cause,
        }
    }
}

/// A problem document, or as much of it as there is.
fn refusal(status: StatusCode, body: &[u8], headers: &HeaderMap) -> Refusal {
    #[derive(Deserialize)]
    struct Problem {
        code: String,
        #[serde(default)]
        detail: String,
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match serde_json::from_slice::<Problem>(body) {
        Ok(Problem { code, detail }) => Refusal { status: status.as_u16(), code, detail },
        Err(_) => Refusal {
            status: status.as_u16(),
            code: format!("http_{}", status.as_u16()),
            detail: text(header::LOCATION).map(|to| format!("it leads to {to}")).unwrap_or_default(),
        },
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    #[test]
    fn an_address_has_a_scheme_and_a_host() -> Result<(), ClientError> {
        let plain: Endpoint = "http://127.0.0.1:8080".parse()?;
        assert_eq!((plain.authority(), plain.target("/live").as_str()), ("127.0.0.1:8080", "/live"));
        let below: Endpoint = "http://[::1]:9/shop/".parse()?;
        assert_eq!((below.host(), below.target("/live").as_str()), ("::1", "/shop/live"));
        for (url, encrypted, port) in
            [("http://shop.example", false, 80), ("https://shop.example", true, 443)]
        {
            let portless: Endpoint = url.parse()?;
            assert_eq!((portless.is_encrypted(), portless.port()), (encrypted, port));
            assert_eq!(portless.to_string(), url);
        }
        Ok(())
    }

    #[test]
    fn any_other_address_says_what_is_wrong() {
        for (url, hint) in [
            ("ftp://shop.example", "http:// or https://"),
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
        let mut headers = HeaderMap::new();
        let refused = refusal(StatusCode::BAD_GATEWAY, b"<html>", &headers);
        assert_eq!((refused.status, refused.code.as_str()), (502, "http_502"));
        let problem = br#"{"code":"sold_out","detail":"Nothing is left."}"#;
        let refused = refusal(StatusCode::CONFLICT, problem, &headers);
        assert_eq!(refused.to_string(), "409 sold_out (Nothing is left.)");
        headers.insert(header::LOCATION, header::HeaderValue::from_static("https://shop.example/"));
        let elsewhere = refusal(StatusCode::MOVED_PERMANENTLY, b"", &headers);
        assert_eq!(elsewhere.to_string(), "301 http_301 (it leads to https://shop.example/)");
    }

    /// What a client says about a server that answers every connection with `bytes` and closes it.
    async fn told_of(bytes: &'static [u8]) -> Result<String, Box<dyn Error>> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let client = Client::new(format!("http://{}", listener.local_addr()?).parse()?)?;
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await?;
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut request).await?;
            }
            stream.write_all(bytes).await
        });
        let answer = client.get::<Value>("/live", None).await;
        serving.await??;
        Ok(answer.map_or_else(|error| error.to_string(), |answer| answer.to_string()))
    }

    #[tokio::test]
    async fn what_goes_wrong_below_http_is_one_clear_sentence() -> Result<(), Box<dyn Error>> {
        for (bytes, told) in [
            (&b"SSH-2.0-OpenSSH_9.9\r\n"[..], "does not answer in HTTP; perhaps https:// is meant"),
            (b"", "GET /live: the connection was lost"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "before the answer was complete"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "{}"),
        ] {
            let message = told_of(bytes).await?;
            assert!(message.contains(told), "{message}");
        }
        let closed = TcpListener::bind(("127.0.0.1", 0)).await?.local_addr()?;
        let client = Client::new(format!("http://{closed}").parse()?)?;
        let Err(error) = client.get::<Value>("/live", None).await else {
            return Err("nobody answered".into());
        };
        let message = error.to_string();
        assert!(message.starts_with(&format!("no connection to {closed}: Connection refused")), "{message}");
        Ok(())
    }
}
