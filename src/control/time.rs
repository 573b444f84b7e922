//! Points in time, as the logs and the clients write them.

use std::time::{Duration, UNIX_EPOCH};

/// The last millisecond that RFC 3339 can write, of the year 9999.
const LAST: u64 = 253_402_300_799_999;

/// RFC 3339 in UTC with milliseconds. A time beyond the year 9999 is written as its end.
pub fn rfc3339(time_ms: u64) -> String {
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(time_ms.min(LAST))).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc_to_the_millisecond() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(951_782_400_001), "2000-02-29T00:00:00.001Z");
        assert_eq!(rfc3339(u64::MAX), "9999-12-31T23:59:59.999Z");
    }
}
