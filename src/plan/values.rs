//! Words with a meaning: durations, sizes, percentages, modes. Each function takes what is written and gives its
//! value, or a message that says how to write it; the caller puts the key's name before it.

use std::time::Duration;

use crate::pattern;

/// Longer waits are slips of the pen, and sums of times must not overflow.
const MAX_DURATION: Duration = Duration::from_secs(10 * 365 * 86_400);

/// `500ms`, `90s`, `1.5s`, `5m`, `1h30m`, `7d`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("cannot read `{text}` as a duration; write a number and a unit (ms, s, m, h, d): \"90s\"");
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let seconds = number.parse::<f64>().map_err(|_| wrong())? * unit_seconds(unit).ok_or_else(wrong)?;
        let part = Duration::try_from_secs_f64(seconds).map_err(|_| too_long(text))?;
        total = total.checked_add(part).ok_or_else(|| too_long(text))?;
        rest = tail.trim_start();
    }
    if total > MAX_DURATION { Err(too_long(text)) } else { Ok(total) }
}

fn unit_seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    })
}

fn too_long(text: &str) -> String {
    format!("`{text}` is too long; the longest is ten years, and \"none\" (where it may stand) is for ever")
}

/// `64KiB`, `512M`, `1.5G`, `4096`: bytes. K, M, G, T and KiB, MiB… are powers of 1024; KB, MB… of 1000.
pub fn size(text: &str) -> Result<u64, String> {
    let wrong = || {
        format!("cannot read `{text}` as a size; write bytes, or a number and a unit: \"64KiB\", \"512M\"")
    };
    let trimmed = text.trim();
    let split = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(split);
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

/// `200`, `200-299`: a range of HTTP status codes.
pub fn status_range(text: &str) -> Result<(u16, u16), String> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let code = |t: &str| t.trim().parse::<u16>().ok().filter(|c| (100..=599).contains(c));
    match (code(low), code(high)) {
        (Some(low), Some(high)) if low <= high => Ok((low, high)),
        _ => Err(format!(
            "cannot read `{text}` as HTTP status; write 200, \"200-299\" or a list of such, 100 to 599"
        )),
    }
}

/// One line for people.
pub fn line(text: &str) -> Result<Box<str>, String> {
    if text.contains(char::is_control) {
        return Err("must be one line without control characters".to_owned());
    }
    Ok(text.into())
}

/// A path that does not depend on where anybody stands.
pub fn absolute(text: &str) -> Result<std::path::PathBuf, String> {
    if text.starts_with('/') {
        Ok(text.into())
    } else {
        Err(format!("must be an absolute path, not `{text}`"))
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
        for text in
            ["", "5", "s", "5 s5", "5x", "-5s", "1..2s", "1e400s", "99999999999999d", "none", "NaNs", "infs"]
        {
            assert!(duration(text).is_err(), "{text}");
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
