//! Process groups and strays that were killed and of which something may be left.

use serde::{Deserialize, Serialize};

use crate::kernel::handles::Remains;
use crate::kernel::kept::Kept;
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

/// The same, as it is written down for another program that takes our place.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Packed {
    run: Run,
    id: Id,
    pgid: i32,
    remains: Option<(Kept, bool)>,
    strays: Vec<i32>,
}

impl Lingering {
    pub(crate) fn pack(self) -> Packed {
        let Lingering { run, id, pgid, remains, strays } = self;
        Packed { run, id, pgid, remains: remains.map(Remains::pack), strays }
    }

    pub(crate) fn unpack(packed: Packed) -> Lingering {
        let Packed { run, id, pgid, remains, strays } = packed;
        Lingering { run, id, pgid, remains: remains.map(Remains::unpack), strays }
    }
}

impl Packed {
    /// The descriptor in it.
    pub(crate) fn descriptor(&self) -> Option<Kept> {
        self.remains.map(|(handle, _)| handle)
    }
}
