/*
 * perf: how fast, how late, how much CPU and memory. Options as of Kafka's own producer-perf tool; see --help.
 * With no --brokers it runs against the embedded mock cluster (test.mock.num.brokers=1), which is no measure of speed.
 */
#define _POSIX_C_SOURCE 200809L
#include "perf_common.h"

#include "kproducer.h"

static struct {
    struct perf_histogram latency;
    uint64_t acknowledged, failed;
    char first_error[256];
} seen;

static void must(producer_status_t status, const char *what) {
    if (status == PRODUCER_OK) return;
    fprintf(stderr, "%s: %s: %s\n", what, producer_status_name(status), producer_last_error());
    exit(1);
}

static void on_delivery(const producer_report_t *report, void *opaque) {
    (void)opaque;
    if (report->status == PRODUCER_OK) {
        seen.acknowledged++;
        perf_histogram_add(&seen.latency, report->latency_us);
    } else if (seen.failed++ == 0) {
        snprintf(seen.first_error, sizeof seen.first_error, "%s: %s", producer_status_name(report->status),
                 report->error_text ? report->error_text : "");
    }
}

/* For --ping: the round trip is measured by the sender itself. */
static void on_pong(const producer_report_t *report, void *opaque) {
    (void)opaque;
    if (report->status == PRODUCER_OK) seen.acknowledged++;
    else on_delivery(report, opaque);
}

static producer_t *start(const struct perf_options *o) {
    producer_config_t *config;
    producer_t *producer;
    must(producer_config_new(&config), "producer_config_new");
    if (o->brokers != NULL) must(producer_config_set(config, "bootstrap.servers", o->brokers), "--brokers");
    else must(producer_config_set(config, "test.mock.num.brokers", "1"), "test.mock.num.brokers");
    must(producer_config_set(config, "acks", o->acks), "--acks");
    must(producer_config_set(config, "enable.idempotence", o->idempotence), "--idempotence");
    if (o->ping > 0) must(producer_config_set(config, "linger.ms", "0"), "linger.ms");
    for (int i = 0; i < o->properties; i++) must(producer_config_set(config, o->property[i], o->value[i]), o->property[i]);
    must(producer_new(config, &producer), "producer_new");
    producer_config_free(config);
    return producer;
}

static void send_one(producer_t *producer, const producer_record_t *record, producer_delivery_fn callback) {
    producer_status_t status;
    while ((status = producer_send(producer, record, callback, NULL)) == PRODUCER_ERR_REPORTS_NOT_TAKEN ||
           status == PRODUCER_ERR_QUEUE_FULL)
        producer_poll(producer, 10);
    must(status, "producer_send");
}

static uint64_t finished(void) {
    return seen.acknowledged + seen.failed;
}

/* One record at a time, the next when its report is here: the round trip through every thread and the broker. */
static void ping(producer_t *producer, const producer_record_t *record, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        struct timespec from, to;
        uint64_t before = finished();
        clock_gettime(CLOCK_MONOTONIC, &from);
        send_one(producer, record, on_pong);
        while (finished() == before)
            if (producer_poll(producer, 1000) < 0) must(producer_poll(producer, 0), "producer_poll");
        clock_gettime(CLOCK_MONOTONIC, &to);
        if (i > 0) /* the first one connects */
            perf_histogram_add(&seen.latency, (to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000);
    }
}

static void flood(producer_t *producer, producer_record_t *record, const struct perf_options *o, struct perf_values *values,
                  uint64_t *key) {
    producer_delivery_fn callback = o->callback ? on_delivery : NULL;
    uint64_t random = 88172645463325252ULL, until_poll = o->poll_every;
    int32_t partition = 0;
    for (uint64_t i = 0; i < o->count; i++) {
        if (o->keys != PERF_KEYS_NONE) *key = o->keys == PERF_KEYS_RANDOM8 ? perf_random(&random) : i;
        record->value = perf_values_next(values);
        if (o->partitions > 0) {
            record->partition = partition;
            if (++partition == o->partitions) partition = 0;
        }
        producer_status_t status = producer_send(producer, record, callback, NULL);
        if (status != PRODUCER_OK) {
            if (status != PRODUCER_ERR_REPORTS_NOT_TAKEN && status != PRODUCER_ERR_QUEUE_FULL) must(status, "producer_send");
            producer_poll(producer, 10);
            send_one(producer, record, callback);
        }
        if (--until_poll == 0) {
            until_poll = o->poll_every;
            producer_poll(producer, 0);
        }
    }
}

/* What producer_send alone takes: bursts that fit into buffer.memory, everything delivered before the next. */
static void burst(producer_t *producer, producer_record_t *record, const struct perf_options *o, struct perf_values *values) {
    double wall_s = 0;
    for (uint64_t sent = 0; sent < o->count; sent += o->burst) {
        struct perf_usage from, to;
        perf_usage_now(&from);
        for (uint64_t i = 0; i < o->burst; i++) {
            record->value = perf_values_next(values);
            send_one(producer, record, on_delivery);
        }
        perf_usage_now(&to);
        wall_s += sent > 0 ? to.wall_s - from.wall_s : 0; /* the first one connects and touches the memory */
        while (finished() < sent + o->burst)
            if (producer_poll(producer, 1000) < 0) must(producer_poll(producer, 0), "producer_poll");
    }
    uint64_t timed = finished() - o->burst;
    printf("kproducer: %" PRIu64 " records taken in bursts of %" PRIu64 ": %.0f records/s\n", timed, o->burst, (double)timed / wall_s);
    if (o->csv) printf("csv_burst,kproducer,%" PRIu64 ",%.0f\n", o->burst, (double)timed / wall_s);
}

int main(int argc, char **argv) {
    struct perf_options o;
    struct perf_usage from, to;
    struct perf_values values;
    perf_parse(&o, argc, argv);
    perf_values_make(&values, &o);
    uint64_t key = 0;

    producer_t *producer = start(&o);
    producer_record_t record = PRODUCER_RECORD_INIT;
    const producer_topic_t *topic;
    must(producer_topic(producer, o.topic, &topic), "--topic");
    record.topic_handle = topic;
    record.value = perf_values_next(&values), record.value_len = o.record_size;
    if (o.keys != PERF_KEYS_NONE) record.key = &key, record.key_len = sizeof key;
    if (o.partitions > 0) record.partition = 0;

    if (o.idle_s > 0) {
        ping(producer, &record, 1);
        perf_idle(&o, "kproducer");
    } else if (o.burst > 0) {
        burst(producer, &record, &o, &values);
    } else {
        perf_usage_now(&from);
        if (o.ping > 0) ping(producer, &record, o.ping);
        else flood(producer, &record, &o, &values, &key);
        must(producer_flush(producer, 120000), "producer_flush");
        perf_usage_now(&to);
        perf_print(&o, "kproducer", &seen.latency, &from, &to, seen.acknowledged, seen.failed);
    }
    must(producer_close(producer, 5000), "producer_close");
    free(values.bytes);
    if (seen.failed > 0) fprintf(stderr, "first failure: %s\n", seen.first_error);
    uint64_t expected = o.idle_s > 0 ? 1 : o.ping > 0 ? o.ping : o.callback || o.burst > 0 ? o.count : 0;
    return seen.failed == 0 && seen.acknowledged == expected ? 0 : 1;
}
