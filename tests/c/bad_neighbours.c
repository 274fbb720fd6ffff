/* A broker refuses a record and names it (KIP-467): it fails alone, and the records of its batch are delivered without it. */
#include "check.h"

#define COUNT 12

static producer_status_t send_as(producer_t *p, const char *key, int64_t timestamp_ms, struct outcome *o) {
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.partition = 0, r.timestamp_ms = timestamp_ms;
    r.key = key, r.key_len = key ? strlen(key) : 0;
    r.value = "value", r.value_len = 5;
    return producer_send(p, &r, on_outcome, o);
}

/* Whose records `bad` names: one batch, all good but these. */
static void one_batch(const char *rule, const char *value, producer_status_t status, const char *says, const char *idempotent, const char *codec,
                      unsigned bad) {
    char text[200];
    snprintf(text, sizeof text, "%s=%s, idempotence %s, compression %s, bad ones %#x", rule, value, idempotent, codec, bad);
    check_case(text);
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    REQUIRE_OK(producer_mock_cluster_topic_set(mock, "t", rule, value));
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "50", "enable.idempotence", idempotent,
                                "compression.type", codec, NULL);
    struct outcome *o = outcomes_new(COUNT);
    bool by_time = strcmp(rule, "cleanup.policy") != 0;
    int64_t now = wall_ms();
    for (int i = 0; i < COUNT; i++) {
        bool is_bad = bad >> i & 1;
        CHECK_OK(send_as(p, is_bad && !by_time ? NULL : "key", is_bad && by_time ? now + 3600000 : now, &o[i]));
    }
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_OUTCOMES(o, COUNT);
    int64_t offset = 0;
    for (int i = 0; i < COUNT; i++) {
        if (bad >> i & 1) {
            CHECK_INT(o[i].status, status);
            CHECK_INT(o[i].persisted, PRODUCER_PERSISTED_NO);
            CHECK_SAYS(o[i].error_text, says);
        } else {
            CHECK_INT(o[i].status, PRODUCER_OK);
            CHECK_INT(o[i].offset, offset++);
        }
    }
    CHECK_OK(send_as(p, "key", now, &o[0]));
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_INT(o[0].offset, offset);
    producer_mock_cluster_free(mock);
    free(o);
}

static void in_a_transaction(void) {
    check_case("in a transaction the others fail with a status of their own, and the next transaction works");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    REQUIRE_OK(producer_mock_cluster_topic_set(mock, "t", "cleanup.policy", "compact,delete"));
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "50", "transactional.id", "bad", NULL);
    struct outcome *o = outcomes_new(COUNT);
    REQUIRE_OK(producer_init_transactions(p, WAIT_MS));
    REQUIRE_OK(producer_begin_transaction(p));
    for (int i = 0; i < COUNT; i++) CHECK_OK(send_as(p, i == 5 ? NULL : "key", -1, &o[i]));
    producer_status_t commit = producer_commit_transaction(p, WAIT_MS);
    CHECK_STATUS(commit, PRODUCER_ERR_INVALID_RECORD);
    CHECK(producer_status_is_abortable(commit) && producer_status_is_abortable(PRODUCER_ERR_BATCH_REFUSED));
    CHECK_OUTCOMES(o, COUNT);
    for (int i = 0; i < COUNT; i++) {
        CHECK_INT(o[i].status, i == 5 ? PRODUCER_ERR_INVALID_RECORD : PRODUCER_ERR_BATCH_REFUSED);
        CHECK_INT(o[i].persisted, PRODUCER_PERSISTED_NO);
        if (i != 5) CHECK_SAYS(o[i].error_text, "another record of the batch");
    }
    CHECK_OK(producer_abort_transaction(p, WAIT_MS));
    REQUIRE_OK(producer_begin_transaction(p));
    memset(o, 0, COUNT * sizeof *o);
    for (int i = 0; i < COUNT; i++) CHECK_OK(send_as(p, "key", -1, &o[i]));
    CHECK_OK(producer_commit_transaction(p, WAIT_MS));
    CHECK_ALL(o, COUNT, PRODUCER_OK);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

/* Small batches, many in flight, a bad record in every seventh: what is behind it goes on in order, once. */
static void a_stream(void) {
    enum { MANY = 5000 };
    check_case("a stream with a bad record now and then: each fails alone, the others keep their order");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    REQUIRE_OK(producer_mock_cluster_topic_set(mock, "t", "cleanup.policy", "compact"));
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "1", "batch.num.messages", "20", NULL);
    struct outcome *o = outcomes_new(MANY);
    for (int i = 0; i < MANY; i++) CHECK_OK(send_as(p, i % 137 == 60 ? NULL : "key", -1, &o[i]));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_OUTCOMES(o, MANY);
    int64_t offset = 0;
    for (int i = 0; i < MANY && check_failures < 5; i++) {
        CHECK_INT(o[i].status, i % 137 == 60 ? PRODUCER_ERR_INVALID_RECORD : PRODUCER_OK);
        if (o[i].status == PRODUCER_OK) CHECK_INT(o[i].offset, offset++);
    }
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void a_batch_of_the_applications_own(void) {
    check_case("a batch that the application filled says by its one report that not all of it is there");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    REQUIRE_OK(producer_mock_cluster_topic_set(mock, "t", "cleanup.policy", "compact"));
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), NULL);
    struct outcome *o = outcomes_new(1);
    producer_batch_t *batch = NULL;
    REQUIRE_OK(producer_batch_new(p, &batch));
    for (int i = 0; i < 4; i++) {
        producer_record_t r = PRODUCER_RECORD_INIT;
        r.key = i == 2 ? NULL : "key", r.key_len = i == 2 ? 0 : 3;
        r.value = "value", r.value_len = 5;
        CHECK_OK(producer_batch_append(batch, &r, NULL));
    }
    CHECK_OK(producer_batch_send(p, batch, "t", 0, on_outcome, o));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_INT(o->reports, 1);
    CHECK_INT(o->status, PRODUCER_ERR_INVALID_RECORD);
    CHECK_INT(o->persisted, PRODUCER_PERSISTED_MAYBE);
    CHECK_SAYS(o->error_text, "without key");
    int64_t end = -1;
    CHECK_OK(producer_mock_cluster_end_offset(mock, "t", 0, &end));
    CHECK_INT(end, 3);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void rules_of_the_mock(void) {
    check_case("the mock cluster refuses configurations of topics that it does not know");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    CHECK_STATUS(producer_mock_cluster_topic_set(mock, "t", "retention.ms", "1"), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "retention.ms");
    CHECK_STATUS(producer_mock_cluster_topic_set(mock, "t", "cleanup.policy", "compress"), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_mock_cluster_topic_set(mock, "u", "cleanup.policy", "compact"), PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    CHECK_STATUS(producer_mock_cluster_topic_set(mock, "t", NULL, "compact"), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_mock_cluster_topic_set(mock, NULL, "cleanup.policy", "compact"), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_mock_cluster_topic_set(NULL, "t", "cleanup.policy", "compact"), PRODUCER_ERR_INVALID_ARGUMENT);
    producer_mock_cluster_free(mock);
}

int main(void) {
    check_begin();
    const char *idempotent[] = {"true", "false"}, *codecs[] = {"none", "zstd", "gzip", "lz4", "snappy"};
    for (size_t i = 0; i < 2; i++) {
        for (size_t c = 0; c < 5; c++) one_batch("cleanup.policy", "compact", PRODUCER_ERR_INVALID_RECORD, "without key", idempotent[i], codecs[c], 0x10);
        one_batch("message.timestamp.after.max.ms", "60000", PRODUCER_ERR_INVALID_TIMESTAMP, "out of range", idempotent[i], "none", 0x801);
        one_batch("cleanup.policy", "compact", PRODUCER_ERR_INVALID_RECORD, "without key", idempotent[i], "none", 0x7fe);
        one_batch("cleanup.policy", "compact", PRODUCER_ERR_INVALID_RECORD, "without key", idempotent[i], "none", 0xfff);
    }
    in_a_transaction();
    a_stream();
    a_batch_of_the_applications_own();
    rules_of_the_mock();
    return check_end();
}
