//! What the gate says while it runs, on standard error.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, registry};

use crate::args::{LogFormat, LogLevel};

/// Sets up the log of this process. Only this program's own crates write to it: what a library
/// would note about a request could hold credentials.
pub fn start(format: LogFormat, level: LogLevel) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let ours = Targets::new().with_target("lazaret", level);
    // A second set-up in one process would be refused; the first one holds.
    let _ = match format {
        LogFormat::Text => registry()
            .with(fmt::layer().with_ansi(false).with_target(false).with_writer(io::stderr).with_filter(ours))
            .try_init(),
        LogFormat::Json => registry()
            .with(
                fmt::layer()
                    .json()
                    .flatten_event(true)
                    .with_span_list(false)
                    .with_target(false)
                    .with_writer(io::stderr)
                    .with_filter(ours),
            )
            .try_init(),
    };
}
