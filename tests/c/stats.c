/* Numbers: known counts of known outcomes, in the struct, as JSON and for Prometheus; the callback; what reading costs. */
#include "check.h"

static producer_stats_t stats_of(producer_t *p) {
    producer_stats_t s = PRODUCER_STATS_INIT;
    REQUIRE_OK(producer_stats(p, &s));
    return s;
}

static void send_plain(producer_t *p, const char *topic, int32_t partition, int count) {
    for (int i = 0; i < count; i++) REQUIRE_OK(send_text(p, topic, partition, "0123456789", NULL));
}

static void send_with_time(producer_t *p, const char *topic, int32_t partition, int count, int32_t timeout_ms) {
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = topic, r.partition = partition, r.delivery_timeout_ms = timeout_ms;
    for (int i = 0; i < count; i++) REQUIRE_OK(producer_send(p, &r, NULL, NULL));
}

/* Numbers of what was accepted so far and has an outcome. */
static void check_sums(producer_t *p, int64_t delivered, int64_t failed, int64_t in_doubt, int64_t expired) {
    producer_stats_t s = stats_of(p);
    CHECK_INT(s.records_sent, delivered + failed);
    CHECK_INT(s.records_delivered, delivered);
    CHECK_INT(s.records_failed, failed);
    CHECK_INT(s.records_in_doubt, in_doubt);
    CHECK_INT(s.records_expired, expired);
    CHECK_INT(s.requests_in_flight <= 1, 1); /* metadata may be under way */
    CHECK_INT(s.reports_waiting, 0);
    CHECK_INT(s.senders_waiting, 0);
}

static void known_outcomes(void) {
    check_case("a new producer has counted nothing of records");
    producer_mock_cluster_t *mock = mock_of(2, "t", 2);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "1", "enable.idempotence", "false",
                                "allow.auto.create.topics", "false", "topic.metadata.propagation.max.ms", "50", "retry.backoff.ms", "10",
                                "retry.backoff.max.ms", "20", "request.timeout.ms", "60000", NULL);
    check_sums(p, 0, 0, 0, 0);
    CHECK_INT(stats_of(p).buffer_limit_bytes, 134217728);

    check_case("delivered: with a callback and without");
    struct outcome *o = outcomes_new(100);
    send_numbered(p, "t", 0, "n", o, 100);
    send_plain(p, "t", 1, 50);
    CHECK_OK(producer_flush(p, WAIT_MS));
    check_sums(p, 150, 0, 0, 0);
    producer_stats_t s = stats_of(p);
    CHECK_INT(s.bytes_delivered, s.bytes_sent);
    CHECK(s.bytes_sent > 150 * 2 && s.bytes_written > s.bytes_sent && s.bytes_received > 0);
    CHECK(s.batches_sent >= 2 && s.batches_sent == s.batches_delivered && s.batches_failed == 0);
    CHECK_INT(s.batch_records, 150);
    CHECK(s.batch_records_avg > 1.0 && s.batch_records_avg == 150.0 / (double)s.batches_sent);
    CHECK(s.batch_bytes_avg == (double)s.bytes_sent / (double)s.batches_sent);
    CHECK(s.produce_requests >= 1 && s.requests > s.produce_requests);
    CHECK(s.connections >= 1 && s.connects >= s.connections && s.reconnects == 0);
    CHECK(s.metadata_refreshes >= 1);
    CHECK_INT(s.topics, 1);
    CHECK_INT(s.partitions, 2);
    CHECK_INT(s.delivery.count, 150);
    CHECK_INT(s.queue_time.count, 150);
    CHECK_INT(s.round_trip.count, s.produce_requests);
    CHECK(s.delivery.p50_us > 0 && s.delivery.p50_us <= s.delivery.p99_us && s.delivery.p99_us <= s.delivery.max_us);
    CHECK(s.delivery.max_us >= s.queue_time.max_us);

    check_case("tried again");
    int64_t retries = s.batch_retries;
    REQUIRE_OK(producer_mock_cluster_push_error(mock, API_PRODUCE, PRODUCER_ERR_NOT_ENOUGH_REPLICAS, 2));
    send_plain(p, "t", 0, 10);
    CHECK_OK(producer_flush(p, WAIT_MS));
    check_sums(p, 160, 0, 0, 0);
    CHECK(stats_of(p).batch_retries > retries);

    check_case("refused by the broker, without a callback");
    REQUIRE_OK(producer_mock_cluster_push_error(mock, API_PRODUCE, PRODUCER_ERR_POLICY_VIOLATION, 1));
    send_plain(p, "t", 0, 1);
    CHECK_OK(producer_flush(p, WAIT_MS));
    check_sums(p, 160, 1, 0, 0);

    check_case("a topic that is not there: failed before it got into a batch");
    send_plain(p, "no.such.topic", PRODUCER_PARTITION_ANY, 3);
    CHECK_OK(producer_flush(p, WAIT_MS));
    check_sums(p, 160, 4, 0, 0);

    check_case("expired while nobody leads the partition: certainly not in the log");
    REQUIRE_OK(producer_mock_cluster_topic_create(mock, "u", 1, 1));
    REQUIRE_OK(producer_mock_cluster_partition_set_leader(mock, "u", 0, -1));
    send_with_time(p, "u", 0, 5, 200);
    CHECK_OK(producer_flush(p, WAIT_MS));
    check_sums(p, 160, 9, 0, 5);
    CHECK_INT(stats_of(p).partitions_leaderless, 1);
    REQUIRE_OK(producer_mock_cluster_partition_set_leader(mock, "u", 0, 1));

    check_case("expired in flight: may be in the log");
    int32_t leader = warm_up(p, "t", 0);
    REQUIRE_OK(producer_mock_cluster_broker_freeze(mock, leader));
    send_with_time(p, "t", 0, 4, 200);
    CHECK_OK(producer_flush(p, WAIT_MS));
    s = stats_of(p);
    CHECK(s.requests_in_flight >= 1);
    CHECK_INT(s.records_failed, 13);
    CHECK_INT(s.records_in_doubt, 4);
    CHECK_INT(s.records_expired, 9);
    REQUIRE_OK(producer_mock_cluster_broker_thaw(mock, leader));
    warm_up(p, "t", 0);
    check_sums(p, 162, 13, 4, 9);

    check_case("throttled");
    REQUIRE_OK(producer_mock_cluster_broker_set_throttle(mock, leader, 50));
    warm_up(p, "t", 0);
    CHECK(stats_of(p).throttle_ms >= 50);
    REQUIRE_OK(producer_mock_cluster_broker_set_throttle(mock, leader, 0));

    check_case("a broker's latency is in the round trips");
    REQUIRE_OK(producer_mock_cluster_broker_set_latency(mock, leader, 60));
    warm_up(p, "t", 0);
    s = stats_of(p);
    CHECK(s.round_trip.max_us >= 60000 && s.delivery.max_us >= 60000);
    REQUIRE_OK(producer_mock_cluster_broker_set_latency(mock, leader, 0));

    check_case("connected again");
    int64_t reconnects = s.reconnects, failures = s.connection_failures;
    REQUIRE_OK(producer_mock_cluster_push_disconnect(mock, API_PRODUCE, 0, 1));
    warm_up(p, "t", 0);
    CHECK_INT(stats_of(p).reconnects, reconnects + 1);
    CHECK_INT(stats_of(p).connection_failures, failures + 1);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void purged_and_split(void) {
    check_case("purged records are failed records; what waits shows in the buffer");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "60000", NULL);
    CHECK_OK(producer_warm_up(p, "t", WAIT_MS));
    send_plain(p, "t", 0, 7);
    CHECK(stats_of(p).buffer_used_bytes > 0);
    CHECK_INT(stats_of(p).records_sent, 0); /* its batch is open */
    CHECK_OK(producer_purge(p, PRODUCER_PURGE_QUEUED));
    check_sums(p, 0, 7, 0, 0);
    CHECK_INT(stats_of(p).buffer_used_bytes, 0);

    check_case("a record that is taken back is a failed record; those around it are not");
    producer_record_t r = PRODUCER_RECORD_INIT;
    producer_ticket_t ticket;
    r.topic = "t", r.partition = 0;
    send_plain(p, "t", 0, 2);
    REQUIRE_OK(producer_send_cancellable(p, &r, NULL, NULL, &ticket));
    send_plain(p, "t", 0, 3);
    CHECK_OK(producer_cancel(p, &ticket));
    CHECK_OK(producer_flush(p, WAIT_MS));
    check_sums(p, 5, 8, 0, 0);
    CHECK_INT(stats_of(p).records_cancelled, 1);
    CHECK_INT(stats_of(p).batch_records, 5);

    check_case("a batch that the broker finds too large is counted as split, its records once");
    REQUIRE_OK(producer_mock_cluster_set_message_max_bytes(mock, 400));
    send_plain(p, "t", 0, 60);
    CHECK_OK(producer_flush(p, WAIT_MS));
    check_sums(p, 65, 8, 0, 0);
    CHECK(stats_of(p).batch_splits >= 1);
    CHECK_INT(stats_of(p).batch_records, 65);
    producer_stats_t after = stats_of(p);
    CHECK_INT(after.batches_sent, after.batches_delivered); /* each part counts */
    CHECK_INT(after.bytes_sent, after.bytes_delivered);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static void transactions(void) {
    check_case("transactions committed and aborted");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "transactional.id", "x", NULL);
    REQUIRE_OK(producer_init_transactions(p, WAIT_MS));
    for (int i = 0; i < 5; i++) {
        REQUIRE_OK(producer_begin_transaction(p));
        send_plain(p, "t", 0, 2);
        if (i < 3) REQUIRE_OK(producer_commit_transaction(p, WAIT_MS));
        else REQUIRE_OK(producer_abort_transaction(p, WAIT_MS));
    }
    CHECK_INT(stats_of(p).transactions_committed, 3);
    CHECK_INT(stats_of(p).transactions_aborted, 2);
    CHECK_INT(stats_of(p).records_sent, 10);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static void *blocked_sender(void *p) {
    static char value[60000];
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.partition = 0, r.value = value, r.value_len = sizeof value;
    for (int i = 0; i < 4; i++) CHECK_OK(producer_send(p, &r, NULL, NULL));
    return NULL;
}

static void waiting_senders(void) {
    check_case("a thread that waits for room is counted while it waits");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "buffer.memory", "140000", NULL);
    pthread_t thread;
    warm_up(p, "t", 0);
    REQUIRE_OK(producer_mock_cluster_broker_freeze(mock, 1));
    REQUIRE(pthread_create(&thread, NULL, blocked_sender, p) == 0);
    int64_t deadline = now_ms() + WAIT_MS;
    while (stats_of(p).senders_waiting == 0 && now_ms() < deadline) pause_ms(1);
    CHECK_INT(stats_of(p).senders_waiting, 1);
    CHECK(stats_of(p).buffer_used_bytes > 60000);
    REQUIRE_OK(producer_mock_cluster_broker_thaw(mock, 1));
    pthread_join(thread, NULL);
    CHECK_INT(stats_of(p).senders_waiting, 0);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

/* The value of a series whose line begins so, up to the blank; -1 when there is none. Every line is held against the format. */
static double sample(const char *text, const char *series) {
    double found = -1;
    bool typed = false;
    for (const char *line = text; *line != '\0';) {
        const char *end = strchr(line, '\n');
        if (!CHECK(end != NULL)) return -1;
        if (strncmp(line, "# TYPE kproducer_", 17) == 0) typed = true;
        else if (*line != '#') {
            const char *space = end;
            char *rest = NULL;
            while (*space != ' ') space--;
            double value = strtod(space + 1, &rest);
            CHECK(typed && rest == end && strncmp(line, "kproducer_", 10) == 0 && space[-1] == '}');
            if ((size_t)(space - line) == strlen(series) && strncmp(line, series, strlen(series)) == 0) found = value;
        }
        line = end + 1;
    }
    return found;
}

static void texts(void) {
    check_case("JSON and Prometheus text carry the same numbers, with brokers and topics");
    producer_mock_cluster_t *mock = mock_of(1, "t.x", 1);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "client.id", "say \"hi\"\\", NULL);
    send_plain(p, "t.x", 0, 42);
    CHECK_OK(producer_flush(p, WAIT_MS));
    char *json = NULL, *text = NULL;
    REQUIRE_OK(producer_stats_json(p, &json));
    CHECK(json[0] == '{' && json[strlen(json) - 1] == '}');
    CHECK(strstr(json, "\"records_delivered\":42") != NULL);
    CHECK(strstr(json, "\"client_id\":\"say \\\"hi\\\"\\\\\"") != NULL);
    CHECK(strstr(json, "\"topic\":\"t.x\"") != NULL);
    CHECK(strstr(json, "\"state\":\"ok\"") != NULL);
    CHECK(strstr(json, "\"connected\":true") != NULL);
    producer_string_free(json);
    REQUIRE_OK(producer_stats_prometheus(p, &text));
#define CLIENT "client_id=\"say \\\"hi\\\"\\\\\""
    CHECK_INT(sample(text, "kproducer_records_delivered_total{" CLIENT "}"), 42);
    CHECK_INT(sample(text, "kproducer_records_failed_total{" CLIENT "}"), 0);
    CHECK_INT(sample(text, "kproducer_topic_records_delivered_total{" CLIENT ",topic=\"t.x\"}"), 42);
    CHECK_INT(sample(text, "kproducer_broker_connected{" CLIENT ",broker=\"1\"}"), 1);
    CHECK_INT(sample(text, "kproducer_health{" CLIENT ",state=\"ok\"}"), 1);
    CHECK_INT(sample(text, "kproducer_delivery_seconds_count{" CLIENT "}"), 42);
    CHECK_INT(sample(text, "kproducer_delivery_seconds_bucket{" CLIENT ",le=\"+Inf\"}"), 42);
    CHECK(sample(text, "kproducer_delivery_seconds_sum{" CLIENT "}") > 0);
    CHECK(strstr(text, "# HELP kproducer_records_delivered_total ") != NULL);
    CHECK(strstr(text, "# TYPE kproducer_delivery_seconds histogram\n") != NULL);
    producer_string_free(text);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static int told;
static pthread_t told_on;

static void on_stats(const char *json, size_t len, void *opaque) {
    CHECK(opaque == &told && strlen(json) == len && json[0] == '{' && strstr(json, "\"records_sent\":") != NULL);
    told_on = pthread_self();
    told++;
}

static producer_t *telling(producer_mock_cluster_t *mock, const char *interval_ms) {
    producer_t *p = NULL;
    producer_config_t *c = config_of(producer_mock_cluster_bootstrap_servers(mock), "statistics.interval.ms", interval_ms, NULL);
    REQUIRE_OK(producer_config_set_stats_callback(c, on_stats, &told));
    REQUIRE_OK(producer_new(c, &p));
    producer_config_free(c);
    told = 0;
    return p;
}

static void callback(void) {
    check_case("the callback comes at its interval, on the polling thread");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = telling(mock, "20");
    int64_t from = now_ms();
    while (told < 5 && now_ms() - from < WAIT_MS) producer_poll(p, 100);
    CHECK(told >= 5);
    CHECK(now_ms() - from >= 80);
    CHECK(pthread_equal(told_on, pthread_self()));

    check_case("while nobody polls nothing piles up");
    producer_poll(p, 0);
    told = 0;
    pause_ms(200);
    producer_poll(p, 0);
    CHECK_INT(told, 1);
    CHECK_OK(producer_close(p, WAIT_MS));

    check_case("an interval of 0 is never");
    p = telling(mock, "0");
    producer_poll(p, 100);
    CHECK_INT(told, 0);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static atomic_bool stop;

static void *reader(void *p) {
    int64_t last = 0;
    while (!atomic_load(&stop)) {
        producer_stats_t s = stats_of(p);
        producer_health_t h = PRODUCER_HEALTH_INIT;
        char *text = NULL;
        CHECK(s.records_delivered >= last && s.records_sent >= s.records_delivered + s.records_failed);
        last = s.records_delivered;
        CHECK_OK(producer_health(p, &h));
        REQUIRE_OK(producer_stats_json(p, &text));
        producer_string_free(text);
        REQUIRE_OK(producer_stats_prometheus(p, &text));
        producer_string_free(text);
    }
    return NULL;
}

static void many_threads(void) {
    check_case("many threads read while records are sent: counters never fall, no sum exceeds its whole");
    producer_mock_cluster_t *mock = mock_of(2, "t", 4);
    producer_t *p = producer_at(mock);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) REQUIRE(pthread_create(&threads[i], NULL, reader, p) == 0);
    for (int i = 0; i < 20; i++) {
        for (int32_t partition = 0; partition < 4; partition++) send_plain(p, "t", partition, 250);
        CHECK_OK(producer_flush(p, WAIT_MS));
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    check_sums(p, 20000, 0, 0, 0);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static void cost(void) {
    check_case("with 10,000 partitions in use, ten readings a second take less than 1 % of a processor");
    producer_mock_cluster_t *mock = mock_of(1, "t", 10000);
    producer_t *p = producer_at(mock);
    struct timespec from, to;
    for (int32_t i = 0; i < 10000; i += 10) send_plain(p, "t", i, 1);
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_INT(stats_of(p).partitions, 10000);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    for (int i = 0; i < 1000; i++) stats_of(p);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    double us = (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
    printf("  producer_stats %.2f us\n", us);
    CHECK(us < 1000.0); /* 1 % of a second is 10 ms for ten */
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    for (int i = 0; i < 20; i++) {
        char *text = NULL;
        REQUIRE_OK(i % 2 ? producer_stats_json(p, &text) : producer_stats_prometheus(p, &text));
        producer_string_free(text);
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    printf("  both texts %.2f us\n", ((double)(to.tv_sec - from.tv_sec) * 1e6 + (double)(to.tv_nsec - from.tv_nsec) / 1e3) / 10);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static void bad_input(void) {
    check_case("bad input is refused by name");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = producer_at(mock);
    producer_stats_t s = PRODUCER_STATS_INIT;
    char *text = NULL;
    CHECK_STATUS(producer_stats(NULL, &s), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_stats(p, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "stats");
    s.struct_size = offsetof(producer_stats_t, compress_bytes_in) - 8;
    CHECK_STATUS(producer_stats(p, &s), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "PRODUCER_STATS_INIT");
    /* A program of before compression was counted gets what it knows, and no more is written. */
    s.struct_size = offsetof(producer_stats_t, compress_bytes_in);
    s.buffer_limit_bytes = 0, s.compress_bytes_in = 77, s.compress_ratio = 7;
    CHECK_OK(producer_stats(p, &s));
    CHECK(s.buffer_limit_bytes > 0 && s.compress_bytes_in == 77 && s.compress_ratio == 7);
    CHECK_STATUS(producer_stats_json(NULL, &text), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_stats_json(p, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_stats_prometheus(NULL, &text), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_stats_prometheus(p, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_config_set_stats_callback(NULL, on_stats, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    producer_config_t *c = config_of("h:1", NULL);
    CHECK_OK(producer_config_set_stats_callback(c, NULL, NULL));
    CHECK_STATUS(producer_config_set(c, "statistics.interval.ms", "-1"), PRODUCER_ERR_INVALID_PROPERTY);
    producer_config_free(c);
    CHECK_OK(producer_close(p, WAIT_MS));
    s.struct_size = sizeof s;
    CHECK_STATUS(producer_stats(p, &s), PRODUCER_ERR_CLOSED);
    CHECK_STATUS(producer_stats_json(p, &text), PRODUCER_ERR_CLOSED);
    CHECK_STATUS(producer_stats_prometheus(p, &text), PRODUCER_ERR_CLOSED);
    CHECK(text == NULL);
    producer_mock_cluster_free(mock);
}

int main(void) {
    check_begin();
    known_outcomes();
    purged_and_split();
    transactions();
    waiting_senders();
    texts();
    callback();
    many_threads();
    cost();
    bad_input();
    return check_end();
}
