/*
 * futures [BROKERS [TOPIC]]
 *
 * Three ways to use the future of a record: wait for it, have a function called, and send many and wait at the end. Nobody
 * calls producer_poll. With no broker named it starts a mock cluster inside this process.
 *
 *     cc -std=c99 futures.c $(pkg-config --cflags --libs kproducer) -o futures
 */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kproducer.h"

#define COUNT 1000
#define WAIT_MS 30000

static void must(producer_status_t status, const char *call) {
    if (status == PRODUCER_OK) return;
    fprintf(stderr, "%s: %s: %s\n", call, producer_status_name(status), producer_last_error());
    exit(1);
}

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static producer_future_t *send(producer_t *producer, const char *topic, const char *value) {
    producer_record_t record = PRODUCER_RECORD_INIT;
    producer_future_t *future = NULL;
    record.topic = topic;
    record.value = value;
    record.value_len = strlen(value);
    must(producer_send_future(producer, &record, &future), "producer_send_future");
    return future;
}

/* Runs where reports are dispatched, or in an await of this future: here in the await. */
static void on_complete(const producer_report_t *report, void *opaque) {
    (void)opaque;
    printf("called back       %s, partition %" PRId32 ", offset %" PRId64 "\n", producer_status_name(report->status),
           report->partition, report->offset);
}

int main(int argc, char **argv) {
    const char *brokers = argc > 1 && *argv[1] ? argv[1] : NULL;
    const char *topic = argc > 2 && *argv[2] ? argv[2] : "futures";
    producer_config_t *config;
    producer_t *producer;
    must(producer_config_new(&config), "producer_config_new");
    if (brokers != NULL) must(producer_config_set(config, "bootstrap.servers", brokers), "producer_config_set");
    else must(producer_config_set(config, "test.mock.num.brokers", "3"), "producer_config_set");
    must(producer_new(config, &producer), "producer_new");
    producer_config_free(config);

    /* One record, one answer. linger.ms does not apply to a record that somebody waits for. */
    producer_report_t report = PRODUCER_REPORT_INIT;
    producer_future_t *future = send(producer, topic, "wait for me");
    producer_status_t status = producer_future_await(future, WAIT_MS, &report);
    if (status != PRODUCER_OK) {
        /* TIMED_OUT: not yet; anything else is the record's own failure. */
        fprintf(stderr, "not delivered: %s: %s\n", producer_status_name(status), producer_last_error());
        return 1;
    }
    printf("awaited           topic %s, partition %" PRId32 ", offset %" PRId64 "\n", report.topic, report.partition, report.offset);
    producer_future_free(future); /* the report's strings end here */

    /* A function instead, or as well: any number of them, also after it is complete. */
    future = send(producer, topic, "call me");
    must(producer_future_when_complete(future, on_complete, NULL), "producer_future_when_complete");
    must(producer_future_await(future, WAIT_MS, NULL), "producer_future_await");
    must(producer_future_when_complete(future, on_complete, NULL), "producer_future_when_complete");
    producer_future_free(future);

    /* One after the other: each waits for a round trip, not for linger.ms. */
    double begun = now_ms();
    for (int i = 0; i < 20; i++) {
        future = send(producer, topic, "in turn");
        must(producer_future_await(future, WAIT_MS, NULL), "producer_future_await");
        producer_future_free(future);
    }
    printf("20 in turn        %.1f ms\n", now_ms() - begun);

    /* Many at once share batches: send them all, then look at each. */
    static producer_future_t *futures[COUNT];
    int delivered = 0;
    begun = now_ms();
    for (int i = 0; i < COUNT; i++) futures[i] = send(producer, topic, "together");
    for (int i = 0; i < COUNT; i++) {
        status = producer_future_await(futures[i], WAIT_MS, NULL);
        if (status == PRODUCER_OK) delivered++;
        else fprintf(stderr, "record %d: %s: %s\n", i, producer_status_name(status), producer_last_error());
        producer_future_free(futures[i]);
    }
    printf("%d together     %.1f ms, %d delivered\n", COUNT, now_ms() - begun, delivered);

    /* A future outlives its producer: closing completes it. */
    future = send(producer, topic, "the last one");
    status = producer_close(producer, WAIT_MS);
    if (status != PRODUCER_OK) fprintf(stderr, "producer_close: %s\n", producer_last_error());
    printf("after closing     %s\n", producer_future_is_complete(future) ? "complete" : "not complete");
    producer_future_free(future);
    return delivered == COUNT ? 0 : 1;
}
