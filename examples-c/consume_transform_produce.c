/*
 * consume_transform_produce BROKERS INPUT OUTPUT GROUP TRANSACTIONAL_ID [GROUP_INSTANCE_ID]
 *
 * Reads records with librdkafka's consumer, turns their values to upper case, sends them with libkproducer, and commits the
 * consumer's offsets in the same transaction: each input record has its effect exactly once, whenever and however often the
 * program is killed. Start as many as INPUT has partitions, each with a TRANSACTIONAL_ID of its own that it keeps for ever.
 * OUTPUT must have at least as many partitions as INPUT. SIGINT and SIGTERM end it.
 *
 * It needs librdkafka 2.12 or later, the first that tells a consumer's place in its group field by field:
 *
 *     cc -std=c11 consume_transform_produce.c $(pkg-config --cflags --libs kproducer rdkafka) -o consume_transform_produce
 */
#define _POSIX_C_SOURCE 200809L
#include <ctype.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <librdkafka/rdkafka.h>

#include "kproducer.h"

#if RD_KAFKA_VERSION < 0x020c0000
#error "rd_kafka_consumer_group_metadata_generation_id() and its siblings came with librdkafka 2.12"
#endif

#define RECORDS_MAX 500     /* of one transaction */
#define TRANSACTION_MS 50   /* how long one gathers records */
#define CALL_MS 10000       /* of a call that is made again when it times out */
#define CONSUMER_MS 30000   /* of the consumer's calls */
#define PARTITIONS_MAX 1024 /* of INPUT in one process */

/* What a status asks for. docs/TRANSACTIONS.md tells why there is nothing else. */
enum verdict { GO_ON, ABORT, RENEW };

static const char *brokers, *output_topic, *transactional_id;
static rd_kafka_t *consumer;
static producer_t *producer;
static volatile sig_atomic_t ending;

/* The open transaction. */
static struct {
    bool open;
    size_t records;
    int64_t began_ms;
    producer_offset_t offsets[PARTITIONS_MAX]; /* per input partition: where to read on */
    size_t partitions;
} transaction;

static void on_signal(int number) {
    (void)number;
    ending = 1;
}

static void fail(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Every status that is no success belongs to one of three classes; one of none is a mistake of this program. Retriable ones do
 * not come here: the call was made again. */
static enum verdict judge(producer_status_t status, const char *call) {
    if (status == PRODUCER_OK) return GO_ON;
    fprintf(stderr, "%s: %s: %s\n", call, producer_status_name(status), producer_last_error());
    /* Another process works under this transactional.id now, and this one must not take it back. */
    if (status == PRODUCER_ERR_PRODUCER_FENCED) exit(3);
    if (producer_status_is_fatal(status)) return RENEW;
    if (producer_status_is_abortable(status)) return ABORT;
    exit(1);
}

/* The same call again while its status says so: it goes on in the meantime, and is only waited for once more. */
static enum verdict repeat(producer_status_t (*call)(producer_t *, int32_t), const char *name) {
    producer_status_t status;
    do status = call(producer, CALL_MS);
    while (producer_status_is_retriable(status));
    return judge(status, name);
}

/* ---- the producer ---------------------------------------------------------------------------------------------- */

static void set(producer_config_t *config, const char *name, const char *value) {
    if (producer_config_set(config, name, value) != PRODUCER_OK) fail(name, producer_last_error());
}

/* A producer that is ready: what an earlier one of this transactional.id left open is aborted. */
static void start_producer(void) {
    producer_config_t *config;
    if (producer_config_new(&config) != PRODUCER_OK) fail("producer_config_new", producer_last_error());
    set(config, "bootstrap.servers", brokers);
    set(config, "transactional.id", transactional_id);
    set(config, "client.id", transactional_id);
    if (producer_new(config, &producer) != PRODUCER_OK) fail("producer_new", producer_last_error());
    producer_config_free(config);
    if (repeat(producer_init_transactions, "producer_init_transactions") != GO_ON) exit(1);
}

/* ---- the transaction ------------------------------------------------------------------------------------------- */

/* Back to what the group has committed: what was read since then is read again. */
static void rewind_consumer(void) {
    rd_kafka_topic_partition_list_t *partitions;
    rd_kafka_resp_err_t code = rd_kafka_assignment(consumer, &partitions);
    if (code) fail("rd_kafka_assignment", rd_kafka_err2str(code));
    if (partitions->cnt > 0) {
        code = rd_kafka_committed(consumer, partitions, CONSUMER_MS);
        if (code) fail("rd_kafka_committed", rd_kafka_err2str(code));
        for (int i = 0; i < partitions->cnt; i++)
            if (partitions->elems[i].offset < 0) partitions->elems[i].offset = RD_KAFKA_OFFSET_BEGINNING;
        rd_kafka_error_t *error = rd_kafka_seek_partitions(consumer, partitions, CONSUMER_MS);
        if (error) fail("rd_kafka_seek_partitions", rd_kafka_error_string(error));
        for (int i = 0; i < partitions->cnt; i++)
            if (partitions->elems[i].err) fail("rd_kafka_seek_partitions", rd_kafka_err2str(partitions->elems[i].err));
    }
    rd_kafka_topic_partition_list_destroy(partitions);
}

static void forget_transaction(void) {
    for (size_t i = 0; i < transaction.partitions; i++) free((char *)transaction.offsets[i].topic);
    memset(&transaction, 0, sizeof transaction);
}

/* After an error: nothing of the transaction becomes visible, and what went into it is read again. */
static void give_up(enum verdict verdict) {
    if (verdict == ABORT) verdict = repeat(producer_abort_transaction, "producer_abort_transaction");
    if (verdict != GO_ON) {
        producer_close(producer, 0);
        start_producer();
    }
    forget_transaction();
}

static enum verdict send_offsets(void) {
    /* Whose offsets they are: a consumer that has lost its partitions to another can commit no longer (KIP-447). */
    rd_kafka_consumer_group_metadata_t *metadata = rd_kafka_consumer_group_metadata(consumer);
    producer_group_t group = PRODUCER_GROUP_INIT;
    group.group_id = rd_kafka_consumer_group_metadata_group_id(metadata);
    group.generation_id = rd_kafka_consumer_group_metadata_generation_id(metadata);
    group.member_id = rd_kafka_consumer_group_metadata_member_id(metadata);
    group.group_instance_id = rd_kafka_consumer_group_metadata_group_instance_id(metadata);
    producer_status_t status;
    do status = producer_send_offsets_to_transaction(producer, transaction.offsets, transaction.partitions, &group, CALL_MS);
    while (producer_status_is_retriable(status));
    rd_kafka_consumer_group_metadata_destroy(metadata);
    return judge(status, "producer_send_offsets_to_transaction");
}

/* Commits what was gathered. False when it was given up instead: the consumer has to go back then. */
static bool finish_transaction(void) {
    enum verdict verdict = send_offsets();
    if (verdict == GO_ON) verdict = repeat(producer_commit_transaction, "producer_commit_transaction");
    if (verdict != GO_ON) {
        give_up(verdict);
        return false;
    }
    forget_transaction();
    return true;
}

/* Remembers where to read on behind a record. */
static void note_offset(const rd_kafka_message_t *message) {
    const char *topic = rd_kafka_topic_name(message->rkt);
    size_t i = 0;
    while (i < transaction.partitions && (transaction.offsets[i].partition != message->partition ||
                                          strcmp(transaction.offsets[i].topic, topic) != 0))
        i++;
    producer_offset_t *offset = &transaction.offsets[i];
    if (i == transaction.partitions) {
        if (i == PARTITIONS_MAX) fail(topic, "more partitions than this program is made for");
        *offset = (producer_offset_t)PRODUCER_OFFSET_INIT;
        offset->topic = strdup(topic);
        offset->partition = message->partition;
        transaction.partitions++;
    }
    offset->offset = message->offset + 1;
    offset->leader_epoch = rd_kafka_message_leader_epoch(message);
}

/* ---- the work -------------------------------------------------------------------------------------------------- */

static enum verdict send_transformed(const rd_kafka_message_t *message) {
    char *value = malloc(message->len + 1);
    if (!value) fail("value", "no memory");
    for (size_t i = 0; i < message->len; i++) value[i] = (char)toupper(((const unsigned char *)message->payload)[i]);
    producer_record_t record = PRODUCER_RECORD_INIT;
    record.topic = output_topic;
    record.partition = message->partition;
    record.key = message->key;
    record.key_len = message->key_len;
    record.value = message->payload ? value : NULL;
    record.value_len = message->len;
    producer_status_t status;
    /* No callback: a record that fails makes the commit fail. */
    while (producer_status_is_retriable(status = producer_send(producer, &record, NULL, NULL))) producer_poll(producer, 100);
    free(value);
    return judge(status, "producer_send");
}

/* Waits for brokers only when the last transaction left doubts. */
static producer_status_t begin(producer_t *p, int32_t unused) {
    (void)unused;
    return producer_begin_transaction(p);
}

static void take_message(const rd_kafka_message_t *message) {
    enum verdict verdict = GO_ON;
    if (!transaction.open) {
        verdict = repeat(begin, "producer_begin_transaction");
        transaction.open = true;
        transaction.began_ms = now_ms();
    }
    if (verdict == GO_ON) verdict = send_transformed(message);
    if (verdict != GO_ON) {
        give_up(verdict);
        rewind_consumer();
        return;
    }
    note_offset(message);
    transaction.records++;
}

/* ---- the consumer ---------------------------------------------------------------------------------------------- */

/* Runs inside rd_kafka_consumer_poll. Partitions that go away take along what was gathered from them: it is committed while
 * this consumer still has its place in the group, or given up. The next owner reads on from what is committed. */
static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *partitions, void *opaque) {
    (void)opaque;
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        rd_kafka_assign(rk, partitions);
        return;
    }
    if (transaction.open) {
        if (rd_kafka_assignment_lost(rk))
            give_up(ABORT);
        else
            finish_transaction();
    }
    rd_kafka_assign(rk, NULL);
}

static void set_rdkafka(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char text[512];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) != RD_KAFKA_CONF_OK) fail(name, text);
}

static void start_consumer(const char *topic, const char *group, const char *instance) {
    char text[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set_rdkafka(conf, "bootstrap.servers", brokers);
    set_rdkafka(conf, "group.id", group);
    /* With it a program that comes back within session.timeout.ms has its partitions again without a rebalance. */
    if (instance) set_rdkafka(conf, "group.instance.id", instance);
    set_rdkafka(conf, "isolation.level", "read_committed");
    set_rdkafka(conf, "enable.auto.commit", "false"); /* the producer commits, in its transactions */
    set_rdkafka(conf, "auto.offset.reset", "earliest");
    set_rdkafka(conf, "partition.assignment.strategy", "range");
    set_rdkafka(conf, "session.timeout.ms", "6000");
    set_rdkafka(conf, "heartbeat.interval.ms", "500");
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (!consumer) fail("rd_kafka_new", text);
    rd_kafka_poll_set_consumer(consumer);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(consumer, topics);
    if (code) fail("rd_kafka_subscribe", rd_kafka_err2str(code));
    rd_kafka_topic_partition_list_destroy(topics);
}

int main(int argc, char **argv) {
    if (argc < 6 || argc > 7) {
        fprintf(stderr, "usage: %s BROKERS INPUT OUTPUT GROUP TRANSACTIONAL_ID [GROUP_INSTANCE_ID]\n", argv[0]);
        return 2;
    }
    brokers = argv[1], output_topic = argv[3], transactional_id = argv[5];
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    /* First the producer: offsets of a transaction that it aborts or commits here are read after that. */
    start_producer();
    start_consumer(argv[2], argv[4], argc > 6 ? argv[6] : NULL);

    uint64_t committed = 0;
    while (!ending) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, transaction.open ? 5 : 100);
        if (message) {
            if (!message->err)
                take_message(message);
            else
                fprintf(stderr, "consumer: %s\n", rd_kafka_message_errstr(message)); /* librdkafka goes on by itself */
            rd_kafka_message_destroy(message);
        }
        if (transaction.open && (transaction.records >= RECORDS_MAX || now_ms() - transaction.began_ms >= TRANSACTION_MS)) {
            size_t records = transaction.records;
            if (finish_transaction())
                committed += records;
            else
                rewind_consumer();
        }
    }
    /* Closing revokes the partitions: on_rebalance commits what is gathered. */
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    producer_status_t closed = producer_close(producer, CALL_MS);
    if (closed != PRODUCER_OK) fprintf(stderr, "producer_close: %s\n", producer_last_error());
    printf("%s: %" PRIu64 " records\n", transactional_id, committed);
    return closed == PRODUCER_OK ? 0 : 1;
}
