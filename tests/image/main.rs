//! The Pulp image as a person meets it: started by podman with the documented commands, asked over HTTP.
//!
//! `make test` builds the image and runs these. By hand: `cargo test --features containers --test image`, with the image
//! of `$PULP_IMAGE`, or `localhost/pulp`.
//!
//! | module | what it is about |
//! |---|---|
//! | `backup` | backups of a Pulp that serves, put back into another one |
//! | `bill` | the SBOM of each image |
//! | `quickstart` | no settings at all: everything answers |
//! | `secrets` | what nobody but Pulp may see, and who listens where |
//! | `volumes` | the documented folders, a second boot, a clean stop |
//! | `hostile` | a user who wants to be root: links and pipes on volumes, dot files, nginx's directories |
//! | `https` | `PULP_HTTPS=true` |
//! | `imports` | Pulp imported once, and its services forked from there |
//! | `interrupted` | first boots, and boots that upgrade the database, killed at any moment |
//! | `variables` | what the container's variables change |
//! | `mistakes` | boots that cannot succeed end at once, and say why |
//! | `faults` | full, read-only, foreign volumes; ports, databases and keys that do not fit |
//! | `bring` | what people bring: ports, proxies, domains, uploads, builds, an nginx.conf, and their clients |
//! | `chaos` | random processes killed and stopped while clients work |
//! | `crowded` | as many processes as a large machine has, and clients for minutes |
//! | `powercut` | everything killed at once while clients upload and a sync runs |
//! | `derived` | images derived from ours, with services for s6 |
//! | `external` | PostgreSQL and redis elsewhere |
//! | `killed` | `kill -9` of each process |
//! | `places` | read-only containers, foreign folders, services of one's own |
//! | `restricted` | those without any right: another user, no capabilities, nothing that can be written |
//! | `serve` | content: files sent by nginx, answers from the cache |
//! | `settings_folder` | the folder of settings as people bring it: a strict umask, a key that is being changed |
//! | `single` | one process a container: `pulp-minimal`, `pulp-web` and the names of upstream's scripts |
//! | `sockets` | sockets that somebody else listens at: podman started by a `.socket` unit |
//! | `supervision` | services stopped, started and reloaded by hand; too few processes |
//! | `structure` | owners, modes, setuid programs, users, ports, variables and labels of each image |
//! | `swaps` | directories that become links all the time, during many boots |
//! | `trace` | what root does on the volumes, system call by system call |
//! | `trust` | a company's authority, brought as upstream's guide says; Python packages that upstream's image has |
//! | `upgrade` | volumes that upstream's image wrote |

#![allow(missing_docs, reason = "the names of tests say it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod backup;
mod bill;
mod bring;
mod chaos;
mod crowded;
mod derived;
mod external;
mod faults;
mod harness;
mod hostile;
mod https;
mod imports;
mod interrupted;
mod killed;
mod listings;
mod messages;
mod mistakes;
mod places;
mod powercut;
#[path = "../programs/mod.rs"]
mod programs;
mod quickstart;
mod restricted;
mod secrets;
mod serve;
mod settings_folder;
mod single;
mod sockets;
mod structure;
mod supervision;
mod swaps;
mod trace;
mod trust;
mod upgrade;
mod variables;
mod volumes;
