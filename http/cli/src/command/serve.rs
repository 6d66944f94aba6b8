//! `stampede serve`: the server, until a signal ends it.

use std::process::ExitCode;

use actix_web::rt::System;
use clap::Args;

use super::{DONE, Failure, Settings, say};
use crate::{
    config::{Config, LISTEN_ADDRESS, Live, Sources, is_listen_address},
    startup::Node,
    telemetry,
};

#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    settings: Settings,
    /// The address to listen on; port 0 lets the system choose
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = listen_address)]
    listen: Option<String>,
}

impl Serve {
    pub fn run(self) -> Result<ExitCode, Failure> {
        let mut sources = self.settings.sources();
        if let Some(listen) = self.listen {
            sources.options.push(("--listen", "server.listen", listen));
        }
        let config = Config::load(&sources)?;
        in_system(run(config, sources))??;
        Ok(DONE)
    }
}

fn listen_address(text: &str) -> Result<String, String> {
    if is_listen_address(text) { Ok(text.to_owned()) } else { Err(format!("expected {LISTEN_ADDRESS}")) }
}

async fn run(config: Config, sources: Sources) -> Result<(), Failure> {
    let telemetry = telemetry::install(&config)?;
    let node = Node::open(Live::new(config.clone(), sources)).await?;
    // Before anything else can fail: it is known only now.
    if let Some(password) = &node.admin_password {
        say(&format!("first administrator: admin, password {password} (shown only this once)\n"))?;
    }
    let bound = node.bind(&config)?;
    node.serve(bound, telemetry).await?;
    Ok(())
}

/// Runs the work in an actix system. Actors and workers run on arbiters of one thread each; what serves
/// them (connections, the exporter of traces) runs on the runtime below, so that it outlives any of them.
pub fn in_system<T>(work: impl Future<Output = T>) -> std::io::Result<T> {
    let mut runtime = Some(tokio::runtime::Builder::new_multi_thread().enable_all().build()?);
    let system = System::with_tokio_rt(move || match runtime.take() {
        Some(runtime) => runtime,
        None => unreachable!("a system asks for its runtime once"),
    });
    Ok(system.block_on(work))
}
