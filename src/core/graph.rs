//! What follows from the dependencies of a plan alone.

use init_plan::{Id, Plan};

/// For each service, the services that depend on it, and whether they require it.
pub(super) fn dependents(plan: &Plan) -> Vec<Vec<(Id, bool)>> {
    let mut dependents = vec![Vec::new(); plan.services.len()];
    for (service, id) in plan.services.iter().zip((0..).map(Id)) {
        let required = service.requires.iter().map(|&on| (on, true));
        let others = service.wants.iter().chain(&service.after).map(|&on| (on, false));
        for (on, is_required) in required.chain(others) {
            if let Some(row) = dependents.get_mut(on.index()) {
                row.push((id, is_required));
            }
        }
    }
    dependents
}

/// For each service, the length of the longest chain of services that stop after it.
pub(super) fn tiers(plan: &Plan) -> Vec<u32> {
    let mut tiers: Vec<u32> = Vec::with_capacity(plan.services.len());
    // Dependencies have smaller ids, so their tiers are known already.
    for service in &plan.services {
        let below = service.dependencies().filter_map(|on| tiers.get(on.index()));
        tiers.push(below.max().map_or(0, |tier| tier.saturating_add(1)));
    }
    tiers
}
