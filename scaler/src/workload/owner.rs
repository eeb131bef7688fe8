//! Who may edit a workload. KEDA calls from one address; whoever else can reach the port could
//! otherwise put their own query in place of the owner's by knowing two names.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// The peer that a workload's metadata came from, and when it was last heard with it.
#[derive(Debug)]
pub struct Owner(Mutex<Heard>);

#[derive(Debug)]
struct Heard {
    peer: Option<IpAddr>,
    at: Timestamp,
    told: bool,
}

/// What becomes of an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    /// It counts.
    Taken,
    /// Not while this owner is heard; `news`: for the first time.
    Held {
        /// The owner.
        owner: IpAddr,
        /// To be told.
        news: bool,
    },
}

impl Owner {
    /// Of a workload that `peer` has registered. Unknown peers (tests) own nothing.
    pub fn new(peer: Option<IpAddr>, now: Timestamp) -> Self {
        Self(Mutex::new(Heard { peer, at: now, told: false }))
    }

    /// The metadata in force was sent once more. Another peer takes over from one that is silent: a
    /// new leader of KEDA's operator.
    pub fn heard(&self, peer: Option<IpAddr>, now: Timestamp) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.peer == peer || heard.is_silent(now) {
            *heard = Heard { peer, at: now, told: heard.told && heard.peer == peer };
        }
    }

    /// Other metadata was sent.
    pub fn edit(&self, peer: Option<IpAddr>, now: Timestamp) -> Edit {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match heard.peer {
            Some(owner) if peer.is_some_and(|peer| peer != owner) && !heard.is_silent(now) => {
                Edit::Held { owner, news: !std::mem::replace(&mut heard.told, true) }
            }
            _ => {
                *heard = Heard { peer, at: now, told: false };
                Edit::Taken
            }
        }
    }
}

impl Heard {
    /// A clock that was set back is no silence.
    fn is_silent(&self, now: Timestamp) -> bool {
        now.duration_since(self.at) > SILENCE
    }
}

/// Four of KEDA's polls.
const SILENCE: SignedDuration = SignedDuration::from_mins(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_counts_from_the_owner_or_once_the_owner_is_silent() {
        let [keda, leader, other] = ["10.0.0.1", "10.0.0.2", "10.0.0.9"].map(|ip| ip.parse().ok());
        let at = |s: i64| Timestamp::from_second(1_800_000_000 + s).unwrap();
        let held = |news| Edit::Held { owner: keda.unwrap(), news };
        let owner = Owner::new(keda, at(0));
        assert_eq!(owner.edit(keda, at(10)), Edit::Taken);
        assert_eq!(owner.edit(other, at(20)), held(true));
        assert_eq!(owner.edit(other, at(100)), held(false), "told once");
        owner.heard(keda, at(120));
        assert_eq!(owner.edit(other, at(239)), held(false));
        // Saying the same as the owner gives no right.
        owner.heard(other, at(239));
        assert_eq!(owner.edit(other, at(240)), held(false));
        // The operator has a new leader.
        assert_eq!(owner.edit(leader, at(241)), Edit::Taken);
        assert_eq!(owner.edit(keda, at(242)), Edit::Held { owner: leader.unwrap(), news: true });
        owner.heard(keda, at(400));
        assert_eq!(owner.edit(keda, at(401)), Edit::Taken);
        let nobodys = Owner::new(None, at(0));
        assert_eq!(nobodys.edit(other, at(1)), Edit::Taken);
    }
}
