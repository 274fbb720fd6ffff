/*
 * compression [BOOTSTRAP [TOPIC]]
 *
 * Sends the same log lines once with each codec and tells what is left of them and what that took. Without arguments it runs
 * against a cluster of its own that lives in this process.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kproducer.h>

enum { LINES = 20000 };

static void must(producer_status_t status, const char *what) {
    if (status == PRODUCER_OK) return;
    fprintf(stderr, "%s: %s: %s\n", what, producer_status_name(status), producer_last_error());
    exit(1);
}

static void on_delivery(const producer_report_t *report, void *opaque) {
    int *failed = opaque;
    if (report->status == PRODUCER_OK) return;
    if ((*failed)++ == 0) fprintf(stderr, "%s\n", report->error_text);
}

static void send_lines(producer_t *producer, const char *topic, int *failed) {
    char line[200];
    producer_record_t record = PRODUCER_RECORD_INIT;
    record.topic = topic;
    record.value = line;
    for (int i = 0; i < LINES; i++) {
        record.value_len = (size_t)snprintf(line, sizeof line,
                                            "{\"level\":\"INFO\",\"service\":\"checkout\",\"host\":\"node-%d\",\"order\":%d,"
                                            "\"took_ms\":%d,\"message\":\"order accepted\"}",
                                            i % 9, 1000000 + i, i * 7919 % 900);
        must(producer_send(producer, &record, on_delivery, failed), "producer_send");
    }
    must(producer_flush(producer, 30000), "producer_flush");
}

int main(int argc, char **argv) {
    static const char *const CODECS[] = {"none", "snappy", "lz4", "zstd", "gzip"};
    const char *topic = argc > 2 ? argv[2] : "logs";
    int failed = 0;
    producer_config_t *config = NULL;
    must(producer_config_new(&config), "producer_config_new");
    if (argc > 1)
        must(producer_config_set(config, "bootstrap.servers", argv[1]), "bootstrap.servers");
    else
        must(producer_config_set(config, "test.mock.num.brokers", "1"), "test.mock.num.brokers");
    /* Room for a batch to fill: the more lines there are in it, the more they have in common. */
    must(producer_config_set(config, "linger.ms", "50"), "linger.ms");
    must(producer_config_set(config, "compression.threads", "1"), "compression.threads"); /* the default */

    producer_t *producer = NULL;
    must(producer_new(config, &producer), "producer_new");
    producer_config_free(config);

    for (size_t i = 0; i < sizeof CODECS / sizeof *CODECS; i++) {
        /* For one topic, at any time; producer_config_set sets the same for all. */
        must(producer_topic_set(producer, topic, "compression.type", CODECS[i]), "compression.type");
        producer_stats_t before = PRODUCER_STATS_INIT, after = PRODUCER_STATS_INIT;
        must(producer_stats(producer, &before), "producer_stats");
        send_lines(producer, topic, &failed);
        must(producer_stats(producer, &after), "producer_stats");
        double sent = (double)(after.bytes_sent - before.bytes_sent);
        double work_ms = (double)(after.compress_time_us - before.compress_time_us) / 1000;
        printf("%-6s %8.0f bytes sent, %5.1f for each line, %6.1f ms of compressing\n", CODECS[i], sent, sent / LINES, work_ms);
    }
    must(producer_close(producer, 30000), "producer_close");
    return failed == 0 ? 0 : 1;
}
