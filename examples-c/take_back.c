/*
 * take_back
 *
 * Closes a producer whose broker does not answer, and writes what was not delivered to a file, from which the next run could
 * send it again. It uses a mock cluster inside this process, because it needs a broker that hangs.
 *
 *     cc -std=c99 take_back.c $(pkg-config --cflags --libs kproducer) -o take_back
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kproducer.h"

#define RECORDS 200

static int delivered, undelivered_reports;

struct spool {
    FILE *file;
    int records, uncertain;
};

static void must(producer_status_t status, const char *call) {
    if (status == PRODUCER_OK) return;
    fprintf(stderr, "%s: %s: %s\n", call, producer_status_name(status), producer_last_error());
    exit(1);
}

static void on_report(const producer_report_t *report, void *opaque) {
    (void)opaque;
    if (report->status == PRODUCER_OK) delivered++;
    else undelivered_reports++;
}

/* Called once for each record that is not delivered, before its report. What it points to is gone when this returns. */
static void on_undelivered(const producer_undelivered_t *undelivered, void *opaque) {
    struct spool *spool = opaque;
    const producer_record_t *record = undelivered->record;
    spool->records++;
    /* Sent and not answered: a broker may have it. Sending it again may write it twice, not sending it may lose it. */
    if (undelivered->persisted == PRODUCER_PERSISTED_MAYBE) spool->uncertain++;
    fprintf(spool->file, "%s\t%d\t%s\t%.*s\n", record->topic, (int)record->partition,
            undelivered->persisted == PRODUCER_PERSISTED_MAYBE ? "maybe" : "no", (int)record->value_len, (const char *)record->value);
}

static void send_numbers(producer_t *producer, int from, int to) {
    for (int i = from; i < to; i++) {
        char value[32];
        producer_record_t record = PRODUCER_RECORD_INIT;
        snprintf(value, sizeof value, "record %d", i);
        record.topic = "spooled", record.partition = 0;
        record.value = value, record.value_len = strlen(value);
        must(producer_send(producer, &record, on_report, NULL), "producer_send");
    }
}

int main(void) {
    producer_mock_cluster_t *mock;
    must(producer_mock_cluster_new(1, &mock), "producer_mock_cluster_new");
    must(producer_mock_cluster_topic_create(mock, "spooled", 1, 1), "producer_mock_cluster_topic_create");
    producer_config_t *config;
    producer_t *producer;
    must(producer_config_new(&config), "producer_config_new");
    must(producer_config_set(config, "bootstrap.servers", producer_mock_cluster_bootstrap_servers(mock)), "producer_config_set");
    must(producer_new(config, &producer), "producer_new");
    producer_config_free(config);

    send_numbers(producer, 0, RECORDS / 2);
    must(producer_flush(producer, 30000), "producer_flush");
    must(producer_mock_cluster_broker_freeze(mock, 1), "producer_mock_cluster_broker_freeze");
    send_numbers(producer, RECORDS / 2, RECORDS);

    struct spool spool = {tmpfile(), 0, 0};
    if (spool.file == NULL) return 1;
    /* Waits half a second for deliveries, then hands back what is left. */
    producer_status_t closed = producer_close_with(producer, 500, on_undelivered, &spool);
    printf("closed: %s; %d delivered, %d written to the file, %d of them may be in the log\n", producer_status_name(closed), delivered,
           spool.records, spool.uncertain);
    fclose(spool.file);
    producer_mock_cluster_free(mock);
    bool complete = delivered == RECORDS / 2 && spool.records == RECORDS / 2 && undelivered_reports == spool.records;
    return closed == PRODUCER_ERR_TIMED_OUT && complete ? 0 : 1;
}
