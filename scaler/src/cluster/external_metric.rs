//! The value of another trigger of a ScaledObject, through KEDA's external metrics API.
//!
//! Each read makes KEDA ask the broker, unless that trigger has `useCachedMetrics`. While it waits,
//! KEDA asks us for our metric's specification, which is answered from memory.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kube::Client;
use kube::core::DynamicObject;
use serde_json::Value;
use tokio::sync::watch as channel;
use url::Url;

use super::Name;
use super::target::{self, Failure};
use crate::scaled_object::sibling::{self, Sibling};

/// Whether there is a cluster to ask.
#[derive(Clone, Default)]
pub(super) enum Connection {
    /// That is being found out.
    #[default]
    Pending,
    /// There is none, or it is not to be asked.
    None,
    /// There is.
    Ready(Client),
}

// A client has no `Debug`.
impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pending => "Pending",
            Self::None => "None",
            Self::Ready(_) => "Ready",
        })
    }
}

/// Why there is no value. Texts hold names, no secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoValue {
    /// Somebody has to change something: what, and how.
    #[error("{0}")]
    Wrong(String),
    /// KEDA cannot say now.
    #[error("{0}")]
    Unknown(String),
}

/// One trigger of a ScaledObject.
#[derive(Debug)]
pub struct ExternalMetric {
    connection: channel::Receiver<Connection>,
    of: Name,
    trigger: String,
    /// What it is called; as of an instant.
    known: Mutex<Option<(Instant, Sibling, String)>>,
}

impl ExternalMetric {
    pub(super) fn new(
        connection: channel::Receiver<Connection>,
        of: Name,
        trigger: String,
    ) -> Self {
        Self { connection, of, trigger, known: Mutex::default() }
    }

    /// Its value as of now, at least 0.
    pub async fn value(&self) -> Result<f64, NoValue> {
        let client = self.client()?;
        let name = self.metric(&client).await?;
        let value = read(&client, &self.of, &name).await;
        if value.is_err() {
            // Perhaps the ScaledObject was edited.
            self.remember(None);
        }
        value
    }

    fn client(&self) -> Result<Client, NoValue> {
        match &*self.connection.borrow() {
            Connection::Ready(client) => Ok(client.clone()),
            Connection::Pending => {
                Err(NoValue::Unknown("the Kubernetes API is being looked for".to_owned()))
            }
            Connection::None => Err(NoValue::Wrong(
                "the server does not read the Kubernetes API, which triggerName needs: see \
                 cluster.access in its configuration, or give query or preset"
                    .to_owned(),
            )),
        }
    }

    /// What KEDA calls it: asked for once a minute, and each time where a fallback could stand in
    /// for the value.
    async fn metric(&self, client: &Client) -> Result<String, NoValue> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, Sibling { fallback: false, .. }, name)) = known
            && at.elapsed() < KNOWN
        {
            return Ok(name);
        }
        let object = target::scaled_object(client, &self.of).await?;
        let DynamicObject { data, .. } = object;
        let found = sibling::find(&data, &self.trigger).map_err(NoValue::Wrong)?;
        let name = sibling::metric(&data, found).map_err(NoValue::Wrong)?.ok_or_else(|| {
            NoValue::Unknown("KEDA has not said yet what its metric is called".to_owned())
        })?;
        if sibling::falls_back(&data, found, &name) {
            return Err(NoValue::Unknown(
                "KEDA cannot read it, and answers with its fallback".to_owned(),
            ));
        }
        self.remember(Some((Instant::now(), found, name.clone())));
        Ok(name)
    }

    fn remember(&self, known: Option<(Instant, Sibling, String)>) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }
}

/// A ScaledObject's triggers hardly ever change.
const KNOWN: Duration = Duration::from_secs(60);

impl From<Failure> for NoValue {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(words) => Self::Wrong(format!(
                "{words}: the server's account needs the verb list on external.metrics.k8s.io, and \
                 get on scaledobjects of keda.sh"
            )),
            Failure::Missing(words) | Failure::Unreachable(words) => Self::Unknown(words),
        }
    }
}

async fn read(client: &Client, (namespace, name): &Name, metric: &str) -> Result<f64, NoValue> {
    let request = http::Request::get(path(namespace, name, metric))
        .body(Vec::new())
        .map_err(|error| NoValue::Wrong(error.to_string()))?;
    let list: Value = target::within(client.request(request)).await?;
    let items = list["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let [item] = items else {
        return Err(NoValue::Unknown(format!("KEDA gives {} values for {metric}", items.len())));
    };
    let text = item["value"].as_str().unwrap_or_default();
    let value = quantity(text).ok_or_else(|| {
        NoValue::Unknown(format!("KEDA's value of {metric} is no quantity: {text:?}"))
    })?;
    Ok(value.max(0.0))
}

/// Where it is read. Whoever calls us names the ScaledObject: each part stays one segment.
fn path(namespace: &str, name: &str, metric: &str) -> String {
    let mut url = Url::parse("http://api/").expect("an address");
    if let Ok(mut segments) = url.path_segments_mut() {
        let fixed = ["apis", "external.metrics.k8s.io", "v1beta1", "namespaces"];
        segments.extend(fixed).extend([namespace, metric]);
    }
    url.query_pairs_mut()
        .append_pair("labelSelector", &format!("scaledobject.keda.sh/name={name}"));
    format!("{}?{}", url.path(), url.query().unwrap_or_default())
}

/// A quantity of Kubernetes: a decimal number with a suffix for a power of 1000 or 1024, or with an
/// exponent.
fn quantity(text: &str) -> Option<f64> {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '+' | '-' | '.')))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let factor = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024f64.powi(2),
        "Gi" => 1024f64.powi(3),
        "Ti" => 1024f64.powi(4),
        "Pi" => 1024f64.powi(5),
        "Ei" => 1024f64.powi(6),
        _ => return text.parse().ok().filter(|value: &f64| value.is_finite()),
    };
    number.parse::<f64>().ok().map(|number| number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_writes_them() {
        for (text, value) in [
            ("7", 7.0),
            ("12500m", 12.5),
            ("1k", 1000.0),
            ("0", 0.0),
            ("-3", -3.0),
            ("1.5", 1.5),
            ("2Ki", 2048.0),
            ("1e3", 1000.0),
            ("1E2", 100.0),
            ("3E", 3e18),
            ("5u", 5e-6),
        ] {
            let read = quantity(text).unwrap_or_else(|| panic!("{text}"));
            assert!((read - value).abs() <= 1e-12 * value.abs(), "{text}: {read}");
        }
        for text in ["", "m", "x", "1x", "1 k", "NaN", "inf", "1kk", "--1"] {
            assert_eq!(quantity(text), None, "{text}");
        }
    }

    #[test]
    fn a_name_cannot_lead_elsewhere() {
        assert_eq!(
            path("llm", "chat", "s1-redis-jobs"),
            "/apis/external.metrics.k8s.io/v1beta1/namespaces/llm/s1-redis-jobs\
             ?labelSelector=scaledobject.keda.sh%2Fname%3Dchat"
        );
        let odd = path("a/b", "x&limit=1", "s1?c#d");
        assert!(odd.contains("/a%2Fb/s1%3Fc%23d?"), "{odd}");
        assert!(odd.ends_with("%3Dx%26limit%3D1"), "{odd}");
    }
}
