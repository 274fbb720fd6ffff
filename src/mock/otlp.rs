//! OpenTelemetry's MetricsData v1 read back, by a decoder that is not the client's encoder turned round: what is not in the
//! .proto files, or stands there with another type, is malformed.

use super::reader::{Malformed, ReadResult};

/// One metric of a push.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricSeen {
    pub name: String,
    pub unit: String,
    pub kind: KindSeen,
    pub points: Vec<PointSeen>,
    /// The attributes of its resource.
    pub resource: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KindSeen {
    Gauge,
    Sum { is_delta: bool, is_monotonic: bool },
}

/// One number of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct PointSeen {
    /// Whole numbers too.
    pub value: f64,
    /// 0: not given.
    pub start_unix_nanos: u64,
    pub time_unix_nanos: u64,
    pub attributes: Vec<(String, String)>,
}

/// Every metric of an uncompressed payload.
pub fn decode_metrics(bytes: &[u8]) -> Option<Vec<MetricSeen>> {
    metrics_data(bytes).ok()
}

/// One field of a message.
enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    fn bytes(self) -> ReadResult<&'a [u8]> {
        if let Field::Bytes(bytes) = self { Ok(bytes) } else { Err(Malformed) }
    }

    fn text(self) -> ReadResult<String> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| Malformed)
    }

    fn varint(self) -> ReadResult<u64> {
        if let Field::Varint(value) = self { Ok(value) } else { Err(Malformed) }
    }

    fn fixed64(self) -> ReadResult<u64> {
        if let Field::Fixed64(bits) = self { Ok(bits) } else { Err(Malformed) }
    }
}

struct Message<'a>(&'a [u8]);

impl<'a> Message<'a> {
    fn take(&mut self, len: usize) -> ReadResult<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = tail;
        Ok(head)
    }

    fn varint(&mut self) -> ReadResult<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    fn next(&mut self) -> ReadResult<Option<(u64, Field<'a>)>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let field = match key & 7 {
            0 => Field::Varint(self.varint()?),
            1 => {
                let bytes = self.take(8)?.first_chunk().ok_or(Malformed)?;
                Field::Fixed64(u64::from_le_bytes(*bytes))
            }
            2 => {
                let len = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                Field::Bytes(self.take(len)?)
            }
            _ => return Err(Malformed),
        };
        Ok(Some((key >> 3, field)))
    }
}

fn metrics_data(bytes: &[u8]) -> ReadResult<Vec<MetricSeen>> {
    let mut metrics = Vec::new();
    let mut message = Message(bytes);
    while let Some((number, field)) = message.next()? {
        match number {
            1 => resource_metrics(field.bytes()?, &mut metrics)?,
            _ => return Err(Malformed),
        }
    }
    Ok(metrics)
}

fn resource_metrics(bytes: &[u8], metrics: &mut Vec<MetricSeen>) -> ReadResult<()> {
    let first = metrics.len();
    let mut attributes = Vec::new();
    let mut message = Message(bytes);
    while let Some((number, field)) = message.next()? {
        match number {
            1 => {
                let mut resource = Message(field.bytes()?);
                while let Some((number, field)) = resource.next()? {
                    match number {
                        1 => attributes.push(key_value(field.bytes()?)?),
                        2 => drop(field.varint()?),
                        _ => return Err(Malformed),
                    }
                }
            }
            2 => scope_metrics(field.bytes()?, metrics)?,
            3 => drop(field.text()?),
            _ => return Err(Malformed),
        }
    }
    for metric in &mut metrics[first..] {
        metric.resource.clone_from(&attributes);
    }
    Ok(())
}

fn scope_metrics(bytes: &[u8], metrics: &mut Vec<MetricSeen>) -> ReadResult<()> {
    let mut message = Message(bytes);
    while let Some((number, field)) = message.next()? {
        match number {
            1 => drop(field.bytes()?),
            2 => metrics.push(metric(field.bytes()?)?),
            3 => drop(field.text()?),
            _ => return Err(Malformed),
        }
    }
    Ok(())
}

fn metric(bytes: &[u8]) -> ReadResult<MetricSeen> {
    let (mut name, mut unit) = (String::new(), String::new());
    let mut data = None;
    let mut message = Message(bytes);
    while let Some((number, field)) = message.next()? {
        match number {
            1 => name = field.text()?,
            2 => drop(field.text()?),
            3 => unit = field.text()?,
            5 | 7 if data.is_none() => data = Some(numbers(number == 7, field.bytes()?)?),
            _ => return Err(Malformed),
        }
    }
    let (kind, points) = data.ok_or(Malformed)?;
    if name.is_empty() {
        return Err(Malformed);
    }
    Ok(MetricSeen { name, unit, kind, points, resource: Vec::new() })
}

fn numbers(is_sum: bool, bytes: &[u8]) -> ReadResult<(KindSeen, Vec<PointSeen>)> {
    let mut points = Vec::new();
    let (mut temporality, mut is_monotonic) = (0, false);
    let mut message = Message(bytes);
    while let Some((number, field)) = message.next()? {
        match number {
            1 => points.push(point(field.bytes()?)?),
            2 if is_sum => temporality = field.varint()?,
            3 if is_sum => is_monotonic = field.varint()? != 0,
            _ => return Err(Malformed),
        }
    }
    let kind = match (is_sum, temporality) {
        (false, _) => KindSeen::Gauge,
        (true, 1) => KindSeen::Sum { is_delta: true, is_monotonic },
        (true, 2) => KindSeen::Sum { is_delta: false, is_monotonic },
        (true, _) => return Err(Malformed),
    };
    Ok((kind, points))
}

fn point(bytes: &[u8]) -> ReadResult<PointSeen> {
    let mut value = None;
    let (mut start_unix_nanos, mut time_unix_nanos) = (0, 0);
    let mut attributes = Vec::new();
    let mut message = Message(bytes);
    while let Some((number, field)) = message.next()? {
        match number {
            2 => start_unix_nanos = field.fixed64()?,
            3 => time_unix_nanos = field.fixed64()?,
            4 => value = Some(f64::from_bits(field.fixed64()?)),
            6 => value = Some(field.fixed64()? as i64 as f64),
            7 => attributes.push(key_value(field.bytes()?)?),
            8 => drop(field.varint()?),
            _ => return Err(Malformed),
        }
    }
    let value = value.ok_or(Malformed)?;
    Ok(PointSeen { value, start_unix_nanos, time_unix_nanos, attributes })
}

/// A value that is no text is given as one.
fn key_value(bytes: &[u8]) -> ReadResult<(String, String)> {
    let (mut key, mut text) = (String::new(), String::new());
    let mut message = Message(bytes);
    while let Some((number, field)) = message.next()? {
        match number {
            1 => key = field.text()?,
            2 => {
                let mut any = Message(field.bytes()?);
                while let Some((number, field)) = any.next()? {
                    text = match number {
                        1 => field.text()?,
                        2 => (field.varint()? != 0).to_string(),
                        3 => (field.varint()? as i64).to_string(),
                        4 => f64::from_bits(field.fixed64()?).to_string(),
                        _ => return Err(Malformed),
                    };
                }
            }
            _ => return Err(Malformed),
        }
    }
    if key.is_empty() { Err(Malformed) } else { Ok((key, text)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_is_read_and_anything_else_is_malformed() {
        let point = [&[0x19, 2, 0, 0, 0, 0, 0, 0, 0, 0x21][..], &1.5f64.to_le_bytes()].concat();
        let gauge = [&[0x0a, point.len() as u8][..], &point].concat();
        let metric = [&[0x0a, 1, b'g', 0x2a, gauge.len() as u8][..], &gauge].concat();
        let scope = [&[0x12, metric.len() as u8][..], &metric].concat();
        let resource = [&[0x12, scope.len() as u8][..], &scope].concat();
        let data = [&[0x0a, resource.len() as u8][..], &resource].concat();
        let metrics = decode_metrics(&data).expect("well formed");
        assert_eq!((metrics.len(), metrics[0].name.as_str(), metrics[0].kind), (1, "g", KindSeen::Gauge));
        assert_eq!((metrics[0].points[0].value, metrics[0].points[0].time_unix_nanos), (1.5, 2));
        assert!((1..data.len()).all(|len| decode_metrics(&data[..len]).is_none()));
        assert_eq!(decode_metrics(&[]), Some(Vec::new()));
        // A group, a field that is not there, a varint that does not end.
        for wrong in [&[0x0b][..], &[0x12, 0], &[0x80; 11]] {
            assert_eq!(decode_metrics(wrong), None);
        }
    }
}
