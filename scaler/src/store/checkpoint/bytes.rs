//! Fields as bytes, and back.

use jiff::Timestamp;

/// Stands for no instant.
const NONE: i64 = i64::MIN;

/// Fields, one after the other, behind room for the checksum.
#[derive(Debug)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn new() -> Self {
        Self(vec![0; 4])
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn u32(&mut self, number: u32) {
        self.0.extend(number.to_le_bytes());
    }

    pub(super) fn f64(&mut self, number: f64) {
        self.0.extend(number.to_le_bytes());
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.0.push(u8::from(flag));
    }

    pub(super) fn time(&mut self, at: Timestamp) {
        self.maybe_time(Some(at));
    }

    pub(super) fn maybe_time(&mut self, at: Option<Timestamp>) {
        self.0.extend(at.map_or(NONE, Timestamp::as_millisecond).to_le_bytes());
    }

    /// A number and its instant.
    pub(super) fn valued(&mut self, valued: Option<(Timestamp, f64)>) {
        self.maybe_time(valued.map(|(at, _)| at));
        if let Some((_, number)) = valued {
            self.f64(number);
        }
    }

    pub(super) fn list(&mut self, list: &[(Timestamp, f64)]) {
        let length = u16::try_from(list.len()).unwrap_or(u16::MAX);
        self.0.extend(length.to_le_bytes());
        for (at, number) in list.iter().take(length.into()) {
            self.time(*at);
            self.f64(*number);
        }
    }
}

/// What is left to be read. Each `None` says that it is not there, or cannot be.
#[derive(Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn f64(&mut self) -> Option<f64> {
        self.take().map(f64::from_le_bytes)
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        match self.take::<1>()? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }

    pub(super) fn time(&mut self) -> Option<Timestamp> {
        self.maybe_time()?
    }

    pub(super) fn maybe_time(&mut self) -> Option<Option<Timestamp>> {
        match i64::from_le_bytes(self.take()?) {
            NONE => Some(None),
            millisecond => Timestamp::from_millisecond(millisecond).ok().map(Some),
        }
    }

    pub(super) fn valued(&mut self) -> Option<Option<(Timestamp, f64)>> {
        match self.maybe_time()? {
            Some(at) => Some(Some((at, self.f64()?))),
            None => Some(None),
        }
    }

    /// At most `most` elements.
    pub(super) fn list(&mut self, most: usize) -> Option<Vec<(Timestamp, f64)>> {
        let length = usize::from(u16::from_le_bytes(self.take()?));
        if length > most {
            return None;
        }
        let mut list = Vec::with_capacity(length);
        for _ in 0..length {
            list.push((self.time()?, self.f64()?));
        }
        Some(list)
    }
}
