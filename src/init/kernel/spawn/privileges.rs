//! What a process gives up before its program runs: groups, user, capabilities.

use super::{Spec, ok};

/// Groups, group, user, in that order; capabilities around it, since each step needs those of the one before.
pub(super) fn drop(spec: &Spec<'_>) -> Result<(), &'static str> {
    for &capability in spec.drop_capabilities {
        let drop = libc::PR_CAPBSET_DROP;
        ok(
            // SAFETY: takes no memory.
            unsafe { libc::syscall(libc::SYS_prctl, drop, libc::c_ulong::from(capability), 0, 0, 0) },
            "drop-capabilities",
        )?;
    }
    if let Some((groups, group, user)) = &spec.credentials {
        // SAFETY: `groups` is a valid array of its length. The bare system calls, because libc's wrappers would also
        // change the threads of the parent that it believes to see.
        unsafe {
            ok(libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()), "setgroups")?;
            ok(libc::syscall(libc::SYS_setresgid, *group, *group, *group), "setgid")?;
            ok(libc::syscall(libc::SYS_setresuid, *user, *user, *user), "setuid")?;
        }
    }
    if spec.drop_capabilities.is_empty() { Ok(()) } else { clear_capabilities(spec.drop_capabilities) }
}

/// capget(2)'s header and data, version 3.
#[repr(C)]
struct CapHeader {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct CapData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

fn clear_capabilities(capabilities: &[u8]) -> Result<(), &'static str> {
    let mut header = CapHeader { version: 0x2008_0522, pid: 0 };
    let mut data = [CapData { effective: 0, permitted: 0, inheritable: 0 }; 2];
    // SAFETY: both are what version 3 asks for.
    ok(unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) }, "drop-capabilities")?;
    for &capability in capabilities {
        let bit = !(1u32 << (capability % 32));
        if let Some(word) = data.get_mut(usize::from(capability / 32)) {
            word.effective &= bit;
            word.permitted &= bit;
            word.inheritable &= bit;
        }
    }
    // SAFETY: as above. What leaves the inheritable set leaves the ambient one too (capabilities(7)).
    ok(unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) }, "drop-capabilities")
}
