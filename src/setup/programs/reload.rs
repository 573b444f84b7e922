//! `pulp-setup reload nginx`: lets nginx read its configuration again, if that is right.
//!
//! nginx goes on with the old one if the new one is wrong, and whoever sent it the signal never hears of that. So the
//! configuration is tried first, and a wrong one is the failure of the reload.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::steps::nginx_config::{self, own, uploads};
use crate::{Context, Problem};

/// The reload command of the service `nginx`, to which `init` says the service's process.
pub fn run(context: &Context, args: &[String]) -> Result<(), Problem> {
    if args != ["nginx"] {
        return Err(Problem::config("S2405", "which service?", "pulp-setup reload nginx"));
    }
    let main = context.var("MAINPID").and_then(|pid| pid.parse().ok()).filter(|&pid| pid > 1);
    let main = main.ok_or_else(|| {
        Problem::config("S2406", "which process is nginx's is not known", "say `svctl reload nginx`")
    })?;
    // Ours names directories that are open in nginx, by their numbers.
    uploads::to_try(context).map_err(|failure| failure.problem("use the directory"))?;
    nginx_config::try_it(context, &own::or_ours(context))?;
    kill(Pid::from_raw(main), Signal::SIGHUP).map_err(|errno| {
        Problem::new(
            "S2407",
            format!("nginx (process {main}) cannot be told: {errno}"),
            "see `svctl status nginx`",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_told_unless_it_is_known_whom() {
        let context = |env: &[(&str, &str)]| {
            Context::for_test(std::path::Path::new("/nonexistent"), env.iter().copied())
        };
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert!(
            run(&context(&[("MAINPID", "77")]), &words("redis"))
                .unwrap_err()
                .what()
                .contains("which service")
        );
        for pid in ["", "1", "-1", "x"] {
            let problem = run(&context(&[("MAINPID", pid)]), &words("nginx")).unwrap_err();
            assert!(problem.what().contains("which process"), "{pid}: {problem}");
        }
    }
}
