use super::*;

const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

#[test]
fn every_codec_gives_back_what_it_was_given() {
    let mut workspace = Workspace::new();
    for codec in CODECS {
        let text = b"a line of a log, again and again; ".repeat(3000);
        let (mut small, mut back) = (Vec::new(), Vec::new());
        let how = Compression { codec, level: if codec == Codec::Lz4 { 9 } else { 3 } };
        assert_eq!(
            workspace.compress(how, &[&text[..100], &text[100..]], usize::MAX, &mut small),
            Ok(true),
            "{codec:?}"
        );
        decompress(codec, &small, text.len(), &mut back).unwrap();
        assert!(back == text, "{codec:?}");
    }
}
