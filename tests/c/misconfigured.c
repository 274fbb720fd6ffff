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

/* Where a row's producer connects to. */
enum port { BROKER, HTTP, CLOSED };

/*
 * One mistake. In values `@name` is the path of a certificate file, `#name` its text, `!` the password of encrypted ones.
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
     .says = {"Test authority", "ssl.ca.location", "1 certificate"}},
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
     .says = {"PLAIN"}},
    {.what = "a wrong password, SCRAM inside TLS",
     .server = "server",
     .mechanism = "SCRAM-SHA-512",
     .set = {{"security.protocol", "SASL_SSL"},
             {"ssl.ca.location", "@ca.pem"},
             {"sasl.mechanism", "SCRAM-SHA-512"},
             {"sasl.username", "alice"},
             {"sasl.password", SECRET}},
     .status = PRODUCER_ERR_SASL_AUTHENTICATION_FAILED,
     .says = {"SCRAM-SHA-512"}},
    {.what = "a user that is unknown",
     .mechanism = "SCRAM-SHA-256",
     .set = {{"security.protocol", "SASL_PLAINTEXT"},
             {"sasl.mechanism", "SCRAM-SHA-256"},
             {"sasl.username", "mallory"},
             {"sasl.password", RIGHT}},
     .status = PRODUCER_ERR_SASL_AUTHENTICATION_FAILED,
     .says = {"SCRAM-SHA-256"}},
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

/* ---- a web server that answers whatever it is asked ---- */

static int http_socket;
static char http_address[32], closed_address[32];

static int listen_somewhere(char *address) {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(fd >= 0 && bind(fd, (struct sockaddr *)&in, sizeof in) == 0 && listen(fd, 16) == 0);
    REQUIRE(getsockname(fd, (struct sockaddr *)&in, &length) == 0);
    snprintf(address, 32, "127.0.0.1:%d", (int)ntohs(in.sin_port));
    return fd;
}

static void *serve_http(void *unused) {
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for (;;) {
        char request[4096];
        int fd = accept(http_socket, NULL, NULL);
        if (fd < 0) return unused;
        if (recv(fd, request, sizeof request, 0) > 0) send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL);
        /* Its end, before the rest of the request makes a reset of it. */
        shutdown(fd, SHUT_WR);
        while (recv(fd, request, sizeof request, 0) > 0) continue;
        close(fd);
    }
}

/* ---- rows ---- */

/* What a value of a row stands for; `text` is to be freed. */
static const char *value_of(const char *value, char **text) {
    *text = NULL;
    if (value[0] == '@') return cert_path(value + 1);
    if (value[0] == '#') return *text = cert_text(value + 1);
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

static void try_row(const struct row *row) {
    printf("  %s\n", row->what);
    fflush(stdout);
    producer_mock_cluster_t *m = row->port == BROKER ? cluster_of(row) : NULL;
    const char *servers = row->port == HTTP ? http_address : closed_address;
    if (m != NULL) servers = producer_mock_cluster_bootstrap_servers(m);
    producer_config_t *c = config_of(servers, "linger.ms", "0", "delivery.timeout.ms", "1200", "request.timeout.ms", "1000",
                                     "max.block.ms", "1000", "log.level", "7", NULL);
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
    } else if (check_status(made, PRODUCER_OK, PRODUCER_OK, row->what, __FILE__, __LINE__)) {
        struct outcome *o = outcomes_new(1);
        CHECK_OK(send_text(p, "t", 0, "in vain", o));
        CHECK(wait_for_reports(p, o, 1, WAIT_MS));
        check_status(o->status, row->status, row->status, o->error_text, __FILE__, __LINE__);
        CHECK_INT(o->persisted, PRODUCER_PERSISTED_NO);
        check_sentence(row, o->error_text);
        free(o);
    }
    int64_t took = now_ms() - began;
    if (!CHECK(took < FAST_MS)) printf("  it took %" PRId64 " ms\n", took);
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
    producer_health_t health = PRODUCER_HEALTH_INIT;
    CHECK_OK(producer_health(p, &health));
    CHECK_INT(health.state, PRODUCER_HEALTH_AUTHENTICATION_FAILED);
    CHECK_SAYS(health.text, "PLAIN");
    CHECK_OK(producer_close(p, 1000));
    producer_mock_cluster_free(m);
}

int main(void) {
    pthread_t server;
    check_begin();
    /* No Kerberos, no AWS: not of this machine either. */
    REQUIRE(setenv("KRB5CCNAME", "FILE:/nowhere/ccache", 1) == 0 && setenv("KRB5_CONFIG", "/nowhere/krb5.conf", 1) == 0);
    REQUIRE(setenv("HOME", "/nowhere", 1) == 0 && setenv("AWS_EC2_METADATA_DISABLED", "true", 1) == 0);
    http_socket = listen_somewhere(http_address);
    close(listen_somewhere(closed_address));
    REQUIRE(pthread_create(&server, NULL, serve_http, NULL) == 0);
    check_case("each mistake has its status, its sentence and its time");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) try_row(&rows[i]);
    later_ones();
    shutdown(http_socket, SHUT_RDWR);
    REQUIRE(pthread_join(server, NULL) == 0);
    close(http_socket);
    return check_end();
}
