/*
 * rdkafka_perf: examples-c/perf.c again, with librdkafka in our place: same command line, same payload, same counters,
 * so that the two can be held against each other. Properties are librdkafka's.
 */
#define _POSIX_C_SOURCE 200809L
#include "../examples-c/perf_common.h"

#include <librdkafka/rdkafka.h>

static struct {
    struct perf_histogram latency;
    uint64_t acknowledged, failed;
    char first_error[256];
    bool pinging;
} seen;

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque) {
    (void)rk;
    (void)opaque;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        seen.acknowledged++;
        if (!seen.pinging) perf_histogram_add(&seen.latency, rd_kafka_message_latency(message));
    } else if (seen.failed++ == 0) {
        snprintf(seen.first_error, sizeof seen.first_error, "%s", rd_kafka_err2str(message->err));
    }
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char error[512];
    if (rd_kafka_conf_set(conf, name, value, error, sizeof error) == RD_KAFKA_CONF_OK) return;
    fprintf(stderr, "%s: %s\n", name, error);
    exit(1);
}

static void send_one(rd_kafka_t *rk, rd_kafka_topic_t *topic, int32_t partition, const char *value, size_t len, const void *key,
                     size_t key_len) {
    while (rd_kafka_produce(topic, partition, RD_KAFKA_MSG_F_COPY, (void *)value, len, key, key_len, NULL) != 0) {
        if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            fprintf(stderr, "rd_kafka_produce: %s\n", rd_kafka_err2str(rd_kafka_last_error()));
            exit(1);
        }
        rd_kafka_poll(rk, 10);
    }
}

int main(int argc, char **argv) {
    struct perf_options o;
    struct perf_usage from, to;
    char error[512];
    perf_parse(&o, argc, argv);
    if (o.brokers == NULL) perf_usage_text(argv[0]);
    struct perf_values values;
    perf_values_make(&values, &o);
    uint64_t key = 0, random = 1;

    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", o.brokers);
    set(conf, "acks", o.acks);
    set(conf, "enable.idempotence", o.idempotence);
    if (o.ping > 0) set(conf, "linger.ms", "0");
    for (int i = 0; i < o.properties; i++) set(conf, o.property[i], o.value[i]);
    if (o.callback) rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    rd_kafka_topic_t *topic = rk ? rd_kafka_topic_new(rk, o.topic, NULL) : NULL;
    if (topic == NULL) {
        fprintf(stderr, "%s\n", rk ? rd_kafka_err2str(rd_kafka_last_error()) : error);
        return 1;
    }
    const void *key_at = o.keys == PERF_KEYS_NONE ? NULL : &key;
    size_t key_len = o.keys == PERF_KEYS_NONE ? 0 : sizeof key;
    int32_t partition = o.partitions > 0 ? 0 : RD_KAFKA_PARTITION_UA;
    seen.pinging = o.ping > 0 || o.idle_s > 0;

    perf_usage_now(&from);
    uint64_t pings = o.idle_s > 0 ? 1 : o.ping, until_poll = o.poll_every;
    for (uint64_t i = 0; i < pings; i++) {
        struct timespec sent, heard;
        uint64_t before = seen.acknowledged + seen.failed;
        clock_gettime(CLOCK_MONOTONIC, &sent);
        send_one(rk, topic, partition, perf_values_next(&values), o.record_size, key_at, key_len);
        while (seen.acknowledged + seen.failed == before) rd_kafka_poll(rk, 1000);
        clock_gettime(CLOCK_MONOTONIC, &heard);
        if (i > 0) /* the first one connects */
            perf_histogram_add(&seen.latency, (heard.tv_sec - sent.tv_sec) * 1000000 + (heard.tv_nsec - sent.tv_nsec) / 1000);
    }
    if (o.idle_s > 0) perf_idle(&o, "librdkafka");
    random = 88172645463325252ULL;
    for (uint64_t i = 0; pings == 0 && i < o.count; i++) {
        if (o.keys != PERF_KEYS_NONE) key = o.keys == PERF_KEYS_RANDOM8 ? perf_random(&random) : i;
        send_one(rk, topic, partition, perf_values_next(&values), o.record_size, key_at, key_len);
        if (o.partitions > 0 && ++partition == o.partitions) partition = 0;
        if (--until_poll == 0) {
            until_poll = o.poll_every;
            rd_kafka_poll(rk, 0);
        }
    }
    rd_kafka_resp_err_t flushed = rd_kafka_flush(rk, 120000);
    perf_usage_now(&to);
    if (flushed != RD_KAFKA_RESP_ERR_NO_ERROR) fprintf(stderr, "rd_kafka_flush: %s\n", rd_kafka_err2str(flushed));
    if (o.idle_s == 0) perf_print(&o, "librdkafka", &seen.latency, &from, &to, seen.acknowledged, seen.failed);
    if (seen.failed > 0) fprintf(stderr, "first failure: %s\n", seen.first_error);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(rk);
    free(values.bytes);
    uint64_t expected = pings > 0 ? pings : o.callback ? o.count : 0;
    return seen.failed == 0 && seen.acknowledged == expected ? 0 : 1;
}
