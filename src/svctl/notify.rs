//! What a long-lived `svctl` tells `init` of itself, where it is a service (sd_notify(3)).

use std::os::unix::net::UnixDatagram;

/// Says that it is ready, and what it is doing: `svctl list` shows that beside the service.
pub fn tell(status: &str) {
    if let Some(socket) = std::env::var_os("NOTIFY_SOCKET")
        && let Ok(sender) = UnixDatagram::unbound()
    {
        // Nobody needs it to go on.
        let _ = sender.send_to(format!("READY=1\nSTATUS={status}").as_bytes(), socket);
    }
}
