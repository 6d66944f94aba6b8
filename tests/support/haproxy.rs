//! The balancer that the product ships, in front of a cluster.

use std::{collections::HashMap, fs};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use crate::{
    client::Client,
    cluster::{Cluster, node_name},
    eventually::eventually,
    process::{Process, bound_command, free_port, on_path},
    stampede::{Stampede, workspace},
};

/// What the balancer listens on, and what it calls its servers, in `deploy/haproxy/haproxy.cfg`.
const SHIPPED_BIND: &str = "bind :8080";
const BACKEND: &str = "nodes";
/// Instead of what the file says: not every machine lets a process open two files for each of those.
const CONNECTIONS_MAX: &str = "1000";

/// A HAProxy of its own that stops when dropped.
pub struct Balancer {
    process: Process,
    port: u16,
    home: TempDir,
}

/// How one server stands with the balancer.
struct Standing {
    up: bool,
    /// Requests that were sent to it so far.
    requests: u64,
}

impl Balancer {
    /// Starts one in front of these nodes, by the file that the product ships.
    pub async fn before(cluster: &Cluster) -> Self {
        let program = on_path("haproxy").expect("no haproxy on this machine: run tests/setup");
        let home =
            tempfile::Builder::new().prefix("stampede-haproxy-").tempdir().expect("a temporary folder");
        let port = free_port();
        let file = |name: &str| home.path().join(name);
        let shipped = workspace().join("deploy/haproxy/haproxy.cfg");
        let shipped = fs::read_to_string(shipped).expect("the balancer's file can be read");
        let addresses: Vec<&str> = (0..cluster.len()).map(|node| address(cluster.node(node))).collect();
        fs::write(file("haproxy.cfg"), at_home(&shipped, port, &addresses)).expect("a file can be written");
        // A file of its own, read after the other: the tests ask how the servers stand, nothing else.
        let control = format!("global\n    stats socket {} level user\n", file("control").display());
        fs::write(file("control.cfg"), control).expect("a file can be written");
        let mut command = bound_command(&program, "KILL");
        command.args(["-db", "-n", CONNECTIONS_MAX]);
        command.arg("-f").arg(file("haproxy.cfg")).arg("-f").arg(file("control.cfg"));
        let process = Process::start("haproxy", command, home.path()).expect("haproxy runs");
        let mut balancer = Self { process, port, home };
        balancer.comes_up().await;
        balancer
    }

    async fn comes_up(&mut self) {
        let client = self.client();
        let up = || {
            assert!(self.process.ended().is_none(), "the balancer refuses its file");
            let ready = client.request(hyper::Method::GET, "/ready").try_send();
            async { ready.await.is_ok_and(|ready| ready.status == 200).then_some(()) }
        };
        eventually(up, "the balancer lets requests through").await;
        let said = self.process.stderr();
        assert!(!["[ALERT]", "[WARNING]"].iter().any(|label| said.contains(label)), "{said}");
    }

    /// A client without a token, of whichever node.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(&format!("http://127.0.0.1:{}", self.port))
    }

    /// The same user as a client of whichever node.
    #[must_use]
    pub fn at(&self, user: &Client) -> Client {
        self.client().with_token(user.token().expect("a user has a token"))
    }

    /// Waits until it sends no request to a node.
    pub async fn leaves_out(&self, node: usize) {
        let out = || async { (!self.standing(node).await.up).then_some(()) };
        eventually(out, "the balancer leaves a node out").await;
    }

    /// Waits until it sends requests to a node, for which somebody must go on sending them.
    pub async fn sends_to(&self, node: usize) {
        let before = self.standing(node).await.requests;
        let more = || async {
            let now = self.standing(node).await;
            (now.up && now.requests > before).then_some(())
        };
        eventually(more, "the balancer sends requests to a node").await;
    }

    async fn standing(&self, node: usize) -> Standing {
        let table = self.ask("show stat -1 4 -1").await;
        let mut lines = table.trim_start_matches("# ").lines().map(|line| line.split(','));
        let names: Vec<&str> = lines.next().expect("a line of names").collect();
        let rows = lines.map(|row| names.iter().copied().zip(row).collect::<HashMap<_, _>>());
        let name = node_name(node);
        let of_node = |row: &HashMap<&str, &str>| row["pxname"] == BACKEND && row["svname"] == name;
        let Some(row) = rows.into_iter().find(of_node) else { panic!("no {name} in {table}") };
        let requests = row["stot"].parse().expect("a count");
        Standing { up: row["status"].starts_with("UP"), requests }
    }

    /// Asks a question on the socket for operators.
    async fn ask(&self, question: &str) -> String {
        let mut stream = UnixStream::connect(self.home.path().join("control")).await.expect("it is there");
        stream.write_all(format!("{question}\n").as_bytes()).await.expect("the balancer reads a question");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("the balancer answers");
        answer
    }
}

/// `host:port` of a node.
fn address(node: &Stampede) -> &str {
    node.url().trim_start_matches("http://")
}

/// The shipped file with other addresses and nothing else changed. Its resolver finds nothing to
/// resolve among them.
fn at_home(shipped: &str, port: u16, nodes: &[&str]) -> String {
    let mut text = shipped.to_owned();
    let mut replace = |what: &str, by: &str| {
        let times = text.lines().filter(|line| line.trim() == what).count();
        assert_eq!(times, 1, "`{what}` stands once in the balancer's file");
        text = text.replace(what, by);
    };
    replace(SHIPPED_BIND, &format!("bind 127.0.0.1:{port}"));
    for (node, address) in nodes.iter().enumerate() {
        let name = node_name(node);
        replace(&format!("server {name} {name}:8080"), &format!("server {name} {address}"));
    }
    let servers = text.lines().filter(|line| line.trim().starts_with("server ")).count();
    assert_eq!(servers, nodes.len(), "the balancer's file has as many servers as there are nodes");
    text
}
