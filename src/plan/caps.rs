//! Capabilities by name: capabilities(7) as of Linux 6.x, number 0 to 40.

const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// Every name, in the order of their numbers.
pub fn names() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter()
}

/// The numbers a word stands for: `net_raw`, `CAP_NET_RAW`, or `all`.
pub fn numbers(word: &str) -> Option<std::ops::RangeInclusive<u8>> {
    let lower = word.to_ascii_lowercase();
    let name = lower.strip_prefix("cap_").unwrap_or(&lower);
    if name == "all" {
        return Some(0..=40);
    }
    let number = u8::try_from(NAMES.iter().position(|&known| known == name)?).ok()?;
    Some(number..=number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_have_the_kernel_s_numbers() {
        for (name, number) in
            [("chown", 0), ("CAP_NET_RAW", 13), ("sys_admin", 21), ("checkpoint_restore", 40)]
        {
            assert_eq!(numbers(name), Some(number..=number), "{name}");
        }
        assert_eq!(numbers("ALL"), Some(0..=40));
        assert_eq!(numbers("cap_"), None);
    }
}
