/* What is sent is what lies in the log, byte for byte: keys, values, headers, timestamps, partitions, order. */
#include "check.h"

#define PARTITIONS 3
#define RECORDS 3000
#define HEADERS_MAX 50

static unsigned char bytes[1 << 21]; /* a pool that all contents are cut from */

struct sample {
    producer_record_t record;
    producer_header_t headers[HEADERS_MAX];
    int64_t sent_from_ms, sent_until_ms;
};

static const char *names[] = {"trace-id", "", "trace-id", "k\xc3\xa4se", "x"}; /* repeated and empty names are legal */

/* A record of its own for every number: null, empty, one byte, binary; with and without headers; all timestamps. */
static void sample_of(struct sample *s, size_t i) {
    producer_record_t r = PRODUCER_RECORD_INIT;
    memset(s, 0, sizeof *s);
    r.topic = "t";
    r.partition = (int32_t)(i % PARTITIONS);
    switch (i % 4) {
    case 0: break;                                               /* no key */
    case 1: r.key = bytes; break;                                /* an empty key */
    case 2: r.key = bytes + i, r.key_len = 1; break;
    default: r.key = bytes + i, r.key_len = i % 200; break;
    }
    switch (i % 5) {
    case 0: break;                                               /* a tombstone */
    case 1: r.value = bytes; break;                              /* an empty value */
    case 2: r.value = bytes + i, r.value_len = 1; break;
    default: r.value = bytes + 2 * i, r.value_len = i % 1500; break;
    }
    size_t count = i % 7 == 0 ? (i % 3 == 0 ? HEADERS_MAX : 1 + i % 4) : 0;
    for (size_t h = 0; h < count; h++) {
        s->headers[h].name = names[(i + h) % 5];
        s->headers[h].value = h % 3 == 0 ? NULL : bytes + i + h;
        s->headers[h].value_len = h % 3 == 0 ? 0 : (h % 3 == 1 ? 0 : 1 + (i + h) % 90);
    }
    r.headers = count > 0 ? s->headers : NULL;
    r.header_count = count;
    switch (i % 6) {
    case 0: r.timestamp_ms = 0; break;
    case 1: r.timestamp_ms = 1600000000123; break;
    case 2: r.timestamp_ms = 1600000000123 - (int64_t)i * 1000; break; /* backwards within a batch */
    case 3: r.timestamp_ms = 4102444800000; break;                     /* far ahead */
    default: break;                                                    /* now */
    }
    s->record = r;
}

struct readback {
    size_t partition, next;
    struct outcome *o;
    struct sample *samples;
};

static bool same(const void *a, size_t a_len, const void *b, int64_t b_len) {
    if (a == NULL) return b_len == -1;
    return b_len == (int64_t)a_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

static int compare(const producer_mock_record_t *got, void *opaque) {
    struct readback *back = opaque;
    size_t i = back->next;
    const producer_record_t *sent = &back->samples[i].record;
    back->next += PARTITIONS;
    CHECK_INT(got->offset, back->o[i].offset);
    bool ok = same(sent->key, sent->key_len, got->key, got->key_len) && same(sent->value, sent->value_len, got->value, got->value_len);
    ok = ok && got->header_count == sent->header_count;
    for (size_t h = 0; ok && h < sent->header_count; h++) {
        const producer_header_t *a = &sent->headers[h], *b = &got->headers[h];
        ok = strcmp(a->name, b->name) == 0 && a->value_len == b->value_len && (a->value == NULL) == (b->value == NULL) &&
             (a->value_len == 0 || memcmp(a->value, b->value, a->value_len) == 0);
    }
    if (sent->timestamp_ms != PRODUCER_TIMESTAMP_NOW) ok = ok && got->timestamp_ms == sent->timestamp_ms;
    else /* the coarse clock is a few milliseconds late */
        ok = ok && got->timestamp_ms >= back->samples[i].sent_from_ms - 50 && got->timestamp_ms <= back->samples[i].sent_until_ms + 50;
    ok = ok && got->timestamp_ms == back->o[i].timestamp_ms;
    if (!CHECK(ok)) printf("  record %zu differs\n", i);
    return ok ? 0 : 1;
}

static void all_kinds(const char *linger_ms, const char *batch_size) {
    check_case(batch_size);
    producer_mock_cluster_t *mock = mock_of(2, "t", PARTITIONS);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", linger_ms, "batch.size", batch_size, NULL);
    struct outcome *o = outcomes_new(RECORDS);
    struct sample *samples = calloc(RECORDS, sizeof *samples);
    REQUIRE(samples != NULL);
    for (size_t i = 0; i < RECORDS; i++) {
        sample_of(&samples[i], i);
        samples[i].sent_from_ms = wall_ms();
        REQUIRE_OK(producer_send(p, &samples[i].record, on_outcome, &o[i]));
        samples[i].sent_until_ms = wall_ms();
    }
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, RECORDS, PRODUCER_OK);
    for (size_t i = 0; i < RECORDS; i++) {
        const producer_record_t *r = &samples[i].record;
        if (!CHECK_INT(o[i].key_len, r->key ? (int64_t)r->key_len : -1)) break;
        if (!CHECK_INT(o[i].value_len, r->value ? (int64_t)r->value_len : -1)) break;
    }
    for (size_t partition = 0; partition < PARTITIONS; partition++) {
        struct readback back = {partition, partition, o, samples};
        REQUIRE_OK(producer_mock_cluster_records(mock, "t", (int32_t)partition, 0, compare, &back));
        CHECK_INT(back.next, RECORDS + partition); /* all of them, in the order of sending */
    }
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(samples);
    free(o);
}

struct one {
    const void *value;
    size_t value_len, seen;
};

static int compare_one(const producer_mock_record_t *got, void *opaque) {
    struct one *one = opaque;
    one->seen++;
    CHECK(same(one->value, one->value_len, got->value, got->value_len));
    return 1;
}

static void sizes(void) {
    check_case("values from one byte to the largest");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", NULL);
    size_t lengths[] = {1,    2,    62,    63,    64,    65,    126,    127,   128,    8190,   8191,   8192,
                        8193, 16383, 16384, 65535, 65536, 131072, 262143, 524288, 999000, 1000000, 1000001, 1048000};
    size_t count = sizeof lengths / sizeof *lengths;
    struct outcome *o = outcomes_new(count);
    for (size_t i = 0; i < count; i++) {
        producer_record_t r = PRODUCER_RECORD_INIT;
        r.topic = "t", r.partition = 0;
        r.value = bytes + i, r.value_len = lengths[i];
        CHECK_OK(producer_send(p, &r, on_outcome, &o[i]));
    }
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, count, PRODUCER_OK);
    for (size_t i = 0; i < count; i++) {
        struct one one = {bytes + i, lengths[i], 0};
        CHECK_INT(o[i].offset, i);
        CHECK_OK(producer_mock_cluster_records(mock, "t", 0, (int64_t)i, compare_one, &one));
        CHECK_INT(one.seen, 1);
    }
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void copied(void) {
    check_case("send copies: the caller's buffers may change at once");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "60000", NULL);
    const producer_topic_t *topic = NULL;
    char name[] = "t", value[] = "original", header_name[] = "h";
    producer_header_t header = {header_name, value, 8};
    producer_record_t r = PRODUCER_RECORD_INIT;
    REQUIRE_OK(producer_topic(p, name, &topic));
    name[0] = '?';
    r.topic_handle = topic, r.partition = 0;
    r.value = value, r.value_len = 8;
    r.headers = &header, r.header_count = 1;
    struct outcome *o = outcomes_new(1);
    REQUIRE_OK(producer_send(p, &r, on_outcome, o));
    memset(value, '?', 8);
    header_name[0] = '?';
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, 1, PRODUCER_OK);
    CHECK_INT(log_count(mock, "t", 0, "original"), 1);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void by_key(void) {
    check_case("a key's partition is the one Java chooses: toPositive(murmur2(key)) % partitions");
    static const struct {
        const char *key;
        int32_t partition_of_12;
    } known[] = {{"21", 0}, {"foobar", 6}, {"a-little-bit-long-string", 8}, {"a-little-bit-longer-string", 11},
                 {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", 5}, {"abc", 3}, {"", 9}};
    producer_mock_cluster_t *mock = mock_of(1, "t", 12);
    producer_t *p = producer_at(mock);
    struct outcome *o = outcomes_new(210);
    for (size_t i = 0; i < 210; i++) {
        producer_record_t r = PRODUCER_RECORD_INIT;
        r.topic = "t";
        r.key = known[i % 7].key, r.key_len = strlen(known[i % 7].key);
        r.value = "v", r.value_len = 1;
        REQUIRE_OK(producer_send(p, &r, on_outcome, &o[i]));
    }
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, 210, PRODUCER_OK);
    for (size_t i = 0; i < 210; i++)
        if (!CHECK_INT(o[i].partition, known[i % 7].partition_of_12)) break;
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void log_append_time(void) {
    check_case("a topic with the broker's time: the report has it, and says so");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    REQUIRE_OK(producer_mock_cluster_topic_set_log_append_time(mock, "t", true));
    CHECK_STATUS(producer_mock_cluster_topic_set_log_append_time(mock, "nowhere", true), PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    producer_t *p = producer_at(mock);
    struct outcome *o = outcomes_new(1);
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t";
    r.value = "v", r.value_len = 1;
    r.timestamp_ms = 1000;
    REQUIRE_OK(producer_send(p, &r, on_outcome, o));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, 1, PRODUCER_OK);
    CHECK_INT(o->timestamp_type, PRODUCER_TIMESTAMP_TYPE_LOG_APPEND);
    CHECK(o->timestamp_ms > 1600000000000);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

int main(void) {
    check_begin();
    uint32_t random = 12345;
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)((random = random * 1103515245u + 12345u) >> 16);
    all_kinds("5", "1000000");
    all_kinds("0", "1000");
    all_kinds("0", "0");
    sizes();
    copied();
    by_key();
    log_append_time();
    return check_end();
}
