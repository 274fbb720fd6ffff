/*
 * flush_tokens [BROKERS]
 *
 * A program that writes checkpoints: it flushes only the topic that the checkpoint needs, goes on working while that is
 * under way, and leaves the other topic to fill large batches. With no broker named it starts a mock cluster.
 *
 *     cc -std=c99 flush_tokens.c $(pkg-config --cflags --libs kproducer) -o flush_tokens
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kproducer.h"

#define CHECKPOINTS 5
#define RECORDS 1000
#define WAIT_MS 30000

static struct {
    int orders, clicks, failed;
} reported;

static void must(producer_status_t status, const char *call) {
    if (status == PRODUCER_OK) return;
    fprintf(stderr, "%s: %s: %s\n", call, producer_status_name(status), producer_last_error());
    exit(1);
}

static void on_delivery(const producer_report_t *report, void *opaque) {
    int *count = opaque;
    if (report->status == PRODUCER_OK) ++*count;
    else reported.failed++;
}

static void send(producer_t *producer, const char *topic, const char *value, int *count) {
    producer_record_t record = PRODUCER_RECORD_INIT;
    record.topic = topic;
    record.value = value;
    record.value_len = strlen(value);
    must(producer_send(producer, &record, on_delivery, count), "producer_send");
}

int main(int argc, char **argv) {
    producer_config_t *config;
    producer_t *producer;
    must(producer_config_new(&config), "producer_config_new");
    if (argc > 1 && *argv[1]) must(producer_config_set(config, "bootstrap.servers", argv[1]), "producer_config_set");
    else must(producer_config_set(config, "test.mock.num.brokers", "3"), "producer_config_set");
    must(producer_config_set(config, "linger.ms", "2000"), "producer_config_set");
    must(producer_new(config, &producer), "producer_new");
    producer_config_free(config);

    for (int checkpoint = 1; checkpoint <= CHECKPOINTS; checkpoint++) {
        for (int i = 0; i < RECORDS; i++) {
            send(producer, "orders", "an order", &reported.orders);
            send(producer, "clicks", "a click", &reported.clicks);
        }
        /* The checkpoint is made of every order so far. This waits for nothing. */
        producer_flush_t *flush = NULL;
        must(producer_flush_begin(producer, "orders", &flush), "producer_flush_begin");

        /* What is sent from here on belongs to the next one. */
        int worked = 0;
        while (!producer_flush_is_complete(flush)) {
            send(producer, "clicks", "a click meanwhile", &reported.clicks);
            worked++;
            if (producer_poll(producer, 1) < 0) break;
        }
        /* It is complete already: this says whether all went well. It could as well wait here. */
        must(producer_flush_wait(producer, flush, WAIT_MS), "producer_flush_wait");
        producer_flush_free(flush);
        printf("checkpoint %d      %d orders delivered, %d clicks so far, %d sent meanwhile\n", checkpoint, reported.orders,
               reported.clicks, worked);
        if (reported.orders != checkpoint * RECORDS) return 1;
    }

    /* The same in one call, and then everything. */
    send(producer, "orders", "the last order", &reported.orders);
    must(producer_flush_topic(producer, "orders", WAIT_MS), "producer_flush_topic");
    must(producer_flush(producer, WAIT_MS), "producer_flush");
    printf("in the end        %d orders, %d clicks, %d failed\n", reported.orders, reported.clicks, reported.failed);
    must(producer_close(producer, WAIT_MS), "producer_close");
    return reported.failed == 0 && reported.orders == CHECKPOINTS * RECORDS + 1 ? 0 : 1;
}
