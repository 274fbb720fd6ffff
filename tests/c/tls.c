/*
 * Records through TLS: one-way and mutual, certificates from every kind of source, renewed under load with nothing lost, and
 * what set-up functions refuse.
 */
#include "check.h"

#include "certificates.h"

#define ROUNDS 12
#define PER_ROUND 200

/* ---- the log ---- */

struct lines {
    char last[8][600];
    atomic_int count;
};

static void on_line(int32_t level, const char *facility, const char *message, void *opaque) {
    struct lines *lines = opaque;
    if (strcmp(facility, "TLS") != 0) return;
    snprintf(lines->last[lines->count % 8], sizeof lines->last[0], "%d %s", (int)level, message);
    lines->count++;
}

static bool has_line(struct lines *lines, const char *needle) {
    for (int i = 0; i < lines->count && i < 8; i++)
        if (contains(lines->last[i], needle)) return true;
    return false;
}

/* Polls until the log has said so. */
static bool wait_for_line(producer_t *p, struct lines *lines, const char *needle) {
    int64_t deadline = now_ms() + WAIT_MS;
    while (!has_line(lines, needle)) {
        if (now_ms() > deadline || producer_poll(p, 10) < 0) return false;
    }
    return true;
}

/* ---- files that are renewed ---- */

static void copy_cert(const char *name, const char *to) {
    char *text = cert_text(name), temporary[64];
    snprintf(temporary, sizeof temporary, "%s.new", to);
    FILE *file = fopen(temporary, "wb");
    REQUIRE(file != NULL);
    REQUIRE(fwrite(text, 1, strlen(text), file) == strlen(text) && fclose(file) == 0);
    REQUIRE(rename(temporary, to) == 0);
    free(text);
}

/* ---- producers ---- */

/* Sends a record through a producer with these settings and closes it. The mock speaks TLS already. */
static void deliver(const char *servers, const char *what, ...) {
    producer_config_t *c = config_of(servers, "security.protocol", "SSL", "linger.ms", "0", NULL);
    producer_t *p = NULL;
    va_list pairs;
    va_start(pairs, what);
    for (const char *name = va_arg(pairs, const char *); name != NULL; name = va_arg(pairs, const char *))
        REQUIRE_OK(producer_config_set(c, name, va_arg(pairs, const char *)));
    va_end(pairs);
    printf("  %s\n", what);
    if (CHECK_OK(producer_new(c, &p))) {
        struct outcome *o = outcomes_new(1);
        CHECK_OK(send_text(p, "t", 0, what, o));
        CHECK_OK(producer_flush(p, WAIT_MS));
        CHECK_ALL(o, 1, PRODUCER_OK);
        CHECK_OK(producer_close(p, WAIT_MS));
        free(o);
    }
    producer_config_free(c);
}

static void one_way(void) {
    check_case("records arrive where the broker's certificate is trusted, whatever the trust is read from");
    producer_mock_cluster_t *m = mock_of(2, "t", 1);
    mock_speaks_tls(m, "server", NULL);
    const char *servers = producer_mock_cluster_bootstrap_servers(m);
    char *ca = cert_text("ca.pem"), by_name[64];
    deliver(servers, "a file", "ssl.ca.location", cert_path("ca.pem"), NULL);
    deliver(servers, "a file of several", "ssl.ca.location", cert_path("both-ca.pem"), NULL);
    deliver(servers, "a directory", "ssl.ca.location", cert_path("ca-directory"), NULL);
    deliver(servers, "text", "ssl.ca.pem", ca, NULL);
    deliver(servers, "Java's properties", "ssl.truststore.type", "PEM", "ssl.truststore.location", cert_path("ca.pem"), NULL);
    deliver(servers, "Java's text", "ssl.truststore.certificates", ca, NULL);
    deliver(servers, "PKCS#12", "ssl.truststore.location", cert_path("ca.p12"), "ssl.truststore.password", cert_password(), NULL);
    deliver(servers, "TLS 1.2", "ssl.ca.pem", ca, "ssl.enabled.protocols", "TLSv1.2", NULL);
    deliver(servers, "TLS 1.3", "ssl.ca.pem", ca, "ssl.enabled.protocols", "TLSv1.3", NULL);
    const char *port = strchr(servers, ':');
    snprintf(by_name, sizeof by_name, "localhost%.*s", (int)strcspn(port, ","), port);
    deliver(by_name, "by a name", "ssl.ca.pem", ca, NULL);
    /* The system's own store, which OpenSSL's variable moves. */
    REQUIRE(setenv("SSL_CERT_FILE", cert_path("ca.pem"), 1) == 0);
    deliver(servers, "the operating system's store", NULL);
    REQUIRE(unsetenv("SSL_CERT_FILE") == 0);
    CHECK_INT(log_end(m, "t", 0), 11);
    free(ca);
    producer_mock_cluster_free(m);
}

static void mutual(void) {
    check_case("clients show certificates of every usual form");
    producer_mock_cluster_t *m = mock_of(1, "t", 1);
    mock_speaks_tls(m, "server", "ca.pem");
    const char *servers = producer_mock_cluster_bootstrap_servers(m), *ca = cert_path("ca.pem");
    char *chain = cert_text("client.pem"), *key = cert_text("client.key"), *locked = cert_text("client-encrypted.key");
    deliver(servers, "files", "ssl.ca.location", ca, "ssl.certificate.location", cert_path("client.pem"), "ssl.key.location",
            cert_path("client.key"), NULL);
    deliver(servers, "text", "ssl.ca.location", ca, "ssl.keystore.certificate.chain", chain, "ssl.keystore.key", key, NULL);
    deliver(servers, "an encrypted key", "ssl.ca.location", ca, "ssl.certificate.pem", chain, "ssl.key.pem", locked,
            "ssl.key.password", cert_password(), NULL);
    deliver(servers, "PKCS#12", "ssl.ca.location", ca, "ssl.keystore.location", cert_path("client.p12"), "ssl.keystore.password",
            cert_password(), NULL);
    CHECK_INT(log_end(m, "t", 0), 4);
    free(chain);
    free(key);
    free(locked);
    producer_mock_cluster_free(m);
}

static void checks_switched_off(void) {
    check_case("checks of name and certificate can be switched off, and the log warns of it");
    producer_mock_cluster_t *m = mock_of(1, "t", 1);
    const char *servers = producer_mock_cluster_bootstrap_servers(m);
    mock_speaks_tls(m, "wronghost", NULL);
    deliver(servers, "any name", "ssl.ca.location", cert_path("ca.pem"), "ssl.endpoint.identification.algorithm", "none", NULL);
    mock_speaks_tls(m, "other-server", NULL);
    struct lines lines = {.count = 0};
    producer_t *p = NULL;
    producer_config_t *c = config_of(servers, "security.protocol", "SSL", "enable.ssl.certificate.verification", "false", NULL);
    REQUIRE_OK(producer_config_set_log_callback(c, on_line, &lines));
    REQUIRE_OK(producer_new(c, &p));
    warm_up(p, "t", 0);
    CHECK(has_line(&lines, "enable.ssl.certificate.verification"));
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_config_free(c);
    producer_mock_cluster_free(m);
}

static void large(void) {
    check_case("large records and many of them go through TLS whole and in order");
    enum { COUNT = 120, BYTES = 400000 };
    producer_mock_cluster_t *m = mock_of(1, "t", 1);
    mock_speaks_tls(m, "server", NULL);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(m), "security.protocol", "SSL", "ssl.ca.location",
                                cert_path("ca.pem"), "linger.ms", "0", NULL);
    char *value = malloc(BYTES);
    REQUIRE(value != NULL);
    struct outcome *o = outcomes_new(COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        producer_record_t r = PRODUCER_RECORD_INIT;
        for (size_t j = 0; j < BYTES; j++) value[j] = (char)(j * 31 + i * 7 + (j >> 9));
        r.topic = "t";
        r.partition = 0;
        r.value = value;
        r.value_len = BYTES;
        REQUIRE_OK(producer_send(p, &r, on_outcome, &o[i]));
    }
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, COUNT, PRODUCER_OK);
    for (size_t i = 0; i < COUNT; i++) CHECK_INT(o[i].offset, i);
    CHECK_INT(log_end(m, "t", 0), COUNT);
    CHECK_OK(producer_close(p, WAIT_MS));
    free(value);
    free(o);
    producer_mock_cluster_free(m);
}

/* The authority, the broker and the client of one side: "" or "other-". */
static void renew(producer_mock_cluster_t *m, const char *side) {
    char server[32], ca[32], client[32], key[32];
    snprintf(server, sizeof server, "%sserver", side);
    snprintf(ca, sizeof ca, "%sca.pem", side);
    snprintf(client, sizeof client, "%sclient.pem", side);
    snprintf(key, sizeof key, "%sclient.key", side);
    copy_cert(ca, "trust.pem");
    copy_cert(client, "client.pem");
    copy_cert(key, "client.key");
    mock_speaks_tls(m, server, ca);
}

static producer_t *renewing(producer_mock_cluster_t *m, struct lines *lines, const char *interval_ms) {
    producer_t *p = NULL;
    producer_config_t *c =
        config_of(producer_mock_cluster_bootstrap_servers(m), "security.protocol", "SSL", "ssl.ca.location", "trust.pem",
                  "ssl.certificate.location", "client.pem", "ssl.key.location", "client.key", "ssl.reload.interval.ms", interval_ms,
                  "linger.ms", "1", "reconnect.backoff.ms", "5", "reconnect.backoff.max.ms", "20", "retry.backoff.ms", "5", NULL);
    REQUIRE_OK(producer_config_set_log_callback(c, on_line, lines));
    REQUIRE_OK(producer_new(c, &p));
    producer_config_free(c);
    return p;
}

/* Every connection ends; the next ones are made with what holds now. */
static void reconnect(producer_mock_cluster_t *m) {
    REQUIRE_OK(producer_mock_cluster_broker_down(m, 1));
    REQUIRE_OK(producer_mock_cluster_broker_up(m, 1));
}

static void reload_under_load(void) {
    check_case("authorities, broker and client get new certificates again and again under load, and nothing is lost or doubled");
    struct lines lines = {.count = 0};
    producer_mock_cluster_t *m = mock_of(1, "t", 1);
    renew(m, "");
    producer_t *p = renewing(m, &lines, "0");
    /* Connected first: a producer that no broker has ever accepted fails its records when certificates do not fit. */
    producer_metadata_t *metadata = NULL;
    REQUIRE_OK(producer_metadata(p, "t", WAIT_MS, &metadata));
    producer_metadata_free(metadata);
    struct outcome *o = outcomes_new(ROUNDS * PER_ROUND);
    for (int round = 0; round < ROUNDS; round++) {
        size_t at = (size_t)round * PER_ROUND;
        for (size_t i = at; i < at + PER_ROUND; i++) {
            char value[64];
            snprintf(value, sizeof value, "r%zu", i);
            REQUIRE_OK(send_text(p, "t", 0, value, &o[i]));
            /* In the middle: some are in flight, some wait, some are not sent yet. */
            if (i != at + PER_ROUND / 2) continue;
            renew(m, round % 2 == 0 ? "other-" : "");
            /* Every other time connections are tried with the old ones first. */
            if (round % 4 < 2) reconnect(m);
            CHECK_OK(producer_tls_reload(p));
            if (round % 4 >= 2) reconnect(m);
        }
        CHECK(wait_for_reports(p, o, at + PER_ROUND, WAIT_MS));
    }
    CHECK_ALL(o, ROUNDS * PER_ROUND, PRODUCER_OK);
    check_log(m, "t", 0, "r", o, ROUNDS * PER_ROUND, false);
    CHECK_INT(log_end(m, "t", 0), ROUNDS * PER_ROUND);
    CHECK(has_line(&lines, "read anew"));
    CHECK_OK(producer_tls_reload(p)); /* nothing has changed */
    CHECK_OK(producer_close(p, WAIT_MS));
    free(o);
    producer_mock_cluster_free(m);
}

static void bad_ones_change_nothing(void) {
    check_case("a bad new certificate is named, and the old one goes on being used");
    struct lines lines = {.count = 0};
    producer_mock_cluster_t *m = mock_of(1, "t", 1);
    renew(m, "");
    producer_t *p = renewing(m, &lines, "0");
    warm_up(p, "t", 0);
    copy_cert("other-client.key", "client.key"); /* the certificate is still of the other pair */
    CHECK(producer_tls_reload(p) != PRODUCER_OK);
    CHECK_SAYS(producer_last_error(), "client.pem");
    CHECK_SAYS(producer_last_error(), "stay in use");
    CHECK(wait_for_line(p, &lines, "stay in use"));
    CHECK_INT(lines.count, 1);
    copy_cert("client.key", "client.key");
    REQUIRE(remove("trust.pem") == 0);
    CHECK(producer_tls_reload(p) != PRODUCER_OK);
    CHECK_SAYS(producer_last_error(), "trust.pem");
    reconnect(m);
    warm_up(p, "t", 0);
    copy_cert("ca.pem", "trust.pem");
    CHECK_OK(producer_tls_reload(p));
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_STATUS(producer_tls_reload(p), PRODUCER_ERR_CLOSED);
    producer_mock_cluster_free(m);
}

static void watched(void) {
    check_case("changed files are noticed without a call, and a bad one is told once");
    struct lines lines = {.count = 0};
    producer_mock_cluster_t *m = mock_of(1, "t", 1);
    renew(m, "");
    producer_t *p = renewing(m, &lines, "20");
    warm_up(p, "t", 0);
    copy_cert("other-client.key", "client.key");
    CHECK(wait_for_line(p, &lines, "stay in use"));
    int told = lines.count;
    renew(m, "other-");
    CHECK(wait_for_line(p, &lines, "read anew"));
    reconnect(m);
    warm_up(p, "t", 0);
    /* Between the three files of the renewal it may have looked as well. */
    CHECK(told == 1 && lines.count <= 5);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(m);
}

static void mended(void) {
    check_case("a producer that nobody trusted delivers once its certificates are mended");
    struct lines lines = {.count = 0};
    producer_mock_cluster_t *m = mock_of(1, "t", 1);
    renew(m, "");
    copy_cert("other-ca.pem", "trust.pem");
    producer_t *p = renewing(m, &lines, "0");
    struct outcome *o = outcomes_new(1);
    REQUIRE_OK(send_text(p, "t", 0, "too early", o));
    CHECK(wait_for_reports(p, o, 1, WAIT_MS));
    CHECK_ALL(o, 1, PRODUCER_ERR_TLS_FAILED);
    CHECK_SAYS(o->error_text, "Test authority");
    wait_for_health(p, PRODUCER_HEALTH_AUTHENTICATION_FAILED);
    copy_cert("ca.pem", "trust.pem");
    CHECK_OK(producer_tls_reload(p));
    warm_up(p, "t", 0);
    CHECK_OK(producer_close(p, WAIT_MS));
    free(o);
    producer_mock_cluster_free(m);
}

static void telemetry(void) {
    check_case("metrics go through TLS as well");
    producer_mock_cluster_t *m = mock_of(1, "t", 1);
    mock_speaks_tls(m, "server", NULL);
    REQUIRE_OK(producer_mock_cluster_telemetry_subscribe(m, "*", 50, 0));
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(m), "security.protocol", "SSL", "ssl.ca.location",
                                cert_path("ca.pem"), NULL);
    warm_up(p, "t", 0);
    int64_t pushes = 0, deadline = now_ms() + WAIT_MS;
    while (pushes == 0 && now_ms() < deadline) {
        producer_poll(p, 10);
        REQUIRE_OK(producer_mock_cluster_telemetry_push_count(m, &pushes));
    }
    CHECK(pushes > 0);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(m);
}

static void reload_from_callback(const producer_report_t *report, void *opaque) {
    (void)report;
    CHECK_OK(producer_tls_reload(opaque));
}

static void bad_input(void) {
    check_case("what is no certificate is refused, and so is a reload without TLS");
    producer_mock_cluster_t *m = mock_of(1, "t", 1);
    char *chain = cert_text("server.pem"), *key = cert_text("server.key"), *other = cert_text("client.key");
    CHECK_STATUS(producer_mock_cluster_set_tls(NULL, chain, key, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_mock_cluster_set_tls(m, chain, NULL, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "key_pem is NULL");
    CHECK_STATUS(producer_mock_cluster_set_tls(m, NULL, key, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "certificate_chain_pem is NULL");
    CHECK_STATUS(producer_mock_cluster_set_tls(m, "x", key, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "certificate_chain_pem");
    CHECK_STATUS(producer_mock_cluster_set_tls(m, chain, "x", NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "key_pem");
    CHECK_STATUS(producer_mock_cluster_set_tls(m, chain, other, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_mock_cluster_set_tls(m, chain, key, "x"), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "client_ca_pem");
    CHECK_STATUS(producer_mock_cluster_set_tls(m, NULL, NULL, chain), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_OK(producer_mock_cluster_set_tls(m, NULL, NULL, NULL));

    CHECK_STATUS(producer_tls_reload(NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    producer_t *p = producer_at(m);
    CHECK_STATUS(producer_tls_reload(p), PRODUCER_ERR_CONFIG_CONFLICT);
    CHECK_SAYS(producer_last_error(), "security.protocol");
    CHECK_OK(producer_close(p, WAIT_MS));

    mock_speaks_tls(m, "server", NULL);
    p = producer_of(producer_mock_cluster_bootstrap_servers(m), "security.protocol", "SSL", "ssl.ca.location", cert_path("ca.pem"),
                    NULL);
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t";
    CHECK_OK(producer_send(p, &r, reload_from_callback, p));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_OK(producer_close(p, WAIT_MS));

    producer_config_t *c = NULL;
    REQUIRE_OK(producer_config_new(&c));
    REQUIRE_OK(producer_config_set(c, "test.mock.num.brokers", "1"));
    REQUIRE_OK(producer_config_set(c, "security.protocol", "SSL"));
    CHECK_STATUS(producer_new(c, &p), PRODUCER_ERR_CONFIG_CONFLICT);
    CHECK_SAYS(producer_last_error(), "producer_mock_cluster_set_tls");
    producer_config_free(c);
    free(chain);
    free(key);
    free(other);
    producer_mock_cluster_free(m);
}

int main(void) {
    check_begin();
    one_way();
    mutual();
    checks_switched_off();
    large();
    reload_under_load();
    bad_ones_change_nothing();
    watched();
    mended();
    telemetry();
    bad_input();
    return check_end();
}
