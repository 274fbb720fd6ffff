/*
 * bulk --topic T --partitions N --count C --per-second R --value-len L --journal FILE [--property NAME=VALUE]...
 *
 * Sends C numbered records, in turn to N partitions, and writes down what became of each. Record n goes to partition
 * n mod N; its value is n in 12 digits and then bytes that follow from n, 12 to 12 + L of them in all.
 *
 *   output   progress SENT REPORTED ACKNOWLEDGED    several times a second
 *            sent                                   all were accepted or refused
 *            loss TOPIC PARTITION OFFSET TEXT       the data-loss callback
 *            health STATE TEXT                      whenever the state has changed
 *            reloaded STATUS TEXT                   what producer_tls_reload returned
 *            closed FLUSH_STATUS CLOSE_STATUS       the journal is complete
 *   input    reload                                 calls producer_tls_reload
 *            stop                                   the records sent so far are all
 *   journal  one line per record, in order: OUTCOME STATUS OFFSET ATTEMPTS; the outcome is `yes`, `maybe`, `no` as the report
 *            says, `refused` or `none` (no report)          (fields separated by tabs)
 */
#include "tool.h"

#include <pthread.h>
#include <stdatomic.h>

#define POLL_MS 20
#define FINISH_MS 240000
#define PROGRESS_NS 250000000

enum outcome { NONE, YES, MAYBE, NO, REFUSED };
static const char *const outcome_names[] = {"none", "yes", "maybe", "no", "refused"};

struct fate {
    int64_t offset;
    producer_status_t status;
    uint16_t attempts;
    uint8_t outcome;
};

static producer_t *producer;
static struct fate *fates;
static size_t count;
static atomic_size_t reported, acknowledged;
static atomic_bool finishing, enough;

static void on_delivery(const producer_report_t *report, void *opaque) {
    struct fate *fate = &fates[(uintptr_t)opaque];
    if (fate->outcome != NONE) {
        fprintf(stderr, "record %zu is reported twice\n", (size_t)(uintptr_t)opaque);
        exit(1);
    }
    fate->outcome = report->persisted == PRODUCER_PERSISTED_YES ? YES : report->persisted == PRODUCER_PERSISTED_NO ? NO : MAYBE;
    if ((report->status == PRODUCER_OK) != (fate->outcome == YES)) {
        fprintf(stderr, "record %zu: status %s, persisted %s\n", (size_t)(uintptr_t)opaque,
                producer_status_name(report->status), outcome_names[fate->outcome]);
        exit(1);
    }
    fate->status = report->status;
    fate->offset = report->offset;
    fate->attempts = (uint16_t)(report->attempts > UINT16_MAX ? UINT16_MAX : report->attempts);
    atomic_fetch_add(&reported, 1);
    if (report->status == PRODUCER_OK) atomic_fetch_add(&acknowledged, 1);
}

static void show_health(int32_t *known) {
    producer_health_t health = PRODUCER_HEALTH_INIT;
    if (!producer_health || producer_health(producer, &health) != PRODUCER_OK || health.state == *known) return;
    *known = health.state;
    flockfile(stdout);
    printf("health\t%" PRId32 "\t", health.state);
    print_text(stdout, health.text);
    fflush(stdout);
    funlockfile(stdout);
}

static void *poll_reports(void *unused) {
    (void)unused;
    int32_t health = PRODUCER_HEALTH_CONNECTING;
    while (!atomic_load(&finishing)) {
        int32_t polled = producer_poll(producer, POLL_MS);
        if (polled < 0) must(polled, "producer_poll");
        show_health(&health);
    }
    return NULL;
}

static void *obey(void *unused) {
    (void)unused;
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        if (strcmp(line, "stop\n") == 0) {
            atomic_store(&enough, true);
            continue;
        }
        if (strcmp(line, "reload\n") != 0) exit(2);
        producer_status_t status = producer_tls_reload ? producer_tls_reload(producer) : PRODUCER_ERR_STATE;
        flockfile(stdout);
        printf("reloaded\t%" PRId32 "\t", status);
        print_text(stdout, status == PRODUCER_OK ? NULL : producer_last_error());
        fflush(stdout);
        funlockfile(stdout);
    }
    return NULL;
}

static void show_progress(size_t sent) {
    flockfile(stdout);
    printf("progress\t%zu\t%zu\t%zu\n", sent, atomic_load(&reported), atomic_load(&acknowledged));
    fflush(stdout);
    funlockfile(stdout);
}

/* Fills in the value of a record and returns its length. */
static size_t make_value(char *value, size_t number, size_t spread) {
    char digits[24];
    snprintf(digits, sizeof digits, "%012zu", number);
    memcpy(value, digits, 12);
    size_t length = 12 + (spread ? number * 7919 % (spread + 1) : 0);
    for (size_t i = 12; i < length; i++) value[i] = (char)(unsigned char)((number * 31 + i) & 0xff);
    return length;
}

static void write_journal(const char *path) {
    FILE *journal = fopen(path, "w");
    if (!journal) {
        perror(path);
        exit(1);
    }
    for (size_t i = 0; i < count; i++)
        fprintf(journal, "%s\t%" PRId32 "\t%" PRId64 "\t%u\n", outcome_names[fates[i].outcome], fates[i].status,
                fates[i].offset, fates[i].attempts);
    if (fclose(journal) != 0) {
        perror(path);
        exit(1);
    }
}

int main(int argc, char **argv) {
    const char *topic = option(argc, argv, "--topic", NULL), *journal = option(argc, argv, "--journal", NULL);
    size_t partitions = (size_t)number_option(argc, argv, "--partitions", NULL);
    size_t spread = (size_t)number_option(argc, argv, "--value-len", "100");
    int64_t per_second = number_option(argc, argv, "--per-second", NULL);
    count = (size_t)number_option(argc, argv, "--count", NULL);
    fates = calloc(count + 1, sizeof *fates);
    char *value = malloc(12 + spread + 1);
    if (!fates || !value || partitions == 0 || per_second == 0) return 2;

    producer_config_t *config = config_of(argc, argv);
    must(producer_new(config, &producer), "producer_new");
    producer_config_free(config);
    pthread_t poller;
    if (pthread_create(&poller, NULL, poll_reports, NULL) != 0) return 1;
    pthread_t obeyer;
    if (pthread_create(&obeyer, NULL, obey, NULL) != 0) return 1;

    producer_record_t record = PRODUCER_RECORD_INIT;
    record.topic = topic;
    record.value = value;
    int64_t started = now_ns(), shown = started;
    for (size_t number = 0; number < count; number++) {
        record.partition = (int32_t)(number % partitions);
        record.value_len = make_value(value, number, spread);
        producer_status_t status;
        /* Full buffers are waited for: nothing of the load is left out. */
        do status = producer_send(producer, &record, on_delivery, (void *)(uintptr_t)number);
        while (status == PRODUCER_ERR_QUEUE_FULL || status == PRODUCER_ERR_REPORTS_NOT_TAKEN);
        if (status != PRODUCER_OK) {
            fprintf(stderr, "record %zu is refused: %s: %s\n", number, producer_status_name(status), producer_last_error());
            fates[number].outcome = REFUSED;
            fates[number].status = status;
        }
        if (number % 128 == 0) {
            if (atomic_load(&enough)) count = number + 1;
            sleep_until(started + (int64_t)((double)number / (double)per_second * 1e9));
            if (now_ns() - shown > PROGRESS_NS) {
                shown = now_ns();
                show_progress(number + 1);
            }
        }
    }
    show_progress(count);
    puts("sent");
    fflush(stdout);
    producer_status_t flushed = producer_flush(producer, FINISH_MS);
    if (flushed != PRODUCER_OK) fprintf(stderr, "producer_flush: %s\n", producer_last_error());
    atomic_store(&finishing, true);
    pthread_join(poller, NULL);
    /* Its input ends with this program's; until then it may still reload, before and after close. */
    pthread_detach(obeyer);
    producer_status_t closed = producer_close(producer, FINISH_MS);
    if (closed != PRODUCER_OK) fprintf(stderr, "producer_close: %s\n", producer_last_error());
    write_journal(journal);
    show_progress(count);
    printf("closed\t%" PRId32 "\t%" PRId32 "\n", flushed, closed);
    free(value);
    free(fates);
    return 0;
}
