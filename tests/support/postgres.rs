//! A private, real PostgreSQL server.

use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt as _, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::{ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::{
    certificates::Certificates,
    eventually::eventually,
    process::{Process, Signal, bound_command, free_port, on_path},
};

/// The oldest major version that the shop supports.
const MAJOR_MIN: u32 = 15;
/// Connections of one server, shared by every test.
const CONNECTIONS_MAX: u32 = 300;
/// How long a server may take to stop before it is killed.
const STOP_MAX: Duration = Duration::from_secs(10);
/// Tries to start, when another program took the port in between.
const STARTS_MAX: u32 = 5;

const USER: &str = "stampede";

/// Who has to come through TLS and with a password, where there is TLS; the password, and how it stands
/// in a URL.
const GUEST: &str = "shop";
const PASSWORD: &str = "c@rp+river";
const PASSWORD_ENCODED: &str = "c%40rp+river";
/// The rules for that, and none for the tests themselves.
const RULES: &str = "hostssl all shop 127.0.0.1/32 scram-sha-256\nhost all stampede 127.0.0.1/32 trust\n";

/// The server that tests share unless they mean to harm it.
static SHARED: Mutex<Option<Arc<Postgres>>> = Mutex::const_new(None);

/// A PostgreSQL server of its own, with `fsync` on, that stops when dropped.
pub struct Postgres {
    process: Option<Process>,
    programs: PathBuf,
    /// The user and group to run as: PostgreSQL refuses to be run by root.
    owner: Option<(u32, u32)>,
    port: u16,
    certificates: Option<Certificates>,
    home: TempDir,
}

impl Postgres {
    /// Starts a server with no data.
    pub async fn start() -> Self {
        Self::begin(None).await
    }

    /// Starts a server with no data that speaks TLS, with one of [`Postgres::certificates`].
    pub async fn start_with_tls() -> Self {
        let server = Self::begin(Some(Certificates::make())).await;
        let mut connection = server.connect("postgres").await.expect("PostgreSQL accepts a connection");
        let guest = format!("CREATE ROLE {GUEST} LOGIN PASSWORD '{PASSWORD}'");
        sqlx::query(&guest).execute(&mut connection).await.expect("a user can be made");
        server
    }

    async fn begin(certificates: Option<Certificates>) -> Self {
        let programs = find_programs();
        let owner = rustix::process::geteuid().is_root().then(unprivileged);
        let home = tempfile::Builder::new().prefix("stampede-pg-").tempdir().expect("a temporary folder");
        if let Some((user, group)) = owner {
            chown(home.path(), Some(user), Some(group)).expect("root may give a folder away");
        }
        let mut server = Self { process: None, programs, owner, port: 0, certificates, home };
        server.init();
        server.certify();
        for _ in 0..STARTS_MAX {
            server.port = free_port();
            if server.launch().await {
                return server;
            }
        }
        panic!("PostgreSQL does not start\n{}", server.log_tail());
    }

    /// The server that tests share, started by the first one that asks.
    pub async fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().await;
        match &*shared {
            Some(server) => server.clone(),
            None => shared.insert(Arc::new(Self::start().await)).clone(),
        }
    }

    /// Stops the shared server, if one was started.
    pub(crate) fn stop_shared() {
        drop(SHARED.blocking_lock().take());
    }

    /// The URL of one of its databases.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// The URL of a fresh, empty database of somebody who must come through TLS and with a password;
    /// `?sslmode=` is to be added. The server must speak TLS.
    pub async fn url_of_guest(&self) -> String {
        let database = self.create_database().await;
        let mut connection = self.connect("postgres").await.expect("PostgreSQL accepts a connection");
        let owner = format!("ALTER DATABASE {database} OWNER TO {GUEST}");
        sqlx::query(&owner).execute(&mut connection).await.expect("a database can be given away");
        format!("postgres://{GUEST}:{PASSWORD_ENCODED}@127.0.0.1:{}/{database}", self.port)
    }

    /// Its certificates. The server must speak TLS.
    #[must_use]
    pub fn certificates(&self) -> &Certificates {
        self.certificates.as_ref().expect("a server that speaks TLS has certificates")
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes a fresh, empty database and gives its name.
    pub async fn create_database(&self) -> String {
        let name = format!("shop_{}", uuid::Uuid::new_v4().simple());
        let mut connection = self.connect("postgres").await.expect("PostgreSQL accepts a connection");
        sqlx::query(&format!("CREATE DATABASE {name}"))
            .execute(&mut connection)
            .await
            .expect("a database can be made");
        connection.close().await.expect("a connection closes");
        name
    }

    /// A plain connection, past the shop and any proxy.
    pub async fn connect(&self, database: &str) -> Result<PgConnection, sqlx::Error> {
        PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username(USER)
            .database(database)
            .connect()
            .await
    }

    /// SIGKILL to the server; returns when its backends are gone too, and so its shared memory.
    pub async fn kill9(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let backends = children(process.id());
        process.kill9();
        let gone = || async { backends.iter().all(|id| !alive(*id)).then_some(()) };
        eventually(gone, "the backends of a killed PostgreSQL end").await;
    }

    /// Starts it again on the same port and data; kills it first if it still runs.
    pub async fn restart(&mut self) {
        self.kill9().await;
        assert!(self.launch().await, "PostgreSQL does not start again\n{}", self.log_tail());
    }

    /// Stops it in an orderly way; `restart` starts it again.
    pub fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        // SIGQUIT: at once, and it takes its shared memory along, which SIGKILL would leave behind.
        process.signal(Signal::QUIT);
        let deadline = Instant::now() + STOP_MAX;
        while process.ended().is_none() && Instant::now() < deadline {
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    fn init(&self) {
        let mut initdb = Command::new(self.programs.join("initdb"));
        initdb.args(["--username", USER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C"]);
        initdb.args(["--no-sync", "--no-instructions", "--pgdata"]).arg(self.data());
        let output = self.as_owner(&mut initdb).output().expect("initdb runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "initdb failed: {said}");
    }

    /// Puts the certificate and the rules where the server looks for them.
    fn certify(&self) {
        let Some(certificates) = &self.certificates else { return };
        let [certificate, key] = certificates.server();
        let data = self.data();
        for (file, name) in [(certificate, "server.crt"), (key, "server.key")] {
            let place = data.join(name);
            fs::copy(file, &place).expect("a file can be copied");
            fs::set_permissions(&place, fs::Permissions::from_mode(0o600)).expect("a file can be closed");
            if let Some((user, group)) = self.owner {
                chown(&place, Some(user), Some(group)).expect("root may give a file away");
            }
        }
        fs::write(data.join("pg_hba.conf"), RULES).expect("a file can be written");
    }

    /// Whether the server came up and answers.
    async fn launch(&mut self) -> bool {
        let mut command = bound_command(&self.programs.join("postgres"), "QUIT");
        command.arg("-D").arg(self.data()).arg("-p").arg(self.port.to_string());
        for setting in [
            "listen_addresses=127.0.0.1",
            "fsync=on",
            "synchronous_commit=on",
            "full_page_writes=on",
            "logging_collector=off",
            "shared_buffers=64MB",
            "timezone=UTC",
            if self.certificates.is_some() { "ssl=on" } else { "ssl=off" },
            &format!("max_connections={CONNECTIONS_MAX}"),
            &format!("unix_socket_directories={}", self.home.path().display()),
        ] {
            command.arg("-c").arg(setting);
        }
        self.as_owner(&mut command);
        let mut process = Process::start("postgres", command, self.home.path()).expect("postgres runs");
        let server = &*self;
        let up = eventually(
            || {
                let ended = process.ended().is_some();
                async move {
                    if ended { Some(false) } else { server.connect("postgres").await.ok().map(|_| true) }
                }
            },
            "PostgreSQL accepts connections",
        )
        .await;
        self.process = Some(process);
        up
    }

    fn as_owner<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command.current_dir(self.home.path())
    }

    fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    fn log_tail(&self) -> String {
        self.process.as_ref().map(Process::log_tail).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The folder of the newest server programs on this machine.
fn find_programs() -> PathBuf {
    let mut folders: Vec<PathBuf> =
        on_path("postgres").and_then(|file| Some(file.parent()?.to_owned())).into_iter().collect();
    for (root, inside) in [
        ("/usr/lib/postgresql", "bin"),
        ("/usr", "bin"),
        ("/opt/homebrew/opt", "bin"),
        ("/usr/local/opt", "bin"),
    ] {
        let entries = fs::read_dir(root).into_iter().flatten().flatten();
        folders.extend(
            entries.map(|entry| entry.path().join(inside)).filter(|bin| bin.join("initdb").is_file()),
        );
    }
    folders
        .into_iter()
        .filter_map(|folder| Some((major(&folder)?, folder)))
        .filter(|(major, _)| *major >= MAJOR_MIN)
        .max()
        .map(|(_, folder)| folder)
        .expect("no PostgreSQL 15 or newer on this machine: run tests/setup")
}

fn major(folder: &Path) -> Option<u32> {
    let output = Command::new(folder.join("postgres")).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let number = text.split(|c: char| !c.is_ascii_digit()).find(|part| !part.is_empty())?;
    number.parse().ok()
}

/// The user and group ids of `postgres`, or of `nobody`.
fn unprivileged() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").expect("the list of users can be read");
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| {
            let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        })
        .expect("a user `postgres` or `nobody` to run PostgreSQL as")
}

/// The processes whose parent is `parent`, by the kernel's list; none where there is no such list.
fn children(parent: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| stat(*id).is_some_and(|(_, of)| of == parent)).collect()
}

fn alive(id: u32) -> bool {
    stat(id).is_some_and(|(state, _)| state != 'Z')
}

/// A process's state letter and its parent.
fn stat(id: u32) -> Option<(char, u32)> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name stands in brackets and may hold anything.
    let mut fields = text.get(text.rfind(')')? + 1..)?.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}
