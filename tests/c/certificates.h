/*
 * The certificates that tests/c_programs.rs makes for the programs that speak TLS; tests/support/certificates.rs lists them.
 * Include it after check.h.
 */
#ifndef CERTIFICATES_H
#define CERTIFICATES_H

/* The path of a certificate file, good until the tenth call after this one. */
static inline const char *cert_path(const char *name) {
    static _Thread_local char paths[10][512];
    static _Thread_local int next;
    const char *directory = getenv("KP_CERTS");
    REQUIRE(directory != NULL && "KP_CERTS: the directory that tests/c_programs.rs makes");
    char *path = paths[next++ % 10];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

/* The text of a certificate file; to be freed. */
static inline char *cert_text(const char *name) {
    FILE *file = fopen(cert_path(name), "rb");
    REQUIRE(file != NULL);
    char *text = calloc(1, 65536);
    REQUIRE(text != NULL);
    size_t length = fread(text, 1, 65535, file);
    REQUIRE(length > 0 && feof(file));
    fclose(file);
    return text;
}

/* Of encrypted keys and stores. */
static inline const char *cert_password(void) {
    const char *password = getenv("KP_CERTS_PASSWORD");
    REQUIRE(password != NULL);
    return password;
}

/* New connections to the mock's brokers are in TLS, with `<server>.pem`; clients have to show a certificate of `client_ca`, if any. */
static inline void mock_speaks_tls(producer_mock_cluster_t *m, const char *server, const char *client_ca) {
    char name[64];
    snprintf(name, sizeof name, "%s.pem", server);
    char *chain = cert_text(name);
    snprintf(name, sizeof name, "%s.key", server);
    char *key = cert_text(name);
    char *ca = client_ca == NULL ? NULL : cert_text(client_ca);
    REQUIRE_OK(producer_mock_cluster_set_tls(m, chain, key, ca));
    free(chain);
    free(key);
    free(ca);
}

#endif
