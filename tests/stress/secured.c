/* Brokers that demand TLS and SASL with short sessions, while certificates, passwords and tokens change on both sides. */
#include "storm.h"

#include "../c/certificates.h"

#define SESSION_MS 300
#define TOKEN_MS 400
#define TOKEN "the.storm's.token"

/* Of the round: rounds come one after another. Under the lock: what brokers and producers go by. */
static struct {
    pthread_mutex_t lock;
    bool by_token;
    const char *password;
    producer_mock_cluster_t *mock;
} now = {.lock = PTHREAD_MUTEX_INITIALIZER, .password = "first"};

static atomic_uint tokens_asked;

producer_mock_cluster_t *storm_secured_mock(void) {
    producer_mock_cluster_t *mock = mock_of(3, "t0", 4);
    REQUIRE_OK(producer_mock_cluster_topic_create(mock, "t1", 2, 1));
    REQUIRE_OK(producer_mock_cluster_telemetry_subscribe(mock, "*", 50, 0));
    mock_speaks_tls(mock, "server", NULL);
    return mock;
}

static producer_status_t demand(void) {
    return now.by_token ? producer_mock_cluster_set_sasl(now.mock, "OAUTHBEARER", NULL, TOKEN, SESSION_MS)
                        : producer_mock_cluster_set_sasl(now.mock, "SCRAM-SHA-256", "storm", now.password, SESSION_MS);
}

void storm_secured_begin(producer_mock_cluster_t *mock, unsigned seed) {
    pthread_mutex_lock(&now.lock);
    now.mock = mock;
    now.by_token = seed / STORM_MODES % 2 == 1;
    REQUIRE_OK(demand());
    pthread_mutex_unlock(&now.lock);
}

/* Fails now and then: the token that is there lives on for a while. */
static void on_token(producer_token_request_t *request, void *opaque) {
    (void)opaque;
    if (tokens_asked++ % 5 == 4) CHECK_OK(producer_token_request_fail(request, "the storm has no token"));
    else CHECK_OK(producer_token_request_set(request, TOKEN, wall_ms() + TOKEN_MS, "storm", NULL, 0));
}

void storm_secured_config(producer_config_t *c) {
    REQUIRE_OK(producer_config_set(c, "security.protocol", "SASL_SSL"));
    REQUIRE_OK(producer_config_set(c, "ssl.ca.location", cert_path("both-ca.pem")));
    pthread_mutex_lock(&now.lock);
    if (now.by_token) {
        REQUIRE_OK(producer_config_set(c, "sasl.mechanism", "OAUTHBEARER"));
        REQUIRE_OK(producer_config_set(c, "sasl.login.retry.backoff.ms", "5"));
        REQUIRE_OK(producer_config_set_oauth_token_callback(c, on_token, NULL));
    } else {
        REQUIRE_OK(producer_config_set(c, "sasl.mechanism", "SCRAM-SHA-256"));
        REQUIRE_OK(producer_config_set(c, "sasl.username", "storm"));
        REQUIRE_OK(producer_config_set(c, "sasl.password", now.password));
    }
    pthread_mutex_unlock(&now.lock);
}

producer_status_t storm_secured_credentials(struct storm_thread *t) {
    producer_t *p = t->round->producer;
    producer_status_t status = PRODUCER_OK;
    pthread_mutex_lock(&now.lock);
    switch (storm_dice(t, 3)) {
    case 0:
        status = producer_set_sasl_credentials(p, "storm", now.password);
        if (now.by_token && status == PRODUCER_ERR_CONFIG_CONFLICT) status = PRODUCER_OK;
        break;
    case 1:
        status = producer_set_oauth_token(p, TOKEN, wall_ms() + TOKEN_MS, "storm", NULL, 0);
        if (!now.by_token && status == PRODUCER_ERR_CONFIG_CONFLICT) status = PRODUCER_OK;
        break;
    default: break;
    }
    pthread_mutex_unlock(&now.lock);
    return status == PRODUCER_OK ? producer_tls_reload(p) : status;
}

/* Another certificate of the brokers, another password on both sides, or a wrong one for a moment. */
producer_status_t storm_secured_disturb(struct storm_thread *t) {
    producer_t *p = t->round->producer;
    producer_status_t status = PRODUCER_OK;
    pthread_mutex_lock(&now.lock);
    switch (storm_dice(t, 3)) {
    case 0: mock_speaks_tls(now.mock, storm_dice(t, 2) ? "server" : "other-server", NULL); break;
    case 1:
        now.password = strcmp(now.password, "first") == 0 ? "second" : "first";
        status = demand();
        if (!now.by_token && status == PRODUCER_OK) status = producer_set_sasl_credentials(p, "storm", now.password);
        break;
    default:
        if (now.by_token) break;
        status = producer_set_sasl_credentials(p, "storm", "wrong");
        pause_ms(2);
        if (status == PRODUCER_OK) status = producer_set_sasl_credentials(p, "storm", now.password);
    }
    pthread_mutex_unlock(&now.lock);
    return status;
}
