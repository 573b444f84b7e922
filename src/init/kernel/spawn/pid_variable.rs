//! `LISTEN_PID`: a variable that must name the process that has it. Its number is known to nobody before it runs, so it
//! writes the variable itself, into memory that was made for it.

use std::ffi::CStr;
use std::io::Write;

const NAME: &str = "LISTEN_PID=";

/// The name, the longest number, and a zero.
const SIZE: usize = NAME.len() + 10 + 1;

/// The variable.
pub struct PidVariable([u8; SIZE]);

impl Default for PidVariable {
    fn default() -> PidVariable {
        PidVariable([0; SIZE])
    }
}

impl PidVariable {
    /// Whether `NAME=value` is this one.
    pub fn is(entry: &CStr) -> bool {
        entry.to_bytes().starts_with(NAME.as_bytes())
    }

    /// Sets it, and returns it as execve(2) wants it. Allocates nothing: it runs in a child that shares our memory.
    pub(super) fn of_this_process(&mut self) -> *const libc::c_char {
        // Not cached by libc: getpid(2).
        let pid = std::process::id();
        let mut rest = self.0.as_mut_slice();
        // There is room for every number, and the zero behind it is there already.
        let _ = write!(rest, "{NAME}{pid}");
        self.0.as_ptr().cast()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_in_a_zero_and_there_is_room_for_the_longest_number() {
        let mut variable = PidVariable::default();
        variable.of_this_process();
        let text = CStr::from_bytes_until_nul(&variable.0).unwrap();
        assert_eq!(text.to_str().unwrap(), format!("LISTEN_PID={}", std::process::id()));
        assert!(PidVariable::is(text) && !PidVariable::is(c"LISTEN_PIDX=1"));
        assert_eq!(format!("{NAME}{}", u32::MAX).len() + 1, SIZE);
    }
}
