//! One connection of the load: writes bytes that are ready to go and reads the answer in place.
//!
//! hyper's client allocates a header map and switches between two tasks for every request, which
//! was measured to cost a third more processor time than this: time that a server on the same cores
//! does not get. Here a request is one write and, as a rule, one read; `httparse` finds the few headers
//! that matter. Where the server's address is `https://`, the same goes through TLS.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream, rustls::pki_types::ServerName};
use tokio_util::either::Either;

use crate::{
    client::{ClientError, Endpoint},
    tls,
};

/// Bytes that the buffer of a connection starts with: a usual answer fits.
const BUFFER_BYTES: usize = 4 << 10;
/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Headers of one answer.
const HEADERS_MAX: usize = 64;
/// How long opening a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What the load test reads of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer<'a> {
    pub status: u16,
    /// The server said that this is an earlier answer again.
    pub replayed: bool,
    pub body: &'a [u8],
}

/// Why no answer was read. Whether the server acted on the request is not known, except for
/// `Unsent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// No connection, so nothing was sent.
    Unsent,
    /// The connection ended before the answer did.
    Closed,
    /// No whole answer in time.
    Late,
    /// What came was no HTTP/1.1 answer, or too large.
    Garbled,
}

impl Lost {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unsent => "connect_failed",
            Self::Closed => "connection_lost",
            Self::Late => "timed_out",
            Self::Garbled => "garbled_answer",
        }
    }
}

/// Where the connections of a load lead: resolved once, so that opening them asks no name server.
pub(super) struct Target {
    address: SocketAddr,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

impl Target {
    /// Finds an address of `endpoint` that takes connections.
    pub(super) async fn of(endpoint: &Endpoint) -> Result<Self, ClientError> {
        let stream = TcpStream::connect((endpoint.host(), endpoint.port())).await;
        let address = stream.and_then(|stream| stream.peer_addr());
        let address = address.map_err(|error| endpoint.unconnected(&error))?;
        let tls = if endpoint.is_encrypted() {
            let name = ServerName::try_from(endpoint.host().to_owned());
            let name = name.map_err(|error| endpoint.unconnected(&error))?;
            let config = tls::config(tls::authorities()?)?;
            Some((TlsConnector::from(Arc::new(config)), name))
        } else {
            None
        };
        Ok(Self { address, tls })
    }

    async fn connect(&self) -> io::Result<Stream> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(match &self.tls {
            None => Either::Left(stream),
            Some((tls, name)) => Either::Right(Box::new(tls.connect(name.clone(), stream).await?)),
        })
    }
}

/// A keep-alive connection to one target, opened again when it is gone.
pub(super) struct Wire<'a> {
    target: &'a Target,
    stream: Option<Stream>,
    buffer: Vec<u8>,
}

impl<'a> Wire<'a> {
    pub(super) fn new(target: &'a Target) -> Self {
        Self { target, stream: None, buffer: vec![0; BUFFER_BYTES] }
    }

    /// Opens the connection unless it is open. Says whether it had to.
    pub(super) async fn connect(&mut self) -> io::Result<bool> {
        if self.is_open() {
            return Ok(false);
        }
        self.stream = Some(tokio::time::timeout(CONNECT_TIMEOUT, self.target.connect()).await??);
        Ok(true)
    }

    /// Sends `request` and waits for its answer.
    pub(super) async fn exchange(&mut self, request: &[u8], patience: Duration) -> Result<Answer<'_>, Lost> {
        if self.connect().await.is_err() {
            return Err(Lost::Unsent);
        }
        let Some(stream) = &mut self.stream else { return Err(Lost::Unsent) };
        let talk = talk(stream, &mut self.buffer, request);
        let read = match tokio::time::timeout(patience, talk).await {
            Ok(read) => read,
            Err(_) => Err(Lost::Late),
        };
        match read {
            Ok(head) => {
                if head.close {
                    self.stream = None;
                }
                let body = &self.buffer[head.length..head.length + head.body];
                Ok(Answer { status: head.status, replayed: head.replayed, body })
            }
            Err(lost) => {
                self.stream = None;
                Err(lost)
            }
        }
    }

    /// Whether the connection is there. One that the server closed while it was idle is noticed
    /// here and not at the next buyer's cost; without news from the kernel this is no system call.
    fn is_open(&mut self) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        // Between two answers there is nothing to read but the end: what TLS exchanges by itself is not
        // passed on.
        let mut context = Context::from_waker(Waker::noop());
        match Pin::new(stream).poll_read(&mut context, &mut ReadBuf::new(&mut self.buffer)) {
            Poll::Pending => true,
            Poll::Ready(_) => {
                self.stream = None;
                false
            }
        }
    }
}

/// The head of an answer: where its body lies in the buffer, and what matters of its headers.
#[derive(Debug, Clone, Copy)]
struct Head {
    status: u16,
    length: usize,
    framing: Framing,
    /// Bytes of the body, once it is whole.
    body: usize,
    replayed: bool,
    close: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
    UntilClosed,
}

async fn talk(stream: &mut Stream, buffer: &mut Vec<u8>, request: &[u8]) -> Result<Head, Lost> {
    stream.write_all(request).await.map_err(|_| Lost::Closed)?;
    stream.flush().await.map_err(|_| Lost::Closed)?;
    let (mut filled, mut head) = (0, None);
    loop {
        if filled == buffer.len() {
            if filled >= ANSWER_BYTES_MAX {
                return Err(Lost::Garbled);
            }
            buffer.resize(filled * 2, 0);
        }
        let read = stream.read(&mut buffer[filled..]).await.map_err(|_| Lost::Closed)?;
        filled += read;
        if head.is_none() {
            head = parse_head(buffer, &mut filled)?;
        }
        if let Some(mut found) = head
            && let Some(body) = whole_body(&found, buffer, filled, read == 0)?
        {
            found.body = body;
            return Ok(found);
        }
        if read == 0 {
            return Err(Lost::Closed);
        }
    }
}

/// The head, once it is whole. Interim answers (1xx) are taken out of the buffer.
fn parse_head(buffer: &mut [u8], filled: &mut usize) -> Result<Option<Head>, Lost> {
    loop {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let length = match response.parse(&buffer[..*filled]) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(Lost::Garbled),
        };
        let status = response.code.unwrap_or_default();
        if (100..200).contains(&status) {
            buffer.copy_within(length..*filled, 0);
            *filled -= length;
            continue;
        }
        let mut head = Head {
            status,
            length,
            framing: Framing::UntilClosed,
            body: 0,
            replayed: false,
            close: response.version != Some(1),
        };
        for header in response.headers.iter() {
            note_header(&mut head, header)?;
        }
        if matches!(status, 204 | 304) {
            head.framing = Framing::Length(0);
        }
        head.close |= head.framing == Framing::UntilClosed;
        return Ok(Some(head));
    }
}

fn note_header(head: &mut Head, header: &httparse::Header<'_>) -> Result<(), Lost> {
    // By length first: an answer carries a dozen headers that do not matter here.
    match header.name.len() {
        14 if header.name.eq_ignore_ascii_case("content-length") => {
            let text = std::str::from_utf8(header.value).map_err(|_| Lost::Garbled)?;
            let length = text.trim().parse().map_err(|_| Lost::Garbled)?;
            if head.framing != Framing::Chunked {
                head.framing = Framing::Length(length);
            }
        }
        17 if header.name.eq_ignore_ascii_case("transfer-encoding") => {
            head.framing = Framing::Chunked;
        }
        10 if header.name.eq_ignore_ascii_case("connection") => {
            head.close |= header.value.eq_ignore_ascii_case(b"close");
        }
        19 if header.name.eq_ignore_ascii_case("idempotent-replayed") => {
            head.replayed = header.value.eq_ignore_ascii_case(b"true");
        }
        _ => {}
    }
    Ok(())
}

/// The body's length once it is all there; a chunked body is joined in place.
fn whole_body(head: &Head, buffer: &mut [u8], filled: usize, ended: bool) -> Result<Option<usize>, Lost> {
    let there = filled - head.length;
    match head.framing {
        Framing::Length(length) if length > ANSWER_BYTES_MAX => Err(Lost::Garbled),
        Framing::Length(length) => Ok((there >= length).then_some(length)),
        Framing::UntilClosed => Ok(ended.then_some(there)),
        Framing::Chunked => join_chunks(&mut buffer[head.length..filled]),
    }
}

/// Joins the chunks of a whole chunked body at its front. A body that is not whole is left as it
/// is; its chunks are walked again when more has come, which only a proxy's rare long answer pays.
fn join_chunks(body: &mut [u8]) -> Result<Option<usize>, Lost> {
    let mut chunks = Vec::new();
    let mut at = 0;
    loop {
        let (line, size) = match httparse::parse_chunk_size(&body[at..]) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(Lost::Garbled),
        };
        let size =
            usize::try_from(size).ok().filter(|size| *size <= ANSWER_BYTES_MAX).ok_or(Lost::Garbled)?;
        let start = at + line;
        if size == 0 {
            // Trailers end with an empty line.
            let rest = &body[start..];
            let ended = rest.starts_with(b"\r\n") || rest.windows(4).any(|end| end == b"\r\n\r\n");
            if !ended {
                return Ok(None);
            }
            break;
        }
        if body.len() < start + size + 2 {
            return Ok(None);
        }
        chunks.push(start..start + size);
        at = start + size + 2;
    }
    let mut length = 0;
    for chunk in chunks {
        let size = chunk.len();
        body.copy_within(chunk, length);
        length += size;
    }
    Ok(Some(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds an answer byte by byte, as the worst network would.
    fn read(answer: &[u8]) -> Result<Option<(u16, bool, bool, String)>, Lost> {
        let mut buffer = Vec::new();
        let (mut filled, mut head) = (0, None);
        for (sent, byte) in answer.iter().enumerate() {
            buffer.truncate(filled);
            buffer.push(*byte);
            filled += 1;
            if head.is_none() {
                head = parse_head(&mut buffer, &mut filled)?;
            }
            let ended = sent + 1 == answer.len();
            if let Some(found) = head
                && let Some(length) = whole_body(&found, &mut buffer, filled, ended)?
            {
                let body = String::from_utf8_lossy(&buffer[found.length..found.length + length]).into_owned();
                return Ok(Some((found.status, found.replayed, found.close, body)));
            }
        }
        Ok(None)
    }

    #[test]
    fn answers_are_read_however_they_are_framed() {
        for (answer, status, replayed, close, body) in [
            (
                "HTTP/1.1 201 Created\r\nContent-Length: 2\r\nIdempotent-Replayed: true\r\n\r\n{}",
                201,
                true,
                false,
                "{}",
            ),
            (
                "HTTP/1.1 409 Conflict\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}",
                409,
                false,
                true,
                "{}",
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{\"\r\n3;x=y\r\na\":\r\n2\r\n1}\r\n0\r\n\r\n",
                200,
                false,
                false,
                "{\"a\":1}",
            ),
            ("HTTP/1.1 200 OK\r\n\r\n{}", 200, false, true, "{}"),
            ("HTTP/1.1 204 No Content\r\n\r\n", 204, false, false, ""),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
                201,
                false,
                false,
                "",
            ),
        ] {
            assert_eq!(
                read(answer.as_bytes()),
                Ok(Some((status, replayed, close, body.to_owned()))),
                "{answer}"
            );
        }
    }

    #[test]
    fn what_is_no_answer_is_garbled() {
        for answer in ["SSH-2.0-OpenSSH\r\n", "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"] {
            assert_eq!(read(answer.as_bytes()), Err(Lost::Garbled), "{answer}");
        }
        assert_eq!(read(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"), Ok(None), "half an answer");
    }
}
