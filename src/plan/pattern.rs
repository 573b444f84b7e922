//! Regular expressions: the one place where they are compiled, so that what `init check` accepts is what runs.

use regex::bytes::{Regex, RegexBuilder};

/// Compiles a regular expression that is matched against bytes: `\w`, `\d`, `\s`, `\b` and `(?i)` mean ASCII.
///
/// # Errors
/// One line that says what is wrong with it.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern).unicode(false).build().map_err(|error| {
        let text = error.to_string();
        let why = text.lines().rev().find_map(|line| line.strip_prefix("error: ")).unwrap_or(&text);
        format!("cannot use `{pattern}` as a regular expression: {why}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regular_expressions_know_the_usual_classes() {
        assert!(compile(r"(?i)^\w+\s\d$").unwrap().is_match(b"STATUS 1"));
        assert!(compile("é").unwrap().is_match("é".as_bytes()));
        assert!(compile("(").unwrap_err().contains("as a regular expression"));
    }
}
