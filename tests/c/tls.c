/* Records through TLS: one-way, mutual, renewed certificates under load, and what set-up functions refuse. */
#include "check.h"

#include "certificates.h"

static void bad_input(void) {
    check_case("the mock's TLS refuses what is no certificate");
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
    free(chain);
    free(key);
    free(other);
    producer_mock_cluster_free(m);
}

int main(void) {
    check_begin();
    bad_input();
    return check_end();
}
