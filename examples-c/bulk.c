/*
 * bulk [BROKERS [TOPIC [COUNT]]]
 *
 * Sends COUNT records a thousand at a call and takes their reports a thousand at a call: no callback, few calls. With no
 * broker named it starts a mock cluster inside this process.
 *
 *     cc -std=c11 bulk.c $(pkg-config --cflags --libs kproducer) -o bulk
 */
#define _POSIX_C_SOURCE 200809L
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kproducer.h"

#define AT_ONCE 1000
#define VALUE_LEN 100

static uint64_t delivered, failed;

static void must(producer_status_t status, const char *call) {
    if (status == PRODUCER_OK) return;
    fprintf(stderr, "%s: %s: %s\n", call, producer_status_name(status), producer_last_error());
    exit(1);
}

/* Takes the reports that are there; with none, waits up to `timeout_ms` for the first. */
static void take_reports(producer_t *producer, int32_t timeout_ms) {
    static producer_report_t reports[AT_ONCE] = {PRODUCER_REPORT_INIT};
    int32_t taken = producer_poll_reports(producer, reports, AT_ONCE, timeout_ms);
    if (taken < 0) must(taken, "producer_poll_reports");
    for (int32_t i = 0; i < taken; i++) {
        if (reports[i].status == PRODUCER_OK) {
            delivered++;
            continue;
        }
        failed++;
        fprintf(stderr, "record %llu failed: %s\n", (unsigned long long)(uintptr_t)reports[i].opaque, reports[i].error_text);
    }
}

int main(int argc, char **argv) {
    const char *brokers = argc > 1 ? argv[1] : "", *topic = argc > 2 && *argv[2] ? argv[2] : "bulk";
    uint64_t count = argc > 3 ? strtoull(argv[3], NULL, 10) : 1000000, sent = 0;

    producer_config_t *config = NULL;
    producer_t *producer = NULL;
    must(producer_config_new(&config), "producer_config_new");
    must(producer_config_set(config, *brokers ? "bootstrap.servers" : "test.mock.num.brokers", *brokers ? brokers : "3"), "servers");
    must(producer_config_set(config, "max.block.ms", "0"), "max.block.ms");
    must(producer_new(config, &producer), "producer_new");
    producer_config_free(config);

    /* The same values again and again: a program of its own would fill them in before each call. */
    static char values[AT_ONCE * VALUE_LEN];
    static int32_t value_lens[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++) value_lens[i] = VALUE_LEN;
    producer_flat_records_t records = PRODUCER_FLAT_RECORDS_INIT;
    records.topic = topic, records.callback = PRODUCER_QUEUE_REPORT, records.value_lens = value_lens;

    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    while (sent < count) {
        records.count = count - sent < AT_ONCE ? (size_t)(count - sent) : AT_ONCE;
        records.values = values, records.values_len = records.count * VALUE_LEN;
        records.first_opaque = (size_t)sent; /* record i of this call has the opaque sent + i */
        size_t accepted = 0;
        producer_status_t status = producer_send_flat(producer, &records, NULL, &accepted);
        sent += accepted; /* none of these is wrong in itself: what is refused is the end of the run */
        if (status == PRODUCER_ERR_QUEUE_FULL) {
            must(producer_wait_capacity(producer, sizeof values, 10000), "producer_wait_capacity");
        } else if (status != PRODUCER_ERR_REPORTS_NOT_TAKEN) {
            must(status, "producer_send_flat");
        }
        take_reports(producer, 0);
    }
    must(producer_flush(producer, 30000), "producer_flush"); /* leaves the reports to take_reports */
    while (delivered + failed < count) take_reports(producer, 1000);
    clock_gettime(CLOCK_MONOTONIC, &to);
    double seconds = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;

    must(producer_close(producer, 10000), "producer_close");
    printf("%llu delivered, %llu failed, %.0f records/s\n", (unsigned long long)delivered, (unsigned long long)failed, (double)count / seconds);
    return failed == 0 ? 0 : 1;
}
