//! Whether something is well: the readiness and health checks of services and containers.
//!
//! [`ready`] and [`readyz`] ask the services. The others look for causes that a service does not tell by itself: a full
//! volume ([`space`]), processes that are stopped ([`stopped`]), tasks of processes that are gone ([`abandoned`]).

pub mod abandoned;
pub mod leftovers;
pub mod ready;
pub mod readyz;
pub mod space;
pub mod stopped;

use crate::Context;

/// Names the path that tells whether the API lives, where the product has another one than pulpcore of today.
pub(crate) const HEALTH_PATH: &str = "PULP_API_HEALTH_PATH";

/// What the API is asked for to see whether it lives: something that needs no database.
fn health_path(context: &Context, api_root: &str) -> String {
    context.var(HEALTH_PATH).map_or_else(|| format!("{api_root}api/v3/livez/"), |path| path.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_is_asked_for_livez_unless_the_product_has_something_else() {
        let path = |env: &[(&'static str, &'static str)]| {
            health_path(&Context::for_test(std::path::Path::new("/"), env.iter().copied()), "/x/")
        };
        assert_eq!(path(&[]), "/x/api/v3/livez/");
        assert_eq!(path(&[(HEALTH_PATH, "/healthz")]), "/healthz");
    }
}
