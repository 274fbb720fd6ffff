/* A thread with a pending pthread_cancel in every function of the library, and one that is cancelled while a call waits: no call is a
   cancellation point, and none is left in the middle. */
#include "check.h"

#include <sched.h>

static producer_mock_cluster_t *mock;
static producer_t *p;
static const char *at = "";
static int steps;
static atomic_int cleaned;

/* Nothing here prints or waits by itself: that would be a cancellation point. */
#define STEP(call)     \
    do {               \
        at = #call;    \
        (void)(call);  \
        steps++;       \
    } while (0)

static void clean(void *opaque) {
    (void)opaque;
    atomic_fetch_add(&cleaned, 1);
}

static int visit(const producer_mock_record_t *record, void *opaque) {
    (void)record, (void)opaque;
    return 0;
}

static void sends(producer_t *q) {
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.value = "x", r.value_len = 1;
    for (int i = 0; i < 50; i++) STEP(producer_send(q, &r, NULL, NULL));
    r.topic = "made by a send";
    STEP(producer_send(q, &r, NULL, NULL)); /* not a name */
    r.topic = "another";
    STEP(producer_send(q, &r, NULL, NULL));
    const producer_topic_t *topic = NULL;
    STEP(producer_topic(q, "t", &topic));
    r.topic = NULL, r.topic_handle = topic;
    STEP(producer_send(q, &r, NULL, NULL));
    STEP(producer_topic_set(q, "t", "compression.type", "lz4"));
    size_t accepted = 0;
    producer_status_t status = 0;
    STEP(producer_send_many(q, &r, 1, NULL, NULL, &accepted));
    STEP(producer_send_many_status(q, &r, 1, NULL, NULL, &status, &accepted));
    producer_ticket_t ticket = PRODUCER_TICKET_INIT;
    STEP(producer_send_cancellable(q, &r, NULL, NULL, &ticket));
    STEP(producer_cancel(q, &ticket));
    producer_future_t *future = NULL;
    STEP(producer_send_future(q, &r, &future));
    STEP(producer_future_await(future, WAIT_MS, NULL));
    STEP(producer_future_is_complete(future));
    STEP((producer_future_free(future), 0));
    producer_batch_t *batch = NULL;
    STEP(producer_batch_new(q, &batch));
    r.topic_handle = NULL;
    STEP(producer_batch_append(batch, &r, NULL));
    STEP(producer_batch_size(batch));
    STEP(producer_batch_close(batch));
    STEP(producer_batch_send(q, batch, "t", 0, NULL, NULL));
    STEP(producer_batch_new(q, &batch));
    STEP((producer_batch_free(batch), 0));
}

static void waits(producer_t *q) {
    producer_report_t reports[2] = {{.struct_size = sizeof reports[0]}};
    STEP(producer_poll(q, 20));
    STEP(producer_poll_reports(q, reports, 2, 20));
    STEP(producer_flush(q, WAIT_MS));
    STEP(producer_flush_topic(q, "t", WAIT_MS));
    producer_flush_t *flush = NULL;
    STEP(producer_flush_begin(q, NULL, &flush));
    STEP(producer_flush_wait(q, flush, WAIT_MS));
    STEP((producer_flush_free(flush), 0));
    STEP(producer_wait_capacity(q, 1, WAIT_MS));
    STEP(producer_event_fd(q));
    STEP(producer_capacity_fd(q));
    STEP(producer_purge(q, PRODUCER_PURGE_QUEUED));
}

static void asks(producer_t *q) {
    producer_stats_t stats = PRODUCER_STATS_INIT;
    producer_health_t health = PRODUCER_HEALTH_INIT;
    char *text = NULL;
    STEP(producer_stats(q, &stats));
    STEP(producer_health(q, &health));
    STEP(producer_stats_json(q, &text));
    STEP((producer_string_free(text), 0));
    STEP(producer_cluster_id(q, WAIT_MS, &text));
    STEP((producer_string_free(text), 0));
    STEP(producer_warm_up(q, "t", WAIT_MS));
    producer_metadata_t *metadata = NULL;
    STEP(producer_metadata(q, "t", WAIT_MS, &metadata));
    STEP(producer_metadata_topic_count(metadata));
    STEP((producer_metadata_free(metadata), 0));
    STEP(producer_mock_cluster_records(mock, "t", 0, 0, visit, NULL));
    STEP(producer_mock_cluster_broker_down(mock, 1));
    STEP(producer_mock_cluster_broker_up(mock, 1));
}

static producer_config_t *configured(const char *transactional_id) {
    producer_config_t *c = NULL;
    STEP(producer_config_new(&c));
    STEP(producer_config_load(c, "no.such.properties"));
    STEP(producer_config_set(c, "bootstrap.servers", producer_mock_cluster_bootstrap_servers(mock)));
    STEP(producer_config_set(c, "linger.ms", "0"));
    if (transactional_id) STEP(producer_config_set(c, "transactional.id", transactional_id));
    return c;
}

static void *all(void *opaque) {
    pthread_cleanup_push(clean, NULL);
    pthread_cancel(pthread_self());
    sends(p);
    waits(p);
    asks(p);
    for (int transactional = 0; transactional < 2; transactional++) {
        producer_t *q = NULL;
        producer_config_t *c = configured(transactional ? "id" : NULL);
        STEP(producer_new(c, &q));
        STEP((producer_config_free(c), 0));
        if (transactional) {
            STEP(producer_init_transactions(q, WAIT_MS));
            STEP(producer_begin_transaction(q));
            sends(q);
            STEP(producer_commit_transaction(q, WAIT_MS));
            STEP(producer_begin_transaction(q));
            STEP(producer_abort_transaction(q, WAIT_MS));
        } else {
            sends(q);
            waits(q);
        }
        STEP(producer_close(q, WAIT_MS));
        STEP(producer_poll(q, 0));
    }
    producer_mock_cluster_t *other = NULL;
    STEP(producer_mock_cluster_new(1, &other));
    STEP((producer_mock_cluster_free(other), 0));
    at = "the end";
    *(atomic_bool *)opaque = true;
    pthread_testcancel();
    pthread_cleanup_pop(0);
    return NULL;
}

static void works(void) {
    struct outcome *o = outcomes_new(20);
    for (size_t i = 0; i < 20; i++) REQUIRE_OK(send_text(p, "t", 0, "y", &o[i]));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, 20, PRODUCER_OK);
    free(o);
}

static void pending(void) {
    check_case("a cancellation that is pending in every call");
    atomic_bool reached = false;
    pthread_t thread;
    void *result = NULL;
    REQUIRE(pthread_create(&thread, NULL, all, &reached) == 0);
    REQUIRE(pthread_join(thread, &result) == 0);
    if (!CHECK(reached)) printf("ended after %d calls, in %s\n", steps, at);
    CHECK(result == PTHREAD_CANCELED);
    CHECK_INT(cleaned, 1);
    works();
}

static atomic_bool is_inside, is_cancelled;

static void hold(const producer_report_t *report, void *opaque) {
    on_outcome(report, opaque);
    atomic_store(&is_inside, true);
    while (!atomic_load(&is_cancelled)) sched_yield();
}

static void *flush_and_go_on(void *opaque) {
    int before;
    if (opaque) pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &before);
    pthread_cleanup_push(clean, NULL);
    producer_flush(p, WAIT_MS);
    steps = opaque ? 1 : 2; /* where it takes effect at any time, that is at the call's end */
    pthread_testcancel();
    steps = 1;
    pthread_cleanup_pop(0);
    return NULL;
}

static void *keep_disabled(void *opaque) {
    int before;
    (void)opaque;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    producer_flush(p, WAIT_MS);
    pthread_testcancel();
    return &is_inside;
}

static void waiting(const char *name, void *(*work)(void *), void *opaque, void *expected, int expected_steps) {
    check_case(name);
    struct outcome *o = outcomes_new(3);
    atomic_store(&is_inside, false), atomic_store(&is_cancelled, false), atomic_store(&cleaned, 0);
    steps = 0;
    for (int i = 0; i < 3; i++) {
        producer_record_t r = PRODUCER_RECORD_INIT;
        r.topic = "t", r.partition = 0, r.value = "x", r.value_len = 1;
        REQUIRE_OK(producer_send(p, &r, hold, &o[i]));
    }
    pthread_t thread;
    void *result = NULL;
    REQUIRE(pthread_create(&thread, NULL, work, opaque) == 0);
    int64_t deadline = now_ms() + WAIT_MS;
    while (!atomic_load(&is_inside) && now_ms() < deadline) pause_ms(1);
    CHECK(pthread_cancel(thread) == 0);
    atomic_store(&is_cancelled, true);
    REQUIRE(pthread_join(thread, &result) == 0);
    CHECK(result == expected);
    CHECK_INT(steps, expected_steps);
    CHECK_INT(cleaned, expected == PTHREAD_CANCELED);
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, 3, PRODUCER_OK); /* the flush went on to its end */
    free(o);
    works();
}

int main(void) {
    check_begin();
    mock = mock_of(1, "t", 1);
    p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", NULL);
    pending();
    waiting("a thread that is cancelled while it flushes", flush_and_go_on, NULL, PTHREAD_CANCELED, 2);
    waiting("the same with PTHREAD_CANCEL_ASYNCHRONOUS", flush_and_go_on, &mock, PTHREAD_CANCELED, 0);
    waiting("a thread that lets nobody cancel it", keep_disabled, NULL, &is_inside, 0);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    return check_end();
}
