//! The HTTP server: its limits, its signals, and how it goes away without failing anybody.

use std::{io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use actix_web::{
    App, HttpServer,
    dev::{Server, ServerHandle},
    web::{Data, ServiceConfig},
};

use crate::{
    command::say,
    config::{self, Config},
    routes,
    startup::Shell,
    telemetry,
};

/// Connections that the system may hold before they are accepted.
const BACKLOG: u32 = 4_096;
/// How long a client may take to take leave.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Work that is done on the way out.
pub type Hook = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()>>>>;

/// A server that is bound but not yet polled.
pub struct Bound {
    pub server: Server,
    pub addresses: Vec<SocketAddr>,
}

/// Binds the server; `extend` adds to the app's data what the handlers need beside the shell.
pub fn bind<F>(config: &Config, shell: Data<Shell>, extend: F) -> io::Result<Bound>
where
    F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
{
    let server = &config.server;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let workers = if server.workers == 0 { cores } else { usize::from(server.workers) };
    // The limit is one of each worker's.
    let connections = usize::try_from(server.connections_max).unwrap_or(usize::MAX).div_ceil(workers);
    let built = HttpServer::new(move || {
        App::new().configure(extend.clone()).configure(routes::configure(shell.clone()))
    })
    .workers(workers)
    .max_connections(connections)
    .backlog(BACKLOG)
    .client_request_timeout(Duration::from_millis(u64::from(server.head_timeout_ms)))
    .client_disconnect_timeout(DISCONNECT_TIMEOUT)
    .keep_alive(Duration::from_secs(u64::from(server.keep_alive_seconds)))
    .shutdown_timeout(u64::from(server.shutdown_grace_seconds))
    .disable_signals()
    .bind(&server.listen)?;
    let addresses = built.addrs();
    Ok(Bound { server: built.run(), addresses })
}

/// Says where it listens, then serves until SIGTERM or SIGINT; takes up settings on SIGHUP. On the way
/// out: not ready; `leave`, while requests are still answered; the delay for balancers; the requests in
/// flight; `close`.
pub async fn serve(
    bound: Bound,
    shell: Data<Shell>,
    telemetry: Option<telemetry::Handle>,
    leave: Hook,
    close: Hook,
) -> io::Result<()> {
    let handle = bound.server.handle();
    let sweeper = actix_web::rt::spawn(sweep(shell.clone()));
    shell.readiness.set_ready();
    for address in &bound.addresses {
        say(&format!("listening on http://{address}\n"))?;
    }
    let telemetry = telemetry.map(Arc::new);
    let signals = actix_web::rt::spawn(on_signals(handle, shell.clone(), telemetry.clone(), leave));
    let served = bound.server.await;
    // Whoever holds the server's handle may have stopped it, without any signal.
    signals.abort();
    sweeper.abort();
    close().await;
    // Traces are flushed last: closing may still have made some.
    if let Some(telemetry) = telemetry
        && actix_web::rt::task::spawn_blocking(move || telemetry.shut_down()).await.is_err()
    {
        tracing::warn!("the last traces were not exported");
    }
    served
}

/// Forgets callers whose limits are whole again.
async fn sweep(shell: Data<Shell>) {
    loop {
        actix_web::rt::time::sleep(crate::middleware::limits::SWEEP_INTERVAL).await;
        shell.limiter.sweep();
    }
}

/// Waits for signals until one of them asks to stop.
async fn on_signals(
    handle: ServerHandle,
    shell: Data<Shell>,
    telemetry: Option<Arc<telemetry::Handle>>,
    leave: Hook,
) {
    use tokio::signal::unix::{SignalKind, signal};
    let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
    let [Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)] = kinds.map(signal) else {
        tracing::error!("signals cannot be received; the server stops only when killed");
        return;
    };
    loop {
        tokio::select! {
            _ = hangup.recv() => reload(&shell, telemetry.as_deref()),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    let delay = shell.config.get().server.shutdown_delay_ms;
    tracing::info!(delay_ms = delay, "going away");
    shell.readiness.set_draining();
    leave().await;
    actix_web::rt::time::sleep(Duration::from_millis(u64::from(delay))).await;
    handle.stop(true).await;
}

/// Takes up the settings that a running server can.
pub fn reload(shell: &Shell, telemetry: Option<&telemetry::Handle>) {
    match shell.config.reload() {
        Ok(changes) => {
            let now = shell.config.get();
            if changes.iter().any(|change| change.applied && change.key.starts_with("limits.")) {
                shell.limiter.reload(&now.limits);
            }
            // Said first, while the old level still holds: the new one may be silent.
            config::log(&changes);
            if let Some(telemetry) = telemetry
                && changes.iter().any(|change| change.applied && change.key.starts_with("telemetry."))
            {
                telemetry.reload(&now.telemetry);
            }
        }
        Err(error) => {
            tracing::error!(error = crate::problem::chain(&error), "the settings stay as they were");
        }
    }
}
