/* Everything a caller can get wrong: a status and a sentence, the output untouched, the handle usable afterwards. */
#include "check.h"

static producer_mock_cluster_t *mock;
static producer_t *producer;

static void still_works(void) {
    struct outcome *o = outcomes_new(1);
    CHECK_OK(send_text(producer, "t", 0, "still works", o));
    CHECK(wait_for_reports(producer, o, 1, WAIT_MS));
    CHECK_ALL(o, 1, PRODUCER_OK);
    free(o);
}

/* Refused at once with one of two statuses and a text that names the thing; no report follows. */
static void refused(const producer_record_t *r, producer_status_t a, producer_status_t b, const char *names, int line) {
    struct outcome *o = outcomes_new(1);
    check_status(producer_send(producer, r, on_outcome, o), a, b, names, __FILE__, line);
    check_says(producer_last_error(), names, __FILE__, line);
    producer_poll(producer, 0);
    check_int(atomic_load(&o->reports), 0, "reports of a refused record", __FILE__, line);
    free(o);
}
#define REFUSED(r, status, names) refused((r), (status), (status), (names), __LINE__)
#define REFUSED_OR(r, a, b, names) refused((r), (a), (b), (names), __LINE__)

static producer_record_t good(void) {
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t";
    r.value = "v";
    r.value_len = 1;
    return r;
}

static void null_handles(void) {
    check_case("NULL handles");
    producer_record_t r = good();
    const char *text = "untouched";
    producer_config_t *config = (producer_config_t *)&r;
    const producer_topic_t *topic = NULL;
    int64_t offset = 77;
    CHECK_STATUS(producer_config_set(NULL, "linger.ms", "1"), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK(strlen(producer_last_error()) > 10);
    CHECK_STATUS(producer_config_get(NULL, "linger.ms", &text), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK(strcmp(text, "untouched") == 0);
    CHECK_STATUS(producer_config_load(NULL, "x.properties"), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_config_clone(NULL, &config), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK((void *)config == (void *)&r);
    CHECK_STATUS(producer_config_set_log_callback(NULL, NULL, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    producer_t *untouched = (producer_t *)&r, *p = untouched;
    CHECK_STATUS(producer_new(NULL, &p), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK(p == untouched);
    CHECK_STATUS(producer_send(NULL, &r, NULL, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_topic(NULL, "t", &topic), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK(topic == NULL);
    CHECK_STATUS(producer_poll(NULL, 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_flush(NULL, 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_purge(NULL, PRODUCER_PURGE_QUEUED), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_close(NULL, 0), PRODUCER_ERR_INVALID_ARGUMENT);
    producer_config_free(NULL);
    producer_mock_cluster_free(NULL);
    CHECK_STATUS(producer_mock_cluster_topic_create(NULL, "t", 1, 1), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_mock_cluster_push_error(NULL, API_PRODUCE, 6, 1), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_mock_cluster_broker_down(NULL, 1), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_mock_cluster_end_offset(NULL, "t", 0, &offset), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_INT(offset, 77);
    CHECK_STATUS(producer_mock_cluster_records(NULL, "t", 0, 0, log_search_visit, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
}

static void null_outputs(void) {
    check_case("NULL outputs and names");
    producer_config_t *config = NULL;
    CHECK_STATUS(producer_config_new(NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    REQUIRE_OK(producer_config_new(&config));
    CHECK_STATUS(producer_config_clone(config, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_config_get(config, "linger.ms", NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_config_set(config, NULL, "1"), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_config_set(config, "linger.ms", NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_config_load(config, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_new(config, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    producer_config_free(config);
    CHECK_STATUS(producer_topic(producer, "t", NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    const producer_topic_t *topic = NULL;
    CHECK_STATUS(producer_topic(producer, NULL, &topic), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS_OR(producer_topic(producer, "bad topic", &topic), PRODUCER_ERR_INVALID_TOPIC_EXCEPTION, PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK(topic == NULL);
    CHECK_STATUS(producer_send(producer, NULL, NULL, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_mock_cluster_new(1, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_mock_cluster_end_offset(mock, "t", 0, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_mock_cluster_records(mock, "t", 0, 0, NULL, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    producer_mock_cluster_t *m = NULL;
    CHECK_STATUS(producer_mock_cluster_new(0, &m), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_mock_cluster_new(-3, &m), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK(m == NULL);
    still_works();
}

static void struct_sizes(void) {
    check_case("struct_size");
    size_t wrong[] = {0, 4, sizeof(size_t), SIZE_MAX, (size_t)1 << 40};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        producer_record_t r = good();
        r.struct_size = wrong[i];
        REFUSED(&r, PRODUCER_ERR_INVALID_ARGUMENT, "struct_size");
    }
    still_works();
}

static void lengths(void) {
    check_case("NULL with a length, huge lengths");
    producer_record_t r = good();
    r.value = NULL, r.value_len = 5;
    REFUSED(&r, PRODUCER_ERR_INVALID_ARGUMENT, "value");
    r = good();
    r.key = NULL, r.key_len = 5;
    REFUSED(&r, PRODUCER_ERR_INVALID_ARGUMENT, "key");
    size_t huge[] = {SIZE_MAX, SIZE_MAX - 64, (size_t)INT64_MAX, (size_t)INT32_MAX, (size_t)INT32_MAX + 1, (size_t)UINT32_MAX + 2};
    for (size_t i = 0; i < sizeof huge / sizeof *huge; i++) {
        r = good();
        r.value_len = huge[i];
        REFUSED_OR(&r, PRODUCER_ERR_INVALID_ARGUMENT, PRODUCER_ERR_RECORD_TOO_LARGE, "");
        r = good();
        r.key = "k", r.key_len = huge[i];
        REFUSED_OR(&r, PRODUCER_ERR_INVALID_ARGUMENT, PRODUCER_ERR_RECORD_TOO_LARGE, "");
        r.value_len = huge[i]; /* the sum wraps */
        REFUSED_OR(&r, PRODUCER_ERR_INVALID_ARGUMENT, PRODUCER_ERR_RECORD_TOO_LARGE, "");
    }
    still_works();
}

static void headers(void) {
    check_case("headers");
    producer_header_t h = {NULL, "x", 1};
    producer_record_t r = good();
    r.header_count = 3; /* no pointer */
    REFUSED(&r, PRODUCER_ERR_INVALID_ARGUMENT, "header");
    r.headers = &h, r.header_count = 1; /* no name */
    REFUSED(&r, PRODUCER_ERR_INVALID_ARGUMENT, "header");
    h.name = "bad\xff\xfename";
    REFUSED(&r, PRODUCER_ERR_INVALID_ARGUMENT, "header");
    h.name = "fine", h.value = NULL, h.value_len = 9;
    REFUSED(&r, PRODUCER_ERR_INVALID_ARGUMENT, "header");
    h.value = "x", h.value_len = SIZE_MAX;
    REFUSED_OR(&r, PRODUCER_ERR_INVALID_ARGUMENT, PRODUCER_ERR_RECORD_TOO_LARGE, "");
    h.value_len = 1;
    r.header_count = SIZE_MAX; /* would reach far behind the array */
    REFUSED_OR(&r, PRODUCER_ERR_INVALID_ARGUMENT, PRODUCER_ERR_RECORD_TOO_LARGE, "");
    still_works();
}

static void topics(void) {
    check_case("topic names");
    char long_name[256];
    memset(long_name, 'a', sizeof long_name);
    long_name[250] = '\0';
    const char *bad[] = {"", ".", "..", long_name, "a/b", "a b", "a\nb", "a:b", "\xc3\xa4", "bad\xff\xfe"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        producer_record_t r = good();
        r.topic = bad[i];
        int64_t from = now_ms();
        REFUSED_OR(&r, PRODUCER_ERR_INVALID_TOPIC_EXCEPTION, PRODUCER_ERR_INVALID_ARGUMENT, "topic");
        CHECK(now_ms() - from < 1000);
    }
    producer_record_t r = good();
    r.topic = NULL;
    REFUSED(&r, PRODUCER_ERR_INVALID_ARGUMENT, "topic");
    long_name[249] = '\0';
    REQUIRE_OK(producer_mock_cluster_topic_create(mock, long_name, 1, 1));
    struct outcome *o = outcomes_new(1);
    CHECK_OK(send_text(producer, long_name, 0, "longest legal name", o));
    CHECK(wait_for_reports(producer, o, 1, WAIT_MS));
    CHECK_ALL(o, 1, PRODUCER_OK);
    CHECK_INT(strlen(o->topic), 249);
    free(o);
}

static void partitions(void) {
    check_case("partitions");
    producer_record_t r = good();
    r.partition = -2;
    REFUSED_OR(&r, PRODUCER_ERR_INVALID_ARGUMENT, PRODUCER_ERR_UNKNOWN_PARTITION, "partition");
    r.partition = INT32_MIN;
    REFUSED_OR(&r, PRODUCER_ERR_INVALID_ARGUMENT, PRODUCER_ERR_UNKNOWN_PARTITION, "partition");
    /* Whether it exists is known only with metadata: refused at once, or by the report. */
    int32_t beyond[] = {3, 1000, INT32_MAX};
    for (size_t i = 0; i < 3; i++) {
        struct outcome *o = outcomes_new(1);
        producer_status_t status = send_text(producer, "t", beyond[i], "nowhere", o);
        if (status == PRODUCER_OK) {
            CHECK(wait_for_reports(producer, o, 1, WAIT_MS));
            CHECK_ALL(o, 1, PRODUCER_ERR_UNKNOWN_PARTITION);
            CHECK_INT(o->persisted, PRODUCER_PERSISTED_NO);
            CHECK_SAYS(o->error_text, "partition");
        } else {
            CHECK_STATUS(status, PRODUCER_ERR_UNKNOWN_PARTITION);
            CHECK_SAYS(producer_last_error(), "partition");
            CHECK_INT(atomic_load(&o->reports), 0);
        }
        free(o);
    }
    still_works();
}

static void numbers(void) {
    check_case("timeouts and timestamps");
    int32_t wrong[] = {-2, -1000, INT32_MIN};
    for (size_t i = 0; i < 3; i++) {
        CHECK_STATUS(producer_poll(producer, wrong[i]), PRODUCER_ERR_INVALID_ARGUMENT);
        CHECK_SAYS(producer_last_error(), "timeout");
        CHECK_STATUS(producer_flush(producer, wrong[i]), PRODUCER_ERR_INVALID_ARGUMENT);
        CHECK_SAYS(producer_last_error(), "timeout");
        CHECK_STATUS(producer_close(producer, wrong[i]), PRODUCER_ERR_INVALID_ARGUMENT); /* and is still open */
        CHECK_SAYS(producer_last_error(), "timeout");
        producer_record_t r = good();
        r.delivery_timeout_ms = wrong[i];
        REFUSED(&r, PRODUCER_ERR_INVALID_ARGUMENT, "timeout");
        r = good();
        r.timestamp_ms = wrong[i];
        REFUSED(&r, PRODUCER_ERR_INVALID_ARGUMENT, "timestamp");
    }
    CHECK_STATUS(producer_purge(producer, 0x80), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_OK(producer_flush(producer, INT32_MAX));
    still_works();
}

static void size_limits(void) {
    check_case("a record at max.request.size and over it");
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "max.request.size", "65536", "linger.ms", "0", NULL);
    char *value = malloc(1 << 17);
    REQUIRE(value != NULL);
    memset(value, 'v', 1 << 17);
    producer_record_t r = good();
    r.value = value;
    r.partition = 0;
    size_t fits = 0, refused_at = 65537;
    while (refused_at - fits > 1) { /* the largest that is accepted */
        struct outcome *o = outcomes_new(1);
        r.value_len = fits + (refused_at - fits) / 2;
        producer_status_t status = producer_send(p, &r, on_outcome, o);
        if (status == PRODUCER_OK) {
            fits = r.value_len;
            CHECK(wait_for_reports(p, o, 1, WAIT_MS));
            CHECK_ALL(o, 1, PRODUCER_OK);
        } else {
            refused_at = r.value_len;
            if (!CHECK_STATUS(status, PRODUCER_ERR_RECORD_TOO_LARGE)) break;
            CHECK_SAYS(producer_last_error(), "max.request.size");
            CHECK_INT(atomic_load(&o->reports), 0);
        }
        free(o);
    }
    CHECK(fits > 65536 - 256);
    CHECK_OK(producer_close(p, WAIT_MS));
    free(value);
}

static void set_refused(const char *name, const char *value, producer_status_t status, const char *says, int line) {
    producer_config_t *c = NULL;
    REQUIRE_OK(producer_config_new(&c));
    check_status(producer_config_set(c, name, value), status, status, name, __FILE__, line);
    check_says(producer_last_error(), says, __FILE__, line);
    check_says(producer_last_error(), name, __FILE__, line);
    producer_config_free(c);
}
#define SET_REFUSED(name, value, status, says) set_refused((name), (value), (status), (says), __LINE__)

static void properties(void) {
    check_case("property names and values");
    SET_REFUSED("lingr.ms", "5", PRODUCER_ERR_UNKNOWN_PROPERTY, "linger.ms");
    SET_REFUSED("bootstrap.server", "localhost:9092", PRODUCER_ERR_UNKNOWN_PROPERTY, "bootstrap.servers");
    SET_REFUSED("delivery.timeout", "5", PRODUCER_ERR_UNKNOWN_PROPERTY, "delivery.timeout.ms");
    SET_REFUSED("", "5", PRODUCER_ERR_UNKNOWN_PROPERTY, "");
    SET_REFUSED("linger.ms", "soon", PRODUCER_ERR_INVALID_PROPERTY, "soon");
    SET_REFUSED("linger.ms", "", PRODUCER_ERR_INVALID_PROPERTY, "");
    SET_REFUSED("linger.ms", "-5", PRODUCER_ERR_INVALID_PROPERTY, "-5");
    SET_REFUSED("acks", "7", PRODUCER_ERR_INVALID_PROPERTY, "all");
    SET_REFUSED("batch.size", "99999999999999999999", PRODUCER_ERR_INVALID_PROPERTY, "");
    SET_REFUSED("batch.size", "0x10", PRODUCER_ERR_INVALID_PROPERTY, "0x10");
    SET_REFUSED("buffer.memory", "1e3", PRODUCER_ERR_INVALID_PROPERTY, "1e3");
    SET_REFUSED("max.in.flight.requests.per.connection", "0", PRODUCER_ERR_INVALID_PROPERTY, "1");
    producer_config_t *c = NULL;
    REQUIRE_OK(producer_config_new(&c));
    CHECK_STATUS_OR(producer_config_set(c, "client.id", "bad\xff\xfe"), PRODUCER_ERR_INVALID_ARGUMENT, PRODUCER_ERR_INVALID_PROPERTY);
    CHECK_STATUS_OR(producer_config_set(c, "bad\xff\xfe", "1"), PRODUCER_ERR_INVALID_ARGUMENT, PRODUCER_ERR_UNKNOWN_PROPERTY);
    const char *out = "untouched";
    CHECK_STATUS(producer_config_get(c, "no.such.property", &out), PRODUCER_ERR_UNKNOWN_PROPERTY);
    CHECK(strcmp(out, "untouched") == 0);
    /* Known, but not built yet: refused, never ignored. */
    CHECK_STATUS(producer_config_set(c, "queuing.strategy", "lifo"), PRODUCER_ERR_PROPERTY_NOT_SUPPORTED);
    producer_config_free(c);
}

static void contradictions(void) {
    check_case("contradictions, all in one message; missing and malformed bootstrap.servers");
    producer_t *p = NULL;
    producer_config_t *c = config_of("localhost:1", "delivery.timeout.ms", "1000", "request.timeout.ms", "30000", "max.request.size",
                                     "2000000", "buffer.memory", "1000000", NULL);
    CHECK_STATUS(producer_new(c, &p), PRODUCER_ERR_CONFIG_CONFLICT);
    CHECK(p == NULL);
    CHECK_SAYS(producer_last_error(), "delivery.timeout.ms");
    CHECK_SAYS(producer_last_error(), "request.timeout.ms");
    CHECK_SAYS(producer_last_error(), "max.request.size");
    CHECK_SAYS(producer_last_error(), "buffer.memory");
    producer_config_free(c);
    REQUIRE_OK(producer_config_new(&c));
    CHECK_STATUS_OR(producer_new(c, &p), PRODUCER_ERR_CONFIG_CONFLICT, PRODUCER_ERR_INVALID_PROPERTY);
    CHECK_SAYS(producer_last_error(), "bootstrap.servers");
    producer_config_free(c);
    const char *malformed[] = {"localhost:0", "localhost:99999", "localhost:kafka", ":9092", ",,", "[::1:9092"};
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        REQUIRE_OK(producer_config_new(&c));
        producer_status_t status = producer_config_set(c, "bootstrap.servers", malformed[i]);
        if (status == PRODUCER_OK) status = producer_new(c, &p);
        CHECK_STATUS_OR(status, PRODUCER_ERR_INVALID_PROPERTY, PRODUCER_ERR_CONFIG_CONFLICT);
        CHECK_SAYS(producer_last_error(), "bootstrap.servers");
        CHECK(p == NULL);
        producer_config_free(c);
    }
}

static void closed_handle(void) {
    check_case("closed handle");
    producer_record_t r = good();
    const producer_topic_t *topic = NULL;
    CHECK_OK(producer_close(producer, WAIT_MS));
    CHECK_STATUS(producer_send(producer, &r, NULL, NULL), PRODUCER_ERR_CLOSED);
    CHECK_STATUS(producer_poll(producer, 0), PRODUCER_ERR_CLOSED);
    CHECK_STATUS(producer_flush(producer, 0), PRODUCER_ERR_CLOSED);
    CHECK_STATUS(producer_purge(producer, PRODUCER_PURGE_QUEUED), PRODUCER_ERR_CLOSED);
    CHECK_STATUS(producer_topic(producer, "t", &topic), PRODUCER_ERR_CLOSED);
    CHECK_STATUS(producer_close(producer, 0), PRODUCER_ERR_CLOSED);
    CHECK_SAYS(producer_last_error(), "closed");
}

static void statuses(void) {
    check_case("status names and texts, of unknown numbers too");
    producer_status_t some[] = {0, -1, 1, 3, 6, 10, 87, 9999, -99, -100, -121, -5000, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        CHECK(producer_status_name(some[i]) != NULL && producer_status_name(some[i])[0] != '\0');
        CHECK(producer_status_text(some[i]) != NULL && producer_status_text(some[i])[0] != '\0');
        int classes = producer_status_is_retriable(some[i]) + producer_status_is_abortable(some[i]) + producer_status_is_fatal(some[i]);
        CHECK(classes <= 1);
    }
    CHECK(contains(producer_status_name(PRODUCER_ERR_NOT_LEADER_OR_FOLLOWER), "NOT_LEADER_OR_FOLLOWER"));
    CHECK(producer_status_is_retriable(PRODUCER_ERR_NOT_LEADER_OR_FOLLOWER));
    CHECK(!producer_status_is_retriable(PRODUCER_OK) && !producer_status_is_fatal(PRODUCER_OK));
    CHECK(producer_version()[0] != '\0');
    CHECK(producer_features() != NULL);
}

int main(void) {
    check_begin();
    mock = mock_of(1, "t", 3);
    producer = producer_at(mock);
    null_handles();
    null_outputs();
    struct_sizes();
    lengths();
    headers();
    topics();
    partitions();
    numbers();
    size_limits();
    properties();
    contradictions();
    closed_handle();
    statuses();
    CHECK_INT(log_count(mock, "t", 0, "nowhere"), 0);
    producer_mock_cluster_free(mock);
    return check_end();
}
