//! What `pulp-setup` tells whoever looks for a fault: `PULP_SETUP_LOG=debug`. Without it there is not a line.
//!
//! Lines name programs, times and exit codes. They never hold an argument, a variable or anything that a program has
//! said: whoever debugs a boot sends its log to others.

use std::io::Write;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

/// How much is told: `error`, `warn`, `info`, `debug` or `trace`.
pub const VARIABLE: &str = "PULP_SETUP_LOG";

/// Begins to write to standard error what the variable asks for. `init` adds the time to each line.
pub fn begin() {
    let Some(wanted) = std::env::var(VARIABLE).ok().filter(|wanted| !wanted.is_empty()) else { return };
    let Ok(level) = wanted.parse::<LevelFilter>() else {
        let _ = writeln!(
            std::io::stderr(),
            "{VARIABLE} is {wanted:?}, but must be off, error, warn, info, debug or trace; nothing more is told"
        );
        return;
    };
    // There is none yet, so it can be set.
    let _ = tracing::subscriber::set_global_default(subscriber(level, std::io::stderr));
}

/// Writes lines without a time and without colours.
fn subscriber(
    level: LevelFilter,
    writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static,
) -> impl Subscriber + Send + Sync {
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(writer)
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .finish()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, SeekFrom};
    use std::sync::Arc;

    use super::*;
    use crate::Context;
    use crate::ask::command::Tool;

    /// What is told at this level while a program runs.
    fn told(level: LevelFilter, program: &str) -> String {
        let mut file = tempfile::tempfile().unwrap();
        let writer = Arc::new(file.try_clone().unwrap());
        // Where there is a single one, tracing asks the thread that comes by a line first whether it is wanted, and remembers it for
        // all of them. Another test may be that thread.
        let _second = tracing::Dispatch::new(subscriber(LevelFilter::OFF, Arc::clone(&writer)));
        tracing::subscriber::with_default(subscriber(level, writer), || {
            let context = Context::for_test(std::path::Path::new("/"), []);
            let tool = Tool::new(&context, program).args(["-c", "echo said; exit 3 # argument"]);
            let _ = tool.env("NAME", "value").input("input").output();
        });
        file.seek(SeekFrom::Start(0)).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn debug_names_a_program_its_time_and_its_code_and_nothing_that_may_be_secret() {
        let text = told(LevelFilter::DEBUG, "sh");
        assert!(text.contains("DEBUG `sh` took ") && text.contains("exit status: 3"), "{text}");
        for secret in ["argument", "said", "NAME", "value", "input"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        assert!(told(LevelFilter::DEBUG, "no-such-program").contains("`no-such-program` could not be run"));
    }

    #[test]
    fn nothing_is_told_unless_it_is_asked_for() {
        assert_eq!(told(LevelFilter::OFF, "sh"), "");
        assert_eq!(told(LevelFilter::INFO, "sh"), "");
    }
}
