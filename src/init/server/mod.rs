//! The control server: `svctl`'s other side.
//!
//! | file | what it is |
//! |---|---|
//! | `acts` | who did what, in the log |
//! | `clients` | who is connected and what each waits for: data, which knows nothing of the event loop |
//! | `connections` | accepting, reading requests, writing answers, hanging up |
//! | `history` | what happened lately |
//! | `requests` | what each request does |
//! | `logs` | lines of logs, from the rings to clients |
//! | `push` | what clients are told without asking again |
//! | `waits` | clients that wait for services, and when that is over |

mod acts;
pub(crate) mod clients;
mod connections;
pub(crate) mod history;
mod logs;
mod push;
mod requests;
mod waits;
