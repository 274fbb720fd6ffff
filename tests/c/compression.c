/* Compression: every codec on records of every size, levels, topics of their own, parts, what is taken back, what is refused. */
#include "check.h"

static const char *const CODECS[] = {"gzip", "snappy", "lz4", "zstd"};
enum { CODEC_COUNT = 4 };

static producer_stats_t stats_of(producer_t *p) {
    producer_stats_t s = PRODUCER_STATS_INIT;
    REQUIRE_OK(producer_stats(p, &s));
    return s;
}

/* A line as programs write them: much of it is said again in the next. */
static int log_line(char *line, size_t room, size_t number) {
    return snprintf(line, room,
                    "{\"number\":%zu,\"level\":\"INFO\",\"service\":\"checkout\",\"host\":\"node-%zu\",\"took_ms\":%zu,"
                    "\"message\":\"order accepted\"}",
                    number, number % 7, number * 2654435761u % 1000);
}

static unsigned char *noise(size_t len, uint64_t state) {
    unsigned char *bytes = malloc(len + 1);
    REQUIRE(bytes != NULL);
    for (size_t i = 0; i < len; i++) {
        state = state * 6364136223846793005u + 1;
        bytes[i] = (unsigned char)(state >> 33);
    }
    return bytes;
}

static producer_status_t send_bytes(producer_t *p, const char *topic, const void *value, size_t len, struct outcome *o) {
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = topic, r.partition = 0, r.value = value, r.value_len = len;
    return producer_send(p, &r, o ? on_outcome : NULL, o);
}

static void send_lines(producer_t *p, const char *topic, struct outcome *o, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char line[256];
        int len = log_line(line, sizeof line, i);
        if (!CHECK_OK(send_bytes(p, topic, line, (size_t)len, o ? &o[i] : NULL))) exit(1);
    }
}

struct lines {
    size_t next, wrong;
};

static int line_visit(const producer_mock_record_t *r, void *opaque) {
    struct lines *lines = opaque;
    char line[256];
    int len = log_line(line, sizeof line, lines->next++);
    lines->wrong += r->value_len != len || memcmp(r->value, line, (size_t)len) != 0;
    return 0;
}

/* The lines lie there in their order, each once. */
static void check_lines(producer_mock_cluster_t *m, const char *topic, size_t count) {
    struct lines lines = {0, 0};
    REQUIRE_OK(producer_mock_cluster_records(m, topic, 0, 0, line_visit, &lines));
    CHECK_INT(lines.next, count);
    CHECK_INT(lines.wrong, 0);
}

static void every_codec(void) {
    for (size_t c = 0; c < CODEC_COUNT; c++) {
        for (int threads = 0; threads <= 3; threads += 3) {
            char title[80], count[8];
            snprintf(title, sizeof title, "%s with %d threads: less on the wire, the same in the log", CODECS[c], threads);
            snprintf(count, sizeof count, "%d", threads);
            check_case(title);
            producer_mock_cluster_t *mock = mock_of(1, "t", 1);
            producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "compression.type", CODECS[c], "batch.size",
                                        "20000", "linger.ms", "1", "compression.threads", count, NULL);
            enum { COUNT = 5000 };
            struct outcome *o = outcomes_new(COUNT);
            send_lines(p, "t", o, COUNT);
            CHECK_OK(producer_flush(p, WAIT_MS));
            CHECK_ALL(o, COUNT, PRODUCER_OK);
            for (size_t i = 0; i < COUNT; i++)
                if (!CHECK_INT(o[i].offset, i)) break;
            check_lines(mock, "t", COUNT);
            producer_stats_t s = stats_of(p);
            CHECK(s.compress_bytes_in > COUNT * 100);
            CHECK(s.compress_bytes_out * 2 < s.compress_bytes_in && s.compress_bytes_out > 0);
            CHECK(s.compress_ratio < 0.5 && s.compress_ratio > 0);
            CHECK_INT(s.bytes_sent, s.compress_bytes_out);
            CHECK_INT(s.bytes_delivered, s.bytes_sent);
            CHECK_INT(s.buffer_used_bytes, 0);
            CHECK_OK(producer_close(p, WAIT_MS));
            producer_mock_cluster_free(mock);
            free(o);
        }
    }
}

struct sized {
    const size_t *lens;
    unsigned char *const *values;
    size_t next, wrong;
};

static int sized_visit(const producer_mock_record_t *r, void *opaque) {
    struct sized *sized = opaque;
    size_t at = sized->next++;
    sized->wrong += r->value_len != (int64_t)sized->lens[at] || memcmp(r->value, sized->values[at], sized->lens[at]) != 0;
    return 0;
}

static void every_size(void) {
    static const size_t LENS[] = {0, 1, 2, 10, 100, 1023, 1024, 4095, 4096, 65535, 65536, 262144, 1000000};
    enum { SIZES = sizeof LENS / sizeof *LENS };
    for (size_t c = 0; c < CODEC_COUNT; c++) {
        char title[80];
        snprintf(title, sizeof title, "%s: one record from nothing to a megabyte, of noise and of one letter", CODECS[c]);
        check_case(title);
        producer_mock_cluster_t *mock = mock_of(1, "t", 1);
        producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "compression.codec", CODECS[c], "linger.ms", "0", NULL);
        struct outcome *o = outcomes_new(2 * SIZES);
        size_t lens[2 * SIZES];
        unsigned char *values[2 * SIZES];
        for (size_t i = 0; i < 2 * SIZES; i++) {
            lens[i] = LENS[i / 2];
            values[i] = noise(lens[i], i);
            if (i % 2) memset(values[i], 'a', lens[i]);
            if (!CHECK_OK(send_bytes(p, "t", values[i], lens[i], &o[i]))) break;
            CHECK_OK(producer_flush(p, WAIT_MS)); /* a batch of its own */
        }
        CHECK_ALL(o, 2 * SIZES, PRODUCER_OK);
        struct sized sized = {lens, values, 0, 0};
        REQUIRE_OK(producer_mock_cluster_records(mock, "t", 0, 0, sized_visit, &sized));
        CHECK_INT(sized.next, 2 * SIZES);
        CHECK_INT(sized.wrong, 0);
        producer_stats_t s = stats_of(p);
        CHECK(s.compress_ratio < 0.6 && s.compress_bytes_out <= s.compress_bytes_in);
        CHECK_OK(producer_close(p, WAIT_MS));
        producer_mock_cluster_free(mock);
        for (size_t i = 0; i < 2 * SIZES; i++) free(values[i]);
        free(o);
    }
}

static int64_t bytes_at_level(const char *codec, const char *property, const char *level) {
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "compression.type", codec, property, level, "linger.ms",
                                "60000", "batch.size", "60000", NULL);
    send_lines(p, "t", NULL, 2000);
    CHECK_OK(producer_flush(p, WAIT_MS));
    check_lines(mock, "t", 2000);
    int64_t bytes = stats_of(p).bytes_sent;
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    return bytes;
}

/* Where batches end is a matter of time, and with it the last bytes. */
static bool about(int64_t one, int64_t other) {
    return one * 100 < other * 110 && other * 100 < one * 110;
}

static void levels(void) {
    check_case("a higher level takes fewer bytes, under Java's names and librdkafka's");
    int64_t quick = bytes_at_level("zstd", "compression.zstd.level", "-50");
    int64_t small = bytes_at_level("zstd", "compression.zstd.level", "19");
    CHECK(small < quick);
    CHECK(about(bytes_at_level("zstd", "compression.zstd.level", "1"), bytes_at_level("zstd", "compression.level", "1")));
    CHECK(bytes_at_level("gzip", "compression.gzip.level", "9") < bytes_at_level("gzip", "compression.gzip.level", "1"));
    CHECK(about(bytes_at_level("gzip", "compression.gzip.level", "-1"), bytes_at_level("gzip", "compression.gzip.level", "6")));
    CHECK(bytes_at_level("lz4", "compression.lz4.level", "12") <= bytes_at_level("lz4", "compression.lz4.level", "1"));
}

static void topics_of_their_own(void) {
    check_case("one topic is compressed and another is not, and that can be changed at any time");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    REQUIRE_OK(producer_mock_cluster_topic_create(mock, "plain", 1, 1));
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "1", "batch.size", "20000", NULL);
    send_lines(p, "plain", NULL, 1000);
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_INT(stats_of(p).compress_bytes_in, 0);
    CHECK(stats_of(p).compress_ratio == 1.0);
    CHECK_OK(producer_topic_set(p, "t", "compression.type", "zstd"));
    CHECK_OK(producer_topic_set(p, "t", "compression.zstd.level", "5"));
    send_lines(p, "t", NULL, 1000);
    CHECK_OK(producer_flush(p, WAIT_MS));
    producer_stats_t once = stats_of(p);
    CHECK(once.compress_bytes_in > 100000 && once.compress_ratio < 0.5);
    CHECK_OK(producer_topic_set(p, "t", "compression.type", "none"));
    for (size_t i = 1000; i < 2000; i++) {
        char line[256];
        REQUIRE_OK(send_bytes(p, "t", line, (size_t)log_line(line, sizeof line, i), NULL));
    }
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_INT(stats_of(p).compress_bytes_in, once.compress_bytes_in);
    check_lines(mock, "plain", 1000);
    check_lines(mock, "t", 2000);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static void too_large(void) {
    check_case("what the broker finds too large after compression goes in parts, in order, each record once");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    REQUIRE_OK(producer_mock_cluster_set_message_max_bytes(mock, 3000));
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "compression.type", "lz4", "linger.ms", "60000",
                                "batch.size", "100000", NULL);
    enum { COUNT = 3000 };
    struct outcome *o = outcomes_new(COUNT);
    send_lines(p, "t", o, COUNT);
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, COUNT, PRODUCER_OK);
    check_lines(mock, "t", COUNT);
    CHECK(stats_of(p).batch_splits > 0);
    CHECK_INT(stats_of(p).buffer_used_bytes, 0);

    check_case("a record that is too large even so fails alone, and is told how large it is");
    unsigned char *large = noise(5000, 3);
    struct outcome alone[1] = {{0}};
    CHECK_OK(send_bytes(p, "t", large, 5000, alone));
    send_lines(p, "t", NULL, 10);
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(alone, 1, PRODUCER_ERR_MESSAGE_TOO_LARGE);
    CHECK_INT(log_end(mock, "t", 0), COUNT + 10);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(large);
    free(o);
}

static void retries(void) {
    check_case("compressed batches are sent again as they were, and no broker takes one twice");
    producer_mock_cluster_t *mock = mock_of(2, "t", 1);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "compression.type", "snappy", "linger.ms", "1",
                                "batch.size", "6000", "retry.backoff.ms", "1", "retry.backoff.max.ms", "5", NULL);
    REQUIRE_OK(producer_mock_cluster_push_error(mock, API_PRODUCE, PRODUCER_ERR_NOT_LEADER_OR_FOLLOWER, 3));
    enum { COUNT = 2000 };
    struct outcome *o = outcomes_new(COUNT);
    send_lines(p, "t", o, COUNT / 2);
    REQUIRE_OK(producer_mock_cluster_push_error(mock, API_PRODUCE, PRODUCER_ERR_REQUEST_TIMED_OUT, 3));
    for (size_t i = COUNT / 2; i < COUNT; i++) {
        char line[256];
        REQUIRE_OK(send_bytes(p, "t", line, (size_t)log_line(line, sizeof line, i), &o[i]));
    }
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, COUNT, PRODUCER_OK);
    check_lines(mock, "t", COUNT);
    CHECK(stats_of(p).batch_retries > 0);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void old_broker(void) {
    check_case("a broker that does not know the codec: the sentence names the property, the codec and the topic");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "compression.type", "zstd", "linger.ms", "1", NULL);
    REQUIRE_OK(producer_mock_cluster_push_error(mock, API_PRODUCE, PRODUCER_ERR_UNSUPPORTED_COMPRESSION_TYPE, 1));
    struct outcome o[1] = {{0}};
    CHECK_OK(send_bytes(p, "t", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 86, o));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, 1, PRODUCER_ERR_UNSUPPORTED_COMPRESSION_TYPE);
    CHECK_INT(o[0].persisted, PRODUCER_PERSISTED_NO);
    CHECK_SAYS(o[0].error_text, "compression.type");
    CHECK_SAYS(o[0].error_text, "zstd");
    CHECK_SAYS(o[0].error_text, "'t'");
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static void cancelled(void) {
    check_case("a record is taken back from a batch that is being compressed, or has been, as long as it is not sent");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "compression.type", "gzip", "batch.size", "8000",
                                "linger.ms", "60000", "max.in.flight.requests.per.connection", "1", NULL);
    CHECK_OK(send_text(p, "t", 0, "opens the connection", NULL));
    REQUIRE_OK(producer_flush(p, WAIT_MS));
    REQUIRE_OK(producer_mock_cluster_broker_freeze(mock, 1));
    send_lines(p, "t", NULL, 100); /* in flight, and what follows waits behind it */
    enum { COUNT = 200 };
    struct outcome *o = outcomes_new(COUNT);
    producer_ticket_t tickets[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        char value[80];
        snprintf(value, sizeof value, "taken%zu, or not; the rest of it makes batches that are worth compressing", i);
        producer_record_t r = PRODUCER_RECORD_INIT;
        r.topic = "t", r.partition = 0, r.value = value, r.value_len = strlen(value);
        if (!CHECK_OK(producer_send_cancellable(p, &r, on_outcome, &o[i], &tickets[i]))) exit(1);
    }
    size_t out = 0;
    for (size_t i = 0; i < COUNT; i += 2) out += producer_cancel(p, &tickets[i]) == PRODUCER_OK;
    CHECK(out > 0);
    REQUIRE_OK(producer_mock_cluster_broker_thaw(mock, 1));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_OUTCOMES(o, COUNT);
    CHECK_INT(outcomes_with(o, COUNT, PRODUCER_ERR_CANCELLED), out);
    CHECK_INT(outcomes_with(o, COUNT, PRODUCER_OK), COUNT - out);
    CHECK_INT(log_end(mock, "t", 0), 1 + 100 + (int64_t)(COUNT - out));
    CHECK_INT(stats_of(p).buffer_used_bytes, 0);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void count_undelivered(const producer_undelivered_t *undelivered, void *opaque) {
    struct lines *lines = opaque;
    const producer_record_t *record = undelivered->record;
    char line[256];
    int len = log_line(line, sizeof line, lines->next++);
    lines->wrong += record->value_len != (size_t)len || memcmp(record->value, line, (size_t)len) != 0;
}

static void undelivered(void) {
    check_case("closing hands back what was not delivered as it was sent, compressed or not");
    for (size_t c = 0; c < CODEC_COUNT; c++) {
        producer_mock_cluster_t *mock = mock_of(1, "t", 1);
        producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "compression.type", CODECS[c], "batch.size", "20000",
                                    "linger.ms", "0", NULL);
        warm_up(p, "t", 0);
        REQUIRE_OK(producer_mock_cluster_broker_freeze(mock, 1));
        send_lines(p, "t", NULL, 1000);
        struct lines lines = {0, 0};
        CHECK_STATUS(producer_close_with(p, 200, count_undelivered, &lines), PRODUCER_ERR_TIMED_OUT);
        CHECK_INT(lines.next, 1000);
        CHECK_INT(lines.wrong, 0);
        producer_mock_cluster_free(mock);
    }
}

static void own_batches(void) {
    check_case("batches that the application fills are compressed too, and have one report");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "compression.type", "lz4", NULL);
    producer_batch_t *batch = NULL;
    REQUIRE_OK(producer_batch_new(p, &batch));
    for (size_t i = 0; i < 500; i++) {
        char line[256];
        producer_record_t r = PRODUCER_RECORD_INIT;
        r.value = line, r.value_len = (size_t)log_line(line, sizeof line, i);
        REQUIRE_OK(producer_batch_append(batch, &r, NULL));
    }
    int64_t bytes = producer_batch_size(batch);
    struct outcome o[1] = {{0}};
    REQUIRE_OK(producer_batch_close(batch));
    REQUIRE_OK(producer_batch_send(p, batch, "t", 0, on_outcome, o));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, 1, PRODUCER_OK);
    check_lines(mock, "t", 500);
    CHECK_INT(stats_of(p).compress_bytes_in, bytes);
    CHECK(stats_of(p).bytes_sent * 2 < bytes);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static void refused(const char *name, const char *value, const char *says) {
    producer_config_t *c = NULL;
    REQUIRE_OK(producer_config_new(&c));
    CHECK_STATUS(producer_config_set(c, name, value), PRODUCER_ERR_INVALID_PROPERTY);
    CHECK_SAYS(producer_last_error(), name);
    CHECK_SAYS(producer_last_error(), says);
    producer_config_free(c);
}

static void bad_values(void) {
    check_case("values that are not allowed are refused with those that are");
    refused("compression.type", "brotli", "none, gzip, snappy, lz4, zstd");
    refused("compression.codec", "", "gzip");
    refused("compression.gzip.level", "0", "-1, or 1 to 9");
    refused("compression.gzip.level", "10", "1 to 9");
    refused("compression.lz4.level", "0", "1 to 17");
    refused("compression.lz4.level", "18", "1 to 17");
    refused("compression.zstd.level", "23", "-131072 to 22");
    refused("compression.level", "best", "-1 to 12");
    refused("compression.threads", "-1", "0 to 64");
    refused("compression.threads", "65", "0 to 64");
    for (size_t c = 0; c < CODEC_COUNT; c++) CHECK_SAYS(producer_features(), CODECS[c]);
}

int main(void) {
    check_begin();
    bad_values();
    every_codec();
    every_size();
    levels();
    topics_of_their_own();
    too_large();
    retries();
    old_broker();
    cancelled();
    undelivered();
    own_batches();
    return check_end();
}
