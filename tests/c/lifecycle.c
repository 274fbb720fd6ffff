/* Close, flush and purge: bounded in time, and every accepted record gets exactly one report. */
#include "check.h"

#define MANY 500

static producer_t *at(producer_mock_cluster_t *mock, const char *linger_ms) {
    return producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", linger_ms, NULL);
}

static void close_twice(producer_mock_cluster_t *mock) {
    check_case("close twice, send after close");
    producer_t *p = producer_at(mock);
    warm_up(p, "t", 0);
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_STATUS(producer_close(p, WAIT_MS), PRODUCER_ERR_CLOSED);
    struct outcome *o = outcomes_new(1);
    CHECK_STATUS(send_text(p, "t", 0, "after close", o), PRODUCER_ERR_CLOSED);
    CHECK_INT(o->reports, 0);
    free(o);
    int64_t from = now_ms();
    p = producer_at(mock);
    CHECK_OK(producer_close(p, -1)); /* never used */
    CHECK(now_ms() - from < 2000);
}

struct closer {
    producer_t *producer;
    producer_status_t status;
};

static void *close_thread(void *opaque) {
    struct closer *c = opaque;
    c->status = producer_close(c->producer, WAIT_MS);
    return NULL;
}

static void close_from_threads(producer_mock_cluster_t *mock) {
    check_case("close from eight threads: one wins, the others get CLOSED");
    for (int round = 0; round < 20; round++) {
        pthread_t threads[8];
        struct closer closers[8];
        producer_t *p = producer_at(mock);
        struct outcome *o = outcomes_new(MANY);
        send_numbered(p, "t", 0, "x", o, MANY);
        for (int i = 0; i < 8; i++) {
            closers[i].producer = p;
            REQUIRE(pthread_create(&threads[i], NULL, close_thread, &closers[i]) == 0);
        }
        int won = 0;
        for (int i = 0; i < 8; i++) {
            pthread_join(threads[i], NULL);
            if (closers[i].status == PRODUCER_OK) won++;
            else CHECK_STATUS(closers[i].status, PRODUCER_ERR_CLOSED);
        }
        CHECK_INT(won, 1);
        CHECK_ALL(o, MANY, PRODUCER_OK);
        free(o);
    }
}

static void close_with_records_outstanding(void) {
    check_case("close with a broker that does not answer: bounded, one report each");
    int32_t timeouts[] = {0, 500};
    for (size_t t = 0; t < 2; t++) {
        producer_mock_cluster_t *mock = mock_of(1, "t", 2);
        producer_t *p = at(mock, "0");
        int32_t broker = warm_up(p, "t", 0);
        REQUIRE_OK(producer_mock_cluster_broker_freeze(mock, broker));
        struct outcome *o = outcomes_new(MANY);
        send_numbered(p, "t", 0, "out", o, MANY);
        int64_t from = now_ms();
        CHECK_STATUS_OR(producer_close(p, timeouts[t]), PRODUCER_OK, PRODUCER_ERR_TIMED_OUT);
        int64_t took = now_ms() - from;
        CHECK(took < timeouts[t] + 1000);
        CHECK(took >= timeouts[t] - 50);
        CHECK_ALL(o, MANY, PRODUCER_ERR_CLOSED);
        REQUIRE_OK(producer_mock_cluster_broker_thaw(mock, broker));
        check_log(mock, "t", 0, "out", o, MANY, true);
        producer_mock_cluster_free(mock);
        free(o);
    }
    check_case("close sends what lingers");
    producer_mock_cluster_t *mock = mock_of(1, "t", 2);
    producer_t *p = at(mock, "60000");
    struct outcome *o = outcomes_new(MANY);
    send_numbered(p, "t", 1, "late", o, MANY);
    int64_t from = now_ms();
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK(now_ms() - from < 5000);
    CHECK_ALL(o, MANY, PRODUCER_OK);
    check_log(mock, "t", 1, "late", o, MANY, false);
    producer_mock_cluster_free(mock);
    free(o);
}

static void flush_timeouts(void) {
    check_case("flush: 0 does not wait, a timeout keeps its time, and nothing is lost by it");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = at(mock, "0");
    int32_t broker = warm_up(p, "t", 0);
    CHECK_OK(producer_flush(p, 0)); /* nothing outstanding */
    REQUIRE_OK(producer_mock_cluster_broker_freeze(mock, broker));
    struct outcome *o = outcomes_new(MANY);
    send_numbered(p, "t", 0, "f", o, MANY);
    int64_t from = now_ms();
    CHECK_STATUS(producer_flush(p, 0), PRODUCER_ERR_TIMED_OUT);
    CHECK(now_ms() - from < 200);
    from = now_ms();
    CHECK_STATUS(producer_flush(p, 300), PRODUCER_ERR_TIMED_OUT);
    CHECK(now_ms() - from >= 250 && now_ms() - from < 1300);
    CHECK_INT(outcomes_reported(o, MANY), 0);
    REQUIRE_OK(producer_mock_cluster_broker_thaw(mock, broker));
    CHECK_OK(producer_flush(p, -1));
    CHECK_ALL(o, MANY, PRODUCER_OK);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void flush_overrides_linger(producer_mock_cluster_t *mock) {
    check_case("flush overrides linger.ms, only for what was sent before it");
    producer_t *p = at(mock, "60000");
    struct outcome *o = outcomes_new(MANY + 1);
    send_numbered(p, "t", 0, "l", o, MANY);
    int64_t from = now_ms();
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK(now_ms() - from < 5000);
    CHECK_ALL(o, MANY, PRODUCER_OK); /* dispatched when flush returns */
    CHECK_OK(send_text(p, "t", 0, "after", &o[MANY]));
    producer_poll(p, 300);
    CHECK_INT(o[MANY].reports, 0); /* lingers again */
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_ALL(&o[MANY], 1, PRODUCER_OK);
    free(o);
}

struct flusher {
    producer_t *producer;
    struct outcome *outcomes;
    atomic_bool stop;
    atomic_int_fast64_t sent, slowest_ms;
};

static void *flush_thread(void *opaque) {
    struct flusher *f = opaque;
    CHECK_OK(producer_flush(f->producer, WAIT_MS));
    CHECK_INT(outcomes_reported(f->outcomes, MANY), MANY);
    return NULL;
}

static void *send_thread(void *opaque) {
    struct flusher *f = opaque;
    while (!atomic_load(&f->stop)) {
        int64_t from = now_ms();
        CHECK_OK(send_text(f->producer, "t", 1, "meanwhile", NULL));
        int64_t took = now_ms() - from;
        if (took > f->slowest_ms) f->slowest_ms = took;
        if (++f->sent % 100 == 0) pause_ms(1);
    }
    return NULL;
}

static void concurrent_flushes(producer_mock_cluster_t *mock) {
    check_case("several flushes at once while another thread keeps sending");
    struct flusher f = {at(mock, "60000"), outcomes_new(MANY), false, 0, 0};
    pthread_t sender, threads[4];
    send_numbered(f.producer, "t", 0, "c", f.outcomes, MANY);
    REQUIRE(pthread_create(&sender, NULL, send_thread, &f) == 0);
    /* A busy machine may give the sender its first turn late. */
    for (int waited_ms = 0; atomic_load(&f.sent) == 0 && waited_ms < WAIT_MS; waited_ms++) pause_ms(1);
    int64_t from = now_ms();
    for (int i = 0; i < 4; i++) REQUIRE(pthread_create(&threads[i], NULL, flush_thread, &f) == 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    CHECK(now_ms() - from < 10000);
    for (int i = 0; i < 20; i++) CHECK_OK(producer_flush(f.producer, WAIT_MS)); /* again and again, sends going on */
    atomic_store(&f.stop, true);
    pthread_join(sender, NULL);
    CHECK(f.sent > 0);
    CHECK(f.slowest_ms < 1000);
    CHECK_ALL(f.outcomes, MANY, PRODUCER_OK);
    CHECK_OK(producer_close(f.producer, WAIT_MS));
    free(f.outcomes);
}

static void purge(void) {
    check_case("purge of what is queued: PURGED, and not in the log");
    producer_mock_cluster_t *mock = mock_of(1, "t", 2);
    producer_t *p = at(mock, "60000");
    struct outcome *o = outcomes_new(MANY);
    send_numbered(p, "t", 0, "q", o, MANY);
    CHECK_OK(producer_purge(p, PRODUCER_PURGE_QUEUED));
    CHECK(wait_for_reports(p, o, MANY, WAIT_MS));
    CHECK_ALL(o, MANY, PRODUCER_ERR_PURGED);
    for (int i = 0; i < MANY; i++)
        if (!CHECK_INT(o[i].persisted, PRODUCER_PERSISTED_NO)) break;
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_INT(log_end(mock, "t", 0), 0);
    CHECK_OK(producer_close(p, WAIT_MS));
    free(o);

    check_case("purge of what is in flight: PURGED, perhaps in the log");
    p = at(mock, "0");
    o = outcomes_new(MANY);
    int32_t broker = warm_up(p, "t", 1);
    REQUIRE_OK(producer_mock_cluster_broker_freeze(mock, broker));
    send_numbered(p, "t", 1, "i", o, MANY);
    for (int i = 0; i < 3; i++) producer_poll(p, 100); /* time to be written */
    CHECK_OK(producer_purge(p, PRODUCER_PURGE_QUEUED)); /* leaves the first request alone */
    producer_poll(p, 200);
    CHECK_INT(o[0].reports, 0);
    CHECK_OK(producer_purge(p, PRODUCER_PURGE_QUEUED | PRODUCER_PURGE_IN_FLIGHT));
    CHECK(wait_for_reports(p, o, MANY, WAIT_MS));
    CHECK_ALL(o, MANY, PRODUCER_ERR_PURGED);
    CHECK_INT(o[0].persisted, PRODUCER_PERSISTED_MAYBE);
    REQUIRE_OK(producer_mock_cluster_broker_thaw(mock, broker));
    warm_up(p, "t", 1); /* goes on as if nothing had been */
    check_log(mock, "t", 1, "i", o, MANY, true);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

int main(void) {
    check_begin();
    producer_mock_cluster_t *mock = mock_of(1, "t", 2);
    close_twice(mock);
    close_from_threads(mock);
    close_with_records_outstanding();
    flush_timeouts();
    flush_overrides_linger(mock);
    concurrent_flushes(mock);
    purge();
    producer_mock_cluster_free(mock);
    return check_end();
}
