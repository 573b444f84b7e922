//! Header lines of HTTP, `NAME: VALUE`: the plan is checked with these functions, and the probe reads with them what is
//! written on its command line.

/// A header's name: a token of RFC 9110, section 5.6.2.
///
/// # Errors
/// One line that says how to write it.
pub fn name(text: &str) -> Result<Box<str>, String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if text.is_empty() || !text.bytes().all(token) {
        return Err("cannot be the name of a header: use letters, digits and `-`".to_owned());
    }
    Ok(text.into())
}

/// A header's value, without the blanks around it, which are not part of it (RFC 9110, section 5.5). It must not end its
/// line, or it could become a second header.
///
/// # Errors
/// One line that says what it must not hold.
pub fn value(text: &str) -> Result<Box<str>, String> {
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return Err("must not hold control characters".to_owned());
    }
    Ok(text.trim_matches([' ', '\t']).into())
}

/// A regular expression that a header's value must match.
///
/// # Errors
/// One line that says what is wrong with it.
pub fn pattern(text: &str) -> Result<regex::bytes::Regex, String> {
    if text.contains(char::is_control) {
        return Err("must not hold control characters; write them as in \"\\\\n\"".to_owned());
    }
    super::pattern::compile(text)
}

/// Takes `NAME: VALUE` apart. Of the blanks before the value one is left out; the rest are the caller's.
///
/// # Errors
/// One line that says how to write it.
pub fn line(text: &str) -> Result<(Box<str>, &str), String> {
    let (before, after) = text.split_once(':').ok_or("a header is written `NAME: VALUE`")?;
    let name = name(before).map_err(|why| format!("`{}` {why}", before.escape_debug()))?;
    Ok((name, after.strip_prefix(' ').unwrap_or(after)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_a_name_and_a_value() {
        assert_eq!(line("A-b: c: d"), Ok(("A-b".into(), "c: d")));
        assert_eq!(line("a:b"), Ok(("a".into(), "b")));
        assert_eq!(line("a:  b "), Ok(("a".into(), " b ")));
        for text in ["", "a", ": b", "a b: c", "a\n: b", "ä: b", "a : b"] {
            assert!(line(text).is_err(), "{text}");
        }
    }

    #[test]
    fn values_end_no_line() {
        assert_eq!(value(" a\tb é\t ").as_deref(), Ok("a\tb é"));
        for text in ["a\nb", "a\r", "\u{0}", "a\u{7f}", "a\u{85}"] {
            assert!(value(text).is_err() && pattern(text).is_err(), "{text:?}");
        }
        assert!(pattern("\t").is_err() && pattern(r"^\ta$").is_ok() && pattern("(").is_err());
    }
}
