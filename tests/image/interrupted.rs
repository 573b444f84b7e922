//! Boots that are killed at any moment, as by a power cut, up to five times in a row; then one that is let be: first
//! boots, which make keys and certificate, make a cluster and restore the prepared database, and boots that upgrade the
//! cluster and the schema of a database that upstream's image wrote.
//!
//! `PULP_INIT_HISTORIES` says how many such histories of first boots (2), `PULP_INIT_UPGRADES` of upgrades (0),
//! `PULP_INIT_SEED` where to begin; each prints its seed.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::{Api, Boot, Folders, PASSWORD, Pulp, number, podman_ok, product, turn};
use crate::upgrade;

/// How long a boot takes until the first has shown it; later kills hit a system that runs.
const LONGEST: Duration = Duration::from_secs(12);
/// One upgrade in so many is of a database that is to be migrated, too.
const MIGRATED: u64 = 10;
/// Keys that must never change once they are there.
const KEYS: &[&str] = &["secret_key", "database_fields.symmetric.key", "token_private_key.pem"];

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

    /// Half of the kills come in the first third, where most steps are.
    fn delay(&mut self, boot: Duration) -> Duration {
        let longest = u64::try_from(boot.as_millis()).unwrap();
        let longest = if self.below(2) == 0 { longest / 3 } else { longest };
        Duration::from_millis(self.below(longest))
    }
}

/// The keys that are there. What has their name is whole: they were renamed into their place.
fn keys(folders: &Folders) -> BTreeMap<String, Vec<u8>> {
    let certs = folders.path("settings/certs");
    KEYS.iter().filter_map(|&key| Some((key.to_owned(), fs::read(certs.join(key)).ok()?))).collect()
}

/// Boots with these folders that are killed, then one that is not. Returns that one, and how long it took.
fn history(seed: u64, folders: &Folders, longest: Duration) -> (Pulp, Duration) {
    let mut random = Random(seed);
    let mut known = BTreeMap::new();
    let mut kills = Vec::new();
    for _ in 0..=random.below(5) {
        let pulp = boot(folders, "killed").start();
        let delay = random.delay(longest);
        // Not a wait for anything: this is the moment of the power cut.
        std::thread::sleep(delay);
        assert!(pulp.runs(), "seed {seed}: after kills at {kills:?} ms it ended by itself:\n{}", pulp.logs());
        podman_ok(&["kill", "--signal", "KILL", &pulp.name]);
        kills.push(delay.as_millis());
        let now = keys(folders);
        for (name, key) in &known {
            assert_eq!(now.get(name), Some(key), "seed {seed}: {name} changed after kills at {kills:?} ms");
        }
        known = now;
    }
    eprintln!("seed {seed}: killed after {kills:?} ms");
    let begin = Instant::now();
    let pulp = boot(folders, "whole").ready();
    let took = begin.elapsed();
    for (name, key) in &known {
        assert_eq!(keys(folders).get(name), Some(key), "seed {seed}: {name} changed");
    }
    (pulp, took)
}

fn boot(folders: &Folders, what: &str) -> Boot {
    folders.boot(what).env("PULP_DEFAULT_ADMIN_PASSWORD", PASSWORD)
}

/// It does what Pulp is for, and stops cleanly.
fn works(seed: u64, pulp: &Pulp) {
    assert_eq!(pulp.status()["database_connection"]["connected"], true, "seed {seed}");
    let bytes = seed.to_string().repeat(1000).into_bytes();
    let file = Api::admin(pulp, PASSWORD).publish_file("whole", &bytes);
    pulp.serves(&file, &bytes);
    assert_eq!(pulp.stop(), 0, "seed {seed}");
}

fn seeds(variable: &str, default: u64) -> std::ops::Range<u64> {
    let first = number("PULP_INIT_SEED", 1);
    first..first + number(variable, default)
}

#[test]
fn a_first_boot_that_is_killed_at_any_moment_comes_up_with_the_keys_that_it_made_first() {
    let _turn = turn();
    let mut longest = LONGEST;
    for seed in seeds("PULP_INIT_HISTORIES", 2) {
        let folders = Folders::new("");
        let (pulp, took) = history(seed, &folders, longest);
        longest = took;
        works(seed, &pulp);
    }
}

#[test]
fn an_upgrade_that_is_killed_at_any_moment_comes_up_with_the_data_and_keeps_the_old_cluster() {
    let _turn = turn();
    let seeds = seeds("PULP_INIT_UPGRADES", 0);
    if seeds.is_empty() {
        return needs::skip("interrupted-upgrades", "needs PULP_INIT_UPGRADES=1 or more");
    }
    let (old, older) = (Folders::new(""), Folders::new(""));
    let (todays, migrated) = if product().is_pulp() { ("15", MIGRATED) } else { ("13", u64::MAX) };
    upgrade::old_cluster(todays, &old.path("pgsql").to_string_lossy(), &upgrade::todays_database());
    let mut longest = LONGEST;
    for seed in seeds {
        // Most keep the schema: migrations take minutes, and are Django's.
        let (release, old) = if seed % migrated == 0 { ("13", &older) } else { (todays, &old) };
        if std::ptr::eq(old, &raw const older) && !old.path("pgsql/data").exists() {
            upgrade::old_cluster(release, &old.path("pgsql").to_string_lossy(), &upgrade::older_database());
        }
        let folders = Folders::new("");
        // The key is one that upstream's image has made.
        upgrade::key(&folders.path("settings/certs"));
        let copied =
            Command::new("cp").arg("-a").arg(old.path("pgsql/.")).arg(folders.path("pgsql")).status();
        assert!(copied.unwrap().success());
        let (pulp, took) = history(seed, &folders, longest);
        longest = took.max(LONGEST);
        upgrade::is_upgraded(&pulp);
        let admins = format!("select count(*) from {} where username = 'admin'", product().users);
        assert_eq!(pulp.sql(&admins), "1", "seed {seed}");
        let kept = |name: String| fs::read_to_string(folders.path("pgsql").join(name).join("PG_VERSION"));
        assert_eq!(kept(format!("data_old.{release}")).unwrap().trim(), release, "seed {seed}");
        let twice = kept(format!("data_old.{release}-2"));
        assert!(twice.is_err(), "seed {seed}: the old cluster was upgraded twice");
        works(seed, &pulp);
    }
}
