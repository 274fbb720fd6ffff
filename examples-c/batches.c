/*
 * batches [BROKERS [TOPIC]]
 *
 * Fills batches by hand: the lines of one order travel and arrive together, with one report for all of them. With no broker
 * named it starts a mock cluster inside this process.
 *
 *     cc -std=c99 batches.c $(pkg-config --cflags --libs kproducer) -o batches
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kproducer.h"

#define ORDERS 20
#define LINES 50

static int delivered, failed;

static void must(producer_status_t status, const char *call) {
    if (status == PRODUCER_OK) return;
    fprintf(stderr, "%s: %s: %s\n", call, producer_status_name(status), producer_last_error());
    exit(1);
}

/* One report for the whole batch: its records are at `offset`, `offset` + 1 and so on. */
static void on_order(const producer_report_t *report, void *opaque) {
    int order = *(int *)opaque;
    if (report->status != PRODUCER_OK) {
        printf("order %d failed: %s\n", order, report->error_text);
        failed++;
        return;
    }
    printf("order %d: %" PRId32 " lines from offset %" PRId64 " of partition %" PRId32 "\n", order, report->record_count,
           report->offset, report->partition);
    delivered++;
}

/* A batch with the lines of an order; what does not fit any more begins the next batch. */
static void send_order(producer_t *producer, const char *topic, int *order) {
    producer_batch_t *batch;
    must(producer_batch_new(producer, &batch), "producer_batch_new");
    for (int line = 0; line < LINES; line++) {
        char value[64];
        producer_record_t record = PRODUCER_RECORD_INIT; /* topic and partition are the batch's */
        snprintf(value, sizeof value, "order %d, line %d", *order, line);
        record.value = value, record.value_len = strlen(value);
        producer_status_t status = producer_batch_append(batch, &record, NULL);
        if (status == PRODUCER_ERR_BATCH_FULL) {
            /* The batch is as it was: it goes, and the line is the first of another. */
            must(producer_batch_send(producer, batch, topic, 0, on_order, order), "producer_batch_send");
            must(producer_batch_new(producer, &batch), "producer_batch_new");
            status = producer_batch_append(batch, &record, NULL);
        }
        must(status, "producer_batch_append");
    }
    /* Closed: nothing of others joins it, and it does not wait for linger.ms. */
    must(producer_batch_close(batch), "producer_batch_close");
    producer_status_t status = producer_batch_send(producer, batch, topic, 0, on_order, order);
    if (status != PRODUCER_OK) {
        /* Refused: nothing of it is sent, ever, and it is still ours. */
        fprintf(stderr, "producer_batch_send: %s\n", producer_last_error());
        producer_batch_free(batch);
        failed++;
    }
}

int main(int argc, char **argv) {
    const char *brokers = argc > 1 && *argv[1] ? argv[1] : NULL;
    const char *topic = argc > 2 && *argv[2] ? argv[2] : "orders";
    producer_config_t *config;
    producer_t *producer;
    must(producer_config_new(&config), "producer_config_new");
    if (brokers != NULL) must(producer_config_set(config, "bootstrap.servers", brokers), "producer_config_set");
    else must(producer_config_set(config, "test.mock.num.brokers", "1"), "producer_config_set");
    must(producer_new(config, &producer), "producer_new");
    producer_config_free(config);

    int orders[ORDERS];
    for (int i = 0; i < ORDERS; i++) {
        orders[i] = i;
        send_order(producer, topic, &orders[i]);
        producer_poll(producer, 0);
    }
    must(producer_flush(producer, 30000), "producer_flush");
    must(producer_close(producer, 30000), "producer_close");
    printf("%d batches delivered, %d failed\n", delivered, failed);
    return failed == 0 && delivered >= ORDERS ? 0 : 1;
}
