//! `make bench`: Stampede held against what it replaces, on the machine at hand.
//!
//! Every number that matters is a ratio of two runs of this one process's life, with the time of one
//! fdatasync beside it: absolute numbers say more of the machine than of the program. Servers and load
//! generators are processes of their own and share the machine's cores. The load generator is
//! `stampede loadtest` for all of them, so that every side also has its promises checked.
//!
//! Arguments are the numbers of the measures to make, as in `cargo bench --package stampede-tests --bench
//! bench -- P8 P11`; without any all are made. `STAMPEDE_BENCH_SECONDS` is the length of one load; `STAMPEDE_BIN` a program to measure instead of
//! one built here.

mod asked;
mod baseline;
mod buyers;
mod load;
mod measures;
mod nodes;
mod sync_time;
mod table;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use stampede_tests::workspace;

use crate::asked::Asked;

/// The profile of the measured program.
const PROFILE: &str = "dist";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let Some(code) = baseline::serve_if_asked(&arguments) {
        return code;
    }
    let asked = match Asked::of(&arguments) {
        Ok(asked) => asked,
        Err(wrong) => {
            note(&wrong);
            return ExitCode::FAILURE;
        }
    };
    match std::env::var_os("STAMPEDE_BIN") {
        Some(program) => measure(Path::new(&program), &asked),
        None => measure_with(&build(), &arguments),
    }
}

/// Runs this program again with `STAMPEDE_BIN` set, which the servers of the tests go by.
fn measure_with(program: &Path, arguments: &[String]) -> ExitCode {
    let own = std::env::current_exe().expect("this program has a path");
    let again = Command::new(own).args(arguments).env("STAMPEDE_BIN", program).status();
    let status = again.expect("this program runs again");
    if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Builds the program as it is shipped.
fn build() -> PathBuf {
    note(&format!("building stampede with the profile `{PROFILE}`"));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(workspace())
        .args(["build", "--profile", PROFILE, "--bin", "stampede"])
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "stampede could not be built");
    let messages = String::from_utf8(output.stdout).expect("cargo's messages are text");
    let executable = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message["executable"].as_str()?))
    };
    messages.lines().rev().find_map(executable).expect("cargo names the program that it built")
}

fn measure(program: &Path, asked: &Asked) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts");
    let table = runtime.block_on(measures::all(program, asked));
    let mut out = std::io::stdout().lock();
    write!(out, "\n{table}").expect("the table can be printed");
    if table.broken() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Says what is being done; the table is for stdout.
fn note(line: &str) {
    // Nobody may be reading it.
    drop(writeln!(std::io::stderr().lock(), "bench: {line}"));
}
