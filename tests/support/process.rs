//! Child processes that never outlive the tests.
//!
//! A child dies with the test runner even when that is killed: `setpriv` (where there is one) has
//! the kernel send it a signal when its parent *thread* ends. So every child is spawned by one
//! thread that lives as long as the process.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{LazyLock, mpsc},
    thread,
};

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};

use crate::eventually::eventually;

/// Lines of a log that a failure shows.
const LOG_LINES_SHOWN: usize = 80;

type Job = Box<dyn FnOnce() + Send>;

static SPAWNER: LazyLock<mpsc::Sender<Job>> = LazyLock::new(|| {
    let (jobs, queue) = mpsc::channel::<Job>();
    thread::Builder::new()
        .name("spawner".to_owned())
        .spawn(move || queue.into_iter().for_each(|job| job()))
        .expect("a thread starts");
    jobs
});

static DIES_WITH_PARENT: LazyLock<bool> = LazyLock::new(|| {
    let probe = Command::new("setpriv").args(["--pdeathsig", "KILL", "true"]).output();
    probe.is_ok_and(|output| output.status.success())
});

/// A command for `program` that receives `signal` (a name such as `KILL`) when this process ends.
pub fn bound_command(program: &Path, signal: &str) -> Command {
    if *DIES_WITH_PARENT {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", signal, "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

/// A running child with its output in files.
pub struct Process {
    child: Child,
    name: &'static str,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Starts `command`; what it prints goes to `<name>.out` and `<name>.err` in `logs`.
    pub fn start(name: &'static str, mut command: Command, logs: &Path) -> io::Result<Self> {
        let stdout = logs.join(format!("{name}.out"));
        let stderr = logs.join(format!("{name}.err"));
        command.stdin(Stdio::null()).stdout(File::create(&stdout)?).stderr(File::create(&stderr)?);
        let (answer, spawned) = mpsc::channel();
        let job = Box::new(move || drop(answer.send(command.spawn())));
        SPAWNER.send(job).map_err(|_| io::Error::other("the spawning thread is gone"))?;
        let child = spawned.recv().map_err(io::Error::other)??;
        Ok(Self { child, name, stdout, stderr })
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything printed to stdout so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        read_lossy(&self.stdout)
    }

    /// Everything printed to stderr so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        read_lossy(&self.stderr)
    }

    /// The end of both logs, for a failure's message.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let all = format!("{}{}", self.stdout(), self.stderr());
        let lines: Vec<&str> = all.lines().collect();
        let from = lines.len().saturating_sub(LOG_LINES_SHOWN);
        format!("--- {} said:\n{}\n---", self.name, lines[from..].join("\n"))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the process can be signalled");
    }

    /// Its exit status, once it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the process can be waited for")
    }

    /// Waits until it ends by itself.
    pub async fn exit(&mut self) -> ExitStatus {
        let what = format!("{} ends", self.name);
        let child = &mut self.child;
        eventually(|| std::future::ready(child.try_wait().expect("the process can be waited for")), &what)
            .await
    }

    /// SIGKILL, and waits until the process is gone.
    pub fn kill9(&mut self) {
        // An error means that it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.log_tail());
        }
        self.kill9();
    }
}

fn read_lossy(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// A loopback port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port is free");
    listener.local_addr().expect("a listener has an address").port()
}

/// Where a program is: on the search path, or where a system keeps what only root has on it.
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    let folders = std::env::split_paths(&path).chain(system);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}
