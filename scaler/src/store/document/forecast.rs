//! A forecast as a note. Layout of codec 1: as a packed day's ([`super::super::day`]), with the
//! sections step, number of quantiles and of rows; quantiles; values row by row in single
//! precision.

use jiff::SignedDuration;
use prewarm_forecaster::Forecast;

use super::super::day::{DayError, column, sealed, section, unsealed};
use super::{Document, DocumentError, Kind};

const CODEC: i32 = 1;

/// Packs a forecast. Values come back in single precision.
pub fn pack_forecast(forecast: &Forecast) -> Result<Document, DocumentError> {
    let quantiles = forecast.quantiles();
    let rows = forecast.values();
    let shape = [forecast.step().as_secs(), quantiles.len() as i64, rows.len() as i64];
    let values: Vec<f32> = rows.iter().flatten().map(|value| *value as f32).collect();
    let mut data = vec![0; 4];
    section(&mut data, &shape)?;
    section(&mut data, quantiles)?;
    section(&mut data, &values)?;
    Ok(Document { kind: Kind::Forecast, at: forecast.origin(), codec: CODEC, data: sealed(data) })
}

/// The forecast that a note holds.
pub fn unpack_forecast(note: &Document) -> Result<Forecast, DocumentError> {
    if note.codec != CODEC {
        return Err(DayError::Codec(note.codec).into());
    }
    let mut rest = unsealed(&note.data)?;
    let shape: Vec<i64> = column(&mut rest, 3)?.ok_or(DayError::Shape)?;
    let [step, quantiles, rows] = shape[..] else { return Err(DayError::Shape.into()) };
    let fits = |n: i64, most: i64| {
        usize::try_from(n).ok().filter(|_| n > 0 && n <= most).ok_or(DayError::Shape)
    };
    let (quantiles, rows) = (fits(quantiles, MOST_QUANTILES)?, fits(rows, MOST_ROWS)?);
    let step = SignedDuration::from_secs(fits(step, 86_400)? as i64);
    let levels: Vec<f64> = column(&mut rest, quantiles)?.ok_or(DayError::Shape)?;
    let values: Vec<f32> = column(&mut rest, quantiles * rows)?.ok_or(DayError::Shape)?;
    let rows =
        values.chunks(quantiles).map(|row| row.iter().copied().map(f64::from).collect()).collect();
    Ok(Forecast::new(note.at, step, levels, rows))
}

/// More than anybody asks for; a note that says more is broken.
const MOST_QUANTILES: i64 = 100;
const MOST_ROWS: i64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn forecast() -> Forecast {
        let rows = (0..30).map(|h| vec![f64::from(h) * 0.5, f64::from(h), f64::NAN]).collect();
        let origin = Timestamp::from_second(1_800_000_000).unwrap();
        Forecast::new(origin, SignedDuration::from_mins(5), vec![0.5, 0.9, 0.99], rows)
    }

    #[test]
    fn it_comes_back() {
        let back = unpack_forecast(&pack_forecast(&forecast()).unwrap()).unwrap();
        // NaN differs from itself.
        assert_eq!(format!("{back:?}"), format!("{:?}", forecast()));
    }

    #[test]
    fn what_is_broken_is_an_error_and_no_forecast() {
        let whole = pack_forecast(&forecast()).unwrap();
        for at in 0..whole.data.len() {
            let mut note = whole.clone();
            note.data[at] ^= 0x10;
            assert!(unpack_forecast(&note).is_err(), "byte {at}");
            note.data.truncate(at);
            assert!(unpack_forecast(&note).is_err(), "{at} bytes");
        }
        assert!(unpack_forecast(&Document { codec: 2, ..whole }).is_err());
    }
}
