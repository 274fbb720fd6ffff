/*
 * What the test programs share: checks that print and count, a ledger with one outcome per record, and short ways to
 * start a mock cluster and a producer. Include it first. A program prints what failed and exits non-zero.
 */
#ifndef CHECK_H
#define CHECK_H
#define _DEFAULT_SOURCE
#define _POSIX_C_SOURCE 200809L
#include <ctype.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kproducer.h"

#define WAIT_MS 20000 /* the deadline of everything that should happen soon */
#define API_PRODUCE 0
#define API_METADATA 3
#define API_VERSIONS 18

static atomic_int check_failures;

static inline bool check_that(bool ok, const char *what, const char *file, int line) {
    if (!ok) {
        printf("FAILED %s:%d: %s\n", file, line, what);
        fflush(stdout);
        check_failures++;
    }
    return ok;
}

static inline bool check_int(int64_t actual, int64_t expected, const char *what, const char *file, int line) {
    char text[400];
    snprintf(text, sizeof text, "%s is %" PRId64 ", expected %" PRId64, what, actual, expected);
    return check_that(actual == expected, text, file, line);
}

static inline bool check_status(producer_status_t actual, producer_status_t a, producer_status_t b, const char *what,
                                const char *file, int line) {
    char text[800];
    if (actual == a || actual == b) return true;
    snprintf(text, sizeof text, "%s answered %s, expected %s%s%s (last error: %s)", what, producer_status_name(actual),
             producer_status_name(a), a == b ? "" : " or ", a == b ? "" : producer_status_name(b), producer_last_error());
    return check_that(false, text, file, line);
}

static inline bool contains(const char *text, const char *needle) {
    size_t length = strlen(needle);
    for (; text != NULL && *text != '\0'; text++) {
        size_t i = 0;
        while (i < length && tolower((unsigned char)text[i]) == tolower((unsigned char)needle[i])) i++;
        if (i == length) return true;
    }
    return false;
}

static inline bool check_says(const char *text, const char *needle, const char *file, int line) {
    char what[800];
    snprintf(what, sizeof what, "\"%s\" does not name \"%s\"", text ? text : "(null)", needle);
    return check_that(contains(text, needle), what, file, line);
}

#define CHECK(condition) check_that((condition), #condition, __FILE__, __LINE__)
#define CHECK_INT(actual, expected) check_int((int64_t)(actual), (int64_t)(expected), #actual, __FILE__, __LINE__)
#define CHECK_STATUS(call, expected) check_status((call), (expected), (expected), #call, __FILE__, __LINE__)
#define CHECK_STATUS_OR(call, one, other) check_status((call), (one), (other), #call, __FILE__, __LINE__)
#define CHECK_OK(call) CHECK_STATUS(call, PRODUCER_OK)
/* The text of an error has to name the thing concerned (case is ignored). */
#define CHECK_SAYS(text, needle) check_says((text), (needle), __FILE__, __LINE__)
#define REQUIRE(condition)              \
    do {                                \
        if (!CHECK(condition)) exit(1); \
    } while (0)
#define REQUIRE_OK(call)                   \
    do {                                   \
        if (!CHECK_OK(call)) exit(1);      \
    } while (0)

/* A program that hangs is ended by the alarm, whoever runs it. */
static inline void check_begin(void) {
    alarm(55);
}

static inline void check_case(const char *name) {
    printf("- %s\n", name);
    fflush(stdout);
}

static inline int check_end(void) {
    if (check_failures == 0) printf("passed\n");
    else printf("%d checks failed\n", (int)check_failures);
    return check_failures == 0 ? 0 : 1;
}

static inline int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline int64_t wall_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Only for waiting on another thread inside a loop that has a deadline. */
static inline void pause_ms(int ms) {
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000L};
    nanosleep(&t, NULL);
}

/* ---- outcomes: what the report of one record said ---- */

struct outcome {
    atomic_int reports; /* must end as exactly 1 */
    producer_status_t status;
    int32_t partition, persisted, phase, broker_id, attempts, timestamp_type;
    int64_t offset, timestamp_ms, key_len, value_len, latency_us;
    uint64_t arrival; /* the how-manieth report of the process it was */
    char topic[256];
    char error_text[400];
};

static atomic_uint_fast64_t check_arrivals;

static inline void on_outcome(const producer_report_t *report, void *opaque) {
    struct outcome *o = opaque;
    CHECK(report->struct_size >= sizeof(size_t));
    CHECK(report->opaque == opaque);
    o->status = report->status;
    o->partition = report->partition;
    o->persisted = report->persisted;
    o->phase = report->phase;
    o->broker_id = report->broker_id;
    o->attempts = report->attempts;
    o->timestamp_type = report->timestamp_type;
    o->offset = report->offset;
    o->timestamp_ms = report->timestamp_ms;
    o->key_len = report->key_len;
    o->value_len = report->value_len;
    o->latency_us = report->latency_us;
    o->arrival = atomic_fetch_add(&check_arrivals, 1);
    snprintf(o->topic, sizeof o->topic, "%s", report->topic ? report->topic : "");
    snprintf(o->error_text, sizeof o->error_text, "%s", report->error_text ? report->error_text : "");
    atomic_fetch_add(&o->reports, 1); /* last: whoever sees the count sees the rest */
}

static inline struct outcome *outcomes_new(size_t count) {
    struct outcome *o = calloc(count, sizeof *o);
    REQUIRE(o != NULL);
    return o;
}

static inline size_t outcomes_reported(struct outcome *o, size_t count) {
    size_t n = 0;
    for (size_t i = 0; i < count; i++) n += atomic_load(&o[i].reports) > 0;
    return n;
}

/* Polls until each has its report, or the deadline passes. */
static inline bool wait_for_reports(producer_t *p, struct outcome *o, size_t count, int64_t timeout_ms) {
    int64_t deadline = now_ms() + timeout_ms;
    while (outcomes_reported(o, count) < count) {
        if (now_ms() > deadline) return false;
        if (producer_poll(p, 100) < 0) return false;
    }
    return true;
}

static inline size_t outcomes_with(struct outcome *o, size_t count, producer_status_t status) {
    size_t n = 0;
    for (size_t i = 0; i < count; i++) n += atomic_load(&o[i].reports) > 0 && o[i].status == status;
    return n;
}

/* Exactly one report each; a failure has a sentence; success and only success says that the record is in the log. */
static inline void check_outcomes(struct outcome *o, size_t count, const char *file, int line) {
    for (size_t i = 0; i < count; i++) {
        char text[700];
        int reports = atomic_load(&o[i].reports);
        if (reports != 1) {
            snprintf(text, sizeof text, "record %zu of %zu got %d reports", i, count, reports);
            check_that(false, text, file, line);
            return;
        }
        bool ok = o[i].status == PRODUCER_OK;
        if ((ok && o[i].persisted != PRODUCER_PERSISTED_YES) || (!ok && o[i].persisted == PRODUCER_PERSISTED_YES) ||
            (!ok && strlen(o[i].error_text) < 10) || (ok && o[i].error_text[0] != '\0')) {
            snprintf(text, sizeof text, "record %zu: status %s, persisted %d, text \"%s\"", i, producer_status_name(o[i].status),
                     (int)o[i].persisted, o[i].error_text);
            check_that(false, text, file, line);
            return;
        }
    }
}

static inline void check_all_have(struct outcome *o, size_t count, producer_status_t status, const char *file, int line) {
    check_outcomes(o, count, file, line);
    for (size_t i = 0; i < count; i++)
        if (o[i].status != status) {
            char text[700];
            snprintf(text, sizeof text, "record %zu: status %s, expected %s: \"%s\"", i, producer_status_name(o[i].status),
                     producer_status_name(status), o[i].error_text);
            check_that(false, text, file, line);
            return;
        }
}

#define CHECK_OUTCOMES(o, count) check_outcomes((o), (count), __FILE__, __LINE__)
#define CHECK_ALL(o, count, status) check_all_have((o), (count), (status), __FILE__, __LINE__)

/* ---- starting things ---- */

static inline producer_mock_cluster_t *mock_of(int32_t brokers, const char *topic, int32_t partitions) {
    producer_mock_cluster_t *m = NULL;
    REQUIRE_OK(producer_mock_cluster_new(brokers, &m));
    REQUIRE(m != NULL);
    REQUIRE_OK(producer_mock_cluster_topic_create(m, topic, partitions, 1));
    return m;
}

static inline producer_config_t *config_with(const char *servers, va_list pairs) {
    producer_config_t *c = NULL;
    REQUIRE_OK(producer_config_new(&c));
    REQUIRE_OK(producer_config_set(c, "bootstrap.servers", servers));
    for (const char *name = va_arg(pairs, const char *); name != NULL; name = va_arg(pairs, const char *)) {
        const char *value = va_arg(pairs, const char *);
        if (!CHECK_OK(producer_config_set(c, name, value))) exit(1);
    }
    return c;
}

/* A configuration: name, value, ..., NULL. */
static inline producer_config_t *config_of(const char *servers, ...) {
    va_list pairs;
    va_start(pairs, servers);
    producer_config_t *c = config_with(servers, pairs);
    va_end(pairs);
    return c;
}

/* A producer: name, value, ..., NULL. */
static inline producer_t *producer_of(const char *servers, ...) {
    va_list pairs;
    producer_t *p = NULL;
    va_start(pairs, servers);
    producer_config_t *c = config_with(servers, pairs);
    va_end(pairs);
    REQUIRE_OK(producer_new(c, &p));
    REQUIRE(p != NULL);
    producer_config_free(c);
    return p;
}

static inline producer_t *producer_at(producer_mock_cluster_t *m) {
    return producer_of(producer_mock_cluster_bootstrap_servers(m), "linger.ms", "1", NULL);
}

static inline producer_status_t send_text(producer_t *p, const char *topic, int32_t partition, const char *value, struct outcome *o) {
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = topic;
    r.partition = partition;
    r.value = value;
    r.value_len = strlen(value);
    return producer_send(p, &r, o ? on_outcome : NULL, o);
}

/* `count` records "<prefix><number>" to one partition, each accepted. */
static inline void send_numbered(producer_t *p, const char *topic, int32_t partition, const char *prefix, struct outcome *o, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char value[64];
        snprintf(value, sizeof value, "%s%zu", prefix, i);
        if (!CHECK_OK(send_text(p, topic, partition, value, &o[i]))) exit(1);
    }
}

/* Sends one record and waits for its acknowledgement: the producer is connected afterwards. Answers the leader's id. */
static inline int32_t warm_up(producer_t *p, const char *topic, int32_t partition) {
    struct outcome *o = outcomes_new(1);
    REQUIRE_OK(send_text(p, topic, partition, "warm-up", o));
    REQUIRE(wait_for_reports(p, o, 1, WAIT_MS));
    CHECK_ALL(o, 1, PRODUCER_OK);
    int32_t broker = o->broker_id;
    free(o);
    return broker;
}

/* Polls until health is `state`, or the deadline passes: what the reports told may be told there a moment later. */
static inline producer_health_t wait_for_health(producer_t *p, int32_t state) {
    producer_health_t h = PRODUCER_HEALTH_INIT;
    int64_t deadline = now_ms() + WAIT_MS;
    for (;;) {
        REQUIRE_OK(producer_health(p, &h));
        if (h.state == state || now_ms() > deadline) break;
        REQUIRE(producer_poll(p, 5) >= 0);
    }
    CHECK_INT(h.state, state);
    return h;
}

/* ---- the mock's log ---- */

static inline int64_t log_end(producer_mock_cluster_t *m, const char *topic, int32_t partition) {
    int64_t end = -1;
    REQUIRE_OK(producer_mock_cluster_end_offset(m, topic, partition, &end));
    return end;
}

struct log_search {
    const char *value;
    int64_t offset;
    size_t found;
};

static inline int log_search_visit(const producer_mock_record_t *r, void *opaque) {
    struct log_search *s = opaque;
    if (r->value_len == (int64_t)strlen(s->value) && memcmp(r->value, s->value, strlen(s->value)) == 0) {
        s->found++;
        s->offset = r->offset;
    }
    return 0;
}

/* How often a value lies in a partition's log. */
static inline size_t log_count(producer_mock_cluster_t *m, const char *topic, int32_t partition, const char *value) {
    struct log_search s = {value, -1, 0};
    if (log_end(m, topic, partition) > 0) REQUIRE_OK(producer_mock_cluster_records(m, topic, partition, 0, log_search_visit, &s));
    return s.found;
}

struct log_compare {
    struct outcome *o;
    const char *prefix;
    size_t count;
    size_t *copies;
};

static inline int log_compare_visit(const producer_mock_record_t *r, void *opaque) {
    struct log_compare *c = opaque;
    size_t length = strlen(c->prefix);
    char text[64] = "";
    if (r->value_len <= (int64_t)length || r->value_len >= (int64_t)sizeof text || memcmp(r->value, c->prefix, length) != 0) return 0;
    memcpy(text, r->value, (size_t)r->value_len);
    size_t i = strtoull(text + length, NULL, 10);
    if (!CHECK(i < c->count)) return 1;
    c->copies[i]++;
    if (c->o[i].persisted == PRODUCER_PERSISTED_NO) CHECK(!"a record reported as not in the log is in the log");
    if (c->o[i].status == PRODUCER_OK && c->o[i].offset >= 0 && c->copies[i] == 1) CHECK_INT(r->offset <= c->o[i].offset, 1);
    return 0;
}

/*
 * Holds the reports of send_numbered against the log: acknowledged is in it, "no" is not, nothing lies there twice unless
 * `duplicates` (retries without idempotence may repeat).
 */
static inline void check_log(producer_mock_cluster_t *m, const char *topic, int32_t partition, const char *prefix, struct outcome *o,
                             size_t count, bool duplicates) {
    struct log_compare c = {o, prefix, count, calloc(count, sizeof(size_t))};
    REQUIRE(c.copies != NULL);
    if (log_end(m, topic, partition) > 0) REQUIRE_OK(producer_mock_cluster_records(m, topic, partition, 0, log_compare_visit, &c));
    for (size_t i = 0; i < count; i++) {
        if (o[i].status == PRODUCER_OK && !CHECK(c.copies[i] >= 1)) break;
        if (!duplicates && !CHECK(c.copies[i] <= 1)) break;
    }
    free(c.copies);
}

#endif
