//! `${VAR}` in a string.
//!
//! | written | becomes |
//! |---|---|
//! | `${VAR}` | its value; an error if it is not set |
//! | `${VAR:-word}` | its value; `word` if it is not set or empty |
//! | `${VAR:+word}` | `word` if it is set and not empty, else nothing |
//! | `$$` | `$` |
//! | `$` before anything else | itself |
//!
//! A word may hold variables again; only the word that is used is looked up. The value of a variable is put in as
//! it is: neither split nor expanded again.

use std::borrow::Cow;

/// Deeper nesting is refused: it would be recursion on a file's say-so.
const MAX_DEPTH: u32 = 16;

/// Longer results are refused: a value is used many times, and PID 1 has to hold them all.
const MAX_LENGTH: usize = 1 << 20;

/// Expands `text`. The error is a message that names the variable and the cure.
pub fn expand<'t, 'v>(
    text: &'t str,
    lookup: &dyn Fn(&str) -> Option<&'v str>,
) -> Result<Cow<'t, str>, String> {
    if !text.contains('$') {
        return Ok(Cow::Borrowed(text));
    }
    let mut expander = Expander { rest: text, lookup, out: String::with_capacity(text.len()) };
    expander.run(0, true)?;
    Ok(Cow::Owned(expander.out))
}

struct Expander<'t, 'v, 'l> {
    rest: &'t str,
    lookup: &'l dyn Fn(&str) -> Option<&'v str>,
    out: String,
}

impl<'t> Expander<'t, '_, '_> {
    /// Copies up to the end, or inside `${…}` (`depth` > 0) up to its closing brace, which is consumed.
    /// With `live` false nothing is written and nothing looked up.
    fn run(&mut self, depth: u32, live: bool) -> Result<(), String> {
        loop {
            let stop = self.rest.find(|c| c == '$' || (c == '}' && depth > 0)).unwrap_or(self.rest.len());
            let (plain, rest) = self.rest.split_at(stop);
            self.put(plain, live)?;
            self.rest = rest;
            if let Some(rest) = rest.strip_prefix("${") {
                self.rest = rest;
                self.variable(depth + 1, live)?;
            } else if let Some(rest) = rest.strip_prefix("$$") {
                self.rest = rest;
                self.put("$", live)?;
            } else if let Some(rest) = rest.strip_prefix('$') {
                self.rest = rest;
                self.put("$", live)?;
            } else if let Some(rest) = rest.strip_prefix('}') {
                self.rest = rest;
                return Ok(());
            } else if depth > 0 {
                return Err("cannot expand `${`: its `}` is missing (write `$$` for a plain `$`)".to_owned());
            } else {
                return Ok(());
            }
        }
    }

    /// After `${`.
    fn variable(&mut self, depth: u32, live: bool) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("cannot expand `${{`: nested more than {MAX_DEPTH} deep"));
        }
        let name = self.name()?;
        let value = if live { (self.lookup)(name) } else { None };
        let full = value.filter(|v| !v.is_empty());
        if let Some(rest) = self.rest.strip_prefix('}') {
            self.rest = rest;
            return match value {
                Some(value) => self.put(value, live),
                None if !live => Ok(()),
                None => Err(format!(
                    "variable `{name}` is not set; set it in the container's environment or write `${{{name}:-default}}`"
                )),
            };
        }
        if let Some(rest) = self.rest.strip_prefix(":-") {
            self.rest = rest;
            self.put(full.unwrap_or_default(), live)?;
            return self.run(depth, live && full.is_none());
        }
        if let Some(rest) = self.rest.strip_prefix(":+") {
            self.rest = rest;
            return self.run(depth, live && full.is_some());
        }
        Err(match self.rest.chars().next() {
            None => "cannot expand `${`: its `}` is missing (write `$$` for a plain `$`)".to_owned(),
            Some(_) => format!(
                "cannot expand `${{{name}…`: after the name comes `}}`, `:-default}}` or `:+word}}` (write `$$` for a plain `$`)"
            ),
        })
    }

    /// A name: a letter or `_`, then letters, digits and `_`.
    fn name(&mut self) -> Result<&'t str, String> {
        let end =
            self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            let shown: String = self.rest.chars().take(20).collect();
            return Err(format!(
                "cannot expand `${{{shown}`: a variable's name is made of letters, digits and `_` (write `$$` for a plain `$`)"
            ));
        }
        self.rest = rest;
        Ok(name)
    }

    fn put(&mut self, text: &str, live: bool) -> Result<(), String> {
        if live {
            if self.out.len() + text.len() > MAX_LENGTH {
                return Err("cannot expand this: the result is longer than 1 MiB".to_owned());
            }
            self.out.push_str(text);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Result<String, String> {
        let lookup = |name: &str| match name {
            "SET" => Some("value"),
            "EMPTY" => Some(""),
            _ => None,
        };
        expand(text, &lookup).map(Cow::into_owned)
    }

    #[test]
    fn only_the_word_that_is_used_is_looked_up() {
        for (text, is) in [
            ("${SET:-${NONE}}", "value"),
            ("${SET:-${NONE:+x}${SET}}", "value"),
            ("${EMPTY:-a}", "a"),
            ("${NONE:+${NONE}}", ""),
            ("${EMPTY:+a}", ""),
            ("${SET:+a}", "a"),
            ("${NONE:-${SET:+a}}", "a"),
            ("$${SET} $SET }", "${SET} $SET }"),
        ] {
            assert_eq!(expanded(text).as_deref(), Ok(is), "{text}");
        }
        assert!(expanded("${NONE:-${NONE}}").unwrap_err().contains("`NONE` is not set"));
    }

    #[test]
    fn what_is_not_closed_is_refused() {
        for text in ["${SET", "${SET:-word", "${SET:-${SET}", "a${NONE:+"] {
            assert!(expanded(text).unwrap_err().contains("`}` is missing"), "{text}");
        }
    }

    #[test]
    fn depth_and_length_have_limits_that_are_reached() {
        let nested = |depth: usize| format!("{}x{}", "${NONE:-".repeat(depth), "}".repeat(depth));
        let most = usize::try_from(MAX_DEPTH).unwrap();
        assert_eq!(expanded(&nested(most)).as_deref(), Ok("x"));
        assert!(expanded(&nested(most + 1)).unwrap_err().contains("more than 16 deep"));
        let long = |length: usize| expanded(&format!("{}$", "x".repeat(length - 1))).map(|text| text.len());
        assert_eq!(long(MAX_LENGTH), Ok(MAX_LENGTH));
        assert!(long(MAX_LENGTH + 1).unwrap_err().contains("longer than 1 MiB"));
    }
}
