//! What a load test found, for people and for scripts.
//!
//! The JSON's names are stable: fields may be added, never renamed. Every number says its unit in its
//! name, latencies are microseconds.

use std::{fmt, time::Instant};

use serde::Serialize;
use stampede_kernel::FlashSaleId;

use super::{
    drive::{Driven, Pace, Plan},
    proof::{Check, Proof, Verdict},
    tally::{Codes, Lane, Percentiles},
};

/// The whole finding.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub server: String,
    pub flash_sale_id: FlashSaleId,
    /// `closed` or `open`.
    pub mode: &'static str,
    /// The open loop's rate.
    pub rate_per_second: Option<f64>,
    pub connections: usize,
    pub threads: usize,
    pub buyers: usize,
    pub quantity: u32,
    /// From the first request to the last answer.
    pub elapsed_seconds: f64,
    /// The part at the start that latencies and rates leave out.
    pub warm_up_seconds: f64,
    pub attempts: u64,
    pub accepted: Answers,
    pub refused: Answers,
    pub refused_by_code: Codes,
    /// Purchases of which nobody told whether they were made.
    pub unknown: u64,
    pub unknown_by_cause: Codes,
    /// Requests sent again with the same key.
    pub retries: u64,
    pub retries_by_cause: Codes,
    /// Acceptances that had been answered before, to a request whose answer was lost.
    pub replayed: u64,
    pub reconnects: u64,
    /// Requests of the open loop that were due but found no free connection.
    pub unsent: u64,
    /// Processor time of the load generator, if the system tells it.
    pub generator_cpu_seconds: Option<f64>,
    /// Whether no check failed.
    pub held: bool,
    #[serde(flatten)]
    pub proof: Proof,
}

/// The answers of one kind.
#[derive(Debug, Clone, Serialize)]
pub struct Answers {
    /// All of them, also those of the warm-up.
    pub total: u64,
    /// Those after the warm-up, of which the following speaks.
    pub measured: u64,
    pub per_second: f64,
    /// The span over which `per_second` was taken: for acceptances from the end of the warm-up to the
    /// last one, for refusals from the first to the last.
    pub span_seconds: f64,
    pub latency_us: Percentiles,
}

impl Answers {
    fn new(total: u64, lane: &Lane, from: Option<Instant>) -> Self {
        let span = lane.span().map(|(first, last)| last.saturating_duration_since(from.unwrap_or(first)));
        let span_seconds = span.unwrap_or_default().as_secs_f64();
        let per_second = if span_seconds > 0.0 { lane.count() as f64 / span_seconds } else { 0.0 };
        Self { total, measured: lane.count(), per_second, span_seconds, latency_us: lane.percentiles() }
    }
}

impl Report {
    pub(super) fn new(plan: &Plan, driven: Driven, proof: Proof, generator_cpu_seconds: Option<f64>) -> Self {
        let tally = driven.tally;
        let (mode, rate_per_second) = match plan.pace {
            Pace::Closed => ("closed", None),
            Pace::Open { per_second } => ("open", Some(per_second)),
        };
        let held = proof.failed().next().is_none();
        Self {
            server: plan.endpoint.to_string(),
            flash_sale_id: plan.flash_sale,
            mode,
            rate_per_second,
            connections: plan.connections,
            threads: plan.threads,
            buyers: plan.buyers.len(),
            quantity: plan.quantity,
            elapsed_seconds: driven.elapsed.as_secs_f64(),
            warm_up_seconds: plan.warm_up.as_secs_f64(),
            attempts: tally.attempts,
            accepted: Answers::new(
                tally.accepted.len() as u64,
                &tally.accepted_lane,
                Some(driven.measured_from),
            ),
            refused: Answers::new(tally.refused.total(), &tally.refused_lane, None),
            refused_by_code: tally.refused,
            unknown: tally.unknown.total(),
            unknown_by_cause: tally.unknown,
            retries: tally.retries.total(),
            retries_by_cause: tally.retries,
            replayed: tally.replayed,
            reconnects: tally.reconnects,
            unsent: driven.unsent,
            generator_cpu_seconds,
            held,
            proof,
        }
    }

    /// The requirements that were not met, each with what was found.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        self.proof.failed().map(|check| format!("{} ({})", check.requires, check.found)).collect()
    }

    fn write_load(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Load test of {}, flash sale {}", self.server, self.flash_sale_id)?;
        let pace = match self.rate_per_second {
            Some(rate) => format!("{} requests due each second, answered or not", Grouped(rate as u64)),
            None => "each buys again as soon as it has its answer".to_owned(),
        };
        let (connections, buyers) = (Grouped(self.connections as u64), Grouped(self.buyers as u64));
        writeln!(f, "  {connections} connections, {pace}; {buyers} buyers")?;
        write!(f, "  {} purchases tried in {:.1} s", Grouped(self.attempts), self.elapsed_seconds)?;
        if self.warm_up_seconds > 0.0 {
            write!(f, "; rates and times leave out the first {:.1} s", self.warm_up_seconds)?;
        }
        writeln!(f, "\n")
    }

    fn write_answers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let titles = ["half within", "90% within", "99% within", "99.9% within", "longest"];
        write!(f, "{:<22}{:>12}{:>12}", "", "number", "per second")?;
        titles.iter().try_for_each(|title| write!(f, "{title:>14}"))?;
        writeln!(f)?;
        for (name, answers) in [("Accepted", &self.accepted), ("Refused", &self.refused)] {
            let Percentiles { p50, p90, p99, p99_9, max } = answers.latency_us;
            let rate = Grouped(answers.per_second as u64).to_string();
            write!(f, "{name:<22}{:>12}{rate:>12}", Grouped(answers.total).to_string())?;
            for micros in [p50, p90, p99, p99_9, max] {
                let shown = if answers.measured == 0 { "-".to_owned() } else { millis(micros) };
                write!(f, "{shown:>14}")?;
            }
            writeln!(f)?;
        }
        let line = |f: &mut fmt::Formatter<'_>, name: &str, count: u64| {
            writeln!(f, "{name:<22}{:>12}", Grouped(count).to_string())
        };
        for (code, count) in self.refused_by_code.iter() {
            line(f, &format!("    {code}"), count)?;
        }
        line(f, "Outcome unknown", self.unknown)?;
        for (cause, count) in self.unknown_by_cause.iter() {
            line(f, &format!("    {cause}"), count)?;
        }
        line(f, "Sent again", self.retries)?;
        for (cause, count) in self.retries_by_cause.iter() {
            line(f, &format!("    {cause}"), count)?;
        }
        if self.unsent > 0 {
            line(f, "Never sent", self.unsent)?;
            writeln!(
                f,
                "    These were due, but every connection was waiting for an answer. The times above leave"
            )?;
            writeln!(f, "    them out: the server cannot keep this rate, or it takes more --connections.")?;
        }
        writeln!(f)
    }

    fn write_checks(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "What must be true afterwards")?;
        for Check { verdict, requires, found, .. } in &self.proof.checks {
            let verdict = match verdict {
                Verdict::Held => "ok",
                Verdict::Failed => "FAILED",
                Verdict::Unchecked => "not checked",
            };
            writeln!(f, "  {verdict:<12}{requires}")?;
            writeln!(f, "  {:<12}  {found}", "")?;
        }
        let unchecked = self.proof.checks.iter().filter(|check| check.verdict == Verdict::Unchecked).count();
        let failed = self.proof.failed().count();
        match (failed, unchecked) {
            (0, 0) => writeln!(f, "Every check held."),
            (0, _) => writeln!(f, "Every check that could be made held; {unchecked} could not."),
            (1, _) => writeln!(f, "1 check FAILED."),
            (_, _) => writeln!(f, "{failed} checks FAILED."),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_load(f)?;
        self.write_answers(f)?;
        self.write_checks(f)
    }
}

/// A latency as people read it.
fn millis(micros: u64) -> String {
    match micros {
        0..10_000 => format!("{:.2} ms", micros as f64 / 1e3),
        10_000..1_000_000 => format!("{:.0} ms", micros as f64 / 1e3),
        _ => format!("{:.2} s", micros as f64 / 1e6),
    }
}

/// A number with its thousands set apart.
pub(super) struct Grouped(pub u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_times_short() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (41_203_999, "41,203,999")] {
            assert_eq!(Grouped(number).to_string(), text);
        }
        for (micros, text) in [(950, "0.95 ms"), (12_400, "12 ms"), (2_500_000, "2.50 s")] {
            assert_eq!(millis(micros), text);
        }
    }
}
