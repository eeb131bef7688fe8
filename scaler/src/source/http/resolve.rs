//! Names that come from metadata are looked at once more where they lead: whoever rules a name's
//! records could point it at this machine, or at a cloud's metadata, after it was permitted.

use std::io;
use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::config::is_local_ip;

/// Resolves as the system does, and refuses what leads to this machine or its link.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guarded;

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.collect();
            if let Some(local) = found.iter().find(|address| is_local_ip(address.ip())) {
                let (name, ip) = (name.as_str(), local.ip());
                let why = format!(
                    "{name} leads to {ip}, which metadata may not name; configure it as a source"
                );
                return Err(io::Error::other(why).into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_leads_here_is_refused() {
        let refused = Guarded.resolve("localhost".parse().unwrap()).await;
        let Err(error) = refused else { panic!("resolved") };
        assert!(error.to_string().contains("localhost leads to "), "{error}");
    }
}
