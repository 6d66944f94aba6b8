//! A private Redis server.

use std::path::PathBuf;

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    eventually::eventually,
    process::{Process, bound_command, free_port, on_path},
};

/// A Redis server of its own, in memory only, that stops when dropped.
pub struct Redis {
    process: Option<Process>,
    program: PathBuf,
    port: u16,
    home: TempDir,
}

impl Redis {
    /// Starts an empty server.
    pub async fn start() -> Self {
        let program = on_path("redis-server").expect("no redis-server on this machine: run tests/setup");
        let home = tempfile::Builder::new().prefix("stampede-redis-").tempdir().expect("a temporary folder");
        let mut server = Self { process: None, program, port: free_port(), home };
        server.launch().await;
        server
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// SIGKILL.
    pub fn kill9(&mut self) {
        drop(self.process.take());
    }

    /// Starts it again, empty, on the same port; kills it first if it still runs.
    pub async fn restart(&mut self) {
        self.kill9();
        self.launch().await;
    }

    async fn launch(&mut self) {
        let mut command = bound_command(&self.program, "KILL");
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string()]);
        command.args(["--save", "", "--appendonly", "no", "--dir"]).arg(self.home.path());
        self.process = Some(Process::start("redis", command, self.home.path()).expect("redis-server runs"));
        let port = self.port;
        eventually(move || answers(port), "Redis answers a ping").await;
    }
}

async fn answers(port: u16) -> Option<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    stream.write_all(b"PING\r\n").await.ok()?;
    let mut pong = [0; 5];
    stream.read_exact(&mut pong).await.ok()?;
    (&pong == b"+PONG").then_some(())
}
