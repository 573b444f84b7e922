//! How a rule says that it is broken.

/// In error, the name of the broken rule, a colon, and what broke it.
pub(super) type Outcome = Result<(), String>;

pub(super) fn must(holds: bool, rule: &str, what: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(format!("{rule}: {}", what())) }
}
