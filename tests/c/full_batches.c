/* A batch that takes no more records goes at once, whatever makes it full and however long it may linger. */
#include "check.h"

#define LINGER "50000" /* longer than this program may run */
#define MOST 8

/* All at one time, so that no record is larger than another for its distance from the first. */
static producer_status_t send_at_one_time(producer_t *p, const char *topic, const char *value, struct outcome *o) {
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = topic, r.partition = 0, r.timestamp_ms = 1700000000000;
    r.value = value, r.value_len = strlen(value);
    return producer_send(p, &r, on_outcome, o);
}

/* Nothing flushes: the records that fill batches are delivered, and those behind them wait. */
static void fills(const char *name, const char *setting, size_t value_len, size_t count, size_t goes, const char *codec) {
    char text[200];
    snprintf(text, sizeof text, "%s=%s, values of %zu bytes, compression %s: %zu of %zu go at once", name, setting, value_len, codec, goes,
             count);
    check_case(text);
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", LINGER, "delivery.timeout.ms", "120000",
                                "compression.type", codec, name, setting, NULL);
    struct outcome *o = outcomes_new(MOST);
    char *value = calloc(1, value_len + 1);
    REQUIRE(value != NULL);
    memset(value, 'v', value_len);
    for (size_t i = 0; i < count; i++) CHECK_OK(send_at_one_time(p, "t", value, &o[i]));
    CHECK(wait_for_reports(p, o, goes, 10000));
    producer_poll(p, 50);
    CHECK_INT(outcomes_reported(o, count), goes);
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, count, PRODUCER_OK);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(value);
    free(o);
}

static void fills_of_a_topic_of_its_own(void) {
    check_case("a topic's own batch.num.messages fills its batches, and not those of the others");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    REQUIRE_OK(producer_mock_cluster_topic_create(mock, "u", 1, 1));
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", LINGER, "delivery.timeout.ms", "120000", NULL);
    REQUIRE_OK(producer_topic_set(p, "t", "batch.num.messages", "2"));
    struct outcome *o = outcomes_new(6);
    for (size_t i = 0; i < 3; i++) {
        CHECK_OK(send_text(p, "u", 0, "lingers", &o[3 + i]));
        CHECK_OK(send_text(p, "t", 0, "goes", &o[i]));
    }
    CHECK(wait_for_reports(p, o, 2, 10000));
    CHECK_INT(outcomes_reported(o + 2, 4), 0);
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, 6, PRODUCER_OK);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void a_batch_of_the_applications_own(void) {
    check_case("a batch that the application has filled goes at once, though it was not closed");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", LINGER, "delivery.timeout.ms", "120000",
                                "batch.num.messages", "3", NULL);
    struct outcome *o = outcomes_new(2);
    for (int round = 0; round < 2; round++) {
        producer_batch_t *batch = NULL;
        producer_record_t r = PRODUCER_RECORD_INIT;
        REQUIRE_OK(producer_batch_new(p, &batch));
        r.value = "v", r.value_len = 1;
        for (int i = 0; i < 3 - round; i++) CHECK_OK(producer_batch_append(batch, &r, NULL));
        CHECK_OK(producer_batch_send(p, batch, "t", 0, on_outcome, &o[round]));
    }
    CHECK(wait_for_reports(p, o, 1, 10000));
    producer_poll(p, 50);
    CHECK_INT(outcomes_reported(o + 1, 1), 0); /* two records of three */
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_INT(outcomes_with(o, 2, PRODUCER_OK), 2);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

int main(void) {
    check_begin();
    /* By count. */
    fills("batch.num.messages", "1", 5, 3, 3, "none");
    fills("batch.num.messages", "3", 5, 7, 6, "none");
    fills("batch.num.messages", "2", 200, 5, 4, "lz4");
    fills("batch.num.messages", "0", 5, 4, 0, "none"); /* no bound */
    /* By size: one record is more than the batch may have. */
    fills("batch.size", "0", 5, 3, 3, "none");
    fills("batch.size", "1", 5, 3, 3, "none");
    fills("batch.size", "0", 5, 3, 3, "gzip");
    fills("batch.size", "200", 400, 3, 3, "none");
    /* To the byte: 61 of the header and 7 + 12 of each record, and too little for the smallest record there is. */
    fills("batch.size", "99", 12, 4, 4, "none");
    fills("batch.size", "105", 12, 4, 4, "none");
    fills("batch.size", "106", 12, 2, 0, "none");
    fills_of_a_topic_of_its_own();
    a_batch_of_the_applications_own();
    return check_end();
}
