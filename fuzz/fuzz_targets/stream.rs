//! What a broker sends before anything is believed: the stream that is cut into responses, however it arrives, and the answers
//! to SASL's requests.
#![no_main]

use kproducer::sender::hostile::{authenticate, split_frames};
use libfuzzer_sys::fuzz_target;

const FRAME_BYTES_MAX: usize = 4096;

fuzz_target!(|data: &[u8]| {
    let [which, cut, bytes @ ..] = data else { return };
    if which % 2 == 0 {
        let whole = split_frames(&[bytes], FRAME_BYTES_MAX);
        let (front, back) = bytes.split_at(usize::from(*cut).min(bytes.len()));
        assert_eq!(split_frames(&[front, back], FRAME_BYTES_MAX), whole);
        if let Ok(frames) = whole {
            assert!(frames.iter().all(|frame| frame.len() <= FRAME_BYTES_MAX));
            assert!(frames.iter().map(|frame| frame.len() + 4).sum::<usize>() <= bytes.len());
        }
    } else {
        let answers = split_frames(&[bytes], FRAME_BYTES_MAX).unwrap_or_default();
        let answers: Vec<&[u8]> = answers.iter().map(Vec::as_slice).collect();
        let is_in = authenticate(i16::from(cut % 3), &answers);
        assert!(!is_in || answers.len() >= 2);
    }
});
