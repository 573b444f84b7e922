//! The Pulp image as a person meets it: started by podman with the documented commands, asked over HTTP.
//!
//! `make test` builds the image and runs these. By hand: `PULP_IMAGE_TESTS=1 cargo test --test image`, with the image
//! of `$PULP_IMAGE`, or `localhost/pulp`.

#![allow(missing_docs, reason = "the names of tests say it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod harness;
mod quickstart;
mod secrets;
