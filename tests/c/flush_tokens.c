/* Flushes of one topic, and flushes that are begun here and waited for there. */
#include "check.h"

#include <sys/wait.h>

#define RECORDS 50
#define THREADS 8

/* Lingers for longer than any test waits: what arrives was flushed. */
static producer_t *lingering(producer_mock_cluster_t *mock) {
    return producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "60000", NULL);
}

static producer_flush_t *begin(producer_t *p, const char *topic) {
    producer_flush_t *flush = NULL;
    REQUIRE_OK(producer_flush_begin(p, topic, &flush));
    REQUIRE(flush != NULL);
    return flush;
}

static void one_topic(producer_mock_cluster_t *mock) {
    producer_t *p = lingering(mock);
    struct outcome *a = outcomes_new(3 * RECORDS), *b = outcomes_new(2 * RECORDS);

    for (int round = 0; round < 2; round++) {
        check_case(round == 0 ? "a flush of one topic, whose records wait for metadata" : "and once it is known");
        send_numbered(p, "a", 0, "a", a + round * RECORDS, RECORDS / 2);
        send_numbered(p, "a", 1, "a", a + round * RECORDS + RECORDS / 2, RECORDS / 2);
        send_numbered(p, "b", 0, "b", b + round * RECORDS, RECORDS);
        CHECK_OK(producer_flush_topic(p, "a", WAIT_MS));
        CHECK_ALL(a, (size_t)(round + 1) * RECORDS, PRODUCER_OK);
        CHECK_INT(outcomes_reported(b, 2 * RECORDS), 0);
        CHECK_INT(log_end(mock, "b", 0), 0); /* it goes on lingering */
    }
    CHECK_OK(producer_flush_topic(p, "b", WAIT_MS));
    CHECK_ALL(b, 2 * RECORDS, PRODUCER_OK);

    check_case("a topic that nothing was sent to has nothing to wait for");
    CHECK_OK(producer_flush_topic(p, "nobody", 0));
    const producer_topic_t *named = NULL;
    REQUIRE_OK(producer_topic(p, "named", &named));
    CHECK_OK(producer_flush_topic(p, "named", 0));
    CHECK_OK(producer_flush_topic(p, "a", 0));

    check_case("a topic whose broker does not answer is waited for in its own flush only");
    REQUIRE_OK(producer_mock_cluster_partition_set_leader(mock, "b", 0, 2));
    struct outcome *stuck = outcomes_new(1);
    CHECK_OK(producer_mock_cluster_broker_freeze(mock, 2));
    REQUIRE_OK(send_text(p, "b", 0, "stuck", stuck));
    send_numbered(p, "a", 0, "a", a + 2 * RECORDS, RECORDS);
    CHECK_STATUS(producer_flush_topic(p, "b", 0), PRODUCER_ERR_TIMED_OUT);
    CHECK_SAYS(producer_last_error(), "'b'");
    CHECK_OK(producer_flush_topic(p, "a", WAIT_MS));
    CHECK_ALL(a, 3 * RECORDS, PRODUCER_OK);
    CHECK_STATUS(producer_flush(p, 50), PRODUCER_ERR_TIMED_OUT);
    CHECK_INT(stuck->reports, 0);
    CHECK_OK(producer_mock_cluster_broker_thaw(mock, 2));
    CHECK_OK(producer_flush_topic(p, "b", WAIT_MS));
    CHECK_INT(stuck->reports, 1);
    CHECK_OK(producer_close(p, WAIT_MS));
    free(a), free(b), free(stuck);
}

static void tokens(producer_mock_cluster_t *mock) {
    check_case("a flush is begun, more is sent, and only what came before is waited for");
    producer_t *p = lingering(mock);
    /* Records that wait for metadata would all go together when it comes. */
    REQUIRE_OK(send_text(p, "tokens", 0, "warm-up", NULL));
    CHECK_OK(producer_flush(p, WAIT_MS));
    struct outcome *before = outcomes_new(RECORDS), *after = outcomes_new(RECORDS);
    send_numbered(p, "tokens", 0, "before", before, RECORDS);
    producer_flush_t *flush = begin(p, NULL);
    send_numbered(p, "tokens", 1, "after", after, RECORDS);
    CHECK_OK(producer_flush_wait(p, flush, WAIT_MS));
    CHECK_ALL(before, RECORDS, PRODUCER_OK);
    CHECK_INT(outcomes_reported(after, RECORDS), 0);
    CHECK(producer_flush_is_complete(flush));
    CHECK_OK(producer_flush_wait(p, flush, 0)); /* again */
    producer_flush_free(flush);

    check_case("it goes on by itself: who polls sees it complete");
    flush = begin(p, "tokens");
    int64_t deadline = now_ms() + WAIT_MS;
    while (!producer_flush_is_complete(flush) && now_ms() < deadline) REQUIRE(producer_poll(p, 100) >= 0);
    CHECK(producer_flush_is_complete(flush));
    CHECK_ALL(after, RECORDS, PRODUCER_OK);
    producer_flush_free(flush);
    flush = begin(p, "nobody");
    CHECK(producer_flush_is_complete(flush));
    producer_flush_free(flush);

    check_case("a wait whose time is over keeps the flush");
    struct outcome *late = outcomes_new(1);
    CHECK_OK(producer_mock_cluster_broker_freeze(mock, 1));
    CHECK_OK(producer_mock_cluster_broker_freeze(mock, 2));
    REQUIRE_OK(send_text(p, "tokens", 0, "late", late));
    flush = begin(p, NULL);
    CHECK_STATUS(producer_flush_wait(p, flush, 0), PRODUCER_ERR_TIMED_OUT);
    CHECK_STATUS(producer_flush_wait(p, flush, 50), PRODUCER_ERR_TIMED_OUT);
    CHECK(!producer_flush_is_complete(flush));
    producer_flush_t *forgotten = begin(p, NULL);
    producer_flush_free(forgotten); /* its records go on */
    CHECK_OK(producer_mock_cluster_broker_thaw(mock, 1));
    CHECK_OK(producer_mock_cluster_broker_thaw(mock, 2));
    CHECK_OK(producer_flush_wait(p, flush, -1));
    CHECK_ALL(late, 1, PRODUCER_OK);

    check_case("after the producer was closed it is complete, and only freeing is left");
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK(producer_flush_is_complete(flush));
    CHECK_STATUS(producer_flush_wait(p, flush, 0), PRODUCER_ERR_CLOSED);
    producer_flush_free(flush);
    flush = NULL;
    CHECK_STATUS(producer_flush_begin(p, NULL, &flush), PRODUCER_ERR_CLOSED);
    CHECK(flush == NULL);
    free(before), free(after), free(late);
}

struct waiter {
    producer_t *p;
    producer_flush_t *flush;
};

static void *wait_for_it(void *opaque) {
    struct waiter *w = opaque;
    CHECK_OK(producer_flush_wait(w->p, w->flush, WAIT_MS));
    CHECK(producer_flush_is_complete(w->flush));
    return NULL;
}

static void many_threads(producer_mock_cluster_t *mock) {
    check_case("eight threads wait for one flush");
    struct waiter w = {lingering(mock), NULL};
    struct outcome *o = outcomes_new(20 * RECORDS);
    for (size_t round = 0; round < 20; round++) {
        pthread_t threads[THREADS];
        send_numbered(w.p, "many", 0, "m", o + round * RECORDS, RECORDS);
        w.flush = begin(w.p, round % 2 ? "many" : NULL);
        for (int i = 0; i < THREADS; i++) REQUIRE(pthread_create(&threads[i], NULL, wait_for_it, &w) == 0);
        for (int i = 0; i < THREADS; i++) REQUIRE(pthread_join(threads[i], NULL) == 0);
        CHECK_ALL(o, (round + 1) * RECORDS, PRODUCER_OK);
        producer_flush_free(w.flush);
    }
    CHECK_OK(producer_close(w.p, WAIT_MS));
    free(o);
}

struct inside {
    producer_t *p;
    producer_flush_t *flush;
    struct outcome *o;
};

static void on_report(const producer_report_t *report, void *opaque) {
    struct inside *in = opaque;
    CHECK_INT(report->status, PRODUCER_OK);
    REQUIRE_OK(send_text(in->p, "inside", 0, "from a callback", in->o));
    in->flush = begin(in->p, "inside");
    CHECK(!producer_flush_is_complete(in->flush));
    CHECK_STATUS(producer_flush_wait(in->p, in->flush, 0), PRODUCER_ERR_IN_CALLBACK);
    CHECK_STATUS(producer_flush_topic(in->p, "inside", 0), PRODUCER_ERR_IN_CALLBACK);
    CHECK_SAYS(producer_last_error(), "producer_flush_topic");
}

static void in_callbacks(producer_mock_cluster_t *mock) {
    check_case("a callback may begin a flush, not wait for it");
    struct inside in = {lingering(mock), NULL, outcomes_new(1)};
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "inside", r.partition = 0, r.value = "v", r.value_len = 1;
    REQUIRE_OK(producer_send(in.p, &r, on_report, &in));
    CHECK_OK(producer_flush(in.p, WAIT_MS));
    REQUIRE(in.flush != NULL);
    CHECK_OK(producer_flush_wait(in.p, in.flush, WAIT_MS));
    CHECK_ALL(in.o, 1, PRODUCER_OK);
    producer_flush_free(in.flush);
    CHECK_OK(producer_close(in.p, WAIT_MS));
    free(in.o);
}

static void bad_input(producer_mock_cluster_t *mock) {
    check_case("bad input");
    producer_t *p = producer_at(mock), *other = producer_at(mock);
    producer_flush_t *flush = NULL;
    CHECK_STATUS(producer_flush_begin(NULL, NULL, &flush), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_flush_begin(p, NULL, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "flush");
    CHECK_STATUS(producer_flush_begin(p, "not legal", &flush), PRODUCER_ERR_INVALID_TOPIC_EXCEPTION);
    CHECK_STATUS(producer_flush_begin(p, "", &flush), PRODUCER_ERR_INVALID_TOPIC_EXCEPTION);
    CHECK_STATUS(producer_flush_begin(p, "\xff", &flush), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK(flush == NULL);
    CHECK_STATUS(producer_flush_topic(NULL, "t", 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_flush_topic(p, NULL, 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_flush_topic(p, "..", 0), PRODUCER_ERR_INVALID_TOPIC_EXCEPTION);
    CHECK_STATUS(producer_flush_topic(p, "t", -2), PRODUCER_ERR_INVALID_ARGUMENT);
    flush = begin(p, NULL);
    char stray[200] = {0};
    CHECK_STATUS(producer_flush_wait(NULL, flush, 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_flush_wait(p, NULL, 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_flush_wait(p, (producer_flush_t *)(void *)stray, 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_flush_wait(p, flush, -2), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_flush_wait(other, flush, 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "another producer");
    CHECK(!producer_flush_is_complete(NULL));
    producer_flush_free(NULL);

    check_case("in the child of a fork");
    fflush(stdout);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        alarm(25);
        producer_flush_t *none = NULL;
        CHECK_STATUS(producer_flush_begin(p, NULL, &none), PRODUCER_ERR_FORKED);
        CHECK_STATUS(producer_flush_topic(p, "t", -1), PRODUCER_ERR_FORKED);
        CHECK_STATUS(producer_flush_wait(p, flush, -1), PRODUCER_ERR_FORKED);
        CHECK(!producer_flush_is_complete(flush));
        producer_flush_free(flush);
        fflush(stdout);
        _exit(check_failures == 0 ? 0 : 1);
    }
    int status = -1;
    REQUIRE(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_OK(producer_flush_wait(p, flush, WAIT_MS));
    producer_flush_free(flush);
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_OK(producer_close(other, WAIT_MS));
}

int main(void) {
    check_begin();
    producer_mock_cluster_t *mock = mock_of(2, "a", 2);
    const char *topics[] = {"b", "many", "inside"};
    for (int i = 0; i < 3; i++) REQUIRE_OK(producer_mock_cluster_topic_create(mock, topics[i], 1, 1));
    REQUIRE_OK(producer_mock_cluster_topic_create(mock, "tokens", 2, 1));
    for (int i = 0; i < 2; i++) REQUIRE_OK(producer_mock_cluster_partition_set_leader(mock, "a", i, 1));
    REQUIRE_OK(producer_mock_cluster_partition_set_leader(mock, "b", 0, 1));
    one_topic(mock);
    tokens(mock);
    many_threads(mock);
    in_callbacks(mock);
    bad_input(mock);
    producer_mock_cluster_free(mock);
    return check_end();
}
