/* SASL against a mock cluster that demands it: every mechanism it speaks, wrong credentials and right ones at run time. */
#include "check.h"

#define SECRET "pencil-s3cret"

static producer_mock_cluster_t *guarded(const char *mechanism, const char *user, const char *password, int64_t lifetime_ms) {
    producer_mock_cluster_t *mock = mock_of(2, "t", 2);
    REQUIRE_OK(producer_mock_cluster_set_sasl(mock, mechanism, user, password, lifetime_ms));
    return mock;
}

/* What an application would find in its log must not hold a secret. */
static void on_log(int32_t level, const char *facility, const char *message, void *opaque) {
    (void)level, (void)facility, (void)opaque;
    CHECK(!contains(message, SECRET));
}

static producer_config_t *config_for(producer_mock_cluster_t *mock, const char *mechanism) {
    producer_config_t *c =
        config_of(producer_mock_cluster_bootstrap_servers(mock), "security.protocol", "SASL_PLAINTEXT", "sasl.mechanism",
                  mechanism, "linger.ms", "1", "reconnect.backoff.ms", "10", "reconnect.backoff.max.ms", "50", NULL);
    REQUIRE_OK(producer_config_set_log_callback(c, on_log, NULL));
    return c;
}

static producer_t *made(producer_config_t *c) {
    producer_t *p = NULL;
    REQUIRE_OK(producer_new(c, &p));
    producer_config_free(c);
    return p;
}

static void ends_well(producer_t *p, producer_mock_cluster_t *mock) {
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

/* Nor may the numbers. */
static void no_secret_in_numbers(producer_t *p) {
    char *json = NULL, *prometheus = NULL;
    REQUIRE_OK(producer_stats_json(p, &json));
    REQUIRE_OK(producer_stats_prometheus(p, &prometheus));
    CHECK(strlen(json) > 0 && !contains(json, SECRET));
    CHECK(strlen(prometheus) > 0 && !contains(prometheus, SECRET));
    producer_string_free(json);
    producer_string_free(prometheus);
}

static void by_password(const char *mechanism, const char *user, const char *password) {
    check_case(mechanism);
    producer_mock_cluster_t *mock = guarded(mechanism, user, password, 0);
    producer_config_t *c = config_for(mock, mechanism);
    REQUIRE_OK(producer_config_set(c, "sasl.username", user));
    REQUIRE_OK(producer_config_set(c, "sasl.password", password));
    producer_t *p = made(c);
    warm_up(p, "t", 0);
    warm_up(p, "t", 1);
    int64_t count = 0;
    REQUIRE_OK(producer_mock_cluster_authentication_count(mock, &count));
    CHECK(count >= 2);
    no_secret_in_numbers(p);
    ends_well(p, mock);
}

static void by_login_module(const char *mechanism, const char *module) {
    check_case(module);
    char jaas[300];
    snprintf(jaas, sizeof jaas, "org.apache.kafka.common.security.%s required\n  username=\"jan\" password=\"" SECRET "\";", module);
    producer_mock_cluster_t *mock = guarded(mechanism, "jan", SECRET, 0);
    producer_config_t *c = config_for(mock, mechanism);
    REQUIRE_OK(producer_config_set(c, "sasl.jaas.config", jaas));
    const char *shown = NULL;
    CHECK_OK(producer_config_get(c, "sasl.jaas.config", &shown));
    CHECK(strcmp(shown, "[hidden]") == 0);
    producer_t *p = made(c);
    warm_up(p, "t", 0);
    ends_well(p, mock);
}

static void wrong_then_right(const char *mechanism) {
    check_case("a wrong password fails what waits within two seconds, and the right one at run time mends it");
    producer_mock_cluster_t *mock = guarded(mechanism, "jan", SECRET, 0);
    producer_config_t *c = config_for(mock, mechanism);
    REQUIRE_OK(producer_config_set(c, "sasl.username", "jan"));
    REQUIRE_OK(producer_config_set(c, "sasl.password", SECRET "-no"));
    int64_t begun = now_ms();
    producer_t *p = made(c);
    struct outcome *o = outcomes_new(2);
    CHECK_OK(send_text(p, "t", 0, "refused", &o[0]));
    CHECK(wait_for_reports(p, o, 1, WAIT_MS));
    CHECK(now_ms() - begun < 2000);
    CHECK_ALL(o, 1, PRODUCER_ERR_SASL_AUTHENTICATION_FAILED);
    CHECK(!contains(o[0].error_text, SECRET));
    CHECK_SAYS(o[0].error_text, mechanism);
    CHECK(!contains(wait_for_health(p, PRODUCER_HEALTH_AUTHENTICATION_FAILED).text, SECRET));
    no_secret_in_numbers(p);
    CHECK_OK(producer_set_sasl_credentials(p, "jan", SECRET));
    /* What is sent before the next attempt may still fail with the last one's reason. */
    int64_t deadline = now_ms() + WAIT_MS;
    do {
        memset(&o[1], 0, sizeof o[1]);
        CHECK_OK(send_text(p, "t", 0, "let in", &o[1]));
        CHECK(wait_for_reports(p, &o[1], 1, WAIT_MS));
    } while (o[1].status == PRODUCER_ERR_SASL_AUTHENTICATION_FAILED && now_ms() < deadline);
    CHECK_ALL(&o[1], 1, PRODUCER_OK);
    free(o);
    ends_well(p, mock);
}

static void changed_on_both_sides(void) {
    check_case("a password that changes while the producer runs costs no record");
    producer_mock_cluster_t *mock = guarded("SCRAM-SHA-256", "jan", "old", 300);
    producer_config_t *c = config_for(mock, "SCRAM-SHA-256");
    REQUIRE_OK(producer_config_set(c, "sasl.username", "jan"));
    REQUIRE_OK(producer_config_set(c, "sasl.password", "old"));
    producer_t *p = made(c);
    warm_up(p, "t", 0);
    CHECK_OK(producer_set_sasl_credentials(p, "jan", "new"));
    REQUIRE_OK(producer_mock_cluster_set_sasl(mock, "SCRAM-SHA-256", "jan", "new", 300));
    int64_t renewed = 0;
    int64_t deadline = now_ms() + WAIT_MS;
    while (renewed < 2 && now_ms() < deadline) {
        warm_up(p, "t", 0);
        REQUIRE_OK(producer_mock_cluster_reauthentication_count(mock, &renewed));
    }
    CHECK(renewed >= 2);
    ends_well(p, mock);
}

/* ---- tokens ---- */

struct tokens {
    atomic_int asked;
    atomic_bool fails;
    const char *token;
    int64_t life_ms;
    producer_t *producer;
    pthread_t *threads_not_to_be_on;
};

static void on_token(producer_token_request_t *request, void *opaque) {
    struct tokens *t = opaque;
    CHECK(!pthread_equal(pthread_self(), *t->threads_not_to_be_on));
    atomic_fetch_add(&t->asked, 1);
    if (atomic_load(&t->fails)) {
        CHECK_OK(producer_token_request_fail(request, "the token service is closed on Sundays"));
        return;
    }
    producer_oauth_extension_t extension = {"logicalCluster", "lkc-1"};
    CHECK_STATUS(producer_token_request_set(request, "", wall_ms() + t->life_ms, NULL, NULL, 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_OK(producer_token_request_set(request, t->token, wall_ms() + t->life_ms, "jan", &extension, 1));
}

static void by_callback(void) {
    check_case("OAUTHBEARER by callback: asked before anybody polls, and again ahead of the token's end");
    pthread_t self = pthread_self();
    struct tokens t = {.token = "header.payload." SECRET, .life_ms = 600, .threads_not_to_be_on = &self};
    producer_mock_cluster_t *mock = guarded("OAUTHBEARER", NULL, t.token, 600);
    producer_config_t *c = config_for(mock, "OAUTHBEARER");
    REQUIRE_OK(producer_config_set_oauth_token_callback(c, on_token, &t));
    producer_t *p = made(c);
    warm_up(p, "t", 0);
    int64_t deadline = now_ms() + WAIT_MS;
    while (atomic_load(&t.asked) < 3 && now_ms() < deadline) pause_ms(20); /* nobody polls */
    CHECK(atomic_load(&t.asked) >= 3);
    warm_up(p, "t", 0);
    int64_t expired = 1;
    REQUIRE_OK(producer_mock_cluster_expired_session_count(mock, &expired));
    CHECK_INT(expired, 0);
    ends_well(p, mock);
}

static void failing_callback(void) {
    check_case("a callback that fails is asked again, and its words are in the health's text");
    pthread_t self = pthread_self();
    struct tokens t = {.token = "token", .life_ms = 60000, .threads_not_to_be_on = &self};
    atomic_store(&t.fails, true);
    producer_mock_cluster_t *mock = guarded("OAUTHBEARER", NULL, t.token, 0);
    producer_config_t *c = config_for(mock, "OAUTHBEARER");
    REQUIRE_OK(producer_config_set(c, "sasl.login.retry.backoff.ms", "20"));
    REQUIRE_OK(producer_config_set_oauth_token_callback(c, on_token, &t));
    producer_t *p = made(c);
    struct outcome *o = outcomes_new(1);
    CHECK_OK(send_text(p, "t", 0, "waits", o));
    producer_health_t h = PRODUCER_HEALTH_INIT;
    int64_t deadline = now_ms() + WAIT_MS;
    do {
        CHECK(producer_poll(p, 10) >= 0);
        CHECK_OK(producer_health(p, &h));
    } while (!contains(h.text, "closed on Sundays") && now_ms() < deadline);
    CHECK_SAYS(h.text, "closed on Sundays");
    atomic_store(&t.fails, false);
    CHECK(wait_for_reports(p, o, 1, WAIT_MS));
    CHECK_ALL(o, 1, PRODUCER_OK);
    free(o);
    ends_well(p, mock);
}

static void by_set_token(void) {
    check_case("OAUTHBEARER by a token that is set: connections wait for it");
    producer_mock_cluster_t *mock = guarded("OAUTHBEARER", NULL, "the.token." SECRET, 0);
    producer_t *p = made(config_for(mock, "OAUTHBEARER"));
    struct outcome *o = outcomes_new(1);
    CHECK_OK(send_text(p, "t", 0, "waits", o));
    CHECK(!wait_for_reports(p, o, 1, 100));
    CHECK_OK(producer_set_oauth_token(p, "the.token." SECRET, wall_ms() + 60000, "jan", NULL, 0));
    CHECK(wait_for_reports(p, o, 1, WAIT_MS));
    CHECK_ALL(o, 1, PRODUCER_OK);
    free(o);
    ends_well(p, mock);
}

static void wrong_token(void) {
    check_case("a token that the broker refuses fails what waits");
    producer_mock_cluster_t *mock = guarded("OAUTHBEARER", NULL, "good", 0);
    producer_t *p = made(config_for(mock, "OAUTHBEARER"));
    CHECK_OK(producer_set_oauth_token(p, "bad-" SECRET, wall_ms() + 60000, NULL, NULL, 0));
    struct outcome *o = outcomes_new(1);
    CHECK_OK(send_text(p, "t", 0, "refused", o));
    CHECK(wait_for_reports(p, o, 1, WAIT_MS));
    CHECK_ALL(o, 1, PRODUCER_ERR_SASL_AUTHENTICATION_FAILED);
    CHECK(!contains(o->error_text, SECRET));
    no_secret_in_numbers(p);
    free(o);
    ends_well(p, mock);
}

/* ---- a callback and its producer ---- */

struct inside {
    _Atomic(producer_t *) producer;
    atomic_int checked;
};

static void on_token_inside(producer_token_request_t *request, void *opaque) {
    struct inside *i = opaque;
    producer_t *p = atomic_load(&i->producer);
    if (p != NULL) {
        CHECK_STATUS(producer_close(p, 0), PRODUCER_ERR_IN_CALLBACK);
        CHECK_STATUS(producer_flush(p, 1000), PRODUCER_ERR_IN_CALLBACK);
        CHECK_OK(send_text(p, "t", 0, "from the callback", NULL));
        CHECK_OK(producer_set_oauth_token(p, "token", wall_ms() + 200, NULL, NULL, 0));
        atomic_fetch_add(&i->checked, 1);
    }
    CHECK_OK(producer_token_request_set(request, "token", wall_ms() + 200, NULL, NULL, 0));
}

static void used_in_its_callback(void) {
    check_case("what would wait for itself is refused in the callback");
    struct inside i = {NULL, 0};
    producer_mock_cluster_t *mock = guarded("OAUTHBEARER", NULL, "token", 0);
    producer_config_t *c = config_for(mock, "OAUTHBEARER");
    REQUIRE_OK(producer_config_set_oauth_token_callback(c, on_token_inside, &i));
    producer_t *p = made(c);
    atomic_store(&i.producer, p);
    int64_t deadline = now_ms() + WAIT_MS;
    while (atomic_load(&i.checked) == 0 && now_ms() < deadline) CHECK(producer_poll(p, 10) >= 0);
    CHECK(atomic_load(&i.checked) > 0);
    atomic_store(&i.producer, NULL);
    ends_well(p, mock);
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static atomic_int entered;

static void on_token_stuck(producer_token_request_t *request, void *opaque) {
    (void)opaque;
    atomic_fetch_add(&entered, 1);
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    CHECK_OK(producer_token_request_set(request, "late", wall_ms() + 60000, NULL, NULL, 0));
    atomic_fetch_add(&entered, 1);
}

static void stuck_callback(void) {
    check_case("a callback that does not return does not hold up the end of its producer");
    producer_mock_cluster_t *mock = guarded("OAUTHBEARER", NULL, "late", 0);
    producer_config_t *c = config_for(mock, "OAUTHBEARER");
    REQUIRE_OK(producer_config_set_oauth_token_callback(c, on_token_stuck, NULL));
    pthread_mutex_lock(&gate);
    producer_t *p = made(c);
    int64_t deadline = now_ms() + WAIT_MS;
    while (atomic_load(&entered) == 0 && now_ms() < deadline) pause_ms(5);
    int64_t begun = now_ms();
    CHECK_STATUS(producer_close(p, 0), PRODUCER_ERR_TIMED_OUT);
    CHECK_SAYS(producer_last_error(), "token callback");
    CHECK(now_ms() - begun < 3500);
    pthread_mutex_unlock(&gate);
    while (atomic_load(&entered) < 2 && now_ms() < deadline) pause_ms(5);
    CHECK_INT(atomic_load(&entered), 2);
    producer_mock_cluster_free(mock);
}

int main(void) {
    check_begin();
    by_password("PLAIN", "jan", SECRET);
    by_password("SCRAM-SHA-256", "jan", SECRET);
    by_password("SCRAM-SHA-512", "a=b,c", "p\xc3\xa4ssword");
    by_login_module("PLAIN", "plain.PlainLoginModule");
    by_login_module("SCRAM-SHA-512", "scram.ScramLoginModule");
    wrong_then_right("PLAIN");
    wrong_then_right("SCRAM-SHA-256");
    changed_on_both_sides();
    by_callback();
    failing_callback();
    by_set_token();
    wrong_token();
    used_in_its_callback();
    stuck_callback();
    return check_end();
}
