//! A private NATS server with JetStream.

use std::{fs, path::PathBuf};

use tempfile::TempDir;
use tokio::{io::AsyncReadExt, net::TcpStream};

use crate::{
    eventually::eventually,
    process::{Process, bound_command, free_port, on_path},
};

/// A NATS server of its own that stops when dropped.
pub struct Nats {
    process: Option<Process>,
    program: PathBuf,
    port: u16,
    home: TempDir,
}

impl Nats {
    /// Starts a server with an empty JetStream store.
    pub async fn start() -> Self {
        let program = on_path("nats-server").expect("no nats-server on this machine: run tests/setup");
        let home = tempfile::Builder::new().prefix("stampede-nats-").tempdir().expect("a temporary folder");
        let mut server = Self { process: None, program, port: free_port(), home };
        server.launch().await;
        server
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
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
