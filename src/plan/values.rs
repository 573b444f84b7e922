//! Words with a meaning: durations, sizes, percentages, modes. Each function takes what is written and gives its
//! value, or a message that says how to write it; the caller puts the key's name before it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::message_id::MessageId;
use crate::{id, pattern};

/// What is too long for a program.
pub(super) const TOO_LONG: MessageId = id!("D0403");
/// Zero, where that makes no sense.
pub(super) const ZERO: MessageId = id!("D0410");
/// What is no absolute path.
pub(super) const NOT_ABSOLUTE: MessageId = id!("D0417");
/// What is no name of a variable.
pub(super) const VARIABLE: MessageId = id!("D0419");

/// Longer waits are slips of the pen, and sums of times must not overflow.
const MAX_DURATION: Duration = Duration::from_secs(10 * 365 * 86_400);

/// `500ms`, `90s`, `1.5s`, `5m`, `1h30m`, `7d`: a whole number of milliseconds, at most ten years.
///
/// # Errors
/// One line that says how to write it.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("cannot read `{text}` as a duration; write a number and a unit (ms, s, m, h, d): \"90s\"");
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(end_of(rest, |c| c.is_ascii_digit() || c == '.'));
        let (unit, tail) = tail.split_at(end_of(tail, |c| c.is_ascii_alphabetic()));
        let unit = unit_millis(unit).ok_or_else(wrong)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        if ![whole, fraction].iter().all(|part| is_digits(part)) {
            return Err(wrong());
        }
        let whole =
            digits::<u64>(whole).and_then(|whole| whole.checked_mul(unit)).ok_or_else(|| too_long(text))?;
        let part =
            fraction_of(fraction, unit).ok_or_else(|| format!("`{text}` is too fine; the finest is 1ms"))?;
        let part = Duration::from_millis(whole).saturating_add(Duration::from_millis(part));
        total = total.saturating_add(part);
        rest = tail.trim_start();
    }
    if total > MAX_DURATION { Err(too_long(text)) } else { Ok(total) }
}

/// A duration as [`duration`] reads it. What is finer than a millisecond is left out.
pub fn duration_text(time: Duration) -> String {
    format!("{}ms", time.as_millis())
}

/// Where the characters at the start of a text end that are as wanted.
fn end_of(text: &str, wanted: impl Fn(char) -> bool) -> usize {
    text.find(|c| !wanted(c)).unwrap_or(text.len())
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// A number of decimal digits and nothing else, not even a sign; `None` too if it does not fit its type.
pub(super) fn digits<T: FromStr>(text: &str) -> Option<T> {
    if is_digits(text) { text.parse().ok() } else { None }
}

fn unit_millis(unit: &str) -> Option<u64> {
    Some(match unit {
        "ms" => 1,
        "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    })
}

/// The digits behind a point, in milliseconds; `None` if that is no whole number.
fn fraction_of(digits: &str, unit: u64) -> Option<u64> {
    let digits = digits.trim_end_matches('0');
    // Nine digits of the largest unit: far from where the product would overflow.
    let places = u32::try_from(digits.len()).ok().filter(|&places| places <= 9)?;
    let part = if digits.is_empty() { 0 } else { digits.parse::<u64>().ok()? } * unit;
    let scale = 10_u64.pow(places);
    part.is_multiple_of(scale).then_some(part / scale)
}

fn too_long(text: &str) -> String {
    format!("`{text}` is too long; the longest is ten years")
}

/// `64KiB`, `512M`, `1.5G`, `4096`: bytes. K, M, G, T and KiB, MiB… are powers of 1024; KB, MB… of 1000.
pub fn size(text: &str) -> Result<u64, String> {
    let wrong = || {
        format!("cannot read `{text}` as a size; write bytes, or a number and a unit: \"64KiB\", \"512M\"")
    };
    let trimmed = text.trim();
    let (number, unit) = trimmed.split_at(end_of(trimmed, |c| c.is_ascii_digit() || c == '.'));
    let factor = unit_bytes(unit.trim()).ok_or_else(wrong)?;
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor).ok_or_else(|| format!("`{text}` is more than any machine has"));
    }
    let value = number.parse::<f64>().map_err(|_| wrong())? * factor as f64;
    // 2^63: far from where the conversion would round wrongly or saturate.
    if value < 9.2e18 { Ok(value as u64) } else { Err(format!("`{text}` is more than any machine has")) }
}

fn unit_bytes(unit: &str) -> Option<u64> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return None,
    })
}

/// `50%`, `150%`: of one CPU, at least 1 %.
pub fn percent(text: &str) -> Result<u32, String> {
    let number = text.trim().strip_suffix('%').and_then(|n| n.trim_end().parse::<u32>().ok());
    number.filter(|n| (1..=100_000).contains(n)).ok_or_else(|| {
        format!("cannot read `{text}` as a share of one CPU; write whole percent: \"50%\", \"200%\"")
    })
}

/// `022`, `0027`: at most 777, octal.
pub fn umask(text: &str) -> Result<u32, String> {
    let digits = (1..=4).contains(&text.len()) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let mask = if digits { u32::from_str_radix(text, 8).ok() } else { None };
    mask.filter(|&m| m <= 0o777)
        .ok_or_else(|| format!("cannot read `{text}` as a umask; write octal digits: \"022\""))
}

/// A regular expression, checked here so that a wrong one stops the boot and not a service.
pub fn regex(text: &str) -> Result<Box<str>, String> {
    pattern::compile(text).map(|_| text.into())
}

/// `200`, `200-299`: a range of HTTP status codes, both ends included (RFC 9110, section 15).
///
/// # Errors
/// One line that says how to write it.
pub fn status_range(text: &str) -> Result<(u16, u16), String> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let code = |text: &str| digits::<u16>(text.trim()).filter(|code| (100..=599).contains(code));
    match (code(low), code(high)) {
        (Some(low), Some(high)) if low <= high => Ok((low, high)),
        _ => Err(format!(
            "cannot read `{text}` as HTTP status; write 200, \"200-299\" or a list of such, 100 to 599"
        )),
    }
}

/// Makes sure that a word, with the NUL behind it, can be handed to a program: execve(2), MAX_ARG_STRLEN.
pub(super) fn fits_a_word(length: usize) -> Result<(), String> {
    const LIMIT: usize = 128 * 1024;
    if length < LIMIT {
        Ok(())
    } else {
        Err("must be shorter than 128 KiB, the kernel's limit for a word or variable of a program".to_owned())
    }
}

/// Makes sure that a socket can have this path: unix(7), sun_path.
pub(super) fn fits_a_socket(path: &[u8]) -> Result<(), String> {
    if path.len() <= 107 {
        Ok(())
    } else {
        Err("must be at most 107 bytes long, the kernel's limit for the path of a socket (unix(7))"
            .to_owned())
    }
}

/// The absolute path of a Unix socket.
///
/// # Errors
/// One line that says what is wrong with it.
pub fn socket(path: &OsStr) -> Result<PathBuf, String> {
    fits_a_socket(path.as_bytes())?;
    absolute_path(path)
}

/// One line for people.
pub fn line(text: &str) -> Result<Box<str>, String> {
    if text.contains(char::is_control) {
        return Err("must be one line without control characters".to_owned());
    }
    Ok(text.into())
}

/// A path that does not depend on where anybody stands.
pub fn absolute(text: &str) -> Result<PathBuf, String> {
    absolute_path(text.as_ref())
}

fn absolute_path(path: &OsStr) -> Result<PathBuf, String> {
    if path.as_bytes().starts_with(b"/") {
        Ok(path.into())
    } else {
        Err(format!("must be an absolute path, not `{}`", path.display()))
    }
}

/// A variable's name, as execve(2) passes it on.
pub fn variable(text: &str) -> Result<Box<str>, String> {
    let bad = |c: char| c == '=' || c.is_whitespace() || c.is_control();
    if text.is_empty() || text.contains(bad) {
        return Err(format!("cannot name a variable `{text}`: it must not be empty nor hold `=` or blanks"));
    }
    Ok(text.into())
}

/// The name of a socket, as systemd has it (`FileDescriptorName=`): names stand in a list with `:` between them.
pub fn socket_name(text: &str) -> Result<Box<str>, String> {
    let bad = |c: char| c == ':' || c.is_control();
    if text.is_empty() || text.len() > 255 || text.contains(bad) {
        return Err(format!(
            "cannot name a socket `{text}`: it has 1 to 255 bytes, no `:` and no control characters"
        ));
    }
    Ok(text.into())
}

/// A user or group: a name or a number.
pub fn account(text: &str) -> Result<Box<str>, String> {
    let bad = |c: char| c == ':' || c == '/' || c.is_whitespace() || c.is_control();
    if text.is_empty() || text.contains(bad) || text.starts_with('-') {
        return Err(format!("cannot be `{text}`: write one name or one number"));
    }
    // -1, which setuid(2) takes for "leave as it is".
    if text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u32>().map_or(true, |id| id == u32::MAX) {
        return Err(format!("cannot be `{text}`: numbers go from 0 to 4294967294"));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_add_up() {
        let ms = |text| duration(text).map(|d| d.as_millis());
        assert_eq!(ms("500ms"), Ok(500));
        assert_eq!(ms("1.5s"), Ok(1500));
        assert_eq!(ms("1h30m"), Ok(5_400_000));
        assert_eq!(ms("1m 30s"), Ok(90_000));
        assert_eq!(ms("0s"), Ok(0));
        assert_eq!(ms("0.5m"), Ok(30_000));
        assert_eq!(ms("1min"), Ok(60_000));
        assert_eq!(ms("1.500000000000s"), Ok(1500));
        assert_eq!(ms("0.000000125d0.2s"), Err(fine("0.000000125d0.2s")));
        assert_eq!(ms("0.00000125d"), Ok(108));
        assert_eq!(ms("3650d"), Ok(315_360_000_000));
        for text in [
            "", "5", "s", "5 s5", "5 s", "5x", "-5s", "+5s", "1..2s", "1.2.3s", ".5s", "5.s", "1e400s",
            "none", "NaNs", "infs", "½s", "1S",
        ] {
            assert!(duration(text).unwrap_err().starts_with("cannot read"), "{text}");
        }
        for text in ["99999999999999d", "99999999999999999999s", "3650d1ms", "18446744073709551615ms"] {
            assert!(duration(text).unwrap_err().ends_with("ten years"), "{text}");
        }
        for text in ["0.5ms", "1.0001s", "0.0000000001d"] {
            assert_eq!(duration(text), Err(fine(text)));
        }
    }

    fn fine(text: &str) -> String {
        format!("`{text}` is too fine; the finest is 1ms")
    }

    #[test]
    fn durations_are_read_back_from_their_text() {
        for text in ["1ms", "1.5s", "3650d", "1h1m1s1ms"] {
            let time = duration(text).unwrap();
            assert_eq!(duration(&duration_text(time)), Ok(time));
        }
    }

    #[test]
    fn statuses_are_ranges_of_three_digits() {
        assert_eq!(status_range("200"), Ok((200, 200)));
        assert_eq!(status_range(" 100 - 599 "), Ok((100, 599)));
        for text in ["", "99", "600", "300-200", "+200", "200-", "-200", "2xx", "200-300-400"] {
            assert!(status_range(text).is_err(), "{text}");
        }
    }

    #[test]
    fn paths_of_sockets_fit_into_an_address() {
        let path = |length: usize| format!("/{}", "x".repeat(length - 1));
        assert!(
            socket(path(107).as_ref()).is_ok()
                && socket(path(108).as_ref()).is_err()
                && socket("x".as_ref()).is_err()
        );
    }

    #[test]
    fn words_fit_into_a_command_line() {
        assert!(fits_a_word(131_071).is_ok() && fits_a_word(131_072).is_err());
    }

    #[test]
    fn accounts_are_names_or_numbers() {
        for text in ["www-data", "0", "4294967294", "a.b$"] {
            assert!(account(text).is_ok(), "{text}");
        }
        for text in ["", "-x", "a:b", "a/b", "a b", "4294967295", "99999999999"] {
            assert!(account(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_bytes() {
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(size("512M"), Ok(512 << 20));
        assert_eq!(size("1.5g"), Ok(3 << 29));
        assert_eq!(size("10kb"), Ok(10_000));
        assert_eq!(size("0"), Ok(0));
        for text in ["", "M", "-1", "5 apples", "99999999999T", "1.5.5K"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn masks_are_octal() {
        assert_eq!(umask("022"), Ok(0o22));
        assert_eq!(umask("0777"), Ok(0o777));
        for text in ["", "8", "1777", "00022", "+22"] {
            assert!(umask(text).is_err(), "{text}");
        }
    }
}
