/*
 * What goes wrong with TLS and SASL in practice, each through C: the status, the sentence and how long it takes. A program that
 * is configured wrongly learns it at once, from a sentence that names what is wrong and what to do, and no secret is ever in it.
 */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "certificates.h"

#define SECRET "hunter2-is-secret"
#define RIGHT "the-right-password"
#define FAST_MS 2000
#define OWN_TIME_MS 1200

/* Where a row's producer connects to. */
enum port { BROKER, HTTP, OLD_TLS, CLOSED };

/*
 * One mistake. In values `@name` is the path of a certificate file, `#name` its text, `!` the password of encrypted ones,
 * `%401` a token endpoint that refuses the client, `%https` one whose certificate an unknown authority signed.
 */
struct row {
    const char *what;
    enum port port;
    const char *server;     /* the brokers' certificate; NULL: they speak no TLS */
    const char *client_ca;  /* whose clients they let in; NULL: they ask for no certificate */
    const char *mechanism;  /* the SASL mechanism they demand; NULL: none */
    const char *set[10][2]; /* the producer's properties */
    bool at_once;           /* producer_new itself refuses it */
    producer_status_t status;
    const char *says[4]; /* words of the sentence */
};

static const struct row rows[] = {
    /* ---- TLS ---- */
    {.what = "TLS to a listener without",
     .set = {{"security.protocol", "SSL"}, {"ssl.ca.location", "@ca.pem"}},
     .status = PRODUCER_ERR_DELIVERY_TIMED_OUT,
     .says = {"TLS", "PLAINTEXT", "security.protocol"}},
    {.what = "no TLS to a listener with",
     .server = "server",
     .set = {{"security.protocol", "PLAINTEXT"}},
     .status = PRODUCER_ERR_TLS_FAILED,
     .says = {"security.protocol=SSL"}},
    {.what = "TLS to a web server's port",
     .port = HTTP,
     .set = {{"security.protocol", "SSL"}, {"ssl.ca.location", "@ca.pem"}},
     .status = PRODUCER_ERR_TLS_FAILED,
     .says = {"HTTP", "bootstrap.servers"}},
    {.what = "no TLS to a web server's port",
     .port = HTTP,
     .status = PRODUCER_ERR_DELIVERY_TIMED_OUT,
     .says = {"HTTP", "web server"}},
    {.what = "a port where nobody listens",
     .port = CLOSED,
     .set = {{"security.protocol", "SSL"}, {"ssl.ca.location", "@ca.pem"}},
     .status = PRODUCER_ERR_DELIVERY_TIMED_OUT,
     .says = {"connection refused", "127.0.0.1"}},
    {.what = "a broker's certificate that has expired",
     .server = "expired",
     .set = {{"security.protocol", "SSL"}, {"ssl.ca.location", "@ca.pem"}},
     .status = PRODUCER_ERR_TLS_FAILED,
     .says = {"expired", "2001", "CN=expired"}},
    {.what = "an issuer that is not trusted",
     .server = "server",
     .set = {{"security.protocol", "SSL"}, {"ssl.ca.location", "@other-ca.pem"}},
     .status = PRODUCER_ERR_TLS_FAILED,
     .says = {"Test authority", "CN=server", "ssl.ca.location", "1 certificate"}},
    {.what = "a broker of another name",
     .server = "wronghost",
     .set = {{"security.protocol", "SSL"}, {"ssl.ca.location", "@ca.pem"}},
     .status = PRODUCER_ERR_TLS_FAILED,
     .says = {"127.0.0.1", "broker.example.com", "10.1.2.3", "ssl.endpoint.identification.algorithm"}},
    {.what = "no client certificate where one is demanded",
     .server = "server",
     .client_ca = "ca.pem",
     .set = {{"security.protocol", "SSL"}, {"ssl.ca.location", "@ca.pem"}},
     .status = PRODUCER_ERR_TLS_FAILED,
     .says = {"client certificate", "ssl.keystore"}},
    {.what = "a client certificate of an issuer that the broker does not trust",
     .server = "server",
     .client_ca = "ca.pem",
     .set = {{"security.protocol", "SSL"},
             {"ssl.ca.location", "@ca.pem"},
             {"ssl.certificate.location", "@other-client.pem"},
             {"ssl.key.location", "@other-client.key"}},
     .status = PRODUCER_ERR_TLS_FAILED,
     .says = {"client's certificate", "CN=other-client"}},
    {.what = "a broker's certificate that is not valid yet",
     .server = "notyet",
     .set = {{"security.protocol", "SSL"}, {"ssl.ca.location", "@ca.pem"}},
     .status = PRODUCER_ERR_TLS_FAILED,
     .says = {"not valid before", "3000", "CN=notyet", "clock"}},
    {.what = "a broker's certificate that is revoked",
     .server = "revoked",
     .set = {{"security.protocol", "SSL"}, {"ssl.ca.location", "@ca.pem"}, {"ssl.crl.location", "@crl.pem"}},
     .status = PRODUCER_ERR_TLS_FAILED,
     .says = {"revoked", "CN=revoked", "ssl.crl.location"}},
    {.what = "a client certificate that has expired",
     .server = "server",
     .client_ca = "ca.pem",
     .set = {{"security.protocol", "SSL"},
             {"ssl.ca.location", "@ca.pem"},
             {"ssl.certificate.location", "@expired-client.pem"},
             {"ssl.key.location", "@expired-client.key"}},
     .status = PRODUCER_ERR_TLS_FAILED,
     .says = {"client's certificate", "CN=expired-client", "expired"}},
    {.what = "a broker with no version of TLS in common",
     .port = OLD_TLS,
     .set = {{"security.protocol", "SSL"}, {"ssl.ca.location", "@ca.pem"}, {"ssl.enabled.protocols", "TLSv1.3"}},
     .status = PRODUCER_ERR_TLS_FAILED,
     .says = {"TLSv1.3", "ssl.enabled.protocols"}},
    {.what = "a file of trusted certificates that is none",
     .set = {{"security.protocol", "SSL"}, {"ssl.ca.location", "@server.key"}},
     .at_once = true,
     .status = PRODUCER_ERR_INVALID_PROPERTY,
     .says = {"ssl.ca.location", "server.key"}},
    {.what = "a file that is not there",
     .set = {{"security.protocol", "SSL"}, {"ssl.ca.location", "/nowhere/ca.pem"}},
     .at_once = true,
     .status = PRODUCER_ERR_NOT_FOUND,
     .says = {"ssl.ca.location", "/nowhere/ca.pem"}},
    {.what = "a Java key store",
     .set = {{"security.protocol", "SSL"}, {"ssl.truststore.location", "@truststore.jks"}},
     .at_once = true,
     .status = PRODUCER_ERR_INVALID_PROPERTY,
     .says = {"ssl.truststore.location", "JKS", "keytool"}},
    {.what = "a wrong password of a PKCS#12 store",
     .set = {{"security.protocol", "SSL"}, {"ssl.truststore.location", "@ca.p12"}, {"ssl.truststore.password", SECRET}},
     .at_once = true,
     .status = PRODUCER_ERR_INVALID_PROPERTY,
     .says = {"ssl.truststore.password", "ca.p12"}},
    {.what = "a wrong password of a key",
     .set = {{"security.protocol", "SSL"},
             {"ssl.ca.location", "@ca.pem"},
             {"ssl.certificate.location", "@client.pem"},
             {"ssl.key.location", "@client-encrypted.key"},
             {"ssl.key.password", SECRET}},
     .at_once = true,
     .status = PRODUCER_ERR_INVALID_PROPERTY,
     .says = {"ssl.key.location", "ssl.key.password"}},
    {.what = "an encrypted key without its password",
     .set = {{"security.protocol", "SSL"},
             {"ssl.ca.location", "@ca.pem"},
             {"ssl.certificate.location", "@client.pem"},
             {"ssl.key.location", "@client-encrypted.key"}},
     .at_once = true,
     .status = PRODUCER_ERR_INVALID_PROPERTY,
     .says = {"ssl.key.location", "encrypted", "ssl.key.password"}},
    {.what = "a key that belongs to another certificate",
     .set = {{"security.protocol", "SSL"},
             {"ssl.ca.location", "@ca.pem"},
             {"ssl.certificate.location", "@client.pem"},
             {"ssl.key.location", "@other-client.key"}},
     .at_once = true,
     .status = PRODUCER_ERR_INVALID_PROPERTY,
     .says = {"ssl.certificate.location", "ssl.key.location", "does not belong"}},
    {.what = "a certificate without a key",
     .set = {{"security.protocol", "SSL"}, {"ssl.ca.location", "@ca.pem"}, {"ssl.certificate.location", "@client.pem"}},
     .at_once = true,
     .status = PRODUCER_ERR_CONFIG_CONFLICT,
     .says = {"ssl.certificate.location", "ssl.key.location"}},
    /* ---- SASL ---- */
    {.what = "a wrong password, PLAIN",
     .mechanism = "PLAIN",
     .set = {{"security.protocol", "SASL_PLAINTEXT"},
             {"sasl.mechanism", "PLAIN"},
             {"sasl.username", "alice"},
             {"sasl.password", SECRET}},
     .status = PRODUCER_ERR_SASL_AUTHENTICATION_FAILED,
     .says = {"PLAIN", "sasl.username", "sasl.password"}},
    {.what = "a wrong password, SCRAM-SHA-256",
     .mechanism = "SCRAM-SHA-256",
     .set = {{"security.protocol", "SASL_PLAINTEXT"},
             {"sasl.mechanism", "SCRAM-SHA-256"},
             {"sasl.username", "alice"},
             {"sasl.password", SECRET}},
     .status = PRODUCER_ERR_SASL_AUTHENTICATION_FAILED,
     .says = {"SCRAM-SHA-256", "sasl.username", "sasl.password"}},
    {.what = "a wrong password, SCRAM inside TLS",
     .server = "server",
     .mechanism = "SCRAM-SHA-512",
     .set = {{"security.protocol", "SASL_SSL"},
             {"ssl.ca.location", "@ca.pem"},
             {"sasl.mechanism", "SCRAM-SHA-512"},
             {"sasl.username", "alice"},
             {"sasl.password", SECRET}},
     .status = PRODUCER_ERR_SASL_AUTHENTICATION_FAILED,
     .says = {"SCRAM-SHA-512", "sasl.username", "sasl.password"}},
    {.what = "a user that is unknown",
     .mechanism = "SCRAM-SHA-256",
     .set = {{"security.protocol", "SASL_PLAINTEXT"},
             {"sasl.mechanism", "SCRAM-SHA-256"},
             {"sasl.username", "mallory"},
             {"sasl.password", RIGHT}},
     .status = PRODUCER_ERR_SASL_AUTHENTICATION_FAILED,
     .says = {"SCRAM-SHA-256", "sasl.username", "sasl.password"}},
    {.what = "SASL inside TLS to a SASL listener without TLS",
     .mechanism = "PLAIN",
     .set = {{"security.protocol", "SASL_SSL"},
             {"ssl.ca.location", "@ca.pem"},
             {"sasl.mechanism", "PLAIN"},
             {"sasl.username", "alice"},
             {"sasl.password", RIGHT}},
     .status = PRODUCER_ERR_DELIVERY_TIMED_OUT,
     .says = {"SASL_PLAINTEXT", "TLS", "security.protocol"}},
    {.what = "SASL without TLS to a SASL listener in TLS",
     .server = "server",
     .mechanism = "PLAIN",
     .set = {{"security.protocol", "SASL_PLAINTEXT"},
             {"sasl.mechanism", "PLAIN"},
             {"sasl.username", "alice"},
             {"sasl.password", RIGHT}},
     .status = PRODUCER_ERR_TLS_FAILED,
     .says = {"security.protocol", "SASL_SSL"}},
    {.what = "a login module without its semicolon",
     .set = {{"security.protocol", "SASL_PLAINTEXT"},
             {"sasl.mechanism", "PLAIN"},
             {"sasl.jaas.config",
              "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"alice\" password=\"" SECRET "\""}},
     .at_once = true,
     .status = PRODUCER_ERR_INVALID_PROPERTY,
     .says = {"sasl.jaas.config", "semicolon"}},
    {.what = "a mechanism that the broker has not",
     .mechanism = "SCRAM-SHA-512",
     .set = {{"security.protocol", "SASL_PLAINTEXT"},
             {"sasl.mechanism", "PLAIN"},
             {"sasl.username", "alice"},
             {"sasl.password", RIGHT}},
     .status = PRODUCER_ERR_UNSUPPORTED_SASL_MECHANISM,
     .says = {"PLAIN", "SCRAM-SHA-512"}},
    {.what = "a mechanism that nobody has",
     .set = {{"security.protocol", "SASL_PLAINTEXT"}, {"sasl.mechanism", "DIGEST-MD5"}},
     .at_once = true,
     .status = PRODUCER_ERR_INVALID_PROPERTY,
     .says = {"sasl.mechanism", "DIGEST-MD5", "SCRAM-SHA-512"}},
    {.what = "no user",
     .set = {{"security.protocol", "SASL_PLAINTEXT"}, {"sasl.mechanism", "PLAIN"}, {"sasl.password", SECRET}},
     .at_once = true,
     .status = PRODUCER_ERR_CONFIG_CONFLICT,
     .says = {"sasl.username"}},
    {.what = "OAUTHBEARER without anybody who gets tokens",
     .mechanism = "OAUTHBEARER",
     .set = {{"security.protocol", "SASL_PLAINTEXT"},
             {"sasl.mechanism", "OAUTHBEARER"},
             {"socket.connection.setup.timeout.ms", "1000"}},
     .status = PRODUCER_ERR_DELIVERY_TIMED_OUT,
     .says = {"producer_config_set_oauth_token_callback"}},
    {.what = "a token endpoint that is not there",
     .mechanism = "OAUTHBEARER",
     .set = {{"security.protocol", "SASL_PLAINTEXT"},
             {"sasl.mechanism", "OAUTHBEARER"},
             {"sasl.oauthbearer.method", "oidc"},
             {"sasl.oauthbearer.token.endpoint.url", "http://127.0.0.1:1/token"},
             {"sasl.oauthbearer.client.id", "me"},
             {"sasl.oauthbearer.client.secret", SECRET}},
     .status = PRODUCER_ERR_DELIVERY_TIMED_OUT,
     .says = {"127.0.0.1:1"}},
    {.what = "a token endpoint that refuses the client",
     .mechanism = "OAUTHBEARER",
     .set = {{"security.protocol", "SASL_PLAINTEXT"},
             {"sasl.mechanism", "OAUTHBEARER"},
             {"sasl.oauthbearer.method", "oidc"},
             {"sasl.oauthbearer.token.endpoint.url", "%401"},
             {"sasl.oauthbearer.client.id", "me"},
             {"sasl.oauthbearer.client.secret", SECRET}},
     .status = PRODUCER_ERR_CREDENTIALS,
     .says = {"invalid_client", "client secret is wrong", "/token"}},
    {.what = "a token endpoint whose certificate is not trusted",
     .mechanism = "OAUTHBEARER",
     .set = {{"security.protocol", "SASL_PLAINTEXT"},
             {"sasl.mechanism", "OAUTHBEARER"},
             {"sasl.oauthbearer.method", "oidc"},
             {"sasl.oauthbearer.token.endpoint.url", "%https"},
             {"https.ca.location", "@other-ca.pem"},
             {"sasl.oauthbearer.client.id", "me"},
             {"sasl.oauthbearer.client.secret", SECRET}},
     .status = PRODUCER_ERR_CREDENTIALS,
     .says = {"https://", "certificate"}},
    {.what = "SASL to a listener that wants none",
     .set = {{"security.protocol", "SASL_PLAINTEXT"},
             {"sasl.mechanism", "PLAIN"},
             {"sasl.username", "alice"},
             {"sasl.password", SECRET}},
     .status = PRODUCER_ERR_ILLEGAL_SASL_STATE,
     .says = {"security.protocol"}},
    {.what = "no SASL to a listener that wants it",
     .mechanism = "PLAIN",
     .set = {{"security.protocol", "PLAINTEXT"}},
     .status = PRODUCER_ERR_DELIVERY_TIMED_OUT,
     .says = {"SASL"}},
    {.what = "Kerberos where there is none",
     .mechanism = "PLAIN",
     .set = {{"security.protocol", "SASL_PLAINTEXT"}, {"sasl.mechanism", "GSSAPI"}},
     .status = PRODUCER_ERR_CREDENTIALS,
     .says = {"Kerberos"}},
    {.what = "AWS without credentials",
     .mechanism = "PLAIN",
     .set = {{"security.protocol", "SASL_PLAINTEXT"}, {"sasl.mechanism", "AWS_MSK_IAM"}, {"sasl.aws.region", "eu-central-1"}},
     .status = PRODUCER_ERR_CREDENTIALS,
     .says = {"AWS"}},
};

/* ---- servers that answer the same whatever they are asked ---- */

struct server {
    const char *answer;
    size_t answer_len;
    int fd;
    char address[32];
    pthread_t thread;
};

#define ANSWERS(text) {.answer = (text), .answer_len = sizeof(text) - 1}

static struct server http = ANSWERS("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
/* An alert: protocol_version. */
static struct server old_tls = ANSWERS("\x15\x03\x01\x00\x02\x02\x46");
static struct server refusing_endpoint =
    ANSWERS("HTTP/1.1 401 Unauthorized\r\nContent-Length: 75\r\nConnection: close\r\n\r\n"
            "{\"error\":\"invalid_client\",\"error_description\":\"the client secret is wrong\"}");
static struct server *const servers[] = {&http, &old_tls, &refusing_endpoint};
#define SERVERS (sizeof servers / sizeof servers[0])

static char closed_address[32];
static producer_mock_cluster_t *https;

static int listen_somewhere(char *address) {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(fd >= 0 && bind(fd, (struct sockaddr *)&in, sizeof in) == 0 && listen(fd, 16) == 0);
    REQUIRE(getsockname(fd, (struct sockaddr *)&in, &length) == 0);
    snprintf(address, 32, "127.0.0.1:%d", (int)ntohs(in.sin_port));
    return fd;
}

static void *serve(void *opaque) {
    const struct server *server = opaque;
    for (;;) {
        char request[4096];
        int fd = accept(server->fd, NULL, NULL);
        if (fd < 0) return NULL;
        if (recv(fd, request, sizeof request, 0) > 0) send(fd, server->answer, server->answer_len, MSG_NOSIGNAL);
        /* Its end, before the rest of the request makes a reset of it. */
        shutdown(fd, SHUT_WR);
        while (recv(fd, request, sizeof request, 0) > 0) continue;
        close(fd);
    }
}

static void start_servers(void) {
    for (size_t i = 0; i < SERVERS; i++) {
        servers[i]->fd = listen_somewhere(servers[i]->address);
        REQUIRE(pthread_create(&servers[i]->thread, NULL, serve, servers[i]) == 0);
    }
    close(listen_somewhere(closed_address));
    https = mock_of(1, "t", 1);
    mock_speaks_tls(https, "server", NULL);
}

static void end_servers(void) {
    for (size_t i = 0; i < SERVERS; i++) {
        shutdown(servers[i]->fd, SHUT_RDWR);
        REQUIRE(pthread_join(servers[i]->thread, NULL) == 0);
        close(servers[i]->fd);
    }
    producer_mock_cluster_free(https);
}

/* ---- rows ---- */

/* What a value of a row stands for; `text` is to be freed. */
static const char *value_of(const char *value, char **text) {
    *text = NULL;
    if (value[0] == '@') return cert_path(value + 1);
    if (value[0] == '#') return *text = cert_text(value + 1);
    if (value[0] == '%') {
        bool is_https = strcmp(value, "%https") == 0;
        const char *address = is_https ? producer_mock_cluster_bootstrap_servers(https) : refusing_endpoint.address;
        *text = calloc(1, 256);
        REQUIRE(*text != NULL);
        snprintf(*text, 256, "http%s://%s/token", is_https ? "s" : "", address);
        return *text;
    }
    return strcmp(value, "!") == 0 ? cert_password() : value;
}

static void check_sentence(const struct row *row, const char *sentence) {
    for (int i = 0; i < 4 && row->says[i] != NULL; i++) CHECK_SAYS(sentence, row->says[i]);
    CHECK(!contains(sentence, SECRET));
    CHECK(!contains(sentence, RIGHT));
    CHECK(strlen(sentence) > 20);
}

static void on_any_line(int32_t level, const char *facility, const char *message, void *opaque) {
    (void)level, (void)facility, (void)opaque;
    CHECK(!contains(message, SECRET) && !contains(message, RIGHT));
}

static producer_mock_cluster_t *cluster_of(const struct row *row) {
    producer_mock_cluster_t *m = mock_of(1, "t", 1);
    if (row->server != NULL) mock_speaks_tls(m, row->server, row->client_ca);
    bool by_token = row->mechanism != NULL && strcmp(row->mechanism, "OAUTHBEARER") == 0;
    if (row->mechanism != NULL)
        REQUIRE_OK(producer_mock_cluster_set_sasl(m, row->mechanism, by_token ? NULL : "alice", RIGHT, 0));
    return m;
}

static const char *servers_of(const struct row *row, producer_mock_cluster_t *m) {
    switch (row->port) {
    case HTTP: return http.address;
    case OLD_TLS: return old_tls.address;
    case CLOSED: return closed_address;
    default: return producer_mock_cluster_bootstrap_servers(m);
    }
}

/*
 * One record, under the time limits that everybody has. What will not pass fails it at once. What may pass lets it wait: then health
 * tells at once, and the report when the record's own time is over.
 */
static void try_record(const struct row *row, producer_t *p, int64_t began) {
    struct outcome *o = outcomes_new(1);
    producer_record_t r = PRODUCER_RECORD_INIT;
    bool may_pass = row->status == PRODUCER_ERR_DELIVERY_TIMED_OUT;
    r.topic = "t", r.partition = 0, r.value = "in vain", r.value_len = 7;
    if (may_pass) r.delivery_timeout_ms = OWN_TIME_MS;
    CHECK_OK(producer_send(p, &r, on_outcome, o));
    if (may_pass) {
        producer_health_t health = PRODUCER_HEALTH_INIT;
        do {
            CHECK(producer_poll(p, 5) >= 0);
            REQUIRE_OK(producer_health(p, &health));
        } while (!contains(health.text, row->says[0]) && now_ms() - began < FAST_MS);
        /* Its text has room for the beginning of a sentence. */
        CHECK_SAYS(health.text, row->says[0]);
        CHECK(!contains(health.text, SECRET) && !contains(health.text, RIGHT));
    }
    CHECK(wait_for_reports(p, o, 1, WAIT_MS));
    int64_t took = now_ms() - began;
    if (!CHECK(took < FAST_MS)) printf("  it took %" PRId64 " ms\n", took);
    check_status(o->status, row->status, row->status, o->error_text, __FILE__, __LINE__);
    CHECK_INT(o->persisted, PRODUCER_PERSISTED_NO);
    check_sentence(row, o->error_text);
    free(o);
}

static void try_row(const struct row *row) {
    printf("  %s\n", row->what);
    fflush(stdout);
    producer_mock_cluster_t *m = row->port == BROKER ? cluster_of(row) : NULL;
    producer_config_t *c = config_of(servers_of(row, m), "linger.ms", "0", "log.level", "7", NULL);
    REQUIRE_OK(producer_config_set_log_callback(c, on_any_line, NULL));
    int64_t began = now_ms();
    producer_t *p = NULL;
    producer_status_t made = PRODUCER_OK;
    for (int i = 0; i < 10 && row->set[i][0] != NULL && made == PRODUCER_OK; i++) {
        char *text;
        made = producer_config_set(c, row->set[i][0], value_of(row->set[i][1], &text));
        free(text);
    }
    if (made == PRODUCER_OK) made = producer_new(c, &p);
    if (row->at_once) {
        check_status(made, row->status, row->status, row->what, __FILE__, __LINE__);
        check_sentence(row, producer_last_error());
        CHECK(now_ms() - began < FAST_MS);
    } else if (check_status(made, PRODUCER_OK, PRODUCER_OK, row->what, __FILE__, __LINE__)) {
        try_record(row, p, began);
    }
    if (p != NULL) CHECK_OK(producer_close(p, 1000));
    producer_config_free(c);
    producer_mock_cluster_free(m);
}

/* Records that come after the first refusal fail soon as well, and questions do. */
static void later_ones(void) {
    check_case("what comes after the first refusal does not wait either, and health tells why");
    producer_mock_cluster_t *m = mock_of(1, "t", 1);
    REQUIRE_OK(producer_mock_cluster_set_sasl(m, "PLAIN", "alice", RIGHT, 0));
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(m), "security.protocol", "SASL_PLAINTEXT", "sasl.mechanism",
                                "PLAIN", "sasl.username", "alice", "sasl.password", SECRET, "linger.ms", "0", NULL);
    for (int i = 0; i < 3; i++) {
        int64_t began = now_ms();
        struct outcome *o = outcomes_new(1);
        CHECK_OK(send_text(p, "t", 0, "in vain", o));
        CHECK(wait_for_reports(p, o, 1, WAIT_MS));
        CHECK_ALL(o, 1, PRODUCER_ERR_SASL_AUTHENTICATION_FAILED);
        CHECK(now_ms() - began < FAST_MS);
        free(o);
    }
    CHECK_SAYS(wait_for_health(p, PRODUCER_HEALTH_AUTHENTICATION_FAILED).text, "PLAIN");
    CHECK_OK(producer_close(p, 1000));
    producer_mock_cluster_free(m);
}

int main(void) {
    check_begin();
    /* No Kerberos, no AWS: not of this machine either. */
    REQUIRE(setenv("KRB5CCNAME", "FILE:/nowhere/ccache", 1) == 0 && setenv("KRB5_CONFIG", "/nowhere/krb5.conf", 1) == 0);
    REQUIRE(setenv("HOME", "/nowhere", 1) == 0 && setenv("AWS_EC2_METADATA_DISABLED", "true", 1) == 0);
    start_servers();
    check_case("each mistake has its status, its sentence and its time");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) try_row(&rows[i]);
    later_ones();
    end_servers();
    return check_end();
}
