//! Regular expressions: the one place where they are compiled, so that what `init check` accepts is what runs.

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ast::parse::Parser;
use regex_syntax::ast::{self, Ast, Flag, GroupKind};

/// Compiles a regular expression that is matched against bytes: `\w`, `\d`, `\s`, `\b` and `(?i)` mean ASCII.
///
/// # Errors
/// One line that says what is wrong with it.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    let wrong = |why: &str| format!("cannot use `{pattern}` as a regular expression: {why}");
    let regex = RegexBuilder::new(pattern).unicode(false).build();
    // Before the error, which would be that a class is not known.
    if turns_unicode_on(pattern) {
        return Err(wrong("`u` cannot be turned on, because bytes are matched"));
    }
    regex.map_err(|error| {
        let text = error.to_string();
        wrong(text.lines().rev().find_map(|line| line.strip_prefix("error: ")).unwrap_or(&text))
    })
}

/// Whether it has a flag like `(?u)`. A build whose `regex` has Unicode tables would accept `(?u)\w`, and one without
/// would not: a plan that was checked by the one must run with the other.
fn turns_unicode_on(pattern: &str) -> bool {
    Parser::new().parse(pattern).is_ok_and(|parsed| ast::visit(&parsed, UnicodeFlag).is_err())
}

/// Fails at a flag that turns Unicode on.
struct UnicodeFlag;

impl ast::Visitor for UnicodeFlag {
    type Output = ();
    type Err = ();

    fn finish(self) -> Result<(), ()> {
        Ok(())
    }

    fn visit_pre(&mut self, part: &Ast) -> Result<(), ()> {
        let flags = match part {
            Ast::Flags(set) => Some(&set.flags),
            Ast::Group(group) => match &group.kind {
                GroupKind::NonCapturing(flags) => Some(flags),
                GroupKind::CaptureIndex(_) | GroupKind::CaptureName { .. } => None,
            },
            _ => None,
        };
        let on = flags.is_some_and(|flags| flags.flag_state(Flag::Unicode) == Some(true));
        if on { Err(()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regular_expressions_know_the_usual_classes() {
        assert!(compile(r"(?i)^\w+\s\d$").unwrap().is_match(b"STATUS 1"));
        assert!(compile("é").unwrap().is_match("é".as_bytes()));
        assert!(compile("(").unwrap_err().ends_with("as a regular expression: unclosed group"));
    }

    #[test]
    fn unicode_cannot_be_turned_on_in_any_build() {
        for pattern in ["(?u)x", r"(?u)\w", "(?iu)k", "a(?i:b(?x-i:(?u:c)))", r"\pL", "(?u)("] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
        for pattern in [r"\(\?u\)", "[(?u)]", "(?-u)x", "(?i-u:x)", "(?-u:x)(?i)", "(?P<u>x)"] {
            assert!(compile(pattern).is_ok(), "{pattern}");
        }
    }
}
