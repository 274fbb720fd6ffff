# shellcheck shell=bash
# What benches/run is made of: building the programs and libraries, the broker, and statistics. Sourced by it, with
# `root` (the checkout), `target` (cargo's folder) and `work` (the benchmarks' folder below it) set.
# shellcheck disable=SC2154 # those three

rdkafka_sys_version=4.10.0

# ---- programs and libraries ------------------------------------------------------------------------------------------

compile() { "${CC:-cc}" -std=c11 -O2 -Wall -Wextra -Wpedantic -Werror "$@"; }

# The library is copied, so that a build that is made meanwhile does not change what is measured.
build_ours() {
    (cd "$root" && cargo build --release --lib)
    place_library "$target/release/libkproducer.so" "$work/latest"
    compile -I "$root/include" -o "$work/kproducer" "$root/examples-c/perf.c" -L "$work/latest" -lkproducer
}

# place_library LIBRARY FOLDER: under both names, the one the linker looks for and the SONAME.
place_library() {
    rm -rf "$2"
    mkdir -p "$2"
    cp "$1" "$2/libkproducer.so.0"
    ln -s libkproducer.so.0 "$2/libkproducer.so"
}

# find_build WHAT: sets `build` to a build of the library: WHAT itself if there is such a file, else that of a git
# revision, which is made from a copy of its files and kept.
find_build() {
    local commit folder rustc
    if [ -f "$1" ]; then
        build=$(realpath "$1")
        return
    fi
    if ! commit=$(git -C "$root" rev-parse --verify --quiet "$1^{commit}"); then
        echo "benches/run: --before $1: neither a file nor a git revision" >&2
        exit 2
    fi
    rustc=$(cd "$root" && rustc --version | cut -d ' ' -f 2)
    folder=$work/builds/$commit-rustc-$rustc
    build=$folder/libkproducer.so
    [ ! -f "$build" ] || return 0
    echo "building the library of $1 ($commit), once" >&2
    rm -rf "$folder"
    mkdir -p "$folder/source"
    git -C "$root" archive "$commit" | tar -x -C "$folder/source"
    (cd "$folder/source" && CARGO_TARGET_DIR=$folder/target cargo build --release --lib)
    mv "$folder/target/release/libkproducer.so" "$build"
    rm -rf "$folder/source" "$folder/target"
}

# rustc_of LIBRARY: which compiler made it.
rustc_of() { readelf -p .comment "$1" | sed -n 's/.*\(rustc version [^ ]*\).*/\1/p' | sort -u | tr '\n' ' '; }

# Prints the flags to compile and link with librdkafka.
find_rdkafka() {
    if [ -n "${RDKAFKA_PREFIX:-}" ]; then
        echo "-isystem $RDKAFKA_PREFIX/include -L$RDKAFKA_PREFIX/lib -lrdkafka -Wl,-rpath,$RDKAFKA_PREFIX/lib"
        return
    fi
    local peer=$work/librdkafka archive codecs
    mkdir -p "$peer/src" "$peer/include"
    : >"$peer/src/lib.rs"
    cat >"$peer/Cargo.toml" <<TOML
[package]
name = "librdkafka-for-benches"
version = "0.0.0"
edition = "2024"

[dependencies]
rdkafka-sys = { version = "=$rdkafka_sys_version", default-features = false, features = ["libz-static", "zstd"] }

[workspace]
TOML
    cargo build --release --manifest-path "$peer/Cargo.toml" --target-dir "$peer/target" >&2 || return 1
    archive=$(find "$peer/target/release/build" -path '*/out/src/librdkafka.a' | head -n 1)
    [ -n "$archive" ] || return 1
    ln -sfn "$(dirname "$archive")" "$peer/include/librdkafka"
    # With gzip and zstd of their own, built alike; its lz4 and snappy come along.
    codecs=$(find "$peer/target/release/build" \( -path '*/libz-sys-*/libz.a' -o -path '*/zstd-sys-*/libzstd.a' \) |
        tr '\n' ' ')
    echo "-isystem $peer/include $archive $codecs -lm -ldl -lpthread -lrt"
}

build_rdkafka() {
    local flags
    flags=$(find_rdkafka) || return 1
    # shellcheck disable=SC2086 # the flags are words
    compile -o "$work/librdkafka_perf" "$root/benches/rdkafka_perf.c" $flags
}

# ---- the broker ------------------------------------------------------------------------------------------------------

broker_pid=''
stop_broker() {
    [ -z "$broker_pid" ] || { kill "$broker_pid" 2>/dev/null || true; wait "$broker_pid" 2>/dev/null || true; }
    broker_pid=''
}
trap stop_broker EXIT

# start_broker PARTITIONS: sets `address`.
start_broker() {
    stop_broker
    : >"$work/broker.out"
    "$work/ack_broker" --partitions "$1" >"$work/broker.out" &
    broker_pid=$!
    for _ in $(seq 100); do
        address=$(sed -n 's/^listening on //p' "$work/broker.out")
        [ -z "$address" ] || return 0
        sleep 0.05
    done
    echo "benches/run: ack_broker did not start" >&2
    exit 1
}

# ask_broker: sets `wire_records` and `wire_bytes` to what the broker has received since it was last asked.
ask_broker() {
    local answers line=''
    answers=$(grep -c '^received' "$work/broker.out" || true)
    kill -USR1 "$broker_pid"
    for _ in $(seq 100); do
        if [ "$(grep -c '^received' "$work/broker.out" || true)" -gt "$answers" ]; then
            line=$(grep '^received' "$work/broker.out" | tail -n 1)
            # shellcheck disable=SC2034 # benches/run reads them
            read -r _ wire_records _ _ wire_bytes _ <<<"$line"
            return 0
        fi
        sleep 0.05
    done
    echo "benches/run: ack_broker does not tell what it received" >&2
    exit 1
}

# ---- statistics ------------------------------------------------------------------------------------------------------

# median FILE FIELD
median() {
    cut -d, -f"$2" "$1" | sort -g |
        awk '{ v[NR] = $1 } END { if (NR % 2) print v[(NR + 1) / 2]; else print (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

ratio() { awk -v a="$1" -v b="$2" 'BEGIN { if (b > 0) printf "%.1fx", a / b; else printf "-" }'; }

# print_ratio LABEL FIELD BEFORE AFTER: how a figure differs between two files whose n-th lines are a pair: runs one
# after the other. Prints the median of the pairs' ratios (after / before) and an interval for it that assumes nothing
# about their distribution: from the k-th smallest to the k-th largest. The true median lies outside of it with the
# probability that n tosses of a coin give fewer than k heads or fewer than k tails (the sign test); k is the largest
# for which that is at most 5 %. With fewer than six pairs there is no such k: the smallest and the largest are printed.
print_ratio() {
    paste -d, <(cut -d, -f"$2" "$3") <(cut -d, -f"$2" "$4") |
        awk -F, -v figure="$1" '
            !($1 > 0 && $2 > 0) { printf "%s: no pair: %s and %s\n", figure, $1, $2 >"/dev/stderr"; exit 1 }
            { print $2 / $1 }' | sort -g |
        awk -v figure="$1" '
            { v[NR] = $1 }
            END {
                n = NR
                chance = 0.5 ^ n # of exactly i heads
                for (i = 0; i < n / 2 && 2 * (below + chance) <= 0.05; i++) {
                    below += chance
                    chance *= (n - i) / (i + 1)
                }
                k = i
                is_short = k == 0
                if (is_short) { k = 1; below = chance }
                m = n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
                low = v[k]; high = v[n + 1 - k]
                verdict = is_short ? "too few pairs" : low > 1 ? "higher" : high < 1 ? "lower" : "no difference shown"
                printf "%-11s %-11s ratio %.3f, interval %.3f to %.3f (%.1f %%, %d pairs): %s\n", \
                    "", figure, m, low, high, (1 - 2 * below) * 100, n, verdict
            }'
}
