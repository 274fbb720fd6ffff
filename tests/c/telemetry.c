/*
 * Client telemetry (KIP-714): a mock cluster asks for metrics and gets them, knows the client by its id, and nothing of it
 * is seen by records, whatever the brokers answer.
 */
#include "check.h"

#define API_GET_TELEMETRY 71
#define API_PUSH_TELEMETRY 72
#define NAME(metric) "org.apache.kafka.producer." metric
#define RECORDS 200

static struct outcome *send_all(producer_t *p, size_t count) {
    struct outcome *o = outcomes_new(count);
    for (size_t i = 0; i < count; i++) {
        producer_record_t record = PRODUCER_RECORD_INIT;
        record.topic = "t";
        record.value = "telemetry";
        record.value_len = 9;
        CHECK_OK(producer_send(p, &record, on_outcome, &o[i]));
    }
    return o;
}

static int64_t push_count(producer_mock_cluster_t *m) {
    int64_t count = -1;
    REQUIRE_OK(producer_mock_cluster_telemetry_push_count(m, &count));
    return count;
}

static bool wait_for_pushes(producer_mock_cluster_t *m, int64_t count) {
    int64_t deadline = now_ms() + WAIT_MS;
    while (push_count(m) < count) {
        if (now_ms() > deadline) return false;
        pause_ms(5);
    }
    return true;
}

struct seen {
    int pushes, terminating;
    char id[PRODUCER_CLIENT_INSTANCE_ID_LEN];
};

static int on_push(const producer_mock_push_t *push, void *opaque) {
    struct seen *seen = opaque;
    CHECK_INT(push->struct_size, sizeof *push);
    CHECK(push->metrics != NULL && push->metrics_len > 0);
    CHECK(push->broker_id >= 1);
    if (seen->pushes > 0) CHECK(strcmp(seen->id, push->client_instance_id) == 0);
    snprintf(seen->id, sizeof seen->id, "%s", push->client_instance_id);
    seen->pushes++;
    seen->terminating += push->terminating;
    return 0;
}

static int on_first_push(const producer_mock_push_t *push, void *opaque) {
    (void)push;
    ++*(int *)opaque;
    return 1;
}

static bool is_uuid(const char *text) {
    if (strlen(text) != 36) return false;
    for (int i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i])) return false;
    }
    return true;
}

static void metrics_are_pushed_and_the_last_ones_at_the_end(void) {
    check_case("a broker that asks gets metrics, and the last ones when the producer closes");
    producer_mock_cluster_t *m = mock_of(3, "t", 3);
    CHECK_OK(producer_mock_cluster_telemetry_subscribe(m, "*", 100, 0));
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(m), NULL);
    char id[PRODUCER_CLIENT_INSTANCE_ID_LEN] = "";
    REQUIRE_OK(producer_client_instance_id(p, WAIT_MS, id));
    CHECK(is_uuid(id));
    char again[PRODUCER_CLIENT_INSTANCE_ID_LEN] = "";
    CHECK_OK(producer_client_instance_id(p, 0, again));
    CHECK(strcmp(id, again) == 0);

    struct outcome *o = send_all(p, RECORDS);
    REQUIRE(wait_for_reports(p, o, RECORDS, WAIT_MS));
    CHECK_ALL(o, RECORDS, PRODUCER_OK);
    REQUIRE(wait_for_pushes(m, 2));
    double value = -1;
    CHECK_OK(producer_mock_cluster_telemetry_value(m, NAME("connection.creation.rate"), &value));
    CHECK(value >= 0);
    CHECK_OK(producer_mock_cluster_telemetry_value(m, NAME("buffer.total.bytes"), &value));
    CHECK(value > 0);

    int64_t began = now_ms();
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK(now_ms() - began < 5000);
    CHECK_OK(producer_mock_cluster_telemetry_value(m, NAME("record.queue.time.max"), &value));
    CHECK(value >= 0);
    CHECK_OK(producer_mock_cluster_telemetry_value(m, NAME("node.request.latency.avg"), &value));
    CHECK(value > 0);
    struct seen seen = {0};
    CHECK_OK(producer_mock_cluster_telemetry_pushes(m, on_push, &seen));
    CHECK_INT(seen.pushes, push_count(m));
    CHECK_INT(seen.terminating, 1);
    CHECK(strcmp(seen.id, id) == 0);
    int first = 0;
    CHECK_OK(producer_mock_cluster_telemetry_pushes(m, on_first_push, &first));
    CHECK_INT(first, 1);
    free(o);
    producer_mock_cluster_free(m);
}

static void one_property_switches_it_off(void) {
    check_case("enable.metrics.push=false");
    producer_mock_cluster_t *m = mock_of(1, "t", 1);
    CHECK_OK(producer_mock_cluster_telemetry_subscribe(m, "*", 100, 0));
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(m), "enable.metrics.push", "false", NULL);
    char id[PRODUCER_CLIENT_INSTANCE_ID_LEN] = "untouched";
    CHECK_STATUS(producer_client_instance_id(p, -1, id), PRODUCER_ERR_CONFIG_CONFLICT);
    CHECK_SAYS(producer_last_error(), "enable.metrics.push");
    CHECK(strcmp(id, "untouched") == 0);
    struct outcome *o = send_all(p, 10);
    REQUIRE(wait_for_reports(p, o, 10, WAIT_MS));
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_INT(push_count(m), 0);
    free(o);
    producer_mock_cluster_free(m);
}

static void brokers_without_it_are_not_asked(void) {
    check_case("brokers that do not offer telemetry");
    producer_mock_cluster_t *m = mock_of(1, "t", 1);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(m), NULL);
    struct outcome *o = send_all(p, 10);
    REQUIRE(wait_for_reports(p, o, 10, WAIT_MS));
    char id[PRODUCER_CLIENT_INSTANCE_ID_LEN] = "untouched";
    CHECK_STATUS(producer_client_instance_id(p, 0, id), PRODUCER_ERR_TIMED_OUT);
    CHECK_STATUS(producer_client_instance_id(p, 20, id), PRODUCER_ERR_TIMED_OUT);
    CHECK_SAYS(producer_last_error(), "no connected broker offers client telemetry");
    CHECK(strcmp(id, "untouched") == 0);
    CHECK_OK(producer_close(p, WAIT_MS));
    free(o);
    producer_mock_cluster_free(m);
}

static void a_refusal_for_good_is_told(void) {
    check_case("a broker that refuses for good");
    producer_mock_cluster_t *m = mock_of(1, "t", 1);
    CHECK_OK(producer_mock_cluster_telemetry_subscribe(m, "*", 100, 0));
    CHECK_OK(producer_mock_cluster_push_error(m, API_GET_TELEMETRY, PRODUCER_ERR_INVALID_REQUEST, 1));
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(m), NULL);
    char id[PRODUCER_CLIENT_INSTANCE_ID_LEN];
    CHECK_STATUS(producer_client_instance_id(p, WAIT_MS, id), PRODUCER_ERR_INVALID_REQUEST);
    struct outcome *o = send_all(p, 10);
    REQUIRE(wait_for_reports(p, o, 10, WAIT_MS));
    CHECK_ALL(o, 10, PRODUCER_OK);
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_INT(push_count(m), 0);
    free(o);
    producer_mock_cluster_free(m);
}

static void records_do_not_notice(void) {
    check_case("refused pushes, lost connections and absurd subscriptions do not touch records");
    static const struct {
        const char *metrics;
        int32_t interval_ms, max_bytes;
        int16_t api;
        producer_status_t status;
    } cases[] = {
        {"*", 100, 0, API_PUSH_TELEMETRY, PRODUCER_ERR_DISCONNECTED},
        {"*", 100, 0, API_PUSH_TELEMETRY, PRODUCER_ERR_THROTTLING_QUOTA_EXCEEDED},
        {"*", 100, 0, API_PUSH_TELEMETRY, PRODUCER_ERR_UNKNOWN_SUBSCRIPTION_ID},
        {"*", 100, 0, API_GET_TELEMETRY, PRODUCER_ERR_DISCONNECTED},
        {"*", 0, 1, API_PUSH_TELEMETRY, PRODUCER_OK},
        {"*", -2147483647, 0, API_PUSH_TELEMETRY, PRODUCER_OK},
        {",,nothing,", 1, 0, API_PUSH_TELEMETRY, PRODUCER_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        producer_mock_cluster_t *m = mock_of(2, "t", 2);
        CHECK_OK(producer_mock_cluster_telemetry_subscribe(m, cases[i].metrics, cases[i].interval_ms, cases[i].max_bytes));
        CHECK_OK(producer_mock_cluster_push_error(m, cases[i].api, cases[i].status, 1000));
        producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(m), NULL);
        for (int round = 0; round < 5; round++) {
            struct outcome *o = send_all(p, 50);
            REQUIRE(wait_for_reports(p, o, 50, WAIT_MS));
            CHECK_ALL(o, 50, PRODUCER_OK);
            for (size_t k = 0; k < 50; k++) CHECK_INT(o[k].attempts, 1);
            free(o);
        }
        int64_t began = now_ms();
        CHECK_OK(producer_close(p, WAIT_MS));
        CHECK(now_ms() - began < 5000);
        producer_mock_cluster_free(m);
    }
}

struct called {
    producer_t *p;
    producer_status_t waiting, looking;
    atomic_int reports;
};

static void ask_from_a_callback(const producer_report_t *report, void *opaque) {
    struct called *called = opaque;
    char id[PRODUCER_CLIENT_INSTANCE_ID_LEN];
    (void)report;
    called->waiting = producer_client_instance_id(called->p, 1000, id);
    called->looking = producer_client_instance_id(called->p, 0, id);
    called->reports++;
}

static void bad_input_is_named(void) {
    check_case("bad input");
    producer_mock_cluster_t *m = mock_of(1, "t", 1);
    CHECK_OK(producer_mock_cluster_telemetry_subscribe(m, "", 100, 0));
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(m), NULL);
    char id[PRODUCER_CLIENT_INSTANCE_ID_LEN] = "untouched";
    CHECK_STATUS(producer_client_instance_id(NULL, 0, id), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_client_instance_id(p, 0, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "out");
    CHECK_STATUS(producer_client_instance_id(p, -2, id), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "timeout_ms");
    CHECK(strcmp(id, "untouched") == 0);
    REQUIRE_OK(producer_client_instance_id(p, WAIT_MS, id));

    struct called called = {.p = p, .waiting = PRODUCER_OK, .looking = PRODUCER_ERR_INTERNAL};
    producer_record_t record = PRODUCER_RECORD_INIT;
    record.topic = "t";
    CHECK_OK(producer_send(p, &record, ask_from_a_callback, &called));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_INT(called.reports, 1);
    CHECK_INT(called.waiting, PRODUCER_ERR_IN_CALLBACK);
    CHECK_INT(called.looking, PRODUCER_OK);

    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_STATUS(producer_client_instance_id(p, 0, id), PRODUCER_ERR_CLOSED);

    int64_t count;
    double value;
    CHECK_STATUS(producer_mock_cluster_telemetry_subscribe(NULL, "*", 100, 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_mock_cluster_telemetry_subscribe(m, "\xff", 100, 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_mock_cluster_telemetry_subscribe(m, "*", 100, -1), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_OK(producer_mock_cluster_telemetry_subscribe(m, NULL, 0, 0));
    CHECK_STATUS(producer_mock_cluster_telemetry_push_count(NULL, &count), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_mock_cluster_telemetry_push_count(m, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_mock_cluster_telemetry_pushes(NULL, on_push, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_mock_cluster_telemetry_pushes(m, NULL, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_mock_cluster_telemetry_value(NULL, "x", &value), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_mock_cluster_telemetry_value(m, NULL, &value), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_mock_cluster_telemetry_value(m, "x", NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_mock_cluster_telemetry_value(m, "x", &value), PRODUCER_ERR_NOT_FOUND);
    producer_mock_cluster_free(m);
}

int main(void) {
    check_begin();
    metrics_are_pushed_and_the_last_ones_at_the_end();
    one_property_switches_it_off();
    brokers_without_it_are_not_asked();
    a_refusal_for_good_is_told();
    records_do_not_notice();
    bad_input_is_named();
    return check_end();
}
