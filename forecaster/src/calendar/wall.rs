//! From what clocks on the wall read to instants, through the changes of the clocks.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{Timestamp, ToSpan};

/// The first instant at which clocks read `local` or later: in an overlap the first time round, in
/// a gap its end.
pub(super) fn first_reading(zone: &TimeZone, local: DateTime) -> Timestamp {
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => instant(offset, local),
        AmbiguousOffset::Fold { before, .. } => instant(before, local),
        AmbiguousOffset::Gap { before, after } => gap_end(zone, local, before, after),
    }
}

/// The instant from which on clocks never again read earlier than `local`: in an overlap the second
/// time round, in a gap its end.
pub(super) fn last_reading(zone: &TimeZone, local: DateTime) -> Timestamp {
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => instant(offset, local),
        // Set back to exactly `local`, clocks read nothing earlier for a second time.
        AmbiguousOffset::Fold { before, after } => {
            instant(if opens_overlap(zone, local) { before } else { after }, local)
        }
        AmbiguousOffset::Gap { before, after } => gap_end(zone, local, before, after),
    }
}

fn opens_overlap(zone: &TimeZone, local: DateTime) -> bool {
    let earlier = local.saturating_sub(1.nanosecond());
    !matches!(zone.to_ambiguous_timestamp(earlier).offset(), AmbiguousOffset::Fold { .. })
}

/// The instant at which clocks jump over `local`.
fn gap_end(zone: &TimeZone, local: DateTime, before: Offset, after: Offset) -> Timestamp {
    // Read with the offset that is not yet in force, `local` lies just before the jump.
    let mut changes = zone.following(instant(after, local)).take(4);
    changes
        .find(|change| change.offset() == after)
        .map_or_else(|| instant(before, local), |change| change.timestamp())
}

/// Stops at the ends of representable time.
fn instant(offset: Offset, local: DateTime) -> Timestamp {
    let end = if local.year() < 0 { Timestamp::MIN } else { Timestamp::MAX };
    offset.to_timestamp(local).unwrap_or(end)
}
