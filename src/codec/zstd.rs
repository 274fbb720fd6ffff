//! Zstandard (RFC 8878): one frame per batch, with its content size, without a checksum (the batch has one).

use zstd_safe::{CCtx, CParameter, DCtx, get_error_name};

use super::native::Bounded;
use super::{pieces, too_long};

/// The default level's tables for what is longer than 256 KiB are of 768 KiB, which fall out of the cache: with smaller ones and
/// a window of 512 KiB log lines take half to all of the time and come to the same, programs to 1 % more.
const TUNED_LEVEL: i32 = 3;
const TUNED_MIN_BYTES: usize = (256 << 10) + 1;
/// The thorough way first. The second hashes more bytes at a time, the third is level 1, which beats level 3 on lines that are
/// much alike: log lines come to 37.0 bytes instead of 38.0 in three quarters of the time, programs to a tenth more.
const WAYS: [Setting; 3] = [
    Setting { level: TUNED_LEVEL, window_log: 19, hash_log: 16, chain_log: 15, min_match: 0 },
    Setting { level: TUNED_LEVEL, window_log: 19, hash_log: 15, chain_log: 14, min_match: 6 },
    Setting::of_level(1),
];

pub fn ways(level: i32, len: usize) -> usize {
    if level == TUNED_LEVEL && len >= TUNED_MIN_BYTES { WAYS.len() } else { 1 }
}

/// What zero leaves is as zstd has it for the level and the length.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Setting {
    level: i32,
    window_log: u32,
    hash_log: u32,
    chain_log: u32,
    min_match: u32,
}

impl Setting {
    const fn of_level(level: i32) -> Setting {
        Setting { level, window_log: 0, hash_log: 0, chain_log: 0, min_match: 0 }
    }
}

#[derive(Default)]
pub struct Encoder {
    context: Option<(Setting, CCtx<'static>)>,
}

impl Encoder {
    pub fn encode(
        &mut self,
        level: i32,
        way: usize,
        input: &[&[u8]],
        most: usize,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<bool, String> {
        let setting = match ways(level, pieces::total_len(input)) {
            1 => Setting::of_level(level),
            known => WAYS[way.min(known - 1)],
        };
        if self.context.as_ref().is_none_or(|(of, _)| *of != setting) {
            let mut context = match self.context.take() {
                Some((_, context)) => context,
                None => CCtx::try_create().ok_or("no memory for zstd")?,
            };
            for parameter in [
                CParameter::CompressionLevel(setting.level),
                CParameter::WindowLog(setting.window_log),
                CParameter::HashLog(setting.hash_log),
                CParameter::ChainLog(setting.chain_log),
                CParameter::MinMatch(setting.min_match),
            ] {
                let set = context.set_parameter(parameter);
                set.map_err(|code| format!("zstd: level {level}: {}", get_error_name(code)))?;
            }
            self.context = Some((setting, context));
        }
        let Some((_, context)) = &mut self.context else {
            return Err("zstd could not be set up".into());
        };
        let input = pieces::whole(input, scratch);
        let room_len = zstd_safe::compress_bound(input.len()).min(most.saturating_add(SLACK_BYTES));
        match context.compress2(&mut Bounded::new(out, room_len), input) {
            Ok(len) => Ok(len <= most),
            Err(code) if is_too_small(code) => Ok(false),
            Err(code) => Err(format!("zstd: {}", get_error_name(code))),
        }
    }
}

/// The encoder gives up a little before its room is full: with so much more it fills what is meant.
const SLACK_BYTES: usize = 512;

/// Room for the first try; what says that it is longer than this, and is, gets more.
const GROWTH_FIRST: usize = 16;

/// All frames of the input at once, into a buffer: a window of its own, whose size the input names, is never needed.
pub fn decode(input: &[u8], most: usize, out: &mut Vec<u8>) -> Result<(), String> {
    if input.is_empty() {
        return Err("there is no zstd frame".into());
    }
    let mut context = DCtx::try_create().ok_or("no memory for zstd")?;
    let mut room = input.len().saturating_mul(GROWTH_FIRST).max(4 << 10).min(most);
    loop {
        out.clear();
        match context.decompress(&mut Bounded::new(out, room), input) {
            Ok(_) => return Ok(()),
            Err(code) if is_too_small(code) && room < most => room = room.saturating_mul(4).min(most),
            Err(code) if is_too_small(code) => return Err(too_long(most)),
            Err(code) => return Err(format!("the zstd data is damaged: {}", get_error_name(code))),
        }
    }
}

/// The library's code for it, which the bindings do not name: `ZSTD_error_dstSize_tooSmall`, 70, as results bring errors.
fn is_too_small(code: usize) -> bool {
    code == 70usize.wrapping_neg()
}
