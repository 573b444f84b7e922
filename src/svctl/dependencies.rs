//! Which service depends on which, as `svctl deps`, `graph` and `why` walk it.

use std::collections::{BTreeMap, BTreeSet};

use init_core::status::ServiceStatus;

/// How a service depends on another.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Tie {
    /// It does not start without.
    Requires,
    /// It starts without if need be.
    Wants,
    /// It only starts later, if both start.
    After,
}

/// All services and what ties them, both ways.
#[derive(Debug)]
pub struct Dependencies<'a> {
    services: &'a [ServiceStatus],
    /// For each service what it depends on, in the order of its definition.
    below: Vec<Vec<(usize, Tie)>>,
    /// For each service what depends on it, in the order in which services start.
    above: Vec<Vec<(usize, Tie)>>,
}

impl<'a> Dependencies<'a> {
    /// Those of these services. A name that is none of them is left out.
    pub fn new(services: &'a [ServiceStatus]) -> Dependencies<'a> {
        let numbers: BTreeMap<&str, usize> =
            services.iter().enumerate().map(|(number, service)| (service.name.as_str(), number)).collect();
        let mut above = vec![Vec::new(); services.len()];
        let below = services.iter().enumerate().map(|(number, service)| {
            let mut seen = BTreeSet::new();
            let ties = [
                (&service.requires, Tie::Requires),
                (&service.wants, Tie::Wants),
                (&service.after, Tie::After),
            ];
            let all = ties.into_iter().flat_map(|(names, tie)| names.iter().map(move |name| (name, tie)));
            let known = all.filter_map(|(name, tie)| Some((*numbers.get(name.as_str())?, tie)));
            // What a service requires it also starts after: the strongest tie is the one that counts.
            let below: Vec<(usize, Tie)> = known.filter(|(on, _)| seen.insert(*on)).collect();
            for &(on, tie) in &below {
                if let Some(above) = above.get_mut(on) {
                    above.push((number, tie));
                }
            }
            below
        });
        let below = below.collect();
        Dependencies { services, below, above }
    }

    /// A service by its number.
    pub fn service(&self, number: usize) -> Option<&'a ServiceStatus> {
        self.services.get(number)
    }

    /// The numbers of services with these names.
    pub fn numbers(&self, names: &[String]) -> Vec<usize> {
        let has_name = |service: &ServiceStatus| names.contains(&service.name);
        let all = self.services.iter().enumerate();
        all.filter(|(_, service)| has_name(service)).map(|(number, _)| number).collect()
    }

    /// What a service depends on, or, in reverse, what depends on it.
    pub fn of(&self, number: usize, reverse: bool) -> &[(usize, Tie)] {
        let ties = if reverse { &self.above } else { &self.below };
        ties.get(number).map_or(&[], Vec::as_slice)
    }

    /// The services that no other one leads to.
    pub fn roots(&self, reverse: bool) -> Vec<usize> {
        (0..self.services.len()).filter(|&number| self.of(number, !reverse).is_empty()).collect()
    }

    /// These services and all that they lead to, in the order in which services start.
    pub fn reached(&self, from: &[usize], reverse: bool) -> BTreeSet<usize> {
        let (mut queue, mut found) = (from.to_vec(), BTreeSet::new());
        while let Some(number) = queue.pop() {
            if found.insert(number) {
                queue.extend(self.of(number, reverse).iter().map(|&(next, _)| next));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples::several;

    #[test]
    fn ties_are_known_both_ways_and_the_strongest_counts() {
        let mut services = several();
        // `nginx` requires `api` and `certs`, and wants `redis`.
        services[3].after = vec!["api".into(), "debug".into(), "nobody".into()];
        let all = Dependencies::new(&services);
        assert_eq!(
            all.of(3, false),
            [(4, Tie::Requires), (0, Tie::Requires), (2, Tie::Wants), (6, Tie::After)]
        );
        assert_eq!(all.of(4, true), [(3, Tie::Requires)]);
        assert_eq!(all.reached(&[4], false).into_iter().collect::<Vec<_>>(), [1, 4]);
        assert_eq!(all.roots(false), [3, 5, 7]);
        assert_eq!(all.roots(true), [0, 1, 2, 5, 6, 7]);
        assert_eq!(all.numbers(&["redis".into(), "certs".into()]), [0, 2]);
    }

    #[test]
    fn a_circle_ends() {
        let mut services = several();
        services[0].after = vec!["redis".into()];
        services[2].after = vec!["certs".into()];
        assert_eq!(Dependencies::new(&services).reached(&[0], false).len(), 2);
    }
}
