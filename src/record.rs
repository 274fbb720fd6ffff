//! A record as the application hands it over: borrowed for one call, copied into a batch, then gone.

/// One record header. The value may be null (`None`); the name may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    pub name: &'a str,
    pub value: Option<&'a [u8]>,
}

/// What goes into the log for one record. A `None` key or value is null, an empty slice is empty: Kafka keeps them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Record<'a> {
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [Header<'a>],
    /// Milliseconds since 1970, as Kafka counts them.
    pub timestamp_ms: i64,
}
