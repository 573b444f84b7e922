//! When a timer is due.

use std::time::Duration;

use jiff::civil::Time;
use jiff::{Timestamp, ZonedDateTime};

/// No time of day is missing from more days in a row: where clocks are changed, one is missing from one day.
const DAYS: u32 = 3;

/// At which times a timer is due.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Schedule {
    /// So long after it was due last.
    Every(Duration),
    /// At these times of each day.
    At(Vec<Time>),
}

impl Schedule {
    /// When it is due next, now at the earliest. `last` is when it was due last, as far as that is known: what was missed
    /// since then is due now, and once.
    pub fn next(&self, last: Option<Timestamp>, now: &ZonedDateTime) -> ZonedDateTime {
        // Somebody has set the clock back. What is known is wrong then.
        let last = last.filter(|&last| last <= now.timestamp());
        let next = match self {
            Schedule::Every(period) => {
                let next = last.unwrap_or(now.timestamp()).checked_add(*period).unwrap_or(Timestamp::MAX);
                next.to_zoned_datetime(now.time_zone().clone())
            }
            Schedule::At(times) => {
                let since = last.map(|last| last.to_zoned_datetime(now.time_zone().clone()));
                after(times, since.as_ref().unwrap_or(now))
            }
        };
        next.max(now.clone())
    }
}

/// The first of these times after a moment. A time that a day does not have, because clocks are put forward, is as much later.
fn after(times: &[Time], moment: &ZonedDateTime) -> ZonedDateTime {
    let mut day = Some(moment.date());
    for _ in 0..DAYS {
        let Some(date) = day else { break };
        let found = times
            .iter()
            .filter_map(|&time| date.to_datetime(time).to_zoned_datetime(moment.time_zone().clone()).ok())
            .filter(|due| due > moment)
            .min();
        if let Some(due) = found {
            return due;
        }
        day = date.tomorrow().ok();
    }
    Timestamp::MAX.to_zoned_datetime(moment.time_zone().clone())
}

/// Reads a time of day: `03:00`, `3:00` or `03:00:30`.
///
/// # Errors
/// One line that says what would do.
pub fn time(text: &str) -> Result<Time, String> {
    let padded = if text.as_bytes().get(1) == Some(&b':') { format!("0{text}") } else { text.to_owned() };
    let is_time = padded.len() >= 5 && padded.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    padded
        .parse()
        .ok()
        .filter(|_| is_time)
        .ok_or_else(|| format!("write a time of day as 03:00, not `{text}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    fn moment(text: &str) -> ZonedDateTime {
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        text.parse::<jiff::civil::DateTime>().unwrap().to_zoned_datetime(berlin).unwrap()
    }

    fn next(schedule: &Schedule, last: Option<&str>, now: &str) -> String {
        let last = last.map(|last| moment(last).timestamp());
        schedule.next(last, &moment(now)).datetime().to_string()
    }

    fn at(times: &[&str]) -> Schedule {
        Schedule::At(times.iter().map(|text| time(text).unwrap()).collect())
    }

    #[test]
    fn times_of_day_are_due_on_this_day_or_the_next() {
        let schedule = at(&["03:00", "15:30"]);
        for (now, due) in [
            ("2026-11-27T02:59:59", "2026-11-27T03:00:00"),
            ("2026-11-27T03:00:00", "2026-11-27T15:30:00"),
            ("2026-11-27T15:30:00", "2026-11-28T03:00:00"),
            ("2026-12-31T23:59:59", "2027-01-01T03:00:00"),
        ] {
            assert_eq!(next(&schedule, None, now), due);
            assert_eq!(next(&schedule, Some(now), now), due);
        }
    }

    #[test]
    fn what_was_missed_is_due_now_and_once() {
        let schedule = at(&["03:00"]);
        let now = "2026-11-27T10:00:00";
        assert_eq!(next(&schedule, Some("2026-11-20T03:00:00"), now), now);
        assert_eq!(next(&schedule, Some("2026-11-27T03:00:00"), now), "2026-11-28T03:00:00");
        // It was made up for at ten.
        assert_eq!(next(&schedule, Some(now), now), "2026-11-28T03:00:00");
        let hourly = Schedule::Every(Duration::from_secs(3600));
        assert_eq!(next(&hourly, Some("2026-11-27T08:00:00"), now), now);
        assert_eq!(next(&hourly, Some("2026-11-27T09:30:00"), now), "2026-11-27T10:30:00");
        assert_eq!(next(&hourly, None, now), "2026-11-27T11:00:00");
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_nothing_from_being_due() {
        let now = "2026-11-27T10:00:00";
        assert_eq!(next(&at(&["12:00"]), Some("2030-01-01T00:00:00"), now), "2026-11-27T12:00:00");
        let hourly = Schedule::Every(Duration::from_secs(3600));
        assert_eq!(next(&hourly, Some("2030-01-01T00:00:00"), now), "2026-11-27T11:00:00");
    }

    #[test]
    fn where_clocks_are_changed_a_time_is_due_once_a_day() {
        let schedule = at(&["02:30"]);
        // On this day there is no 02:30.
        assert_eq!(next(&schedule, None, "2026-03-29T01:00:00"), "2026-03-29T03:30:00");
        assert_eq!(next(&schedule, None, "2026-03-29T03:30:00"), "2026-03-30T02:30:00");
        // On this day there are two.
        assert_eq!(next(&schedule, None, "2026-10-25T01:00:00"), "2026-10-25T02:30:00");
        let first = moment("2026-10-25T02:30:00");
        let due = schedule.next(Some(first.timestamp()), &first);
        assert_eq!(due.datetime().to_string(), "2026-10-26T02:30:00");
    }

    #[test]
    fn a_time_of_day_is_read_as_people_write_it() {
        assert_eq!(time("3:00"), time("03:00"));
        assert_eq!(time("23:59:59").unwrap().second(), 59);
        for wrong in ["", "3", "24:00", "12:60", "3pm", "03:00Z", "2026-11-27T03:00"] {
            assert!(time(wrong).unwrap_err().contains("03:00"), "{wrong}");
        }
    }
}
