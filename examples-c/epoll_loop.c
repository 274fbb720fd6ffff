/*
 * epoll_loop [BROKERS [TOPIC [COUNT]]]
 *
 * One thread, one epoll loop: sends COUNT records as fast as there is room, hears of each, and never blocks or sleeps. One
 * descriptor of the producer says that reports wait, another that there is room again. With no broker named it starts a mock
 * cluster inside this process.
 *
 *     cc -std=c11 epoll_loop.c $(pkg-config --cflags --libs kproducer) -o epoll_loop
 */
#define _POSIX_C_SOURCE 200809L
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "kproducer.h"

static uint64_t delivered, failed;

static void must(producer_status_t status, const char *call) {
    if (status == PRODUCER_OK) return;
    fprintf(stderr, "%s: %s: %s\n", call, producer_status_name(status), producer_last_error());
    exit(1);
}

static void on_report(const producer_report_t *report, void *opaque) {
    /* Enough for this turn of the loop: producer_poll returns, and its descriptor stays readable for what is left. */
    if ((delivered + failed) % 10000 == 9999) must(producer_yield(opaque), "producer_yield");
    if (report->status == PRODUCER_OK) {
        delivered++;
        return;
    }
    failed++;
    fprintf(stderr, "failed: %s: %s\n", producer_status_name(report->status), report->error_text);
}

/* Watches a descriptor of the producer, level-triggered. */
static void watch(int epoll, int operation, int fd, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (fd < 0) must(fd, "descriptor");
    if (epoll_ctl(epoll, operation, fd, &event) != 0) {
        perror("epoll_ctl");
        exit(1);
    }
}

/* Sends as much as there is room for. Answers what is left. */
static uint64_t send_some(producer_t *producer, const producer_topic_t *topic, uint64_t left, uint64_t *full) {
    static char value[100];
    producer_record_t record = PRODUCER_RECORD_INIT;
    record.topic_handle = topic, record.value = value, record.value_len = sizeof value;
    for (; left > 0; left--) {
        producer_status_t status = producer_send(producer, &record, on_report, producer);
        if (status == PRODUCER_ERR_QUEUE_FULL || status == PRODUCER_ERR_REPORTS_NOT_TAKEN) {
            ++*full; /* the capacity descriptor tells when to go on */
            break;
        }
        must(status, "producer_send");
    }
    return left;
}

int main(int argc, char **argv) {
    const char *brokers = argc > 1 ? argv[1] : "", *topic_name = argc > 2 && *argv[2] ? argv[2] : "epoll";
    uint64_t count = argc > 3 ? strtoull(argv[3], NULL, 10) : 1000000, left = count, full = 0;

    producer_config_t *config = NULL;
    producer_t *producer = NULL;
    const producer_topic_t *topic = NULL;
    must(producer_config_new(&config), "producer_config_new");
    must(producer_config_set(config, *brokers ? "bootstrap.servers" : "test.mock.num.brokers", *brokers ? brokers : "3"), "servers");
    must(producer_config_set(config, "max.block.ms", "0"), "max.block.ms"); /* a loop never waits inside a send */
    must(producer_config_set(config, "buffer.memory", "2000000"), "buffer.memory");
    must(producer_new(config, &producer), "producer_new");
    producer_config_free(config);
    must(producer_topic(producer, topic_name, &topic), "producer_topic");

    int epoll = epoll_create1(0), reports = producer_event_fd(producer), room = producer_capacity_fd(producer);
    if (epoll < 0) {
        perror("epoll_create1");
        return 1;
    }
    watch(epoll, EPOLL_CTL_ADD, reports, EPOLLIN);
    watch(epoll, EPOLL_CTL_ADD, room, EPOLLIN);
    while (delivered + failed < count) {
        struct epoll_event events[8];
        int ready = epoll_wait(epoll, events, 8, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == reports) {
                int32_t heard = producer_poll(producer, 0);
                if (heard < 0) must(heard, "producer_poll");
            } else if (events[i].data.fd == room) {
                left = send_some(producer, topic, left, &full);
                /* Nothing to send: room is no news any more. */
                if (left == 0) watch(epoll, EPOLL_CTL_MOD, room, 0);
            }
        }
    }
    /* The producer closes its descriptors: they leave the loop before that. */
    watch(epoll, EPOLL_CTL_DEL, reports, 0);
    watch(epoll, EPOLL_CTL_DEL, room, 0);
    close(epoll);
    must(producer_close(producer, 10000), "producer_close");
    printf("%llu delivered, %llu failed; the buffer was full %llu times\n", (unsigned long long)delivered, (unsigned long long)failed,
           (unsigned long long)full);
    return failed == 0 ? 0 : 1;
}
