/* Threads that end inside a callback, by pthread_exit or by pthread_cancel: the process lives, the library's state is as after any
   callback, and the next call goes on behind the record. */
#include "check.h"

#include <semaphore.h>

#define RECORDS 20

enum way { BY_EXIT, BY_CANCELLING_ITSELF, BY_ANOTHER, WAYS };
static const char *const way_names[] = {"pthread_exit", "pthread_cancel of itself", "pthread_cancel by another thread"};

static producer_mock_cluster_t *mock;
static producer_t *p;
static enum way way;
static atomic_int calls_left; /* the callback that brings it to 0 does not return */
static atomic_int cleaned;
static sem_t inside;
static struct outcome *outcomes;

static void clean(void *opaque) {
    (void)opaque;
    atomic_fetch_add(&cleaned, 1);
}

static void end_thread(void) {
    pthread_cleanup_push(clean, NULL);
    if (way == BY_EXIT) pthread_exit((void *)1);
    if (way == BY_CANCELLING_ITSELF) pthread_cancel(pthread_self());
    if (way == BY_ANOTHER) sem_post(&inside);
    for (;;) pause();
    pthread_cleanup_pop(0);
}

static void maybe_end(void) {
    if (atomic_fetch_sub(&calls_left, 1) == 1) end_thread();
}

static void on_report(const producer_report_t *report, void *opaque) {
    on_outcome(report, opaque);
    maybe_end();
}

static void on_future(const producer_report_t *report, void *opaque) {
    (void)report;
    atomic_fetch_add((atomic_int *)opaque, 1);
    maybe_end();
}

static producer_status_t send(producer_t *to, producer_delivery_fn callback, struct outcome *o) {
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.partition = 0, r.value = "x", r.value_len = 1;
    return producer_send(to, &r, callback, o);
}

static void send_all(producer_t *to) {
    outcomes = outcomes_new(RECORDS);
    for (size_t i = 0; i < RECORDS; i++) REQUIRE_OK(send(to, on_report, &outcomes[i]));
}

static void *run(void *opaque) {
    pthread_cleanup_push(clean, NULL);
    ((void (*)(void))(uintptr_t)opaque)();
    pthread_cleanup_pop(0);
    return NULL;
}

/* Runs it on a thread that has to end in the callback number `call`. */
static void ends_in(void (*work)(void), int call) {
    atomic_store(&calls_left, call);
    atomic_store(&cleaned, 0);
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, run, (void *)(uintptr_t)work) == 0);
    if (way == BY_ANOTHER) {
        sem_wait(&inside);
        pthread_cancel(thread);
    }
    void *result = NULL;
    REQUIRE(pthread_join(thread, &result) == 0);
    CHECK(result == (way == BY_EXIT ? (void *)1 : PTHREAD_CANCELED));
    CHECK_INT(atomic_load(&cleaned), 2); /* the callback's handler, and the thread's */
    atomic_store(&calls_left, 0);
}

static void works(producer_t *q) {
    struct outcome *o = outcomes_new(RECORDS);
    for (size_t i = 0; i < RECORDS; i++) REQUIRE_OK(send(q, on_outcome, &o[i]));
    CHECK_OK(producer_flush(q, WAIT_MS));
    CHECK_ALL(o, RECORDS, PRODUCER_OK);
    free(o);
}

/* What the ended thread left is reported, once each. */
static void rest_is_reported(void) {
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(outcomes, RECORDS, PRODUCER_OK);
    free(outcomes);
    works(p);
}

static void poll_all(void) {
    for (;;) producer_poll(p, 1000);
}

static void flush_all(void) { producer_flush(p, WAIT_MS); }

static void flush_topic(void) { producer_flush_topic(p, "t", WAIT_MS); }

static void flush_wait(void) {
    producer_flush_t *flush = NULL;
    REQUIRE_OK(producer_flush_begin(p, NULL, &flush));
    pthread_cleanup_push((void (*)(void *))(uintptr_t)producer_flush_free, flush);
    producer_flush_wait(p, flush, WAIT_MS);
    pthread_cleanup_pop(1);
}

static void dispatching(void) {
    static const struct {
        const char *name;
        void (*work)(void);
    } calls[] = {{"producer_poll", poll_all},
                 {"producer_flush", flush_all},
                 {"producer_flush_topic", flush_topic},
                 {"producer_flush_wait", flush_wait}};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        check_case(calls[i].name);
        for (int call = 1; call <= RECORDS; call += RECORDS - 1) {
            send_all(p);
            ends_in(calls[i].work, call);
            rest_is_reported();
        }
    }

    check_case("every callback ends its thread, and every record has its one report");
    send_all(p);
    for (int i = 0; i < RECORDS; i++) ends_in(poll_all, 1);
    CHECK_INT(outcomes_reported(outcomes, RECORDS), RECORDS);
    rest_is_reported();
}

static atomic_int future_calls[3];

static void await(void) {
    producer_future_t *future = NULL;
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.partition = 0, r.value = "x", r.value_len = 1;
    REQUIRE_OK(producer_send_future(p, &r, &future));
    for (int i = 0; i < 3; i++) REQUIRE_OK(producer_future_when_complete(future, on_future, &future_calls[i]));
    producer_future_await(future, WAIT_MS, NULL);
}

static void poll_future(void) {
    producer_future_t *future = NULL;
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.partition = 0, r.value = "x", r.value_len = 1;
    REQUIRE_OK(producer_send_future(p, &r, &future));
    for (int i = 0; i < 3; i++) REQUIRE_OK(producer_future_when_complete(future, on_future, &future_calls[i]));
    producer_future_free(future);
    poll_all();
}

static void late_callback(void) {
    producer_future_t *future = NULL;
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.partition = 0, r.value = "x", r.value_len = 1;
    REQUIRE_OK(producer_send_future(p, &r, &future));
    CHECK_OK(producer_future_await(future, WAIT_MS, NULL));
    pthread_cleanup_push((void (*)(void *))(uintptr_t)producer_future_free, future);
    producer_future_when_complete(future, on_future, &future_calls[0]);
    pthread_cleanup_pop(1);
}

static void futures(void) {
    static void (*const work[])(void) = {await, poll_future};
    for (size_t i = 0; i < 2; i++) {
        check_case(i ? "a future's callbacks, dispatched" : "a future's callbacks, in producer_future_await");
        for (int call = 1; call <= 3; call++) {
            for (int j = 0; j < 3; j++) atomic_store(&future_calls[j], 0);
            ends_in(work[i], call);
            works(p);
            int64_t deadline = now_ms() + WAIT_MS;
            while (atomic_load(&future_calls[2]) == 0 && now_ms() < deadline) producer_poll(p, 10);
            for (int j = 0; j < 3; j++) CHECK_INT(atomic_load(&future_calls[j]), 1);
        }
    }
    check_case("a callback of a complete future");
    ends_in(late_callback, 1);
    works(p);
}

static producer_t *other;

static void flush_other(const producer_report_t *report, void *opaque) {
    on_outcome(report, opaque);
    producer_flush(other, WAIT_MS);
    CHECK(!"producer_flush has returned to a thread that is ending");
}

static void nested(void) {
    check_case("a callback that flushes another producer, whose callback ends the thread");
    other = producer_at(mock);
    struct outcome *outer = outcomes_new(1);
    REQUIRE_OK(send(p, flush_other, outer));
    send_all(other);
    ends_in(poll_all, 1);
    CHECK_ALL(outer, 1, PRODUCER_OK);
    CHECK_OK(producer_flush(other, WAIT_MS));
    CHECK_ALL(outcomes, RECORDS, PRODUCER_OK);
    free(outcomes), free(outer);
    works(p);
    CHECK_OK(producer_close(other, WAIT_MS));
}

static producer_t *closing;

static void close_it(void) { producer_close(closing, WAIT_MS); }

static atomic_int given_back;

static void on_undelivered(const producer_undelivered_t *record, void *opaque) {
    (void)record, (void)opaque;
    atomic_fetch_add(&given_back, 1);
    maybe_end();
}

static void close_with_it(void) { producer_close_with(closing, 0, on_undelivered, NULL); }

static void closes(void) {
    check_case("producer_close goes on: every record is reported, and the producer is closed");
    closing = producer_at(mock);
    send_all(closing);
    ends_in(close_it, RECORDS / 2);
    CHECK_ALL(outcomes, RECORDS, PRODUCER_OK);
    CHECK_STATUS(producer_close(closing, 0), PRODUCER_ERR_CLOSED);
    free(outcomes);

    check_case("producer_close_with gives every record back");
    REQUIRE_OK(producer_mock_cluster_broker_down(mock, 1));
    closing = producer_at(mock);
    send_all(closing);
    atomic_store(&given_back, 0);
    ends_in(close_with_it, 3);
    CHECK_INT(atomic_load(&given_back), RECORDS);
    CHECK_ALL(outcomes, RECORDS, PRODUCER_ERR_CLOSED);
    free(outcomes);
    REQUIRE_OK(producer_mock_cluster_broker_up(mock, 1));
    works(p);
}

/* ---- functions that are asked about a record ---- */

static producer_status_t on_send(producer_record_t *record, void *opaque) {
    (void)record, (void)opaque;
    maybe_end();
    return PRODUCER_OK;
}

static atomic_int acknowledged;

static void on_acknowledgement(const producer_report_t *report, void *opaque) {
    (void)report, (void)opaque;
    atomic_fetch_add(&acknowledged, 1);
}

static void on_close(void *opaque) {
    (void)opaque;
    maybe_end();
}

static producer_status_t serialize(producer_serialization_t *what, void *opaque) {
    (void)what, (void)opaque;
    maybe_end();
    return PRODUCER_OK;
}

static int32_t choose(const producer_partition_view_t *view, void *opaque) {
    (void)view, (void)opaque;
    maybe_end();
    return 0;
}

static void send_one(void) {
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.value = "x", r.value_len = 1;
    producer_send(other, &r, on_outcome, outcomes);
}

static void send_many(void) {
    producer_record_t r[4];
    size_t accepted = 0;
    for (int i = 0; i < 4; i++) {
        r[i] = (producer_record_t)PRODUCER_RECORD_INIT;
        r[i].topic = "t", r[i].value = "x", r[i].value_len = 1;
    }
    producer_send_many(other, r, 4, NULL, NULL, &accepted);
}

static void send_future(void) {
    producer_record_t r = PRODUCER_RECORD_INIT;
    producer_future_t *future = NULL;
    r.topic = "t", r.value = "x", r.value_len = 1;
    producer_send_future(other, &r, &future);
}

static void close_other(void) { producer_close(other, WAIT_MS); }

static void asked(const char *name, void (*set)(producer_config_t *)) {
    check_case(name);
    static void (*const sends[])(void) = {send_one, send_many, send_future};
    producer_config_t *c = config_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "1", NULL);
    set(c);
    REQUIRE_OK(producer_new(c, &other));
    producer_config_free(c);
    works(other);
    atomic_store(&acknowledged, 0);
    for (size_t i = 0; i < 3; i++) {
        int64_t before = log_end(mock, "t", 0);
        outcomes = outcomes_new(1);
        ends_in(sends[i], 1);
        CHECK_OK(producer_flush(other, WAIT_MS));
        CHECK_INT(atomic_load(&outcomes->reports), 0); /* it was not accepted */
        CHECK_INT(log_end(mock, "t", 0), before);
        free(outcomes);
    }
    works(other);
    atomic_store(&calls_left, 0);
    CHECK_OK(producer_close(other, WAIT_MS));
}

static void set_interceptor(producer_config_t *c) {
    producer_interceptor_t i = PRODUCER_INTERCEPTOR_INIT;
    i.name = "ends threads", i.on_send = on_send, i.on_acknowledgement = on_acknowledgement;
    REQUIRE_OK(producer_config_add_interceptor(c, &i));
}

static void set_closing_interceptor(producer_config_t *c) {
    producer_interceptor_t i = PRODUCER_INTERCEPTOR_INIT;
    i.name = "ends threads", i.on_close = on_close;
    REQUIRE_OK(producer_config_add_interceptor(c, &i));
}

static void set_serializer(producer_config_t *c) {
    REQUIRE_OK(producer_config_set_value_serializer(c, serialize, NULL));
}

static void set_partitioner(producer_config_t *c) { REQUIRE_OK(producer_config_set_partitioner(c, choose, NULL)); }

static void asked_about_records(void) {
    asked("on_send of an interceptor: the record is refused, and the thread ends", set_interceptor);
    asked("a serializer", set_serializer);
    asked("a partitioner", set_partitioner);

    check_case("on_close of an interceptor");
    producer_config_t *c = config_of(producer_mock_cluster_bootstrap_servers(mock), NULL);
    set_closing_interceptor(c);
    REQUIRE_OK(producer_new(c, &other));
    producer_config_free(c);
    works(other);
    ends_in(close_other, 1);
    CHECK_STATUS(producer_close(other, 0), PRODUCER_ERR_CLOSED);
}

static void commit(void) { producer_commit_transaction(other, WAIT_MS); }

static void transactions(void) {
    check_case("producer_commit_transaction goes on; the same call made again has its result, or finds it done");
    other = producer_of(producer_mock_cluster_bootstrap_servers(mock), "transactional.id", "ended", "linger.ms", "1", NULL);
    REQUIRE_OK(producer_init_transactions(other, WAIT_MS));
    for (int call = 1; call <= RECORDS; call += RECORDS - 1) {
        REQUIRE_OK(producer_begin_transaction(other));
        send_all(other);
        ends_in(commit, call);
        CHECK_STATUS_OR(producer_commit_transaction(other, WAIT_MS), PRODUCER_OK, PRODUCER_ERR_STATE);
        while (outcomes_reported(outcomes, RECORDS) < RECORDS && producer_poll(other, WAIT_MS) > 0) continue;
        CHECK_ALL(outcomes, RECORDS, PRODUCER_OK);
        free(outcomes);
    }
    CHECK_OK(producer_close(other, WAIT_MS));
}

static void on_line(int32_t level, const char *facility, const char *message, void *opaque) {
    (void)level, (void)facility, (void)message, (void)opaque;
    maybe_end();
}

static void on_stats(const char *json, size_t size, void *opaque) {
    (void)json, (void)size, (void)opaque;
    maybe_end();
}

static void poll_other(void) {
    for (;;) producer_poll(other, 1000);
}

static void copy_reports(void) {
    producer_report_t reports[4] = {{.struct_size = sizeof reports[0]}};
    for (;;) producer_poll_reports(other, reports, 4, 1000);
}

static void news(void) {
    static void (*const polls[])(void) = {poll_other, copy_reports};
    for (size_t i = 0; i < 4; i++) {
        check_case(i % 2 ? "the log's callback" : "the statistics' callback");
        producer_config_t *c = config_of(producer_mock_cluster_bootstrap_servers(mock), "statistics.interval.ms", "10", "log_level", "7",
                                         "linger.ms", "1", NULL);
        if (i % 2) REQUIRE_OK(producer_config_set_log_callback(c, on_line, NULL));
        else REQUIRE_OK(producer_config_set_stats_callback(c, on_stats, NULL));
        REQUIRE_OK(producer_new(c, &other));
        producer_config_free(c);
        ends_in(polls[i / 2], 1);
        works(other);
        CHECK_OK(producer_close(other, WAIT_MS));
    }
}

static int visit(const producer_mock_record_t *record, void *opaque) {
    (void)record, (void)opaque;
    maybe_end();
    return 0;
}

static void read_log(void) { producer_mock_cluster_records(mock, "t", 0, 0, visit, NULL); }

/* ---- threads of the library's own ---- */

static atomic_int lines;

static void on_log(int32_t level, const char *facility, const char *message, void *opaque) {
    (void)level, (void)facility;
    if (contains(message, opaque)) atomic_fetch_add(&lines, 1);
}

static producer_t *with_log(producer_config_t *c, const char *words) {
    producer_t *q = NULL;
    atomic_store(&lines, 0);
    REQUIRE_OK(producer_config_set_log_callback(c, on_log, (void *)(uintptr_t)words));
    REQUIRE_OK(producer_new(c, &q));
    producer_config_free(c);
    return q;
}

static void end_at_once(void) {
    if (atomic_fetch_sub(&calls_left, 1) == 1) pthread_exit(NULL);
}

static void on_report_there(const producer_report_t *report, void *opaque) {
    on_outcome(report, opaque);
    end_at_once();
}

static int32_t choose_there(const producer_partition_view_t *view, void *opaque) {
    (void)view, (void)opaque;
    end_at_once();
    return 0;
}

static void get_token(producer_token_request_t *request, void *opaque) {
    (void)request, (void)opaque;
    end_at_once();
}

static void own_threads(void) {
    const char *servers = producer_mock_cluster_bootstrap_servers(mock);
    check_case("delivery.dispatch=thread: others dispatch from then on, and every record is reported once");
    producer_t *q = with_log(config_of(servers, "delivery.dispatch", "thread", "linger.ms", "50", NULL), "dispatching thread");
    outcomes = outcomes_new(RECORDS);
    atomic_store(&calls_left, 5);
    for (size_t i = 0; i < RECORDS; i++) REQUIRE_OK(send(q, on_report_there, &outcomes[i]));
    CHECK_OK(producer_flush(q, WAIT_MS));
    CHECK_ALL(outcomes, RECORDS, PRODUCER_OK);
    free(outcomes);
    works(q);
    CHECK_INT(atomic_load(&lines), 1);
    CHECK_OK(producer_close(q, WAIT_MS));

    check_case("a partitioner on the library's thread: the library chooses for what waited");
    producer_config_t *c = config_of(servers, "linger.ms", "1", NULL);
    REQUIRE_OK(producer_config_set_partitioner(c, choose_there, NULL));
    q = with_log(c, "ended its thread");
    outcomes = outcomes_new(RECORDS);
    atomic_store(&calls_left, 1);
    for (size_t i = 0; i < RECORDS; i++) {
        producer_record_t r = PRODUCER_RECORD_INIT;
        r.topic = "parked", r.value = "x", r.value_len = 1;
        REQUIRE_OK(producer_send(q, &r, on_outcome, &outcomes[i]));
        if (atomic_load(&calls_left) == 0) break;
    }
    CHECK_OK(producer_flush(q, WAIT_MS));
    for (size_t i = 0; i < RECORDS; i++) CHECK(atomic_load(&outcomes[i].reports) <= 1);
    free(outcomes);
    works(q);
    CHECK_OK(producer_close(q, WAIT_MS));

    check_case("a token callback: the login fails and says why");
    c = config_of(servers, "security.protocol", "SASL_PLAINTEXT", "sasl.mechanism", "OAUTHBEARER", "delivery.timeout.ms", "1000",
                  "request.timeout.ms", "900", "linger.ms", "0", NULL);
    REQUIRE_OK(producer_config_set_oauth_token_callback(c, get_token, NULL));
    atomic_store(&calls_left, 1);
    q = with_log(c, "");
    outcomes = outcomes_new(1);
    REQUIRE_OK(send(q, on_outcome, outcomes));
    CHECK(wait_for_reports(q, outcomes, 1, WAIT_MS));
    CHECK_SAYS(outcomes->error_text, "token callback has ended");
    free(outcomes);
    producer_close(q, WAIT_MS);
}

/* A cancellation of the library's thread, whose id a callback has learned, changes nothing. */
static pthread_t dispatcher;

static void learn(const producer_report_t *report, void *opaque) {
    dispatcher = pthread_self();
    on_outcome(report, opaque);
}

static void cancelled_dispatcher(void) {
    check_case("pthread_cancel of the library's dispatching thread");
    producer_t *q = producer_of(producer_mock_cluster_bootstrap_servers(mock), "delivery.dispatch", "thread", "linger.ms", "1", NULL);
    struct outcome *o = outcomes_new(1);
    REQUIRE_OK(send(q, learn, o));
    CHECK_OK(producer_flush(q, WAIT_MS));
    pthread_cancel(dispatcher);
    works(q);
    CHECK_OK(producer_close(q, WAIT_MS));
    free(o);
}

int main(void) {
    check_begin();
    mock = mock_of(1, "t", 1);
    p = producer_at(mock);
    REQUIRE(sem_init(&inside, 0, 0) == 0);
    for (way = 0; way < WAYS; way++) {
        check_case(way_names[way]);
        dispatching();
        futures();
        nested();
        closes();
        asked_about_records();
        transactions();
        news();
        check_case("a function that reads the mock's log");
        ends_in(read_log, 2);
        works(p);
    }
    own_threads();
    cancelled_dispatcher();
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    return check_end();
}
