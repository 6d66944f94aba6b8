//! Panics as log lines.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    panic::{self, PanicHookInfo},
    thread,
};

/// Has every panic of this process written to the log.
pub(super) fn install() {
    panic::set_hook(Box::new(report));
}

fn report(info: &PanicHookInfo<'_>) {
    let current = thread::current();
    let thread = current.name().unwrap_or("unnamed");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let cause = info.payload_as_str().unwrap_or("a value that is no text");
    tracing::error!(thread, place, cause, "panicked");
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        // To find the names of the frames takes up to half a second, and the actors that share the
        // thread that panicked shall not wait for it.
        drop(thread::Builder::new().spawn(move || tracing::error!(%backtrace, "the panic came this way")));
    }
}
