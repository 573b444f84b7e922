#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| pulp_init::fuzz::notify(data));
