/*
 * driver --property NAME=VALUE...
 *
 * Sends records through the C interface and prints what becomes of them, for tests that compare. Each line of standard
 * input is a record; record 0 is the first. At the end of input it flushes and closes.
 *
 *   input   TOPIC PARTITION TIMESTAMP DEADLINE KEY VALUE [NAME=VALUE]...
 *           bytes are `x` and hexadecimal digits; `-` is what is absent: no partition, now, no deadline, a null pointer
 *   output  report INDEX STATUS NAME PARTITION OFFSET PERSISTED TIMESTAMP KEY_LEN VALUE_LEN ATTEMPTS TEXT
 *           refused INDEX STATUS TEXT     flushed STATUS     closed STATUS          (fields separated by tabs)
 *
 * A thread of its own polls, as in programs whose senders do other work.
 */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kproducer.h"

#define HEADERS_MAX 64
#define POLL_MS 50
#define FINISH_MS 120000

static producer_t *producer;
static atomic_bool finishing;

static void must(producer_status_t status, const char *call) {
    if (status == PRODUCER_OK) return;
    fprintf(stderr, "%s: %s: %s\n", call, producer_status_name(status), producer_last_error());
    exit(1);
}

static void malformed(const char *what) {
    fprintf(stderr, "malformed %s\n", what);
    exit(2);
}

/* Prints text as the line's last field. */
static void print_text(const char *text) {
    for (; text && *text; text++) putchar(*text == '\n' || *text == '\t' ? ' ' : *text);
    putchar('\n');
}

static void on_delivery(const producer_report_t *report, void *opaque) {
    const char *persisted = report->persisted == PRODUCER_PERSISTED_YES  ? "yes"
                            : report->persisted == PRODUCER_PERSISTED_NO ? "no"
                                                                         : "maybe";
    flockfile(stdout);
    printf("report\t%zu\t%ld\t%s\t%ld\t%lld\t%s\t%lld\t%lld\t%lld\t%ld\t", (size_t)(uintptr_t)opaque,
           (long)report->status, producer_status_name(report->status), (long)report->partition,
           (long long)report->offset, persisted, (long long)report->timestamp_ms, (long long)report->key_len,
           (long long)report->value_len, (long)report->attempts);
    print_text(report->status == PRODUCER_OK ? NULL : report->error_text);
    funlockfile(stdout);
}

static void *poll_reports(void *unused) {
    (void)unused;
    while (!atomic_load(&finishing)) {
        int32_t count = producer_poll(producer, POLL_MS);
        if (count < 0) must(count, "producer_poll");
        if (count > 0) fflush(stdout);
    }
    return NULL;
}

static int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    malformed("hexadecimal digit");
    return 0;
}

/* Decodes `x<hexadecimal>` in place and returns the bytes, or NULL for `-`. A byte after the last is set to 0. */
static char *decode(char *field, size_t *length) {
    *length = 0;
    if (strcmp(field, "-") == 0) return NULL;
    if (*field != 'x') malformed("bytes");
    const char *from = field + 1;
    char *to = field;
    for (; from[0] && from[1]; from += 2) *to++ = (char)(digit(from[0]) * 16 + digit(from[1]));
    *to = 0;
    *length = (size_t)(to - field);
    return field;
}

static int64_t number(const char *field, int64_t absent) {
    if (strcmp(field, "-") == 0) return absent;
    char *end;
    int64_t value = strtoll(field, &end, 10);
    if (*end) malformed("number");
    return value;
}

static char *next_field(char **rest) {
    char *field = strtok_r(NULL, " ", rest);
    if (!field) malformed("record: too few fields");
    return field;
}

static void send_line(char *line, size_t index) {
    producer_header_t headers[HEADERS_MAX];
    producer_record_t record = PRODUCER_RECORD_INIT;
    char *rest;
    record.topic = strtok_r(line, " ", &rest);
    record.partition = (int32_t)number(next_field(&rest), PRODUCER_PARTITION_ANY);
    record.timestamp_ms = number(next_field(&rest), PRODUCER_TIMESTAMP_NOW);
    record.delivery_timeout_ms = (int32_t)number(next_field(&rest), PRODUCER_TIMEOUT_DEFAULT);
    record.key = decode(next_field(&rest), &record.key_len);
    record.value = decode(next_field(&rest), &record.value_len);
    for (char *field; (field = strtok_r(NULL, " ", &rest)) != NULL; record.header_count++) {
        char *value = strchr(field, '=');
        if (!value || record.header_count == HEADERS_MAX) malformed("header");
        *value++ = 0;
        size_t name_len;
        producer_header_t *header = &headers[record.header_count];
        header->name = decode(field, &name_len);
        header->value = decode(value, &header->value_len);
    }
    record.headers = record.header_count ? headers : NULL;
    producer_status_t status = producer_send(producer, &record, on_delivery, (void *)(uintptr_t)index);
    if (status == PRODUCER_OK) return;
    flockfile(stdout);
    printf("refused\t%zu\t%ld\t%s: ", index, (long)status, producer_status_name(status));
    print_text(producer_last_error());
    funlockfile(stdout);
}

int main(int argc, char **argv) {
    producer_config_t *config;
    must(producer_config_new(&config), "producer_config_new");
    for (int i = 1; i < argc; i += 2) {
        char *value = i + 1 < argc && strcmp(argv[i], "--property") == 0 ? strchr(argv[i + 1], '=') : NULL;
        if (!value) {
            fprintf(stderr, "usage: %s [--property NAME=VALUE]... < RECORDS\n", argv[0]);
            return 2;
        }
        *value++ = 0;
        must(producer_config_set(config, argv[i + 1], value), "producer_config_set");
    }
    must(producer_new(config, &producer), "producer_new");
    producer_config_free(config);

    pthread_t poller;
    if (pthread_create(&poller, NULL, poll_reports, NULL) != 0) return 1;
    char *line = NULL;
    size_t room = 0, index = 0;
    for (ssize_t length; (length = getline(&line, &room, stdin)) > 0; index++) {
        if (line[length - 1] == '\n') line[length - 1] = 0;
        send_line(line, index);
    }
    free(line);

    printf("flushed\t%ld\n", (long)producer_flush(producer, FINISH_MS));
    atomic_store(&finishing, true);
    pthread_join(poller, NULL);
    printf("closed\t%ld\n", (long)producer_close(producer, FINISH_MS));
    return 0;
}
