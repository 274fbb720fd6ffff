/* Futures: awaited by nobody's polling, by many threads, with callbacks early and late, freed at any time, closed under. */
#include "check.h"

#include <sys/wait.h>

#define RECORDS 100
#define THREADS 8

/* Lingers for longer than any test waits: what arrives was not left to linger. */
static producer_t *lingering(producer_mock_cluster_t *mock) {
    return producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "60000", NULL);
}

static producer_future_t *send_future(producer_t *p, const char *topic, int32_t partition, const char *value) {
    producer_record_t r = PRODUCER_RECORD_INIT;
    producer_future_t *future = NULL;
    r.topic = topic, r.partition = partition, r.key = "key", r.key_len = 3, r.value = value, r.value_len = strlen(value);
    REQUIRE_OK(producer_send_future(p, &r, &future));
    REQUIRE(future != NULL);
    return future;
}

struct heard {
    atomic_int count;
    pthread_t thread;
    producer_status_t status;
    int64_t offset;
    int order;
};

static atomic_int heard_in_all;

static void on_complete(const producer_report_t *report, void *opaque) {
    struct heard *h = opaque;
    CHECK(report->opaque == opaque);
    h->thread = pthread_self();
    h->status = report->status;
    h->offset = report->offset;
    h->order = atomic_fetch_add(&heard_in_all, 1);
    atomic_fetch_add(&h->count, 1);
}

static bool poll_until(producer_t *p, atomic_int *count, int wanted) {
    int64_t deadline = now_ms() + WAIT_MS;
    while (atomic_load(count) < wanted && now_ms() < deadline)
        if (producer_poll(p, 100) < 0) return false;
    return atomic_load(count) >= wanted;
}

static void awaiting(producer_mock_cluster_t *mock) {
    check_case("awaiting needs nobody who polls and overrides linger.ms, for a record that waits for metadata too");
    producer_t *p = lingering(mock);
    for (int64_t i = 0; i < 3; i++) {
        producer_report_t report = PRODUCER_REPORT_INIT;
        producer_future_t *future = send_future(p, "t", 0, "value");
        CHECK(!producer_future_is_complete(future));
        CHECK_OK(producer_future_await(future, WAIT_MS, &report));
        CHECK(producer_future_is_complete(future));
        CHECK_INT(report.struct_size, sizeof report);
        CHECK_INT(report.status, PRODUCER_OK);
        CHECK_INT(report.partition, 0);
        CHECK_INT(report.offset, i);
        CHECK_INT(report.key_len, 3);
        CHECK_INT(report.value_len, 5);
        CHECK_INT(report.persisted, PRODUCER_PERSISTED_YES);
        CHECK_INT(report.broker_id, 1);
        CHECK(strcmp(report.topic, "t") == 0 && report.opaque == NULL && report.error_text == NULL);
        CHECK_OK(producer_future_await(future, 0, NULL)); /* again, and without a report */
        producer_future_free(future);
    }
    CHECK_INT(producer_poll(p, 0), 0); /* futures leave nothing to dispatch */

    check_case("only the batch that is awaited, and those before it, stop lingering");
    producer_future_t *here = send_future(p, "t", 0, "here");
    producer_future_t *there = send_future(p, "t", 1, "there");
    CHECK_OK(producer_future_await(here, WAIT_MS, NULL));
    CHECK(!producer_future_is_complete(there));
    CHECK_INT(log_end(mock, "t", 1), 0);
    producer_future_free(here);
    CHECK_OK(producer_flush(p, WAIT_MS)); /* complete when the flush is */
    CHECK(producer_future_is_complete(there));
    producer_future_free(there);

    check_case("the time of an await is kept, and the record goes on");
    producer_mock_cluster_broker_freeze(mock, 1);
    producer_report_t report = PRODUCER_REPORT_INIT;
    producer_future_t *late = send_future(p, "t", 0, "late");
    int64_t begun = now_ms();
    CHECK_STATUS(producer_future_await(late, 0, &report), PRODUCER_ERR_TIMED_OUT);
    CHECK_STATUS(producer_future_await(late, 50, &report), PRODUCER_ERR_TIMED_OUT);
    CHECK_SAYS(producer_last_error(), "50 ms");
    CHECK(now_ms() - begun >= 50 && now_ms() - begun < 5000);
    CHECK_INT(report.offset, -1); /* untouched */
    producer_mock_cluster_broker_thaw(mock, 1);
    CHECK_OK(producer_future_await(late, -1, &report));
    CHECK_INT(report.offset, 4);
    producer_future_free(late);
    CHECK_OK(producer_close(p, WAIT_MS));
}

static void *await_it(void *future) {
    producer_report_t *report = calloc(1, sizeof *report);
    REQUIRE(report != NULL);
    report->struct_size = sizeof *report;
    CHECK_OK(producer_future_await(future, WAIT_MS, report));
    return report;
}

static void many_threads(producer_mock_cluster_t *mock) {
    check_case("eight threads await one future, and each hears the same");
    producer_t *p = lingering(mock);
    for (int round = 0; round < 20; round++) {
        pthread_t threads[THREADS];
        producer_future_t *future = send_future(p, "many", 0, "value");
        for (int i = 0; i < THREADS; i++) REQUIRE(pthread_create(&threads[i], NULL, await_it, future) == 0);
        for (int i = 0; i < THREADS; i++) {
            void *answer;
            REQUIRE(pthread_join(threads[i], &answer) == 0);
            producer_report_t *report = answer;
            CHECK_INT(report->offset, round);
            CHECK(strcmp(report->topic, "many") == 0);
            free(report);
        }
        producer_future_free(future);
    }
    CHECK_OK(producer_close(p, WAIT_MS));
}

static void callbacks(producer_mock_cluster_t *mock) {
    check_case("callbacks given before the outcome run where reports are dispatched, later ones at once");
    producer_t *p = producer_at(mock);
    struct heard early[3] = {0}, late = {0};
    producer_future_t *future = send_future(p, "callbacks", 0, "value");
    for (int i = 0; i < 3; i++) CHECK_OK(producer_future_when_complete(future, on_complete, &early[i]));
    CHECK(poll_until(p, &early[2].count, 1));
    for (int i = 0; i < 3; i++) {
        CHECK_INT(early[i].count, 1);
        CHECK_INT(early[i].offset, 0);
        CHECK(pthread_equal(early[i].thread, pthread_self()));
        CHECK_INT(early[i].order, early[0].order + i);
    }
    CHECK_OK(producer_future_when_complete(future, on_complete, &late));
    CHECK_INT(late.count, 1);
    CHECK_INT(late.offset, 0);
    producer_future_free(future);

    check_case("an await runs them if it comes first, and nobody need poll for them ever");
    producer_t *few = producer_of(producer_mock_cluster_bootstrap_servers(mock), "delivery.reports.max.count", "10", NULL);
    for (int i = 0; i < RECORDS; i++) {
        struct heard h = {0};
        future = send_future(few, "callbacks", 0, "value");
        CHECK_OK(producer_future_when_complete(future, on_complete, &h));
        CHECK_OK(producer_future_await(future, WAIT_MS, NULL));
        CHECK_INT(h.count, 1);
        producer_future_free(future);
    }
    check_case("futures without callbacks do not count among the reports that wait");
    producer_future_t *futures[RECORDS];
    for (int i = 0; i < RECORDS; i++) futures[i] = send_future(few, "callbacks", 0, "value");
    for (int i = 0; i < RECORDS; i++) {
        CHECK_OK(producer_future_await(futures[i], WAIT_MS, NULL));
        producer_future_free(futures[i]);
    }
    CHECK_OK(producer_close(few, WAIT_MS));

    check_case("a flush has run them, among delivery callbacks of the same batch");
    struct heard h = {0};
    struct outcome *o = outcomes_new(2);
    REQUIRE_OK(send_text(p, "callbacks", 1, "first", &o[0]));
    future = send_future(p, "callbacks", 1, "second");
    CHECK_OK(producer_future_when_complete(future, on_complete, &h));
    REQUIRE_OK(send_text(p, "callbacks", 1, "third", &o[1]));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_INT(h.count, 1);
    CHECK_INT(h.offset, 1);
    CHECK_ALL(o, 2, PRODUCER_OK);
    CHECK_INT(o[1].offset, 2);
    producer_future_free(future);
    free(o);

    check_case("with delivery.dispatch=thread nobody polls, and the callback still runs");
    struct heard threaded = {0};
    producer_t *own = producer_of(producer_mock_cluster_bootstrap_servers(mock), "delivery.dispatch", "thread", NULL);
    future = send_future(own, "callbacks", 1, "threaded");
    CHECK_OK(producer_future_when_complete(future, on_complete, &threaded));
    int64_t deadline = now_ms() + WAIT_MS;
    while (threaded.count == 0 && now_ms() < deadline) pause_ms(1);
    CHECK_INT(threaded.count, 1);
    CHECK(!pthread_equal(threaded.thread, pthread_self()));
    producer_future_free(future);
    CHECK_OK(producer_close(own, WAIT_MS));

    check_case("a future may be freed at any time: its record goes on, its callbacks run");
    struct heard after = {0};
    future = send_future(p, "callbacks", 2, "freed");
    CHECK_OK(producer_future_when_complete(future, on_complete, &after));
    producer_future_free(future);
    producer_future_free(send_future(p, "callbacks", 2, "forgotten"));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_INT(after.count, 1);
    CHECK_INT(log_count(mock, "callbacks", 2, "freed"), 1);
    CHECK_INT(log_count(mock, "callbacks", 2, "forgotten"), 1);
    CHECK_OK(producer_close(p, WAIT_MS));
}

struct inside {
    producer_t *p;
    producer_future_t *pending, *complete, *made;
    atomic_int count;
};

static void on_inside(const producer_report_t *report, void *opaque) {
    struct inside *in = opaque;
    CHECK_INT(report->status, PRODUCER_OK);
    CHECK_STATUS(producer_future_await(in->pending, WAIT_MS, NULL), PRODUCER_ERR_IN_CALLBACK);
    CHECK_SAYS(producer_last_error(), "producer_future_when_complete");
    CHECK_OK(producer_future_await(in->complete, WAIT_MS, NULL));
    CHECK(producer_future_is_complete(in->complete));
    in->made = send_future(in->p, "t", 0, "from a callback");
    atomic_fetch_add(&in->count, 1);
}

static void in_callbacks(producer_mock_cluster_t *mock) {
    check_case("in a callback only what is complete may be awaited, and futures may be sent");
    struct inside in = {lingering(mock), NULL, NULL, NULL, 0};
    in.complete = send_future(in.p, "t", 0, "complete");
    CHECK_OK(producer_future_await(in.complete, WAIT_MS, NULL));
    in.pending = send_future(in.p, "t", 1, "lingers");
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.partition = 0, r.value = "v", r.value_len = 1;
    REQUIRE_OK(producer_send(in.p, &r, on_inside, &in));
    producer_future_t *behind = send_future(in.p, "t", 0, "behind");
    CHECK_OK(producer_future_await(behind, WAIT_MS, NULL)); /* sends the batch of both */
    CHECK(poll_until(in.p, &in.count, 1));
    CHECK_OK(producer_future_await(in.made, WAIT_MS, NULL));
    producer_future_free(behind);
    producer_future_free(in.made);
    producer_future_free(in.complete);
    CHECK_OK(producer_close(in.p, WAIT_MS));
    CHECK_OK(producer_future_await(in.pending, 0, NULL)); /* closing has sent it */
    producer_future_free(in.pending);
}

static void *await_closed(void *future) {
    CHECK_STATUS(producer_future_await(future, -1, NULL), PRODUCER_ERR_CLOSED);
    return NULL;
}

static void failures(producer_mock_cluster_t *mock) {
    check_case("the outcome of a record that failed is its own status, with its cause");
    producer_t *p = producer_at(mock);
    producer_report_t report = PRODUCER_REPORT_INIT;
    warm_up(p, "t", 0);
    REQUIRE_OK(producer_mock_cluster_push_error(mock, API_PRODUCE, PRODUCER_ERR_TOPIC_AUTHORIZATION_FAILED, 1));
    producer_future_t *future = send_future(p, "t", 0, "forbidden");
    CHECK_STATUS(producer_future_await(future, WAIT_MS, &report), PRODUCER_ERR_TOPIC_AUTHORIZATION_FAILED);
    CHECK(strlen(producer_last_error()) > 10);
    CHECK_INT(report.status, PRODUCER_ERR_TOPIC_AUTHORIZATION_FAILED);
    CHECK_INT(report.persisted, PRODUCER_PERSISTED_NO);
    CHECK_INT(report.offset, -1);
    CHECK(report.error_text != NULL && strlen(report.error_text) > 10);
    producer_future_free(future);

    check_case("a purge completes futures");
    producer_mock_cluster_broker_freeze(mock, 1);
    future = send_future(p, "t", 0, "purged");
    CHECK_OK(producer_purge(p, PRODUCER_PURGE_QUEUED | PRODUCER_PURGE_IN_FLIGHT));
    CHECK_STATUS(producer_future_await(future, WAIT_MS, NULL), PRODUCER_ERR_PURGED);
    producer_future_free(future);

    check_case("closing completes them, and they may be used after it");
    struct heard early = {0}, late = {0};
    pthread_t waiter;
    producer_future_t *parked = send_future(p, "never.seen", 0, "parked");
    future = send_future(p, "t", 0, "closed");
    CHECK_OK(producer_future_when_complete(future, on_complete, &early));
    producer_future_t *awaited = send_future(p, "t", 0, "awaited");
    REQUIRE(pthread_create(&waiter, NULL, await_closed, awaited) == 0); /* it may come before closing or after it */
    CHECK_STATUS(producer_close(p, 0), PRODUCER_ERR_TIMED_OUT);
    REQUIRE(pthread_join(waiter, NULL) == 0);
    CHECK_INT(early.count, 1);
    CHECK_INT(early.status, PRODUCER_ERR_CLOSED);
    CHECK_STATUS(producer_future_await(future, -1, &report), PRODUCER_ERR_CLOSED);
    CHECK_STATUS(producer_future_await(awaited, -1, NULL), PRODUCER_ERR_CLOSED);
    CHECK_STATUS(producer_future_await(parked, -1, &report), PRODUCER_ERR_CLOSED);
    CHECK(strcmp(report.topic, "never.seen") == 0);
    CHECK_INT(report.phase, PRODUCER_PHASE_METADATA);
    CHECK_OK(producer_future_when_complete(future, on_complete, &late));
    CHECK_INT(late.count, 1);
    CHECK_INT(late.status, PRODUCER_ERR_CLOSED);
    producer_future_free(future);
    producer_future_free(awaited);
    producer_future_free(parked);
    producer_mock_cluster_broker_thaw(mock, 1);
}

static void bad_input(producer_mock_cluster_t *mock) {
    check_case("bad input");
    producer_t *p = producer_at(mock);
    producer_record_t r = PRODUCER_RECORD_INIT;
    producer_report_t report = PRODUCER_REPORT_INIT;
    struct heard h = {0};
    r.topic = "t", r.value = "v", r.value_len = 1;
    producer_future_t *future = NULL;
    CHECK_STATUS(producer_send_future(NULL, &r, &future), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_send_future(p, NULL, &future), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_send_future(p, &r, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "future");
    r.topic = "not legal";
    CHECK_STATUS(producer_send_future(p, &r, &future), PRODUCER_ERR_INVALID_TOPIC_EXCEPTION);
    r.topic = "t", r.partition = -7;
    CHECK_STATUS(producer_send_future(p, &r, &future), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK(future == NULL);
    CHECK_STATUS(producer_future_await(NULL, 0, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK(!producer_future_is_complete(NULL));
    CHECK_STATUS(producer_future_when_complete(NULL, on_complete, &h), PRODUCER_ERR_INVALID_ARGUMENT);
    producer_future_free(NULL);
    char stray[200] = {0};
    CHECK_STATUS(producer_future_await((producer_future_t *)(void *)stray, 0, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    future = send_future(p, "t", 0, "value");
    CHECK_STATUS(producer_future_await(future, -2, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "timeout_ms");
    report.struct_size = 8;
    CHECK_STATUS(producer_future_await(future, WAIT_MS, &report), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "PRODUCER_REPORT_INIT");
    CHECK_STATUS(producer_future_when_complete(future, NULL, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_future_when_complete(future, PRODUCER_QUEUE_REPORT, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "PRODUCER_QUEUE_REPORT");

    check_case("in the child of a fork");
    fflush(stdout);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        alarm(25);
        producer_future_t *none = NULL;
        CHECK_STATUS(producer_future_await(future, -1, NULL), PRODUCER_ERR_FORKED);
        CHECK_STATUS(producer_future_when_complete(future, on_complete, &h), PRODUCER_ERR_FORKED);
        CHECK(!producer_future_is_complete(future));
        producer_future_free(future);
        r.partition = 0;
        CHECK_STATUS(producer_send_future(p, &r, &none), PRODUCER_ERR_FORKED);
        fflush(stdout);
        _exit(check_failures == 0 ? 0 : 1);
    }
    int status = -1;
    REQUIRE(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_OK(producer_future_await(future, WAIT_MS, NULL));
    producer_future_free(future);
    CHECK_OK(producer_close(p, WAIT_MS));
    r.partition = 0, future = NULL;
    CHECK_STATUS(producer_send_future(p, &r, &future), PRODUCER_ERR_CLOSED);
    CHECK(future == NULL);
}

int main(void) {
    check_begin();
    producer_mock_cluster_t *mock = mock_of(1, "t", 3);
    REQUIRE_OK(producer_mock_cluster_topic_create(mock, "many", 1, 1));
    REQUIRE_OK(producer_mock_cluster_topic_create(mock, "callbacks", 3, 1));
    awaiting(mock);
    many_threads(mock);
    callbacks(mock);
    in_callbacks(mock);
    failures(mock);
    bad_input(mock);
    producer_mock_cluster_free(mock);
    return check_end();
}
