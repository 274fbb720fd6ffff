/* Another project's model of a broker: librdkafka's mock cluster with errors injected, read back by librdkafka.
 *
 *     librdkafka_mock COUNT SEED ordered|pipelined
 *
 * This mock looks at no sequence: it appends a batch that it has a second time, and one whose predecessor it has just refused. So
 * order and "once" are judged with one request in flight and brokers that go down while nothing is on its way (ordered); with the
 * defaults, that every record is acknowledged once and is in the log (pipelined).
 *
 * Exit status 0: it is so. */
#define _GNU_SOURCE
#include <kproducer.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PARTITIONS = 4, BROKERS = 3, PRODUCE = 0 };
static int is_ordered;
static long acknowledged, failed;
static char error[512];

static void reported(const producer_report_t *report, void *opaque) {
    (void)opaque;
    if (report->status == PRODUCER_OK) {
        acknowledged++;
    } else {
        if (failed++ == 0) fprintf(stderr, "first failure: %s\n", report->error_text);
    }
}

/* One of five kinds of trouble. */
static void make_trouble(producer_t *producer, rd_kafka_mock_cluster_t *mock) {
    int broker = 1 + rand() % BROKERS;
    switch (rand() % 5) {
    case 0:
        rd_kafka_mock_push_request_errors(mock, PRODUCE, 3, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR__TRANSPORT,
                                          RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT);
        break;
    case 1:
        rd_kafka_mock_push_request_errors(mock, PRODUCE, 2, RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR__TRANSPORT);
        break;
    case 2: rd_kafka_mock_partition_set_leader(mock, "t", rand() % PARTITIONS, broker); break;
    case 3:
        if (is_ordered) producer_flush(producer, 10000);
        rd_kafka_mock_broker_set_down(mock, broker);
        usleep(200000);
        rd_kafka_mock_broker_set_up(mock, broker);
        break;
    default:
        rd_kafka_mock_push_request_errors(mock, PRODUCE, 4, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
                                          RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
                                          RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE);
    }
}

static producer_t *producer_on(const char *bootstrap) {
    producer_config_t *config = NULL;
    producer_t *producer = NULL;
    producer_config_new(&config);
    producer_config_set(config, "bootstrap.servers", bootstrap);
    producer_config_set(config, "batch.size", "16384");
    if (is_ordered) producer_config_set(config, "max.in.flight.requests.per.connection", "1");
    producer_new(config, &producer);
    producer_config_free(config);
    return producer;
}

static int send_all(producer_t *producer, rd_kafka_mock_cluster_t *mock, long count) {
    char value[64];
    producer_record_t record = PRODUCER_RECORD_INIT;
    record.topic = "t";
    record.value = value;
    for (long i = 0; i < count; i++) {
        record.partition = (int32_t)(i % PARTITIONS);
        record.value_len = (size_t)snprintf(value, sizeof value, "%ld", i / PARTITIONS);
        if (i % (count / 20 + 1) == 0) make_trouble(producer, mock);
        producer_status_t status;
        while ((status = producer_send(producer, &record, reported, NULL)) != PRODUCER_OK) {
            if (status != PRODUCER_ERR_QUEUE_FULL && status != PRODUCER_ERR_REPORTS_NOT_TAKEN) return -1;
            producer_poll(producer, 10);
        }
        if (i % 100 == 0) producer_poll(producer, 0);
    }
    return 0;
}

struct log {
    long records, duplicates, gaps, distinct;
    char *seen; /* Of each record in turn. */
    long count;
};

static void read_record(const rd_kafka_message_t *message, long next[PARTITIONS], struct log *log) {
    char value[64] = {0};
    memcpy(value, message->payload, message->len < sizeof value ? message->len : sizeof value - 1);
    long number = atol(value), *expected = &next[message->partition];
    log->records++;
    long place = number * PARTITIONS + message->partition;
    if (place >= 0 && place < log->count && !log->seen[place]) {
        log->seen[place] = 1;
        log->distinct++;
    }
    if (number < *expected) {
        log->duplicates++;
        return;
    }
    if (number > *expected) log->gaps++;
    *expected = number + 1;
}

static struct log read_back(const char *bootstrap, long count) {
    rd_kafka_conf_t *config = rd_kafka_conf_new();
    const char *const settings[][2] = {
        {"bootstrap.servers", bootstrap}, {"group.id", "g"}, {"auto.offset.reset", "earliest"}, {"enable.partition.eof", "true"}};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        rd_kafka_conf_set(config, settings[i][0], settings[i][1], error, sizeof error);
    rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, config, error, sizeof error);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTITIONS);
    for (int i = 0; i < PARTITIONS; i++) rd_kafka_topic_partition_list_add(list, "t", i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    struct log log = {.seen = calloc((size_t)count, 1), .count = count};
    if (!log.seen) abort();
    long next[PARTITIONS] = {0};
    int ended = 0;
    for (int idle = 0; ended < PARTITIONS && idle < 100;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 200);
        if (!message) {
            idle++;
            continue;
        }
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            ended++;
        } else if (!message->err) {
            read_record(message, next, &log);
        }
        rd_kafka_message_destroy(message);
    }
    rd_kafka_destroy(consumer);
    return log;
}

int main(int argc, char **argv) {
    if (argc < 4) return fprintf(stderr, "usage: %s COUNT SEED ordered|pipelined\n", argv[0]), 2;
    is_ordered = strcmp(argv[3], "ordered") == 0;
    long count = atol(argv[1]);
    srand((unsigned)atoi(argv[2]));
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), error, sizeof error);
    rd_kafka_mock_cluster_t *mock = rd_kafka_mock_cluster_new(handle, BROKERS);
    rd_kafka_mock_topic_create(mock, "t", PARTITIONS, BROKERS);
    const char *bootstrap = rd_kafka_mock_cluster_bootstraps(mock);
    producer_t *producer = producer_on(bootstrap);
    if (!producer || send_all(producer, mock, count)) return fprintf(stderr, "%s\n", producer_last_error()), 1;
    producer_status_t flushed = producer_flush(producer, 60000);
    struct log log = read_back(bootstrap, count);
    printf("%s: sent %ld acknowledged %ld failed %ld flush %s | in the log %ld, distinct %ld, duplicates %ld, gaps %ld\n", argv[3],
           count, acknowledged, failed, producer_status_name(flushed), log.records, log.distinct, log.duplicates, log.gaps);
    producer_close(producer, 5000);
    free(log.seen);
    if (acknowledged != count || failed || flushed != PRODUCER_OK || log.distinct != count) return 2;
    return is_ordered && (log.duplicates || log.gaps) ? 2 : 0;
}
