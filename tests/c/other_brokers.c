/* Brokers that are not the newest Apache Kafka: what they do not speak, and what they do not take. */
#include "check.h"

#define MANY 40

static producer_t *quick(producer_mock_cluster_t *mock) {
    return producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "20", "reconnect.backoff.ms", "5",
                       "reconnect.backoff.max.ms", "20", "retry.backoff.ms", "5", NULL);
}

static void refused_versions(void) {
    check_case("ApiVersions refused with error 35, for a while or by brokers that know only version 0 or 2, is asked again");
    for (int kind = 0; kind < 4; kind++) {
        producer_mock_cluster_t *mock = mock_of(1, "t", 1);
        if (kind == 0) REQUIRE_OK(producer_mock_cluster_push_error(mock, API_VERSIONS, PRODUCER_ERR_UNSUPPORTED_VERSION, 1));
        if (kind == 1) REQUIRE_OK(producer_mock_cluster_push_error(mock, API_VERSIONS, PRODUCER_ERR_INVALID_REQUEST, 1));
        if (kind >= 2) REQUIRE_OK(producer_mock_cluster_set_api_version(mock, API_VERSIONS, kind == 2 ? 0 : 2));
        producer_t *p = quick(mock);
        warm_up(p, "t", 0);
        CHECK_OK(producer_close(p, WAIT_MS));
        producer_mock_cluster_free(mock);
    }
}

static void hung_up(void) {
    check_case("a broker that hangs up at ApiVersions is asked with an older version, and again when it hangs up then");
    for (int times = 1; times <= 3; times++) {
        producer_mock_cluster_t *mock = mock_of(1, "t", 1);
        REQUIRE_OK(producer_mock_cluster_push_disconnect(mock, API_VERSIONS, 0, times));
        producer_t *p = quick(mock);
        warm_up(p, "t", 0);
        CHECK_OK(producer_close(p, WAIT_MS));
        producer_mock_cluster_free(mock);
    }
}

static void too_old(int16_t api_key, int16_t max_version, const char *name) {
    struct outcome *o = outcomes_new(2);
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    REQUIRE_OK(producer_mock_cluster_set_api_version(mock, api_key, max_version));
    producer_t *p = quick(mock);
    int64_t begun = now_ms();
    CHECK_OK(send_text(p, "t", 0, "early", &o[0]));
    CHECK(wait_for_reports(p, o, 1, WAIT_MS));
    CHECK_OK(send_text(p, "t", 0, "late", &o[1]));
    CHECK(wait_for_reports(p, o, 2, WAIT_MS));
    CHECK(now_ms() - begun < 15000); /* delivery.timeout.ms is two minutes */
    CHECK_ALL(o, 2, PRODUCER_ERR_UNSUPPORTED_BROKER);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(o[i].persisted, PRODUCER_PERSISTED_NO);
        CHECK_SAYS(o[i].error_text, name);
        CHECK_SAYS(o[i].error_text, "Kafka 2.1 or newer is needed");
    }
    producer_health_t health = wait_for_health(p, PRODUCER_HEALTH_UNREACHABLE);
    CHECK_SAYS(health.text, name);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void old_brokers(void) {
    check_case("a broker below our versions fails records at once, and the text names the request and both ranges");
    too_old(API_PRODUCE, 6, "Produce");
    too_old(API_METADATA, 5, "Metadata");
    too_old(API_PRODUCE, -1, "Produce");
}

static void large_requests(void) {
    static char value[20000];
    check_case("a broker that hangs up on large requests gets smaller ones, and everything arrives once");
    producer_mock_cluster_t *mock = mock_of(1, "t", MANY);
    producer_t *p = quick(mock);
    for (int i = 0; i < MANY; i++) warm_up(p, "t", i);
    REQUIRE_OK(producer_mock_cluster_set_request_max_bytes(mock, 100000));
    struct outcome *o = outcomes_new(3 * MANY);
    memset(value, 'x', sizeof value);
    for (int i = 0; i < 3 * MANY; i++) {
        producer_record_t r = PRODUCER_RECORD_INIT;
        r.topic = "t";
        r.partition = i % MANY;
        r.value = value;
        r.value_len = sizeof value;
        REQUIRE_OK(producer_send(p, &r, on_outcome, &o[i]));
    }
    CHECK_OK(producer_flush(p, 40000));
    CHECK_ALL(o, 3 * MANY, PRODUCER_OK);
    for (int i = 0; i < MANY; i++) CHECK_INT(log_end(mock, "t", i), 4);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void lone_large_request(void) {
    static char value[200000];
    check_case("a record that no request has room for fails with words about its size, not about SASL");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    REQUIRE_OK(producer_mock_cluster_set_request_max_bytes(mock, 100000));
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "request.timeout.ms", "1000",
                                "delivery.timeout.ms", "2000", NULL);
    struct outcome *o = outcomes_new(1);
    memset(value, 'x', sizeof value);
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t";
    r.value = value;
    r.value_len = sizeof value;
    REQUIRE_OK(producer_send(p, &r, on_outcome, o));
    CHECK(wait_for_reports(p, o, 1, WAIT_MS));
    CHECK_ALL(o, 1, PRODUCER_ERR_DELIVERY_TIMED_OUT);
    CHECK_SAYS(o->error_text, "right after a request of 200");
    CHECK_SAYS(o->error_text, "max.request.size");
    CHECK(!contains(o->error_text, "SASL"));
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void protocols(void) {
    check_case("entries of bootstrap.servers may begin with the protocol that is spoken");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    char servers[200];
    snprintf(servers, sizeof servers, "PLAINTEXT://%s", producer_mock_cluster_bootstrap_servers(mock));
    producer_t *p = producer_of(servers, NULL);
    warm_up(p, "t", 0);
    CHECK_OK(producer_close(p, WAIT_MS));
    snprintf(servers, sizeof servers, "SASL_SSL://%s", producer_mock_cluster_bootstrap_servers(mock));
    producer_config_t *config = config_of(servers, NULL);
    CHECK_STATUS(producer_new(config, &p), PRODUCER_ERR_CONFIG_CONFLICT);
    CHECK_SAYS(producer_last_error(), "set security.protocol=SASL_SSL");
    producer_config_free(config);
    producer_mock_cluster_free(mock);
}

int main(void) {
    check_begin();
    refused_versions();
    hung_up();
    old_brokers();
    large_requests();
    lone_large_request();
    protocols();
    CHECK_STATUS(producer_mock_cluster_set_api_version(NULL, 0, 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_mock_cluster_set_request_max_bytes(NULL, 1), PRODUCER_ERR_INVALID_ARGUMENT);
    return check_end();
}
