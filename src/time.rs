//! Monotonic time as plain data: microseconds since an origin that the thread which reads the clock has chosen.
//! `sender/`, `mock/` and `sim/` compute with it and never read a clock.

use std::ops::{Add, Sub};

/// A point in monotonic time, in microseconds. `Time::NEVER` is later than every other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Time(pub u64);

impl Time {
    pub const ZERO: Time = Time(0);
    pub const NEVER: Time = Time(u64::MAX);

    pub const fn from_ms(ms: u64) -> Time {
        Time(ms.saturating_mul(1000))
    }

    /// Microseconds from `earlier` to `self`; zero when `earlier` is later.
    pub const fn since(self, earlier: Time) -> Micros {
        Micros(self.0.saturating_sub(earlier.0))
    }
}

/// A span of time, in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Micros(pub u64);

impl Micros {
    pub const ZERO: Micros = Micros(0);
    /// Longer than any wait: adding it gives `Time::NEVER`.
    pub const FOREVER: Micros = Micros(u64::MAX);

    pub const fn from_ms(ms: u64) -> Micros {
        Micros(ms.saturating_mul(1000))
    }

    pub const fn as_ms(self) -> u64 {
        self.0 / 1000
    }
}

impl Add<Micros> for Time {
    type Output = Time;
    fn add(self, span: Micros) -> Time {
        Time(self.0.saturating_add(span.0))
    }
}

impl Sub<Micros> for Time {
    type Output = Time;
    fn sub(self, span: Micros) -> Time {
        Time(self.0.saturating_sub(span.0))
    }
}
