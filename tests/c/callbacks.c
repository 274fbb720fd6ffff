/* What a delivery callback may do and may not: nothing deadlocks. */
#include "check.h"

static producer_t *producer;
static atomic_int sent_from_callback, callback_runs;
static struct outcome second;

static void on_report(const producer_report_t *report, void *opaque) {
    (void)opaque;
    CHECK_STATUS(report->status, PRODUCER_OK);
    callback_runs++;
    CHECK_STATUS(producer_poll(producer, 0), PRODUCER_ERR_IN_CALLBACK);
    CHECK_SAYS(producer_last_error(), "callback");
    CHECK_STATUS(producer_poll(producer, 1000), PRODUCER_ERR_IN_CALLBACK);
    CHECK_STATUS(producer_flush(producer, 1000), PRODUCER_ERR_IN_CALLBACK);
    CHECK_STATUS(producer_flush(producer, -1), PRODUCER_ERR_IN_CALLBACK);
    CHECK_STATUS(producer_close(producer, 1000), PRODUCER_ERR_IN_CALLBACK);
    CHECK_SAYS(producer_last_error(), "callback");
    if (sent_from_callback++ == 0) CHECK_OK(send_text(producer, "t", 0, "from a callback", &second));
}

static void send_one(void) {
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.value = "first", r.value_len = 5;
    REQUIRE_OK(producer_send(producer, &r, on_report, NULL));
}

/* ---- every function, asked from inside a delivery callback ---- */

struct asked {
    const char *call;
    int64_t answer, expected;
};

#define MAY(call) {#call, (int64_t)(call), PRODUCER_OK}
#define MAY_NOT(call) {#call, (int64_t)(call), PRODUCER_ERR_IN_CALLBACK}

static struct {
    producer_flush_t *flush;
    producer_future_t *future;
    producer_ticket_t ticket;
    atomic_int ran;
} all;

static void not_called(const producer_undelivered_t *record, void *opaque) {
    (void)record, (void)opaque;
    CHECK(!"a close that was refused hands nothing back");
}

static void ask_all(const producer_report_t *report, void *opaque) {
    producer_t *p = producer;
    producer_record_t r = PRODUCER_RECORD_INIT, of_batch = PRODUCER_RECORD_INIT;
    producer_flat_records_t flat = PRODUCER_FLAT_RECORDS_INIT;
    producer_status_t status = PRODUCER_OK;
    producer_report_t out = PRODUCER_REPORT_INIT;
    producer_batch_t *batch = NULL;
    producer_flush_t *flush = NULL;
    producer_future_t *future = NULL;
    producer_ticket_t ticket = PRODUCER_TICKET_INIT;
    producer_metadata_t *metadata = NULL;
    const producer_topic_t *topic = NULL;
    producer_stats_t stats = PRODUCER_STATS_INIT;
    producer_health_t health = PRODUCER_HEALTH_INIT;
    producer_offset_t offset = PRODUCER_OFFSET_INIT;
    producer_group_t group = PRODUCER_GROUP_INIT;
    char *json = NULL, *text = NULL, *cluster = NULL, id[37] = "";
    const char *value = "flat";
    int32_t value_len = 4;
    size_t accepted = 0;
    (void)report, (void)opaque;
    r.topic = "t", r.value = of_batch.value = "inside", r.value_len = of_batch.value_len = 6;
    flat.topic = "t", flat.count = 1, flat.values = value, flat.values_len = 4, flat.value_lens = &value_len;
    offset.topic = "in", offset.partition = 0, offset.offset = 1, group.group_id = "readers";

    const struct asked must_not[] = {
        MAY_NOT(producer_poll(p, 0)),
        MAY_NOT(producer_poll_reports(p, &out, 1, 0)),
        MAY_NOT(producer_wait_capacity(p, 1, 0)),
        MAY_NOT(producer_flush(p, 0)),
        MAY_NOT(producer_flush_topic(p, "t", 0)),
        MAY_NOT(producer_flush_wait(p, all.flush, 0)),
        MAY_NOT(producer_future_await(all.future, 0, NULL)),
        MAY_NOT(producer_purge(p, PRODUCER_PURGE_QUEUED)),
        MAY_NOT(producer_metadata(p, "t", 1000, &metadata)),
        MAY_NOT(producer_warm_up(p, "t", 1000)),
        MAY_NOT(producer_client_instance_id(p, 1000, id)),
        MAY_NOT(producer_init_transactions(p, 0)),
        MAY_NOT(producer_begin_transaction(p)),
        MAY_NOT(producer_send_offsets_to_transaction(p, &offset, 1, &group, 0)),
        MAY_NOT(producer_commit_transaction(p, 0)),
        MAY_NOT(producer_abort_transaction(p, 0)),
        MAY_NOT(producer_close(p, 0)),
        MAY_NOT(producer_close_with(p, 0, not_called, NULL)),
    };
    for (size_t i = 0; i < sizeof must_not / sizeof must_not[0]; i++)
        check_int(must_not[i].answer, must_not[i].expected, must_not[i].call, __FILE__, __LINE__);

    REQUIRE_OK(producer_batch_new(p, &batch)); /* one after the other from here on: each needs what the one before made */
    REQUIRE_OK(producer_batch_append(batch, &of_batch, NULL));
    CHECK_INT(producer_batch_count(batch), 1);
    CHECK(producer_batch_size(batch) > 0);
    const struct asked may[] = {
        MAY(producer_batch_close(batch)),
        MAY(producer_send(p, &r, NULL, NULL)),
        MAY(producer_send_many(p, &r, 1, NULL, NULL, &accepted)),
        MAY(producer_send_many_status(p, &r, 1, NULL, NULL, &status, &accepted)),
        MAY(producer_send_flat(p, &flat, NULL, &accepted)),
        MAY(producer_send_future(p, &r, &future)),
        MAY(producer_cancel(p, &all.ticket)),
        MAY(producer_topic(p, "t", &topic)),
        MAY(producer_topic_set(p, "other", "linger.ms", "1")),
        MAY(producer_stats(p, &stats)),
        MAY(producer_stats_json(p, &json)),
        MAY(producer_stats_prometheus(p, &text)),
        MAY(producer_health(p, &health)),
        MAY(producer_metadata(p, NULL, 0, &metadata)),
        MAY(producer_cluster_id(p, 0, &cluster)),
        MAY(producer_yield(p)),
    };
    for (size_t i = 0; i < sizeof may / sizeof may[0]; i++) check_int(may[i].answer, may[i].expected, may[i].call, __FILE__, __LINE__);
    CHECK_OK(producer_flush_begin(p, NULL, &flush)); /* after the cancelling, which an array does not promise */
    CHECK_OK(producer_batch_send(p, batch, "t", 0, NULL, NULL));
    CHECK_OK(producer_send_cancellable(p, &r, NULL, NULL, &ticket));
    CHECK_STATUS_OR(producer_cancel(p, &ticket), PRODUCER_OK, PRODUCER_ERR_TOO_LATE);
    CHECK(producer_event_fd(p) >= 0);
    CHECK(producer_capacity_fd(p) >= 0);
    producer_future_free(future);
    producer_flush_free(flush);
    producer_metadata_free(metadata);
    producer_string_free(json);
    producer_string_free(text);
    producer_string_free(cluster);
    all.ran++;
}

static void every_function(producer_mock_cluster_t *mock) {
    check_case("each function answers from a callback as the header says");
    producer = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "60000", "delivery.timeout.ms", "120000", NULL);
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.partition = 0, r.value = "asks", r.value_len = 4;
    REQUIRE_OK(producer_send(producer, &r, ask_all, NULL));
    REQUIRE_OK(producer_flush_begin(producer, "t", &all.flush));
    r.topic = "waits"; /* these linger: the callback finds one without an outcome, and takes the other back */
    REQUIRE_OK(producer_send_future(producer, &r, &all.future));
    REQUIRE_OK(producer_send_cancellable(producer, &r, NULL, NULL, &all.ticket));
    int64_t deadline = now_ms() + WAIT_MS;
    while (atomic_load(&all.ran) == 0 && now_ms() < deadline) CHECK(producer_poll(producer, 100) >= 0);
    CHECK_INT(all.ran, 1);
    producer_flush_free(all.flush);
    producer_future_free(all.future);
    CHECK_OK(producer_close(producer, WAIT_MS));
}

/* Every outcome sends a follow-up, so close has to deal with reports that make new sends: they are refused, not lost. */
struct chain {
    producer_t *producer;
    atomic_int sent, reported, refused;
};

static void on_chain(const producer_report_t *report, void *opaque) {
    struct chain *c = opaque;
    producer_record_t r = PRODUCER_RECORD_INIT;
    (void)report;
    c->reported++;
    r.topic = "t", r.value = "link", r.value_len = 4;
    producer_status_t status = producer_send(c->producer, &r, on_chain, c);
    if (status == PRODUCER_OK) c->sent++;
    else {
        CHECK_STATUS(status, PRODUCER_ERR_CLOSED);
        c->refused++;
    }
}

int main(void) {
    check_begin();
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer = producer_at(mock);

    check_case("poll dispatches; poll, flush and close from the callback answer IN_CALLBACK; send works");
    send_one();
    int64_t deadline = now_ms() + WAIT_MS;
    while (atomic_load(&callback_runs) == 0 && now_ms() < deadline) producer_poll(producer, 100);
    CHECK_INT(callback_runs, 1);
    CHECK(wait_for_reports(producer, &second, 1, WAIT_MS));
    CHECK_ALL(&second, 1, PRODUCER_OK);

    check_case("the same out of flush");
    send_one();
    CHECK_OK(producer_flush(producer, WAIT_MS));
    CHECK_INT(callback_runs, 2);

    check_case("the same out of close");
    send_one();
    CHECK_OK(producer_close(producer, WAIT_MS));
    CHECK_INT(callback_runs, 3);

    check_case("a chain of sends from callbacks ends at close, each link reported");
    struct chain chain = {producer_at(mock), 0, 0, 0};
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.value = "link", r.value_len = 4;
    chain.sent = 1;
    REQUIRE_OK(producer_send(chain.producer, &r, on_chain, &chain));
    deadline = now_ms() + WAIT_MS;
    while (atomic_load(&chain.reported) < 100 && now_ms() < deadline) producer_poll(chain.producer, 100);
    CHECK(chain.reported >= 100);
    CHECK_OK(producer_close(chain.producer, WAIT_MS));
    CHECK_INT(chain.reported, chain.sent);
    CHECK_INT(chain.refused, 1);

    REQUIRE_OK(producer_mock_cluster_topic_create(mock, "waits", 1, 1));
    every_function(mock);

    producer_mock_cluster_free(mock);
    return check_end();
}
