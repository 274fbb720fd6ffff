/* Batches that the application fills: appended whole, full without harm, sent as one, reported once. */
#include "check.h"

/* One record, flushed: the producer is connected afterwards, whatever its linger. */
static void connect_to(producer_t *p, const char *topic, int32_t partition) {
    CHECK_OK(send_text(p, topic, partition, "warm-up", NULL));
    REQUIRE_OK(producer_flush(p, WAIT_MS));
}

struct batch_outcome {
    atomic_int reports;
    producer_status_t status;
    int32_t partition, record_count, persisted;
    int64_t offset, key_len, value_len, timestamp_ms;
    char error_text[400];
};

static void on_batch(const producer_report_t *report, void *opaque) {
    struct batch_outcome *o = opaque;
    CHECK(report->opaque == opaque);
    o->status = report->status;
    o->partition = report->partition;
    o->record_count = report->record_count;
    o->persisted = report->persisted;
    o->offset = report->offset;
    o->key_len = report->key_len, o->value_len = report->value_len;
    o->timestamp_ms = report->timestamp_ms;
    snprintf(o->error_text, sizeof o->error_text, "%s", report->error_text ? report->error_text : "");
    atomic_fetch_add(&o->reports, 1);
}

static producer_batch_t *new_batch(producer_t *p) {
    producer_batch_t *batch = NULL;
    REQUIRE_OK(producer_batch_new(p, &batch));
    REQUIRE(batch != NULL);
    return batch;
}

static producer_status_t append(producer_batch_t *batch, const char *key, const char *value, int32_t *index) {
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.key = key, r.key_len = key ? strlen(key) : 0;
    r.value = value, r.value_len = value ? strlen(value) : 0;
    return producer_batch_append(batch, &r, index);
}

static void wait_for_batch(producer_t *p, struct batch_outcome *o) {
    int64_t deadline = now_ms() + WAIT_MS;
    while (atomic_load(&o->reports) == 0 && now_ms() < deadline) CHECK(producer_poll(p, 100) >= 0);
    CHECK_INT(o->reports, 1);
}

/* `values` lie in the log from `offset` on, in this order. */
struct expected {
    const char *const *values;
    size_t count, seen;
};

static int expected_visit(const producer_mock_record_t *r, void *opaque) {
    struct expected *e = opaque;
    if (e->seen == e->count) return 1;
    const char *value = e->values[e->seen++];
    CHECK_INT(r->value_len, strlen(value));
    CHECK(memcmp(r->value, value, strlen(value)) == 0);
    return 0;
}

static void check_values(producer_mock_cluster_t *mock, int32_t partition, int64_t offset, const char *const *values, size_t count) {
    struct expected e = {values, count, 0};
    REQUIRE_OK(producer_mock_cluster_records(mock, "t", partition, offset, expected_visit, &e));
    CHECK_INT(e.seen, count);
}

static void one_report_with_the_first_offset(producer_mock_cluster_t *mock) {
    check_case("a batch is filled, counted, sent as one, and has one report with its first record's offset");
    producer_t *p = producer_at(mock);
    connect_to(p, "t", 0);
    int64_t before = log_end(mock, "t", 0);
    producer_batch_t *batch = new_batch(p);
    CHECK_INT(producer_batch_count(batch), 0);
    CHECK_INT(producer_batch_size(batch), 0);
    int64_t last_size = 0;
    for (int32_t i = 0; i < 100; i++) {
        char value[32];
        int32_t index = -1;
        snprintf(value, sizeof value, "whole-%d", i);
        CHECK_OK(append(batch, i % 2 ? "key" : NULL, value, i % 3 ? &index : NULL));
        CHECK(i % 3 == 0 || index == i);
        CHECK(producer_batch_size(batch) > last_size);
        last_size = producer_batch_size(batch);
    }
    CHECK_INT(producer_batch_count(batch), 100);
    CHECK_INT(log_end(mock, "t", 0), before);
    struct batch_outcome o = {0};
    CHECK_OK(producer_batch_close(batch));
    CHECK_OK(producer_batch_close(batch));
    CHECK_STATUS(append(batch, NULL, "too late", NULL), PRODUCER_ERR_BATCH_FULL);
    CHECK_SAYS(producer_last_error(), "closed");
    CHECK_OK(producer_batch_send(p, batch, "t", 0, on_batch, &o));
    wait_for_batch(p, &o);
    CHECK_INT(o.status, PRODUCER_OK);
    CHECK_INT(o.record_count, 100);
    CHECK_INT(o.offset, before);
    CHECK_INT(o.partition, 0);
    CHECK_INT(o.persisted, PRODUCER_PERSISTED_YES);
    CHECK_INT(o.key_len, -1);
    CHECK_INT(o.value_len, -1);
    CHECK(o.timestamp_ms > wall_ms() - WAIT_MS);
    CHECK_INT(log_end(mock, "t", 0), before + 100);
    const char *const values[] = {"whole-0", "whole-1", "whole-2", "whole-3"};
    check_values(mock, 0, before, values, 4);
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_INT(o.reports, 1);
}

static void full_leaves_it_unchanged(producer_mock_cluster_t *mock) {
    check_case("a record that does not fit leaves the batch as it was; the first one may be larger than batch.size");
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "batch.size", "1000", "max.request.size", "5000", NULL);
    producer_batch_t *batch = new_batch(p);
    int32_t fitted = 0;
    producer_status_t status;
    while ((status = append(batch, NULL, "0123456789012345678901234567890123456789", NULL)) == PRODUCER_OK) fitted++;
    CHECK_INT(status, PRODUCER_ERR_BATCH_FULL);
    CHECK(fitted > 15 && fitted < 25);
    CHECK_SAYS(producer_last_error(), "batch.size");
    int64_t size = producer_batch_size(batch);
    CHECK(size <= 1000);
    int32_t untouched = 77;
    CHECK_STATUS(append(batch, NULL, "0123456789012345678901234567890123456789", &untouched), PRODUCER_ERR_BATCH_FULL);
    CHECK_INT(untouched, 77);
    CHECK_INT(producer_batch_count(batch), fitted);
    CHECK_INT(producer_batch_size(batch), size);
    struct batch_outcome o[2] = {{0}, {0}};
    CHECK_OK(producer_batch_send(p, batch, "t", 1, on_batch, &o[0]));
    char large[3001];
    memset(large, 'x', 3000), large[3000] = '\0';
    batch = new_batch(p);
    CHECK_OK(append(batch, NULL, large, NULL));
    CHECK_STATUS(append(batch, NULL, "x", NULL), PRODUCER_ERR_BATCH_FULL);
    CHECK_OK(producer_batch_send(p, batch, "t", 1, on_batch, &o[1]));
    batch = new_batch(p);
    char too_large[6001];
    memset(too_large, 'x', 6000), too_large[6000] = '\0';
    CHECK_STATUS(append(batch, NULL, too_large, NULL), PRODUCER_ERR_RECORD_TOO_LARGE);
    CHECK_SAYS(producer_last_error(), "max.request.size=5000");
    producer_batch_free(batch);
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_INT(o[0].record_count, fitted);
    CHECK_INT(o[1].record_count, 1);
    CHECK_INT(o[0].status | o[1].status, PRODUCER_OK);
    CHECK_INT(o[1].offset, o[0].offset + fitted);
    CHECK_OK(producer_close(p, WAIT_MS));
}

static void in_order_with_others(producer_mock_cluster_t *mock) {
    check_case("a batch goes behind what was sent before it; an open one is filled further by producer_send, a closed one is not");
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "600000", NULL);
    connect_to(p, "t", 3);
    int64_t first = log_end(mock, "t", 2);
    struct outcome *o = outcomes_new(3);
    struct batch_outcome open = {0}, closed = {0};
    CHECK_OK(send_text(p, "t", 2, "before", &o[0]));
    producer_batch_t *batch = new_batch(p);
    CHECK_OK(append(batch, NULL, "open-0", NULL));
    CHECK_OK(append(batch, NULL, "open-1", NULL));
    CHECK_OK(producer_batch_send(p, batch, "t", 2, on_batch, &open));
    CHECK_OK(send_text(p, "t", 2, "joins", &o[1]));
    /* What was open before goes now; the open batch lingers. */
    CHECK(wait_for_reports(p, o, 1, WAIT_MS));
    CHECK_INT(open.reports, 0);
    batch = new_batch(p);
    CHECK_OK(append(batch, NULL, "closed-0", NULL));
    CHECK_OK(producer_batch_close(batch));
    CHECK_OK(producer_batch_send(p, batch, "t", 2, on_batch, &closed));
    CHECK_OK(send_text(p, "t", 2, "after", &o[2]));
    wait_for_batch(p, &closed);
    CHECK_INT(open.reports, 1);
    CHECK_INT(o[1].reports, 1);
    CHECK_INT(o[2].reports, 0);
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, 3, PRODUCER_OK);
    CHECK_INT(open.offset, first + 1);
    CHECK_INT(open.record_count, 2);
    CHECK_INT(o[1].offset, first + 3);
    CHECK_INT(closed.offset, first + 4);
    const char *const values[] = {"before", "open-0", "open-1", "joins", "closed-0", "after"};
    check_values(mock, 2, first, values, 6);
    CHECK_OK(producer_close(p, WAIT_MS));
    free(o);
}

static void of_a_topic_to_come(producer_mock_cluster_t *mock) {
    check_case("batches of a topic that is not there yet wait in order, and fail as one when it never comes");
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "topic.metadata.propagation.max.ms",
                                "60000", "delivery.timeout.ms", "60000", "allow.auto.create.topics", "false",
                                "retry.backoff.ms", "20", "retry.backoff.max.ms", "50", NULL);
    connect_to(p, "t", 0);
    struct outcome *o = outcomes_new(2);
    struct batch_outcome whole = {0}, never = {0};
    CHECK_OK(send_text(p, "late", 0, "first", &o[0]));
    producer_batch_t *batch = new_batch(p);
    for (int i = 0; i < 10; i++) CHECK_OK(append(batch, NULL, "middle", NULL));
    CHECK_OK(producer_batch_send(p, batch, "late", 0, on_batch, &whole));
    CHECK_OK(send_text(p, "late", 0, "last", &o[1]));
    REQUIRE_OK(producer_mock_cluster_topic_create(mock, "late", 1, 1));
    CHECK(wait_for_reports(p, o, 2, WAIT_MS));
    CHECK_ALL(o, 2, PRODUCER_OK);
    CHECK_INT(o[0].offset, 0);
    CHECK_INT(whole.offset, 1);
    CHECK_INT(whole.record_count, 10);
    CHECK_INT(o[1].offset, 11);
    batch = new_batch(p);
    CHECK_OK(append(batch, NULL, "lost", NULL));
    CHECK_OK(append(batch, NULL, "lost", NULL));
    CHECK_OK(producer_batch_send(p, batch, "never", PRODUCER_PARTITION_ANY, on_batch, &never));
    CHECK_STATUS(producer_close(p, 0), PRODUCER_ERR_TIMED_OUT);
    CHECK_INT(never.reports, 1);
    CHECK_INT(never.status, PRODUCER_ERR_CLOSED);
    CHECK_INT(never.persisted, PRODUCER_PERSISTED_NO);
    CHECK_INT(never.record_count, 2);
    CHECK_INT(never.offset, -1);
    free(o);
}

static void memory(producer_mock_cluster_t *mock) {
    check_case("what a batch holds counts against buffer.memory until it is sent or freed");
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "buffer.memory", "70000", "batch.size", "40000",
                                "max.block.ms", "0", "linger.ms", "0", NULL);
    connect_to(p, "t", 0);
    producer_batch_t *batch = new_batch(p), *second = new_batch(p);
    char kilobyte[1001];
    memset(kilobyte, 'k', 1000), kilobyte[1000] = '\0';
    producer_status_t status;
    int32_t count = 0;
    while ((status = append(batch, NULL, kilobyte, NULL)) == PRODUCER_OK) count++;
    CHECK(status == PRODUCER_ERR_BATCH_FULL || status == PRODUCER_ERR_QUEUE_FULL);
    while ((status = append(second, NULL, kilobyte, NULL)) == PRODUCER_OK) count++;
    CHECK_INT(status, PRODUCER_ERR_QUEUE_FULL);
    CHECK_SAYS(producer_last_error(), "buffer.memory=70000");
    int32_t kept = producer_batch_count(second);
    CHECK_STATUS(append(second, NULL, kilobyte, NULL), PRODUCER_ERR_QUEUE_FULL);
    CHECK_INT(producer_batch_count(second), kept);
    producer_batch_free(batch);
    /* Room again, without anything having been sent. */
    CHECK_OK(append(second, NULL, kilobyte, NULL));
    struct batch_outcome o = {0};
    CHECK_OK(producer_batch_send(p, second, "t", 0, on_batch, &o));
    wait_for_batch(p, &o);
    CHECK_INT(o.record_count, kept + 1);
    CHECK_OK(producer_close(p, WAIT_MS));
}

static void split_by_the_broker(producer_mock_cluster_t *mock) {
    check_case("a batch that the broker finds too large goes in parts and has one report");
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "batch.size", "60000", "linger.ms", "600000", NULL);
    connect_to(p, "t", 1);
    int64_t first = log_end(mock, "t", 1);
    REQUIRE_OK(producer_mock_cluster_set_message_max_bytes(mock, 5000));
    producer_batch_t *batch = new_batch(p);
    char kilobyte[1001];
    memset(kilobyte, 's', 1000), kilobyte[1000] = '\0';
    for (int i = 0; i < 40; i++) CHECK_OK(append(batch, "k", kilobyte, NULL));
    struct batch_outcome o = {0}, hopeless = {0};
    struct outcome *joined = outcomes_new(1);
    CHECK_OK(producer_batch_send(p, batch, "t", 1, on_batch, &o));
    CHECK_OK(send_text(p, "t", 1, "joined", joined));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_INT(o.reports, 1);
    CHECK_INT(o.status, PRODUCER_OK);
    CHECK_INT(o.record_count, 40);
    CHECK_INT(o.offset, first);
    CHECK_ALL(joined, 1, PRODUCER_OK);
    CHECK_INT(joined->offset, first + 40);
    CHECK_INT(log_end(mock, "t", 1), first + 41);
    /* One record of it can never pass: the report is a failure, though other parts are in the log. */
    batch = new_batch(p);
    for (int i = 0; i < 10; i++) CHECK_OK(append(batch, NULL, kilobyte, NULL));
    char large[8001];
    memset(large, 'l', 8000), large[8000] = '\0';
    CHECK_OK(append(batch, NULL, large, NULL));
    CHECK_OK(producer_batch_send(p, batch, "t", 1, on_batch, &hopeless));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_INT(hopeless.reports, 1);
    CHECK_INT(hopeless.status, PRODUCER_ERR_MESSAGE_TOO_LARGE);
    CHECK_INT(hopeless.persisted, PRODUCER_PERSISTED_MAYBE);
    CHECK_INT(hopeless.offset, -1);
    CHECK_INT(hopeless.record_count, 11);
    REQUIRE_OK(producer_mock_cluster_set_message_max_bytes(mock, 1000000));
    CHECK_OK(producer_close(p, WAIT_MS));
    free(joined);
}

static void without_a_callback_and_any_partition(producer_mock_cluster_t *mock) {
    check_case("no callback, no report; any partition means one for the whole batch, whatever the keys say");
    producer_t *p = producer_at(mock);
    connect_to(p, "t", 0);
    int64_t before[4], after = 0;
    for (int32_t i = 0; i < 4; i++) before[i] = log_end(mock, "t", i);
    producer_batch_t *batch = new_batch(p);
    for (int i = 0; i < 50; i++) {
        char key[16];
        snprintf(key, sizeof key, "key-%d", i);
        CHECK_OK(append(batch, key, "any", NULL));
    }
    CHECK_OK(producer_batch_send(p, batch, "t", PRODUCER_PARTITION_ANY, NULL, NULL));
    CHECK_OK(producer_flush(p, WAIT_MS));
    for (int32_t i = 0; i < 4; i++) {
        int64_t more = log_end(mock, "t", i) - before[i];
        CHECK(more == 0 || more == 50);
        after += more;
    }
    CHECK_INT(after, 50);
    CHECK_INT(producer_poll(p, 0), 0);
    CHECK_OK(producer_close(p, WAIT_MS));
}

static void in_transactions(producer_mock_cluster_t *mock) {
    check_case("a batch belongs to the open transaction, and is refused outside one");
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "transactional.id", "batches", NULL);
    CHECK_OK(producer_init_transactions(p, WAIT_MS));
    producer_batch_t *batch = new_batch(p);
    CHECK_OK(append(batch, NULL, "transactional", NULL));
    struct batch_outcome o = {0};
    CHECK_STATUS(producer_batch_send(p, batch, "t", 0, on_batch, &o), PRODUCER_ERR_STATE);
    CHECK_INT(producer_batch_count(batch), 1);
    CHECK_OK(producer_begin_transaction(p));
    CHECK_OK(producer_batch_send(p, batch, "t", 0, on_batch, &o));
    CHECK_OK(producer_commit_transaction(p, WAIT_MS));
    CHECK_INT(o.reports, 1);
    CHECK_INT(o.status, PRODUCER_OK);
    batch = new_batch(p);
    CHECK_OK(append(batch, NULL, "aborted", NULL));
    CHECK_OK(producer_begin_transaction(p));
    CHECK_OK(producer_abort_transaction(p, WAIT_MS));
    CHECK_STATUS(producer_batch_send(p, batch, "t", 0, on_batch, &o), PRODUCER_ERR_STATE);
    producer_batch_free(batch);
    CHECK_OK(producer_close(p, WAIT_MS));
}

static void bad_input(producer_mock_cluster_t *mock) {
    check_case("wrong arguments are named, and the batch stays as it is");
    producer_t *p = producer_at(mock), *other = producer_at(mock);
    producer_batch_t *batch = NULL;
    CHECK_STATUS(producer_batch_new(NULL, &batch), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_batch_new(p, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK(batch == NULL);
    batch = new_batch(p);
    producer_record_t r = PRODUCER_RECORD_INIT;
    CHECK_STATUS(producer_batch_append(NULL, &r, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_batch_append(batch, NULL, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    r.topic = "t";
    CHECK_STATUS(producer_batch_append(batch, &r, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "topic");
    r.topic = NULL;
    r.partition = 0;
    CHECK_STATUS(producer_batch_append(batch, &r, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "partition");
    r.partition = PRODUCER_PARTITION_ANY;
    r.delivery_timeout_ms = 5;
    CHECK_STATUS(producer_batch_append(batch, &r, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "delivery_timeout_ms");
    r.delivery_timeout_ms = PRODUCER_TIMEOUT_DEFAULT;
    r.acks = PRODUCER_ACKS_LEADER;
    CHECK_STATUS(producer_batch_append(batch, &r, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "acks");
    r.acks = PRODUCER_ACKS_DEFAULT;
    r.timestamp_ms = -7;
    CHECK_STATUS(producer_batch_append(batch, &r, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    r.timestamp_ms = PRODUCER_TIMESTAMP_NOW;
    r.value_len = 3;
    CHECK_STATUS(producer_batch_append(batch, &r, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    r.value_len = 0;
    r.struct_size = 3;
    CHECK_STATUS(producer_batch_append(batch, &r, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_INT(producer_batch_count(NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_INT(producer_batch_size(NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_batch_close(NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    producer_batch_free(NULL);
    CHECK_STATUS(producer_batch_send(p, batch, "t", 0, NULL, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "empty");
    CHECK_OK(append(batch, NULL, "x", NULL));
    CHECK_STATUS(producer_batch_send(NULL, batch, "t", 0, NULL, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_batch_send(p, NULL, "t", 0, NULL, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_batch_send(p, batch, NULL, 0, NULL, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_batch_send(p, batch, "no/such", 0, NULL, NULL), PRODUCER_ERR_INVALID_TOPIC_EXCEPTION);
    CHECK_STATUS(producer_batch_send(p, batch, "t", -2, NULL, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_batch_send(other, batch, "t", 0, NULL, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "another producer");
    CHECK_INT(producer_batch_count(batch), 1);
    CHECK_OK(producer_close(p, WAIT_MS));
    check_case("a batch outlives its producer: what is left to do is to free it");
    CHECK_STATUS(producer_batch_send(p, batch, "t", 0, NULL, NULL), PRODUCER_ERR_CLOSED);
    CHECK_STATUS(append(batch, NULL, "y", NULL), PRODUCER_ERR_CLOSED);
    CHECK_STATUS(producer_batch_close(batch), PRODUCER_ERR_CLOSED);
    CHECK_STATUS(producer_batch_new(p, &batch), PRODUCER_ERR_CLOSED);
    CHECK_INT(producer_batch_count(batch), 1);
    producer_batch_free(batch);
    CHECK_OK(producer_close(other, WAIT_MS));
}

/* ---- many threads: each with batches of its own ---- */

#define THREADS 8
#define BATCHES 60

struct sender {
    producer_t *p;
    pthread_t thread;
    struct batch_outcome *o;
    int32_t sent;
};

static void *send_batches(void *opaque) {
    struct sender *s = opaque;
    for (int32_t i = 0; i < BATCHES; i++) {
        producer_batch_t *batch = new_batch(s->p);
        for (int32_t k = 0; k <= i % 7; k++) CHECK_OK(append(batch, NULL, "threaded", NULL));
        if (i % 10 == 9) {
            producer_batch_free(batch);
            continue;
        }
        if (i % 2) CHECK_OK(producer_batch_close(batch));
        if (CHECK_OK(producer_batch_send(s->p, batch, "t", i % 4, on_batch, &s->o[s->sent]))) s->sent++;
        if (i % 5 == 0) CHECK_OK(send_text(s->p, "t", i % 4, "between", NULL));
    }
    return NULL;
}

static void threads(producer_mock_cluster_t *mock) {
    check_case("eight threads send batches and records: one report each, no offset twice");
    producer_t *p = producer_at(mock);
    struct sender senders[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        senders[i] = (struct sender){.p = p, .o = calloc(BATCHES, sizeof(struct batch_outcome))};
        REQUIRE(senders[i].o != NULL);
        REQUIRE(pthread_create(&senders[i].thread, NULL, send_batches, &senders[i]) == 0);
    }
    for (size_t i = 0; i < THREADS; i++) pthread_join(senders[i].thread, NULL);
    CHECK_OK(producer_flush(p, WAIT_MS));
    for (size_t i = 0; i < THREADS; i++) {
        for (int32_t k = 0; k < senders[i].sent; k++) {
            struct batch_outcome *o = &senders[i].o[k];
            if (!CHECK(o->reports == 1 && o->status == PRODUCER_OK && o->offset >= 0)) break;
        }
        free(senders[i].o);
    }
    CHECK_OK(producer_close(p, WAIT_MS));
}

int main(void) {
    check_begin();
    producer_mock_cluster_t *mock = mock_of(2, "t", 4);
    one_report_with_the_first_offset(mock);
    full_leaves_it_unchanged(mock);
    in_order_with_others(mock);
    of_a_topic_to_come(mock);
    memory(mock);
    split_by_the_broker(mock);
    without_a_callback_and_any_partition(mock);
    in_transactions(mock);
    bad_input(mock);
    threads(mock);
    producer_mock_cluster_free(mock);
    return check_end();
}
