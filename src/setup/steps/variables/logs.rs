//! `PULP_LOGS_TO`: where `svctl ship` sends what services write. It reads the addresses itself; here it is only made sure that they are some, before
//! anything is made.

/// What may be written.
pub(super) const ALLOWED: &str = "addresses with blanks between them, each file:/DIR, syslog+udp://HOST:PORT, syslog+tcp://HOST:PORT, \
     syslog+unix:/PATH, otlp+http://HOST:PORT or loki+http://HOST:PORT";

const BEGINNINGS: [&str; 6] =
    ["file:/", "syslog+udp://", "syslog+tcp://", "syslog+unix:/", "otlp+http://", "loki+http://"];

/// Whether each word is such an address.
pub(super) fn parse(text: &str) -> Option<()> {
    let is_address = |word: &str| {
        BEGINNINGS.iter().any(|beginning| word.len() > beginning.len() && word.starts_with(beginning))
    };
    text.split_whitespace().all(is_address).then_some(())
}
