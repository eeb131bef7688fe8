//! Which addresses trigger metadata may name. Tenants write metadata, we send the requests:
//! whatever is permitted here can be reached by everyone who may create a ScaledObject. Names are
//! not resolved; whoever controls the DNS of a permitted host controls where requests go.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use url::{Host, Url};

/// What trigger metadata may name beyond the configured sources.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Allow {
    /// Permitted addresses; none by default.
    pub server_addresses: Vec<AddressPattern>,
}

impl Allow {
    /// Reads an address from metadata, if it is permitted. The error says why not and which key of
    /// the server's configuration decides; it tells neither the other patterns nor a password.
    pub fn address(&self, text: &str) -> Result<Url, String> {
        // A malformed address may hold a password, too: nothing with an @ is ever repeated.
        let shown = if text.contains('@') {
            "the address".to_owned()
        } else {
            crate::duration::quoted(text)
        };
        let url =
            Url::parse(text).map_err(|error| format!("{shown} is not an address: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return Err(format!(
                "{shown} is not an address: write http://host:port or https://host:port"
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "must not hold a user or password: credentials belong to a source of the server's \
                        configuration (sources.NAME), named by the key source"
                    .to_owned(),
            );
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(format!("{shown} must end with the path: no ? and no #"));
        }
        if self.server_addresses.is_empty() {
            return Err(format!(
                "{shown} is not permitted: the server permits no address in metadata; name a source instead, or list \
                 the address under allow.serverAddresses in the server's configuration"
            ));
        }
        let near = self.server_addresses.iter().map(|pattern| pattern.matches(&url));
        match near.max().unwrap_or(Match::Nothing) {
            Match::Full => return Ok(url),
            Match::Path => Err("its path is not among those permitted for this host and port"),
            Match::Host => Err("its port is not among those permitted for this host"),
            Match::Scheme => Err("its host is not among those permitted"),
            Match::Nothing => Err("its scheme is not among those permitted"),
        }
        .map_err(|why| {
            format!("{shown} is not permitted: {why} by allow.serverAddresses in the server's configuration; add it there, or name a source")
        })
    }
}

/// How far an address agrees with a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Match {
    Nothing,
    Scheme,
    Host,
    Path,
    Full,
}

/// `http://*.models.svc.cluster.local:*`: scheme, host, port and perhaps the beginning of a path.
///
/// In the host, `*` stands for one or more characters other than `/`, `:` and `@` (dots included).
/// As the port, it stands for any; without a port it is the scheme's own. Without a path any path
/// will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressPattern {
    scheme: &'static str,
    host: String,
    port: Option<u16>,
    path: String,
}

impl AddressPattern {
    fn matches(&self, url: &Url) -> Match {
        if url.scheme() != self.scheme {
            return Match::Nothing;
        }
        if !url.host_str().is_some_and(|host| glob(self.host.as_bytes(), host.as_bytes())) {
            return Match::Scheme;
        }
        // `*` is meant for names: 2130706433 and 0x7f.1 are 127.0.0.1, and nobody means this
        // process's own machine or a cloud's metadata by it.
        if self.host.contains('*') && is_local(url) {
            return Match::Scheme;
        }
        if self.port.is_some() && self.port != url.port_or_known_default() {
            return Match::Host;
        }
        // `url` has resolved "." and ".."; an escaped slash or dot might still be resolved by the
        // other side.
        let within = match url.path().strip_prefix(self.path.as_str()) {
            _ if self.path.is_empty() => true,
            Some(rest) => (rest.is_empty() || rest.starts_with('/')) && !rest.contains('%'),
            None => false,
        };
        if within { Match::Full } else { Match::Path }
    }
}

/// Whether the host is an address that only this machine, or its link, gives a meaning to; or names
/// this machine.
fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => is_local_ip(ip.into()),
        Some(Host::Ipv6(ip)) => is_local_ip(ip.into()),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}

/// Loopback, unspecified, link-local (where clouds serve credentials) and multicast.
pub fn is_local_ip(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            ip.is_loopback()
                || ip.octets()[0] == 0
                || ip.is_link_local()
                || ip.is_multicast()
                || ip.is_broadcast()
        }
        IpAddr::V6(ip) => {
            ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_unicast_link_local()
                || ip.is_multicast()
                // AWS serves instance metadata there.
                || ip.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]
        }
    }
}

/// Whether `text` is `pattern` with every `*` replaced by one or more characters other than `/`,
/// `:` and `@`.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') && plain(text[t]) {
            // Takes one character, and more should the rest not match.
            star = Some((p, t + 1));
            (p, t) = (p + 1, t + 1);
        } else if pattern.get(p) == Some(&text[t]) && text[t] != b'*' {
            (p, t) = (p + 1, t + 1);
        } else if let Some((at, next)) =
            star.filter(|(_, next)| *next < text.len() && plain(text[*next]))
        {
            star = Some((at, next + 1));
            (p, t) = (at + 1, next + 1);
        } else {
            return false;
        }
    }
    p == pattern.len()
}

fn plain(byte: u8) -> bool {
    !matches!(byte, b'/' | b':' | b'@')
}

impl FromStr for AddressPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            let quoted = if text.contains('@') {
                "the pattern".to_owned()
            } else {
                crate::duration::quoted(text)
            };
            format!("{quoted} {why}: write it like http://*.models.svc.cluster.local:*")
        };
        let (scheme, rest) = match text.split_once("://") {
            Some(("http", rest)) => ("http", rest),
            Some(("https", rest)) => ("https", rest),
            _ => return Err(wrong("must begin with http:// or https://")),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(wrong("must not hold a user"));
        }
        if path.contains(['*', '?', '#', '%'])
            || path.split('/').any(|part| part == "." || part == "..")
        {
            return Err(wrong("has a path with *, ?, #, % or dots"));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let v6 = host.starts_with('[') && host.ends_with(']');
        let fits = |c: char| {
            c.is_ascii_alphanumeric()
                || matches!(c, '.' | '-' | '_' | '*')
                || v6 && "[]:".contains(c)
        };
        if host.is_empty() || !host.chars().all(fits) || (v6 && host.contains('*')) {
            return Err(wrong(
                "has a host with characters other than letters, digits, '.', '-', '_' and '*'",
            ));
        }
        let port = match port {
            None => Some(if scheme == "http" { 80 } else { 443 }),
            Some("*") => None,
            Some(port) => {
                Some(port.parse().map_err(|_| wrong("has a port that is neither a number nor *"))?)
            }
        };
        // Literal addresses are compared as `url` writes them ([0:0::1] is [::1]).
        let host = match Url::parse(&format!("{scheme}://{host}/")) {
            Ok(url) if !host.contains('*') => url.host_str().unwrap_or(host).to_owned(),
            Err(_) if !host.contains('*') => return Err(wrong("has a host that is none")),
            _ => host.to_ascii_lowercase(),
        };
        Ok(Self { scheme, host, port, path: path.trim_end_matches('/').to_owned() })
    }
}

impl fmt::Display for AddressPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port.map_or("*".to_owned(), |port| port.to_string());
        write!(f, "{}://{}:{port}{}", self.scheme, self.host, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_star_is_no_way_to_this_machine_or_to_a_clouds_metadata() {
        let any: AddressPattern = "http://*:*".parse().unwrap();
        let all = Allow { server_addresses: vec![any] };
        for local in [
            "2130706433",
            "0x7f.1",
            "127.1",
            "0",
            "localhost",
            "a.localhost",
            "LOCALHOST.",
            "169.254.169.254",
            "2852039166",
            "0xa9fea9fe",
            "224.0.0.1",
        ] {
            assert!(all.address(&format!("http://{local}:80/")).is_err(), "{local}");
        }
        for local in ["[::1]", "[::ffff:127.0.0.1]", "[fe80::1]", "[fd00:ec2::254]", "[::]"] {
            assert!(all.address(&format!("http://{local}:80/")).is_err(), "{local}");
        }
        assert!(all.address("http://10.0.0.7:9090/").is_ok(), "a pod");
        assert!(all.address("http://prometheus.monitoring:9090/").is_ok());
        // Written out, an operator means it.
        let one: AddressPattern = "http://127.0.0.1:*".parse().unwrap();
        let one = Allow { server_addresses: vec![one] };
        assert!(one.address("http://2130706433:9090/").is_ok());
    }

    fn allow(patterns: &[&str]) -> Allow {
        Allow { server_addresses: patterns.iter().map(|p| p.parse().unwrap()).collect() }
    }

    #[test]
    fn permits_what_the_pattern_says() {
        let models = allow(&["http://*.models.svc.cluster.local:*"]);
        for good in [
            "http://llama.models.svc.cluster.local:8000",
            "http://llama.models.svc.cluster.local:8000/metrics",
            "http://llama.models.svc.cluster.local",
            "http://LLAMA.Models.svc.cluster.local:1/a/../b",
            "http://a.b.models.svc.cluster.local:8000",
        ] {
            assert!(models.address(good).is_ok(), "{good}: {:?}", models.address(good));
        }
        for bad in [
            "http://evil.com/.models.svc.cluster.local:80",
            "http://a.models.svc.cluster.local.evil.com",
            "http://evil.com:80#.models.svc.cluster.local:80",
            "http://evil.com?.models.svc.cluster.local:80",
            r"http://evil.com\.models.svc.cluster.local:80",
            "http://evil.com:80@x.models.svc.cluster.local:80",
            "http://x.models.svc.cluster.local:80@evil.com",
            "http://evil.com%2f.models.svc.cluster.local:80",
            "http://evil.com%00.models.svc.cluster.local",
            "http://.models.svc.cluster.local:80",
            "http://models.svc.cluster.local:80",
            "http://xmodels.svc.cluster.local:80",
            "https://llama.models.svc.cluster.local:8000",
            "file:///etc/passwd",
            "http:///models.svc.cluster.local",
            "//a.models.svc.cluster.local",
            "",
        ] {
            assert!(models.address(bad).is_err(), "{bad} is permitted");
        }
    }

    #[test]
    fn ports_and_paths() {
        let prometheus = allow(&["https://prom.example", "http://10.0.0.1:9090/tenants/a/"]);
        let permits = |address: &str| prometheus.address(address).is_ok();
        assert!(permits("https://prom.example:443/x"));
        assert!(!permits("https://prom.example:8443"));
        assert!(permits("http://10.0.0.1:9090/tenants/a/api"));
        assert!(permits("http://10.0.0.1:9090/tenants/a"));
        assert!(permits("http://0xa000001:9090/tenants/a"));
        for outside in [
            "",
            "/tenants/ab",
            "/tenants/a/../b",
            "/tenants/a/%2e%2e/b",
            "/tenants/a/..%2fb",
            "/tenants/a/%2e%2e%2fb",
        ] {
            assert!(!permits(&format!("http://10.0.0.1:9090{outside}")), "{outside}");
        }
    }

    #[test]
    fn says_why_without_telling_other_patterns() {
        let models = allow(&["http://*.models.svc:8000", "http://secret-tenant.internal:9090"]);
        let why = |address: &str| models.address(address).unwrap_err();
        insta::assert_snapshot!(why("http://llama.models.svc:80"), @r#""http://llama.models.svc:80" is not permitted: its port is not among those permitted for this host by allow.serverAddresses in the server's configuration; add it there, or name a source"#);
        insta::assert_snapshot!(why("http://other.svc"), @r#""http://other.svc" is not permitted: its host is not among those permitted by allow.serverAddresses in the server's configuration; add it there, or name a source"#);
        insta::assert_snapshot!(why("prometheus:9090"), @r#""prometheus:9090" is not an address: write http://host:port or https://host:port"#);
        for address in
            ["http://u:hunter2@llama.models.svc:8000", "http://:hunter2@[bad", "u:hunter2@x"]
        {
            assert!(!why(address).contains("hunter2"), "{}", why(address));
        }
        for address in ["http://x", "https://llama.models.svc:8000", "http://llama.models.svc:1"] {
            assert!(!why(address).contains("secret-tenant"), "{}", why(address));
        }
    }

    #[test]
    fn refuses_patterns_that_mean_something_else() {
        for bad in [
            "",
            "*",
            "ftp://x",
            "http://",
            "http://a b",
            "http://*@x",
            "http://x:99999",
            "http://x/*",
            "http://x/..",
            "http://[::1",
        ] {
            assert!(bad.parse::<AddressPattern>().is_err(), "{bad}");
        }
        let shown = |pattern: &str| pattern.parse::<AddressPattern>().unwrap().to_string();
        assert_eq!(shown("https://X.Example"), "https://x.example:443");
        assert_eq!(shown("http://[0:0::1]:9090/a/"), "http://[::1]:9090/a");
        assert_eq!(shown("http://*:*"), "http://*:*");
    }

    proptest! {
        #[test]
        fn glob_agrees_with_a_regular_expression(pattern in "[ab*]{0,8}", text in "[ab:/@]{0,10}") {
            let regex = format!("^{}$", pattern.replace('*', "[^/:@]+"));
            prop_assert_eq!(
                glob(pattern.as_bytes(), text.as_bytes()),
                regex::Regex::new(&regex).unwrap().is_match(&text)
            );
        }

        #[test]
        fn a_permitted_host_always_ends_as_the_pattern_does(address in r"http://[a-z@:/.#?\\%0-9]{0,40}\.models\.svc[:/.@#?\\a-z0-9]{0,10}") {
            if let Ok(url) = allow(&["http://*.models.svc:*"]).address(&address) {
                prop_assert!(url.host_str().unwrap().ends_with(".models.svc"), "{}", url);
            }
        }
    }
}
