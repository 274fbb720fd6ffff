/*
 * cancel [BROKERS [TOPIC]]
 *
 * Sends quotes that are worth something for a moment only, and takes back those that a newer one replaces before they are
 * on their way. With no broker named it starts a mock cluster inside this process.
 *
 *     cc -std=c99 cancel.c $(pkg-config --cflags --libs kproducer) -o cancel
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kproducer.h"

#define QUOTES 1000
#define STOCKS 10

static int delivered, taken_back, failed;

static void must(producer_status_t status, const char *call) {
    if (status == PRODUCER_OK) return;
    fprintf(stderr, "%s: %s: %s\n", call, producer_status_name(status), producer_last_error());
    exit(1);
}

static void on_quote(const producer_report_t *report, void *opaque) {
    (void)opaque;
    if (report->status == PRODUCER_OK) delivered++;
    else if (report->status == PRODUCER_ERR_CANCELLED) taken_back++;
    else failed++;
}

int main(int argc, char **argv) {
    const char *brokers = argc > 1 && *argv[1] ? argv[1] : NULL;
    const char *topic = argc > 2 && *argv[2] ? argv[2] : "quotes";
    producer_config_t *config;
    producer_t *producer;
    must(producer_config_new(&config), "producer_config_new");
    if (brokers != NULL) must(producer_config_set(config, "bootstrap.servers", brokers), "producer_config_set");
    else must(producer_config_set(config, "test.mock.num.brokers", "1"), "producer_config_set");
    /* The longer records wait here, the longer they can be taken back. */
    must(producer_config_set(config, "linger.ms", "100"), "producer_config_set");
    must(producer_new(config, &producer), "producer_new");
    producer_config_free(config);

    producer_ticket_t latest[STOCKS];
    for (int i = 0; i < STOCKS; i++) latest[i] = (producer_ticket_t)PRODUCER_TICKET_INIT;
    int answered_ok = 0, too_late = 0;
    for (int i = 0; i < QUOTES; i++) {
        int stock = i % STOCKS;
        char key[16], value[32];
        snprintf(key, sizeof key, "stock-%d", stock);
        snprintf(value, sizeof value, "%d", 1000 + i);
        if (latest[stock].id != 0) {
            producer_status_t status = producer_cancel(producer, &latest[stock]);
            if (status == PRODUCER_OK) answered_ok++; /* it is not in the log, and never will be */
            else if (status == PRODUCER_ERR_TOO_LATE) too_late++; /* its report tells what became of it */
            else must(status, "producer_cancel");
        }
        producer_record_t record = PRODUCER_RECORD_INIT;
        record.topic = topic;
        record.key = key, record.key_len = strlen(key);
        record.value = value, record.value_len = strlen(value);
        must(producer_send_cancellable(producer, &record, on_quote, NULL, &latest[stock]), "producer_send_cancellable");
        producer_poll(producer, 0);
    }
    must(producer_flush(producer, 30000), "producer_flush");
    must(producer_close(producer, 30000), "producer_close");
    printf("%d quotes: %d delivered, %d taken back, %d failed; %d were too late to be taken back\n", QUOTES, delivered, taken_back,
           failed, too_late);
    return failed == 0 && taken_back == answered_ok && delivered + taken_back == QUOTES ? 0 : 1;
}
