//! Files in Pulp's working directory whose process is gone.
//!
//! A worker that is killed, and a content app that fetched something for nobody, leave their temporary files behind. Nobody
//! else removes them, and in the end the volume is full.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::ask::command::Tool;
use crate::programs::environment::TEMPORARY;
use crate::volume::path;
use crate::{Context, Problem};

/// `WORKING_DIRECTORY`, unless the settings have another: that one is the user's to look after.
const PLACE: &str = "/var/lib/pulp/tmp";
/// What is nginx's there.
const NGINX: &str = "nginx";
/// A task may leave a copy of a whole repository.
const LIMIT: Duration = Duration::from_secs(120);
/// Of a tick in /proc, on every system (sysconf(3), `_SC_CLK_TCK`).
const TICKS: u64 = 100;

/// Removes what is older than this boot. It is no reason to end one: a problem is only said.
pub fn remove(context: &Context) {
    match began().map_or(Ok(0), |boot| remove_older_than(context, boot)) {
        Ok(0) => {}
        Ok(count) => {
            context.say(&format!(
                "removed {count} entries of {PLACE} and {TEMPORARY} that processes of an earlier boot left"
            ));
        }
        Err(problem) => context.say(problem.what()),
    }
}

fn remove_older_than(context: &Context, boot: SystemTime) -> Result<usize, Problem> {
    let boot = boot.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let before_boot = ["!", "-newermt", &format!("@{boot}")].map(str::to_owned);
    // As the user whose directory it is: it may lead anywhere.
    let places = [PLACE, TEMPORARY].map(|place| context.path(place));
    let places = places.into_iter().filter(|place| path::open(place).is_ok());
    let find = Tool::new(context, "find").args(places);
    let find = find.args(["-mindepth", "1", "-maxdepth", "1", "!", "-name", NGINX]).args(before_boot);
    let find = find.args(["-print", "-exec", "rm", "-rf", "--", "{}", "+"]);
    let removed = find.user(context, context.accounts.pulp).limit(LIMIT).run(
        "remove what an earlier boot left in the working directory",
        "see what is in /var/lib/pulp/tmp, and remove it while Pulp is stopped",
    )?;
    Ok(removed.lines().count())
}

/// When the container's first process began: nothing of Pulp in this container is older.
fn began() -> Option<SystemTime> {
    let read = |path: &str| std::fs::read_to_string(Path::new("/proc").join(path)).ok();
    let uptime: f64 = read("uptime")?.split(' ').next()?.parse().ok()?;
    // proc_pid_stat(5): the 22nd field; the second, a name, may hold anything.
    let start: u64 = read("1/stat")?.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    let age = Duration::try_from_secs_f64(uptime).ok()?.checked_sub(Duration::from_secs(start / TICKS))?;
    SystemTime::now().checked_sub(age)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[test]
    fn what_an_earlier_boot_left_goes_and_what_is_nginxs_or_new_stays() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), []);
        let place = context.path(PLACE);
        fs::create_dir_all(place.join("worker/inner")).unwrap();
        fs::create_dir(place.join(NGINX)).unwrap();
        fs::write(place.join("-rf"), "an odd name").unwrap();
        let old = SystemTime::now() - Duration::from_secs(3600);
        for name in ["worker", NGINX, "-rf"] {
            File::open(place.join(name)).unwrap().set_modified(old).unwrap();
        }
        fs::write(place.join("upload"), "of this boot").unwrap();
        let boot = SystemTime::now() - Duration::from_secs(60);
        fs::create_dir_all(context.path(TEMPORARY)).unwrap();
        let chunk = File::create(context.path(TEMPORARY).join("tmpchunk")).unwrap();
        chunk.set_modified(old).unwrap();
        assert_eq!(remove_older_than(&context, boot).unwrap(), 3);
        let mut left: Vec<_> = fs::read_dir(&place)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, [NGINX, "upload"]);
        assert_eq!(remove_older_than(&context, boot).unwrap(), 0);
    }

    #[test]
    fn the_first_process_began_before_us() {
        assert!(began().unwrap() <= SystemTime::now());
    }
}
