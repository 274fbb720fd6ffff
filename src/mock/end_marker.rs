//! The control batch that ends a transaction in a partition: one record that says commit or abort.

use bytes::{BufMut, Bytes, BytesMut};

use super::batch_decode::{
    ATTRIBUTE_CONTROL, ATTRIBUTE_TRANSACTIONAL, BATCH_HEADER_LEN, BatchHeader, CRC_START, LOG_OVERHEAD_LEN,
};

/// Length, attributes, two deltas and the key's length, each one byte.
const KEY_AT: usize = BATCH_HEADER_LEN + 5;

pub(super) struct EndMarker {
    pub(super) producer_id: i64,
    pub(super) producer_epoch: i16,
    pub(super) coordinator_epoch: i32,
    pub(super) is_commit: bool,
}

impl EndMarker {
    pub(super) fn encode(&self, base_offset: i64, leader_epoch: i32, wall_ms: i64) -> Bytes {
        let mut bytes = BytesMut::with_capacity(BATCH_HEADER_LEN + 17);
        bytes.put_i64(base_offset);
        bytes.put_i32(0); // the length, below
        bytes.put_i32(leader_epoch);
        bytes.put_i8(2);
        bytes.put_u32(0); // the CRC, below
        bytes.put_i16(ATTRIBUTE_TRANSACTIONAL | ATTRIBUTE_CONTROL);
        bytes.put_i32(0);
        bytes.put_i64(wall_ms);
        bytes.put_i64(wall_ms);
        bytes.put_i64(self.producer_id);
        bytes.put_i16(self.producer_epoch);
        bytes.put_i32(-1);
        bytes.put_i32(1);
        // Varints hold twice the number. Key: version and kind. Value: version and coordinator epoch. No headers.
        bytes.put_slice(&[16 * 2, 0, 0, 0, 4 * 2]);
        bytes.put_i16(0);
        bytes.put_i16(i16::from(self.is_commit));
        bytes.put_u8(6 * 2);
        bytes.put_i16(0);
        bytes.put_i32(self.coordinator_epoch);
        bytes.put_u8(0);
        let batch_length = (bytes.len() - LOG_OVERHEAD_LEN) as i32;
        bytes[8..12].copy_from_slice(&batch_length.to_be_bytes());
        let crc = crc32c::crc32c(&bytes[CRC_START..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        bytes.freeze()
    }

    /// Reads back what `encode` wrote; `None` for data.
    pub(super) fn of(header: &BatchHeader, batch: &[u8]) -> Option<EndMarker> {
        if !header.is_control() {
            return None;
        }
        let key = batch.get(KEY_AT..)?;
        let value = key.get(5..11)?;
        Some(EndMarker {
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            coordinator_epoch: i32::from_be_bytes([value[2], value[3], value[4], value[5]]),
            is_commit: key[3] == 1,
        })
    }
}
