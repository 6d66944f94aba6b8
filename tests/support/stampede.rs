//! The shop itself as a process: `stampede serve`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Output, Stdio},
    sync::{LazyLock, Mutex, PoisonError},
};

use tempfile::TempDir;

use crate::{
    client::Client,
    eventually::eventually,
    process::{Process, Signal, bound_command},
};

/// What `serve` prints before the address when it is ready.
const READY: &str = "listening on ";

/// The folder of the workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace's folder")
}

/// The folder of [`binary`], until the runner removes it.
static OWN_FOLDER: Mutex<Option<TempDir>> = Mutex::new(None);

/// The `stampede` program under test: `STAMPEDE_BIN`, else built from this workspace, once.
///
/// It is linked or copied to a folder of its own, because another build may replace the file.
pub fn binary() -> &'static Path {
    static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
        if let Some(given) = std::env::var_os("STAMPEDE_BIN") {
            return given.into();
        }
        let built = build();
        let folder = tempfile::Builder::new().prefix("stampede-bin-").tempdir().expect("a temporary folder");
        let own = folder.path().join("stampede");
        if fs::hard_link(&built, &own).is_err() {
            fs::copy(&built, &own).expect("the program can be copied");
        }
        *OWN_FOLDER.lock().unwrap_or_else(PoisonError::into_inner) = Some(folder);
        own
    });
    &BINARY
}

/// Removes what [`binary`] made. No server may be started after it.
pub(crate) fn remove_binary() {
    drop(OWN_FOLDER.lock().unwrap_or_else(PoisonError::into_inner).take());
}

fn build() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(workspace())
        // The whole workspace, so that the features, and so the dependencies, are those of the tests.
        .args(["build", "--workspace", "--bin", "stampede", "--message-format=json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "`cargo build --bin stampede` failed");
    let messages = String::from_utf8(output.stdout).expect("cargo's messages are text");
    let executable = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message["executable"].as_str()?))
    };
    messages.lines().rev().find_map(executable).expect("cargo names the program that it built")
}

/// How a server is to be started.
#[derive(Clone)]
pub struct Launch {
    data: PathBuf,
    listen: String,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Launch {
    /// A server with its data under `data`, on a free port, with nothing of this process's settings.
    #[must_use]
    pub fn new(data: &Path) -> Self {
        Self {
            data: data.to_owned(),
            listen: "127.0.0.1:0".to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// Has it listen on this address instead.
    #[must_use]
    pub fn at(self, address: &str) -> Self {
        Self { listen: address.to_owned(), ..self }
    }

    /// Adds an environment variable; a later one of the same name wins.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The value of an environment variable that it was given.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.environment.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Adds an argument of `serve`.
    #[must_use]
    pub fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Starts it and waits until it listens.
    pub async fn start(self) -> Stampede {
        match self.try_start().await {
            Ok(server) => server,
            Err((status, log)) => panic!("stampede ended with {status} before it listened\n{log}"),
        }
    }

    /// Starts it; an error is its exit status and its log, when it ended instead of listening.
    pub async fn try_start(self) -> Result<Stampede, (ExitStatus, String)> {
        fs::create_dir_all(&self.data).expect("the data folder can be made");
        let mut process =
            Process::start("stampede", self.command(), &self.data).expect("stampede can be started");
        let came_up = eventually(
            || {
                let up = match process.ended() {
                    Some(status) => Some(Err((status, process.log_tail()))),
                    None => address(&process.stdout()).map(Ok),
                };
                std::future::ready(up)
            },
            "stampede listens",
        )
        .await;
        came_up.map(|url| Stampede { process, url, launch: self })
    }

    /// Runs another subcommand in the same environment to its end.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary());
        self.set_environment(&mut command);
        command.args(arguments).stdin(Stdio::null()).output().expect("stampede runs")
    }

    fn command(&self) -> Command {
        let mut command = bound_command(binary(), "KILL");
        self.set_environment(&mut command);
        command.args(["serve", "--listen", &self.listen, "--data"]).arg(&self.data).args(&self.arguments);
        command
    }

    fn set_environment(&self, command: &mut Command) {
        command.current_dir(workspace());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("STAMPEDE_") || ["DATABASE_URL", "NATS_URL", "REDIS_URL"].contains(&&*text) {
                command.env_remove(&name);
            }
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
    }
}

/// A running server; killed when dropped.
pub struct Stampede {
    process: Process,
    url: String,
    launch: Launch,
}

impl Stampede {
    /// `http://host:port`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A client without a token.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(&self.url)
    }

    /// How it was started; `run` on it runs other subcommands beside it.
    #[must_use]
    pub fn launch(&self) -> &Launch {
        &self.launch
    }

    /// What it printed and logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        format!("{}{}", self.process.stdout(), self.process.stderr())
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// SIGTERM; its exit status once it has ended.
    pub async fn sigterm(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.exit().await
    }

    /// Its exit status once it has ended by itself.
    pub async fn exit(&mut self) -> ExitStatus {
        self.process.exit().await
    }

    /// Sends a signal, such as `Signal::HUP` or `Signal::STOP`.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// SIGHUP: it reads its configuration again.
    pub fn sighup(&self) {
        self.signal(Signal::HUP);
    }

    /// Starts it again on the same address, data and environment; kills it first if it still runs.
    pub async fn restart(&mut self) {
        self.kill9();
        let mut launch = self.launch.clone();
        self.url.trim_start_matches("http://").clone_into(&mut launch.listen);
        *self = launch.start().await;
    }
}

fn address(stdout: &str) -> Option<String> {
    let (_, rest) = stdout.split_once(READY)?;
    // A line that is not whole yet would give half an address.
    let (line, _) = rest.split_once('\n')?;
    Some(line.split_whitespace().next()?.trim_end_matches('/').to_owned())
}
