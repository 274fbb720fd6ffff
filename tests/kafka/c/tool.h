/*
 * What the programs of this directory share: the command line, the producer, and statuses as words for tests to read.
 * Include it first.
 */
#ifndef TOOL_H
#define TOOL_H
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kproducer.h"

/* What librdkafka has nothing of, when it stands in. */
extern producer_status_t producer_health(producer_t *producer, producer_health_t *health) __attribute__((weak));
extern producer_status_t producer_tls_reload(producer_t *producer) __attribute__((weak));
extern producer_status_t producer_init_transactions_keep_prepared(producer_t *producer, int32_t timeout_ms, char *state)
    __attribute__((weak));
extern producer_status_t producer_prepare_transaction(producer_t *producer, int32_t timeout_ms, char *state)
    __attribute__((weak));
extern producer_status_t producer_complete_transaction(producer_t *producer, const char *state, int32_t timeout_ms)
    __attribute__((weak));
extern producer_status_t producer_set_sasl_credentials(producer_t *producer, const char *username, const char *password)
    __attribute__((weak));

static inline void must(producer_status_t status, const char *call) {
    if (status == PRODUCER_OK) return;
    fprintf(stderr, "%s: %s: %s\n", call, producer_status_name(status), producer_last_error());
    exit(1);
}

static inline int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline void sleep_until(int64_t moment_ns) {
    int64_t left = moment_ns - now_ns();
    if (left <= 0) return;
    struct timespec pause = {left / 1000000000, left % 1000000000};
    nanosleep(&pause, NULL);
}

/* What a program may do about a status, in one word: the header's three classes, or plain for a caller's mistake. */
static inline const char *class_of(producer_status_t status) {
    if (status == PRODUCER_OK) return "ok";
    if (producer_status_is_fatal(status)) return "fatal";
    if (producer_status_is_abortable(status)) return "abortable";
    if (producer_status_is_retriable(status)) return "retriable";
    return "plain";
}

/* Prints text as a line's last field. */
static inline void print_text(FILE *out, const char *text) {
    for (; text && *text; text++) putc(*text == '\n' || *text == '\t' ? ' ' : *text, out);
    putc('\n', out);
}

/* The value of option `--name`, or the default; without a default the option is required. `--property` may be repeated. */
static inline const char *option(int argc, char **argv, const char *name, const char *otherwise) {
    for (int i = 1; i + 1 < argc; i += 2)
        if (strcmp(argv[i], name) == 0) return argv[i + 1];
    if (otherwise == NULL) {
        fprintf(stderr, "%s: option %s is missing\n", argv[0], name);
        exit(2);
    }
    return otherwise;
}

static inline int64_t number_option(int argc, char **argv, const char *name, const char *otherwise) {
    const char *text = option(argc, argv, name, otherwise);
    char *end;
    int64_t value = strtoll(text, &end, 10);
    if (*end || end == text || value < 0) {
        fprintf(stderr, "%s: option %s: not a number: %s\n", argv[0], name, text);
        exit(2);
    }
    return value;
}

/* A loss of acknowledged records is a line of its own: the test decides whether there could be one. */
static inline void print_loss(const producer_data_loss_t *loss, void *opaque) {
    (void)opaque;
    flockfile(stdout);
    printf("loss\t%s\t%" PRId32 "\t%" PRId64 "\t", loss->topic, loss->partition, loss->acked_offset);
    print_text(stdout, loss->text);
    fflush(stdout);
    funlockfile(stdout);
}

/* A configuration of all `--property NAME=VALUE`. */
static inline producer_config_t *config_of(int argc, char **argv) {
    producer_config_t *config;
    must(producer_config_new(&config), "producer_config_new");
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--property") != 0) continue;
        char *copy = strdup(argv[i + 1]), *value = copy ? strchr(copy, '=') : NULL;
        if (!value) {
            fprintf(stderr, "%s: not NAME=VALUE: %s\n", argv[0], argv[i + 1]);
            exit(2);
        }
        *value++ = 0;
        must(producer_config_set(config, copy, value), copy);
        free(copy);
    }
    must(producer_config_set_data_loss_callback(config, print_loss, NULL), "producer_config_set_data_loss_callback");
    return config;
}

#endif
