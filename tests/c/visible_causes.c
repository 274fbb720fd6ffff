/* Records that wait say why: in flush's and close's sentences, in health, in the log, in their reports. */
#include "check.h"

#include <arpa/inet.h>
#include <sys/socket.h>

static char logged_lines[64][512];
static int logged_count;

static void on_log(int32_t level, const char *facility, const char *message, void *opaque) {
    (void)opaque;
    if (logged_count < 64) snprintf(logged_lines[logged_count++], sizeof logged_lines[0], "%d %s: %s", level, facility, message);
}

static int logged(const char *facility, const char *word) {
    int found = 0;
    for (int i = 0; i < logged_count; i++) found += contains(logged_lines[i], facility) && contains(logged_lines[i], word);
    return found;
}

/* A producer that tries again quickly and keeps its log: name, value. */
static producer_t *watched(const char *servers, const char *name, const char *value) {
    producer_t *p = NULL;
    producer_config_t *c = config_of(servers, "linger.ms", "0", "reconnect.backoff.ms", "10", "reconnect.backoff.max.ms", "50",
                                     "retry.backoff.ms", "10", "retry.backoff.max.ms", "50", name, value, NULL);
    logged_count = 0;
    REQUIRE_OK(producer_config_set_log_callback(c, on_log, NULL));
    REQUIRE_OK(producer_new(c, &p));
    producer_config_free(c);
    return p;
}

static producer_t *watched_at(producer_mock_cluster_t *mock) {
    return watched(producer_mock_cluster_bootstrap_servers(mock), NULL, NULL);
}

/* Flushes, a little each time, until the sentence of a flush that is not done has the words. */
static bool flush_says(producer_t *p, const char *words) {
    int64_t deadline = now_ms() + WAIT_MS;
    while (now_ms() < deadline) {
        producer_status_t ended = producer_flush(p, 20);
        if (ended != PRODUCER_ERR_TIMED_OUT) break;
        if (contains(producer_last_error(), words)) return true;
    }
    printf("flush: %s\n", producer_last_error());
    return false;
}

static void throttled(void) {
    check_case("a quota that holds the producer back is named, with its length, until it is over");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = watched_at(mock);
    struct outcome *o = outcomes_new(3);
    warm_up(p, "t", 0);
    REQUIRE_OK(producer_mock_cluster_broker_set_throttle(mock, 1, 60000));
    CHECK_OK(send_text(p, "t", 0, "the last before the pause", &o[0]));
    CHECK_OK(producer_flush(p, WAIT_MS));
    /* First, for a batch's records have the deadline of the first that is due. */
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.partition = 0, r.delivery_timeout_ms = 100;
    CHECK_OK(producer_send(p, &r, on_outcome, &o[2]));
    CHECK(wait_for_reports(p, &o[2], 1, WAIT_MS));
    CHECK_STATUS(o[2].status, PRODUCER_ERR_DELIVERY_TIMED_OUT);
    CHECK_SAYS(o[2].error_text, "throttles this producer by a quota");
    CHECK_OK(send_text(p, "t", 0, "waits", &o[1]));
    CHECK(flush_says(p, "broker 1 ("));
    CHECK(flush_says(p, "throttles this producer by a quota"));
    CHECK(flush_says(p, "60000 ms"));
    CHECK_SAYS(wait_for_health(p, PRODUCER_HEALTH_DEGRADED).text, "throttles this producer by a quota");
    CHECK_INT(logged("HEALTH", "throttles this producer"), 1);
    CHECK_STATUS(producer_close(p, 50), PRODUCER_ERR_TIMED_OUT);
    CHECK_SAYS(producer_last_error(), "throttles this producer by a quota");
    CHECK_STATUS(o[1].status, PRODUCER_ERR_CLOSED);
    CHECK_SAYS(o[1].error_text, "throttles this producer by a quota");
    producer_mock_cluster_free(mock);
    free(o);
}

static void throttled_briefly(void) {
    check_case("pauses that are short are how quotas work: no change of health");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = watched_at(mock);
    warm_up(p, "t", 0);
    REQUIRE_OK(producer_mock_cluster_broker_set_throttle(mock, 1, 20));
    for (int i = 0; i < 3; i++) warm_up(p, "t", 0);
    producer_health_t h = PRODUCER_HEALTH_INIT;
    REQUIRE_OK(producer_health(p, &h));
    CHECK_INT(h.state, PRODUCER_HEALTH_OK);
    CHECK_INT(logged("HEALTH", ""), 0);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

/* The bootstrap servers answer; the leader is where nobody can reach it. */
static void unreachable_leader(const char *host, int32_t port, const char *words) {
    producer_mock_cluster_t *mock = mock_of(2, "t", 2);
    REQUIRE_OK(producer_mock_cluster_partition_set_leader(mock, "t", 0, 1));
    REQUIRE_OK(producer_mock_cluster_partition_set_leader(mock, "t", 1, 2));
    REQUIRE_OK(producer_mock_cluster_broker_set_address(mock, 2, host, port));
    producer_t *p = watched_at(mock);
    struct outcome *o = outcomes_new(2);
    warm_up(p, "t", 0);
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.partition = 1, r.delivery_timeout_ms = 200;
    CHECK_OK(producer_send(p, &r, on_outcome, &o[1]));
    CHECK(wait_for_reports(p, &o[1], 1, WAIT_MS));
    CHECK_STATUS(o[1].status, PRODUCER_ERR_DELIVERY_TIMED_OUT);
    CHECK_SAYS(o[1].error_text, host);
    CHECK_SAYS(o[1].error_text, words);
    CHECK_INT(o[1].persisted, PRODUCER_PERSISTED_NO);
    CHECK_OK(send_text(p, "t", 1, "waits", &o[0]));
    CHECK(flush_says(p, host));
    CHECK(flush_says(p, words));
    CHECK(flush_says(p, "advertised.listeners"));
    CHECK(flush_says(p, "t [1]"));
    producer_health_t h = wait_for_health(p, PRODUCER_HEALTH_DEGRADED);
    CHECK_SAYS(h.text, host);
    CHECK_INT(h.partitions_leaderless, 0);
    CHECK_INT(logged("HEALTH", host), 1);
    /* Where it really is: nothing is lost, and all is well again. */
    REQUIRE_OK(producer_mock_cluster_broker_set_address(mock, 2, NULL, 0));
    CHECK(wait_for_reports(p, &o[0], 1, WAIT_MS));
    CHECK_ALL(o, 1, PRODUCER_OK);
    CHECK(wait_for_health(p, PRODUCER_HEALTH_OK).text[0] == '\0');
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void unreachable_leaders(void) {
    check_case("a leader whose advertised name does not resolve is named while the bootstrap servers answer");
    unreachable_leader("kafka-0.internal.invalid", 9092, "resol");
    check_case("so is one whose advertised port refuses connections");
    unreachable_leader("127.0.0.1", 1, "refused");
}

static void silent_leader(void) {
    check_case("a leader that does not answer is named while others do");
    producer_mock_cluster_t *mock = mock_of(2, "t", 2);
    REQUIRE_OK(producer_mock_cluster_partition_set_leader(mock, "t", 0, 1));
    REQUIRE_OK(producer_mock_cluster_partition_set_leader(mock, "t", 1, 2));
    producer_t *p = watched_at(mock);
    struct outcome *o = outcomes_new(1);
    warm_up(p, "t", 0);
    warm_up(p, "t", 1);
    REQUIRE_OK(producer_mock_cluster_broker_freeze(mock, 2));
    CHECK_OK(send_text(p, "t", 1, "waits", o));
    CHECK(flush_says(p, "broker 2 ("));
    CHECK(flush_says(p, "does not answer"));
    CHECK_SAYS(wait_for_health(p, PRODUCER_HEALTH_DEGRADED).text, "broker 2 (");
    REQUIRE_OK(producer_mock_cluster_broker_thaw(mock, 2));
    CHECK(wait_for_reports(p, o, 1, WAIT_MS));
    CHECK_ALL(o, 1, PRODUCER_OK);
    wait_for_health(p, PRODUCER_HEALTH_OK);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void refused_again_and_again(void) {
    check_case("an error for which a batch is sent again and again is named");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = watched_at(mock);
    struct outcome *o = outcomes_new(1);
    warm_up(p, "t", 0);
    REQUIRE_OK(producer_mock_cluster_push_error(mock, API_PRODUCE, PRODUCER_ERR_NOT_ENOUGH_REPLICAS, 60));
    CHECK_OK(send_text(p, "t", 0, "waits", o));
    CHECK(flush_says(p, "records of t [0] are being sent again"));
    CHECK(flush_says(p, "NOT_ENOUGH_REPLICAS"));
    CHECK_SAYS(wait_for_health(p, PRODUCER_HEALTH_DEGRADED).text, "NOT_ENOUGH_REPLICAS");
    CHECK(wait_for_reports(p, o, 1, WAIT_MS));
    CHECK_ALL(o, 1, PRODUCER_OK);
    wait_for_health(p, PRODUCER_HEALTH_OK);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void no_producer_id(void) {
    check_case("records that wait for a producer id say so, and why there is none");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    REQUIRE_OK(producer_mock_cluster_push_error(mock, 22 /* InitProducerId */, PRODUCER_ERR_NOT_COORDINATOR, 60));
    producer_t *p = watched_at(mock);
    struct outcome *o = outcomes_new(1);
    CHECK_OK(send_text(p, "t", 0, "waits", o));
    CHECK(flush_says(p, "no producer id yet: NOT_COORDINATOR"));
    CHECK_SAYS(wait_for_health(p, PRODUCER_HEALTH_DEGRADED).text, "records wait for one");
    CHECK(wait_for_reports(p, o, 1, WAIT_MS));
    CHECK_ALL(o, 1, PRODUCER_OK);
    wait_for_health(p, PRODUCER_HEALTH_OK);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void missing_topic(void) {
    check_case("a topic that is not there is named before its time is over");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = watched(producer_mock_cluster_bootstrap_servers(mock), "allow.auto.create.topics", "false");
    struct outcome *o = outcomes_new(2);
    warm_up(p, "t", 0);
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "elsewhere", r.delivery_timeout_ms = 300;
    CHECK_OK(producer_send(p, &r, on_outcome, &o[0]));
    r.delivery_timeout_ms = 0;
    CHECK_OK(producer_send(p, &r, on_outcome, &o[1]));
    CHECK(flush_says(p, "topic 'elsewhere' is not there"));
    CHECK(wait_for_reports(p, o, 1, WAIT_MS));
    CHECK_STATUS(o[0].status, PRODUCER_ERR_DELIVERY_TIMED_OUT);
    CHECK_SAYS(o[0].error_text, "topic 'elsewhere'");
    CHECK_STATUS(producer_close(p, 10), PRODUCER_ERR_TIMED_OUT);
    CHECK_SAYS(producer_last_error(), "topic 'elsewhere' is not there");
    CHECK_STATUS(o[1].status, PRODUCER_ERR_CLOSED);
    producer_mock_cluster_free(mock);
    free(o);
}

static void wrong_servers(void) {
    check_case("servers that refuse, do not resolve or are no brokers are named by flush and close");
    int listening = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    REQUIRE(bind(listening, (struct sockaddr *)&address, length) == 0 && listen(listening, 4) == 0);
    REQUIRE(getsockname(listening, (struct sockaddr *)&address, &length) == 0);
    char silent[64];
    snprintf(silent, sizeof silent, "127.0.0.1:%d", ntohs(address.sin_port));
    const char *servers[] = {"127.0.0.1:1", "broker.invalid:9092", silent};
    for (int i = 0; i < 3; i++) {
        producer_t *p = watched(servers[i], NULL, NULL);
        struct outcome *o = outcomes_new(1);
        CHECK_OK(send_text(p, "t", 0, "waits", o));
        CHECK(flush_says(p, servers[i]));
        CHECK_STATUS(producer_close(p, 50), PRODUCER_ERR_TIMED_OUT);
        CHECK_SAYS(producer_last_error(), servers[i]);
        CHECK_STATUS(o->status, PRODUCER_ERR_CLOSED);
        CHECK_SAYS(o->error_text, servers[i]);
        free(o);
    }
    close(listening);
}

static void bad_input(void) {
    check_case("the mock cluster's addresses are checked");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    CHECK_STATUS(producer_mock_cluster_broker_set_address(NULL, 1, "h", 1), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_mock_cluster_broker_set_address(mock, 2, "h", 1), PRODUCER_ERR_NOT_FOUND);
    CHECK_STATUS(producer_mock_cluster_broker_set_address(mock, 1, "h", 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "port");
    CHECK_STATUS(producer_mock_cluster_broker_set_address(mock, 1, "h", 65536), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_mock_cluster_broker_set_address(mock, 1, "", 1), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "host");
    CHECK_OK(producer_mock_cluster_broker_set_address(mock, 1, NULL, 0));
    producer_mock_cluster_free(mock);
}

int main(void) {
    check_begin();
    throttled();
    throttled_briefly();
    unreachable_leaders();
    silent_leader();
    refused_again_and_again();
    no_producer_id();
    missing_topic();
    wrong_servers();
    bad_input();
    return check_end();
}
