//! The probability of an arrival as a note. Layout of codec 1: as a packed day's
//! ([`super::super::day`]), with the sections seconds of the lead, number of coefficients and of
//! shares; coefficients; work and both Brier scores; shares of days and weeks in single precision.

use jiff::SignedDuration;
use prewarm_forecaster::arrival::{ArrivalModel, CELLS, FEATURES, Profile};

use super::super::day::{DayError, column, sealed, section, unsealed};
use super::{Document, DocumentError, Kind};

const CODEC: i32 = 1;

/// Intercept and slopes.
const COEFFICIENTS: usize = FEATURES + 1;

/// Packs a fit. It comes back bit by bit.
pub fn pack_arrival(model: &ArrivalModel) -> Result<Document, DocumentError> {
    let shape = [model.within.as_secs(), COEFFICIENTS as i64, CELLS as i64];
    let mut data = vec![0; 4];
    section(&mut data, &shape)?;
    section(&mut data, &model.coefficients)?;
    section(&mut data, &[model.work, model.brier.0, model.brier.1])?;
    section(&mut data, model.profile.shares())?;
    Ok(Document { kind: Kind::Arrival, at: model.fitted, codec: CODEC, data: sealed(data) })
}

/// The fit that a note holds; an error also where another version's features made it.
pub fn unpack_arrival(note: &Document) -> Result<ArrivalModel, DocumentError> {
    if note.codec != CODEC {
        return Err(DayError::Codec(note.codec).into());
    }
    let mut rest = unsealed(&note.data)?;
    let shape: Vec<i64> = column(&mut rest, 3)?.ok_or(DayError::Shape)?;
    let [within, coefficients, cells] = shape[..] else { return Err(DayError::Shape.into()) };
    let known = coefficients == COEFFICIENTS as i64 && cells == CELLS as i64;
    if !known || !(1..=86_400).contains(&within) {
        return Err(DayError::Shape.into());
    }
    let coefficients: Vec<f64> = column(&mut rest, COEFFICIENTS)?.ok_or(DayError::Shape)?;
    let figures: Vec<f64> = column(&mut rest, 3)?.ok_or(DayError::Shape)?;
    let shares: Vec<f32> = column(&mut rest, CELLS)?.ok_or(DayError::Shape)?;
    let [work, brier, by_share] = figures[..] else { return Err(DayError::Shape.into()) };
    Ok(ArrivalModel {
        fitted: note.at,
        within: SignedDuration::from_secs(within),
        work,
        coefficients: coefficients.try_into().map_err(|_| DayError::Shape)?,
        profile: Profile::from_shares(shares).ok_or(DayError::Shape)?,
        brier: (brier, by_share),
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn model() -> ArrivalModel {
        let mut shares = vec![0.25; CELLS];
        shares[7] = f32::NAN;
        ArrivalModel {
            fitted: Timestamp::from_second(1_800_000_000).unwrap(),
            within: SignedDuration::from_mins(15),
            work: 0.125,
            coefficients: std::array::from_fn(|i| i as f64 / 3.0 - 2.0),
            profile: Profile::from_shares(shares).unwrap(),
            brier: (0.1, 0.2),
        }
    }

    #[test]
    fn it_comes_back() {
        let back = unpack_arrival(&pack_arrival(&model()).unwrap()).unwrap();
        // NaN differs from itself.
        assert_eq!(format!("{back:?}"), format!("{:?}", model()));
    }

    #[test]
    fn what_is_broken_or_of_another_version_is_an_error() {
        let whole = pack_arrival(&model()).unwrap();
        for at in 0..whole.data.len() {
            let mut note = whole.clone();
            note.data[at] ^= 0x10;
            assert!(unpack_arrival(&note).is_err(), "byte {at}");
            note.data.truncate(at);
            assert!(unpack_arrival(&note).is_err(), "{at} bytes");
        }
        assert!(unpack_arrival(&Document { codec: 2, ..whole }).is_err());
    }
}
