/* Sixteen threads send, two poll, two flush, and then somebody closes: one report each, order per thread and partition. */
#include "check.h"

#define SENDERS 16
#define EACH 5000

struct worker {
    producer_t *producer;
    struct outcome *outcomes;
    size_t index, accepted;
    atomic_bool *stop;
    producer_status_t status;
};

static void *send_all(void *opaque) {
    struct worker *w = opaque;
    for (size_t i = 0; i < EACH; i++) {
        char value[32];
        snprintf(value, sizeof value, "%zu-%zu", w->index, i);
        while ((w->status = send_text(w->producer, "t", (int32_t)(w->index % 4), value, &w->outcomes[i])) == PRODUCER_ERR_REPORTS_NOT_TAKEN)
            pause_ms(1);
        if (w->status != PRODUCER_OK) break;
        w->accepted++;
    }
    return NULL;
}

static void *poll_on(void *opaque) {
    struct worker *w = opaque;
    while (!atomic_load(w->stop)) {
        int32_t n = producer_poll(w->producer, 20);
        if (n == PRODUCER_ERR_CLOSED) break;
        if (!CHECK(n >= 0)) break;
    }
    return NULL;
}

static void *flush_on(void *opaque) {
    struct worker *w = opaque;
    while (!atomic_load(w->stop)) {
        producer_status_t status = producer_flush(w->producer, WAIT_MS);
        if (status == PRODUCER_ERR_CLOSED) break;
        if (!CHECK_OK(status)) break;
        pause_ms(5);
    }
    return NULL;
}

static void run(bool close_in_the_middle) {
    atomic_bool stop = false;
    producer_mock_cluster_t *mock = mock_of(3, "t", 4);
    producer_t *p = producer_at(mock);
    struct worker workers[SENDERS + 4];
    pthread_t threads[SENDERS + 4];
    for (size_t i = 0; i < SENDERS + 4; i++) {
        workers[i] = (struct worker){p, i < SENDERS ? outcomes_new(EACH) : NULL, i, 0, &stop, PRODUCER_OK};
        void *(*body)(void *) = i < SENDERS ? send_all : i < SENDERS + 2 ? poll_on : flush_on;
        REQUIRE(pthread_create(&threads[i], NULL, body, &workers[i]) == 0);
    }
    if (close_in_the_middle) {
        pause_ms(30);
        CHECK_OK(producer_close(p, WAIT_MS));
    }
    for (size_t i = 0; i < SENDERS; i++) pthread_join(threads[i], NULL);
    atomic_store(&stop, true);
    for (size_t i = SENDERS; i < SENDERS + 4; i++) pthread_join(threads[i], NULL);
    if (!close_in_the_middle) CHECK_OK(producer_close(p, WAIT_MS));
    int64_t in_log = 0, accepted = 0;
    for (int32_t partition = 0; partition < 4; partition++) in_log += log_end(mock, "t", partition);
    for (size_t w = 0; w < SENDERS; w++) {
        struct worker *worker = &workers[w];
        struct outcome *o = worker->outcomes;
        accepted += (int64_t)worker->accepted;
        CHECK_STATUS(worker->status, worker->accepted == EACH ? PRODUCER_OK : PRODUCER_ERR_CLOSED);
        CHECK(close_in_the_middle || worker->accepted == EACH);
        CHECK_ALL(o, worker->accepted, PRODUCER_OK);
        for (size_t i = worker->accepted; i < EACH; i++)
            if (!CHECK_INT(o[i].reports, 0)) break;
        for (size_t i = 1; i < worker->accepted; i++)
            if (!CHECK(o[i].offset > o[i - 1].offset)) break;
        free(o);
    }
    CHECK_INT(in_log, accepted);
    producer_mock_cluster_free(mock);
}

int main(void) {
    check_begin();
    check_case("sixteen senders, two pollers, two flushers");
    run(false);
    check_case("the same, closed in the middle");
    run(true);
    check_case("fifty producers at once");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *many[50];
    struct outcome *o = outcomes_new(50);
    for (int i = 0; i < 50; i++) {
        many[i] = producer_at(mock);
        CHECK_OK(send_text(many[i], "t", 0, "x", &o[i]));
    }
    for (int i = 0; i < 50; i++) CHECK_OK(producer_close(many[i], WAIT_MS));
    CHECK_ALL(o, 50, PRODUCER_OK);
    producer_mock_cluster_free(mock);
    free(o);
    return check_end();
}
