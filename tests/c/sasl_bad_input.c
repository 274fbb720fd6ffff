/* Bad arguments of the functions for credentials and tokens, and properties of SASL that contradict each other or lack something. */
#include "check.h"

static atomic_int requests;

static void on_request(producer_token_request_t *request, void *opaque) {
    (void)opaque;
    int64_t later = wall_ms() + 60000;
    producer_oauth_extension_t good = {"a", "b"}, reserved = {"auth", "b"}, numbered = {"a1", "b"}, nameless = {NULL, "b"};
    producer_oauth_extension_t valueless = {"a", NULL}, twice[2] = {{"a", "b"}, {"a", "c"}};
    CHECK_STATUS(producer_token_request_set(NULL, "t", later, NULL, NULL, 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_token_request_set(request, NULL, later, NULL, NULL, 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "token is NULL");
    CHECK_STATUS(producer_token_request_set(request, "\xff", later, NULL, NULL, 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_token_request_set(request, "t", 0, NULL, NULL, 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "expired");
    CHECK_STATUS(producer_token_request_set(request, "Bearer s3cret", later, NULL, NULL, 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK(!contains(producer_last_error(), "s3cret"));
    CHECK_STATUS(producer_token_request_set(request, "t", later, NULL, NULL, 1), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_token_request_set(request, "t", later, NULL, &good, 1000), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_token_request_set(request, "t", later, NULL, &reserved, 1), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_token_request_set(request, "t", later, NULL, &numbered, 1), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_token_request_set(request, "t", later, NULL, &nameless, 1), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "extensions[0].name");
    CHECK_STATUS(producer_token_request_set(request, "t", later, NULL, &valueless, 1), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_token_request_set(request, "t", later, NULL, twice, 2), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_token_request_fail(NULL, "text"), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_token_request_fail(request, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_token_request_fail(request, "\xff"), PRODUCER_ERR_INVALID_ARGUMENT);
    atomic_fetch_add(&requests, 1);
    /* It returns without an answer, which is a failure that says so. */
}

static void tokens(void) {
    check_case("requests for tokens");
    CHECK_STATUS(producer_config_set_oauth_token_callback(NULL, on_request, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    REQUIRE_OK(producer_mock_cluster_set_sasl(mock, "OAUTHBEARER", NULL, "t", 0));
    producer_config_t *c = config_of(producer_mock_cluster_bootstrap_servers(mock), "security.protocol", "SASL_PLAINTEXT",
                                     "sasl.mechanism", "OAUTHBEARER", NULL);
    REQUIRE_OK(producer_config_set_oauth_token_callback(c, on_request, NULL));
    producer_t *p = NULL;
    REQUIRE_OK(producer_new(c, &p));
    producer_health_t h = PRODUCER_HEALTH_INIT;
    int64_t deadline = now_ms() + WAIT_MS;
    do {
        CHECK(producer_poll(p, 10) >= 0);
        CHECK_OK(producer_health(p, &h));
    } while (!contains(h.text, "returned without a token") && now_ms() < deadline);
    CHECK_SAYS(h.text, "returned without a token");
    CHECK(atomic_load(&requests) > 0);
    CHECK_STATUS(producer_set_oauth_token(NULL, "t", wall_ms() + 1000, NULL, NULL, 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_set_oauth_token(p, NULL, wall_ms() + 1000, NULL, NULL, 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_set_oauth_token(p, "t", wall_ms() - 1000, NULL, NULL, 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_set_sasl_credentials(p, "u", "p"), PRODUCER_ERR_CONFIG_CONFLICT);
    CHECK_SAYS(producer_last_error(), "needs PLAIN");
    producer_close(p, 0);
    CHECK_STATUS(producer_set_oauth_token(p, "t", wall_ms() + 1000, NULL, NULL, 0), PRODUCER_ERR_CLOSED);
    CHECK_OK(producer_config_set(c, "sasl.oauthbearer.token.endpoint.url", "file:///nowhere"));
    CHECK_STATUS(producer_new(c, &p), PRODUCER_ERR_CONFIG_CONFLICT);
    CHECK_SAYS(producer_last_error(), "token callback");
    producer_config_free(c);
    producer_mock_cluster_free(mock);
}

static void credentials(void) {
    check_case("user and password");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    const char *servers = producer_mock_cluster_bootstrap_servers(mock);
    producer_t *p = producer_of(servers, NULL);
    CHECK_STATUS(producer_set_sasl_credentials(p, "u", "p"), PRODUCER_ERR_CONFIG_CONFLICT);
    CHECK_SAYS(producer_last_error(), "security.protocol");
    CHECK_STATUS(producer_set_oauth_token(p, "t", wall_ms() + 1000, NULL, NULL, 0), PRODUCER_ERR_CONFIG_CONFLICT);
    CHECK_OK(producer_close(p, WAIT_MS));
    p = producer_of(servers, "security.protocol", "sasl_plaintext", "sasl.mechanisms", "plain", "sasl.username", "u", "sasl.password",
                    "p", NULL);
    CHECK_STATUS(producer_set_sasl_credentials(NULL, "u", "p"), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_set_sasl_credentials(p, NULL, "p"), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_set_sasl_credentials(p, "u", NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_set_sasl_credentials(p, "", "p"), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_set_sasl_credentials(p, "u", ""), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_set_sasl_credentials(p, "\xff", "p"), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_set_oauth_token(p, "t", wall_ms() + 1000, NULL, NULL, 0), PRODUCER_ERR_CONFIG_CONFLICT);
    CHECK_SAYS(producer_last_error(), "OAUTHBEARER");
    CHECK_OK(producer_set_sasl_credentials(p, "u", "q"));
    producer_close(p, 0);
    CHECK_STATUS(producer_set_sasl_credentials(p, "u", "q"), PRODUCER_ERR_CLOSED);
    producer_mock_cluster_free(mock);
}

/* One mistake: what producer_new, or the setting of the last property, answers and says. */
static void mistake(producer_status_t status, const char *says, ...) {
    producer_config_t *c = NULL;
    producer_t *p = NULL;
    producer_status_t is = PRODUCER_OK;
    va_list pairs;
    REQUIRE_OK(producer_config_new(&c));
    REQUIRE_OK(producer_config_set(c, "bootstrap.servers", "localhost:1"));
    va_start(pairs, says);
    for (const char *name = va_arg(pairs, const char *); name != NULL && is == PRODUCER_OK; name = va_arg(pairs, const char *))
        is = producer_config_set(c, name, va_arg(pairs, const char *));
    va_end(pairs);
    if (is == PRODUCER_OK) is = producer_new(c, &p);
    CHECK_STATUS(is, status);
    CHECK_SAYS(producer_last_error(), says);
    CHECK(!contains(producer_last_error(), "s3cret"));
    producer_config_free(c);
}

static void mistakes(void) {
    check_case("properties");
    const char *protocol = "security.protocol", *mechanism = "sasl.mechanism", *user = "sasl.username", *jaas = "sasl.jaas.config";
    mistake(PRODUCER_ERR_INVALID_PROPERTY, "SCRAM-SHA-512, OAUTHBEARER", mechanism, "SCRAM", NULL);
    mistake(PRODUCER_ERR_INVALID_PROPERTY, "SASL_SSL", protocol, "SASL", NULL);
    mistake(PRODUCER_ERR_CONFIG_CONFLICT, "needs sasl.username and sasl.password", protocol, "SASL_PLAINTEXT", mechanism, "PLAIN", NULL);
    mistake(PRODUCER_ERR_CONFIG_CONFLICT, "needs sasl.password", protocol, "SASL_PLAINTEXT", mechanism, "PLAIN", user, "u", NULL);
    mistake(PRODUCER_ERR_CONFIG_CONFLICT, "its default, GSSAPI", protocol, "SASL_PLAINTEXT", user, "u", "sasl.password", "s3cret", NULL);
    mistake(PRODUCER_ERR_INVALID_PROPERTY, "no semicolon", jaas, "PlainLoginModule required username=\"u\" password=\"s3cret\"", NULL);
    mistake(PRODUCER_ERR_INVALID_PROPERTY, "a quote is not closed", jaas, "PlainLoginModule required password=\"s3cret;", NULL);
    mistake(PRODUCER_ERR_INVALID_PROPERTY, "is not a login module", jaas, "com.acme.LoginModule required;", NULL);
    mistake(PRODUCER_ERR_CONFIG_CONFLICT, "or the login module of SCRAM-SHA-256", protocol, "SASL_PLAINTEXT", mechanism, "SCRAM-SHA-256", jaas,
            "PlainLoginModule required username=u password=s3cret;", NULL);
    mistake(PRODUCER_ERR_CONFIG_CONFLICT, "token.endpoint.url", protocol, "SASL_PLAINTEXT", mechanism, "OAUTHBEARER",
            "sasl.oauthbearer.method", "oidc", NULL);
    mistake(PRODUCER_ERR_CONFIG_CONFLICT, "sasl.oauthbearer.extensions", protocol, "SASL_PLAINTEXT", mechanism, "OAUTHBEARER",
            "sasl.oauthbearer.extensions", "auth=s3cret", NULL);
    mistake(PRODUCER_ERR_PROPERTY_NOT_SUPPORTED, "accepts only", "sasl.login.callback.handler.class", "com.acme.Handler", NULL);
}

static void on_warning(int32_t level, const char *facility, const char *message, void *opaque) {
    (void)facility;
    if (level == 4 && contains(message, "sasl.mechanism is set, but without effect")) atomic_fetch_add((atomic_int *)opaque, 1);
}

static void without_effect(void) {
    check_case("a mechanism without a protocol of SASL is told to the log");
    atomic_int told = 0;
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_config_t *c = config_of(producer_mock_cluster_bootstrap_servers(mock), "sasl.mechanism", "PLAIN", NULL);
    REQUIRE_OK(producer_config_set_log_callback(c, on_warning, &told));
    producer_t *p = NULL;
    REQUIRE_OK(producer_new(c, &p));
    warm_up(p, "t", 0);
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_INT(told, 1);
    producer_config_free(c);
    producer_mock_cluster_free(mock);
}

int main(void) {
    check_begin();
    tokens();
    credentials();
    mistakes();
    without_effect();
    return check_end();
}
