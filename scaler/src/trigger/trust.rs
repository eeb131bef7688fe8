//! Reading metadata without the server's configuration: what refers to it is taken on trust.

use std::collections::HashMap;

use super::keys::{HOLIDAYS, Key, POLICY_REF, SERVER_ADDRESS, SOURCE};
use super::{Rules, SharedPolicy, holidays};

impl Rules {
    /// Lets metadata refer to whatever it names: without the configuration it cannot be wrong.
    /// Windows and holidays that only the server knows are empty. Returns the references as `key:
    /// value`.
    pub(crate) fn trust(&mut self, metadata: &HashMap<String, String>) -> Vec<String> {
        let value = |key: &Key| metadata.get(key.name).map(|value| value.trim().to_owned());
        let mut trusted = Vec::new();
        if let Some(source) = value(&SOURCE) {
            trusted.push(format!("{SOURCE}: {source}"));
        }
        if let Some(address) = value(&SERVER_ADDRESS) {
            trusted.push(format!("{SERVER_ADDRESS}: {address}"));
            let anywhere = ["http://*:*", "https://*:*"];
            self.allow.server_addresses =
                anywhere.iter().filter_map(|pattern| pattern.parse().ok()).collect();
        }
        if let Some(name) = value(&POLICY_REF).filter(|name| !self.policies.contains_key(name)) {
            trusted.push(format!("{POLICY_REF}: {name}"));
            self.policies.insert(name, SharedPolicy::default());
        }
        let written = value(&HOLIDAYS).unwrap_or_default();
        for name in holidays::calendar_names(&written) {
            if !self.holidays.contains_key(name) {
                trusted.push(format!("{HOLIDAYS}: {name}"));
                self.holidays.insert(name.to_owned(), Vec::new());
            }
        }
        trusted
    }
}
