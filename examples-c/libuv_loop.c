/*
 * libuv_loop [BROKERS [TOPIC [COUNT]]]
 *
 * The producer inside a libuv loop: a uv_poll_t for its reports and one for room. Sends COUNT records as fast as there is room
 * and ends when all are reported. With no broker named it starts a mock cluster inside this process.
 *
 *     cc -std=c11 libuv_loop.c $(pkg-config --cflags --libs kproducer libuv) -o libuv_loop
 */
#define _POSIX_C_SOURCE 200809L
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "kproducer.h"

static producer_t *producer;
static const producer_topic_t *topic;
static uv_poll_t reports, room;
static uint64_t count = 200000, left, delivered, failed;

static void must(producer_status_t status, const char *call) {
    if (status == PRODUCER_OK) return;
    fprintf(stderr, "%s: %s: %s\n", call, producer_status_name(status), producer_last_error());
    exit(1);
}

static void must_uv(int status, const char *call) {
    if (status >= 0) return;
    fprintf(stderr, "%s: %s\n", call, uv_strerror(status));
    exit(1);
}

static void on_report(const producer_report_t *report, void *opaque) {
    (void)opaque;
    if (report->status == PRODUCER_OK) delivered++;
    else failed++;
    /* The last one: with both handles closed the loop has nothing left and returns. */
    if (delivered + failed == count) uv_close((uv_handle_t *)&reports, NULL);
}

static void on_reports(uv_poll_t *handle, int status, int events) {
    (void)handle, (void)events;
    must_uv(status, "reports");
    int32_t heard = producer_poll(producer, 0);
    if (heard < 0) must(heard, "producer_poll");
}

static void on_room(uv_poll_t *handle, int status, int events) {
    static char value[100];
    (void)events;
    must_uv(status, "room");
    producer_record_t record = PRODUCER_RECORD_INIT;
    record.topic_handle = topic, record.value = value, record.value_len = sizeof value;
    for (; left > 0; left--) {
        producer_status_t sent = producer_send(producer, &record, on_report, NULL);
        if (sent == PRODUCER_ERR_QUEUE_FULL || sent == PRODUCER_ERR_REPORTS_NOT_TAKEN) return; /* libuv calls when there is room */
        must(sent, "producer_send");
    }
    uv_close((uv_handle_t *)handle, NULL);
}

static void watch(uv_poll_t *handle, int descriptor, uv_poll_cb callback) {
    if (descriptor < 0) must(descriptor, "descriptor");
    must_uv(uv_poll_init(uv_default_loop(), handle, descriptor), "uv_poll_init");
    must_uv(uv_poll_start(handle, UV_READABLE, callback), "uv_poll_start");
}

int main(int argc, char **argv) {
    const char *brokers = argc > 1 ? argv[1] : "", *name = argc > 2 && *argv[2] ? argv[2] : "libuv";
    if (argc > 3) count = strtoull(argv[3], NULL, 10);
    left = count;

    producer_config_t *config = NULL;
    must(producer_config_new(&config), "producer_config_new");
    must(producer_config_set(config, *brokers ? "bootstrap.servers" : "test.mock.num.brokers", *brokers ? brokers : "3"), "servers");
    must(producer_config_set(config, "max.block.ms", "0"), "max.block.ms"); /* a loop never waits inside a send */
    must(producer_config_set(config, "buffer.memory", "2000000"), "buffer.memory");
    must(producer_new(config, &producer), "producer_new");
    producer_config_free(config);
    must(producer_topic(producer, name, &topic), "producer_topic");

    watch(&reports, producer_event_fd(producer), on_reports);
    watch(&room, producer_capacity_fd(producer), on_room);
    must_uv(uv_run(uv_default_loop(), UV_RUN_DEFAULT), "uv_run");
    must_uv(uv_loop_close(uv_default_loop()), "uv_loop_close");

    /* Nothing of the loop watches the producer's descriptors any more. */
    must(producer_close(producer, 10000), "producer_close");
    printf("%llu delivered, %llu failed\n", (unsigned long long)delivered, (unsigned long long)failed);
    return failed == 0 ? 0 : 1;
}
