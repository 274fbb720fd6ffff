/*
 * batches --topic T --batches N --partitions P [--property NAME=VALUE]...
 *
 * Fills N batches by hand, some closed and some open, and sends them round the partitions of topic T with ordinary records
 * between them, some of which are cancelled. Every value is a number, ascending within its partition. Prints a line for each:
 * "batch FIRST COUNT PARTITION OFFSET" for a batch that was delivered, with the number of its first record, "record NUMBER
 * PARTITION OFFSET" for a record that was, "cancelled NUMBER" for one that was taken back; and "failed" for anything else.
 */
#include "tool.h"

#define FINISH_MS 60000
#define RECORDS_MAX 2000000

static size_t first_of[RECORDS_MAX]; /* the numbers by which reports are told apart: &first_of[number] */
static bool is_batch[RECORDS_MAX];

static void on_delivery(const producer_report_t *report, void *opaque) {
    size_t number = *(size_t *)opaque;
    if (report->status == PRODUCER_ERR_CANCELLED) printf("cancelled %zu\n", number);
    else if (report->status != PRODUCER_OK) printf("failed %zu %s %s\n", number, producer_status_name(report->status), report->error_text);
    else if (is_batch[number])
        printf("batch %zu %d %d %lld\n", number, (int)report->record_count, (int)report->partition, (long long)report->offset);
    else printf("record %zu %d %lld\n", number, (int)report->partition, (long long)report->offset);
}

static producer_record_t numbered(char *value, size_t size, size_t number) {
    producer_record_t record = PRODUCER_RECORD_INIT;
    first_of[number] = number;
    record.value = value, record.value_len = (size_t)snprintf(value, size, "%010zu", number);
    return record;
}

int main(int argc, char **argv) {
    size_t batches = (size_t)number_option(argc, argv, "--batches", "1000");
    int32_t partitions = (int32_t)number_option(argc, argv, "--partitions", "3");
    const char *topic = option(argc, argv, "--topic", NULL);
    producer_config_t *config = config_of(argc, argv);
    producer_t *producer;
    must(producer_new(config, &producer), "producer_new");
    producer_config_free(config);

    size_t number = 0;
    char value[32];
    for (size_t i = 0; i < batches; i++) {
        int32_t partition = (int32_t)(i % (size_t)partitions);
        producer_batch_t *batch;
        must(producer_batch_new(producer, &batch), "producer_batch_new");
        size_t first = number;
        /* Some are full before they have what they are to have. */
        for (size_t k = 0; k < 1 + i % 900; k++) {
            producer_record_t record = numbered(value, sizeof value, number);
            producer_status_t status = producer_batch_append(batch, &record, NULL);
            if (status == PRODUCER_ERR_BATCH_FULL) break;
            must(status, "producer_batch_append");
            number++;
        }
        is_batch[first] = true;
        if (i % 2) must(producer_batch_close(batch), "producer_batch_close");
        must(producer_batch_send(producer, batch, topic, partition, on_delivery, &first_of[first]), "producer_batch_send");
        for (size_t k = 0; k < i % 5; k++) {
            producer_record_t record = numbered(value, sizeof value, number);
            producer_ticket_t ticket;
            record.topic = topic, record.partition = partition;
            must(producer_send_cancellable(producer, &record, on_delivery, &first_of[number], &ticket), "producer_send_cancellable");
            number++;
            if (k % 2 == 0) continue;
            producer_status_t status = producer_cancel(producer, &ticket);
            if (status != PRODUCER_OK && status != PRODUCER_ERR_TOO_LATE) must(status, "producer_cancel");
        }
        producer_poll(producer, 0);
    }
    must(producer_flush(producer, FINISH_MS), "producer_flush");
    must(producer_close(producer, FINISH_MS), "producer_close");
    return 0;
}
