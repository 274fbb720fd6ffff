/*
 * options --topic T --records N --partitions P [--property NAME=VALUE]...
 *
 * Sends numbered records round the partitions of topic T, each with acks of its own, and as many to topic T-set, whose settings
 * change all the time. Prints "reported N failed F answered A", where answered counts those that were given an offset.
 */
#include "tool.h"

#define FINISH_MS 60000

static size_t reported, failed, answered;

static void on_delivery(const producer_report_t *report, void *opaque) {
    (void)opaque;
    reported++;
    if (report->status != PRODUCER_OK) {
        failed++;
        fprintf(stderr, "%s: %s\n", producer_status_name(report->status), report->error_text ? report->error_text : "");
    }
    if (report->offset >= 0) answered++;
}

static void send_number(producer_t *producer, const char *topic, int32_t partition, size_t number, int32_t acks) {
    char value[32];
    producer_record_t record = PRODUCER_RECORD_INIT;
    record.topic = topic, record.partition = partition, record.acks = acks;
    record.value = value, record.value_len = (size_t)snprintf(value, sizeof value, "%010zu", number);
    must(producer_send(producer, &record, on_delivery, NULL), "producer_send");
}

int main(int argc, char **argv) {
    size_t count = (size_t)number_option(argc, argv, "--records", "10000");
    int32_t partitions = (int32_t)number_option(argc, argv, "--partitions", "3");
    const char *topic = option(argc, argv, "--topic", NULL);
    char set[300];
    snprintf(set, sizeof set, "%s-set", topic);
    producer_config_t *config = config_of(argc, argv);
    producer_t *producer;
    must(producer_new(config, &producer), "producer_new");
    producer_config_free(config);

    static const int32_t acks[] = {PRODUCER_ACKS_DEFAULT, PRODUCER_ACKS_LEADER, PRODUCER_ACKS_NONE, PRODUCER_ACKS_ALL};
    static const char *const topic_acks[] = {"all", "1", "0"};
    for (size_t i = 0; i < count; i++) {
        /* In runs of other lengths per partition, so that requests have to be kept apart. */
        send_number(producer, topic, (int32_t)(i % (size_t)partitions), i, acks[i / 40 % 4]);
        if (i % 100 == 0) {
            must(producer_topic_set(producer, set, "acks", topic_acks[i / 100 % 3]), "acks");
            must(producer_topic_set(producer, set, "linger.ms", i / 100 % 2 ? "0" : "3"), "linger.ms");
            must(producer_topic_set(producer, set, "batch.size", i / 100 % 2 ? "500" : "100000"), "batch.size");
            must(producer_topic_set(producer, set, "request.timeout.ms", i / 100 % 2 ? "20000" : "30000"), "request.timeout.ms");
        }
        send_number(producer, set, (int32_t)(i % (size_t)partitions), i, PRODUCER_ACKS_DEFAULT);
        if (i % 500 == 0) producer_poll(producer, 0);
    }
    must(producer_flush(producer, FINISH_MS), "producer_flush");
    /* One that is answered says that everything before it in its partition has been looked at. */
    for (int32_t partition = 0; partition < partitions; partition++) {
        send_number(producer, topic, partition, count, PRODUCER_ACKS_ALL);
        send_number(producer, set, partition, count, PRODUCER_ACKS_ALL);
    }
    must(producer_close(producer, FINISH_MS), "producer_close");
    printf("reported %zu failed %zu answered %zu\n", reported, failed, answered);
    return 0;
}
