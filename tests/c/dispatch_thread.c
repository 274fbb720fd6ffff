/* delivery.dispatch=thread: one thread of the library's own runs every callback; and delivery.report.only.error. */
#include "check.h"

#include <semaphore.h>

#define RECORDS 5000

static pthread_t seen_on;
static atomic_bool seen_any;
static producer_t *producer;

static void on_thread(const producer_report_t *report, void *opaque) {
    if (!atomic_exchange(&seen_any, true)) seen_on = pthread_self();
    CHECK(pthread_equal(seen_on, pthread_self()));
    on_outcome(report, opaque);
}

static producer_t *threaded(producer_mock_cluster_t *mock, const char *linger_ms) {
    seen_any = false;
    return producer_of(producer_mock_cluster_bootstrap_servers(mock), "delivery.dispatch", "thread", "linger.ms", linger_ms,
                       "delivery.timeout.ms", "120000", NULL);
}

static producer_status_t send(producer_t *p, const char *topic, struct outcome *o) {
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = topic, r.partition = 0, r.value = "x", r.value_len = 1;
    return producer_send(p, &r, on_thread, o);
}

static void nobody_polls(producer_mock_cluster_t *mock) {
    check_case("callbacks run without a poll, on one thread that is not ours");
    producer_t *p = threaded(mock, "5");
    struct outcome *o = outcomes_new(RECORDS);
    for (size_t i = 0; i < RECORDS; i++) REQUIRE_OK(send(p, "t", &o[i]));
    int64_t deadline = now_ms() + WAIT_MS;
    while (outcomes_reported(o, RECORDS) < RECORDS && now_ms() < deadline) pause_ms(2);
    CHECK_ALL(o, RECORDS, PRODUCER_OK);
    CHECK(!pthread_equal(seen_on, pthread_self()));
    for (size_t i = 1; i < RECORDS; i++)
        if (!CHECK(o[i].arrival > o[i - 1].arrival)) break;
    CHECK_INT(producer_poll(p, 0), 0);
    CHECK_INT(producer_poll(p, 10), 0);
    free(o);

    check_case("flush waits until the thread has run them, and runs none itself");
    o = outcomes_new(RECORDS);
    for (size_t i = 0; i < RECORDS; i++) REQUIRE_OK(send(p, "t", &o[i]));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, RECORDS, PRODUCER_OK);
    free(o);

    check_case("kept reports are taken elsewhere, and the event fd tells of these");
    int fd = producer_event_fd(p);
    CHECK(fd >= 0);
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.partition = 0, r.value = "x", r.value_len = 1;
    REQUIRE_OK(producer_send(p, &r, PRODUCER_QUEUE_REPORT, &r));
    producer_report_t out[2] = {{.struct_size = sizeof out[0]}};
    CHECK_INT(producer_poll_reports(p, out, 2, WAIT_MS), 1);
    CHECK(out[0].opaque == &r);
    CHECK_INT(producer_poll_reports(p, out, 2, 0), 0);
    CHECK_OK(producer_close(p, WAIT_MS));
}

static void close_runs_them(producer_mock_cluster_t *mock) {
    check_case("close has the thread run what is left, failed ones too, and none comes later");
    for (int round = 0; round < 20; round++) {
        producer_t *p = threaded(mock, round % 2 == 0 ? "0" : "60000");
        struct outcome *o = outcomes_new(200);
        for (size_t i = 0; i < 200; i++) REQUIRE_OK(send(p, round % 3 == 0 ? "missing" : "t", &o[i]));
        producer_status_t status = producer_close(p, round % 3 == 0 ? 0 : WAIT_MS);
        CHECK_STATUS_OR(status, PRODUCER_OK, PRODUCER_ERR_TIMED_OUT);
        CHECK_OUTCOMES(o, 200);
        free(o);
    }
}

static sem_t inside, go_on;

static void holds_up(const producer_report_t *report, void *opaque) {
    (void)report, (void)opaque;
    CHECK_STATUS(producer_poll(producer, 0), PRODUCER_ERR_IN_CALLBACK);
    CHECK_STATUS(producer_flush(producer, 0), PRODUCER_ERR_IN_CALLBACK);
    CHECK_STATUS(producer_close(producer, 0), PRODUCER_ERR_IN_CALLBACK);
    CHECK_OK(producer_yield(producer));
    sem_post(&inside);
    while (sem_wait(&go_on) != 0) {}
}

static atomic_int acknowledged, closings;

static void hear(const producer_report_t *report, void *opaque) {
    (void)report, (void)opaque;
    CHECK_INT(closings, 0);
    atomic_fetch_add(&acknowledged, 1);
}

static void hear_of_the_end(void *opaque) {
    (void)opaque;
    atomic_fetch_add(&closings, 1);
}

static void an_interceptor_hears_of_the_end_last(producer_mock_cluster_t *mock) {
    check_case("on_close does not run while the thread may still call on_acknowledgement");
    producer_interceptor_t interceptor = PRODUCER_INTERCEPTOR_INIT;
    interceptor.name = "ear", interceptor.on_acknowledgement = hear, interceptor.on_close = hear_of_the_end;
    producer_config_t *c = config_of(producer_mock_cluster_bootstrap_servers(mock), "delivery.dispatch", "thread", "linger.ms", "0", NULL);
    REQUIRE_OK(producer_config_add_interceptor(c, &interceptor));
    for (int returns_in_time = 0; returns_in_time < 2; returns_in_time++) {
        acknowledged = 0;
        closings = 0;
        seen_any = false;
        REQUIRE_OK(producer_new(c, &producer));
        producer_record_t r = PRODUCER_RECORD_INIT;
        r.topic = "t", r.partition = 0, r.value = "x", r.value_len = 1;
        REQUIRE_OK(producer_send(producer, &r, holds_up, NULL));
        while (sem_wait(&inside) != 0) {}
        struct outcome *o = outcomes_new(10);
        for (size_t i = 0; i < 10; i++) REQUIRE_OK(send(producer, "t", &o[i]));
        if (returns_in_time) sem_post(&go_on);
        producer_status_t status = producer_close(producer, returns_in_time ? WAIT_MS : 100);
        CHECK_STATUS(status, returns_in_time ? PRODUCER_OK : PRODUCER_ERR_TIMED_OUT);
        CHECK_INT(closings, returns_in_time);
        if (!returns_in_time) sem_post(&go_on);
        int64_t deadline = now_ms() + WAIT_MS;
        while (outcomes_reported(o, 10) < 10 && now_ms() < deadline) pause_ms(2);
        CHECK_OUTCOMES(o, 10);
        CHECK_INT(acknowledged, 11);
        CHECK_INT(closings, returns_in_time);
        free(o);
    }
    producer_config_free(c);
}

static void a_callback_that_does_not_return(producer_mock_cluster_t *mock) {
    check_case("close is bounded when a callback does not return; the thread runs the rest when it does");
    REQUIRE(sem_init(&inside, 0, 0) == 0 && sem_init(&go_on, 0, 0) == 0);
    producer = threaded(mock, "0");
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.partition = 0, r.value = "x", r.value_len = 1;
    REQUIRE_OK(producer_send(producer, &r, holds_up, NULL));
    while (sem_wait(&inside) != 0) {}
    struct outcome *o = outcomes_new(10);
    for (size_t i = 0; i < 10; i++) REQUIRE_OK(send(producer, "t", &o[i]));
    int64_t from = now_ms();
    CHECK_STATUS(producer_flush(producer, 50), PRODUCER_ERR_TIMED_OUT);
    CHECK_STATUS(producer_close(producer, 100), PRODUCER_ERR_TIMED_OUT);
    CHECK(now_ms() - from < 15000);
    sem_post(&go_on);
    int64_t deadline = now_ms() + WAIT_MS;
    while (outcomes_reported(o, 10) < 10 && now_ms() < deadline) pause_ms(2);
    CHECK_OUTCOMES(o, 10);
    free(o);
}

static atomic_int log_lines;

static void on_log(int32_t level, const char *facility, const char *message, void *opaque) {
    (void)level, (void)facility, (void)message;
    CHECK(!pthread_equal(*(pthread_t *)opaque, pthread_self()));
    atomic_fetch_add(&log_lines, 1);
}

static void log_lines_too(void) {
    check_case("log lines come on that thread too");
    pthread_t me = pthread_self();
    producer_config_t *c = config_of("127.0.0.1:1", "delivery.dispatch", "thread", "log_level", "7", NULL);
    REQUIRE_OK(producer_config_set_log_callback(c, on_log, &me));
    producer_t *p = NULL;
    REQUIRE_OK(producer_new(c, &p));
    producer_config_free(c);
    int64_t deadline = now_ms() + WAIT_MS;
    while (log_lines == 0 && now_ms() < deadline) pause_ms(2);
    CHECK(log_lines > 0);
    CHECK_STATUS_OR(producer_close(p, 0), PRODUCER_OK, PRODUCER_ERR_TIMED_OUT);
}

static void only_errors(producer_mock_cluster_t *mock) {
    check_case("only errors: delivered records make no report, failed ones do, flush waits for both");
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "delivery.report.only.error", "true", "linger.ms", "60000",
                                "delivery.timeout.ms", "120000", "delivery.reports.max.count", "1000", NULL);
    struct outcome *o = outcomes_new(RECORDS);
    int64_t before = log_end(mock, "t", 1);
    for (size_t i = 0; i < RECORDS; i++) REQUIRE_OK(send_text(p, "t", 1, "x", &o[i]));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_INT(log_end(mock, "t", 1), before + RECORDS);
    CHECK_INT(outcomes_reported(o, RECORDS), 0);
    memset(o, 0, sizeof *o * 100);
    for (size_t i = 0; i < 100; i++) REQUIRE_OK(send_text(p, "t", 1, "x", &o[i]));
    CHECK_OK(producer_purge(p, PRODUCER_PURGE_QUEUED | PRODUCER_PURGE_IN_FLIGHT));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, 100, PRODUCER_ERR_PURGED);
    CHECK_OK(producer_close(p, WAIT_MS));
    free(o);
}

static void only_errors_and_futures(producer_mock_cluster_t *mock) {
    check_case("only errors, with the thread: futures complete and call back for both outcomes");
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "delivery.dispatch", "thread", "delivery.report.only.error",
                                "true", "linger.ms", "60000", "delivery.timeout.ms", "120000", NULL);
    producer_record_t r = PRODUCER_RECORD_INIT;
    producer_future_t *future[2] = {NULL, NULL};
    struct outcome *o = outcomes_new(2);
    seen_any = false;
    for (int i = 0; i < 2; i++) {
        r.topic = "t", r.partition = i, r.value = "x", r.value_len = 1;
        REQUIRE_OK(producer_send_future(p, &r, &future[i]));
        REQUIRE_OK(producer_future_when_complete(future[i], on_thread, &o[i]));
        if (i == 0) CHECK_OK(producer_flush(p, WAIT_MS)); /* the first is delivered, the second lingers and is purged */
    }
    CHECK_INT(outcomes_reported(o, 1), 1);
    CHECK_OK(producer_purge(p, PRODUCER_PURGE_QUEUED));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, 1, PRODUCER_OK);
    CHECK_ALL(o + 1, 1, PRODUCER_ERR_PURGED);
    CHECK(!pthread_equal(seen_on, pthread_self()));
    CHECK_OK(producer_future_await(future[0], WAIT_MS, NULL));
    CHECK_STATUS(producer_future_await(future[1], WAIT_MS, NULL), PRODUCER_ERR_PURGED);
    CHECK_OK(producer_close(p, WAIT_MS));
    for (int i = 0; i < 2; i++) producer_future_free(future[i]);
    free(o);
}

int main(void) {
    check_begin();
    producer_mock_cluster_t *mock = mock_of(1, "t", 2);
    nobody_polls(mock);
    close_runs_them(mock);
    a_callback_that_does_not_return(mock);
    an_interceptor_hears_of_the_end_last(mock);
    log_lines_too();
    only_errors(mock);
    only_errors_and_futures(mock);
    producer_mock_cluster_free(mock);
    return check_end();
}
