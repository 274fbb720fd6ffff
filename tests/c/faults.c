/* Errors and failures of the cluster, one by one, and what becomes of the records. */
#include "check.h"

#define MANY 1000

static producer_t *eager(producer_mock_cluster_t *mock, const char *delivery_timeout_ms) {
    return producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "request.timeout.ms", "1000",
                       "delivery.timeout.ms", delivery_timeout_ms, "retry.backoff.ms", "20", "retry.backoff.max.ms", "100",
                       "reconnect.backoff.ms", "20", "reconnect.backoff.max.ms", "100", NULL);
}

static void retriable_codes(void) {
    producer_status_t codes[] = {PRODUCER_ERR_CORRUPT_MESSAGE,        PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION, PRODUCER_ERR_LEADER_NOT_AVAILABLE,
                                 PRODUCER_ERR_NOT_LEADER_OR_FOLLOWER, PRODUCER_ERR_REQUEST_TIMED_OUT,          PRODUCER_ERR_NETWORK_EXCEPTION,
                                 PRODUCER_ERR_NOT_ENOUGH_REPLICAS,    PRODUCER_ERR_KAFKA_STORAGE_ERROR};
    check_case("retriable codes are retried until the record is in the log");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = eager(mock, "30000");
    warm_up(p, "t", 0);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct outcome *o = outcomes_new(3);
        REQUIRE_OK(producer_mock_cluster_push_error(mock, API_PRODUCE, codes[i], 2));
        send_numbered(p, "t", 0, producer_status_name(codes[i]), o, 3);
        CHECK(wait_for_reports(p, o, 3, WAIT_MS));
        CHECK_ALL(o, 3, PRODUCER_OK);
        CHECK(o[0].attempts >= 2);
        check_log(mock, "t", 0, producer_status_name(codes[i]), o, 3, true);
        if (check_failures > 0) printf("  so with %s\n", producer_status_name(codes[i]));
        free(o);
    }
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static void final_codes(void) {
    producer_status_t codes[] = {PRODUCER_ERR_TOPIC_AUTHORIZATION_FAILED, PRODUCER_ERR_INVALID_RECORD, PRODUCER_ERR_POLICY_VIOLATION,
                                 PRODUCER_ERR_INVALID_TIMESTAMP};
    check_case("final codes are reported at the first answer: not in the log, and the next record works");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = eager(mock, "30000");
    warm_up(p, "t", 0);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct outcome *o = outcomes_new(1);
        REQUIRE_OK(producer_mock_cluster_push_error(mock, API_PRODUCE, codes[i], 1));
        CHECK_OK(send_text(p, "t", 0, "refused", o));
        CHECK(wait_for_reports(p, o, 1, WAIT_MS));
        CHECK_ALL(o, 1, codes[i]);
        CHECK_INT(o->persisted, PRODUCER_PERSISTED_NO);
        CHECK_INT(o->phase, PRODUCER_PHASE_ANSWERED);
        CHECK_INT(o->attempts, 1);
        CHECK_INT(o->offset, -1);
        CHECK_SAYS(o->error_text, "t");
        CHECK_INT(log_count(mock, "t", 0, "refused"), 0);
        warm_up(p, "t", 0);
        free(o);
    }
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static void refused_for_ever(void) {
    check_case("refused until delivery.timeout.ms: not in the log, and the text gives the last cause");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = eager(mock, "1500");
    struct outcome *o = outcomes_new(50);
    warm_up(p, "t", 0);
    REQUIRE_OK(producer_mock_cluster_push_error(mock, API_PRODUCE, PRODUCER_ERR_NOT_ENOUGH_REPLICAS, 1000000));
    int64_t from = now_ms();
    send_numbered(p, "t", 0, "never", o, 50);
    CHECK(wait_for_reports(p, o, 50, WAIT_MS));
    CHECK(now_ms() - from >= 1300 && now_ms() - from < 4000);
    CHECK_ALL(o, 50, PRODUCER_ERR_DELIVERY_TIMED_OUT);
    CHECK_INT(o[0].persisted, PRODUCER_PERSISTED_NO);
    CHECK(o[0].attempts >= 2);
    CHECK_SAYS(o[0].error_text, "NOT_ENOUGH_REPLICAS");
    check_log(mock, "t", 0, "never", o, 50, false);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void metadata_errors(void) {
    check_case("errors in metadata: retried when they may pass, reported when not");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = eager(mock, "30000");
    struct outcome *o = outcomes_new(2);
    REQUIRE_OK(producer_mock_cluster_push_error(mock, API_METADATA, PRODUCER_ERR_LEADER_NOT_AVAILABLE, 3));
    CHECK_OK(send_text(p, "t", 0, "patient", &o[0]));
    CHECK(wait_for_reports(p, o, 1, WAIT_MS));
    CHECK_ALL(o, 1, PRODUCER_OK);
    CHECK_OK(producer_close(p, WAIT_MS));
    p = eager(mock, "30000");
    REQUIRE_OK(producer_mock_cluster_push_error(mock, API_METADATA, PRODUCER_ERR_TOPIC_AUTHORIZATION_FAILED, 1000000));
    CHECK_OK(send_text(p, "t", 0, "forbidden", &o[1]));
    CHECK(wait_for_reports(p, &o[1], 1, WAIT_MS));
    CHECK_ALL(&o[1], 1, PRODUCER_ERR_TOPIC_AUTHORIZATION_FAILED);
    CHECK_INT(o[1].persisted, PRODUCER_PERSISTED_NO);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void down_and_up(void) {
    check_case("broker down and up again: everything arrives");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = eager(mock, "30000");
    struct outcome *o = outcomes_new(MANY);
    int32_t broker = warm_up(p, "t", 0);
    for (int round = 0; round < 5; round++) {
        REQUIRE_OK(producer_mock_cluster_broker_down(mock, broker));
        send_numbered(p, "t", 0, "flap", o, 1); /* one that meets the closed door */
        producer_poll(p, 100);
        REQUIRE_OK(producer_mock_cluster_broker_up(mock, broker));
        CHECK(wait_for_reports(p, o, 1, WAIT_MS));
        CHECK_ALL(o, 1, PRODUCER_OK);
        memset(o, 0, sizeof *o);
    }
    size_t sent = 0;
    while (sent < MANY) { /* cut in the middle of a stream */
        char value[32];
        snprintf(value, sizeof value, "stream%zu", sent);
        REQUIRE_OK(send_text(p, "t", 0, value, &o[sent]));
        if (++sent % 250 == 125) {
            REQUIRE_OK(producer_mock_cluster_broker_down(mock, broker));
            producer_poll(p, 50);
            REQUIRE_OK(producer_mock_cluster_broker_up(mock, broker));
        }
    }
    CHECK(wait_for_reports(p, o, MANY, WAIT_MS));
    CHECK_ALL(o, MANY, PRODUCER_OK);
    check_log(mock, "t", 0, "stream", o, MANY, true);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void leader_moves(void) {
    check_case("the leader moves again and again: nothing lost, nothing twice, order kept with one in flight");
    producer_mock_cluster_t *mock = mock_of(3, "t", 3);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "retry.backoff.ms", "10",
                                "retry.backoff.max.ms", "50", "max.in.flight.requests.per.connection", "1", NULL);
    int32_t brokers[3];
    struct outcome *o = outcomes_new(MANY);
    for (int i = 0; i < 3; i++) brokers[i] = warm_up(p, "t", i);
    for (size_t i = 0; i < MANY; i++) {
        char value[32];
        snprintf(value, sizeof value, "move%zu", i);
        REQUIRE_OK(send_text(p, "t", 0, value, &o[i]));
        if (i % 100 == 50) {
            REQUIRE_OK(producer_mock_cluster_partition_set_leader(mock, "t", 0, brokers[(i / 100 + 1) % 3]));
            producer_poll(p, 20);
        }
    }
    CHECK(wait_for_reports(p, o, MANY, WAIT_MS));
    CHECK_ALL(o, MANY, PRODUCER_OK);
    for (size_t i = 1; i < MANY; i++)
        if (!CHECK(o[i].offset > o[i - 1].offset && o[i].arrival > o[i - 1].arrival)) break;
    check_log(mock, "t", 0, "move", o, MANY, false);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void one_of_three_frozen(void) {
    check_case("one broker of three does not answer: the others' partitions go on");
    producer_mock_cluster_t *mock = mock_of(3, "t", 3);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", NULL);
    int32_t brokers[3];
    struct outcome *o = outcomes_new(300);
    for (int i = 0; i < 3; i++) brokers[i] = warm_up(p, "t", i);
    REQUIRE_OK(producer_mock_cluster_broker_freeze(mock, brokers[0]));
    for (int i = 0; i < 3; i++) send_numbered(p, "t", i, "part", o + i * 100, 100);
    int64_t from = now_ms();
    for (int i = 0; i < 3; i++)
        if (brokers[i] != brokers[0]) {
            CHECK(wait_for_reports(p, o + i * 100, 100, WAIT_MS));
            CHECK_ALL(o + i * 100, 100, PRODUCER_OK);
        }
    CHECK(now_ms() - from < 3000);
    CHECK_INT(outcomes_reported(o, 100), 0);
    REQUIRE_OK(producer_mock_cluster_broker_thaw(mock, brokers[0]));
    CHECK(wait_for_reports(p, o, 300, WAIT_MS));
    CHECK_ALL(o, 300, PRODUCER_OK);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void slow_broker(void) {
    check_case("a slow broker: latency shows in the report, requests are pipelined");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", NULL);
    struct outcome *o = outcomes_new(5);
    int32_t broker = warm_up(p, "t", 0);
    REQUIRE_OK(producer_mock_cluster_broker_set_latency(mock, broker, 400));
    int64_t from = now_ms();
    for (int i = 0; i < 5; i++) { /* a request each */
        CHECK_OK(send_text(p, "t", 0, "slow", &o[i]));
        producer_poll(p, 20);
    }
    CHECK(wait_for_reports(p, o, 5, WAIT_MS));
    CHECK(now_ms() - from < 1500); /* and not five times 400 ms */
    CHECK_ALL(o, 5, PRODUCER_OK);
    for (int i = 0; i < 5; i++) CHECK(o[i].latency_us >= 380000 && o[i].latency_us < 1500000);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void too_large(void) {
    check_case("a batch over the broker's limit is split; a lone record over it fails");
    static char value[20001];
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "60000", NULL);
    struct outcome *o = outcomes_new(201);
    REQUIRE_OK(producer_mock_cluster_set_message_max_bytes(mock, 10000));
    memset(value, 'L', 20000);
    for (int i = 0; i < 201; i++) {
        char number[16];
        snprintf(number, sizeof number, "%08d", i);
        memcpy(value, number, 8);
        value[i == 100 ? 20000 : 1000] = '\0';
        REQUIRE_OK(send_text(p, "t", 0, value, &o[i]));
        value[1000] = 'L';
    }
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, 100, PRODUCER_OK);
    CHECK_ALL(o + 101, 100, PRODUCER_OK);
    CHECK_ALL(o + 100, 1, PRODUCER_ERR_MESSAGE_TOO_LARGE);
    CHECK_INT(o[100].persisted, PRODUCER_PERSISTED_NO);
    CHECK_INT(log_end(mock, "t", 0), 200);
    for (int i = 1; i < 100; i++)
        if (!CHECK(o[i].offset > o[i - 1].offset)) break;
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

/* Until the producer has noticed that its brokers are gone: what is sent earlier may be written to a dead connection. */
static void wait_until_disconnected(producer_t *p) {
    producer_stats_t stats = PRODUCER_STATS_INIT;
    int64_t deadline = now_ms() + WAIT_MS;
    do {
        REQUIRE_OK(producer_stats(p, &stats));
        pause_ms(1);
    } while (stats.connections > 0 && now_ms() < deadline);
    CHECK_INT(stats.connections, 0);
}

static void records_own_deadline(void) {
    check_case("a record's own deadline is shorter than the producer's");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", NULL);
    struct outcome *o = outcomes_new(2);
    int32_t broker = warm_up(p, "t", 0);
    REQUIRE_OK(producer_mock_cluster_broker_down(mock, broker));
    wait_until_disconnected(p);
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.partition = 0, r.value = "hurry", r.value_len = 5;
    r.delivery_timeout_ms = 500;
    int64_t from = now_ms();
    CHECK_OK(producer_send(p, &r, on_outcome, &o[0]));
    CHECK(wait_for_reports(p, o, 1, WAIT_MS));
    CHECK(now_ms() - from >= 400 && now_ms() - from < 2500);
    CHECK_ALL(o, 1, PRODUCER_ERR_DELIVERY_TIMED_OUT);
    CHECK_INT(o[0].persisted, PRODUCER_PERSISTED_NO);
    REQUIRE_OK(producer_mock_cluster_broker_up(mock, broker));
    CHECK_OK(send_text(p, "t", 0, "later", &o[1]));
    CHECK(wait_for_reports(p, &o[1], 1, WAIT_MS));
    CHECK_ALL(&o[1], 1, PRODUCER_OK);
    CHECK_INT(log_count(mock, "t", 0, "hurry"), 0);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

/* With acks=0 a broker that lost the partition can only hang up: that must be enough to look for the new leader. */
static void leader_moves_without_acks(void) {
    check_case("acks=0: a moved leader is found, and the log stays quiet");
    producer_mock_cluster_t *mock = mock_of(2, "t", 1);
    REQUIRE_OK(producer_mock_cluster_partition_set_leader(mock, "t", 0, 1));
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "acks", "0", "enable.idempotence",
                                "false", "reconnect.backoff.ms", "20", "retry.backoff.ms", "20", NULL);
    struct outcome *o = outcomes_new(MANY);
    CHECK_OK(send_text(p, "t", 0, "before", o));
    CHECK(wait_for_reports(p, o, 1, WAIT_MS));
    CHECK_INT(o->persisted, PRODUCER_PERSISTED_MAYBE);
    REQUIRE_OK(producer_mock_cluster_partition_set_leader(mock, "t", 0, 2));
    int sent = 1;
    while (sent < MANY && log_count(mock, "t", 0, "after") == 0) {
        CHECK_OK(send_text(p, "t", 0, "after", &o[sent++]));
        CHECK(wait_for_reports(p, o, (size_t)sent, WAIT_MS));
        producer_poll(p, 10);
    }
    CHECK(log_count(mock, "t", 0, "after") > 0);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void throttled(void) {
    check_case("a broker that asks for silence gets it, and no record is lost by it");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "connections.max.idle.ms", "100", NULL);
    warm_up(p, "t", 0);
    CHECK_STATUS(producer_mock_cluster_broker_set_throttle(mock, 7, 1), PRODUCER_ERR_NOT_FOUND);
    REQUIRE_OK(producer_mock_cluster_broker_set_throttle(mock, 1, 500));
    struct outcome *o = outcomes_new(3);
    for (size_t i = 0; i < 3; i++) {
        CHECK_OK(send_text(p, "t", 0, "throttled", &o[i]));
        CHECK(wait_for_reports(p, o, i + 1, WAIT_MS));
    }
    CHECK_ALL(o, 3, PRODUCER_OK);
    CHECK(o[1].latency_us >= 400000);
    CHECK(o[2].latency_us >= 400000);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

int main(void) {
    check_begin();
    retriable_codes();
    final_codes();
    refused_for_ever();
    metadata_errors();
    down_and_up();
    leader_moves();
    leader_moves_without_acks();
    throttled();
    one_of_three_frozen();
    slow_broker();
    too_large();
    records_own_deadline();
    return check_end();
}
