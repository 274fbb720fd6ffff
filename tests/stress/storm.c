/*
 * storm [SECONDS [SEED]]
 *
 * Sixteen threads call every function of a producer at once, in random order, while brokers fail now and then and one of
 * them closes the producer in the middle of it all. Then another producer, set up otherwise. Each accepted record gets one
 * report and nothing is answered that its function does not promise; built with a sanitizer, nothing races or leaks.
 */
#include "storm.h"

#define ROUND_MS 900

static atomic_long runs[64];
static atomic_uint lines_logged;

static void on_log(int32_t level, const char *facility, const char *message, void *opaque) {
    (void)opaque;
    CHECK(level >= 0 && strlen(facility) > 0 && strlen(message) > 0);
    lines_logged++;
}

static void on_health(const producer_health_t *health, void *opaque) {
    (void)opaque;
    CHECK(health->struct_size == sizeof *health);
}

static void on_stats(const char *json, size_t length, void *opaque) {
    (void)opaque;
    CHECK(json[0] == '{' && strlen(json) == length);
}

static producer_status_t on_send(producer_record_t *record, void *opaque) {
    struct storm_round *round = opaque;
    round->intercepted++;
    if (record->value_len % 5 == 0) record->partition = 1000000; /* a mistake: the record goes on as it was */
    if (record->value_len % 3 == 0) record->key = "intercepted", record->key_len = 11;
    return record->value_len % 7 == 0 ? PRODUCER_ERR_STATE : PRODUCER_OK;
}

static void on_acknowledgement(const producer_report_t *report, void *opaque) {
    struct storm_round *round = opaque;
    CHECK(report->topic != NULL);
    CHECK(!atomic_load(&round->closed));
    round->acknowledged++;
}

static void on_close(void *opaque) {
    ((struct storm_round *)opaque)->ends++;
}

static producer_status_t serialize(producer_serialization_t *what, void *opaque) {
    static _Thread_local char bytes[2][64];
    (void)opaque;
    char *own = bytes[what->is_key];
    int n = snprintf(own, sizeof bytes[0], "%s of %s", what->is_key ? "key" : "value", what->topic);
    if (what->is_key) what->record->key = own, what->record->key_len = (size_t)n;
    else what->record->value = own, what->record->value_len = (size_t)n;
    return PRODUCER_OK;
}

static void on_undelivered(const producer_undelivered_t *record, void *opaque) {
    (void)opaque;
    CHECK(record->struct_size == sizeof *record && record->status != PRODUCER_OK);
}

/* Reads all that it is shown, and chooses by length: the queue, the sender's topics and the brokers' names are in the view. */
static int32_t choose(const producer_partition_view_t *view, void *opaque) {
    struct storm_round *round = opaque;
    size_t seen = strlen(view->topic) + view->value_len;
    for (size_t i = 0; i < view->partition_count; i++) seen += (size_t)(view->partitions[i].queued_bytes & 1);
    for (size_t i = 0; i < view->broker_count; i++) seen += strlen(view->brokers[i].host);
    if (seen % 16 == 0 && round->producer != NULL) CHECK_STATUS(producer_poll(round->producer, 0), PRODUCER_ERR_IN_CALLBACK);
    return view->partition_count == 0 ? 0 : view->partitions[seen % view->partition_count].id;
}

producer_t *storm_start(struct storm_round *round, unsigned seed) {
    static const char *partitioners[] = {"murmur2", "adaptive", "single_broker", "round_robin", "random", "sticky", "consistent", "fnv1a_random"};
    static const char *codecs[] = {"none", "zstd", "lz4", "none", "gzip", "snappy", "none"};
    static atomic_int transactional;
    producer_t *p = NULL;
    char id[40];
    producer_config_t *c = config_of(producer_mock_cluster_bootstrap_servers(round->mock), "linger.ms", seed % 2 ? "2" : "0", "max.block.ms", "20",
                                     "reconnect.backoff.ms", "5", "reconnect.backoff.max.ms", "20", "retry.backoff.ms", "5", NULL);
    REQUIRE_OK(producer_config_set_log_callback(c, on_log, NULL));
    REQUIRE_OK(producer_config_set_health_callback(c, on_health, NULL));
    REQUIRE_OK(producer_config_set_stats_callback(c, on_stats, NULL));
    REQUIRE_OK(producer_config_set(c, "statistics.interval.ms", "50"));
    REQUIRE_OK(producer_config_set(c, "partitioner", partitioners[seed % 8]));
    REQUIRE_OK(producer_config_set(c, "compression.type", codecs[seed % 7]));
    REQUIRE_OK(producer_config_set(c, "compression.threads", seed % 5 ? "2" : "0"));
    switch (round->mode) {
    case STORM_NARROW:
        REQUIRE_OK(producer_config_set(c, "buffer.memory", "65536"));
        REQUIRE_OK(producer_config_set(c, "batch.size", seed % 3 ? "4096" : "1"));
        REQUIRE_OK(producer_config_set(c, "delivery.reports.max.count", "100"));
        break;
    case STORM_HOOKED: {
        producer_interceptor_t v = PRODUCER_INTERCEPTOR_INIT;
        v.name = "storm", v.opaque = round, v.on_send = on_send, v.on_acknowledgement = on_acknowledgement, v.on_close = on_close;
        REQUIRE_OK(producer_config_add_interceptor(c, &v));
        REQUIRE_OK(producer_config_set_key_serializer(c, serialize, NULL));
        REQUIRE_OK(producer_config_set_value_serializer(c, serialize, NULL));
        break;
    }
    case STORM_THREADED: REQUIRE_OK(producer_config_set(c, "delivery.dispatch", "thread")); break;
    case STORM_LOOSE:
        REQUIRE_OK(producer_config_set(c, "enable.idempotence", "false"));
        REQUIRE_OK(producer_config_set(c, "acks", "1"));
        REQUIRE_OK(producer_config_set_partitioner(c, choose, round));
        break;
    case STORM_TRANSACTIONAL:
        snprintf(id, sizeof id, "storm-%d", transactional++);
        REQUIRE_OK(producer_config_set(c, "transactional.id", id));
        if (round->two_phase) REQUIRE_OK(producer_config_set(c, "transaction.two.phase.commit.enable", "true"));
        break;
    case STORM_SECURED: storm_secured_config(c); break;
    default: break;
    }
    REQUIRE_OK(producer_new(c, &p));
    producer_config_free(c);
    return p;
}

/*
 * What any function may answer in the middle of a storm; transactions add whatever one of them has died of, and who was never
 * let in hears why.
 */
static bool is_promised(const struct storm_round *round, producer_status_t status) {
    switch (status) {
    case PRODUCER_OK:
    case PRODUCER_ERR_TIMED_OUT:
    case PRODUCER_ERR_QUEUE_FULL:
    case PRODUCER_ERR_REPORTS_NOT_TAKEN:
    case PRODUCER_ERR_CLOSED:
    case PRODUCER_ERR_TOO_LATE:
    case PRODUCER_ERR_BATCH_FULL: return true;
    case PRODUCER_ERR_SASL_AUTHENTICATION_FAILED:
    case PRODUCER_ERR_CREDENTIALS:
        if (round->mode == STORM_SECURED) return true;
    /* fall through */
    default: return round->mode == STORM_TRANSACTIONAL && status != PRODUCER_ERR_INTERNAL && status != PRODUCER_ERR_INVALID_ARGUMENT;
    }
}

static void *weather(void *opaque) {
    struct storm_thread *t = opaque;
    int total = 0;
    for (size_t i = 0; i < storm_action_count; i++) total += storm_actions[i].weight;
    while (!atomic_load(&t->round->stop)) {
        int dice = (int)storm_dice(t, (unsigned)total);
        size_t i = 0;
        while (dice >= storm_actions[i].weight) dice -= storm_actions[i++].weight;
        producer_status_t status = storm_actions[i].run(t);
        runs[i]++;
        if (!is_promised(t->round, status)) {
            printf("FAILED %s answered %s: %s\n", storm_actions[i].name, producer_status_name(status), producer_last_error());
            check_failures++;
        }
    }
    return NULL;
}

static void round_of(producer_mock_cluster_t *mock, char *names[], enum storm_mode mode, unsigned seed) {
    static const int32_t close_times[] = {0, 1, 20, 10000};
    struct storm_round round = {.mode = mode, .mock = mock, .two_phase = seed % 2 == 0, .transaction = PTHREAD_MUTEX_INITIALIZER};
    struct storm_thread threads[STORM_THREADS];
    pthread_t ids[STORM_THREADS];
    memcpy(round.names, names, sizeof round.names);
    if (mode == STORM_SECURED) storm_secured_begin(mock, seed);
    round.producer = storm_start(&round, seed);
    for (int i = 0; i < STORM_TOPICS; i++) REQUIRE_OK(producer_topic(round.producer, names[i], &round.topics[i]));
    if (mode == STORM_TRANSACTIONAL) {
        char state[PRODUCER_PREPARED_STATE_LEN];
        REQUIRE_OK(round.two_phase ? producer_init_transactions_keep_prepared(round.producer, WAIT_MS, state)
                                   : producer_init_transactions(round.producer, WAIT_MS));
    }
    for (int i = 0; i < STORM_THREADS; i++) {
        threads[i] = (struct storm_thread){.round = &round, .index = i, .seed = seed * 977 + (unsigned)i};
        threads[i].reports = calloc(STORM_RECORDS, sizeof *threads[i].reports);
        threads[i].accepted = calloc(STORM_RECORDS, sizeof *threads[i].accepted);
        REQUIRE(threads[i].reports != NULL && threads[i].accepted != NULL);
        REQUIRE(pthread_create(&ids[i], NULL, weather, &threads[i]) == 0);
    }
    pause_ms(ROUND_MS);
    int32_t timeout = close_times[seed % 4];
    int64_t began = now_ms();
    producer_status_t closed =
        seed % 2 ? producer_close(round.producer, timeout) : producer_close_with(round.producer, timeout, on_undelivered, &round);
    if (mode != STORM_TRANSACTIONAL) CHECK_STATUS_OR(closed, PRODUCER_OK, PRODUCER_ERR_TIMED_OUT);
    CHECK(now_ms() - began < timeout + 8000);
    atomic_store(&round.closed, true);
    pause_ms(20); /* late calls */
    atomic_store(&round.stop, true);
    for (int i = 0; i < STORM_THREADS; i++) pthread_join(ids[i], NULL);
    size_t accepted = 0;
    for (int i = 0; i < STORM_THREADS; i++) {
        for (size_t r = 0; r < threads[i].records; r++) {
            int state = threads[i].accepted[r], reports = threads[i].reports[r];
            accepted += state != STORM_NOT_ACCEPTED;
            if (state == STORM_MAY_BE_REPORTED && reports == 0) continue; /* nobody took it before the end */
            if (!CHECK_INT(reports, state != STORM_NOT_ACCEPTED)) break;
        }
        free(threads[i].reports);
        free(threads[i].accepted);
    }
    if (mode == STORM_HOOKED) {
        CHECK_INT(round.ends, 1);
        CHECK_INT(round.acknowledged, round.intercepted);
    }
    printf("- round %u, mode %d, closed within %d ms: %s, %zu records with a report each\n", seed, (int)mode, (int)timeout,
           producer_status_name(closed), accepted);
    fflush(stdout);
}

int main(int argc, char **argv) {
    int seconds = argc > 1 ? atoi(argv[1]) : 10;
    unsigned seed = argc > 2 ? (unsigned)atoi(argv[2]) : 1;
    static char t0[] = "t0", t1[] = "t1", late[] = "late";
    char *names[STORM_TOPICS] = {t0, t1, late}; /* the last one is made by the first record that asks for it */
    alarm((unsigned)seconds + 120);
    producer_mock_cluster_t *mock = mock_of(3, "t0", 4);
    REQUIRE_OK(producer_mock_cluster_set_two_phase_commit(mock, PRODUCER_MOCK_TWO_PHASE_WHOLE));
    REQUIRE_OK(producer_mock_cluster_topic_create(mock, "t1", 2, 1));
    REQUIRE_OK(producer_mock_cluster_telemetry_subscribe(mock, "*", 50, 0));
    producer_mock_cluster_t *secured = storm_secured_mock();
    int64_t end = now_ms() + seconds * 1000;
    int rounds = 0;
    while (rounds < STORM_MODES || now_ms() < end) {
        enum storm_mode mode = (enum storm_mode)(seed % STORM_MODES);
        round_of(mode == STORM_SECURED ? secured : mock, names, mode, seed);
        seed++, rounds++;
    }
    storm_end_actions();
    producer_mock_cluster_free(mock);
    producer_mock_cluster_free(secured);
    for (size_t i = 0; i < storm_action_count; i++) {
        printf("%10ld %s\n", (long)runs[i], storm_actions[i].name);
        CHECK(runs[i] > 0);
    }
    printf("%10u log lines\n", (unsigned)lines_logged);
    return check_end();
}
