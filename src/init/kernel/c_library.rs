//! Two functions of the C library that nobody needs, and that would bring a sixteenth of our program with them.
//!
//! We are linked statically, and a definition of ours takes the place of the one in the library.
#![allow(unsafe_code, reason = "these are called by code that is not Rust's")]

use std::ffi::{c_char, c_int, c_uint, c_void};

/// Where a thread's stack is. Rust asks at its start, to name an overflow of it, and lives without an answer. The library's own
/// reads `/proc/self/maps` with sscanf(3), which brings numbers of every precision along.
#[unsafe(no_mangle)]
pub extern "C" fn pthread_getattr_np(_: libc::pthread_t, _: *mut c_void) -> c_int {
    libc::ENOSYS
}

/// A broken promise inside of the C library, such as a heap that somebody has overwritten. The library's own translates and prints what was
/// promised, with printf(3) for wide characters, too.
#[unsafe(no_mangle)]
pub extern "C" fn __assert_fail(_: *const c_char, _: *const c_char, _: c_uint, _: *const c_char) -> ! {
    crate::kernel::sys::write_all(crate::kernel::given(2), b"init: the C library has found itself broken\n");
    std::process::abort()
}
