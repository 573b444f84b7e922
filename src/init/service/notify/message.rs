//! The datagrams of sd_notify(3): lines of `NAME=value`.

/// Longer datagrams are dropped, in bytes.
pub const LARGEST_MESSAGE: usize = 64 * 1024;

/// So much of a status is kept, in bytes.
pub const LARGEST_STATUS: usize = 1024;

/// What a service said. A name that comes twice counts as it stands last.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Notification {
    /// `READY=1`: it is up, or has finished to reload.
    pub ready: bool,
    /// `STOPPING=1`: it begins to stop.
    pub stopping: bool,
    /// `RELOADING=1`: it reads its configuration again; `READY=1` follows.
    pub reloading: bool,
    /// `STATUS=`: one line for people, without control characters; empty: it takes back its last one.
    pub status: Option<String>,
    /// `MAINPID=`: another process is the service's from now on.
    pub main_pid: Option<i32>,
    /// `WATCHDOG=`: it lives, or wants to be treated as if it did not.
    pub watchdog: Option<Watchdog>,
    /// `WATCHDOG_USEC=`: from now on the longest silence between two pings, in microseconds.
    pub watchdog_usec: Option<u64>,
    /// `MONOTONIC_USEC=`: CLOCK_MONOTONIC when it sent `RELOADING=1`, in microseconds.
    pub monotonic_usec: Option<u64>,
    /// `EXTEND_TIMEOUT_USEC=`: it needs so much longer to start or stop, from now, in microseconds.
    pub extend_timeout_usec: Option<u64>,
    /// `ERRNO=`: why it failed, as in errno(3).
    pub errno: Option<i32>,
    /// `EXIT_STATUS=`: what it is going to exit with.
    pub exit_status: Option<i32>,
}

/// A sign of life, or of its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Watchdog {
    /// `WATCHDOG=1`.
    Ping,
    /// `WATCHDOG=trigger`: as if it had been silent for too long.
    Trigger,
}

/// Reads a datagram. Any bytes will do: what is not understood is skipped.
pub fn parse(datagram: &[u8]) -> Notification {
    let mut said = Notification::default();
    for line in datagram.split(|&b| b == b'\n') {
        if let Some(equals) = line.iter().position(|&b| b == b'=') {
            let (name, value) = line.split_at_checked(equals).unwrap_or_default();
            said.take(name, value.get(1..).unwrap_or_default());
        }
    }
    said
}

impl Notification {
    fn take(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"READY" => self.ready = value == b"1",
            b"STOPPING" => self.stopping = value == b"1",
            b"RELOADING" => self.reloading = value == b"1",
            b"STATUS" => self.status = Some(status(value)),
            b"MAINPID" => self.main_pid = number(value).filter(|&pid| pid > 1),
            b"WATCHDOG" => {
                self.watchdog = match value {
                    b"1" => Some(Watchdog::Ping),
                    b"trigger" => Some(Watchdog::Trigger),
                    _ => None,
                }
            }
            b"WATCHDOG_USEC" => self.watchdog_usec = number(value),
            b"MONOTONIC_USEC" => self.monotonic_usec = number(value),
            b"EXTEND_TIMEOUT_USEC" => self.extend_timeout_usec = number(value),
            b"ERRNO" => self.errno = number(value),
            b"EXIT_STATUS" => self.exit_status = number(value),
            _ => {}
        }
    }
}

fn number<N: std::str::FromStr>(value: &[u8]) -> Option<N> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

/// Statuses end on terminals, and a service must not move a reader's cursor.
fn status(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let mut kept: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let end = (0..=LARGEST_STATUS).rev().find(|&end| kept.is_char_boundary(end)).unwrap_or_default();
    kept.truncate(end);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_read() {
        let said = parse(
            b"READY=1\nMAINPID=12\nSTATUS=all well\nSTOPPING=1\nRELOADING=1\nMONOTONIC_USEC=18446744073709551615\nWATCHDOG=1\n\
              WATCHDOG_USEC=5\nEXTEND_TIMEOUT_USEC=7\nERRNO=2\nEXIT_STATUS=-1",
        );
        let expected = Notification {
            ready: true,
            stopping: true,
            reloading: true,
            status: Some("all well".into()),
            main_pid: Some(12),
            watchdog: Some(Watchdog::Ping),
            watchdog_usec: Some(5),
            monotonic_usec: Some(u64::MAX),
            extend_timeout_usec: Some(7),
            errno: Some(2),
            exit_status: Some(-1),
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn later_assignments_win() {
        let said = parse(b"READY=1\nSTATUS=a\nWATCHDOG=1\nREADY=0\nSTATUS=b\nWATCHDOG=trigger\n");
        assert_eq!((said.ready, said.status.as_deref()), (false, Some("b")));
        assert_eq!(said.watchdog, Some(Watchdog::Trigger));
    }

    #[test]
    fn unknown_names_and_impossible_values_are_ignored() {
        let said = parse(
            b"MAINPID=1\nMAINPID=-5\nMAINPID=0\nFDSTORE=1\nREADY\n=1\nready=1\n READY=1\nREADY=yes\nWATCHDOG=2\nERRNO=x\n\0\xff=\n",
        );
        assert_eq!(said, Notification::default());
    }

    #[test]
    fn status_has_no_control_characters_and_is_cut_between_characters() {
        let text = parse("STATUS=a\x1b[2J\t\u{9b}é".as_bytes()).status.unwrap();
        assert_eq!(text, "a [2J  é");
        let long = parse(format!("STATUS=x{}", "é".repeat(1000)).as_bytes()).status.unwrap();
        assert_eq!(long.len(), LARGEST_STATUS - 1);
        assert_eq!(parse(b"STATUS=\xff").status.unwrap(), "\u{fffd}");
        assert_eq!(parse(b"STATUS=").status.unwrap(), "");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn any_status_is_one_short_printable_line(value: Vec<u8>, repeat in 1_usize..200) {
            let text = parse(&[b"STATUS=".as_slice(), &value.repeat(repeat)].concat()).status.unwrap();
            proptest::prop_assert!(text.len() <= LARGEST_STATUS && !text.chars().any(char::is_control));
        }
    }
}
