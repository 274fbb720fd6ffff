/*
 * dispatch_thread [BROKERS [TOPIC [COUNT]]]
 *
 * A thread of the library's own runs the callbacks, and they hear of failures only: a program that sends, never polls, and is
 * called when something went wrong. Sends do not wait, so that a stuck broker holds up nobody's records but its own. With no
 * broker named it starts a mock cluster inside this process.
 *
 *     cc -std=c11 dispatch_thread.c $(pkg-config --cflags --libs kproducer) -o dispatch_thread
 */
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "kproducer.h"

static atomic_uint_fast64_t failed; /* callbacks run on another thread: what they share with this one is atomic, or locked */

static void must(producer_status_t status, const char *call) {
    if (status == PRODUCER_OK) return;
    fprintf(stderr, "%s: %s: %s\n", call, producer_status_name(status), producer_last_error());
    exit(1);
}

static void on_failure(const producer_report_t *report, void *opaque) {
    (void)opaque;
    if (atomic_fetch_add(&failed, 1) < 10) fprintf(stderr, "%s [%d]: %s\n", report->topic, (int)report->partition, report->error_text);
}

int main(int argc, char **argv) {
    const char *brokers = argc > 1 ? argv[1] : "", *topic = argc > 2 && *argv[2] ? argv[2] : "events";
    uint64_t count = argc > 3 ? strtoull(argv[3], NULL, 10) : 100000;

    producer_config_t *config = NULL;
    producer_t *producer = NULL;
    must(producer_config_new(&config), "producer_config_new");
    must(producer_config_set(config, *brokers ? "bootstrap.servers" : "test.mock.num.brokers", *brokers ? brokers : "3"), "servers");
    must(producer_config_set(config, "delivery.dispatch", "thread"), "delivery.dispatch");
    must(producer_config_set(config, "delivery.report.only.error", "true"), "delivery.report.only.error");
    must(producer_config_set(config, "max.block.ms", "0"), "max.block.ms");
    must(producer_new(config, &producer), "producer_new");
    producer_config_free(config);

    /* What the brokers' operator knows this process by, where metrics are collected from clients (KIP-714). */
    char id[PRODUCER_CLIENT_INSTANCE_ID_LEN];
    if (producer_client_instance_id(producer, 1000, id) == PRODUCER_OK) printf("client instance %s\n", id);

    producer_record_t record = PRODUCER_RECORD_INIT;
    record.topic = topic, record.value = "something happened", record.value_len = 18;
    for (uint64_t sent = 0; sent < count;) {
        producer_status_t status = producer_send(producer, &record, on_failure, NULL);
        if (status == PRODUCER_OK) {
            sent++;
        } else if (status == PRODUCER_ERR_QUEUE_FULL) {
            /* All of the memory is used, or one broker's share of it; a program with other records would send those now. */
            must(producer_wait_capacity(producer, record.value_len, 10000), "producer_wait_capacity");
        } else {
            must(status, "producer_send");
        }
    }
    must(producer_flush(producer, 30000), "producer_flush"); /* waits until the thread has told of every failure */

    producer_stats_t stats = PRODUCER_STATS_INIT;
    must(producer_stats(producer, &stats), "producer_stats");
    must(producer_close(producer, 10000), "producer_close"); /* the thread has ended when it returns */
    printf("%lld delivered, %llu failed\n", (long long)stats.records_delivered, (unsigned long long)atomic_load(&failed));
    return atomic_load(&failed) == 0 && (uint64_t)stats.records_delivered == count ? 0 : 1;
}
