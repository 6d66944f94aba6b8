//! A proxy between the shop and PostgreSQL that breaks the connection where it hurts.
//!
//! It understands just enough of the wire protocol to swallow the answer to a commit: the server
//! has committed, the shop sees a lost connection. sqlx names its prepared statements, so the text
//! of a statement passes only once, in `Parse`; the proxy remembers, per connection, which
//! statements and portals hold the marker. Answers are matched to requests by counting
//! `ReadyForQuery`, one of which ends every cycle of requests that `Sync` or `Query` closed.

use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::{AbortHandle, JoinSet},
};

/// A message longer than this is no message.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;

/// What the proxy does with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Pass,
    Refuse,
    BlackHole,
}

/// The text by which statements that are withheld are known, and how many of them are.
struct Withheld {
    marker: String,
    times: Times,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Times {
    Once,
    UntilPassed,
}

/// A proxy in front of one PostgreSQL server. It ends when dropped.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

struct Shared {
    mode: watch::Sender<Mode>,
    /// Grows when nothing is to go through any more on the connections of then.
    forsaken: watch::Sender<u64>,
    /// Grows when every connection is to be cut.
    cuts: watch::Sender<u64>,
    /// The marker whose next commit's answer is to be swallowed.
    armed: Mutex<Option<String>>,
    swallowed: watch::Sender<u64>,
    /// The marker whose statements are not to reach the server.
    withheld: Mutex<Option<Withheld>>,
    withholdings: watch::Sender<u64>,
    /// Connections that were closed at once.
    refusals: watch::Sender<u64>,
}

impl Proxy {
    /// Starts a proxy to the server on this port of the loopback interface.
    pub async fn start(upstream: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a loopback port is free");
        let port = listener.local_addr().expect("a listener has an address").port();
        let shared = Arc::new(Shared {
            mode: watch::Sender::new(Mode::Pass),
            forsaken: watch::Sender::new(0),
            cuts: watch::Sender::new(0),
            armed: Mutex::new(None),
            swallowed: watch::Sender::new(0),
            withheld: Mutex::new(None),
            withholdings: watch::Sender::new(0),
            refusals: watch::Sender::new(0),
        });
        let accepting = tokio::spawn(accept(listener, upstream, shared.clone())).abort_handle();
        Self { port, shared, accepting }
    }

    /// The URL of a database through the proxy.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://stampede@127.0.0.1:{}/{database}", self.port)
    }

    /// Arms the proxy: the next committed answer to a statement whose text holds `marker` is dropped
    /// and its connection cut.
    pub fn swallow_answer_to(&self, marker: &str) {
        *lock(&self.shared.armed) = Some(marker.to_owned());
    }

    /// Waits until `count` answers were swallowed since the start.
    pub async fn swallowed(&self, count: u64) {
        reaches(&self.shared.swallowed, count, "no committed answer was swallowed in time").await;
    }

    /// Arms the proxy: the next statement whose text holds `marker` does not reach the server, and
    /// its connection is cut.
    pub fn withhold(&self, marker: &str) {
        *lock(&self.shared.withheld) = Some(Withheld { marker: marker.to_owned(), times: Times::Once });
    }

    /// Like `withhold`, for every such statement until `pass`.
    pub fn withhold_all(&self, marker: &str) {
        let times = Times::UntilPassed;
        *lock(&self.shared.withheld) = Some(Withheld { marker: marker.to_owned(), times });
    }

    /// Waits until `count` statements were withheld since the start.
    pub async fn withheld(&self, count: u64) {
        reaches(&self.shared.withholdings, count, "no statement was withheld in time").await;
    }

    /// Lets everything through, which is also the start.
    pub fn pass(&self) {
        *lock(&self.shared.withheld) = None;
        self.shared.mode.send_replace(Mode::Pass);
    }

    /// Cuts every connection and closes new ones at once.
    pub fn refuse(&self) {
        self.shared.mode.send_replace(Mode::Refuse);
        self.cut();
    }

    /// Waits until `count` connections were closed at once since the start.
    pub async fn refused(&self, count: u64) {
        reaches(&self.shared.refusals, count, "no connection was refused in time").await;
    }

    /// Keeps every connection open and lets nothing through, either way, until `pass`.
    pub fn black_hole(&self) {
        self.shared.mode.send_replace(Mode::BlackHole);
    }

    /// Keeps the connections that are open now and never lets anything through on them again, as if the
    /// machine behind them had died without a word. New ones are let through, to the one in its place.
    pub fn forsake(&self) {
        self.shared.forsaken.send_modify(|forsaken| *forsaken += 1);
    }

    /// Cuts every connection that is open now.
    pub fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn reaches(counter: &watch::Sender<u64>, count: u64, otherwise: &str) {
    let mut counter = counter.subscribe();
    let enough = counter.wait_for(|counted| *counted >= count);
    let waited = tokio::time::timeout(crate::EVENTUALLY_MAX, enough).await;
    assert!(waited.is_ok(), "{otherwise}");
}

async fn accept(listener: TcpListener, upstream: u16, shared: Arc<Shared>) {
    // Dropped, and so cut, with this task.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let shared = shared.clone();
        connections.spawn(async move {
            let mut cuts = shared.cuts.subscribe();
            if *shared.mode.borrow() == Mode::Refuse {
                shared.refusals.send_modify(|refusals| *refusals += 1);
                return;
            }
            tokio::select! {
                // Either side closed, an answer was swallowed, or the test cuts.
                _ = relay(client, upstream, &shared) => {}
                _ = cuts.changed() => {}
            }
        });
    }
}

async fn relay(client: TcpStream, upstream: u16, shared: &Shared) -> io::Result<()> {
    let mut forsaken = shared.forsaken.subscribe();
    let server = TcpStream::connect(("127.0.0.1", upstream)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    greet(&mut from_client, &mut to_client, &mut to_server).await?;
    let dialogue = Mutex::new(Dialogue::default());
    tokio::select! {
        done = requests(&mut from_client, &mut to_server, &dialogue, shared) => return done,
        done = answers(&mut from_server, &mut to_client, &dialogue, shared) => return done,
        _ = forsaken.changed() => {}
    }
    // The server's side ends, and the client is left without a word.
    drop((from_server, to_server));
    std::future::pending().await
}

/// Passes the start-up message on; refuses encryption on the server's behalf.
async fn greet(
    from_client: &mut OwnedReadHalf,
    to_client: &mut OwnedWriteHalf,
    to_server: &mut OwnedWriteHalf,
) -> io::Result<()> {
    loop {
        let length = from_client.read_u32().await?;
        let body = read_body(from_client, length).await?;
        let code = body.first_chunk().map(|code| u32::from_be_bytes(*code));
        if matches!(code, Some(SSL_REQUEST | GSS_REQUEST)) {
            to_client.write_all(b"N").await?;
            continue;
        }
        to_server.write_u32(length).await?;
        return to_server.write_all(&body).await;
    }
}

/// What one connection has said so far.
#[derive(Default)]
struct Dialogue {
    /// The text of every prepared statement, by name.
    statements: HashMap<Vec<u8>, Vec<u8>>,
    /// The text behind every portal, by name.
    portals: HashMap<Vec<u8>, Vec<u8>>,
    /// The texts run in the cycle that no `Sync` has closed yet.
    open: Vec<Vec<u8>>,
    /// Closed cycles that the server has not answered yet.
    waiting: VecDeque<Vec<Vec<u8>>>,
    /// The texts run in the transaction so far, in cycles that were answered.
    transaction: Vec<Vec<u8>>,
    /// The answer to start-up ends with a `ReadyForQuery` of its own.
    started: bool,
}

impl Dialogue {
    fn request(&mut self, kind: u8, body: &[u8]) {
        match kind {
            b'P' => {
                let (name, rest) = text(body);
                self.statements.insert(name.to_vec(), text(rest).0.to_vec());
            }
            b'B' => {
                let (portal, rest) = text(body);
                let statement = self.statements.get(text(rest).0).cloned().unwrap_or_default();
                self.portals.insert(portal.to_vec(), statement);
            }
            b'E' => self.open.extend(self.portals.get(text(body).0).cloned()),
            b'Q' => {
                self.open.push(text(body).0.to_vec());
                self.waiting.push_back(std::mem::take(&mut self.open));
            }
            b'S' => self.waiting.push_back(std::mem::take(&mut self.open)),
            // Describe, Close, Flush and copy data run nothing.
            _ => {}
        }
    }

    /// Whether the cycle or transaction now being answered ran a statement with the marker.
    fn ran(&self, marker: &str) -> bool {
        let cycle = self.waiting.front().into_iter().flatten();
        cycle.chain(&self.transaction).any(|text| holds(text, marker))
    }

    /// Whether the request just noted runs a statement with the marker.
    fn runs(&self, kind: u8, marker: &str) -> bool {
        let text = match kind {
            b'E' => self.open.last(),
            b'Q' => self.waiting.back().and_then(|cycle| cycle.last()),
            _ => None,
        };
        text.is_some_and(|text| holds(text, marker))
    }

    /// The server ended a cycle, outside any transaction (`I`) or inside one.
    fn ready(&mut self, status: u8) {
        if !std::mem::replace(&mut self.started, true) {
            return;
        }
        let cycle = self.waiting.pop_front().unwrap_or_default();
        if status == b'I' {
            self.transaction.clear();
        } else {
            self.transaction.extend(cycle);
        }
    }
}

/// Returns, and so cuts the connection, when a statement is withheld.
async fn requests(
    client: &mut OwnedReadHalf,
    server: &mut OwnedWriteHalf,
    dialogue: &Mutex<Dialogue>,
    shared: &Shared,
) -> io::Result<()> {
    loop {
        let (kind, message) = read_message(client).await?;
        until_open(shared).await?;
        let runs = |marker: &str| {
            let mut dialogue = lock(dialogue);
            dialogue.request(kind, &message[5..]);
            dialogue.runs(kind, marker)
        };
        let withhold = {
            let mut withheld = lock(&shared.withheld);
            let marked = runs(withheld.as_ref().map_or("", |withheld| &withheld.marker));
            if marked {
                withheld.take_if(|withheld| withheld.times == Times::Once);
            }
            marked
        };
        if withhold {
            shared.withholdings.send_modify(|withholdings| *withholdings += 1);
            return Ok(());
        }
        server.write_all(&message).await?;
    }
}

/// Returns, and so cuts the connection, when an answer was swallowed.
async fn answers(
    server: &mut OwnedReadHalf,
    client: &mut OwnedWriteHalf,
    dialogue: &Mutex<Dialogue>,
    shared: &Shared,
) -> io::Result<()> {
    // Answers held back until it is known whether their cycle committed.
    let mut held = Vec::new();
    let mut failed = false;
    loop {
        let (kind, message) = read_message(server).await?;
        until_open(shared).await?;
        failed |= kind == b'E';
        held.extend_from_slice(&message);
        let marked = {
            let armed = lock(&shared.armed);
            armed.as_deref().is_some_and(|marker| lock(dialogue).ran(marker))
        };
        if kind == b'Z' {
            let status = message.get(5).copied().unwrap_or_default();
            let committed = marked && status == b'I' && !failed;
            // Of several connections with a marked answer, one takes the order.
            if committed && lock(&shared.armed).take().is_some() {
                shared.swallowed.send_modify(|swallowed| *swallowed += 1);
                return Ok(());
            }
            lock(dialogue).ready(status);
            failed = false;
        }
        if kind == b'Z' || !marked {
            client.write_all(&held).await?;
            held.clear();
        }
    }
}

/// Waits while the proxy is a black hole.
async fn until_open(shared: &Shared) -> io::Result<()> {
    let mut mode = shared.mode.subscribe();
    mode.wait_for(|mode| *mode != Mode::BlackHole).await.map(drop).map_err(io::Error::other)
}

/// A message's kind, and the whole of it.
async fn read_message(from: &mut (impl AsyncRead + Unpin)) -> io::Result<(u8, Vec<u8>)> {
    let kind = from.read_u8().await?;
    let length = from.read_u32().await?;
    let body = read_body(from, length).await?;
    let mut message = Vec::with_capacity(5 + body.len());
    message.push(kind);
    message.extend_from_slice(&length.to_be_bytes());
    message.extend_from_slice(&body);
    Ok((kind, message))
}

/// The rest of a message whose length field, which counts itself, was read.
async fn read_body(from: &mut (impl AsyncRead + Unpin), length: u32) -> io::Result<Vec<u8>> {
    let bytes = (length as usize).checked_sub(4).filter(|bytes| *bytes <= MESSAGE_BYTES_MAX);
    let mut body = vec![0; bytes.ok_or_else(|| io::Error::other("not a PostgreSQL message"))?];
    from.read_exact(&mut body).await?;
    Ok(body)
}

fn holds(text: &[u8], marker: &str) -> bool {
    let marker = marker.as_bytes();
    !marker.is_empty() && text.windows(marker.len()).any(|part| part == marker)
}

/// A text that ends in a zero byte, and what follows it.
fn text(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or_default())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
