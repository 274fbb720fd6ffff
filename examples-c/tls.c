/*
 * tls BOOTSTRAP CA [CERTIFICATE KEY [TOPIC]]
 * tls "" DIRECTORY
 *
 * Sends records through TLS. CA is the PEM file of the authority that signed the brokers' certificates; CERTIFICATE and KEY are
 * PEM files of the client's own, for brokers that demand one. With "" it runs against a cluster of its own that speaks TLS with
 * the files of DIRECTORY: server.pem, server.key, ca.pem, client.pem and client.key.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kproducer.h>

static void must(producer_status_t status, const char *what) {
    if (status == PRODUCER_OK) return;
    /* Of a wrong file, a wrong password, a key that does not fit: the sentence names the property and the file. */
    fprintf(stderr, "%s: %s: %s\n", what, producer_status_name(status), producer_last_error());
    exit(1);
}

static void on_log(int32_t level, const char *facility, const char *message, void *opaque) {
    (void)opaque;
    fprintf(stderr, "%d %s: %s\n", (int)level, facility, message);
}

static void on_delivery(const producer_report_t *report, void *opaque) {
    int *delivered = opaque;
    if (report->status == PRODUCER_OK) ++*delivered;
    /* A broker whose certificate is not good is a failure of the record, with TLS's reason in words. */
    else fprintf(stderr, "failed: %s: %s\n", producer_status_name(report->status), report->error_text);
}

static void send_one(producer_t *producer, const char *topic, const char *text, int *delivered) {
    producer_record_t record = PRODUCER_RECORD_INIT;
    record.topic = topic;
    record.value = text;
    record.value_len = strlen(text);
    must(producer_send(producer, &record, on_delivery, delivered), "producer_send");
    must(producer_flush(producer, 30000), "producer_flush");
}

/* DIRECTORY/NAME, and what is in it. */
static void file_in(const char *directory, const char *name, char path[512], char text[16384]) {
    snprintf(path, 512, "%s/%s", directory, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    text[fread(text, 1, 16383, file)] = '\0';
    fclose(file);
}

/* A cluster of our own that shows a certificate and demands one. */
static producer_mock_cluster_t *own_cluster(const char *directory, char ca[512], char certificate[512], char key[512]) {
    static char chain_text[16384], key_text[16384], ca_text[16384], other[16384];
    char path[512];
    producer_mock_cluster_t *mock = NULL;
    file_in(directory, "server.pem", path, chain_text);
    file_in(directory, "server.key", path, key_text);
    file_in(directory, "ca.pem", ca, ca_text);
    file_in(directory, "client.pem", certificate, other);
    file_in(directory, "client.key", key, other);
    must(producer_mock_cluster_new(1, &mock), "producer_mock_cluster_new");
    must(producer_mock_cluster_set_tls(mock, chain_text, key_text, ca_text), "producer_mock_cluster_set_tls");
    return mock;
}

int main(int argc, char **argv) {
    const char *topic = argc > 5 ? argv[5] : "tls";
    char ca[512], certificate[512], key[512];
    producer_mock_cluster_t *mock = NULL;
    producer_config_t *config = NULL;
    producer_t *producer = NULL;
    int delivered = 0;
    if (argc < 3) {
        fprintf(stderr, "usage: %s BOOTSTRAP CA [CERTIFICATE KEY [TOPIC]]\n       %s \"\" DIRECTORY\n", argv[0], argv[0]);
        return 2;
    }
    if (argv[1][0] == '\0') mock = own_cluster(argv[2], ca, certificate, key);

    must(producer_config_new(&config), "producer_config_new");
    must(producer_config_set(config, "bootstrap.servers", mock ? producer_mock_cluster_bootstrap_servers(mock) : argv[1]), "bootstrap.servers");
    must(producer_config_set(config, "security.protocol", "SSL"), "security.protocol");
    must(producer_config_set(config, "ssl.ca.location", mock ? ca : argv[2]), "ssl.ca.location");
    if (mock != NULL || argc > 4) {
        must(producer_config_set(config, "ssl.certificate.location", mock ? certificate : argv[3]), "ssl.certificate.location");
        must(producer_config_set(config, "ssl.key.location", mock ? key : argv[4]), "ssl.key.location");
    }
    /* Files that were renewed are noticed within a minute by themselves; this is how often they are looked at. */
    must(producer_config_set(config, "ssl.reload.interval.ms", "10000"), "ssl.reload.interval.ms");
    must(producer_config_set_log_callback(config, on_log, NULL), "producer_config_set_log_callback");
    must(producer_new(config, &producer), "producer_new");
    producer_config_free(config);

    send_one(producer, topic, "through TLS", &delivered);
    /* What a hook of your certificate manager would call; a bad new certificate is an error here, and the old one stays. */
    must(producer_tls_reload(producer), "producer_tls_reload");
    send_one(producer, topic, "after the renewal", &delivered);

    must(producer_close(producer, 10000), "producer_close");
    producer_mock_cluster_free(mock);
    printf("%d records delivered through TLS\n", delivered);
    return delivered == 2 ? 0 : 1;
}
