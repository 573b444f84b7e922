//! Where an nginx stands, and where it listens.

use std::path::PathBuf;

use super::listens::Listens;
use super::uploads::Temporary;
use super::{OWN, RUN, SNIPPETS, address, processes};
use crate::programs::{bind, exec};
use crate::steps::variables::{self, Variables};
use crate::{Context, Problem};

/// Where nginx listens.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) http: u16,
    pub(crate) https: u16,
}

/// Those of the nginx beside Pulp, unless variables have others.
pub(super) const PORTS: Ports = Ports { http: 80, https: 443 };

/// Where this nginx stands: beside Pulp's processes, or in a container of its own.
pub(crate) struct Site {
    pub(crate) listens: Listens,
    /// Where it may write what is small; its configuration is `RUN.conf`.
    pub(crate) run: PathBuf,
    /// Where it may write what is big.
    pub(crate) temporary: Temporary,
    /// Directories of locations to include, as nginx names their files.
    pub(crate) snippets: Vec<PathBuf>,
    /// The API and the content app, as nginx names them.
    pub(crate) api: String,
    pub(crate) content: String,
    /// Whether these are names, to be looked up again while nginx runs, and the server that knows them.
    pub(crate) names: bool,
    pub(crate) resolver: Option<String>,
    pub(crate) processes: usize,
}

impl Ports {
    /// Those that the variables have, where they have any.
    pub(crate) fn or(self, variables: &Variables) -> Ports {
        let Variables { http_port, https_port, .. } = variables;
        Ports { http: http_port.unwrap_or(self.http), https: https_port.unwrap_or(self.https) }
    }

    /// Those of the nginx beside Pulp.
    pub(crate) fn beside_pulp(context: &Context) -> Ports {
        Variables::read(context).map_or(PORTS, |variables| PORTS.or(&variables))
    }
}

impl Site {
    pub(super) fn beside_pulp(
        context: &Context,
        ports: Ports,
        temporary: Temporary,
    ) -> Result<Site, Problem> {
        let reached = |listener: bind::Listener| address(listener.variable, &listener.from_inside(context));
        Ok(Site {
            listens: Listens::beside_pulp(context, ports, variables::https(context)),
            run: context.path(RUN),
            temporary,
            snippets: vec![context.path(SNIPPETS), context.path(OWN)],
            api: reached(bind::API)?,
            content: if exec::nginx_is_beside(context) {
                format!("unix:{}", exec::CONTENT_SOCKET)
            } else {
                reached(bind::CONTENT)?
            },
            names: false,
            resolver: None,
            processes: processes(),
        })
    }

    pub(super) fn config(&self) -> PathBuf {
        self.run.with_extension("conf")
    }
}
