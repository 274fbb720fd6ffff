/* producer_yield: the dispatch ends after this callback, the rest follows in order; waits that promise more go on. */
#include "check.h"

#define RECORDS 100

static producer_t *producer;
static struct outcome *outcomes;
static size_t order[RECORDS], heard;
static size_t yield_after; /* 0: never */

static void on_report(const producer_report_t *report, void *opaque) {
    on_outcome(report, opaque);
    order[heard++] = (size_t)((struct outcome *)opaque - outcomes);
    if (yield_after != 0 && heard % yield_after == 0) CHECK_OK(producer_yield(producer));
}

static void send_all(void) {
    outcomes = outcomes_new(RECORDS);
    heard = 0;
    for (size_t i = 0; i < RECORDS; i++) {
        producer_record_t r = PRODUCER_RECORD_INIT;
        r.topic = "t", r.partition = 0, r.value = "x", r.value_len = 1;
        REQUIRE_OK(producer_send(producer, &r, on_report, &outcomes[i]));
    }
}

static void check_order(void) {
    CHECK_INT(heard, RECORDS);
    for (size_t i = 0; i < heard; i++)
        if (!CHECK_INT(order[i], i)) break;
    CHECK_ALL(outcomes, RECORDS, PRODUCER_OK);
    free(outcomes);
}

static void cuts_poll(producer_mock_cluster_t *mock) {
    check_case("poll returns after the callback that yields");
    producer = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "50", NULL);
    send_all();
    yield_after = 7;
    int64_t deadline = now_ms() + WAIT_MS;
    while (heard < RECORDS && now_ms() < deadline) {
        int32_t n = producer_poll(producer, 1000);
        if (!CHECK(n >= 0 && n <= 7)) break;
    }
    check_order();
}

static void flush_goes_on(void) {
    check_case("flush goes on");
    send_all();
    yield_after = 3;
    CHECK_OK(producer_flush(producer, WAIT_MS));
    check_order();
}

static void close_goes_on(void) {
    check_case("close goes on, and its last callbacks may yield");
    send_all();
    yield_after = 3;
    CHECK_OK(producer_close(producer, WAIT_MS));
    check_order();
    CHECK_STATUS(producer_yield(producer), PRODUCER_ERR_CLOSED);
}

static void on_other(const producer_report_t *report, void *opaque) {
    (void)report, (void)opaque;
    CHECK_STATUS(producer_yield(producer), PRODUCER_ERR_STATE);
}

static void elsewhere(producer_mock_cluster_t *mock) {
    check_case("elsewhere there is nothing to end");
    producer = producer_at(mock);
    CHECK_STATUS(producer_yield(NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_yield(producer), PRODUCER_ERR_STATE);
    CHECK_SAYS(producer_last_error(), "callback");
    producer_t *other = producer_at(mock);
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.partition = 1, r.value = "x", r.value_len = 1;
    REQUIRE_OK(producer_send(other, &r, on_other, NULL));
    CHECK_OK(producer_flush(other, WAIT_MS));
    CHECK_OK(producer_close(other, WAIT_MS));
    yield_after = 0;
    send_all(); /* nothing is left of it */
    CHECK_OK(producer_flush(producer, WAIT_MS));
    check_order();
    CHECK_OK(producer_close(producer, WAIT_MS));
}

int main(void) {
    check_begin();
    producer_mock_cluster_t *mock = mock_of(1, "t", 2);
    cuts_poll(mock);
    flush_goes_on();
    close_goes_on();
    elsewhere(mock);
    producer_mock_cluster_free(mock);
    return check_end();
}
