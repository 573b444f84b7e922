//! Options of the commands that only look.

use std::time::Duration;

use clap::Args;
use init_plan::pattern;
use regex::bytes::Regex;

use crate::duration;

/// Options of `svctl list`.
#[derive(Args, Debug)]
pub struct List {
    /// Show every service
    #[arg(short, long)]
    pub all: bool,
    /// Show only services that failed, wait for their next start, or are unhealthy
    #[arg(long)]
    pub failed: bool,
    /// Show how many processes each has, their time on a processor, and their resident memory
    #[arg(short, long)]
    pub usage: bool,
    /// Print a JSON array with every service
    #[arg(long)]
    pub json: bool,
    /// Names of services and bundles
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

/// Options of `svctl why`.
#[derive(Args, Debug)]
pub struct Why {
    /// Show this many lines of output of each service that has a part in it
    #[arg(short = 'n', long, value_name = "N", default_value_t = 5)]
    pub lines: usize,
    /// Print a JSON array
    #[arg(long)]
    pub json: bool,
    /// Names of services and bundles
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

/// Options of `svctl explain`.
#[derive(Args, Debug)]
pub struct Explain {
    /// Ids of messages, as they stand in brackets there, or exit codes
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<String>,
}

/// Options of `svctl tree`.
#[derive(Args, Debug)]
pub struct Tree {
    /// Print a JSON array
    #[arg(long)]
    pub json: bool,
    /// Names of services and bundles
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

/// Options of `svctl top`.
#[derive(Args, Debug)]
pub struct Top {
    /// How long to wait between two looks; 100ms at least
    #[arg(short, long, value_name = "TIME", default_value = "2s", value_parser = interval)]
    pub interval: Duration,
    /// Names of services and bundles
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

/// Looking more often would show no more, and keep `init` busy.
fn interval(text: &str) -> Result<Duration, String> {
    Ok(duration::parse(text)?.max(Duration::from_millis(100)))
}

/// Options of `svctl deps`.
#[derive(Args, Debug)]
pub struct Deps {
    /// Show what depends on them instead
    #[arg(short, long)]
    pub reverse: bool,
    /// Print a JSON array of the services that are shown
    #[arg(long)]
    pub json: bool,
    /// Names of services and bundles
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

/// Options of `svctl graph`.
#[derive(Args, Debug)]
pub struct Graph {
    /// The language of the picture
    #[arg(short, long, value_name = "FORMAT", default_value = "dot")]
    pub format: Format,
    /// Names of services and bundles
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

/// The languages of a picture.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Format {
    /// Graphviz
    Dot,
    /// Mermaid
    Mermaid,
}

/// Options of `svctl is-active` and `is-failed`.
#[derive(Args, Debug)]
pub struct Ask {
    /// Print nothing: the exit code is the answer
    #[arg(short, long)]
    pub quiet: bool,
    /// Names of services and bundles
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
}

/// Options of `svctl status`.
#[derive(Args, Debug)]
pub struct Status {
    /// Show this many lines of output
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    pub lines: usize,
    /// Print a JSON array
    #[arg(long)]
    pub json: bool,
    /// Names of services and bundles
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
}

/// Options of `svctl history`.
#[derive(Args, Debug)]
pub struct History {
    /// Show at most this many of the last changes
    #[arg(short = 'n', long, value_name = "N")]
    pub lines: Option<usize>,
    /// Leave out changes that are older than this (30s, 5m, 1d)
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub since: Option<Duration>,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Names of services and bundles; without any, all services
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

/// Options of `svctl show`.
#[derive(Args, Debug)]
pub struct Show {
    /// Show values that look secret, too
    #[arg(long)]
    pub secrets: bool,
    /// Print a JSON array
    #[arg(long)]
    pub json: bool,
    /// Names of services and bundles
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
}

/// Options of `svctl diff`.
#[derive(Args, Debug)]
pub struct Diff {
    /// End with exit code 1 if a reload would change something
    #[arg(long)]
    pub exit_code: bool,
    /// Print a JSON array
    #[arg(long)]
    pub json: bool,
}

/// Options of `svctl report`.
#[derive(Args, Debug)]
pub struct Report {
    /// Show this many lines of output of each service that has a part in what is wrong
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub lines: usize,
}

/// Options of `svctl logs`.
#[derive(Args, Debug)]
pub struct Logs {
    /// Keep running, and show new lines as they come
    #[arg(short, long)]
    pub follow: bool,
    /// Show at most this many of the lines that init kept
    #[arg(short = 'n', long, value_name = "N")]
    pub lines: Option<usize>,
    /// Leave out lines that are older than this (30s, 5m, 1d)
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub since: Option<Duration>,
    /// Leave out lines that this regular expression does not match
    #[arg(short, long, value_name = "PATTERN", value_parser = pattern::compile)]
    pub grep: Option<Regex>,
    /// Show only the output of services that failed, wait for their next start, or are unhealthy
    #[arg(long)]
    pub failed: bool,
    /// Show what services wrote before their last start, since the start before that
    #[arg(short, long, requires = "names", conflicts_with = "follow")]
    pub previous: bool,
    /// Print the time (UTC) before each line
    #[arg(short, long)]
    pub timestamps: bool,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Names of services and bundles; without any, all services
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

/// Options of `svctl events`.
#[derive(Args, Debug)]
pub struct Events {
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// Options of `svctl blame`.
#[derive(Args, Debug)]
pub struct Blame {
    /// Print a JSON array
    #[arg(long)]
    pub json: bool,
}

/// Options of `svctl critical-chain`.
#[derive(Args, Debug)]
pub struct CriticalChain {
    /// Print a JSON array
    #[arg(long)]
    pub json: bool,
    /// Names of services and bundles; without any, the whole boot
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}
