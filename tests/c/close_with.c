/* Closing hands back what was not delivered: whole, once, before its report. */
#include "check.h"

/* One record, flushed: the producer is connected afterwards, whatever its linger. */
static void connect_to(producer_t *p, const char *topic, int32_t partition) {
    CHECK_OK(send_text(p, topic, partition, "warm-up", NULL));
    REQUIRE_OK(producer_flush(p, WAIT_MS));
}

#define MOST 400

struct taken {
    size_t count;
    struct outcome *o;   /* the records' reports, by opaque */
    const char *topic;
    size_t with_text[MOST]; /* how often "<prefix><i>" came */
    producer_t *elsewhere;
    producer_t *closing;
};

static void on_undelivered(const producer_undelivered_t *u, void *opaque) {
    struct taken *t = opaque;
    const producer_record_t *r = u->record;
    CHECK(u->struct_size >= sizeof(size_t));
    CHECK(r->struct_size == sizeof(producer_record_t));
    CHECK(u->status != PRODUCER_OK);
    CHECK(u->persisted == PRODUCER_PERSISTED_NO || u->persisted == PRODUCER_PERSISTED_MAYBE);
    CHECK(u->error_text != NULL && strlen(u->error_text) > 5);
    t->count++;
    if (u->opaque != NULL) {
        struct outcome *o = u->opaque;
        CHECK_INT(o->reports, 0); /* first the record, then its report */
        o->partition = r->partition;
    }
    char text[64] = "";
    if (r->value_len < sizeof text) memcpy(text, r->value, r->value_len);
    size_t i = strtoul(text + strcspn(text, "0123456789"), NULL, 10);
    if (CHECK(i < MOST)) t->with_text[i]++;
    CHECK(strcmp(r->topic, t->topic) == 0);
    CHECK_INT(r->key_len, 3);
    CHECK(memcmp(r->key, "key", 3) == 0);
    CHECK_INT(r->header_count, 2);
    CHECK(strcmp(r->headers[0].name, "name") == 0 && r->headers[0].value_len == 5 && memcmp(r->headers[0].value, "value", 5) == 0);
    CHECK(strcmp(r->headers[1].name, "null") == 0 && r->headers[1].value == NULL && r->headers[1].value_len == 0);
    CHECK_INT(r->timestamp_ms, 1600000000000 + (int64_t)i);
    if (t->elsewhere != NULL) CHECK_OK(producer_send(t->elsewhere, r, NULL, NULL));
    if (t->closing != NULL) {
        CHECK_STATUS(producer_send(t->closing, r, NULL, NULL), PRODUCER_ERR_CLOSED);
        CHECK_STATUS(producer_poll(t->closing, 0), PRODUCER_ERR_IN_CALLBACK);
        CHECK_STATUS(producer_close(t->closing, 0), PRODUCER_ERR_IN_CALLBACK);
    }
}

static producer_record_t full_record(const char *topic, int32_t partition, char *value, size_t size, size_t i) {
    static const producer_header_t headers[] = {{"name", "value", 5}, {"null", NULL, 0}};
    producer_record_t r = PRODUCER_RECORD_INIT;
    snprintf(value, size, "back%zu", i);
    r.topic = topic, r.partition = partition;
    r.key = "key", r.key_len = 3;
    r.value = value, r.value_len = strlen(value);
    r.headers = headers, r.header_count = 2;
    r.timestamp_ms = 1600000000000 + (int64_t)i;
    return r;
}

static void send_full(producer_t *p, const char *topic, int32_t partition, size_t i, struct outcome *o) {
    char value[64];
    producer_record_t r = full_record(topic, partition, value, sizeof value, i);
    REQUIRE_OK(producer_send(p, &r, o ? on_outcome : NULL, o));
}

static void check_each_once(struct taken *t, size_t from, size_t to) {
    for (size_t i = from; i < to; i++)
        if (!CHECK_INT(t->with_text[i], 1)) break;
}

static void nothing_is_left(producer_mock_cluster_t *mock) {
    check_case("what can be delivered is: nothing comes back");
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "600000", NULL);
    struct outcome *o = outcomes_new(50);
    for (size_t i = 0; i < 50; i++) send_full(p, "t", (int32_t)(i % 4), i, &o[i]);
    struct taken t = {.topic = "t"};
    CHECK_OK(producer_close_with(p, WAIT_MS, on_undelivered, &t));
    CHECK_INT(t.count, 0);
    CHECK_ALL(o, 50, PRODUCER_OK);
    free(o);
}

static void unsent_and_in_flight(producer_mock_cluster_t *mock) {
    check_case("what waits for a broker that hangs comes back, sent or not; another producer takes it as it is");
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "batch.size", "1000", NULL);
    producer_t *elsewhere = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "600000", NULL);
    for (int32_t i = 0; i < 4; i++) connect_to(p, "t", i);
    struct outcome *o = outcomes_new(MOST);
    /* Delivered before: not among them. */
    for (size_t i = 0; i < 10; i++) send_full(p, "t", 0, i, &o[i]);
    CHECK_OK(producer_flush(p, WAIT_MS));
    for (int32_t broker = 1; broker <= 2; broker++) REQUIRE_OK(producer_mock_cluster_broker_freeze(mock, broker));
    for (size_t i = 10; i < MOST; i++) send_full(p, "t", (int32_t)(i % 4), i, i % 5 ? &o[i] : NULL);
    struct taken t = {.topic = "t", .elsewhere = elsewhere, .closing = p};
    CHECK_STATUS(producer_close_with(p, 200, on_undelivered, &t), PRODUCER_ERR_TIMED_OUT);
    CHECK_INT(t.count, MOST - 10);
    check_each_once(&t, 10, MOST);
    CHECK_INT(t.with_text[3], 0);
    size_t maybe = 0;
    for (size_t i = 10; i < MOST; i++) {
        if (!CHECK_INT(o[i].reports, i % 5 ? 1 : 0)) break;
        maybe += o[i].persisted == PRODUCER_PERSISTED_MAYBE;
        if (i % 5) CHECK_INT(o[i].status, PRODUCER_ERR_CLOSED);
        if (i % 5) CHECK_INT(o[i].partition, (int64_t)(i % 4));
    }
    CHECK(maybe > 0 && maybe < MOST);
    for (int32_t broker = 1; broker <= 2; broker++) REQUIRE_OK(producer_mock_cluster_broker_thaw(mock, broker));
    CHECK_OK(producer_close(elsewhere, WAIT_MS));
    for (size_t i = 10; i < MOST; i += 37) {
        char value[64];
        snprintf(value, sizeof value, "back%zu", i);
        CHECK(log_count(mock, "t", (int32_t)(i % 4), value) >= 1);
    }
    free(o);
}

static void parked_batches_and_tickets(producer_mock_cluster_t *mock) {
    check_case("records that wait for metadata come back too, in batches of the application's own and with tickets as well");
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "600000", "allow.auto.create.topics", "false", NULL);
    struct outcome *o = outcomes_new(4);
    send_full(p, "absent", PRODUCER_PARTITION_ANY, 0, &o[0]);
    producer_batch_t *batch = NULL;
    REQUIRE_OK(producer_batch_new(p, &batch));
    char value[64];
    for (size_t i = 1; i < 6; i++) {
        producer_record_t r = full_record(NULL, PRODUCER_PARTITION_ANY, value, sizeof value, i);
        CHECK_OK(producer_batch_append(batch, &r, NULL));
    }
    CHECK_OK(producer_batch_send(p, batch, "absent", 2, on_outcome, &o[1]));
    producer_ticket_t tickets[2];
    for (size_t i = 0; i < 2; i++) {
        producer_record_t r = full_record("absent", 1, value, sizeof value, 6 + i);
        CHECK_OK(producer_send_cancellable(p, &r, on_outcome, &o[2 + i], &tickets[i]));
    }
    /* What was cancelled is not undelivered. */
    CHECK_OK(producer_cancel(p, &tickets[1]));
    struct taken t = {.topic = "absent"};
    CHECK_STATUS(producer_close_with(p, 0, on_undelivered, &t), PRODUCER_ERR_TIMED_OUT);
    CHECK_INT(t.count, 7);
    check_each_once(&t, 0, 7);
    CHECK_OUTCOMES(o, 4);
    CHECK_INT(o[3].status, PRODUCER_ERR_CANCELLED);
    CHECK_INT(o[0].status | o[1].status | o[2].status, PRODUCER_ERR_CLOSED);
    CHECK_INT(o[1].partition, 2);
    free(o);
}

static void bad_input(producer_mock_cluster_t *mock) {
    check_case("wrong arguments close nothing");
    producer_t *p = producer_at(mock);
    struct taken t = {.topic = "t"};
    CHECK_STATUS(producer_close_with(NULL, 0, on_undelivered, &t), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_close_with(p, 0, NULL, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "callback");
    CHECK_STATUS(producer_close_with(p, -2, on_undelivered, &t), PRODUCER_ERR_INVALID_ARGUMENT);
    connect_to(p, "t", 0);
    CHECK_OK(producer_close_with(p, WAIT_MS, on_undelivered, &t));
    CHECK_STATUS(producer_close_with(p, WAIT_MS, on_undelivered, &t), PRODUCER_ERR_CLOSED);
    CHECK_INT(t.count, 0);
}

int main(void) {
    check_begin();
    producer_mock_cluster_t *mock = mock_of(2, "t", 4);
    nothing_is_left(mock);
    unsent_and_in_flight(mock);
    parked_batches_and_tickets(mock);
    bad_input(mock);
    producer_mock_cluster_free(mock);
    return check_end();
}
