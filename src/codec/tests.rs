use super::*;

const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
const MOST: usize = 64 << 20;

/// The ends of each codec's levels and what is special between them.
fn levels(codec: Codec) -> &'static [i32] {
    match codec {
        Codec::None | Codec::Snappy => &[0],
        Codec::Gzip => &[-1, 0, 1, 6, 9],
        Codec::Lz4 => &[1, 2, 3, 8, 9, 10, 12, 17],
        Codec::Zstd => &[-131_072, -5, 0, 1, 3, 10],
    }
}

fn default(codec: Codec) -> Compression {
    codec.at_default_level()
}

/// xorshift: what no codec makes shorter.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let byte = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(byte).collect()
}

fn text(len: usize) -> Vec<u8> {
    let lines = (0..)
        .flat_map(|i: u32| format!("{{\"id\":{},\"path\":\"/api/v1/orders/{}\"}}\n", i, i * 7919 % 1000).into_bytes());
    lines.take(len).collect()
}

/// In pieces as a batch's chunks are, each four times the one before.
fn cut(bytes: &[u8], first: usize) -> Vec<&[u8]> {
    let (mut pieces, mut rest, mut size) = (Vec::new(), bytes, first);
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(rest.len().min(size));
        pieces.push(piece);
        rest = tail;
        size = (size * 4).min(256 << 10);
    }
    pieces
}

fn round_trip(workspace: &mut Workspace, how: Compression, input: &[&[u8]]) -> usize {
    let (mut small, mut back) = (Vec::new(), Vec::new());
    assert_eq!(workspace.compress(how, input, MOST, &mut small), Ok(true), "{how:?}");
    let whole = input.concat();
    decompress(how.codec, &small, whole.len(), &mut back)
        .unwrap_or_else(|e| panic!("{how:?}, {} bytes: {e}", whole.len()));
    assert!(back == whole, "{how:?}, {} bytes", whole.len());
    if !whole.is_empty() {
        let refused = decompress(how.codec, &small, whole.len() - 1, &mut back);
        assert!(refused.is_err_and(|why| why.contains("would come out")), "{how:?}: one byte more than the bound");
    }
    small.len()
}

#[test]
fn every_codec_gives_back_what_it_was_given_from_nothing_to_a_mebibyte() {
    let mut workspace = Workspace::new();
    for codec in CODECS {
        for len in [0, 1, 2, 15, 100, 1 << 10, (32 << 10) - 1, 64 << 10, (64 << 10) + 1, 300_000, 1 << 20] {
            for bytes in [text(len), noise(len)] {
                let one = round_trip(&mut workspace, default(codec), &[&bytes]);
                let many = round_trip(&mut workspace, default(codec), &cut(&bytes, 1 << 10));
                assert!(many <= one + one / 10 + 64, "{codec:?}: pieces cost {many} bytes instead of {one}");
            }
        }
    }
}

#[test]
fn every_level_gives_back_what_it_was_given() {
    let bytes = text(150_000);
    let mut workspace = Workspace::new();
    for codec in CODECS {
        for &level in levels(codec) {
            let how = Compression { codec, level };
            let len = round_trip(&mut workspace, how, &cut(&bytes, 1 << 10));
            assert!(level <= 0 || len < bytes.len() / 2, "{how:?}: {len} bytes");
        }
    }
}

/// Too slow for many inputs: their tables are of many megabytes.
#[test]
fn the_highest_levels_of_zstd_and_gzip_work() {
    let bytes = text(10_000);
    for how in [Compression { codec: Codec::Zstd, level: 22 }, Compression { codec: Codec::Gzip, level: 9 }] {
        round_trip(&mut Workspace::new(), how, &[&bytes]);
    }
}

#[test]
fn odd_pieces_make_no_difference_to_what_comes_back() {
    let bytes = text(200_000);
    let mut workspace = Workspace::new();
    for codec in CODECS {
        for first in [1, 7, 1000, 70_000] {
            round_trip(&mut workspace, default(codec), &cut(&bytes, first));
        }
        round_trip(&mut workspace, default(codec), &[&[], &bytes[..5], &[], &bytes[5..], &[]]);
    }
}

#[test]
fn what_would_not_get_shorter_is_given_up() {
    let mut workspace = Workspace::new();
    let mut out = Vec::new();
    for codec in CODECS {
        for len in [1, 100, 5_000, 100_000] {
            let bytes = noise(len);
            let fits = workspace.compress(default(codec), &[&bytes], len - 1, &mut out);
            assert_eq!(fits, Ok(false), "{codec:?}, {len} bytes");
            // The next batch does not feel it.
            let bytes = text(20_000);
            assert_eq!(workspace.compress(default(codec), &[&bytes], MOST, &mut out), Ok(true));
            let (most, mut again) = (out.len(), Vec::new());
            assert_eq!(workspace.compress(default(codec), &[&bytes], most, &mut again), Ok(true), "{codec:?}: exactly");
            assert_eq!(
                workspace.compress(default(codec), &[&bytes], most - 1, &mut again),
                Ok(false),
                "{codec:?}: one less"
            );
        }
    }
}

#[test]
fn codecs_are_known_by_their_numbers_in_a_batch() {
    for codec in CODECS {
        assert_eq!(Codec::of(codec as i8), Some(codec));
    }
    assert_eq!((Codec::of(5), Codec::of(-1)), (None, None));
}

#[test]
fn an_unknown_level_is_an_error_with_the_level_in_it() {
    let mut out = Vec::new();
    let refused = Workspace::new().compress(Compression { codec: Codec::Gzip, level: 40 }, &[b"abc"], MOST, &mut out);
    assert_eq!(refused, Err("gzip has no level 40".into()));
}

const TEXT: &[u8] = b"kafka kafka kafka kafka ";

fn reads(codec: Codec, bytes: &[u8], expected: &[u8]) {
    let mut out = vec![1, 2, 3];
    assert_eq!(decompress(codec, bytes, MOST, &mut out), Ok(()), "{codec:?} {bytes:02x?}");
    assert_eq!(out, expected, "{codec:?} {bytes:02x?}");
}

/// Bytes that others wrote: Java's streams, the command-line tools, and the formats' variants by hand.
#[test]
fn frames_of_other_writers_are_read() {
    // java.util.zip.GZIPOutputStream (no time, system 0), then zlib (system 3), then both in one.
    let deflated = b"\xcb\x4e\x4c\xcb\x4e\x54\xc8\xc6\x20\x01\x88\x30\xe0\x74\x18\0\0\0";
    let java = [b"\x1f\x8b\x08\0\0\0\0\0\0\0".as_slice(), deflated].concat();
    let zlib = [b"\x1f\x8b\x08\0\0\0\0\0\0\x03".as_slice(), deflated].concat();
    reads(Codec::Gzip, &java, TEXT);
    reads(Codec::Gzip, &zlib, TEXT);
    reads(Codec::Gzip, &[java, zlib].concat(), &TEXT.repeat(2));
    // org.xerial.snappy.SnappyOutputStream.
    let xerial = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0\x0b\x09\x20PLAINDATA";
    reads(Codec::Snappy, xerial, b"PLAINDATA");
    reads(Codec::Snappy, &xerial.repeat(2), b"PLAINDATAPLAINDATA");
    // librdkafka's snappy, raw, has no frame.
    reads(Codec::Snappy, b"\x18\x14kafka \x46\x06\0", TEXT);
    // lz4, as Java and librdkafka do: independent blocks, no checksum of the content; an empty one of Java with it.
    let plain = b"\x04\x22\x4d\x18\x60\x40\x82\x0f\0\0\0\x69kafka \x06\0\x50afka \0\0\0\0";
    reads(Codec::Lz4, plain, TEXT);
    reads(Codec::Lz4, b"\x04\x22\x4d\x18\x64\x40\xa7\0\0\0\0\x05\x5d\xcc\x02", b"");
    // With the content's size, and checksums of blocks and content; two frames with a skippable one between.
    let checked = b"\x04\x22\x4d\x18\x7c\x40\x18\0\0\0\0\0\0\0\x0c\x0f\0\0\0\x69kafka \x06\0\x50afka \x96\x76\xc4\xf8\0\0\0\0\x95\xa3\xf2\x26";
    reads(Codec::Lz4, checked, TEXT);
    let skippable = b"\x53\x2a\x4d\x18\x03\0\0\0abc";
    reads(Codec::Lz4, &[plain.as_slice(), skippable, checked].concat(), &TEXT.repeat(2));
    // zstd as a stream writes it, without the content's size; with a checksum; both.
    let plain = b"\x28\xb5\x2f\xfd\x00\x58\x65\0\0\x30kafka \x01\0\xf1\x4a\x11";
    let checked = b"\x28\xb5\x2f\xfd\x04\x58\x65\0\0\x30kafka \x01\0\xf1\x4a\x11\xed\xe2\x17\x70";
    reads(Codec::Zstd, plain, TEXT);
    reads(Codec::Zstd, checked, TEXT);
    reads(Codec::Zstd, &[plain.as_slice(), checked].concat(), &TEXT.repeat(2));
}

/// What readers look at first.
#[test]
fn frames_begin_as_kafkas_readers_want_them() {
    let mut out = Vec::new();
    let mut workspace = Workspace::new();
    for (codec, beginning) in [
        (Codec::Gzip, b"\x1f\x8b\x08\0\0\0\0\0".as_slice()),
        (Codec::Snappy, b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0"),
        (Codec::Lz4, b"\x04\x22\x4d\x18\x60\x40\x82"),
        // With the content's size in one byte, in a single segment, without checksum and dictionary.
        (Codec::Zstd, b"\x28\xb5\x2f\xfd\x20\x18"),
    ] {
        assert_eq!(workspace.compress(default(codec), &[TEXT], MOST, &mut out), Ok(true));
        assert!(out.starts_with(beginning), "{codec:?} {out:02x?}");
    }
}

#[test]
fn cut_off_or_damaged_input_is_an_error_or_within_the_bound() {
    let bytes = text(3000);
    let mut workspace = Workspace::new();
    let (mut small, mut out) = (Vec::new(), Vec::new());
    for codec in CODECS.into_iter().skip(1) {
        assert_eq!(workspace.compress(default(codec), &[&bytes], MOST, &mut small), Ok(true));
        for len in 0..small.len() {
            // A snappy frame may end behind its header: there it says nothing at all.
            let is_whole = codec == Codec::Snappy && len == 16;
            let refused = decompress(codec, &small[..len], MOST, &mut out);
            assert!(refused.is_err() || is_whole, "{codec:?}: {len} of {} bytes", small.len());
        }
        for at in 0..small.len() {
            for flip in [1, 0x80, 0xff] {
                let mut damaged = small.clone();
                damaged[at] ^= flip;
                if decompress(codec, &damaged, 4000, &mut out).is_ok() {
                    assert!(out.len() <= 4000);
                }
            }
        }
        assert!(
            decompress(codec, &[small.as_slice(), b"more"].concat(), MOST, &mut out).is_err(),
            "{codec:?}: more behind it"
        );
    }
}

/// A few bytes that claim gigabytes get a sentence, not memory.
#[test]
fn claims_of_size_are_not_believed() {
    let mut out;
    // snappy: 4 GiB; a block of 2 GiB. lz4: a block of 2 GiB in a frame of 64 KiB. zstd: 2^60 bytes.
    for (codec, bytes) in [
        (Codec::Snappy, b"\xff\xff\xff\xff\x0f\0\0".as_slice()),
        (Codec::Snappy, b"\xff\xff\xff\x0f\0\0\0"),
        (Codec::Snappy, b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\x7f\xff\xff\xff\0"),
        (Codec::Lz4, b"\x04\x22\x4d\x18\x60\x40\x82\xff\xff\xff\x7f\0"),
        (Codec::Zstd, b"\x28\xb5\x2f\xfd\xe0\0\0\0\0\0\0\0\x10\x01\0\0"),
    ] {
        out = Vec::new();
        assert!(decompress(codec, bytes, usize::MAX >> 1, &mut out).is_err(), "{codec:?} {bytes:02x?}");
        assert!(out.capacity() <= 1 << 20, "{codec:?} {bytes:02x?}: {} bytes of memory", out.capacity());
    }
    // A bomb: a mebibyte of zeros in a few bytes stops at the bound.
    let zeros = vec![0; 1 << 20];
    for codec in CODECS.into_iter().skip(1) {
        let mut bomb = Vec::new();
        assert_eq!(Workspace::new().compress(default(codec), &[&zeros], MOST, &mut bomb), Ok(true));
        out = Vec::new();
        let refused = decompress(codec, &bomb, 10_000, &mut out);
        assert_eq!(refused, Err("more than 10000 bytes would come out".into()), "{codec:?}");
        assert!(out.capacity() <= 128 << 10, "{codec:?}: {} bytes of memory", out.capacity());
    }
    // A window of 2 GiB is no harm, since none is made.
    out = Vec::new();
    assert_eq!(decompress(Codec::Zstd, b"\x28\xb5\x2f\xfd\0\xa8\x01\0\0", MOST, &mut out), Ok(()));
    assert!(out.is_empty() && out.capacity() <= 8 << 10);
}

#[test]
fn scratch_for_a_huge_batch_is_given_back() {
    let mut workspace = Workspace::new();
    let bytes = noise(7 << 20);
    let mut out = Vec::new();
    for codec in CODECS {
        workspace.compress(default(codec), &[&bytes[..1000], &bytes[1000..]], MOST, &mut out).unwrap();
    }
    assert!(workspace.scratch.capacity() <= SCRATCH_KEPT_BYTES);
}

/// Lines of a log, much alike but for their numbers.
fn log_lines(len: usize) -> Vec<u8> {
    let numbers = noise(len / 8);
    let mut out = Vec::with_capacity(len + 200);
    for (n, part) in numbers.chunks_exact(8).enumerate() {
        let (id, took) =
            (u32::from_le_bytes([part[0], part[1], part[2], part[3]]), u16::from_le_bytes([part[4], part[5]]));
        let path = ["/api/v1/products", "/api/v1/carts", "/search", "/health"][usize::from(part[6]) % 4];
        let line = format!(
            "{{\"ts\":{},\"id\":\"{id:08x}\",\"lvl\":\"INFO\",\"svc\":\"checkout\",\"req\":\"GET {path}/{took}\",\"st\":200,\"us\":{}}}\n",
            1_795_286_791_000u64 + n as u64,
            u32::from(took) * 7,
        );
        out.extend_from_slice(line.as_bytes());
        if out.len() >= len {
            break;
        }
    }
    out.truncate(len);
    out
}

/// Words in no order, which only a thorough search makes the best of.
fn prose(len: usize) -> Vec<u8> {
    let words: Vec<Vec<u8>> = noise(4_000).chunks(8).map(|w| w.iter().map(|b| b'a' + b % 26).collect()).collect();
    let picks = noise(len / 2);
    let word = |pick: &[u8]| {
        let (a, b) = (usize::from(pick[0]), usize::from(pick[1]));
        let word = &words[(a * b) % words.len()];
        [&word[..2 + a % 6], b" "].concat()
    };
    picks.chunks_exact(2).flat_map(word).take(len).collect()
}

#[test]
fn a_topics_batches_go_a_cheaper_way_where_it_leaves_no_more() {
    let inputs = [log_lines(1_000_000), prose(1_000_000), text(300_000), noise(600_000)];
    for (codec, input) in [Codec::Lz4, Codec::Zstd].into_iter().flat_map(|codec| inputs.iter().map(move |i| (codec, i)))
    {
        let (mut workspace, taste) = (Workspace::new(), Taste::default());
        let (mut thorough, mut out, mut back) = (Vec::new(), Vec::new(), Vec::new());
        let how = default(codec);
        assert_eq!(workspace.compress(how, &[input], MOST, &mut thorough), Ok(true));
        for batch in 0..130 {
            assert_eq!(workspace.compress_to(&taste, how, &cut(input, 1024), MOST, &mut out), Ok(true));
            assert!(
                out.len() <= thorough.len() + thorough.len() / 100,
                "{codec:?}: {} > {}",
                out.len(),
                thorough.len()
            );
            if batch < 3 {
                assert_eq!(decompress(codec, &out, input.len(), &mut back), Ok(()));
                assert!(back == *input);
            }
        }
    }
}

#[test]
fn log_lines_go_the_cheapest_way_and_prose_the_thorough_one() {
    for (input, expected) in [(log_lines(1_000_000), 2), (prose(1_000_000), 0)] {
        let (mut workspace, taste, mut out) = (Workspace::new(), Taste::default(), Vec::new());
        let how = default(Codec::Zstd);
        assert_eq!(workspace.compress_to(&taste, how, &[&input], MOST, &mut out), Ok(true));
        assert_eq!(taste.next(), Some(expected));
        // What does not get shorter is found out by the thorough way alone.
        let hopeless = noise(600_000);
        let taste = Taste::default();
        assert_eq!(workspace.compress_to(&taste, how, &[&hopeless], hopeless.len() - 1, &mut out), Ok(false));
        assert_eq!(taste.next(), Some(0));
    }
}
