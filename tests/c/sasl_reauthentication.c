/* Sessions that end every few hundred milliseconds, under load: nothing is lost, order is kept, no connection is given up. */
#include "check.h"

#define RECORDS 6000
#define PARTITIONS 4

static int64_t counted(producer_mock_cluster_t *m, producer_status_t (*count)(const producer_mock_cluster_t *, int64_t *)) {
    int64_t n = -1;
    REQUIRE_OK(count(m, &n));
    return n;
}

static producer_mock_cluster_t *guarded(const char *mechanism, const char *password, int64_t lifetime_ms) {
    producer_mock_cluster_t *m = mock_of(2, "t", PARTITIONS);
    REQUIRE_OK(producer_mock_cluster_set_sasl(m, mechanism, "jan", password, lifetime_ms));
    return m;
}

struct order {
    int64_t last, count;
};

static int in_order(const producer_mock_record_t *r, void *opaque) {
    struct order *o = opaque;
    char text[32] = "";
    memcpy(text, r->value, r->value_len < 31 ? (size_t)r->value_len : 31);
    int64_t number = strtoll(text, NULL, 10);
    CHECK(number > o->last);
    o->last = number;
    o->count++;
    return 0;
}

/* Sessions of `lifetime_ms`, renewed while records flow to every partition. */
static void renewed_under_load(const char *mechanism, int64_t lifetime_ms, const char *in_flight) {
    check_case(mechanism);
    producer_mock_cluster_t *m = guarded(mechanism, "right", lifetime_ms);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(m), "security.protocol", "SASL_PLAINTEXT",
                                "sasl.mechanism", mechanism, "sasl.username", "jan", "sasl.password", "right", "linger.ms", "1",
                                "max.in.flight.requests.per.connection", in_flight, NULL);
    struct outcome *o = outcomes_new(RECORDS);
    int64_t deadline = now_ms() + WAIT_MS;
    size_t sent = 0;
    /* As many as it takes for ten renewals; what is left of them afterwards. */
    while (sent < RECORDS && now_ms() < deadline) {
        char value[32];
        snprintf(value, sizeof value, "%zu", sent);
        REQUIRE_OK(send_text(p, "t", (int32_t)(sent % PARTITIONS), value, &o[sent]));
        sent++;
        if (sent % 20 == 0) REQUIRE(producer_poll(p, 10) >= 0);
        if (sent == RECORDS / 2)
            while (counted(m, producer_mock_cluster_reauthentication_count) < 10 && now_ms() < deadline) producer_poll(p, 10);
    }
    CHECK_INT(sent, RECORDS);
    CHECK(wait_for_reports(p, o, sent, WAIT_MS));
    CHECK_ALL(o, sent, PRODUCER_OK);
    for (int32_t partition = 0; partition < PARTITIONS; partition++) {
        struct order order = {-1, 0};
        REQUIRE_OK(producer_mock_cluster_records(m, "t", partition, 0, in_order, &order));
        CHECK_INT(order.count, RECORDS / PARTITIONS);
    }
    CHECK(counted(m, producer_mock_cluster_reauthentication_count) >= 10);
    CHECK_OK(producer_close(p, WAIT_MS));
    free(o);
    producer_mock_cluster_free(m);
}

static void wrong_then_right(void) {
    check_case("wrong credentials fail what waits at once; when the broker knows them records go through");
    producer_mock_cluster_t *m = guarded("SCRAM-SHA-256", "right", 0);
    int64_t begun = now_ms();
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(m), "security.protocol", "SASL_PLAINTEXT",
                                "sasl.mechanism", "SCRAM-SHA-256", "sasl.username", "jan", "sasl.password", "other", NULL);
    struct outcome *o = outcomes_new(2);
    REQUIRE_OK(send_text(p, "t", 0, "refused", &o[0]));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK(wait_for_reports(p, o, 1, WAIT_MS));
    CHECK(now_ms() - begun < 2000);
    CHECK_ALL(o, 1, PRODUCER_ERR_SASL_AUTHENTICATION_FAILED);
    CHECK_INT(o[0].persisted, PRODUCER_PERSISTED_NO);
    CHECK_SAYS(o[0].error_text, "check sasl.username and sasl.password");
    CHECK_SAYS(wait_for_health(p, PRODUCER_HEALTH_AUTHENTICATION_FAILED).text, "refused the credentials");

    REQUIRE_OK(producer_mock_cluster_set_sasl(m, "SCRAM-SHA-256", "jan", "other", 0));
    /* An attempt that was under way may still be refused. */
    int64_t deadline = now_ms() + WAIT_MS;
    do {
        memset(&o[1], 0, sizeof o[1]);
        REQUIRE_OK(send_text(p, "t", 0, "let in", &o[1]));
        REQUIRE(wait_for_reports(p, &o[1], 1, WAIT_MS));
    } while (o[1].status == PRODUCER_ERR_SASL_AUTHENTICATION_FAILED && now_ms() < deadline);
    CHECK_ALL(&o[1], 1, PRODUCER_OK);
    wait_for_health(p, PRODUCER_HEALTH_OK);
    CHECK_OK(producer_close(p, WAIT_MS));
    free(o);
    producer_mock_cluster_free(m);
}

static void without_sasl(void) {
    check_case("a client without SASL at a listener that wants it is told so");
    producer_mock_cluster_t *m = guarded("PLAIN", "right", 0);
    producer_t *p = producer_at(m);
    CHECK_SAYS(wait_for_health(p, PRODUCER_HEALTH_UNREACHABLE).text, "security.protocol=SASL_PLAINTEXT");
    CHECK_OK(producer_close(p, 100));
    producer_mock_cluster_free(m);
}

static void bad_input(void) {
    check_case("the mock's SASL refuses what it cannot demand");
    producer_mock_cluster_t *m = mock_of(1, "t", 1);
    CHECK_STATUS(producer_mock_cluster_set_sasl(NULL, "PLAIN", "u", "p", 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_mock_cluster_set_sasl(m, "DIGEST-MD5", "u", "p", 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "SCRAM-SHA-512");
    CHECK_STATUS(producer_mock_cluster_set_sasl(m, "PLAIN", NULL, "p", 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "username is NULL");
    CHECK_STATUS(producer_mock_cluster_set_sasl(m, "PLAIN", "u", NULL, 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_mock_cluster_set_sasl(m, "OAUTHBEARER", NULL, NULL, 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_mock_cluster_set_sasl(m, "PLAIN", "\xff", "p", 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_mock_cluster_set_sasl(m, "PLAIN", "u", "p", -1), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "session_lifetime_ms");
    CHECK_STATUS(producer_mock_cluster_set_sasl(m, "PLAIN", "u", "p", 86400001), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_OK(producer_mock_cluster_set_sasl(m, "OAUTHBEARER", NULL, "token", 0));
    CHECK_OK(producer_mock_cluster_set_sasl(m, NULL, NULL, NULL, 0));
    int64_t count = -1;
    CHECK_STATUS(producer_mock_cluster_authentication_count(NULL, &count), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_mock_cluster_reauthentication_count(m, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_mock_cluster_expired_session_count(m, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_OK(producer_mock_cluster_expired_session_count(m, &count));
    CHECK_INT(count, 0);
    producer_mock_cluster_free(m);
}

int main(void) {
    check_begin();
    bad_input();
    renewed_under_load("PLAIN", 300, "5");
    renewed_under_load("SCRAM-SHA-512", 500, "1");
    wrong_then_right();
    without_sasl();
    return check_end();
}
