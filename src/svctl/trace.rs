//! `SVCTL_LOG=debug`: what `svctl` does, on standard error, with the seconds since it began.

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::time::uptime;

/// The variable that names a level: `error`, `warn`, `info`, `debug` or `trace`.
pub const VARIABLE: &str = "SVCTL_LOG";

/// Starts to show events of the level that the environment names. Without one, or with a word that is none, nothing is
/// shown, and nothing is set up: that would cost each health check a little.
pub fn start() {
    let level = std::env::var(VARIABLE).ok().and_then(|level| level.parse::<LevelFilter>().ok());
    let Some(level) = level.filter(|level| *level != LevelFilter::OFF) else { return };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_timer(uptime())
        .with_ansi(false)
        .with_target(false)
        .with_writer(std::io::stderr)
        .init();
}
