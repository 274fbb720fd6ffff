/*
 * librdkafka behind the part of libkproducer's C interface that the programs of this directory use, as a library of the same
 * name: `tests/kafka/run --peer` runs every test with it, which checks the tests, the brokers and the harness without
 * libkproducer. Where librdkafka promises less (persisted, resumable calls), it answers with what is nearest.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <librdkafka/rdkafka.h>

#include "kproducer.h"

/* A status is librdkafka's own code; with a class from an error object, the class stands above the code's 16 bits. */
enum class { PLAIN, RETRIABLE, ABORTABLE, FATAL };
#define CLASS_SHIFT 16
#define SEND_WAIT_MS 60000 /* as max.block.ms */

struct producer_config_t {
    rd_kafka_conf_t *conf;
    int transactional;
};

struct producer_t {
    rd_kafka_t *rk;
    int transactional;
};

/* What a message carries. */
struct delivery {
    producer_delivery_fn callback;
    void *opaque;
};

static _Thread_local char last_error[1024];

static rd_kafka_resp_err_t code_of(producer_status_t status) {
    return (rd_kafka_resp_err_t)(int16_t)(uint16_t)(status & 0xffff);
}

static producer_status_t with_class(rd_kafka_resp_err_t code, enum class class) {
    return (producer_status_t)((uint32_t)class << CLASS_SHIFT | (uint16_t)(int16_t)code);
}

static producer_status_t fail(rd_kafka_resp_err_t code, const char *text) {
    snprintf(last_error, sizeof last_error, "%s", text);
    return code;
}

static enum class class_of_code(rd_kafka_resp_err_t code) {
    switch (code) {
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__QUEUE_FULL: return RETRIABLE;
    case RD_KAFKA_RESP_ERR__FATAL:
    case RD_KAFKA_RESP_ERR__FENCED: return FATAL;
    default: return PLAIN;
    }
}

/* Takes the error. */
static producer_status_t status_of(rd_kafka_error_t *error) {
    if (!error) return PRODUCER_OK;
    enum class class = rd_kafka_error_is_fatal(error)             ? FATAL
                       : rd_kafka_error_txn_requires_abort(error) ? ABORTABLE
                       : rd_kafka_error_is_retriable(error)       ? RETRIABLE
                                                                  : PLAIN;
    producer_status_t status = with_class(rd_kafka_error_code(error), class);
    snprintf(last_error, sizeof last_error, "%s", rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return status;
}

static enum class class_of(producer_status_t status) {
    enum class class = status > 0 ? (enum class)(status >> CLASS_SHIFT) : PLAIN;
    return class == PLAIN ? class_of_code(code_of(status)) : class;
}

const char *producer_status_name(producer_status_t status) {
    return status == PRODUCER_OK ? "OK" : rd_kafka_err2name(code_of(status));
}

const char *producer_status_text(producer_status_t status) { return rd_kafka_err2str(code_of(status)); }
bool producer_status_is_retriable(producer_status_t status) { return class_of(status) == RETRIABLE; }
bool producer_status_is_abortable(producer_status_t status) { return class_of(status) == ABORTABLE; }
bool producer_status_is_fatal(producer_status_t status) { return class_of(status) == FATAL; }
const char *producer_last_error(void) { return last_error; }

/* Properties of Java's that librdkafka does not know and no test's result depends on. */
static int is_left_out(const char *name) {
    return strcmp(name, "max.block.ms") == 0 || strcmp(name, "buffer.memory") == 0 || strncmp(name, "on.", 3) == 0;
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *unused) {
    (void)rk, (void)unused;
    struct delivery *delivery = message->_private;
    if (!delivery) return;
    producer_report_t report = {.struct_size = sizeof report};
    report.status = message->err;
    report.topic = rd_kafka_topic_name(message->rkt);
    report.partition = message->partition;
    report.offset = message->err ? -1 : message->offset;
    report.timestamp_ms = rd_kafka_message_timestamp(message, NULL);
    report.key_len = message->key ? (int64_t)message->key_len : -1;
    report.value_len = message->payload ? (int64_t)message->len : -1;
    report.persisted = !message->err ? PRODUCER_PERSISTED_YES
                       : rd_kafka_message_status(message) == RD_KAFKA_MSG_STATUS_NOT_PERSISTED ? PRODUCER_PERSISTED_NO
                                                                                               : PRODUCER_PERSISTED_MAYBE;
    report.attempts = 1;
    report.opaque = delivery->opaque;
    report.error_text = message->err ? rd_kafka_message_errstr(message) : NULL;
    delivery->callback(&report, delivery->opaque);
    free(delivery);
}

producer_status_t producer_config_new(producer_config_t **out) {
    *out = calloc(1, sizeof **out);
    (*out)->conf = rd_kafka_conf_new();
    rd_kafka_conf_set_dr_msg_cb((*out)->conf, on_delivery);
    rd_kafka_conf_set((*out)->conf, "partitioner", "murmur2_random", NULL, 0);
    rd_kafka_conf_set((*out)->conf, "message.max.bytes", "1048576", NULL, 0);
    rd_kafka_conf_set((*out)->conf, "log_level", "2", NULL, 0);
    /* The library's default; librdkafka's is off. */
    rd_kafka_conf_set((*out)->conf, "enable.idempotence", "true", NULL, 0);
    return PRODUCER_OK;
}

producer_status_t producer_config_set(producer_config_t *config, const char *name, const char *value) {
    char text[512];
    if (is_left_out(name)) return PRODUCER_OK;
    if (strcmp(name, "transactional.id") == 0) config->transactional = 1;
    if (rd_kafka_conf_set(config->conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK) return PRODUCER_OK;
    return fail(RD_KAFKA_RESP_ERR__INVALID_ARG, text);
}

producer_status_t producer_config_set_data_loss_callback(producer_config_t *config, producer_data_loss_fn callback,
                                                         void *opaque) {
    (void)config, (void)callback, (void)opaque;
    return PRODUCER_OK;
}

void producer_config_free(producer_config_t *config) {
    if (!config) return;
    rd_kafka_conf_destroy(config->conf);
    free(config);
}

producer_status_t producer_new(const producer_config_t *config, producer_t **out) {
    char text[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(config->conf);
    producer_t *producer = calloc(1, sizeof *producer);
    producer->transactional = config->transactional;
    producer->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!producer->rk) {
        rd_kafka_conf_destroy(conf);
        free(producer);
        return fail(RD_KAFKA_RESP_ERR__INVALID_ARG, text);
    }
    *out = producer;
    return PRODUCER_OK;
}

static rd_kafka_resp_err_t produce(rd_kafka_t *rk, const producer_record_t *record, struct delivery *delivery) {
    rd_kafka_headers_t *headers = record->header_count ? rd_kafka_headers_new(record->header_count) : NULL;
    for (size_t i = 0; i < record->header_count; i++)
        rd_kafka_header_add(headers, record->headers[i].name, -1, record->headers[i].value,
                            (ssize_t)record->headers[i].value_len);
    int64_t timestamp_ms = record->timestamp_ms == PRODUCER_TIMESTAMP_NOW ? 0 : record->timestamp_ms;
    rd_kafka_vu_t fields[8] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = record->topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = record->partition},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)record->key, record->key_len}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)record->value, record->value_len}},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = timestamp_ms},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = delivery},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    rd_kafka_error_t *error = rd_kafka_produceva(rk, fields, headers ? 8 : 7);
    if (!error) return RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    snprintf(last_error, sizeof last_error, "%s", rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    if (headers) rd_kafka_headers_destroy(headers); /* taken only by a success */
    return code;
}

producer_status_t producer_send(producer_t *producer, const producer_record_t *record, producer_delivery_fn callback,
                                void *opaque) {
    struct delivery *delivery = callback ? malloc(sizeof *delivery) : NULL;
    if (delivery) *delivery = (struct delivery){callback, opaque};
    rd_kafka_resp_err_t code;
    const struct timespec pause = {0, 10000000};
    int waited_ms = 0;
    /* The library waits for room; librdkafka wants to be asked again. */
    while ((code = produce(producer->rk, record, delivery)) == RD_KAFKA_RESP_ERR__QUEUE_FULL && waited_ms < SEND_WAIT_MS) {
        nanosleep(&pause, NULL);
        waited_ms += 10;
    }
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return PRODUCER_OK;
    free(delivery);
    /* In a transaction this says that it failed, or that there is none: the first is what the load programs meet. */
    return code == RD_KAFKA_RESP_ERR__STATE && producer->transactional ? with_class(code, ABORTABLE) : (producer_status_t)code;
}

int32_t producer_poll(producer_t *producer, int32_t timeout_ms) { return rd_kafka_poll(producer->rk, timeout_ms); }

producer_status_t producer_flush(producer_t *producer, int32_t timeout_ms) {
    rd_kafka_resp_err_t code = rd_kafka_flush(producer->rk, timeout_ms);
    return code ? fail(code, rd_kafka_err2str(code)) : PRODUCER_OK;
}

producer_status_t producer_close(producer_t *producer, int32_t timeout_ms) {
    producer_status_t status = PRODUCER_OK;
    if (rd_kafka_flush(producer->rk, timeout_ms) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        status = RD_KAFKA_RESP_ERR__TIMED_OUT;
        rd_kafka_purge(producer->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_flush(producer->rk, 1000);
    }
    rd_kafka_destroy(producer->rk);
    free(producer);
    return status;
}

producer_status_t producer_init_transactions(producer_t *producer, int32_t timeout_ms) {
    return status_of(rd_kafka_init_transactions(producer->rk, timeout_ms));
}

producer_status_t producer_begin_transaction(producer_t *producer) { return status_of(rd_kafka_begin_transaction(producer->rk)); }

/* Records that are not delivered in time cost librdkafka's transaction; flushed first, they only cost another call. */
producer_status_t producer_commit_transaction(producer_t *producer, int32_t timeout_ms) {
    producer_status_t flushed = producer_flush(producer, timeout_ms);
    return flushed != PRODUCER_OK ? flushed : status_of(rd_kafka_commit_transaction(producer->rk, timeout_ms));
}

producer_status_t producer_abort_transaction(producer_t *producer, int32_t timeout_ms) {
    return status_of(rd_kafka_abort_transaction(producer->rk, timeout_ms));
}

producer_status_t producer_send_offsets_to_transaction(producer_t *producer, const producer_offset_t *offsets, size_t count,
                                                       const producer_group_t *group, int32_t timeout_ms) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_topic_partition_t *partition =
            rd_kafka_topic_partition_list_add(list, offsets[i].topic, offsets[i].partition);
        partition->offset = offsets[i].offset;
        rd_kafka_topic_partition_set_leader_epoch(partition, offsets[i].leader_epoch);
    }
    rd_kafka_consumer_group_metadata_t *metadata = rd_kafka_consumer_group_metadata_new_with_genid(
        group->group_id, group->generation_id, group->member_id ? group->member_id : "", group->group_instance_id);
    producer_status_t status = status_of(rd_kafka_send_offsets_to_transaction(producer->rk, list, metadata, timeout_ms));
    rd_kafka_consumer_group_metadata_destroy(metadata);
    rd_kafka_topic_partition_list_destroy(list);
    return status;
}
