/*
 * stats [BROKERS [TOPIC [COUNT]]]
 *
 * Sends records, hears of changes of health and once a second of the numbers, and at the end prints them as Prometheus
 * text: what a program's own /metrics would answer. With no broker named it starts a mock cluster of three brokers
 * inside this process, so it runs anywhere.
 *
 *     cc -std=c99 stats.c $(pkg-config --cflags --libs kproducer) -o stats
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "kproducer.h"

#define TIMEOUT_MS 30000

static void must(producer_status_t status, const char *call) {
    if (status == PRODUCER_OK) return;
    fprintf(stderr, "%s: %s: %s\n", call, producer_status_name(status), producer_last_error());
    exit(1);
}

/* Runs on the thread that polls or flushes. */
static void on_health(const producer_health_t *health, void *opaque) {
    (void)opaque;
    fprintf(stderr, "health is %" PRId32 " now%s%s\n", health->state, health->text[0] ? ": " : "", health->text);
}

static void on_stats(const char *json, size_t len, void *opaque) {
    (void)opaque;
    fprintf(stderr, "%zu bytes of numbers: %.60s...\n", len, json);
}

int main(int argc, char **argv) {
    const char *topic = argc > 2 && argv[2][0] != '\0' ? argv[2] : "orders";
    long count = argc > 3 ? strtol(argv[3], NULL, 10) : 100000;
    producer_config_t *config = NULL;
    producer_t *producer = NULL;

    must(producer_config_new(&config), "producer_config_new");
    if (argc > 1 && argv[1][0] != '\0') must(producer_config_set(config, "bootstrap.servers", argv[1]), "bootstrap.servers");
    else must(producer_config_set(config, "test.mock.num.brokers", "3"), "test.mock.num.brokers");
    must(producer_config_set(config, "statistics.interval.ms", "1000"), "statistics.interval.ms");
    must(producer_config_set_stats_callback(config, on_stats, NULL), "producer_config_set_stats_callback");
    must(producer_config_set_health_callback(config, on_health, NULL), "producer_config_set_health_callback");
    must(producer_new(config, &producer), "producer_new");
    producer_config_free(config);

    producer_record_t record = PRODUCER_RECORD_INIT;
    record.topic = topic;
    record.value = "0123456789";
    record.value_len = 10;
    for (long i = 0; i < count; i++) {
        /* No callback: what fails is counted all the same. */
        must(producer_send(producer, &record, NULL, NULL), "producer_send");
        if (i % 1000 == 0) producer_poll(producer, 0);
    }
    must(producer_flush(producer, TIMEOUT_MS), "producer_flush");

    producer_stats_t stats = PRODUCER_STATS_INIT;
    must(producer_stats(producer, &stats), "producer_stats");
    fprintf(stderr, "%" PRId64 " delivered, %" PRId64 " failed, %.0f records a batch, 99 of 100 within %.1f ms\n",
            stats.records_delivered, stats.records_failed, stats.batch_records_avg, (double)stats.delivery.p99_us / 1000.0);

    char *text = NULL;
    must(producer_stats_prometheus(producer, &text), "producer_stats_prometheus");
    fputs(text, stdout);
    producer_string_free(text);
    must(producer_close(producer, TIMEOUT_MS), "producer_close");
    return stats.records_delivered == count ? 0 : 1;
}
