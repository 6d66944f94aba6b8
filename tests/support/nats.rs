//! A private NATS server with JetStream.

use std::{fs, path::PathBuf};

use tempfile::TempDir;
use tokio::{io::AsyncReadExt, net::TcpStream};

use crate::{
    certificates::Certificates,
    eventually::eventually,
    process::{Process, bound_command, free_port, on_path},
    stampede::workspace,
};

/// Who a client is, where the roles of `deploy/nats/roles.conf` hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A node of the shop.
    Node,
    /// A program that reads events.
    Subscriber,
    /// Who watches.
    Operator,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 3] = [Role::Node, Role::Subscriber, Role::Operator];

    /// The user's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Role::Node => "node",
            Role::Subscriber => "subscriber",
            Role::Operator => "operator",
        }
    }

    /// The user's password. One of them would be a number if it were not quoted for the server.
    #[must_use]
    pub const fn password(self) -> &'static str {
        match self {
            Role::Node => "12e34",
            Role::Subscriber => "eleven-lamps",
            Role::Operator => "over-the-river",
        }
    }

    /// The beginning of the subjects on which it hears answers.
    #[must_use]
    pub const fn inbox(self) -> &'static str {
        match self {
            Role::Node => "_INBOX",
            Role::Subscriber => "_INBOX_subscriber",
            Role::Operator => "_INBOX_operator",
        }
    }

    /// The variable from which the server takes the password.
    const fn variable(self) -> &'static str {
        match self {
            Role::Node => "NATS_NODE_PASSWORD",
            Role::Subscriber => "NATS_SUBSCRIBER_PASSWORD",
            Role::Operator => "NATS_OPERATOR_PASSWORD",
        }
    }
}

/// Who is let in.
enum Door {
    Open,
    /// Whoever has a role of `deploy/nats/roles.conf` and its password.
    Roles,
    /// Whoever has a certificate, and through TLS only.
    Tls(Certificates),
}

/// A NATS server of its own that stops when dropped.
pub struct Nats {
    process: Option<Process>,
    program: PathBuf,
    port: u16,
    door: Door,
    home: TempDir,
}

impl Nats {
    /// Starts a server with an empty JetStream store that lets anybody in.
    pub async fn start() -> Self {
        Self::begin(Door::Open).await
    }

    /// Starts a server with an empty JetStream store under the roles that the product ships.
    pub async fn start_with_roles() -> Self {
        Self::begin(Door::Roles).await
    }

    /// Starts a server with an empty JetStream store that speaks TLS only, and only to those who show a
    /// certificate, too.
    pub async fn start_with_tls() -> Self {
        Self::begin(Door::Tls(Certificates::make())).await
    }

    async fn begin(door: Door) -> Self {
        let program = on_path("nats-server").expect("no nats-server on this machine: run tests/setup");
        let home = tempfile::Builder::new().prefix("stampede-nats-").tempdir().expect("a temporary folder");
        let mut server = Self { process: None, program, port: free_port(), door, home };
        server.launch().await;
        server
    }

    /// Its URL, which names no user.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if matches!(self.door, Door::Tls(_)) { "tls" } else { "nats" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// Its URL with the name and the password of a role.
    #[must_use]
    pub fn url_of(&self, role: Role) -> String {
        format!("nats://{}:{}@127.0.0.1:{}", role.name(), role.password(), self.port)
    }

    /// What nodes connect to: as the role that they have, if there are roles.
    #[must_use]
    pub fn url_of_nodes(&self) -> String {
        if matches!(self.door, Door::Roles) { self.url_of(Role::Node) } else { self.url() }
    }

    /// The certificates of a server that speaks TLS.
    #[must_use]
    pub fn certificates(&self) -> Option<&Certificates> {
        if let Door::Tls(certificates) = &self.door { Some(certificates) } else { None }
    }

    /// What it has logged since it was started last. The server must be up.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.as_ref().expect("a running server has a log").stderr()
    }

    /// SIGKILL.
    pub fn kill9(&mut self) {
        drop(self.process.take());
    }

    /// Forgets every stream, as a lost disk would. The server must be down.
    pub fn wipe(&self) {
        assert!(self.process.is_none(), "a running server holds its files open");
        // Missing when no stream was ever made.
        drop(fs::remove_dir_all(self.home.path().join("store")));
    }

    /// Starts it again on the same port and store; kills it first if it still runs.
    pub async fn restart(&mut self) {
        self.kill9();
        self.launch().await;
    }

    async fn launch(&mut self) {
        let mut command = bound_command(&self.program, "KILL");
        command.args(["--addr", "127.0.0.1", "--port", &self.port.to_string(), "--jetstream"]);
        command.arg("--store_dir").arg(self.home.path().join("store"));
        match &self.door {
            Door::Open => {}
            Door::Roles => {
                // The file is a whole configuration by itself; the arguments say the rest.
                command.arg("--config").arg(workspace().join("deploy/nats/roles.conf"));
                command.envs(Role::ALL.map(|role| (role.variable(), format!("\"{}\"", role.password()))));
            }
            Door::Tls(certificates) => {
                let [certificate, key] = certificates.server();
                command.arg("--tlsverify").arg("--tlscacert").arg(certificates.authority());
                command.arg("--tlscert").arg(certificate).arg("--tlskey").arg(key);
            }
        }
        self.process = Some(Process::start("nats", command, self.home.path()).expect("nats-server runs"));
        let port = self.port;
        eventually(move || greets(port), "NATS greets a client").await;
    }
}

async fn greets(port: u16) -> Option<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let mut greeting = [0; 4];
    stream.read_exact(&mut greeting).await.ok()?;
    (&greeting == b"INFO").then_some(())
}
