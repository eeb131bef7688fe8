//! Where KEDA dials, and how: `scalerAddress` and the keys of TLS (pkg/scalers/external_scaler.go
//! `externalScalerMetadata`, `getGRPCClient`).

use std::collections::HashMap;

use super::finding::Level;
use super::resource::Resource;

/// Keys of TLS that KEDA reads from a TriggerAuthentication alone, if at all.
const UNREAD: [&str; 6] = [
    "caCert",
    "tlsClientCert",
    "tlsClientKey",
    "tlsCertFile",
    "tlsClientCertFile",
    "tlsClientKeyFile",
];

/// Looks at addresses and TLS of our triggers.
pub(super) fn find(resource: &mut Resource<'_>) {
    let ours = resource.triggers.iter().filter(|trigger| trigger.ours);
    let triggers: Vec<_> = ours
        .map(|trigger| {
            let authenticated = trigger.tree.at("authenticationRef").is_some();
            (format!("{}.metadata", trigger.path), trigger.metadata.clone(), authenticated)
        })
        .collect();
    for (path, metadata, authenticated) in triggers {
        address(resource, &path, metadata.get("scalerAddress").map(String::as_str));
        tls(resource, &path, &metadata, authenticated);
    }
}

fn address(resource: &mut Resource<'_>, path: &str, given: Option<&str>) {
    let path = format!("{path}.scalerAddress");
    let given = given.unwrap_or_default();
    // gRPC's own schemes of names are none of the URL's.
    let host = given.strip_prefix("dns:///").unwrap_or(given);
    if host.is_empty() {
        resource.error(&path, "is missing", Some("write host:port of Prewarm's Service"));
    } else if host.contains("://") {
        resource.error(
            &path,
            "must not have a scheme",
            Some("KEDA takes host:port; TLS is enableTLS: \"true\""),
        );
    } else if host.contains('/') {
        resource.error(&path, format!("{given:?} has a path"), Some("KEDA takes host:port"));
    } else {
        let port =
            host.rsplit_once(':').filter(|(name, _)| !name.contains(':') || name.ends_with(']'));
        let Some((name, port)) = port else {
            return resource.error(
                &path,
                format!("{given:?} has no port"),
                Some("gRPC would dial 443: write host:port, Prewarm's port is 9090 unless the server's configuration says otherwise"),
            );
        };
        if name.is_empty() {
            resource.error(&path, format!("{given:?} has no host"), Some("write host:port"));
        } else if !port.parse().is_ok_and(|port: u16| port > 0) {
            let problem = format!("{port:?} is no port");
            resource.error(&path, problem, Some("write a number from 1 to 65535"));
        }
    }
}

fn tls(
    resource: &mut Resource<'_>,
    path: &str,
    metadata: &HashMap<String, String>,
    authenticated: bool,
) {
    let enabled = metadata
        .get("enableTLS")
        .is_some_and(|flag| matches!(flag.trim(), "true" | "True" | "TRUE" | "t" | "T" | "1"));
    for key in UNREAD.into_iter().filter(|key| metadata.contains_key(*key)) {
        let path = format!("{path}.{key}");
        let of_old = key.ends_with("File");
        let problem =
            if of_old { "is not read since KEDA 2.17" } else { "has no effect in metadata" };
        let place = "it reads caCert, tlsClientCert and tlsClientKey from a TriggerAuthentication only (authenticationRef), as PEM";
        let (level, advice) = match (enabled, authenticated) {
            (true, _) => (
                Level::Warning,
                format!(
                    "KEDA turns TLS on, and {place}; here it stands on the authorities that the system knows"
                ),
            ),
            (false, true) => {
                (Level::Warning, format!("as for KEDA, {place}, and would else speak plain text"))
            }
            (false, false) => (
                Level::Error,
                format!("KEDA speaks plain text here: {place}; enableTLS: \"true\" turns TLS on"),
            ),
        };
        resource.find(level, &path, problem, Some(&advice));
    }
    let skipped = metadata.get("unsafeSsl").is_some_and(|flag| flag.trim() == "true");
    if skipped && !enabled && !authenticated {
        resource.warn(
            &format!("{path}.unsafeSsl"),
            "does not turn TLS on",
            Some("KEDA speaks plain text: add enableTLS: \"true\""),
        );
    }
}
