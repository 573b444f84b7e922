//! First boots that are killed at any moment, as by a power cut, up to five times in a row; then one that is let be.
//!
//! `PULP_INIT_HISTORIES` says how many such histories (2), `PULP_INIT_SEED` where to begin; each prints its seed.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use crate::harness::{Api, Folders, PASSWORD, podman_ok, turn};

/// A boot on an idle machine is over after this; later kills hit a system that runs.
const LONGEST: u64 = 12_000;
/// Keys that must never change once they are there.
const KEYS: &[&str] = &["secret_key", "database_fields.symmetric.key", "token_private_key.pem"];

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }

    /// Half of the kills come in the first sixth, where most steps are.
    fn delay(&mut self) -> Duration {
        let longest = if self.below(2) == 0 { LONGEST / 6 } else { LONGEST };
        Duration::from_millis(self.below(longest))
    }
}

/// The keys that are there. What has their name is whole: they were renamed into their place.
fn keys(folders: &Folders) -> BTreeMap<String, Vec<u8>> {
    let certs = folders.path("settings/certs");
    KEYS.iter().filter_map(|&key| Some((key.to_owned(), fs::read(certs.join(key)).ok()?))).collect()
}

#[test]
fn a_first_boot_that_is_killed_at_any_moment_comes_up_with_the_keys_that_it_made_first() {
    let Some(_turn) = turn() else { return };
    let (histories, first) = (number("PULP_INIT_HISTORIES", 2), number("PULP_INIT_SEED", 1));
    for seed in first..first + histories {
        let mut random = Random(seed);
        let folders = Folders::new("");
        let mut known = BTreeMap::new();
        let mut kills = Vec::new();
        for _ in 0..=random.below(5) {
            let pulp = folders.boot("killed").start();
            let delay = random.delay();
            // Not a wait for anything: this is the moment of the power cut.
            std::thread::sleep(delay);
            if pulp.runs() {
                podman_ok(&["kill", "--signal", "KILL", &pulp.name]);
            }
            kills.push(delay.as_millis());
            let now = keys(&folders);
            for (name, key) in &known {
                assert_eq!(
                    now.get(name),
                    Some(key),
                    "seed {seed}: {name} changed after kills at {kills:?} ms"
                );
            }
            known = now;
        }
        eprintln!("seed {seed}: killed after {kills:?} ms");
        let pulp = folders.boot("whole").ready();
        for (name, key) in &known {
            assert_eq!(keys(&folders).get(name), Some(key), "seed {seed}: {name} changed");
        }
        assert_eq!(pulp.status()["database_connection"]["connected"], true, "seed {seed}");
        pulp.set_password(PASSWORD);
        let bytes = seed.to_string().repeat(1000).into_bytes();
        let file = Api::admin(&pulp, PASSWORD).publish_file("whole", &bytes);
        assert_eq!(pulp.get(&file).expect(200).body, bytes, "seed {seed}");
        assert_eq!(pulp.stop(), 0, "seed {seed}");
    }
}
