//! `stampede reconcile`: do memory, tables and journal tell the same story?

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Args;
use serde::Serialize;
use stampede_loadtest::{client::Endpoint, output::Output};
use stampede_platform::engine::Database;
use stampede_server::problem::chain;
use stampede_shop::{
    projections::{self, reconcile::Report},
    rooms,
};

use super::{DONE, Failure, Settings, administrator, offline, say, serve::in_system, tell};
use crate::config::Config;

/// How long a running server's tables may stay behind its journal.
const LAG_MAX: Duration = Duration::from_secs(60);
/// Pause between two looks at a server whose tables are behind.
const LAG_POLL: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
#[command(after_help = "\
The journal is the truth: it is folded from its beginning and compared with the tables, and with the
actors' memory when a running server is asked (--url; STAMPEDE_ADMIN_PASSWORD must hold the password
of its user admin). Reads the whole journal: for quiet hours.
Exit status: 0 everything agrees, 1 it does not or could not be compared, 2 wrong usage.")]
pub struct Reconcile {
    /// Ask the server at this address, as http://host:port or https://host:port
    #[arg(long, value_name = "URL")]
    url: Option<Endpoint>,
    /// Make the tables anew from the journal if they differ; only while no server runs
    #[arg(long, conflicts_with = "url")]
    repair: bool,
    /// Write the report as JSON to this file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// What was found, for the file.
#[derive(Debug, Serialize)]
struct Outcome {
    /// What was compared with the journal.
    compared: &'static [&'static str],
    agrees: bool,
    /// Whether the tables were made anew; `differences` are those that were left.
    repaired: bool,
    #[serde(flatten)]
    report: Report,
}

impl Reconcile {
    pub fn run(self) -> Result<ExitCode, Failure> {
        let json = self.json.as_deref().map(Output::open).transpose()?;
        let outcome = match self.url {
            Some(url) => in_system(with_server(url))??,
            None => in_system(without_server(self.settings.load()?, self.repair))??,
        };
        if let Some(json) = json {
            json.json(&outcome)?;
        }
        say(&told(&outcome))?;
        Ok(if outcome.agrees { DONE } else { ExitCode::FAILURE })
    }
}

async fn with_server(url: Endpoint) -> Result<Outcome, Failure> {
    let mut server = administrator(url)?;
    let since = Instant::now();
    loop {
        let report: Report = server.get("/api/v1/admin/reconciliation").await?;
        if report.lag == 0 {
            return Ok(outcome(&["journal", "tables", "memory"], report, false));
        }
        if since.elapsed() > LAG_MAX {
            return Err(format!(
                "the tables are {} events behind the journal after {} s; is the server under load?",
                report.lag,
                LAG_MAX.as_secs()
            )
            .into());
        }
        tell(&format!("the tables are {} events behind the journal; waiting", report.lag));
        tokio::time::sleep(LAG_POLL).await;
    }
}

async fn without_server(config: Config, repair: bool) -> Result<Outcome, Failure> {
    let otherwise = if repair { "stop it first" } else { "ask it: --url http://host:port" };
    let database = offline::open(&config, offline::Missing::Refuse, otherwise).await?;
    let outcome = in_database(&database, repair, otherwise).await;
    database.close().await;
    outcome
}

async fn in_database(database: &Database, repair: bool, otherwise: &str) -> Result<Outcome, Failure> {
    const COMPARED: &[&str] = &["journal", "tables"];
    if !database.is_embedded() {
        offline::refuse_if_running(database, otherwise).await?;
    }
    let report = match projections::catch_up(database, &rooms::projections()).await {
        Ok(taken) => {
            if taken > 0 {
                tell(&format!("the tables have taken in {taken} events that they lacked"));
            }
            projections::reconcile::reconcile(database, None).await?
        }
        // Tables that cannot take an event in are what a repair is for.
        Err(error) if repair => {
            tell(&format!("the tables cannot be brought up to date: {}", chain(&error)));
            return rebuilt(database, COMPARED).await;
        }
        Err(error) => return Err(Box::new(error)),
    };
    if repair && !agrees(&report) {
        for difference in &report.differences {
            tell(&format!("{}: {}", difference.subject, difference.detail));
        }
        return rebuilt(database, COMPARED).await;
    }
    Ok(outcome(COMPARED, report, false))
}

async fn rebuilt(database: &Database, compared: &'static [&'static str]) -> Result<Outcome, Failure> {
    tell("making the tables anew from the journal");
    let events = projections::rebuild(database, &rooms::projections()).await?;
    tell(&format!("the tables have taken in {events} events"));
    Ok(outcome(compared, projections::reconcile::reconcile(database, None).await?, true))
}

fn agrees(report: &Report) -> bool {
    report.lag == 0 && report.differences.is_empty()
}

fn outcome(compared: &'static [&'static str], report: Report, repaired: bool) -> Outcome {
    Outcome { compared, agrees: agrees(&report), repaired, report }
}

fn told(outcome: &Outcome) -> String {
    let Report { skus, orders, lag, differences } = &outcome.report;
    let mut text = format!("compared {}: {skus} SKUs, {orders} orders\n", outcome.compared.join(", "));
    for difference in differences {
        text.push_str(&format!("{}: {}\n", difference.subject, difference.detail));
    }
    if *lag > 0 {
        text.push_str(&format!("the tables are {lag} events behind the journal\n"));
    }
    text.push_str(&match (outcome.agrees, outcome.repaired) {
        (true, false) => "everything agrees\n".to_owned(),
        (true, true) => "everything agrees now: the tables were made anew from the journal\n".to_owned(),
        (false, false) => format!("{} differences\n", differences.len()),
        (false, true) => format!("{} differences are left that new tables do not mend\n", differences.len()),
    });
    text
}

#[cfg(test)]
mod tests {
    use stampede_shop::projections::reconcile::Difference;

    use super::*;

    #[test]
    fn every_difference_is_told_with_its_subject() {
        let difference = |subject: &str| Difference { subject: subject.into(), detail: "it differs".into() };
        let report = Report {
            skus: 2,
            orders: 3,
            lag: 0,
            differences: vec![difference("sku 1"), difference("order 2")],
        };
        let found = outcome(&["journal", "tables"], report, false);
        assert!(!found.agrees);
        let text = told(&found);
        for part in ["journal, tables", "2 SKUs, 3 orders", "sku 1: it", "order 2: it", "2 differences"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let behind = outcome(&["journal"], Report { lag: 1, ..Report::default() }, false);
        assert!(!behind.agrees, "what is not compared does not agree");
        let clean = outcome(&["journal"], Report::default(), true);
        assert!(clean.agrees && told(&clean).contains("made anew"));
    }
}
