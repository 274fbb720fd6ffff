/*
 * What perf.c and its librdkafka twin share, so that both are measured alike: the command line, the latency histogram,
 * the counters of the operating system and the printed result.
 */
#ifndef PERF_COMMON_H
#define PERF_COMMON_H

#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define PERF_PROPERTIES_MAX 64
#define PERF_SUB_BUCKETS 32 /* per power of two of microseconds: percentiles are right to 3 % */

enum perf_keys { PERF_KEYS_NONE, PERF_KEYS_RANDOM8, PERF_KEYS_SEQUENCE };

struct perf_options {
    const char *brokers, *topic, *acks, *idempotence;
    size_t record_size;
    uint64_t count;
    int32_t partitions; /* above 0: explicit partitions in turn; 0: the partitioner chooses */
    enum perf_keys keys;
    uint64_t poll_every;
    bool callback, csv;
    uint64_t ping;       /* above 0: this many round trips instead of a flood */
    unsigned idle_s;     /* above 0: send one record, then count the wake-ups of so many seconds */
    uint64_t burst;      /* above 0: how fast so many records are taken, with a flush before the next burst */
    const char *lines;   /* the values are this file's lines, all of one length, in turn */
    const char *property[PERF_PROPERTIES_MAX], *value[PERF_PROPERTIES_MAX];
    int properties;
};

struct perf_histogram {
    uint64_t count[64 * PERF_SUB_BUCKETS], total;
    int64_t max_us;
};

struct perf_usage {
    double wall_s, cpu_s;
};

/* Values of `size` bytes, one behind the other, each followed by one byte. */
struct perf_values {
    char *bytes;
    size_t size, count, next;
};

static inline void perf_usage_now(struct perf_usage *u) {
    struct timespec t;
    struct rusage r;
    clock_gettime(CLOCK_MONOTONIC, &t);
    getrusage(RUSAGE_SELF, &r);
    u->wall_s = (double)t.tv_sec + (double)t.tv_nsec / 1e9;
    u->cpu_s = (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static inline void perf_histogram_add(struct perf_histogram *h, int64_t signed_us) {
    uint64_t us = signed_us < 0 ? 0 : (uint64_t)signed_us;
    unsigned power = 0;
    if (us >= 2 * PERF_SUB_BUCKETS) power = 58u - (unsigned)__builtin_clzll(us); /* leaves 32..63, the sub-bucket */
    h->count[us < PERF_SUB_BUCKETS ? (size_t)us : power * PERF_SUB_BUCKETS + (size_t)(us >> power)]++;
    h->total++;
    if ((int64_t)us > h->max_us) h->max_us = (int64_t)us;
}

static inline double perf_histogram_us(const struct perf_histogram *h, double quantile) {
    uint64_t want = (uint64_t)(quantile * (double)h->total), sum = 0;
    for (size_t i = 0; i < sizeof h->count / sizeof *h->count; i++) {
        sum += h->count[i];
        if (sum > want) {
            size_t power = i < 2 * PERF_SUB_BUCKETS ? 0 : i / PERF_SUB_BUCKETS - 1;
            return (double)((uint64_t)(i - power * PERF_SUB_BUCKETS) << power);
        }
    }
    return (double)h->max_us;
}

/* A number of /proc/<where>/status, or 0 where there is none. */
static inline uint64_t perf_proc_status(const char *path, const char *name) {
    char line[256];
    uint64_t number = 0;
    FILE *f = fopen(path, "r");
    if (f == NULL) return 0;
    while (fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':') number = strtoull(line + strlen(name) + 1, NULL, 10);
    fclose(f);
    return number;
}

/* The high-water mark of resident memory. ru_maxrss would start from the parent's, since it survives exec. */
static inline uint64_t perf_peak_kib(void) {
    uint64_t kib = perf_proc_status("/proc/self/status", "VmHWM");
    struct rusage r;
    if (kib == 0 && getrusage(RUSAGE_SELF, &r) == 0) kib = (uint64_t)r.ru_maxrss;
    return kib;
}

/* How often any thread of this process went to sleep by itself so far: each such sleep ends in one wake-up. */
static inline uint64_t perf_voluntary_switches(void) {
    uint64_t sum = 0;
    struct dirent *entry;
    DIR *tasks = opendir("/proc/self/task");
    if (tasks == NULL) return 0;
    while ((entry = readdir(tasks)) != NULL) {
        char path[300];
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
        sum += perf_proc_status(path, "voluntary_ctxt_switches");
    }
    closedir(tasks);
    return sum;
}

static inline uint64_t perf_random(uint64_t *state) { /* xorshift64* */
    uint64_t x = *state;
    x ^= x >> 12, x ^= x << 25, x ^= x >> 27;
    *state = x;
    return x * 0x2545F4914F6CDD1DULL;
}

/* One value of random letters, or those of the file. */
static inline void perf_values_make(struct perf_values *v, struct perf_options *o) {
    uint64_t random = 1;
    memset(v, 0, sizeof *v);
    if (o->lines != NULL) {
        FILE *f = fopen(o->lines, "rb");
        long len = f != NULL && fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
        v->bytes = len > 0 ? malloc((size_t)len) : NULL;
        if (v->bytes == NULL || fseek(f, 0, SEEK_SET) != 0 || fread(v->bytes, 1, (size_t)len, f) != (size_t)len) {
            fprintf(stderr, "--lines %s: cannot be read or is empty\n", o->lines);
            exit(1);
        }
        fclose(f);
        const char *end = memchr(v->bytes, '\n', (size_t)len);
        o->record_size = end != NULL ? (size_t)(end - v->bytes) : 0;
        for (size_t at = o->record_size; end != NULL && at < (size_t)len; at += o->record_size + 1)
            if (v->bytes[at] != '\n') end = NULL;
        if (end == NULL || (size_t)len % (o->record_size + 1) != 0) {
            fprintf(stderr, "--lines %s: its lines are not all of one length\n", o->lines);
            exit(1);
        }
        v->count = (size_t)len / (o->record_size + 1);
    } else {
        v->bytes = malloc(o->record_size + 1);
        if (v->bytes == NULL) exit(1);
        for (size_t i = 0; i < o->record_size; i++) v->bytes[i] = (char)('a' + perf_random(&random) % 26);
        v->count = 1;
    }
    v->size = o->record_size;
}

static inline const char *perf_values_next(struct perf_values *v) {
    const char *value = v->bytes + v->next * (v->size + 1);
    if (++v->next == v->count) v->next = 0;
    return value;
}

static inline void perf_usage_text(const char *program) {
    fprintf(stderr,
            "usage: %s [--brokers HOST:PORT,...] [--topic T] [--record-size BYTES] [--count N]\n"
            "  [--partitions N]             explicit partitions 0..N-1 in turn; without it the partitioner chooses\n"
            "  [--keys none|random8|seq]    8-byte keys\n"
            "  [--acks 0|1|all]\n"
            "  [--idempotence true|false]   without it: as acks allows, true with all\n"
            "  [--property NAME=VALUE]...\n"
            "  [--poll-every RECORDS] [--no-callback] [--csv]\n"
            "  [--lines FILE]               the values are the file's lines, all of one length, in turn\n"
            "  [--burst N]                  how fast N records at a time are taken, flushed between\n"
            "  [--ping N]                   N single round trips, linger.ms=0\n"
            "  [--idle SECONDS]             wake-ups of a connected producer that has nothing to do\n",
            program);
    exit(2);
}

static inline void perf_parse(struct perf_options *o, int argc, char **argv) {
    memset(o, 0, sizeof *o);
    o->topic = "perf", o->acks = "all", o->record_size = 100, o->count = 1000000, o->poll_every = 1000, o->callback = true;
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(name, "--no-callback") == 0) { o->callback = false; continue; }
        if (strcmp(name, "--csv") == 0) { o->csv = true; continue; }
        if (value == NULL) perf_usage_text(argv[0]);
        i++;
        if (strcmp(name, "--brokers") == 0) o->brokers = value;
        else if (strcmp(name, "--topic") == 0) o->topic = value;
        else if (strcmp(name, "--acks") == 0) o->acks = value;
        else if (strcmp(name, "--idempotence") == 0) o->idempotence = value;
        else if (strcmp(name, "--record-size") == 0) o->record_size = strtoull(value, NULL, 10);
        else if (strcmp(name, "--count") == 0) o->count = strtoull(value, NULL, 10);
        else if (strcmp(name, "--partitions") == 0) o->partitions = (int32_t)strtol(value, NULL, 10);
        else if (strcmp(name, "--poll-every") == 0) o->poll_every = strtoull(value, NULL, 10);
        else if (strcmp(name, "--ping") == 0) o->ping = strtoull(value, NULL, 10);
        else if (strcmp(name, "--burst") == 0) o->burst = strtoull(value, NULL, 10);
        else if (strcmp(name, "--lines") == 0) o->lines = value;
        else if (strcmp(name, "--idle") == 0) o->idle_s = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(name, "--keys") == 0 && strcmp(value, "none") == 0) o->keys = PERF_KEYS_NONE;
        else if (strcmp(name, "--keys") == 0 && strcmp(value, "random8") == 0) o->keys = PERF_KEYS_RANDOM8;
        else if (strcmp(name, "--keys") == 0 && strcmp(value, "seq") == 0) o->keys = PERF_KEYS_SEQUENCE;
        else if (strcmp(name, "--property") == 0 && strchr(value, '=') != NULL && o->properties < PERF_PROPERTIES_MAX) {
            char *equals = strchr(argv[i], '=');
            *equals = '\0';
            o->property[o->properties] = argv[i];
            o->value[o->properties++] = equals + 1;
        } else perf_usage_text(argv[0]);
    }
    if (o->poll_every == 0) o->poll_every = 1;
    if (o->idempotence == NULL) o->idempotence = strcmp(o->acks, "all") == 0 || strcmp(o->acks, "-1") == 0 ? "true" : "false";
    if (o->count == 0 || o->partitions < 0) perf_usage_text(argv[0]);
}

static inline const char *perf_keys_name(enum perf_keys keys) {
    return keys == PERF_KEYS_RANDOM8 ? "random8" : keys == PERF_KEYS_SEQUENCE ? "seq" : "none";
}

static inline void perf_print(const struct perf_options *o, const char *client, const struct perf_histogram *h,
                              const struct perf_usage *from, const struct perf_usage *to, uint64_t acknowledged, uint64_t failed) {
    double wall_s = to->wall_s - from->wall_s;
    uint64_t finished = o->callback || o->ping ? acknowledged : o->count;
    double rate = (double)finished / wall_s, cpu_ns = (to->cpu_s - from->cpu_s) * 1e9 / (double)(finished ? finished : 1);
    double bytes = (double)(o->record_size + (o->keys == PERF_KEYS_NONE ? 0 : 8));
    printf("%s: %" PRIu64 " records of %zu bytes in %.3f s: %.0f records/s, %.1f MB/s\n", client, finished, o->record_size,
           wall_s, rate, rate * bytes / 1e6);
    if (h->total > 0)
        printf("  %s p50 %.0f us, p95 %.0f us, p99 %.0f us, p99.9 %.0f us, max %" PRId64 " us\n",
               o->ping ? "round trip" : "latency", perf_histogram_us(h, 0.5), perf_histogram_us(h, 0.95),
               perf_histogram_us(h, 0.99), perf_histogram_us(h, 0.999), h->max_us);
    printf("  CPU %.0f ns per record, peak memory %.1f MiB, failed %" PRIu64 "\n", cpu_ns, (double)perf_peak_kib() / 1024.0, failed);
    if (o->csv) {
        printf("csv_header,client,mode,record_size,count,partitions,keys,acks,wall_s,records_per_s,mb_per_s,p50_us,p95_us,"
               "p99_us,p999_us,max_us,cpu_ns_per_record,peak_kib,failed\n");
        printf("csv,%s,%s,%zu,%" PRIu64 ",%" PRId32 ",%s,%s,%.6f,%.0f,%.3f,%.0f,%.0f,%.0f,%.0f,%" PRId64 ",%.1f,%" PRIu64
               ",%" PRIu64 "\n", client, o->ping ? "ping" : "flood", o->record_size, finished, o->partitions,
               perf_keys_name(o->keys), o->acks, wall_s, rate, rate * bytes / 1e6, perf_histogram_us(h, 0.5),
               perf_histogram_us(h, 0.95), perf_histogram_us(h, 0.99), perf_histogram_us(h, 0.999), h->max_us, cpu_ns,
               perf_peak_kib(), failed);
    }
}

/* Sleeps `idle_s` and prints what the client did meanwhile. The sleep itself is one wake-up of this thread, taken off. */
static inline void perf_idle(const struct perf_options *o, const char *client) {
    struct timespec settle = {2, 0}, span = {(time_t)o->idle_s, 0};
    struct perf_usage from, to;
    nanosleep(&settle, NULL);
    perf_usage_now(&from);
    uint64_t before = perf_voluntary_switches();
    nanosleep(&span, NULL);
    uint64_t woken = perf_voluntary_switches() - before;
    perf_usage_now(&to);
    double wakeups_per_s = (double)(woken > 0 ? woken - 1 : 0) / (double)o->idle_s;
    uint64_t threads = perf_proc_status("/proc/self/status", "Threads"), rss = perf_proc_status("/proc/self/status", "VmRSS");
    double cpu_us_per_s = (to.cpu_s - from.cpu_s) * 1e6 / (double)o->idle_s;
    printf("%s idle: %.2f wake-ups/s, %" PRIu64 " threads, %.1f MiB resident, %.0f us of CPU per second\n", client, wakeups_per_s,
           threads, (double)rss / 1024.0, cpu_us_per_s);
    if (o->csv) printf("csv_idle,%s,%.3f,%" PRIu64 ",%" PRIu64 ",%.1f\n", client, wakeups_per_s, threads, rss, cpu_us_per_s);
}

#endif
