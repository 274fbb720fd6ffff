/* Interceptors: a chain that may change every field, hears of every record, is told of the end, and cannot break a send. */
#include "check.h"

#define THREADS 8
#define PER_THREAD 500

/* ---- one interceptor of many faces ---- */

struct link {
    const char *name;
    producer_status_t answer;
    void (*change)(producer_record_t *record);
    atomic_int sends, acks, refusals, closes;
    producer_report_t last; /* without its texts */
    char last_error[400];
    bool acks_after_close;
};

static _Thread_local char thread_value[64]; /* lives until the next on_send of the same thread */
static producer_t *reentered;
static producer_future_t *lingering;

static producer_status_t on_send(producer_record_t *record, void *opaque) {
    struct link *link = opaque;
    link->sends++;
    if (link->change) link->change(record);
    return link->answer;
}

static void on_acknowledgement(const producer_report_t *report, void *opaque) {
    struct link *link = opaque;
    CHECK(report->struct_size == sizeof *report);
    if (link->closes > 0) link->acks_after_close = true;
    link->last = *report;
    snprintf(link->last_error, sizeof link->last_error, "%s", report->error_text ? report->error_text : "");
    if (report->phase == PRODUCER_PHASE_REFUSED) link->refusals++;
    link->acks++;
}

static void on_close(void *opaque) {
    ((struct link *)opaque)->closes++;
}

static producer_interceptor_t vtable_of(struct link *link) {
    producer_interceptor_t v = PRODUCER_INTERCEPTOR_INIT;
    v.name = link->name, v.opaque = link;
    v.on_send = on_send, v.on_acknowledgement = on_acknowledgement, v.on_close = on_close;
    return v;
}

/* ---- a log that is kept ---- */

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char lines[64][600];
static int line_count;

static void on_log(int32_t level, const char *facility, const char *message, void *opaque) {
    (void)opaque;
    if (level > 4) return;
    pthread_mutex_lock(&log_lock);
    if (line_count < 64) snprintf(lines[line_count++], sizeof lines[0], "%s: %s", facility, message);
    pthread_mutex_unlock(&log_lock);
}

static int lines_with(const char *a, const char *b) {
    int n = 0;
    pthread_mutex_lock(&log_lock);
    for (int i = 0; i < line_count; i++) n += contains(lines[i], a) && contains(lines[i], b);
    pthread_mutex_unlock(&log_lock);
    return n;
}

static producer_t *producer_with(producer_mock_cluster_t *mock, struct link *links[], int count, const char *name, const char *value) {
    producer_t *p = NULL;
    producer_config_t *c = config_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "1", name, value, NULL);
    REQUIRE_OK(producer_config_set_log_callback(c, on_log, NULL));
    for (int i = 0; i < count; i++) {
        producer_interceptor_t v = vtable_of(links[i]);
        REQUIRE_OK(producer_config_add_interceptor(c, &v));
        memset(&v, 0xee, sizeof v); /* it was copied */
    }
    REQUIRE_OK(producer_new(c, &p));
    producer_config_free(c);
    return p;
}

/* ---- changes ---- */

static void append_text(producer_record_t *r, const char *text) {
    char longer[64];
    int n = snprintf(longer, sizeof longer, "%.*s%s", (int)r->value_len, (const char *)r->value, text);
    memcpy(thread_value, longer, (size_t)n);
    r->value = thread_value, r->value_len = (size_t)n;
}

static void append_a(producer_record_t *r) { append_text(r, "a"); }
static void append_b(producer_record_t *r) { append_text(r, "b"); }

static void change_everything(producer_record_t *r) {
    static const producer_header_t headers[2] = {{"trace", "1234", 4}, {"none", NULL, 0}};
    CHECK(strcmp(r->topic, "t") == 0 && r->partition == PRODUCER_PARTITION_ANY && r->key == NULL);
    CHECK(r->value_len == 3 && memcmp(r->value, "raw", 3) == 0 && r->timestamp_ms == PRODUCER_TIMESTAMP_NOW);
    r->topic = "other";
    r->partition = 2;
    r->key = "k", r->key_len = 1;
    r->value = "cooked", r->value_len = 6;
    r->headers = headers, r->header_count = 2;
    r->timestamp_ms = 1234567890123;
    r->delivery_timeout_ms = 30000;
}

static void break_partition(producer_record_t *r) { r->partition = -7; append_a(r); }
static void unknown_partition(producer_record_t *r) { r->partition = 99; }
static void break_topic(producer_record_t *r) { r->topic = "not/a/topic"; }
static void no_topic(producer_record_t *r) { r->topic = NULL; }
static void break_value(producer_record_t *r) { r->value = NULL, r->value_len = 5; }
static void too_large(producer_record_t *r) {
    static const char large[1100000];
    r->value = large, r->value_len = sizeof large;
}
static void break_timestamp(producer_record_t *r) { r->timestamp_ms = -44; }
static void break_timeout(producer_record_t *r) { r->delivery_timeout_ms = -44; }
static void break_size(producer_record_t *r) { r->struct_size = 8; }
static void break_header(producer_record_t *r) {
    static const producer_header_t nameless = {NULL, "x", 1};
    r->headers = &nameless, r->header_count = 1;
}

static void call_back(producer_record_t *r) {
    const producer_topic_t *topic = NULL;
    CHECK_OK(producer_topic(reentered, "t", &topic)); /* what callbacks may call works */
    CHECK(topic != NULL);
    CHECK_STATUS(producer_send(reentered, r, NULL, NULL), PRODUCER_ERR_IN_CALLBACK);
    CHECK_SAYS(producer_last_error(), "interceptor");
    CHECK_STATUS(producer_poll(reentered, 0), PRODUCER_ERR_IN_CALLBACK);
    CHECK_STATUS(producer_poll(reentered, 1000), PRODUCER_ERR_IN_CALLBACK);
    CHECK_STATUS(producer_flush(reentered, -1), PRODUCER_ERR_IN_CALLBACK);
    CHECK_STATUS(producer_purge(reentered, PRODUCER_PURGE_QUEUED), PRODUCER_ERR_IN_CALLBACK);
    CHECK_STATUS(producer_close(reentered, -1), PRODUCER_ERR_IN_CALLBACK);
    if (lingering != NULL) CHECK_STATUS(producer_future_await(lingering, -1, NULL), PRODUCER_ERR_IN_CALLBACK);
    producer_batch_t *batch = NULL;
    if (CHECK_OK(producer_batch_new(reentered, &batch))) {
        CHECK_STATUS(producer_batch_send(reentered, batch, "t", 0, NULL, NULL), PRODUCER_ERR_IN_CALLBACK);
        producer_batch_free(batch);
    }
}

/* ---- the cases ---- */

struct seen {
    int visits;
    char text[200];
    char headers[100];
    int64_t timestamp_ms;
};

static int visit(const producer_mock_record_t *r, void *opaque) {
    struct seen *s = opaque;
    s->visits++;
    s->timestamp_ms = r->timestamp_ms;
    snprintf(s->text, sizeof s->text, "%.*s=%.*s", r->key_len < 0 ? 0 : (int)r->key_len, (const char *)r->key, (int)r->value_len,
             (const char *)r->value);
    s->headers[0] = '\0';
    for (size_t i = 0; i < r->header_count; i++)
        snprintf(s->headers + strlen(s->headers), sizeof s->headers - strlen(s->headers), "%s%s", r->headers[i].name,
                 r->headers[i].value == NULL ? "!" : ":");
    return 0;
}

static struct seen last_of(producer_mock_cluster_t *mock, const char *topic, int32_t partition) {
    struct seen seen = {0};
    REQUIRE_OK(producer_mock_cluster_records(mock, topic, partition, log_end(mock, topic, partition) - 1, visit, &seen));
    return seen;
}

static void chain(producer_mock_cluster_t *mock) {
    check_case("each sees what the one before made; all hear of the record before its callback, in their order");
    struct link a = {.name = "a", .change = append_a}, b = {.name = "b", .change = append_b};
    struct link *links[] = {&a, &b};
    producer_t *p = producer_with(mock, links, 2, "acks", "all");
    struct outcome *o = outcomes_new(1);
    REQUIRE_OK(send_text(p, "t", 0, "v", o));
    CHECK_INT(a.sends, 1);
    CHECK_INT(b.sends, 1);
    CHECK(wait_for_reports(p, o, 1, WAIT_MS));
    CHECK_ALL(o, 1, PRODUCER_OK);
    CHECK_INT(o->value_len, 3);
    CHECK_INT(a.acks, 1);
    CHECK_INT(b.acks, 1);
    CHECK(a.last.opaque == o && a.last.offset == o->offset && a.last.value_len == 3);
    CHECK(strcmp(last_of(mock, "t", 0).text, "=vab") == 0);
    CHECK_INT(a.closes, 0);
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_INT(a.closes, 1);
    CHECK_INT(b.closes, 1);
    CHECK(!a.acks_after_close && !b.acks_after_close);
    free(o);
}

static void each_field(producer_mock_cluster_t *mock) {
    check_case("topic, partition, key, value, headers, timestamp and deadline can be replaced; the sender's record stays as it was");
    struct link all = {.name = "all", .change = change_everything};
    struct link *links[] = {&all};
    producer_t *p = producer_with(mock, links, 1, "acks", "all");
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.value = "raw", r.value_len = 3;
    producer_record_t before = r;
    struct outcome *o = outcomes_new(1);
    REQUIRE_OK(producer_send(p, &r, on_outcome, o));
    CHECK(memcmp(&r, &before, sizeof r) == 0);
    CHECK(wait_for_reports(p, o, 1, WAIT_MS));
    CHECK_ALL(o, 1, PRODUCER_OK);
    CHECK(strcmp(o->topic, "other") == 0);
    CHECK_INT(o->partition, 2);
    CHECK_INT(o->key_len, 1);
    CHECK_INT(o->timestamp_ms, 1234567890123);
    struct seen seen = last_of(mock, "other", 2);
    CHECK(strcmp(seen.text, "k=cooked") == 0);
    CHECK(strcmp(seen.headers, "trace:none!") == 0);
    CHECK_INT(seen.timestamp_ms, 1234567890123);
    CHECK_OK(producer_close(p, WAIT_MS));
    free(o);
}

static void mistakes(producer_mock_cluster_t *mock) {
    check_case("what an interceptor does wrong is logged, once a second at most, and the record goes on as it was before it");
    struct {
        const char *name, *says;
        void (*change)(producer_record_t *);
        producer_status_t answer;
    } wrong[] = {
        {"angry", "QUEUE_FULL", append_a, PRODUCER_ERR_QUEUE_FULL}, {"partition", "partition is -7", break_partition, PRODUCER_OK},
        {"unknown", "no partition 99", unknown_partition, PRODUCER_OK}, {"topic", "not/a/topic", break_topic, PRODUCER_OK},
        {"nowhere", "topic is NULL", no_topic, PRODUCER_OK},         {"value", "value is NULL", break_value, PRODUCER_OK},
        {"large", "max.request.size", too_large, PRODUCER_OK},       {"timestamp", "-44", break_timestamp, PRODUCER_OK},
        {"timeout", "-44", break_timeout, PRODUCER_OK},              {"size", "struct_size", break_size, PRODUCER_OK},
        {"header", "header's name", break_header, PRODUCER_OK},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct link bad = {.name = wrong[i].name};
        struct link good = {.name = "good", .change = append_b};
        struct link *links[] = {&bad, &good};
        producer_t *p = producer_with(mock, links, 2, "acks", "all");
        struct outcome *o = outcomes_new(3);
        warm_up(p, "t", 0); /* the topic's partitions are known */
        bad.change = wrong[i].change, bad.answer = wrong[i].answer;
        for (int n = 0; n < 3; n++) REQUIRE_OK(send_text(p, "t", 1, "v", &o[n]));
        CHECK_OK(producer_flush(p, WAIT_MS));
        CHECK_ALL(o, 3, PRODUCER_OK);
        CHECK_INT(bad.acks, 4);
        CHECK(strcmp(last_of(mock, "t", 1).text, "=vb") == 0);
        CHECK_OK(producer_close(p, WAIT_MS));
        char quoted[40];
        snprintf(quoted, sizeof quoted, "'%s'", wrong[i].name);
        if (!CHECK(lines_with(quoted, wrong[i].says) >= 1)) printf("  %s\n", wrong[i].name);
        CHECK(lines_with(quoted, "INTERCEPTOR") <= 2); /* 4 mistakes in far less than two seconds, as a rule */
        free(o);
    }
}

static void shrink(producer_record_t *r) {
    if (r->value_len > 1000) r->value = "stored elsewhere", r->value_len = 16;
}

static void too_large_at_first(producer_mock_cluster_t *mock) {
    check_case("a record that is too large passes the chain: an interceptor may make it smaller");
    struct link a = {.name = "a"}, b = {.name = "b", .change = shrink};
    struct link *links[] = {&a, &b};
    producer_t *p = producer_with(mock, links, 2, "max.request.size", "100000");
    char *large = calloc(1, 200000);
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.value = large, r.value_len = 200000, r.partition = 1;
    CHECK_OK(producer_send(p, &r, NULL, NULL));
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK(strcmp(last_of(mock, "t", 1).text, "=stored elsewhere") == 0);
    free(large);
}

static void without_callbacks(producer_mock_cluster_t *mock) {
    check_case("records without a callback are heard of too; when nobody takes reports the status names the interceptor");
    struct link ear = {.name = "ear"};
    struct link *links[] = {&ear};
    producer_t *p = producer_with(mock, links, 1, "delivery.reports.max.count", "50");
    int accepted = 0;
    producer_status_t status = PRODUCER_OK;
    int64_t deadline = now_ms() + WAIT_MS;
    while (status == PRODUCER_OK && now_ms() < deadline)
        if ((status = send_text(p, "t", 0, "quiet", NULL)) == PRODUCER_OK) accepted++;
    CHECK_STATUS(status, PRODUCER_ERR_REPORTS_NOT_TAKEN);
    CHECK_SAYS(producer_last_error(), "'ear'");
    CHECK_SAYS(producer_last_error(), "producer_poll");
    CHECK_INT(ear.refusals, 1);
    CHECK_STATUS(ear.last.status, PRODUCER_ERR_REPORTS_NOT_TAKEN);
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_INT(ear.acks, accepted + 1);
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_INT(ear.sends, ear.acks);
}

static void copied_reports(producer_mock_cluster_t *mock) {
    check_case("reports that are copied are heard of first; those that nobody copies before the end, at the end");
    struct link ear = {.name = "ear"};
    struct link *links[] = {&ear};
    producer_t *p = producer_with(mock, links, 1, "acks", "all");
    producer_record_t records[10];
    void *opaques[10];
    for (int i = 0; i < 10; i++) {
        records[i] = (producer_record_t)PRODUCER_RECORD_INIT;
        records[i].topic = "t", records[i].value = "v", records[i].value_len = 1, records[i].partition = 0;
        opaques[i] = &records[i];
    }
    size_t accepted = 0;
    REQUIRE_OK(producer_send_many(p, records, 10, PRODUCER_QUEUE_REPORT, opaques, &accepted));
    CHECK_INT(accepted, 10);
    producer_report_t reports[4];
    reports[0].struct_size = sizeof reports[0];
    CHECK_INT(producer_poll_reports(p, reports, 4, WAIT_MS), 4);
    CHECK_INT(ear.acks, 4);
    CHECK(ear.last.opaque == reports[3].opaque && reports[3].opaque == &records[3]);
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_INT(ear.acks, 10);
    CHECK_INT(ear.closes, 1);
    CHECK(!ear.acks_after_close);
}

static void refused(producer_mock_cluster_t *mock) {
    check_case("a record that the send refuses is heard of on the sending thread; one that is no record is seen by nobody");
    struct link ear = {.name = "ear"};
    struct link *links[] = {&ear};
    producer_t *p = producer_with(mock, links, 1, "max.request.size", "100000");
    char *large = calloc(1, 200000);
    producer_record_t r = PRODUCER_RECORD_INIT;
    int mark;
    r.topic = "t", r.value = large, r.value_len = 200000, r.partition = 1;
    CHECK_STATUS(producer_send(p, &r, on_outcome, &mark), PRODUCER_ERR_RECORD_TOO_LARGE);
    CHECK_SAYS(producer_last_error(), "max.request.size");
    CHECK_INT(ear.sends, 1);
    CHECK_INT(ear.refusals, 1);
    CHECK_STATUS(ear.last.status, PRODUCER_ERR_RECORD_TOO_LARGE);
    CHECK(ear.last.opaque == &mark && strcmp(ear.last.topic, "t") == 0 && ear.last.partition == 1 && ear.last.offset == -1);
    CHECK_INT(ear.last.value_len, 200000);
    CHECK_INT(ear.last.persisted, PRODUCER_PERSISTED_NO);
    CHECK_SAYS(ear.last_error, "max.request.size");
    r.partition = -3;
    CHECK_STATUS(producer_send(p, &r, NULL, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_send(p, NULL, NULL, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_INT(ear.sends, 1);
    CHECK_INT(ear.acks, 1);
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_STATUS(producer_send(p, &r, NULL, NULL), PRODUCER_ERR_CLOSED);
    CHECK_INT(ear.sends, 1);
    free(large);
}

static void reentrance(producer_mock_cluster_t *mock) {
    check_case("from on_send the producer's waiting and sending functions answer IN_CALLBACK; nothing hangs");
    struct link caller = {.name = "caller", .change = call_back};
    struct link *links[] = {&caller};
    reentered = producer_with(mock, links, 1, "linger.ms", "60000");
    struct outcome *o = outcomes_new(1);
    producer_record_t r = PRODUCER_RECORD_INIT;
    producer_future_t *future = NULL;
    r.topic = "t", r.partition = 0, r.value = "f", r.value_len = 1;
    REQUIRE_OK(producer_send_future(reentered, &r, &future));
    lingering = future;
    REQUIRE_OK(send_text(reentered, "t", 0, "v", o));
    CHECK_INT(caller.sends, 2);
    lingering = NULL;
    CHECK_OK(producer_future_await(future, WAIT_MS, NULL));
    producer_future_free(future);
    CHECK(wait_for_reports(reentered, o, 1, WAIT_MS));
    CHECK_ALL(o, 1, PRODUCER_OK);
    CHECK_OK(producer_close(reentered, WAIT_MS));
    free(o);
}

static atomic_int follow_ups;

static void follow_up(const producer_report_t *report, void *opaque) {
    (void)opaque;
    if (report->phase == PRODUCER_PHASE_REFUSED) {
        CHECK_STATUS(send_text(reentered, "t", 0, "again", NULL), PRODUCER_ERR_IN_CALLBACK);
    } else if (follow_ups++ < 10) {
        CHECK_OK(send_text(reentered, "t", 0, "follow-up", NULL)); /* a dispatch may send */
    }
}

static void sends_from_acknowledgements(producer_mock_cluster_t *mock) {
    check_case("on_acknowledgement may send while it is dispatched, and not while a send is being refused");
    producer_interceptor_t v = PRODUCER_INTERCEPTOR_INIT;
    v.name = "follow-up", v.on_acknowledgement = follow_up;
    producer_config_t *c = config_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "max.request.size", "100000", NULL);
    REQUIRE_OK(producer_config_add_interceptor(c, &v));
    REQUIRE_OK(producer_new(c, &reentered));
    producer_config_free(c);
    int64_t before = log_end(mock, "t", 0);
    REQUIRE_OK(send_text(reentered, "t", 0, "first", NULL));
    int64_t deadline = now_ms() + WAIT_MS;
    while (atomic_load(&follow_ups) <= 10 && now_ms() < deadline) producer_poll(reentered, 100);
    CHECK_INT(follow_ups, 11);
    CHECK_INT(log_end(mock, "t", 0) - before, 11);
    char *large = calloc(1, 200000);
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.value = large, r.value_len = 200000;
    CHECK_STATUS(producer_send(reentered, &r, NULL, NULL), PRODUCER_ERR_RECORD_TOO_LARGE);
    CHECK_OK(producer_close(reentered, WAIT_MS));
    free(large);
}

struct worker {
    producer_t *producer;
    struct outcome *outcomes;
    int accepted;
};

static void *send_many(void *opaque) {
    struct worker *w = opaque;
    for (int i = 0; i < PER_THREAD; i++) {
        char value[32];
        snprintf(value, sizeof value, "v%d", i);
        if (CHECK_OK(send_text(w->producer, "t", i % 4, value, &w->outcomes[i]))) w->accepted++;
    }
    return NULL;
}

static void threads(producer_mock_cluster_t *mock) {
    check_case("eight threads at once: every on_send is paired with one on_acknowledgement, every record with its report");
    struct link a = {.name = "a", .change = append_a}, b = {.name = "b", .change = append_b};
    struct link *links[] = {&a, &b};
    producer_t *p = producer_with(mock, links, 2, "acks", "all");
    pthread_t thread[THREADS];
    struct worker workers[THREADS];
    for (int t = 0; t < THREADS; t++) {
        workers[t] = (struct worker){p, outcomes_new(PER_THREAD), 0};
        REQUIRE(pthread_create(&thread[t], NULL, send_many, &workers[t]) == 0);
    }
    for (int t = 0; t < THREADS; t++) pthread_join(thread[t], NULL);
    CHECK_OK(producer_close(p, WAIT_MS));
    for (int t = 0; t < THREADS; t++) {
        CHECK_ALL(workers[t].outcomes, PER_THREAD, PRODUCER_OK);
        free(workers[t].outcomes);
    }
    CHECK_INT(a.sends, THREADS * PER_THREAD);
    CHECK_INT(a.acks, a.sends);
    CHECK_INT(b.acks, b.sends);
    CHECK_INT(a.closes, 1);
}

static void two_producers(producer_mock_cluster_t *mock) {
    check_case("a configuration's interceptors belong to each of its producers; a copy has them, and a chain of its own");
    struct link a = {.name = "a"}, b = {.name = "b"};
    producer_config_t *one = config_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", NULL), *two = NULL;
    producer_interceptor_t v = vtable_of(&a), w = vtable_of(&b);
    REQUIRE_OK(producer_config_add_interceptor(one, &v));
    REQUIRE_OK(producer_config_clone(one, &two));
    REQUIRE_OK(producer_config_add_interceptor(two, &w));
    producer_t *p = NULL, *q = NULL;
    REQUIRE_OK(producer_new(one, &p));
    REQUIRE_OK(producer_new(two, &q));
    producer_config_free(one);
    producer_config_free(two);
    REQUIRE_OK(send_text(p, "t", 0, "p", NULL));
    CHECK_INT(b.sends, 0);
    REQUIRE_OK(send_text(q, "t", 0, "q", NULL));
    CHECK_INT(a.sends, 2);
    CHECK_INT(b.sends, 1);
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_INT(a.closes, 1);
    CHECK_INT(b.closes, 0);
    CHECK_OK(producer_close(q, WAIT_MS));
    CHECK_INT(a.closes, 2);
    CHECK_INT(b.closes, 1);
    CHECK_INT(a.acks, 2);
}

static void bad_input(void) {
    check_case("bad input");
    struct link link = {.name = "x"};
    producer_config_t *c = NULL;
    REQUIRE_OK(producer_config_new(&c));
    producer_interceptor_t v = vtable_of(&link);
    CHECK_STATUS(producer_config_add_interceptor(NULL, &v), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "config");
    CHECK_STATUS(producer_config_add_interceptor(c, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "interceptor is NULL");
    v.struct_size = 0;
    CHECK_STATUS(producer_config_add_interceptor(c, &v), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "PRODUCER_INTERCEPTOR_INIT");
    struct {
        producer_interceptor_t v;
        size_t later;
    } longer = {vtable_of(&link), 1};
    longer.v.struct_size = sizeof longer;
    CHECK_STATUS(producer_config_add_interceptor(c, &longer.v), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "update the library");
    longer.later = 0;
    CHECK_OK(producer_config_add_interceptor(c, &longer.v));
    v = vtable_of(&link), v.name = NULL;
    CHECK_STATUS(producer_config_add_interceptor(c, &v), PRODUCER_ERR_INVALID_ARGUMENT);
    v.name = "";
    CHECK_STATUS(producer_config_add_interceptor(c, &v), PRODUCER_ERR_INVALID_ARGUMENT);
    v.name = "\xff\xfe";
    CHECK_STATUS(producer_config_add_interceptor(c, &v), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "UTF-8");
    producer_interceptor_t empty = PRODUCER_INTERCEPTOR_INIT;
    empty.name = "empty";
    CHECK_STATUS(producer_config_add_interceptor(c, &empty), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "'empty'");
    v = vtable_of(&link);
    for (int i = 1; i < 64; i++) CHECK_OK(producer_config_add_interceptor(c, &v));
    CHECK_STATUS(producer_config_add_interceptor(c, &v), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "64");
    producer_config_free(c);
    CHECK_INT(link.closes, 0); /* no producer, no end */
}

int main(void) {
    check_begin();
    producer_mock_cluster_t *mock = mock_of(1, "t", 4);
    REQUIRE_OK(producer_mock_cluster_topic_create(mock, "other", 3, 1));
    chain(mock);
    each_field(mock);
    mistakes(mock);
    too_large_at_first(mock);
    without_callbacks(mock);
    copied_reports(mock);
    refused(mock);
    reentrance(mock);
    sends_from_acknowledgements(mock);
    threads(mock);
    two_producers(mock);
    bad_input();
    producer_mock_cluster_free(mock);
    return check_end();
}
