/*
 * quickstart [BROKERS [TOPIC [COUNT]]]
 *
 * Sends a million keyed records, hears of every one, and prints what became of them. With no broker named it starts a
 * mock cluster of three brokers inside this process, so it runs anywhere.
 *
 *     cc -std=c99 quickstart.c $(pkg-config --cflags --libs kproducer) -o quickstart
 */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kproducer.h"

#define PARTITIONS_SHOWN 12
#define PARTITIONS_MAX 4096
#define SUB_BUCKETS 16 /* each power of two of microseconds is cut into 16: percentiles are right to 6 % */
#define KEY_LEN 10
#define VALUE_LEN 100

/* What the delivery callback learns. Callbacks run on the thread that polls, so it needs no lock. */
static struct {
    uint64_t acknowledged, failed;
    uint64_t latency[64 * SUB_BUCKETS];
    int64_t latency_max_us;
    uint64_t partition_count[PARTITIONS_MAX];
    int64_t partition_last[PARTITIONS_MAX];
    int32_t partitions, last_partition;
    int64_t last_offset;
    char first_error[256];
} seen;

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Every call answers with a status; producer_last_error() is the sentence that goes with it. */
static void must(producer_status_t status, const char *call) {
    if (status == PRODUCER_OK) return;
    fprintf(stderr, "%s: %s: %s\n", call, producer_status_name(status), producer_last_error());
    exit(1);
}

static size_t bucket_of(uint64_t us) {
    unsigned power = 0;
    while ((us >> power) >= 2 * SUB_BUCKETS) power++;
    return us < SUB_BUCKETS ? (size_t)us : power * SUB_BUCKETS + (size_t)(us >> power);
}

static double latency_ms(double quantile) {
    uint64_t want = (uint64_t)(quantile * (double)seen.acknowledged), sum = 0;
    for (size_t i = 0; i < sizeof seen.latency / sizeof *seen.latency; i++) {
        sum += seen.latency[i];
        if (sum > want) {
            size_t power = i < 2 * SUB_BUCKETS ? 0 : i / SUB_BUCKETS - 1;
            return (double)((uint64_t)(i - power * SUB_BUCKETS) << power) / 1000.0;
        }
    }
    return (double)seen.latency_max_us / 1000.0;
}

/* One call per record: where it lies in the log, or why it does not. */
static void on_delivery(const producer_report_t *report, void *opaque) {
    (void)opaque;
    if (report->status != PRODUCER_OK) {
        if (seen.failed++ == 0)
            snprintf(seen.first_error, sizeof seen.first_error, "%s: %s", producer_status_name(report->status),
                     report->error_text ? report->error_text : producer_status_text(report->status));
        return;
    }
    seen.acknowledged++;
    seen.latency[bucket_of(report->latency_us < 0 ? 0 : (uint64_t)report->latency_us)]++;
    if (report->latency_us > seen.latency_max_us) seen.latency_max_us = report->latency_us;
    seen.last_partition = report->partition;
    seen.last_offset = report->offset;
    if (report->partition < PARTITIONS_MAX) {
        seen.partition_count[report->partition]++;
        seen.partition_last[report->partition] = report->offset;
        if (report->partition >= seen.partitions) seen.partitions = report->partition + 1;
    }
}

/* The library is silent unless it is given this: here a broker that cannot be reached is told at once. */
static void on_log(int32_t level, const char *facility, const char *message, void *opaque) {
    (void)facility, (void)opaque;
    if (level <= 4) fprintf(stderr, "%s\n", message);
}

static int print_record(const producer_mock_record_t *record, void *opaque) {
    (void)opaque;
    printf("read back         partition %" PRId32 ", offset %" PRId64 ": key \"%.*s\", value \"%.*s…\" (%" PRId64 " bytes)\n",
           seen.last_partition, record->offset, (int)record->key_len, (const char *)record->key, 24,
           (const char *)record->value, record->value_len);
    return 1; /* not zero: that was enough */
}

static void write_digits(char *end, uint64_t number, int digits) {
    while (digits-- > 0) {
        *--end = (char)('0' + number % 10);
        number /= 10;
    }
}

static void show_progress(uint64_t sent, uint64_t count, double started) {
    printf("\r%3d %%  sent %" PRIu64 ", acknowledged %" PRIu64 ", %.2f million records/s ", (int)(sent * 100 / count), sent,
           seen.acknowledged, (double)sent / 1e6 / (now_s() - started + 1e-9));
    fflush(stdout);
}

int main(int argc, char **argv) {
    const char *brokers = argc > 1 && *argv[1] ? argv[1] : NULL;
    const char *topic = argc > 2 && *argv[2] ? argv[2] : "quickstart";
    uint64_t count = argc > 3 ? strtoull(argv[3], NULL, 10) : 1000000;
    if (count == 0) {
        fprintf(stderr, "usage: %s [BROKERS [TOPIC [COUNT]]]\n", argv[0]);
        return 2;
    }

    producer_mock_cluster_t *mock = NULL;
    if (brokers == NULL) {
        printf("no broker named: starting an embedded three-broker mock cluster inside this process\n");
        must(producer_mock_cluster_new(3, &mock), "producer_mock_cluster_new");
        must(producer_mock_cluster_topic_create(mock, topic, 12, 3), "producer_mock_cluster_topic_create");
        brokers = producer_mock_cluster_bootstrap_servers(mock);
    }

    producer_config_t *config;
    producer_t *producer;
    must(producer_config_new(&config), "producer_config_new");
    must(producer_config_set(config, "bootstrap.servers", brokers), "producer_config_set");
    must(producer_config_set(config, "client.id", "quickstart"), "producer_config_set");
    must(producer_config_set_log_callback(config, on_log, NULL), "producer_config_set_log_callback");
    must(producer_new(config, &producer), "producer_new");
    producer_config_free(config);
    printf("sending %" PRIu64 " records of %d bytes to topic %s at %s\n", count, VALUE_LEN, topic, brokers);

    char key[KEY_LEN + 1] = "user-00000", value[VALUE_LEN + 1];
    memset(value, '.', VALUE_LEN);
    memcpy(value, "record 0000000000 ", 18);
    producer_record_t record = PRODUCER_RECORD_INIT;
    record.topic = topic;
    record.key = key, record.key_len = KEY_LEN;
    record.value = value, record.value_len = VALUE_LEN;

    bool live = isatty(STDOUT_FILENO);
    double started = now_s(), shown = started;
    uint64_t accepted = 0;
    while (accepted < count) {
        write_digits(key + KEY_LEN, accepted % 10007, 5);
        write_digits(value + 17, accepted, 10);
        /* Copies the record and returns; the callback comes later, out of producer_poll or producer_flush. */
        producer_status_t status = producer_send(producer, &record, on_delivery, NULL);
        if (status == PRODUCER_ERR_REPORTS_NOT_TAKEN) {
            producer_poll(producer, 100);
            continue;
        }
        if (status != PRODUCER_OK) {
            fprintf(stderr, "\nproducer_send: %s: %s\n", producer_status_name(status), producer_last_error());
            break;
        }
        if (++accepted % 1000 == 0) {
            producer_poll(producer, 0);
            if (live && now_s() - shown > 0.1) {
                shown = now_s();
                show_progress(accepted, count, started);
            }
        }
    }
    /* Sends what still waits, and returns when every record sent before has had its callback. */
    producer_status_t flushed = producer_flush(producer, 150000);
    double seconds = now_s() - started;
    if (live) printf("\r\033[K");
    if (flushed != PRODUCER_OK) fprintf(stderr, "producer_flush: %s\n", producer_last_error());
    /* Whatever is left fails now, with a report each: after close nothing is outstanding. */
    producer_status_t closed = producer_close(producer, 5000);
    if (closed != PRODUCER_OK) fprintf(stderr, "producer_close: %s\n", producer_last_error());

    double megabytes = (double)seen.acknowledged * (KEY_LEN + VALUE_LEN) / 1e6;
    printf("\naccepted          %" PRIu64 "\nacknowledged      %" PRIu64 "\nfailed            %" PRIu64 "\n", accepted,
           seen.acknowledged, seen.failed);
    printf("time              %.3f s\nrate              %.0f records/s, %.1f MB/s\n", seconds,
           (double)seen.acknowledged / seconds, megabytes / seconds);
    printf("acknowledged in   p50 %.2f ms, p99 %.2f ms, max %.2f ms\n\n", latency_ms(0.50), latency_ms(0.99),
           (double)seen.latency_max_us / 1000.0);
    printf("partition      records  last offset\n");
    for (int32_t p = 0; p < seen.partitions && p < PARTITIONS_SHOWN; p++)
        if (seen.partition_count[p] > 0)
            printf("%9" PRId32 " %12" PRIu64 " %12" PRId64 "\n", p, seen.partition_count[p], seen.partition_last[p]);
    if (seen.partitions > PARTITIONS_SHOWN) printf("          … and %" PRId32 " more\n", seen.partitions - PARTITIONS_SHOWN);
    printf("\n");
    if (seen.failed > 0) printf("first failure     %s\n", seen.first_error);
    if (mock != NULL && seen.acknowledged > 0)
        must(producer_mock_cluster_records(mock, topic, seen.last_partition, seen.last_offset, print_record, NULL),
             "producer_mock_cluster_records");
    else if (seen.acknowledged > 0)
        printf("read it back with kcat -C -b %s -t %s -p %" PRId32 " -o %" PRId64 " -c 1\n", brokers, topic,
               seen.last_partition, seen.last_offset);
    producer_mock_cluster_free(mock);
    return seen.acknowledged == accepted && accepted == count ? 0 : 1;
}
