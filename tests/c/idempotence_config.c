/* Idempotence is on unless it is turned off by name; what contradicts it is an error that says what to do, never a silent loss. */
#include "check.h"

/* producer_new refuses these settings, and its sentence says all of `says`. */
static void refused(const char *settings[][2], size_t count, const char *says[], size_t says_count, int line) {
    producer_t *p = NULL;
    producer_config_t *c = config_of("localhost:1", NULL);
    for (size_t i = 0; i < count; i++) REQUIRE_OK(producer_config_set(c, settings[i][0], settings[i][1]));
    producer_status_t status = producer_new(c, &p);
    check_status(status, PRODUCER_ERR_CONFIG_CONFLICT, PRODUCER_ERR_CONFIG_CONFLICT, settings[0][0], __FILE__, line);
    CHECK(!producer_status_is_retriable(status) && !producer_status_is_abortable(status) && !producer_status_is_fatal(status));
    for (size_t i = 0; i < says_count; i++) check_says(producer_last_error(), says[i], __FILE__, line);
    CHECK(p == NULL);
    producer_config_free(c);
}
#define COUNT(array) (sizeof(array) / sizeof *(array))
#define REFUSED(settings, says) refused(settings, COUNT(settings), says, COUNT(says), __LINE__)

static void against_the_default(void) {
    const char *cases[][3] = {
        {"acks", "1", "acks=all"},
        {"acks", "0", "acks=all"},
        {"request.required.acks", "1", "acks=1"},
        {"retries", "0", "retries=0"},
        {"message.send.max.retries", "0", "retries=0"},
        {"max.in.flight.requests.per.connection", "6", "at most 5"},
        {"max.in.flight", "1000000", "max.in.flight.requests.per.connection=1000000"},
    };
    check_case("what contradicts idempotence names it, whether it was asked for or not, and the way out works");
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *with_default[][2] = {{cases[i][0], cases[i][1]}};
        const char *says_default[] = {cases[i][2], "enable.idempotence=true, which is the default", "set enable.idempotence=false"};
        REFUSED(with_default, says_default);
        const char *with_wish[][2] = {{cases[i][0], cases[i][1]}, {"enable.idempotence", "true"}};
        const char *says_wish[] = {cases[i][2], "enable.idempotence=true needs", "set enable.idempotence=false"};
        REFUSED(with_wish, says_wish);
        const char *with_transactions[][2] = {{cases[i][0], cases[i][1]}, {"transactional.id", "t"}};
        const char *says_transactions[] = {cases[i][2], "remove transactional.id"};
        REFUSED(with_transactions, says_transactions);
        CHECK_OK(producer_close(producer_of("localhost:1", cases[i][0], cases[i][1], "enable.idempotence", "false", NULL), 0));
    }
    const char *three[][2] = {{"acks", "1"}, {"retries", "0"}, {"max.in.flight", "9"}};
    const char *says[] = {"3 contradictions", "acks=1", "retries=0", "max.in.flight.requests.per.connection=9"};
    REFUSED(three, says);
    CHECK_OK(producer_close(producer_of("localhost:1", "acks", "all", "retries", "1", "max.in.flight", "5", NULL), 0));
}

static void nothing_is_ignored(void) {
    const char *options[][2] = {{"on.sequence.gap", "fatal"}, {"on.in.doubt.timeout", "hold"}, {"test.first.sequence", "7"}};
    check_case("what has a meaning only with idempotence is refused without");
    for (size_t i = 0; i < COUNT(options); i++) {
        const char *settings[][2] = {{options[i][0], options[i][1]}, {"enable.idempotence", "false"}};
        const char *says[] = {options[i][0], "only with enable.idempotence=true", "remove"};
        REFUSED(settings, says);
    }
    const char *settings[][2] = {{"transactional.id", "t"}, {"enable.idempotence", "false"}};
    const char *says[] = {"transactional.id", "enable.idempotence=true"};
    REFUSED(settings, says);
    CHECK_OK(producer_close(producer_of("localhost:1", "on.failure", "stop-partition", "enable.idempotence", "false", NULL), 0));
}

static void time_limits(void) {
    check_case("a record's time and a request's fit into the transaction; what was not set gives way");
    const char *delivery[][2] = {{"transactional.id", "t"}, {"delivery.timeout.ms", "60001"}};
    const char *delivery_says[] = {"delivery.timeout.ms=60001", "transaction.timeout.ms=60000", "lower the first or raise the second"};
    REFUSED(delivery, delivery_says);
    const char *request[][2] = {{"transactional.id", "t"}, {"transaction.timeout.ms", "20000"}, {"request.timeout.ms", "20000"}};
    const char *request_says[] = {"request.timeout.ms=20000", "not less than transaction.timeout.ms=20000"};
    REFUSED(request, request_says);
    CHECK_OK(producer_close(producer_of("localhost:1", "transactional.id", "t", "transaction.timeout.ms", "1000", NULL), 0));
    CHECK_OK(producer_close(
        producer_of("localhost:1", "transactional.id", "t", "delivery.timeout.ms", "120000", "transaction.timeout.ms", "120000", NULL), 0));
}

static void values(void) {
    const char *bad[][3] = {
        {"enable.idempotence", "1", "true, false"},       {"transaction.timeout.ms", "999", "1000 to"},
        {"transaction.timeout.ms", "-1", "1000 to"},      {"on.sequence.gap", "ignore", "bump, fatal"},
        {"on.in.doubt.timeout", "fail", "report, hold"},  {"on.failure", "stop", "gap, stop-partition"},
        {"test.first.sequence", "2147483648", "0 to"},
    };
    check_case("values, defaults, and what librdkafka's users may have set");
    producer_config_t *c = NULL;
    const char *value = NULL;
    REQUIRE_OK(producer_config_new(&c));
    for (size_t i = 0; i < COUNT(bad); i++) {
        CHECK_STATUS(producer_config_set(c, bad[i][0], bad[i][1]), PRODUCER_ERR_INVALID_PROPERTY);
        CHECK_SAYS(producer_last_error(), bad[i][0]);
        CHECK_SAYS(producer_last_error(), bad[i][2]);
    }
    CHECK_STATUS(producer_config_set(c, "enable.gapless.guarantee", "true"), PRODUCER_ERR_PROPERTY_NOT_SUPPORTED);
    CHECK_SAYS(producer_last_error(), "on.failure=stop-partition");
    const char *defaults[][2] = {{"enable.idempotence", "true"}, {"transactional.id", ""},         {"transaction.timeout.ms", "60000"},
                                 {"on.sequence.gap", "bump"},    {"on.in.doubt.timeout", "report"}, {"on.failure", "gap"}};
    for (size_t i = 0; i < COUNT(defaults); i++) {
        CHECK_OK(producer_config_get(c, defaults[i][0], &value));
        CHECK(strcmp(value, defaults[i][1]) == 0);
    }
    CHECK_STATUS(producer_config_set_data_loss_callback(NULL, NULL, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_OK(producer_config_set_data_loss_callback(c, NULL, NULL));
    producer_config_free(c);
}

static void every_combination_delivers(void) {
    check_case("whatever on.* says, records are delivered");
    producer_mock_cluster_t *mock = mock_of(2, "t", 1);
    const char *servers = producer_mock_cluster_bootstrap_servers(mock);
    for (int i = 0; i < 8; i++) {
        producer_t *p = producer_of(servers, "linger.ms", "0", "on.sequence.gap", i & 1 ? "fatal" : "bump", "on.in.doubt.timeout",
                                    i & 2 ? "hold" : "report", "on.failure", i & 4 ? "stop-partition" : "gap", NULL);
        struct outcome *o = outcomes_new(100);
        char prefix[16];
        snprintf(prefix, sizeof prefix, "run%d-", i);
        send_numbered(p, "t", 0, prefix, o, 100);
        CHECK_OK(producer_flush(p, WAIT_MS));
        CHECK_ALL(o, 100, PRODUCER_OK);
        check_log(mock, "t", 0, prefix, o, 100, false);
        CHECK_OK(producer_close(p, WAIT_MS));
        free(o);
    }
    producer_mock_cluster_free(mock);
}

int main(void) {
    check_begin();
    against_the_default();
    nothing_is_ignored();
    time_limits();
    values();
    every_combination_delivers();
    return check_end();
}
