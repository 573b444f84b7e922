//! Random numbers of the operating system.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use ring::rand::{SecureRandom, SystemRandom};

use crate::Problem;

/// So many random bytes.
///
/// # Errors
/// The kernel refuses the system call.
pub fn bytes<const BYTES: usize>() -> Result<[u8; BYTES], Problem> {
    let mut bytes = [0; BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| refused())?;
    Ok(bytes)
}

/// So many random bytes in URL-safe base64, on a line.
///
/// # Errors
/// The kernel refuses the system call.
pub fn text<const BYTES: usize>() -> Result<String, Problem> {
    Ok(URL_SAFE.encode(bytes::<BYTES>()?) + "\n")
}

/// The kernel, or what signs with its random numbers, refused.
pub fn refused() -> Problem {
    Problem::new(
        "S2801",
        "the kernel gives no random numbers",
        "allow the system call getrandom(2) in the container's seccomp profile",
    )
}
