/* Credentials that the library gets by itself: tokens from an endpoint and from a file, AWS's credentials; what is said when there
 * are none, and how soon. */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define TOKEN "opaque.token-of_tests"
#define FAILS_WITHIN_MS 2000
#define SECRET "s3cret-of-tests"

/* ---- an endpoint that gives tokens ---- */

struct endpoint {
    pthread_t thread;
    int listener;
    atomic_int requests, status, life_seconds;
    atomic_bool over;
    pthread_mutex_t lock;
    char last[4096]; /* the latest request, under the lock */
};

static void endpoint_answer(struct endpoint *e, int fd) {
    char in[4096] = "", out[512], body[256];
    size_t used = 0;
    const char *end = NULL;
    while (used + 1 < sizeof in) {
        ssize_t n = recv(fd, in + used, sizeof in - 1 - used, 0);
        if (n <= 0) return;
        used += (size_t)n;
        in[used] = '\0';
        end = strstr(in, "\r\n\r\n");
        const char *length = strstr(in, "ontent-length: ");
        if (length == NULL) length = strstr(in, "ontent-Length: ");
        size_t wanted = length ? strtoul(length + strlen("ontent-length: "), NULL, 10) : 0;
        if (end != NULL && strlen(end + 4) >= wanted) break;
    }
    pthread_mutex_lock(&e->lock);
    memcpy(e->last, in, sizeof in);
    pthread_mutex_unlock(&e->lock);
    int status = atomic_load(&e->status);
    if (status == 200)
        snprintf(body, sizeof body, "{\"access_token\":\"" TOKEN "\",\"expires_in\":%d}", atomic_load(&e->life_seconds));
    else
        snprintf(body, sizeof body, "{\"error\":\"invalid_client\",\"error_description\":\"not " SECRET "\"}");
    int n = snprintf(out, sizeof out, "HTTP/1.1 %d Because\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", status,
                     strlen(body), body);
    atomic_fetch_add(&e->requests, 1);
    CHECK(send(fd, out, (size_t)n, MSG_NOSIGNAL) == n);
}

static void *endpoint_run(void *opaque) {
    struct endpoint *e = opaque;
    for (;;) {
        int fd = accept(e->listener, NULL, NULL);
        if (atomic_load(&e->over)) {
            if (fd >= 0) close(fd);
            return NULL;
        }
        if (fd < 0) continue;
        endpoint_answer(e, fd);
        close(fd);
    }
}

static int endpoint_port(struct endpoint *e) {
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    REQUIRE(getsockname(e->listener, (struct sockaddr *)&address, &length) == 0);
    return ntohs(address.sin_port);
}

static void endpoint_start(struct endpoint *e, char *url, size_t size) {
    struct sockaddr_in address = {0};
    memset(e, 0, sizeof *e);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    pthread_mutex_init(&e->lock, NULL);
    atomic_store(&e->status, 200);
    atomic_store(&e->life_seconds, 3600);
    e->listener = socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(e->listener >= 0);
    REQUIRE(bind(e->listener, (struct sockaddr *)&address, sizeof address) == 0);
    REQUIRE(listen(e->listener, 16) == 0);
    snprintf(url, size, "http://127.0.0.1:%d/oauth2/token", endpoint_port(e));
    REQUIRE(pthread_create(&e->thread, NULL, endpoint_run, e) == 0);
}

static void endpoint_end(struct endpoint *e) {
    struct sockaddr_in address = {0};
    atomic_store(&e->over, true);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)endpoint_port(e));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    REQUIRE(pthread_join(e->thread, NULL) == 0);
    close(fd);
    close(e->listener);
    pthread_mutex_destroy(&e->lock);
}

/* ---- what happens to one record ---- */

static producer_mock_cluster_t *mock_with_tokens(void) {
    producer_mock_cluster_t *m = mock_of(1, "t", 1);
    REQUIRE_OK(producer_mock_cluster_set_sasl(m, "OAUTHBEARER", NULL, TOKEN, 0));
    return m;
}

static void expect_success(producer_t *p) {
    CHECK(warm_up(p, "t", 0) >= 0);
    REQUIRE_OK(producer_close(p, WAIT_MS));
}

/* The record fails soon, with these words in its sentence and without the secret. */
static void expect_failure(producer_t *p, producer_status_t status, const char *words, const char *more) {
    struct outcome *o = outcomes_new(1);
    int64_t begun = now_ms();
    REQUIRE_OK(send_text(p, "t", 0, "value", o));
    CHECK(wait_for_reports(p, o, 1, WAIT_MS));
    CHECK(now_ms() - begun < FAILS_WITHIN_MS);
    CHECK_ALL(o, 1, status);
    CHECK_SAYS(o->error_text, words);
    CHECK_SAYS(o->error_text, more);
    CHECK(!contains(o->error_text, SECRET));
    REQUIRE_OK(producer_close(p, WAIT_MS));
    free(o);
}

static producer_t *producer_with(producer_mock_cluster_t *m, const char *mechanism, const char *name, const char *value,
                                 const char *name2, const char *value2) {
    return producer_of(producer_mock_cluster_bootstrap_servers(m), "security.protocol", "SASL_PLAINTEXT", "sasl.mechanism", mechanism,
                       name, value, name2, value2, NULL);
}

static producer_t *producer_with_endpoint(producer_mock_cluster_t *m, const char *url) {
    return producer_of(producer_mock_cluster_bootstrap_servers(m), "security.protocol", "SASL_PLAINTEXT", "sasl.mechanism",
                       "OAUTHBEARER", "sasl.oauthbearer.token.endpoint.url", url, "sasl.oauthbearer.client.credentials.client.id",
                       "me", "sasl.oauthbearer.client.credentials.client.secret", SECRET, "sasl.oauthbearer.scope", "kafka write",
                       NULL);
}

/* ---- cases ---- */

static void an_endpoint_gives_tokens(void) {
    check_case("a token endpoint is asked with client id and secret");
    producer_mock_cluster_t *m = mock_with_tokens();
    struct endpoint e;
    char url[128];
    endpoint_start(&e, url, sizeof url);
    expect_success(producer_with_endpoint(m, url));
    CHECK_INT(atomic_load(&e.requests), 1);
    CHECK_SAYS(e.last, "POST /oauth2/token HTTP/1.1");
    CHECK_SAYS(e.last, "authorization: Basic bWU6czNjcmV0LW9mLXRlc3Rz");
    CHECK_SAYS(e.last, "grant_type=client_credentials&scope=kafka+write");
    endpoint_end(&e);
    producer_mock_cluster_free(m);
}

static void tokens_are_renewed_without_poll(void) {
    check_case("tokens of two seconds are renewed while nothing is sent and nobody polls");
    producer_mock_cluster_t *m = mock_with_tokens();
    struct endpoint e;
    char url[128];
    endpoint_start(&e, url, sizeof url);
    atomic_store(&e.life_seconds, 2);
    producer_t *p = producer_with_endpoint(m, url);
    CHECK(warm_up(p, "t", 0) >= 0);
    int64_t deadline = now_ms() + WAIT_MS;
    while (atomic_load(&e.requests) < 3 && now_ms() < deadline) pause_ms(10);
    CHECK(atomic_load(&e.requests) >= 3);
    expect_success(p);
    endpoint_end(&e);
    producer_mock_cluster_free(m);
}

static void an_endpoint_refuses(void) {
    check_case("what the endpoint says is passed on, at once and without the secret");
    producer_mock_cluster_t *m = mock_with_tokens();
    struct endpoint e;
    char url[128];
    endpoint_start(&e, url, sizeof url);
    atomic_store(&e.status, 401);
    expect_failure(producer_with_endpoint(m, url), PRODUCER_ERR_CREDENTIALS, "invalid_client: not ***", url);
    atomic_store(&e.status, 404);
    expect_failure(producer_with_endpoint(m, url), PRODUCER_ERR_CREDENTIALS, "HTTP status 404", "sasl.oauthbearer.token.endpoint.url");
    endpoint_end(&e);
    producer_mock_cluster_free(m);
}

static void a_file_holds_the_token(void) {
    check_case("a token comes from a file");
    producer_mock_cluster_t *m = mock_with_tokens();
    char path[] = "/tmp/kproducer-token-XXXXXX", url[64];
    int fd = mkstemp(path);
    REQUIRE(fd >= 0);
    REQUIRE(write(fd, TOKEN "\n", strlen(TOKEN "\n")) == (ssize_t)strlen(TOKEN "\n"));
    close(fd);
    snprintf(url, sizeof url, "file://%s", path);
    expect_success(producer_with(m, "OAUTHBEARER", "sasl.oauthbearer.token.endpoint.url", url, NULL, NULL));
    REQUIRE(unlink(path) == 0);
    expect_failure(producer_with(m, "OAUTHBEARER", "sasl.oauthbearer.token.endpoint.url", url, NULL, NULL),
                   PRODUCER_ERR_CREDENTIALS, path, "is not there");
    producer_mock_cluster_free(m);
}

static void aws_credentials_are_missing(void) {
    check_case("without AWS credentials each source says why");
    producer_mock_cluster_t *m = mock_of(1, "t", 1);
    /* The mock knows no AWS_MSK_IAM; a token of AWS's for OAUTHBEARER is made on the same way. */
    REQUIRE_OK(producer_mock_cluster_set_sasl(m, "OAUTHBEARER", NULL, TOKEN, 0));
    static const char *const unset[] = {"AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_REGION", "AWS_DEFAULT_REGION",
                                        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"};
    for (size_t i = 0; i < sizeof unset / sizeof *unset; i++) REQUIRE(unsetenv(unset[i]) == 0);
    REQUIRE(setenv("AWS_SHARED_CREDENTIALS_FILE", "/no/such/credentials", 1) == 0);
    REQUIRE(setenv("AWS_CONFIG_FILE", "/no/such/config", 1) == 0);
    REQUIRE(setenv("AWS_EC2_METADATA_DISABLED", "true", 1) == 0);
    expect_failure(producer_with(m, "OAUTHBEARER", "sasl.oauthbearer.metadata.authentication.type", "aws_iam", NULL, NULL),
                   PRODUCER_ERR_CREDENTIALS, "sasl.aws.region", "AWS_REGION");
    expect_failure(producer_with(m, "OAUTHBEARER", "sasl.oauthbearer.metadata.authentication.type", "aws_iam", "sasl.aws.region",
                                 "eu-west-1"),
                   PRODUCER_ERR_CREDENTIALS, "AWS_ACCESS_KEY_ID is not set", "/no/such/credentials");
    expect_failure(producer_of(producer_mock_cluster_bootstrap_servers(m), "security.protocol", "SASL_PLAINTEXT", "sasl.mechanism",
                               "OAUTHBEARER", "sasl.oauthbearer.metadata.authentication.type", "aws_iam", "sasl.aws.region",
                               "eu-west-1", "sasl.aws.profile", "prod", NULL),
                   PRODUCER_ERR_CREDENTIALS, "there is no profile prod", "/no/such/config");
    producer_mock_cluster_free(m);
}

static void settings_that_cannot_work(void) {
    check_case("settings that cannot work are refused when the producer is made");
    static const char *const bad[][4] = {
        {"sasl.oauthbearer.extensions", "auth=x", "enable.sasl.oauthbearer.unsecure.jwt", "true"},
        {"sasl.oauthbearer.config", "color=red", "enable.sasl.oauthbearer.unsecure.jwt", "true"},
        {"sasl.oauthbearer.token.endpoint.url", "http://localhost/", "sasl.oauthbearer.grant.type",
         "urn:ietf:params:oauth:grant-type:jwt-bearer"},
        {"sasl.oauthbearer.metadata.authentication.type", "azure_imds", "sasl.oauthbearer.scope", "x"},
    };
    static const char *const words[] = {"sasl.oauthbearer.extensions", "sasl.oauthbearer.config",
                                        "sasl.oauthbearer.assertion.private.key.file", "sasl.oauthbearer.config"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        producer_config_t *c = config_of("127.0.0.1:1", "security.protocol", "SASL_PLAINTEXT", "sasl.mechanism", "OAUTHBEARER", bad[i][0],
                                         bad[i][1], bad[i][2], bad[i][3], NULL);
        producer_t *p = NULL;
        CHECK_STATUS(producer_new(c, &p), PRODUCER_ERR_CONFIG_CONFLICT);
        CHECK(p == NULL);
        CHECK_SAYS(producer_last_error(), words[i]);
        producer_config_free(c);
    }
}

static void silent_endpoint(void) {
    check_case("an endpoint that does not answer does not hold up the end of its producer, which is no time-out");
    struct sockaddr_in address = {0};
    socklen_t length = sizeof address;
    char url[128];
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(listener >= 0);
    REQUIRE(bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
    REQUIRE(listen(listener, 1) == 0);
    REQUIRE(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/token", ntohs(address.sin_port));
    producer_mock_cluster_t *m = mock_with_tokens();
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(m), "security.protocol", "SASL_PLAINTEXT", "sasl.mechanism",
                                "OAUTHBEARER", "sasl.oauthbearer.token.endpoint.url", url, "sasl.oauthbearer.client.credentials.client.id",
                                "orders", "sasl.oauthbearer.client.credentials.client.secret", SECRET, NULL);
    /* It has begun to ask. */
    int fd = accept(listener, NULL, NULL);
    REQUIRE(fd >= 0);
    int64_t begun = now_ms();
    CHECK_OK(producer_close(p, 0));
    CHECK(now_ms() - begun < 3500);
    close(fd);
    close(listener);
    producer_mock_cluster_free(m);
}

struct lines {
    atomic_int grave; /* of level 3 and worse: errors */
};

static void on_line(int32_t level, const char *facility, const char *message, void *opaque) {
    struct lines *lines = opaque;
    CHECK(!contains(message, SECRET) && !contains(message, TOKEN));
    if (level > 3) return;
    printf("  %d %s: %s\n", (int)level, facility, message);
    lines->grave++;
}

static void an_endpoint_is_away_for_a_while(void) {
    check_case("while a token lives, its endpoint may be away: no error is logged, no record fails");
    producer_mock_cluster_t *m = mock_with_tokens();
    struct endpoint e;
    struct lines lines = {0};
    char url[128];
    endpoint_start(&e, url, sizeof url);
    atomic_store(&e.life_seconds, 3);
    producer_t *p = NULL;
    producer_config_t *c =
        config_of(producer_mock_cluster_bootstrap_servers(m), "security.protocol", "SASL_PLAINTEXT", "sasl.mechanism", "OAUTHBEARER",
                  "sasl.oauthbearer.token.endpoint.url", url, "sasl.oauthbearer.client.credentials.client.id", "me",
                  "sasl.oauthbearer.client.credentials.client.secret", SECRET, "sasl.login.retry.backoff.ms", "50",
                  "sasl.login.retry.backoff.max.ms", "50", "sasl.login.refresh.window.factor", "0.5",
                  "sasl.login.refresh.window.jitter", "0.0", "sasl.login.refresh.min.period.seconds", "0",
                  "sasl.login.refresh.buffer.seconds", "0", NULL);
    REQUIRE_OK(producer_config_set_log_callback(c, on_line, &lines));
    REQUIRE_OK(producer_new(c, &p));
    producer_config_free(c);
    CHECK(warm_up(p, "t", 0) >= 0);
    atomic_store(&e.status, 503);
    int64_t deadline = now_ms() + WAIT_MS;
    while (atomic_load(&e.requests) < 3 && now_ms() < deadline) CHECK(warm_up(p, "t", 0) >= 0);
    CHECK(atomic_load(&e.requests) >= 3);
    int asked = atomic_load(&e.requests);
    atomic_store(&e.status, 200);
    while (atomic_load(&e.requests) == asked && now_ms() < deadline) CHECK(warm_up(p, "t", 0) >= 0);
    expect_success(p);
    CHECK_INT(lines.grave, 0);
    endpoint_end(&e);
    producer_mock_cluster_free(m);
}

static void features_are_listed(void) {
    check_case("every source of tokens is among the features");
    static const char *const words[] = {" oidc ", " jwt-bearer ", " aws_iam ", " azure_imds ", " oauthbearer ", " aws_msk_iam ", " gssapi ",
                                        " plain ", " scram-sha-256 ", " scram-sha-512 ", " ssl ", " sasl_ssl ", " sasl_plaintext "};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) CHECK_SAYS(producer_features(), words[i]);
}

int main(void) {
    static const char *const proxies[] = {"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"};
    check_begin();
    for (size_t i = 0; i < sizeof proxies / sizeof *proxies; i++) REQUIRE(unsetenv(proxies[i]) == 0);
    an_endpoint_gives_tokens();
    tokens_are_renewed_without_poll();
    an_endpoint_refuses();
    an_endpoint_is_away_for_a_while();
    features_are_listed();
    silent_endpoint();
    a_file_holds_the_token();
    aws_credentials_are_missing();
    settings_that_cannot_work();
    return check_end();
}
