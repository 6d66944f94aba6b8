//! One load: `stampede loadtest` as a process of its own, and what its report says.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;
use stampede_tests::{ADMIN_PASSWORD, binary};

/// Who the load goes to, and as whom.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// A shop: buyers and a sale of so many units are made through it.
    Shop { url: &'a str, users: usize, stock: u64, per_user_limit: u64 },
    /// A sale of a shop that is there already, and the tokens of its buyers.
    Sale { url: &'a str, sale: &'a str, tokens: &'a Path },
    /// A baseline: it has one sale, and these are its buyers' tokens.
    Baseline { url: &'a str, sale: &'a str, tokens: &'a Path },
}

/// What one load came to.
#[derive(Debug, Clone)]
pub struct Finding {
    pub accepted_per_second: f64,
    pub refused_per_second: f64,
    pub accepted_p99_ms: f64,
    /// Requests of an open loop that found no free connection.
    pub unsent: u64,
    /// How long the list of orders lagged behind the last answer.
    pub drain_seconds: Option<f64>,
    /// What the load test's checks found wrong.
    pub failures: Vec<String>,
}

/// Puts `target` under load with `options` of `stampede loadtest` and waits for its report.
pub fn run(target: Target<'_>, options: &[String]) -> Finding {
    let report = tempfile::Builder::new().prefix("stampede-report-").tempfile().expect("a temporary file");
    let mut command = Command::new(binary());
    command.arg("loadtest").args(options).arg("--json").arg(report.path());
    match target {
        Target::Shop { url, users, stock, per_user_limit } => {
            command.env("STAMPEDE_ADMIN_PASSWORD", ADMIN_PASSWORD);
            command.args(["--url", url, "--setup", "--users", &users.to_string()]);
            command.args(["--stock", &stock.to_string(), "--per-user-limit", &per_user_limit.to_string()]);
        }
        Target::Sale { url, sale, tokens } => {
            command.env("STAMPEDE_ADMIN_PASSWORD", ADMIN_PASSWORD);
            command.args(["--url", url, "--flash-sale", sale, "--tokens"]).arg(tokens);
        }
        Target::Baseline { url, sale, tokens } => {
            command.env_remove("STAMPEDE_ADMIN_PASSWORD");
            command.args(["--url", url, "--flash-sale", sale, "--tokens"]).arg(tokens);
        }
    }
    let output = command.stdin(Stdio::null()).output().expect("stampede runs");
    let text = std::fs::read(report.path()).expect("the report can be read");
    match serde_json::from_slice(&text) {
        Ok(report) => finding(&report),
        Err(_) => panic!("the load test made no report: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

fn finding(report: &Value) -> Finding {
    let number = |pointer: &str| match report.pointer(pointer).and_then(Value::as_f64) {
        Some(number) => number,
        None => panic!("no number at {pointer} in {report}"),
    };
    let checks = report["checks"].as_array().into_iter().flatten();
    Finding {
        accepted_per_second: number("/accepted/per_second"),
        refused_per_second: number("/refused/per_second"),
        accepted_p99_ms: number("/accepted/latency_us/p99") / 1e3,
        unsent: report["unsent"].as_u64().unwrap_or(0),
        drain_seconds: report["drain_seconds"].as_f64(),
        failures: checks
            .filter(|check| check["verdict"] == "failed")
            .map(|check| format!("{}: {}", check["requires"], check["found"]))
            .collect(),
    }
}
