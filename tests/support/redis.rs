//! A private Redis server.

use std::{fmt::Write as _, path::PathBuf, process::Command};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use crate::{
    certificates::Certificates,
    eventually::eventually,
    process::{Process, bound_command, free_port, on_path},
};

/// The only user of a server with TLS, and its password as it stands in a URL.
const USER: &str = "shop";
const PASSWORD: &str = "c%40rp+river";
/// The same password as it is.
const PASSWORD_DECODED: &str = "c@rp+river";

/// A Redis server of its own, in memory only, that stops when dropped.
pub struct Redis {
    process: Option<Process>,
    program: PathBuf,
    port: u16,
    /// It speaks TLS, if it has any.
    certificates: Option<Certificates>,
    home: TempDir,
}

impl Redis {
    /// Starts an empty server.
    pub async fn start() -> Self {
        Self::begin(None).await
    }

    /// Starts an empty server that speaks TLS only, with a certificate of [`Redis::authority`], and
    /// answers one user only.
    pub async fn start_with_tls() -> Self {
        Self::begin(Some(Certificates::make())).await
    }

    async fn begin(certificates: Option<Certificates>) -> Self {
        let program = on_path("redis-server").expect("no redis-server on this machine: run tests/setup");
        let home = tempfile::Builder::new().prefix("stampede-redis-").tempdir().expect("a temporary folder");
        let mut server = Self { process: None, program, port: free_port(), certificates, home };
        server.launch().await;
        server
    }

    /// Its URL, with the user and the password, if it has them.
    #[must_use]
    pub fn url(&self) -> String {
        if self.certificates.is_some() {
            format!("rediss://{USER}:{PASSWORD}@127.0.0.1:{}/0", self.port)
        } else {
            format!("redis://127.0.0.1:{}", self.port)
        }
    }

    /// The file of the authority that signed its certificate. The server must speak TLS.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.certificates.as_ref().expect("a server that speaks TLS has a certificate").authority()
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

    /// Sends one command, without TLS; what came back, lists flattened. Panics when it is refused.
    pub async fn ask(&self, words: &[&str]) -> Vec<String> {
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            write!(command, "${}\r\n{word}\r\n", word.len()).expect("a text can be added to");
        }
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.expect("Redis takes a connection");
        let mut stream = BufReader::new(stream);
        stream.write_all(command.as_bytes()).await.expect("Redis reads a command");
        let mut answer = Vec::new();
        let mut to_come = 1;
        while to_come > 0 {
            to_come -= 1;
            let mut line = String::new();
            stream.read_line(&mut line).await.expect("Redis answers");
            let line = line.trim_end();
            let count = || line[1..].parse::<i64>().unwrap_or_else(|_| panic!("no count: {line}"));
            match line.as_bytes().first() {
                Some(b'+' | b':') => answer.push(line[1..].to_owned()),
                Some(b'*') => to_come += count(),
                Some(b'$') => {
                    // A missing value has a negative count, and no bytes at all.
                    let mut bytes = vec![0; usize::try_from(count()).map_or(0, |bytes| bytes + 2)];
                    stream.read_exact(&mut bytes).await.expect("Redis answers");
                    answer.push(String::from_utf8_lossy(&bytes).trim_end().to_owned());
                }
                _ => panic!("{words:?}: {line}"),
            }
        }
        answer
    }

    async fn launch(&mut self) {
        let mut command = bound_command(&self.program, "KILL");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]);
        command.arg(self.home.path());
        self.listen(&mut command);
        self.process = Some(Process::start("redis", command, self.home.path()).expect("redis-server runs"));
        let (port, tls) = (self.port, self.certificates.is_some());
        eventually(move || answers(port, tls), "Redis answers").await;
    }

    fn listen(&self, command: &mut Command) {
        let port = self.port.to_string();
        let Some(certificates) = &self.certificates else {
            command.args(["--port", &port]);
            return;
        };
        let [certificate, key] = certificates.server();
        command.args(["--port", "0", "--tls-port", &port, "--tls-auth-clients", "no"]);
        command.arg("--tls-ca-cert-file").arg(certificates.authority());
        command.arg("--tls-cert-file").arg(certificate).arg("--tls-key-file").arg(key);
        command.args(["--user", "default", "off"]);
        command.args(["--user", USER, "on", &format!(">{PASSWORD_DECODED}"), "~*", "+@all"]);
    }
}

/// Through TLS a connection is all that can be had from here.
async fn answers(port: u16, tls: bool) -> Option<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    if tls {
        return Some(());
    }
    stream.write_all(b"PING\r\n").await.ok()?;
    let mut pong = [0; 5];
    stream.read_exact(&mut pong).await.ok()?;
    (&pong == b"+PONG").then_some(())
}
