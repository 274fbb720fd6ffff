/* Health: what it says when brokers come and go, and that a change is told once, on the polling thread, the latest one. */
#include "check.h"

static producer_health_t seen[64];
static int seen_count;
static pthread_t seen_on;
static int opaque_mark;

static void on_health(const producer_health_t *health, void *opaque) {
    CHECK(opaque == &opaque_mark);
    CHECK_INT(health->struct_size, sizeof *health);
    seen_on = pthread_self();
    if (seen_count < 64) seen[seen_count++] = *health;
}

static producer_health_t health_of(producer_t *p) {
    producer_health_t h = PRODUCER_HEALTH_INIT;
    REQUIRE_OK(producer_health(p, &h));
    return h;
}

/* Polls until the state is this one. */
static bool reaches(producer_t *p, int32_t state) {
    int64_t deadline = now_ms() + WAIT_MS;
    while (health_of(p).state != state) {
        if (now_ms() > deadline || producer_poll(p, 10) < 0) return false;
    }
    producer_poll(p, 0);
    return true;
}

static producer_t *watched_at(const char *servers, const char *name, const char *value) {
    producer_t *p = NULL;
    producer_config_t *c = config_of(servers, "linger.ms", "0", "reconnect.backoff.ms", "10", "reconnect.backoff.max.ms", "20",
                                     "retry.backoff.ms", "10", "retry.backoff.max.ms", "20", name, value, NULL);
    seen_count = 0;
    REQUIRE_OK(producer_config_set_health_callback(c, on_health, &opaque_mark));
    REQUIRE_OK(producer_new(c, &p));
    producer_config_free(c);
    return p;
}

static producer_t *watched(producer_mock_cluster_t *mock) {
    return watched_at(producer_mock_cluster_bootstrap_servers(mock), NULL, NULL);
}

static void beginning(void) {
    check_case("a new producer is connecting, which is neither good nor bad, until a broker has answered");
    producer_mock_cluster_t *mock = mock_of(1, "t", 2);
    REQUIRE_OK(producer_mock_cluster_broker_freeze(mock, 1));
    producer_t *p = watched(mock);
    CHECK_INT(health_of(p).state, PRODUCER_HEALTH_CONNECTING);
    CHECK(strlen(health_of(p).text) > 5);
    producer_poll(p, 100);
    CHECK_INT(health_of(p).state, PRODUCER_HEALTH_CONNECTING);
    CHECK_INT(seen_count, 0);
    REQUIRE_OK(producer_mock_cluster_broker_thaw(mock, 1));
    CHECK(reaches(p, PRODUCER_HEALTH_OK));
    CHECK_INT(seen_count, 1);
    CHECK_INT(seen[0].state, PRODUCER_HEALTH_OK);
    CHECK(seen[0].text[0] == '\0');
    CHECK(pthread_equal(seen_on, pthread_self()));
    CHECK_INT(health_of(p).partitions, 0);
    warm_up(p, "t", 0);
    CHECK_INT(health_of(p).partitions, 2);
    CHECK_INT(seen_count, 1);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static void one_of_three(void) {
    check_case("a broker that goes and comes back while others serve is no change of health");
    producer_mock_cluster_t *mock = NULL;
    REQUIRE_OK(producer_mock_cluster_new(3, &mock));
    REQUIRE_OK(producer_mock_cluster_topic_create(mock, "t", 3, 3));
    producer_t *p = watched(mock);
    for (int32_t i = 0; i < 3; i++) warm_up(p, "t", i);
    REQUIRE_OK(producer_mock_cluster_broker_down(mock, 2));
    for (int32_t i = 0; i < 3; i++) warm_up(p, "t", i);
    REQUIRE_OK(producer_mock_cluster_broker_up(mock, 2));
    for (int32_t i = 0; i < 3; i++) warm_up(p, "t", i);
    CHECK_INT(health_of(p).state, PRODUCER_HEALTH_OK);
    for (int i = 0; i < seen_count; i++) CHECK_INT(seen[i].state, PRODUCER_HEALTH_OK);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static void leaderless(void) {
    check_case("partitions without a leader are degraded, counted and named");
    producer_mock_cluster_t *mock = mock_of(2, "t", 5);
    producer_t *p = watched(mock);
    warm_up(p, "t", 0);
    CHECK_INT(health_of(p).partitions_leaderless, 0);
    REQUIRE_OK(producer_mock_cluster_partition_set_leader(mock, "t", 1, -1));
    REQUIRE_OK(producer_mock_cluster_partition_set_leader(mock, "t", 3, -1));
    struct outcome *o = outcomes_new(1);
    CHECK_OK(send_text(p, "t", 3, "waits", o));
    CHECK(reaches(p, PRODUCER_HEALTH_DEGRADED));
    producer_health_t h = health_of(p);
    CHECK_INT(h.partitions, 5);
    CHECK_INT(h.partitions_leaderless, 2);
    CHECK_SAYS(h.text, "2 of 5");
    CHECK_SAYS(h.text, "t [1]");
    CHECK_INT(seen[seen_count - 1].state, PRODUCER_HEALTH_DEGRADED);
    REQUIRE_OK(producer_mock_cluster_partition_set_leader(mock, "t", 1, 1));
    REQUIRE_OK(producer_mock_cluster_partition_set_leader(mock, "t", 3, 2));
    CHECK(reaches(p, PRODUCER_HEALTH_OK));
    CHECK_INT(health_of(p).partitions_leaderless, 0);
    CHECK(wait_for_reports(p, o, 1, WAIT_MS));
    CHECK_ALL(o, 1, PRODUCER_OK);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void all_gone(void) {
    check_case("every broker gone is unreachable, with the reason and since when; it ends by itself when one is back");
    producer_mock_cluster_t *mock = mock_of(2, "t", 2);
    producer_t *p = watched(mock);
    warm_up(p, "t", 0);
    warm_up(p, "t", 1);
    REQUIRE_OK(producer_mock_cluster_broker_down(mock, 1));
    REQUIRE_OK(producer_mock_cluster_broker_down(mock, 2));
    producer_record_t r = PRODUCER_RECORD_INIT;
    struct outcome *o = outcomes_new(1);
    r.topic = "t", r.partition = 0, r.delivery_timeout_ms = 300;
    CHECK_OK(producer_send(p, &r, on_outcome, o));
    CHECK(reaches(p, PRODUCER_HEALTH_UNREACHABLE));
    CHECK_SAYS(health_of(p).text, "broker");
    CHECK(strlen(health_of(p).text) > 20);
    CHECK(wait_for_reports(p, o, 1, WAIT_MS));
    CHECK_ALL(o, 1, PRODUCER_ERR_DELIVERY_TIMED_OUT);
    CHECK(health_of(p).since_ms >= 100 && health_of(p).since_ms < WAIT_MS);
    /* Nothing is left to send, and it is noticed all the same. */
    REQUIRE_OK(producer_mock_cluster_broker_up(mock, 1));
    REQUIRE_OK(producer_mock_cluster_broker_up(mock, 2));
    CHECK(reaches(p, PRODUCER_HEALTH_OK));
    CHECK_INT(seen[seen_count - 1].state, PRODUCER_HEALTH_OK);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void nobody_polls(void) {
    check_case("changes that nobody polls for become the latest one; back at what was told, nothing is");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = watched(mock);
    warm_up(p, "t", 0);
    producer_poll(p, 0);
    int before = seen_count;
    for (int round = 0; round < 2; round++) {
        int64_t deadline = now_ms() + WAIT_MS;
        REQUIRE_OK(producer_mock_cluster_broker_down(mock, 1));
        CHECK_OK(send_text(p, "t", 0, "x", NULL));
        while (health_of(p).state != PRODUCER_HEALTH_UNREACHABLE && now_ms() < deadline) pause_ms(1);
        CHECK_INT(health_of(p).state, PRODUCER_HEALTH_UNREACHABLE);
        if (round == 1) break;
        REQUIRE_OK(producer_mock_cluster_broker_up(mock, 1));
        while (health_of(p).state != PRODUCER_HEALTH_OK && now_ms() < deadline) pause_ms(1);
        CHECK_INT(health_of(p).state, PRODUCER_HEALTH_OK);
        producer_poll(p, 0);
        CHECK_INT(seen_count, before);
    }
    producer_poll(p, 0);
    CHECK_INT(seen_count, before + 1);
    CHECK_INT(seen[seen_count - 1].state, PRODUCER_HEALTH_UNREACHABLE);
    REQUIRE_OK(producer_mock_cluster_broker_up(mock, 1));
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static void never_there(void) {
    check_case("servers that were never there are unreachable, and named");
    producer_t *p = watched_at("127.0.0.1:1", NULL, NULL);
    CHECK(reaches(p, PRODUCER_HEALTH_UNREACHABLE));
    CHECK_SAYS(health_of(p).text, "127.0.0.1:1");
    CHECK_INT(seen_count, 1);
    CHECK_INT(seen[0].state, PRODUCER_HEALTH_UNREACHABLE);
    CHECK_OK(producer_close(p, 1000));
}

static void flush_of_nobody(void) {
    check_case("a flush whose time is over says what is wrong with the cluster");
    producer_t *p = watched_at("127.0.0.1:1", NULL, NULL);
    producer_record_t record = PRODUCER_RECORD_INIT;
    record.topic = "t";
    CHECK_OK(producer_send(p, &record, NULL, NULL));
    CHECK(reaches(p, PRODUCER_HEALTH_UNREACHABLE));
    CHECK_STATUS(producer_flush(p, 0), PRODUCER_ERR_TIMED_OUT);
    CHECK_SAYS(producer_last_error(), "call producer_flush again");
    CHECK_SAYS(producer_last_error(), "127.0.0.1:1");
    producer_close(p, 0);
}

static void fatal(void) {
    check_case("a producer that has failed for good says so, and why");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = watched_at(producer_mock_cluster_bootstrap_servers(mock), "transactional.id", "x");
    REQUIRE_OK(producer_init_transactions(p, WAIT_MS));
    REQUIRE_OK(producer_begin_transaction(p));
    REQUIRE_OK(producer_mock_cluster_fence(mock, "x"));
    CHECK_OK(send_text(p, "t", 0, "x", NULL));
    if (producer_status_is_abortable(producer_commit_transaction(p, WAIT_MS))) producer_abort_transaction(p, WAIT_MS);
    CHECK_INT(health_of(p).state, PRODUCER_HEALTH_FATAL);
    CHECK(strlen(health_of(p).text) > 10);
    /* Told a moment after the call that failed by it was answered. */
    int64_t deadline = now_ms() + WAIT_MS;
    while (seen[seen_count - 1].state != PRODUCER_HEALTH_FATAL && now_ms() < deadline) producer_poll(p, 10);
    CHECK_INT(seen[seen_count - 1].state, PRODUCER_HEALTH_FATAL);
    producer_close(p, WAIT_MS);
    producer_mock_cluster_free(mock);
}

static void bad_input(void) {
    check_case("bad input is refused by name");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = producer_at(mock);
    producer_health_t h = PRODUCER_HEALTH_INIT;
    CHECK_STATUS(producer_health(NULL, &h), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_health(p, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "health");
    h.struct_size = 4;
    CHECK_STATUS(producer_health(p, &h), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "PRODUCER_HEALTH_INIT");
    CHECK_STATUS(producer_config_set_health_callback(NULL, on_health, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    producer_config_t *c = config_of("h:1", NULL);
    CHECK_OK(producer_config_set_health_callback(c, NULL, NULL));
    producer_config_free(c);
    CHECK_OK(producer_close(p, WAIT_MS));
    h.struct_size = sizeof h;
    CHECK_STATUS(producer_health(p, &h), PRODUCER_ERR_CLOSED);
    producer_mock_cluster_free(mock);
}

int main(void) {
    check_begin();
    beginning();
    one_of_three();
    leaderless();
    all_gone();
    nobody_polls();
    never_there();
    flush_of_nobody();
    fatal();
    bad_input();
    return check_end();
}
