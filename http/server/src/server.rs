//! The HTTP server: its limits, its signals, and how it shuts down without failing anybody.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    pin::Pin,
    time::Duration,
};

use actix_web::{
    App, HttpServer,
    dev::{Server, ServerHandle},
    web::{Data, ServiceConfig},
};
use stampede_kernel::whole_millis;

use crate::{
    limits::{BACKLOG_MAX, CALLERS_SWEEP_INTERVAL_MS, DISCONNECT_MS_MAX},
    middleware::EdgeState,
    routes, settings,
};

/// Work that is done on the way out.
pub type Hook = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()>>>>;

/// What the process does around the server.
pub struct Hooks {
    /// On SIGHUP: takes up the settings that a running server can.
    pub reload: Box<dyn Fn()>,
    /// When a signal asks the node to stop, while requests are still answered.
    pub leave: Hook,
    /// When the last request is answered.
    pub close: Hook,
}

/// A server that is bound but not yet polled.
pub struct Bound {
    pub server: Server,
    pub addresses: Vec<SocketAddr>,
}

/// Binds the server; `extend` adds to the app's data what the handlers need beside the edge's state.
pub fn bind<F>(server: &settings::Server, state: Data<EdgeState>, extend: F) -> io::Result<Bound>
where
    F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
{
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let workers = if server.workers == 0 { cores } else { usize::from(server.workers) };
    // The limit is one of each worker's.
    let connections = (server.connections_max as usize).div_ceil(workers);
    let built = HttpServer::new(move || {
        App::new().configure(extend.clone()).configure(routes::configure(state.clone()))
    })
    .workers(workers)
    .max_connections(connections)
    .backlog(BACKLOG_MAX)
    .client_request_timeout(Duration::from_millis(u64::from(server.head_timeout_ms)))
    .client_disconnect_timeout(Duration::from_millis(DISCONNECT_MS_MAX))
    .keep_alive(Duration::from_secs(u64::from(server.keep_alive_seconds)))
    .shutdown_timeout(u64::from(server.shutdown_grace_seconds))
    .disable_signals()
    .bind(&server.listen)?;
    let addresses = built.addrs();
    Ok(Bound { server: built.run(), addresses })
}

/// Prints where it listens, then serves until SIGTERM or SIGINT; reloads on SIGHUP. On the way out: not
/// ready; `leave`; the delay for balancers; the requests in flight; `close`.
pub async fn serve(bound: Bound, state: Data<EdgeState>, hooks: Hooks) -> io::Result<()> {
    let Hooks { reload, leave, close } = hooks;
    let handle = bound.server.handle();
    let sweeper = actix_web::rt::spawn(sweep(state.clone()));
    state.readiness.set_ready();
    let mut out = io::stdout();
    for address in &bound.addresses {
        writeln!(out, "listening on http://{address}")?;
    }
    out.flush()?;
    let signals = actix_web::rt::spawn(on_signals(handle, state, reload, leave));
    let served = bound.server.await;
    // Whoever holds the server's handle may have stopped it, without any signal.
    signals.abort();
    sweeper.abort();
    close().await;
    served
}

/// Forgets callers whose limits are whole again.
async fn sweep(state: Data<EdgeState>) {
    loop {
        actix_web::rt::time::sleep(Duration::from_millis(CALLERS_SWEEP_INTERVAL_MS)).await;
        state.limiter.sweep();
    }
}

/// Waits for signals until one of them asks to stop.
async fn on_signals(handle: ServerHandle, state: Data<EdgeState>, reload: Box<dyn Fn()>, leave: Hook) {
    use tokio::signal::unix::{SignalKind, signal};
    let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
    let [Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)] = kinds.map(signal) else {
        tracing::error!("signals cannot be received; the server stops only when killed");
        return;
    };
    loop {
        tokio::select! {
            _ = hangup.recv() => reload(),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    let delay = state.edge.shutdown_delay;
    tracing::info!(delay_ms = whole_millis(delay), "shutting down");
    state.readiness.set_draining();
    leave().await;
    actix_web::rt::time::sleep(delay).await;
    handle.stop(true).await;
}
