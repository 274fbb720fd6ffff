//! The calls into the C codecs that no safe crate offers: lz4's blocks with a state that is kept, gzip members one by one, and
//! writing into a vector's spare room without zeroing it first. Nothing here decides anything.

use std::ffi::{c_char, c_int, c_void};
use std::ptr;

// `lz4-sys` builds and links the library; of its functions it declares only some.
#[allow(unused_extern_crates)]
extern crate lz4_sys;

unsafe extern "C" {
    fn LZ4_sizeofState() -> c_int;
    fn LZ4_compress_fast_extState_fastReset(
        state: *mut c_void,
        src: *const c_char,
        dst: *mut c_char,
        src_size: c_int,
        dst_capacity: c_int,
        acceleration: c_int,
    ) -> c_int;
    fn LZ4_sizeofStateHC() -> c_int;
    fn LZ4_initStreamHC(buffer: *mut c_void, size: usize) -> *mut c_void;
    fn LZ4_compress_HC_extStateHC_fastReset(
        state: *mut c_void,
        src: *const c_char,
        dst: *mut c_char,
        src_size: c_int,
        dst_capacity: c_int,
        level: c_int,
    ) -> c_int;
    fn LZ4_decompress_safe_usingDict(
        src: *const c_char,
        dst: *mut c_char,
        src_size: c_int,
        dst_capacity: c_int,
        dict: *const c_char,
        dict_size: c_int,
    ) -> c_int;
}

/// Tables of lz4's compressors, each made when it is first needed. Words, since the library wants them aligned so.
#[derive(Default)]
pub struct Lz4State {
    fast: Vec<u64>,
    high: Vec<u64>,
}

/// The compressor for a block.
#[derive(Clone, Copy)]
pub enum Lz4Method {
    Fast { acceleration: i32 },
    High { level: i32 },
}

fn words(bytes: c_int) -> Vec<u64> {
    vec![0; usize::try_from(bytes).unwrap_or(0).div_ceil(8)]
}

impl Lz4State {
    /// Appends `block` compressed, at most `room` bytes; 0 if it does not fit there.
    pub fn compress(
        &mut self,
        method: Lz4Method,
        block: &[u8],
        room: usize,
        out: &mut Vec<u8>,
    ) -> Result<usize, String> {
        let src_size = c_int::try_from(block.len()).map_err(|_| "an lz4 block is too long")?;
        if room == 0 {
            return Ok(0);
        }
        let capacity = c_int::try_from(room).map_err(|_| "an lz4 block is too long")?;
        out.reserve(room);
        let dst = out.spare_capacity_mut().as_mut_ptr().cast::<c_char>();
        let src = block.as_ptr().cast::<c_char>();
        let len = match method {
            Lz4Method::Fast { acceleration } => {
                if self.fast.is_empty() {
                    // SAFETY: takes nothing, gives a constant.
                    self.fast = words(unsafe { LZ4_sizeofState() });
                }
                // SAFETY: the state has the size that the library asks for, is aligned to 8 and was zeroed once, which is what
                // it wants; it reads `src_size` bytes of `block` and writes at most `capacity` into the reserved room.
                unsafe {
                    LZ4_compress_fast_extState_fastReset(
                        self.fast.as_mut_ptr().cast(),
                        src,
                        dst,
                        src_size,
                        capacity,
                        acceleration,
                    )
                }
            }
            Lz4Method::High { level } => {
                if self.high.is_empty() {
                    // SAFETY: takes nothing, gives a constant.
                    let mut state = words(unsafe { LZ4_sizeofStateHC() });
                    // SAFETY: the buffer is as long as said, which is no less than the library asks for, and aligned to 8.
                    let stream = unsafe { LZ4_initStreamHC(state.as_mut_ptr().cast(), state.len() * 8) };
                    if stream.is_null() {
                        return Err("lz4 could not be set up".into());
                    }
                    self.high = state;
                }
                // SAFETY: the state was set up above; the buffers are as for the fast compressor.
                unsafe {
                    LZ4_compress_HC_extStateHC_fastReset(
                        self.high.as_mut_ptr().cast(),
                        src,
                        dst,
                        src_size,
                        capacity,
                        level,
                    )
                }
            }
        };
        let len = usize::try_from(len).unwrap_or(0).min(room);
        // SAFETY: the library has written that many bytes there.
        unsafe { out.set_len(out.len() + len) };
        Ok(len)
    }
}

/// Appends what an lz4 block holds, at most `room` bytes. The last `reach` bytes of `out` may be referred to. False: it is
/// damaged, or holds more.
pub fn lz4_decompress(block: &[u8], reach: usize, room: usize, out: &mut Vec<u8>) -> bool {
    let (Ok(src_size), Ok(capacity)) = (c_int::try_from(block.len()), c_int::try_from(room)) else {
        return false;
    };
    let reach = reach.min(out.len()).min(64 << 10);
    out.reserve(room);
    let end = out.len();
    let begin = out.as_mut_ptr();
    // SAFETY: it reads `src_size` bytes of `block` and the `reach` bytes before the end of `out`, and writes at most `capacity`
    // bytes behind that end, which are reserved. All three pointers stay within their buffers.
    let len = unsafe {
        let dst = begin.add(end);
        LZ4_decompress_safe_usingDict(
            block.as_ptr().cast(),
            dst.cast(),
            src_size,
            capacity,
            dst.sub(reach).cast(),
            reach as c_int,
        )
    };
    let Ok(len) = usize::try_from(len) else {
        return false;
    };
    // SAFETY: the library has written that many bytes there, `room` at most.
    unsafe { out.set_len(end + len.min(room)) };
    true
}

/// What came of a gzip member.
pub enum Inflated {
    /// It was the first so many bytes of the input.
    Member {
        taken: usize,
    },
    /// It holds more than there was room for.
    TooLong,
    Damaged,
}

/// Appends what the first gzip member of `input` holds, at most `room` bytes.
pub fn gunzip(input: &[u8], room: usize, out: &mut Vec<u8>) -> Inflated {
    use libdeflate_sys::{libdeflate_alloc_decompressor, libdeflate_free_decompressor, libdeflate_gzip_decompress_ex};
    out.reserve(room);
    let (mut taken, mut made) = (0, 0);
    // SAFETY: the decompressor is used between its making and its end, and checked for null; the library reads at most the
    // whole of `input` and writes at most `room` bytes into what was reserved.
    let result = unsafe {
        let decompressor = libdeflate_alloc_decompressor();
        if decompressor.is_null() {
            return Inflated::Damaged;
        }
        let result = libdeflate_gzip_decompress_ex(
            decompressor,
            input.as_ptr().cast(),
            input.len(),
            out.spare_capacity_mut().as_mut_ptr().cast(),
            room,
            ptr::from_mut(&mut taken),
            ptr::from_mut(&mut made),
        );
        libdeflate_free_decompressor(decompressor);
        result
    };
    match result {
        libdeflate_sys::libdeflate_result_LIBDEFLATE_SUCCESS if made <= room && 0 < taken && taken <= input.len() => {
            // SAFETY: the library has written that many bytes there.
            unsafe { out.set_len(out.len() + made) };
            Inflated::Member { taken }
        }
        libdeflate_sys::libdeflate_result_LIBDEFLATE_INSUFFICIENT_SPACE => Inflated::TooLong,
        _ => Inflated::Damaged,
    }
}

/// An empty vector with room for so many bytes and no more, as zstd's output.
pub struct Bounded<'a> {
    bytes: &'a mut Vec<u8>,
    room: usize,
}

impl<'a> Bounded<'a> {
    pub fn new(bytes: &'a mut Vec<u8>, room: usize) -> Bounded<'a> {
        bytes.clear();
        bytes.reserve(room);
        Bounded { bytes, room }
    }
}

// SAFETY: `as_mut_ptr` points to `capacity` bytes that may be written, reserved when it was made and kept since the vector is
// borrowed; `filled_until` is told of bytes that were written there.
unsafe impl zstd_safe::WriteBuf for Bounded<'_> {
    fn as_slice(&self) -> &[u8] {
        self.bytes
    }

    fn capacity(&self) -> usize {
        self.room
    }

    fn as_mut_ptr(&mut self) -> *mut u8 {
        self.bytes.as_mut_ptr()
    }

    unsafe fn filled_until(&mut self, len: usize) {
        // SAFETY: the caller has written the first `len` bytes, of `room` at most.
        unsafe { self.bytes.set_len(len.min(self.room)) };
    }
}
