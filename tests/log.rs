//! The log engine against real pipes, terminals and sockets.
#![allow(missing_docs)]
