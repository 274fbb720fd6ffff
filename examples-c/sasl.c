/*
 * sasl [BOOTSTRAP MECHANISM USER PASSWORD [TOPIC]]
 *
 * Authenticates by user and password (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512) over TLS, and sends a record. Without arguments it
 * runs against a cluster of its own, without TLS, on which the password is then changed while the producer runs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kproducer.h>

static void must(producer_status_t status, const char *what) {
    if (status == PRODUCER_OK) return;
    fprintf(stderr, "%s: %s: %s\n", what, producer_status_name(status), producer_last_error());
    exit(1);
}

static void on_delivery(const producer_report_t *report, void *opaque) {
    int *delivered = opaque;
    if (report->status == PRODUCER_OK) {
        printf("delivered at offset %lld\n", (long long)report->offset);
        ++*delivered;
    } else {
        /* A wrong password comes out here, within a second or two, in words. */
        printf("failed: %s\n", report->error_text);
    }
}

static void send_one(producer_t *producer, const char *topic, const char *text, int *delivered) {
    producer_record_t record = PRODUCER_RECORD_INIT;
    record.topic = topic;
    record.value = text;
    record.value_len = strlen(text);
    must(producer_send(producer, &record, on_delivery, delivered), "producer_send");
    must(producer_flush(producer, 30000), "producer_flush");
}

int main(int argc, char **argv) {
    const char *mechanism = argc > 2 ? argv[2] : "SCRAM-SHA-256";
    const char *user = argc > 3 ? argv[3] : "jan";
    const char *password = argc > 4 ? argv[4] : "first";
    const char *topic = argc > 5 ? argv[5] : "sasl";
    producer_mock_cluster_t *mock = NULL;
    producer_config_t *config = NULL;
    producer_t *producer = NULL;
    int delivered = 0;

    must(producer_config_new(&config), "producer_config_new");
    if (argc > 4) {
        must(producer_config_set(config, "bootstrap.servers", argv[1]), "bootstrap.servers");
        must(producer_config_set(config, "security.protocol", "SASL_SSL"), "security.protocol");
    } else {
        must(producer_mock_cluster_new(1, &mock), "producer_mock_cluster_new");
        must(producer_mock_cluster_topic_create(mock, topic, 1, 1), "producer_mock_cluster_topic_create");
        must(producer_mock_cluster_set_sasl(mock, mechanism, user, password, 500), "producer_mock_cluster_set_sasl");
        must(producer_config_set(config, "bootstrap.servers", producer_mock_cluster_bootstrap_servers(mock)), "bootstrap.servers");
        must(producer_config_set(config, "security.protocol", "SASL_PLAINTEXT"), "security.protocol");
    }
    must(producer_config_set(config, "sasl.mechanism", mechanism), "sasl.mechanism");
    must(producer_config_set(config, "sasl.username", user), "sasl.username");
    must(producer_config_set(config, "sasl.password", password), "sasl.password");
    must(producer_new(config, &producer), "producer_new");
    producer_config_free(config);

    send_one(producer, topic, "with the first password", &delivered);
    if (mock != NULL) {
        /* The new password goes to the producer and to the cluster; nothing is closed for that, and no record is lost. */
        must(producer_set_sasl_credentials(producer, user, "second"), "producer_set_sasl_credentials");
        must(producer_mock_cluster_set_sasl(mock, mechanism, user, "second", 500), "producer_mock_cluster_set_sasl");
        send_one(producer, topic, "with the second password", &delivered);
    }
    must(producer_close(producer, 10000), "producer_close");
    producer_mock_cluster_free(mock);
    return delivered == (argc > 4 ? 1 : 2) ? 0 : 1;
}
