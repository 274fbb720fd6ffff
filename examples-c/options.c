/*
 * options [BOOTSTRAP [TOPIC]]
 *
 * One producer, three kinds of records: audit records that every replica must have, clicks that a leader must have, and
 * metrics that may get lost. Without arguments it runs against a cluster of its own that lives in this process.
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
    const char *what = opaque;
    if (report->status != PRODUCER_OK)
        printf("%-7s failed: %s\n", what, report->error_text);
    else if (report->persisted == PRODUCER_PERSISTED_MAYBE)
        printf("%-7s is on its way: nobody says whether it arrives\n", what);
    else
        printf("%-7s is at offset %lld\n", what, (long long)report->offset);
}

static void send_with(producer_t *producer, const char *topic, const char *what, int32_t acks, int32_t deadline_ms) {
    producer_record_t record = PRODUCER_RECORD_INIT;
    record.topic = topic;
    record.partition = 0;
    record.value = what;
    record.value_len = strlen(what);
    record.acks = acks;
    record.delivery_timeout_ms = deadline_ms;
    must(producer_send(producer, &record, on_delivery, (void *)what), "producer_send");
}

int main(int argc, char **argv) {
    const char *topic = argc > 2 ? argv[2] : "options";
    producer_config_t *config = NULL;
    must(producer_config_new(&config), "producer_config_new");
    if (argc > 1)
        must(producer_config_set(config, "bootstrap.servers", argv[1]), "bootstrap.servers");
    else
        must(producer_config_set(config, "test.mock.num.brokers", "1"), "test.mock.num.brokers");
    /* Idempotence needs acks=all for every record: a program that wants others decides against it. */
    must(producer_config_set(config, "enable.idempotence", "false"), "enable.idempotence");

    producer_t *producer = NULL;
    must(producer_new(config, &producer), "producer_new");
    producer_config_free(config);

    /* For everything that goes to this topic: the leader's word is enough, and small batches go quickly. */
    must(producer_topic_set(producer, topic, "acks", "1"), "acks");
    must(producer_topic_set(producer, topic, "linger.ms", "1"), "linger.ms");
    must(producer_topic_set(producer, topic, "batch.size", "16384"), "batch.size");

    send_with(producer, topic, "click", PRODUCER_ACKS_DEFAULT, PRODUCER_TIMEOUT_DEFAULT);
    send_with(producer, topic, "audit", PRODUCER_ACKS_ALL, PRODUCER_TIMEOUT_DEFAULT);
    send_with(producer, topic, "metric", PRODUCER_ACKS_NONE, 5000); /* worthless after five seconds */

    must(producer_flush(producer, 10000), "producer_flush");
    must(producer_close(producer, 10000), "producer_close");
    return 0;
}
