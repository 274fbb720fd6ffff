/* Handles of the wrong kind, freed, freed twice, freed and made again, or none at all: recognised, named, and nothing of another object is
   touched. */
#include "check.h"

static producer_mock_cluster_t *mock;
static producer_t *p, *closed;

enum kind { NOTHING, CONFIG, METADATA, MOCK, BATCH, FUTURE, FLUSH, PRODUCER, CLOSED_PRODUCER, TOPIC, LOCAL, KINDS };
static const char *const words[KINDS] = {"NULL",           "producer_config_t", "producer_metadata_t", "producer_mock_cluster_t",
                                         "producer_batch_t", "producer_future_t", "producer_flush_t",    "producer_t",
                                         "producer_t",     "producer_topic_t",  "no such handle"};
static void *handles[KINDS];
static int64_t local[8];

static void *config_new(void) {
    producer_config_t *c = NULL;
    REQUIRE_OK(producer_config_new(&c));
    return c;
}

static void *metadata_new(void) {
    producer_metadata_t *m = NULL;
    REQUIRE_OK(producer_metadata(p, "t", WAIT_MS, &m));
    return m;
}

static void *mock_new(void) {
    producer_mock_cluster_t *m = NULL;
    REQUIRE_OK(producer_mock_cluster_new(1, &m));
    return m;
}

static void *batch_new(void) {
    producer_batch_t *b = NULL;
    REQUIRE_OK(producer_batch_new(p, &b));
    return b;
}

static void *future_new(void) {
    producer_future_t *f = NULL;
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.value = "x", r.value_len = 1;
    REQUIRE_OK(producer_send_future(p, &r, &f));
    return f;
}

static void *flush_new(void) {
    producer_flush_t *f = NULL;
    REQUIRE_OK(producer_flush_begin(p, NULL, &f));
    return f;
}

static void config_free(void *h) { producer_config_free(h); }
static void metadata_free(void *h) { producer_metadata_free(h); }
static void mock_free(void *h) { producer_mock_cluster_free(h); }
static void batch_free(void *h) { producer_batch_free(h); }
static void future_free(void *h) { producer_future_free(h); }
static void flush_free(void *h) { producer_flush_free(h); }

static const struct {
    enum kind kind;
    void *(*make)(void);
    void (*free)(void *);
} tabled[] = {{CONFIG, config_new, config_free}, {METADATA, metadata_new, metadata_free}, {MOCK, mock_new, mock_free},
              {BATCH, batch_new, batch_free},    {FUTURE, future_new, future_free},       {FLUSH, flush_new, flush_free}};
#define TABLED (sizeof tabled / sizeof *tabled)

/* ---- every function, by the kind that it takes ---- */

static void on_log(int32_t level, const char *facility, const char *message, void *opaque) {
    (void)level, (void)facility, (void)message, (void)opaque;
}
static void on_report(const producer_report_t *report, void *opaque) { (void)report, (void)opaque; }
static int visit(const producer_mock_record_t *record, void *opaque) { return (void)record, (void)opaque, 0; }

static producer_status_t refused; /* what the call below has answered */
static const char *called;

#define EXPECT(call)                                                \
    do {                                                            \
        called = #call;                                             \
        refused = (producer_status_t)(call);                        \
        if (refused != PRODUCER_ERR_INVALID_ARGUMENT) return false; \
        if (!contains(producer_last_error(), expected)) return false; \
    } while (0)
#define EXPECT_VALUE(call, value)          \
    do {                                   \
        called = #call;                    \
        if ((call) != (value)) return false; \
    } while (0)

static bool config_functions(void *h, const char *expected) {
    producer_interceptor_t i = PRODUCER_INTERCEPTOR_INIT;
    i.name = "i", i.on_close = config_free;
    const char *value = "untouched";
    producer_config_t *clone = NULL;
    producer_t *made = NULL;
    EXPECT(producer_config_set(h, "linger.ms", "5"));
    EXPECT(producer_config_get(h, "linger.ms", &value));
    EXPECT(producer_config_load(h, "/dev/null"));
    EXPECT(producer_config_clone(h, &clone));
    EXPECT(producer_config_set_log_callback(h, on_log, NULL));
    EXPECT(producer_config_set_data_loss_callback(h, NULL, NULL));
    EXPECT(producer_config_set_health_callback(h, NULL, NULL));
    EXPECT(producer_config_set_stats_callback(h, NULL, NULL));
    EXPECT(producer_config_set_partitioner(h, NULL, NULL));
    EXPECT(producer_config_set_key_serializer(h, NULL, NULL));
    EXPECT(producer_config_set_value_serializer(h, NULL, NULL));
    EXPECT(producer_config_set_oauth_token_callback(h, NULL, NULL));
    EXPECT(producer_config_add_interceptor(h, &i));
    EXPECT(producer_new(h, &made));
    return strcmp(value, "untouched") == 0 && clone == NULL && made == NULL;
}

static bool metadata_functions(void *h, const char *expected) {
    producer_metadata_broker_t b = PRODUCER_METADATA_BROKER_INIT;
    producer_metadata_topic_t t = PRODUCER_METADATA_TOPIC_INIT;
    producer_metadata_partition_t n = PRODUCER_METADATA_PARTITION_INIT;
    EXPECT(producer_metadata_broker_at(h, 0, &b));
    EXPECT(producer_metadata_topic_at(h, 0, &t));
    EXPECT(producer_metadata_partition_at(h, 0, 0, &n));
    EXPECT_VALUE(producer_metadata_cluster_id(h), NULL);
    EXPECT_VALUE(producer_metadata_controller_id(h), -1);
    EXPECT_VALUE(producer_metadata_broker_count(h), 0);
    EXPECT_VALUE(producer_metadata_topic_count(h), 0);
    return true;
}

static bool mock_functions(void *h, const char *expected) {
    int64_t offset = 0;
    EXPECT(producer_mock_cluster_topic_create(h, "u", 1, 1));
    EXPECT(producer_mock_cluster_broker_down(h, 1));
    EXPECT(producer_mock_cluster_broker_freeze(h, 1));
    EXPECT(producer_mock_cluster_end_offset(h, "t", 0, &offset));
    EXPECT(producer_mock_cluster_records(h, "t", 0, 0, visit, NULL));
    EXPECT_VALUE(producer_mock_cluster_bootstrap_servers(h), NULL);
    return true;
}

static bool batch_functions(void *h, const char *expected) {
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.value = "x", r.value_len = 1;
    EXPECT(producer_batch_append(h, &r, NULL));
    EXPECT(producer_batch_count(h));
    EXPECT(producer_batch_size(h));
    EXPECT(producer_batch_close(h));
    EXPECT(producer_batch_send(p, h, "t", 0, NULL, NULL));
    return true;
}

static bool future_functions(void *h, const char *expected) {
    EXPECT(producer_future_await(h, 0, NULL));
    EXPECT(producer_future_when_complete(h, on_report, NULL));
    EXPECT_VALUE(producer_future_is_complete(h), false);
    return true;
}

static bool flush_functions(void *h, const char *expected) {
    EXPECT(producer_flush_wait(p, h, 0));
    EXPECT_VALUE(producer_flush_is_complete(h), false);
    return true;
}

static bool producer_functions(void *h, const char *expected) {
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.value = "x", r.value_len = 1;
    producer_report_t reports[1] = {{.struct_size = sizeof reports[0]}};
    producer_stats_t stats = PRODUCER_STATS_INIT;
    producer_future_t *future = NULL;
    producer_batch_t *batch = NULL;
    producer_flush_t *flush = NULL;
    const producer_topic_t *topic = NULL;
    size_t accepted = 7;
    EXPECT(producer_send(h, &r, NULL, NULL));
    EXPECT(producer_send_many(h, &r, 1, NULL, NULL, &accepted));
    EXPECT(producer_send_future(h, &r, &future));
    EXPECT(producer_batch_new(h, &batch));
    EXPECT(producer_topic(h, "t", &topic));
    EXPECT(producer_poll(h, 0));
    EXPECT(producer_poll_reports(h, reports, 1, 0));
    EXPECT(producer_yield(h));
    EXPECT(producer_flush(h, 0));
    EXPECT(producer_flush_begin(h, NULL, &flush));
    EXPECT(producer_purge(h, PRODUCER_PURGE_QUEUED));
    EXPECT(producer_stats(h, &stats));
    EXPECT(producer_event_fd(h));
    EXPECT(producer_commit_transaction(h, 0));
    EXPECT(producer_close(h, 0));
    EXPECT(producer_close_with(h, 0, NULL, NULL) == PRODUCER_ERR_INVALID_ARGUMENT ? producer_close(h, 0) : PRODUCER_OK);
    return future == NULL && batch == NULL && flush == NULL && topic == NULL;
}

static bool topic_functions(void *h, const char *expected) {
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic_handle = h, r.value = "x", r.value_len = 1;
    EXPECT(producer_send(p, &r, NULL, NULL));
    return true;
}

static const struct {
    enum kind kind;
    bool (*functions)(void *h, const char *expected);
} takers[] = {{CONFIG, config_functions}, {METADATA, metadata_functions}, {MOCK, mock_functions},  {BATCH, batch_functions},
              {FUTURE, future_functions}, {FLUSH, flush_functions},       {TOPIC, topic_functions}, {PRODUCER, producer_functions}};

static void check_refused(bool (*functions)(void *, const char *), void *handle, const char *expected, enum kind kind) {
    bool ok = functions(handle, expected);
    if (!CHECK(ok))
        printf("%s with %s answered %s: %s\n", called, words[kind], producer_status_name(refused), producer_last_error());
}

static void other_kinds(void) {
    check_case("every function with a handle of every other kind");
    for (size_t i = 0; i < sizeof takers / sizeof *takers; i++)
        for (enum kind kind = NOTHING; kind < KINDS; kind++) {
            if (kind == takers[i].kind || (kind == CLOSED_PRODUCER && takers[i].kind == PRODUCER)) continue;
            /* Not the producer's and the topic's: those are read, and this is no handle of any kind. */
            if (kind == LOCAL && (takers[i].kind == PRODUCER || takers[i].kind == TOPIC)) continue;
            if (kind == NOTHING && takers[i].kind == TOPIC) continue;
            check_refused(takers[i].functions, handles[kind], words[kind], kind);
            if (kind != NOTHING) CHECK_SAYS(producer_last_error(), words[takers[i].kind]);
        }

    check_case("every _free with a handle of every other kind frees nothing");
    for (size_t i = 0; i < TABLED; i++)
        for (enum kind kind = CONFIG; kind < KINDS; kind++)
            if (kind != tabled[i].kind) {
                tabled[i].free(handles[kind]);
                CHECK_SAYS(producer_last_error(), words[kind]);
            }
    for (size_t i = 0; i < TABLED; i++) tabled[i].free(NULL);
}

static void freed(void) {
    check_case("freed handles, and those made since in their place");
    for (size_t i = 0; i < TABLED; i++) {
        void *old = tabled[i].make();
        tabled[i].free(old);
        for (int made = 0; made < 3; made++) {
            size_t taker = 0;
            while (takers[taker].kind != tabled[i].kind) taker++;
            check_refused(takers[taker].functions, old, "freed", tabled[i].kind);
            tabled[i].free(old);
            CHECK_SAYS(producer_last_error(), "freed");
            void *others[40];
            for (int j = 0; j < 40; j++) CHECK((others[j] = tabled[i].make()) != old);
            tabled[i].free(old);
            for (int j = 0; j < 40; j++) tabled[i].free(others[j]);
        }
    }

    check_case("a batch that was sent");
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.value = "x", r.value_len = 1;
    producer_batch_t *batch = batch_new();
    REQUIRE_OK(producer_batch_append(batch, &r, NULL));
    REQUIRE_OK(producer_batch_send(p, batch, "t", 0, NULL, NULL));
    check_refused(batch_functions, batch, "sent or freed", BATCH);
    producer_batch_free(batch);

    check_case("a string that is freed twice, or is none of the library's");
    char *text = NULL, mine[] = "mine";
    REQUIRE_OK(producer_stats_json(p, &text));
    producer_string_free(text);
    producer_string_free(text);
    CHECK_SAYS(producer_last_error(), "freed");
    producer_string_free(mine);
    CHECK_SAYS(producer_last_error(), "none that the library has given out");
    producer_string_free(NULL);
}

static void topics(void) {
    check_case("topics of a closed producer, and of another one, for many producers");
    const producer_topic_t *old[200];
    for (int i = 0; i < 200; i++) {
        const producer_topic_t *again = NULL;
        producer_t *q = producer_at(mock);
        REQUIRE_OK(producer_topic(q, "t", &old[i]));
        REQUIRE_OK(producer_topic(q, "t", &again));
        CHECK(old[i] == again);
        check_refused(topic_functions, (void *)(uintptr_t)old[i], "another producer", TOPIC);
        CHECK_OK(producer_close(q, WAIT_MS));
        for (int j = 0; j <= i; j++) check_refused(topic_functions, (void *)(uintptr_t)old[j], "producer that is closed", TOPIC);
    }
}

/* ---- one thread frees what others use ---- */

static _Atomic(void *) shared;
static atomic_bool over;

static void *use_future(void *opaque) {
    (void)opaque;
    while (!atomic_load(&over)) {
        producer_report_t report = PRODUCER_REPORT_INIT;
        producer_future_t *f = atomic_load(&shared);
        producer_status_t status = producer_future_await(f, 1, &report);
        CHECK(status == PRODUCER_OK || status == PRODUCER_ERR_TIMED_OUT || status == PRODUCER_ERR_INVALID_ARGUMENT);
        producer_future_free(f);
    }
    return NULL;
}

static void races(void) {
    check_case("threads that free what others use, all of them the same");
    pthread_t threads[3];
    atomic_store(&shared, future_new());
    for (int i = 0; i < 3; i++) REQUIRE(pthread_create(&threads[i], NULL, use_future, NULL) == 0);
    for (int i = 0; i < 2000; i++) atomic_store(&shared, future_new());
    atomic_store(&over, true);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    producer_future_free(atomic_load(&shared));
}

int main(void) {
    check_begin();
    mock = mock_of(1, "t", 1);
    p = producer_at(mock);
    closed = producer_at(mock);
    CHECK_OK(producer_close(closed, WAIT_MS));
    const producer_topic_t *topic = NULL;
    REQUIRE_OK(producer_topic(p, "t", &topic));
    for (size_t i = 0; i < TABLED; i++) handles[tabled[i].kind] = tabled[i].make();
    handles[PRODUCER] = p, handles[CLOSED_PRODUCER] = closed, handles[TOPIC] = (void *)(uintptr_t)topic, handles[LOCAL] = local;
    other_kinds();
    freed();
    topics();
    races();
    for (size_t i = 0; i < TABLED; i++) tabled[i].free(handles[tabled[i].kind]);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    return check_end();
}
