//! What the properties of compression come to: the level of the codec in use.

use crate::codec::{Codec, Compression};
use crate::config::Config;

/// The levels of all codecs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CompressionLevels {
    /// `compression.level`: for whichever codec; -1 for its own.
    pub any: i32,
    pub gzip: i32,
    pub lz4: i32,
    pub zstd: i32,
}

impl Default for CompressionLevels {
    fn default() -> CompressionLevels {
        CompressionLevels { any: -1, gzip: -1, lz4: 9, zstd: 3 }
    }
}

/// What -1 means to gzip.
const GZIP_LEVEL: i32 = 6;

impl Config {
    /// Takes the level of the codec in use from what was set; `is_set` answers that of a codec's own property.
    pub(super) fn settle_compression(&mut self, is_set: impl Fn(&str) -> bool) {
        let CompressionLevels { any, gzip, lz4, zstd } = self.compression_levels;
        let codec = self.compression.codec;
        let (name, own, least, most) = match codec {
            Codec::None | Codec::Snappy => ("", 0, 0, 0),
            Codec::Gzip => ("compression.gzip.level", if gzip == -1 { GZIP_LEVEL } else { gzip }, 1, 9),
            Codec::Lz4 => ("compression.lz4.level", lz4, 1, 17),
            Codec::Zstd => ("compression.zstd.level", zstd, -131_072, 22),
        };
        let level = match any {
            _ if is_set(name) => own,
            -1 => own,
            // To librdkafka 0 is the quickest, which to Java is 9.
            0 if codec == Codec::Lz4 => 9,
            level => level,
        };
        self.compression = Compression { codec, level: level.clamp(least, most) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConfigBuilder;

    fn build(settings: &[(&str, &str)]) -> Config {
        let mut builder = ConfigBuilder::new();
        builder.set("bootstrap.servers", "h:1").expect("legal");
        for (name, value) in settings {
            builder.set(name, value).expect("legal");
        }
        builder.build().expect("no contradiction")
    }

    fn level(settings: &[(&str, &str)]) -> (Codec, i32) {
        let Compression { codec, level } = build(settings).compression;
        (codec, level)
    }

    #[test]
    fn each_codec_has_its_default_level_and_its_own_property() {
        assert_eq!(level(&[]), (Codec::None, 0));
        assert_eq!(level(&[("compression.type", "gzip")]), (Codec::Gzip, 6));
        assert_eq!(level(&[("compression.codec", "snappy")]), (Codec::Snappy, 0));
        assert_eq!(level(&[("compression.type", "LZ4")]), (Codec::Lz4, 9));
        assert_eq!(level(&[("compression.type", "zstd")]), (Codec::Zstd, 3));
        assert_eq!(level(&[("compression.type", "zstd"), ("compression.zstd.level", "-1")]), (Codec::Zstd, -1));
        assert_eq!(level(&[("compression.zstd.level", "7"), ("compression.type", "gzip")]), (Codec::Gzip, 6));
        assert_eq!(level(&[("compression.type", "gzip"), ("compression.gzip.level", "9")]), (Codec::Gzip, 9));
        assert_eq!(build(&[]).compression_threads, 1);
    }

    #[test]
    fn the_level_for_every_codec_gives_way_to_a_codecs_own_and_fits_each() {
        let any = |codec, value| level(&[("compression.type", codec), ("compression.level", value)]).1;
        assert_eq!((any("gzip", "12"), any("gzip", "0"), any("gzip", "-1")), (9, 1, 6));
        assert_eq!((any("lz4", "0"), any("lz4", "12"), any("lz4", "-1")), (9, 12, 9));
        assert_eq!((any("zstd", "0"), any("zstd", "12"), any("zstd", "-1")), (0, 12, 3));
        assert_eq!(any("snappy", "5"), 0);
        let both = [("compression.type", "gzip"), ("compression.gzip.level", "-1"), ("compression.level", "9")];
        assert_eq!(level(&both), (Codec::Gzip, 6), "-1 was asked for");
    }

    #[test]
    fn a_level_that_its_codec_does_not_have_is_refused_with_those_that_it_has() {
        let mut builder = ConfigBuilder::new();
        for (name, value, says) in [
            ("compression.gzip.level", "0", "-1, or 1 to 9"),
            ("compression.gzip.level", "10", "-1, or 1 to 9"),
            ("compression.lz4.level", "0", "1 to 17"),
            ("compression.lz4.level", "18", "1 to 17"),
            ("compression.zstd.level", "23", "-131072 to 22"),
            ("compression.zstd.level", "-131073", "-131072 to 22"),
            ("compression.threads", "65", "0 to 64"),
            ("compression.type", "brotli", "zstd"),
        ] {
            let error = builder.set(name, value).expect_err(name);
            assert!(error.message.contains(says) && error.message.contains(name), "{}", error.message);
        }
    }
}
