//! `blame`, `critical-chain` and `plot`: where the time of the boot went.

use super::args::{Blame, CriticalChain};
use super::ask::{Init, json_array};
use crate::exit::{Code, Trouble};
use crate::output::Out;
use crate::render::boot::{blame as blame_text, chain};
use crate::render::plot::plot as picture;
use init_plan::id;

/// `svctl blame`.
pub fn blame(init: &Init, options: &Blame, out: &mut Out) -> Result<(), Trouble> {
    let boot = init.boot()?;
    if options.json {
        return out.write(&json_array(&boot.slowest_first())?);
    }
    out.write(&blame_text(&boot, out.screen))
}

/// `svctl critical-chain`.
pub fn critical_chain(init: &Init, options: &CriticalChain, out: &mut Out) -> Result<(), Trouble> {
    let names: Vec<String> = if options.names.is_empty() {
        Vec::new()
    } else {
        // `init` knows what a bundle holds, and what a wrong name may have been meant to be.
        init.services(&options.names)?.0.into_iter().map(|service| service.name).collect()
    };
    let boot = init.boot()?;
    let links = if names.is_empty() { boot.critical_chain() } else { boot.chain_of(&names) };
    if names.is_empty() && boot.complete_ms.is_none() {
        let cure = "the boot is not complete: wait for it (svctl wait), or name a service";
        return Err(Trouble::said(Code::Failed, id!("C0206"), cure));
    }
    if links.is_empty() && !names.is_empty() {
        let message = format!("{} has not been started yet", options.names.join(", "));
        return Err(Trouble::said(Code::Failed, id!("C0207"), message));
    }
    if options.json {
        return out.write(&json_array(&links)?);
    }
    out.write(&chain(&boot, &links, names.is_empty(), out.screen))
}

/// `svctl plot`.
pub fn plot(init: &Init, out: &mut Out) -> Result<(), Trouble> {
    out.write(&picture(&init.boot()?))
}
