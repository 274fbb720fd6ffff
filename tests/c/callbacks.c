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

    producer_mock_cluster_free(mock);
    return check_end();
}
