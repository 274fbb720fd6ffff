/*
 * instructions: sends records and receives their reports so that valgrind can count what each costs the calling thread;
 * benches/instructions runs it and says how the figures are read.
 *
 *     instructions one-partition|keys-100 RECORDS
 *
 * The program has five phases: 0 start and warm-up, 1 sending, 2 delivery, 3 reports, 4 end. Nothing in 1 and 3 may
 * depend on the machine's speed:
 *  - the broker is frozen while records are sent, so that no batch finishes and no memory is recycled meanwhile;
 *  - linger.ms is longer than the program runs, so that a batch goes when it is full and never because time passed;
 *  - the clock that gives records their timestamps stands still, since a larger time difference is a longer varint;
 *  - reports are taken by one producer_poll, after all of them have come.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kproducer.h"

#define TOPIC "records"
#define VALUE_LEN 100
#define WARM_UP_RECORDS 5000
#define WAIT_S 120
/* linux/membarrier.h, which not every system has. */
#define MEMBARRIER_QUERY 0
#define MEMBARRIER_PRIVATE_EXPEDITED (1 << 3)

static uint64_t delivered, failed;
volatile int phase; /* not static: nothing reads it */
static uint64_t random_state = 88172645463325252ULL;

/* Takes the place of the C library's function in the whole process. Only the clock of record timestamps stands still:
 * the library measures its waits with another one. */
int clock_gettime(clockid_t id, struct timespec *now) {
    if (id == CLOCK_REALTIME_COARSE) {
        now->tv_sec = 1700000000, now->tv_nsec = 0;
        return 0;
    }
    return (int)syscall(SYS_clock_gettime, id, now);
}

static void must(producer_status_t status, const char *call) {
    if (status == PRODUCER_OK) return;
    fprintf(stderr, "instructions: %s: %s: %s\n", call, producer_status_name(status), producer_last_error());
    exit(1);
}

static void fail(const char *what) {
    fprintf(stderr, "instructions: %s\n", what);
    exit(1);
}

static void on_delivery(const producer_report_t *report, void *opaque) {
    (void)opaque;
    if (report->status == PRODUCER_OK) delivered++;
    else failed++;
}

static uint64_t next_key(void) { /* xorshift64 */
    random_state ^= random_state << 13, random_state ^= random_state >> 7, random_state ^= random_state << 17;
    return random_state;
}

static void send_records(producer_t *producer, producer_record_t *record, uint64_t *key, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        *key = next_key();
        producer_status_t status = producer_send(producer, record, on_delivery, NULL);
        if (status != PRODUCER_OK) must(status, "producer_send");
    }
}

/* callgrind writes its counts out, and begins anew, at each call of this: phase_begins(1) ends part 1. */
__attribute__((noinline)) void phase_begins(int number);

void phase_begins(int number) {
    phase = number;
}

/* Returns when the reports of `count` records wait to be taken. No call waits for that without taking some. */
static void await_reports(producer_t *producer, int64_t count) {
    const struct timespec pause = {0, 1000000};
    struct timespec now, began;
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (;;) {
        producer_stats_t stats = PRODUCER_STATS_INIT;
        must(producer_stats(producer, &stats), "producer_stats");
        if (stats.reports_waiting == count) return;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec - began.tv_sec > WAIT_S) {
            fprintf(stderr, "instructions: %" PRId64 " of %" PRId64 " reports after %d s\n", stats.reports_waiting,
                    count, WAIT_S);
            exit(1);
        }
        nanosleep(&pause, NULL);
    }
}

static producer_t *start(const char *servers, uint64_t count) {
    char reports_max[32];
    snprintf(reports_max, sizeof reports_max, "%" PRIu64, count + 1);
    const char *const properties[][2] = {
        {"bootstrap.servers", servers},
        {"linger.ms", "600000"},
        {"request.timeout.ms", "600000"}, /* the broker is frozen for as long as sending takes under valgrind */
        {"delivery.timeout.ms", "2147483647"},
        {"buffer.memory", "1073741824"}, /* shares of it are looked at from its half on */
        {"delivery.reports.max.count", reports_max},
    };
    producer_config_t *config;
    producer_t *producer;
    must(producer_config_new(&config), "producer_config_new");
    for (size_t i = 0; i < sizeof properties / sizeof *properties; i++)
        must(producer_config_set(config, properties[i][0], properties[i][1]), properties[i][0]);
    must(producer_new(config, &producer), "producer_new");
    producer_config_free(config);
    return producer;
}

int main(int argc, char **argv) {
    const int is_keyed = argc == 3 && strcmp(argv[1], "keys-100") == 0;
    const uint64_t count = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
    if ((!is_keyed && (argc != 3 || strcmp(argv[1], "one-partition") != 0)) || count == 0 || count > INT32_MAX) {
        fprintf(stderr, "usage: instructions one-partition|keys-100 RECORDS\n");
        return 2;
    }
    /* Without it producer_send has a fence per record in its place, on another path: other figures. */
    const long barriers = syscall(SYS_membarrier, MEMBARRIER_QUERY, 0, 0);
    if (barriers < 0 || (barriers & MEMBARRIER_PRIVATE_EXPEDITED) == 0)
        fail("this kernel has no membarrier(2), Linux 4.14 or newer: the figures are made where there is one");

    producer_mock_cluster_t *mock;
    must(producer_mock_cluster_new(1, &mock), "producer_mock_cluster_new");
    must(producer_mock_cluster_topic_create(mock, TOPIC, is_keyed ? 100 : 1, 1), "producer_mock_cluster_topic_create");
    producer_t *producer = start(producer_mock_cluster_bootstrap_servers(mock), count);

    char value[VALUE_LEN];
    uint64_t key = 0;
    memset(value, 'v', sizeof value);
    producer_record_t record = PRODUCER_RECORD_INIT;
    const producer_topic_t *topic;
    must(producer_topic(producer, TOPIC, &topic), "producer_topic");
    record.topic_handle = topic, record.value = value, record.value_len = sizeof value;
    if (is_keyed) record.key = &key, record.key_len = sizeof key;

    /* Connects, fetches metadata and opens a batch in every partition once. */
    send_records(producer, &record, &key, WARM_UP_RECORDS);
    must(producer_flush(producer, WAIT_S * 1000), "producer_flush");
    if (delivered != WARM_UP_RECORDS) fail("the records of the warm-up were not all delivered");

    must(producer_mock_cluster_broker_freeze(mock, 1), "producer_mock_cluster_broker_freeze");
    phase_begins(1);
    send_records(producer, &record, &key, count);
    phase_begins(2);
    must(producer_mock_cluster_broker_thaw(mock, 1), "producer_mock_cluster_broker_thaw");

    producer_flush_t *flush;
    must(producer_flush_begin(producer, NULL, &flush), "producer_flush_begin");
    await_reports(producer, (int64_t)count);
    phase_begins(3);
    const int32_t reported = producer_poll(producer, 0);
    phase_begins(4);
    if (reported < 0) must(reported, "producer_poll");
    must(producer_flush_wait(producer, flush, WAIT_S * 1000), "producer_flush_wait");
    producer_flush_free(flush);

    if ((uint64_t)reported != count || delivered != WARM_UP_RECORDS + count || failed != 0) {
        fprintf(stderr, "instructions: %" PRIu64 " records sent: %" PRId32 " reported by one poll, %" PRIu64
                " delivered, %" PRIu64 " failed\n", count, reported, delivered - WARM_UP_RECORDS, failed);
        return 1;
    }
    must(producer_close(producer, 10000), "producer_close");
    producer_mock_cluster_free(mock);
    return 0;
}
