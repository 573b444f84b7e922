//! Process groups and strays that were killed and of which something may be left.

use crate::kernel::handles::Remains;
use init_core::Run;
use init_plan::Id;

/// The killed group of a main process that has ended, until nothing is left of it.
#[derive(Debug)]
pub(crate) struct Lingering {
    pub(crate) run: Run,
    pub(crate) id: Id,
    pub(crate) pgid: i32,
    /// The handle on the process, if it had one.
    pub(crate) remains: Option<Remains>,
    /// Strays of the service that were killed, and may be left.
    pub(crate) strays: Vec<i32>,
}
