//! What the fuzzers run, and what `tests/corpus.rs` runs again on what they found.
//!
//! Each function takes arbitrary bytes and panics if what must hold does not.
