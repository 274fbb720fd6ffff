/* Calls from destructors of thread-specific data: the thread is ending, the library's own state may be gone already. */
#include "check.h"

static producer_t *p;
static pthread_key_t key;
static struct outcome *outcomes;

static void at_thread_end(void *opaque) {
    struct outcome *o = opaque;
    CHECK_OK(send_text(p, "t", 0, "late", o));
    CHECK(producer_poll(p, 0) >= 0);
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_STATUS(producer_poll(NULL, 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK(producer_last_error() != NULL);
    CHECK_STATUS(producer_purge(p, PRODUCER_PURGE_QUEUED), PRODUCER_OK);
}

static void *end_at_once(void *opaque) {
    pthread_setspecific(key, opaque);
    return NULL;
}

static void *end_after_use(void *opaque) {
    pthread_setspecific(key, opaque);
    CHECK(producer_poll(p, 0) >= 0);
    CHECK_OK(send_text(p, "t", 0, "early", NULL));
    CHECK_STATUS(producer_poll(NULL, 0), PRODUCER_ERR_INVALID_ARGUMENT);
    return NULL;
}

static void *use_once(void *opaque) {
    CHECK(producer_poll(p, 0) >= 0);
    return opaque;
}

int main(void) {
    check_begin();
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    p = producer_at(mock);
    outcomes = outcomes_new(20);
    /* The library's own thread-specific data comes first, and so goes first. */
    CHECK(producer_poll(p, 0) >= 0);
    CHECK_OK(producer_flush(p, WAIT_MS));
    pthread_t first;
    REQUIRE(pthread_create(&first, NULL, use_once, NULL) == 0);
    pthread_join(first, NULL);
    REQUIRE(pthread_key_create(&key, at_thread_end) == 0);
    for (int i = 0; i < 20; i++) {
        check_case(i % 2 ? "a thread that used the library" : "a thread that did not");
        pthread_t thread;
        REQUIRE(pthread_create(&thread, NULL, i % 2 ? end_after_use : end_at_once, &outcomes[i]) == 0);
        pthread_join(thread, NULL);
    }
    CHECK_ALL(outcomes, 20, PRODUCER_OK);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    return check_end();
}
