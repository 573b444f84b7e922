//! Lengths of time as people write and read them.

use std::time::Duration;

use init_plan::values;

/// Reads a duration as in a service's file: `90s`, `500ms`, `1m30s`, `1.5h`. A number without a unit is seconds.
///
/// # Errors
/// One line that says what would do.
pub fn parse(text: &str) -> Result<Duration, String> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if is_number { values::duration(&format!("{text}s")) } else { values::duration(text) }
}

/// As an age, in at most two units: `12s`, `3m 04s`, `2h 10m`, `5d 3h`.
pub fn age(millis: u64) -> String {
    let seconds = millis / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match () {
        () if minutes == 0 => format!("{seconds}s"),
        () if hours == 0 => format!("{minutes}m {:02}s", seconds % 60),
        () if days == 0 => format!("{hours}h {:02}m", minutes % 60),
        () => format!("{days}d {}h", hours % 24),
    }
}

/// As a time taken: to the millisecond while that matters, `120ms`, `1.25s`.
pub fn taken(millis: u64) -> String {
    match millis {
        0..1000 => format!("{millis}ms"),
        1000..60_000 => {
            let text = format!("{}.{:02}", millis / 1000, millis % 1000 / 10);
            format!("{}s", text.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => age(millis),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, millis) in [
            ("30", 30_000),
            ("0", 0),
            ("500ms", 500),
            ("90s", 90_000),
            ("1h30m", 5_400_000),
            ("1d", 86_400_000),
            ("1.5s", 1500),
            ("1m 30s", 90_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn nonsense_is_no_duration() {
        for text in [
            "",
            "s",
            "-1",
            "+1",
            "-1s",
            "1x",
            "1 s",
            "0.5ms",
            "1s2",
            "99999999999999999999s",
            "18446744073709551615",
            "½s",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ages_have_at_most_two_units() {
        for (seconds, shown) in [
            (0, "0s"),
            (12, "12s"),
            (184, "3m 04s"),
            (3599, "59m 59s"),
            (7800, "2h 10m"),
            (442_800, "5d 3h"),
            (u64::MAX / 1000, "213503982334d 14h"),
        ] {
            assert_eq!(age(seconds * 1000), shown);
        }
    }

    #[test]
    fn times_taken_are_exact_when_short() {
        for (millis, shown) in
            [(0, "0ms"), (120, "120ms"), (1000, "1s"), (1250, "1.25s"), (10_005, "10s"), (61_000, "1m 01s")]
        {
            assert_eq!(taken(millis), shown);
        }
    }
}
