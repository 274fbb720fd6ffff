/*
 * interceptors [BROKERS [TOPIC]]
 *
 * Orders are sent as C structs: a serializer makes them bytes. On their way an interceptor gives each record a trace id as
 * a header, and another counts what became of all of them, whoever sent them. Without brokers it starts a mock cluster.
 *
 *     cc -std=c11 interceptors.c $(pkg-config --cflags --libs kproducer) -o interceptors
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kproducer.h"

#define HEADERS_MAX 16
#define ORDERS 1000

struct order {
    int number;
    double amount;
};

static void must(producer_status_t status, const char *call) {
    if (status == PRODUCER_OK) return;
    fprintf(stderr, "%s: %s: %s\n", call, producer_status_name(status), producer_last_error());
    exit(1);
}

/* ---- an interceptor that changes records ---- */

/* What a record is made to point to must live until the next on_send on the same thread: memory of the thread's own. */
static _Thread_local char trace_id[24];
static _Thread_local producer_header_t headers[HEADERS_MAX];

static producer_status_t add_trace_id(producer_record_t *record, void *opaque) {
    atomic_ullong *next_id = opaque; /* several threads may be in here at once */
    if (record->header_count >= HEADERS_MAX) return PRODUCER_ERR_INVALID_ARGUMENT; /* logged; the record goes on without */
    for (size_t i = 0; i < record->header_count; i++) headers[i] = record->headers[i];
    int length = snprintf(trace_id, sizeof trace_id, "%016llx", atomic_fetch_add(next_id, 1));
    headers[record->header_count] = (producer_header_t){"trace-id", trace_id, (size_t)length};
    record->headers = headers;
    record->header_count++;
    return PRODUCER_OK;
}

/* ---- an interceptor that hears of every record ---- */

struct audit {
    atomic_ullong delivered, failed, refused;
};

static void count(const producer_report_t *report, void *opaque) {
    struct audit *audit = opaque;
    if (report->status == PRODUCER_OK) audit->delivered++;
    else if (report->phase == PRODUCER_PHASE_REFUSED) audit->refused++; /* producer_send said so, too */
    else audit->failed++;
}

static void print_audit(void *opaque) {
    struct audit *audit = opaque;
    printf("audit: %llu delivered, %llu failed, %llu refused\n", atomic_load(&audit->delivered), atomic_load(&audit->failed),
           atomic_load(&audit->refused));
}

/* ---- a serializer ---- */

static producer_status_t serialize_order(producer_serialization_t *what, void *opaque) {
    static _Thread_local char bytes[64]; /* the same rule as above */
    const struct order *order = what->record->value;
    (void)opaque;
    if (order->amount < 0) {
        snprintf(what->error_text, what->error_size, "order %d has a negative amount", order->number);
        return PRODUCER_ERR_INVALID_ARGUMENT;
    }
    what->record->value_len = (size_t)snprintf(bytes, sizeof bytes, "{\"number\":%d,\"amount\":%.2f}", order->number, order->amount);
    what->record->value = bytes;
    return PRODUCER_OK;
}

static void on_log(int32_t level, const char *facility, const char *message, void *opaque) {
    (void)opaque;
    if (level <= 4) fprintf(stderr, "%s: %s\n", facility, message);
}

static int print_record(const producer_mock_record_t *record, void *opaque) {
    (void)opaque;
    printf("read back: %.*s, %s %.*s\n", (int)record->value_len, (const char *)record->value, record->headers[0].name,
           (int)record->headers[0].value_len, (const char *)record->headers[0].value);
    return 1; /* that was enough */
}

int main(int argc, char **argv) {
    const char *brokers = argc > 1 && *argv[1] ? argv[1] : NULL;
    const char *topic = argc > 2 ? argv[2] : "orders";
    producer_mock_cluster_t *mock = NULL;
    if (brokers == NULL) {
        must(producer_mock_cluster_new(1, &mock), "producer_mock_cluster_new");
        must(producer_mock_cluster_topic_create(mock, topic, 1, 1), "producer_mock_cluster_topic_create");
        brokers = producer_mock_cluster_bootstrap_servers(mock);
    }

    atomic_ullong next_id = 1;
    struct audit audit = {0};
    producer_interceptor_t trace = PRODUCER_INTERCEPTOR_INIT, auditor = PRODUCER_INTERCEPTOR_INIT;
    trace.name = "trace", trace.opaque = &next_id, trace.on_send = add_trace_id;
    auditor.name = "audit", auditor.opaque = &audit, auditor.on_acknowledgement = count, auditor.on_close = print_audit;

    producer_config_t *config;
    producer_t *producer;
    must(producer_config_new(&config), "producer_config_new");
    must(producer_config_set(config, "bootstrap.servers", brokers), "producer_config_set");
    must(producer_config_set_log_callback(config, on_log, NULL), "producer_config_set_log_callback");
    must(producer_config_add_interceptor(config, &trace), "producer_config_add_interceptor");
    must(producer_config_add_interceptor(config, &auditor), "producer_config_add_interceptor");
    must(producer_config_set_value_serializer(config, serialize_order, NULL), "producer_config_set_value_serializer");
    must(producer_new(config, &producer), "producer_new");
    producer_config_free(config);

    producer_record_t record = PRODUCER_RECORD_INIT;
    record.topic = topic;
    for (int i = 0; i < ORDERS; i++) {
        struct order order = {i, i == 500 ? -1.0 : 9.5 * i};
        record.value = &order, record.value_len = sizeof order;
        /* No callback: the auditor hears of it all the same. */
        producer_status_t status = producer_send(producer, &record, NULL, NULL);
        if (status == PRODUCER_ERR_SERIALIZATION) printf("not sent: %s\n", producer_last_error());
        else must(status, "producer_send");
    }
    must(producer_flush(producer, 30000), "producer_flush");
    if (mock != NULL) must(producer_mock_cluster_records(mock, topic, 0, 7, print_record, NULL), "producer_mock_cluster_records");
    must(producer_close(producer, 10000), "producer_close");
    producer_mock_cluster_free(mock);
    return audit.delivered == ORDERS - 1 && audit.refused == 1 ? 0 : 1;
}
