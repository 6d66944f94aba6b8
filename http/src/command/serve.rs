//! `stampede serve`: the server, until a signal ends it.

use std::process::ExitCode;

use actix_web::{rt::System, web::Data};
use clap::Args;
use stampede_actors::{
    account::PasswordHasher,
    engine::{Database, Source},
};

use super::{DONE, Failure, Settings};
use crate::{
    config::{Config, Live, Sources},
    health::Health,
    server,
    startup::{AppState, Shell},
    telemetry,
};

#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    settings: Settings,
    /// The address to listen on; port 0 lets the system choose
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
}

impl Serve {
    pub fn run(self) -> Result<ExitCode, Failure> {
        let mut sources = self.settings.sources();
        if let Some(listen) = self.listen {
            sources.options.push(("--listen", "server.listen", listen));
        }
        let config = Config::load(&sources)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        // Actors and workers run on arbiters of one thread each; what serves them (connections, the
        // exporter of traces) runs on this runtime, so that it outlives any of them.
        let mut runtime = Some(runtime);
        System::with_tokio_rt(move || match runtime.take() {
            Some(runtime) => runtime,
            None => unreachable!("a system asks for its runtime once"),
        })
        .block_on(run(config, sources))?;
        Ok(DONE)
    }
}

async fn run(config: Config, sources: Sources) -> Result<(), Failure> {
    let telemetry = telemetry::install(&config)?;
    let source = if config.database.url.is_empty() {
        Source::Embedded(config.data.dir.clone())
    } else {
        Source::Url(config.database.url.clone())
    };
    let database = Database::open(&source, config.database.connections_max).await?;
    database.migrate().await?;
    let pinged = database.clone();
    let health = Health::default().require("database", move || {
        let database = pinged.clone();
        async move {
            database.ping().await.map(|()| "answers".to_owned()).map_err(|_| "does not answer".to_owned())
        }
    });
    let live = Live::new(config.clone(), sources);
    let shell = Data::new(Shell::new(live, health)?);
    let state = Data::new(AppState { database: database.clone(), hasher: PasswordHasher::new() });
    let bound = server::bind(&config, shell.clone(), move |app| {
        app.app_data(state.clone());
    })?;
    let close: server::Hook = Box::new(move || Box::pin(database.close()));
    server::serve(bound, shell, Some(telemetry), vec![close]).await?;
    Ok(())
}
