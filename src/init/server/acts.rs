//! Who did what: a line in the log for each request that changes something.

use crate::event_loop::Init;
use crate::kernel::poll::Token;
use init_control::wire::Request;

/// The longest list of names in such a line, in bytes.
const LONGEST: usize = 200;

/// What the request does, as a person would type it; `None` if it only looks.
pub(crate) fn words(request: &Request) -> Option<String> {
    Some(match request {
        Request::Change { verb, names, .. } => format!("{} {}", verb.as_str(), listed(names)),
        Request::Signal { names, signal } => format!("signal {signal} {}", listed(names)),
        Request::Reload { names } => format!("reload {}", listed(names)),
        Request::Scale { template, instances } => {
            let count = u32::try_from(*instances).map_or("default".into(), |count| count.to_string());
            format!("scale {}={count}", listed(&[template.as_str()]))
        }
        Request::Shutdown { .. } => "shutdown".to_owned(),
        Request::List { .. }
        | Request::Names
        | Request::Diff
        | Request::Reexec { .. }
        | Request::Definitions { .. }
        | Request::History
        | Request::Wait { .. }
        | Request::Logs { .. }
        | Request::Events
        | Request::Health
        | Request::Boot => return None,
    })
}

/// Names as they fit into a line: anybody may have written them.
fn listed<T: AsRef<str>>(names: &[T]) -> String {
    let mut text = String::new();
    for name in names {
        let name = name.as_ref();
        if text.len() + name.len() > LONGEST {
            text.push('…');
            break;
        }
        text.extend(name.chars().map(|c| if c.is_control() { '?' } else { c }));
        text.push(' ');
    }
    text.truncate(text.trim_end().len());
    text
}

impl Init {
    /// Says in the log who does this, and that it is allowed.
    pub(crate) fn log_act(&mut self, token: Token, words: &str) -> bool {
        if let Some(client) = self.client(token) {
            let (uid, pid) = (client.uid, client.pid);
            self.log(&format!("user {uid} (process {pid}): {}", words.trim_end()));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_instances_is_shown_as_it_was_asked_for() {
        let scale = |instances| words(&Request::Scale { template: "w".to_owned(), instances });
        assert_eq!(scale(4).as_deref(), Some("scale w=4"));
        assert_eq!(scale(-1).as_deref(), Some("scale w=default"));
    }

    #[test]
    fn names_that_are_too_many_or_no_names_do_not_fill_the_log() {
        assert_eq!(listed(&["a", "b"]), "a b");
        assert_eq!(listed(&["a\nroot: b"]), "a?root: b");
        let long = listed(&vec!["x".repeat(100); 1000]);
        assert!(long.len() < 2 * LONGEST && long.ends_with('…'), "{long}");
        assert_eq!(listed(&["x".repeat(1 << 20)]), "…");
    }
}
