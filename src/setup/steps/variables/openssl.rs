//! `OPENSSL_CONF`, which OpenSSL reads itself: with a file that leaves it no ciphers, nothing of Pulp starts.

use crate::ask::command::Tool;
use crate::{Context, Problem};

const VARIABLE: &str = "OPENSSL_CONF";
/// What Pulp does while it is imported.
const TRY: &str = "import ssl; ssl.create_default_context()";

/// Tries TLS as Pulp will, if the variable is set.
///
/// # Errors
/// Names the file, and what Python says of it.
pub(super) fn check(context: &Context) -> Result<(), Problem> {
    let Some(file) = context.var(VARIABLE).filter(|file| !file.is_empty()) else { return Ok(()) };
    let output = Tool::new(context, "python3").args(["-I", "-c", TRY]).env(VARIABLE, file).output()?;
    if output.status.success() {
        return Ok(());
    }
    let words = output.err.lines().next_back().unwrap_or("Python does not start");
    Err(Problem::config(
        "S0501",
        format!("{VARIABLE}={file}: no TLS is possible with this configuration: {words}"),
        "remove the variable or mend the file; with `fips=yes` it has to name a FIPS provider, which Debian's OpenSSL does \
         not bring",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIPS: &str = "openssl_conf = all\n[all]\nalg_section = algorithms\nproviders = providers\n\
                        [providers]\ndefault = default\n[default]\nactivate = 1\n\
                        [algorithms]\ndefault_properties = fips=yes\n";

    #[test]
    fn a_configuration_that_leaves_no_ciphers_is_a_problem_and_another_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let with = |text: &str| {
            let file = dir.path().join("openssl.cnf");
            std::fs::write(&file, text).unwrap();
            check(&Context::for_test(dir.path(), [(VARIABLE, file.to_str().unwrap())]))
        };
        let problem = with(FIPS).unwrap_err();
        assert!(
            problem.what().contains("openssl.cnf: no TLS") && problem.what().contains("CIPHERS"),
            "{problem}"
        );
        with("").unwrap();
        check(&Context::for_test(dir.path(), [(VARIABLE, "")])).unwrap();
    }
}
