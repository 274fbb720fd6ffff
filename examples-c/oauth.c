/*
 * oauth [BOOTSTRAP TOKEN_FILE [TOPIC]]
 *
 * OAUTHBEARER with a callback that gets tokens, here from a file that somebody else renews. Without arguments it runs against
 * a cluster of its own and makes its tokens up.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <kproducer.h>

#define TOKEN_LIFE_MS 3600000

static void must(producer_status_t status, const char *what) {
    if (status == PRODUCER_OK) return;
    fprintf(stderr, "%s: %s: %s\n", what, producer_status_name(status), producer_last_error());
    exit(1);
}

/* Runs on a thread of the library's own, when the producer is made and then ahead of each token's end: it may take its time. */
static void on_token(producer_token_request_t *request, void *opaque) {
    const char *path = opaque;
    char token[16384] = "made-up.token.for-the-mock-cluster";
    if (path != NULL) {
        FILE *file = fopen(path, "r");
        size_t length = file != NULL ? fread(token, 1, sizeof token - 1, file) : 0;
        if (file != NULL) fclose(file);
        token[length] = '\0';
        token[strcspn(token, "\r\n")] = '\0';
    }
    int64_t expires_at_ms = (int64_t)time(NULL) * 1000 + TOKEN_LIFE_MS;
    if (producer_token_request_set(request, token, expires_at_ms, "example", NULL, 0) != PRODUCER_OK) {
        /* The sentence goes where connections fail for want of a token: no secret belongs in it. */
        must(producer_token_request_fail(request, "the file with the token is not there, or holds none"), "producer_token_request_fail");
    }
}

static void on_delivery(const producer_report_t *report, void *opaque) {
    int *delivered = opaque;
    if (report->status == PRODUCER_OK) {
        printf("delivered at offset %lld\n", (long long)report->offset);
        ++*delivered;
    } else {
        printf("failed: %s\n", report->error_text);
    }
}

int main(int argc, char **argv) {
    const char *topic = argc > 3 ? argv[3] : "oauth";
    producer_mock_cluster_t *mock = NULL;
    producer_config_t *config = NULL;
    producer_t *producer = NULL;
    int delivered = 0;

    must(producer_config_new(&config), "producer_config_new");
    if (argc > 2) {
        must(producer_config_set(config, "bootstrap.servers", argv[1]), "bootstrap.servers");
        must(producer_config_set(config, "security.protocol", "SASL_SSL"), "security.protocol");
    } else {
        must(producer_mock_cluster_new(1, &mock), "producer_mock_cluster_new");
        must(producer_mock_cluster_topic_create(mock, topic, 1, 1), "producer_mock_cluster_topic_create");
        must(producer_mock_cluster_set_sasl(mock, "OAUTHBEARER", NULL, "made-up.token.for-the-mock-cluster", 0),
             "producer_mock_cluster_set_sasl");
        must(producer_config_set(config, "bootstrap.servers", producer_mock_cluster_bootstrap_servers(mock)), "bootstrap.servers");
        must(producer_config_set(config, "security.protocol", "SASL_PLAINTEXT"), "security.protocol");
    }
    must(producer_config_set(config, "sasl.mechanism", "OAUTHBEARER"), "sasl.mechanism");
    must(producer_config_set_oauth_token_callback(config, on_token, argc > 2 ? argv[2] : NULL),
         "producer_config_set_oauth_token_callback");
    must(producer_new(config, &producer), "producer_new");
    producer_config_free(config);

    producer_record_t record = PRODUCER_RECORD_INIT;
    record.topic = topic;
    record.value = "hello";
    record.value_len = 5;
    must(producer_send(producer, &record, on_delivery, &delivered), "producer_send");
    must(producer_close(producer, 30000), "producer_close");
    producer_mock_cluster_free(mock);
    return delivered == 1 ? 0 : 1;
}
