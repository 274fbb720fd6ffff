/*
 * txn_load --run R --seed S --topics A,B --partitions N --records-max M --journal FILE [--transactions C]
 *          [--property NAME=VALUE]...
 *
 * Runs transactions of 1 to M records over several topics and partitions, seven in ten to be committed, the others to be
 * aborted, until standard input ends or C are done. It handles errors as docs/TRANSACTIONS.md tells: retriable: the same call
 * again; abortable: abort and go on; fatal: a new producer. A record's value is "R TRANSACTION INDEX COUNT FATE ", then dots.
 *
 *   output   ended TRANSACTION RESULT, renewed NAME TEXT, loss ..., closed   (fields separated by tabs)
 *   journal  begin TRANSACTION COUNT FATE          nothing of it was sent before
 *            commit TRANSACTION                    from here on it may become visible
 *            place TRANSACTION INDEX TOPIC PARTITION OFFSET      where the reports of a committed one say its records are
 *            end TRANSACTION RESULT NAME           RESULT: committed, aborted or unknown; NAME: the status that decided
 *            close STATUS                          the producer is closed, nothing is outstanding
 * Each line reaches the file before the call that it announces: it can be read after a SIGKILL.
 */
#include "tool.h"

#include <poll.h>

#define CALL_MS 5000   /* of one call: short, so that calls are resumed often */
#define GIVE_UP_MS 240000 /* of one call with all its repetitions */
#define TOPICS_MAX 8

enum verdict { DONE, ABORT, RENEW };

struct place {
    const char *topic; /* NULL: no report yet, or a failed record */
    int64_t offset;
    int32_t partition;
};

static producer_config_t *config;
static producer_t *producer;
static const char *run, *topics[TOPICS_MAX];
static size_t topic_count, records_max;
static uint64_t state, partitions;
static FILE *journal;
static uint64_t transaction; /* the one that is open, from 1 on */
static struct place *places; /* of its records */
static uint64_t accepted, reported;
static char last_name[64];

static uint64_t next_random(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* 1 to records_max, each order of magnitude about as often, beginning with the two ends. */
static size_t random_count(void) {
    static int made;
    size_t limit = records_max;
    if (made < 2) return made++ == 0 ? 1 : records_max;
    while (limit > 1 && next_random() % 2 == 0) limit = limit / 4 + 1;
    return 1 + next_random() % limit;
}

static void note(const char *line) {
    if (fputs(line, journal) < 0 || fflush(journal) != 0) {
        perror("journal");
        exit(1);
    }
}

static void on_delivery(const producer_report_t *report, void *opaque) {
    uint64_t which = (uint64_t)(uintptr_t)opaque;
    reported++;
    if (which >> 16 != transaction || report->status != PRODUCER_OK) return;
    struct place *place = &places[which & 0xffff];
    if (place->topic) {
        fprintf(stderr, "record %" PRIu64 " of transaction %" PRIu64 " is reported twice\n", which & 0xffff, transaction);
        exit(1);
    }
    *place = (struct place){report->topic, report->offset, report->partition};
}

/* What is to be done after a call. A status of no class is a mistake of this program or of the library. */
static enum verdict judge(producer_status_t status, const char *call) {
    snprintf(last_name, sizeof last_name, "%s", producer_status_name(status));
    if (status == PRODUCER_OK) return DONE;
    fprintf(stderr, "run %s transaction %" PRIu64 ": %s: %s (%s): %s\n", run, transaction, call, last_name,
            class_of(status), producer_last_error());
    if (producer_status_is_fatal(status)) return RENEW;
    if (producer_status_is_abortable(status)) return ABORT;
    fprintf(stderr, "%s: a status without a class\n", call);
    exit(1);
}

/* The same call again while its status says so. */
static enum verdict repeat(producer_status_t (*call)(producer_t *, int32_t), const char *name) {
    int64_t give_up = now_ns() + (int64_t)GIVE_UP_MS * 1000000;
    producer_status_t status;
    do {
        status = call(producer, CALL_MS);
        if (now_ns() > give_up) {
            fprintf(stderr, "%s: no end after %d ms: %s\n", name, GIVE_UP_MS, producer_last_error());
            exit(1);
        }
    } while (producer_status_is_retriable(status));
    return judge(status, name);
}

/* Beginning may wait for brokers, too, when the last transaction left doubts. */
static producer_status_t begin(producer_t *p, int32_t unused) {
    (void)unused;
    return producer_begin_transaction(p);
}

static void start_producer(void) {
    for (;;) {
        must(producer_new(config, &producer), "producer_new");
        enum verdict verdict = repeat(producer_init_transactions, "producer_init_transactions");
        if (verdict == DONE) return;
        /* Nothing is open after initialisation: whatever is no success is answered with a new producer. */
        producer_close(producer, 0);
    }
}

static void renew(void) {
    printf("renewed\t%s\t", last_name);
    print_text(stdout, producer_last_error());
    fflush(stdout);
    producer_close(producer, 0);
    start_producer();
}

static enum verdict send_records(size_t count, char fate) {
    producer_record_t record = PRODUCER_RECORD_INIT;
    char value[256];
    for (size_t i = 0; i < count; i++) {
        int length = snprintf(value, sizeof value, "%s %" PRIu64 " %zu %zu %c ", run, transaction, i, count, fate);
        size_t padded = (size_t)length + next_random() % 100;
        memset(value + length, '.', padded - (size_t)length);
        record.topic = topics[next_random() % topic_count];
        record.partition = (int32_t)(next_random() % partitions);
        record.value = value;
        record.value_len = padded;
        producer_status_t status;
        while (producer_status_is_retriable(
            status = producer_send(producer, &record, on_delivery, (void *)(uintptr_t)(transaction << 16 | i))))
            producer_poll(producer, 100);
        enum verdict verdict = judge(status, "producer_send");
        if (verdict != DONE) return verdict;
        accepted++;
        if (i % 500 == 0) producer_poll(producer, 0);
    }
    return DONE;
}

static void note_places(size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!places[i].topic) {
            fprintf(stderr, "transaction %" PRIu64 " is committed without a report of success for record %zu\n", transaction, i);
            exit(1);
        }
        fprintf(journal, "place\t%" PRIu64 "\t%zu\t%s\t%" PRId32 "\t%" PRId64 "\n", transaction, i, places[i].topic,
                places[i].partition, places[i].offset);
    }
}

static void run_transaction(void) {
    char line[128];
    size_t count = random_count();
    char fate = next_random() % 10 < 7 ? 'c' : 'a';
    memset(places, 0, (count + 1) * sizeof *places);
    transaction++;
    enum verdict verdict = repeat(begin, "producer_begin_transaction");
    if (verdict == RENEW) {
        renew();
        verdict = repeat(begin, "producer_begin_transaction");
    }
    if (verdict != DONE) exit(1);
    snprintf(line, sizeof line, "begin\t%" PRIu64 "\t%zu\t%c\n", transaction, count, fate);
    note(line);
    verdict = send_records(count, fate);
    const char *result = "aborted";
    if (verdict == DONE && fate == 'c') {
        snprintf(line, sizeof line, "commit\t%" PRIu64 "\n", transaction);
        note(line);
        verdict = repeat(producer_commit_transaction, "producer_commit_transaction");
        if (verdict == DONE) {
            result = "committed";
            note_places(count);
        }
        /* The outcome of a commit that met a fatal error is not known. */
        if (verdict == RENEW) result = "unknown";
    } else if (verdict == DONE) {
        verdict = ABORT;
    }
    if (verdict == ABORT) {
        char decided[sizeof last_name];
        snprintf(decided, sizeof decided, "%s", last_name);
        /* What an abort that fails leaves open, the next producer's initialisation aborts. */
        verdict = repeat(producer_abort_transaction, "producer_abort_transaction");
        if (verdict == ABORT) {
            fprintf(stderr, "producer_abort_transaction asks for an abort\n");
            exit(1);
        }
        if (verdict == DONE) snprintf(last_name, sizeof last_name, "%s", decided);
    }
    snprintf(line, sizeof line, "end\t%" PRIu64 "\t%s\t%s\n", transaction, result, last_name);
    note(line);
    printf("ended\t%" PRIu64 "\t%s\n", transaction, result);
    fflush(stdout);
    if (verdict == RENEW) renew();
}

static bool input_ended(void) {
    struct pollfd input = {.fd = 0, .events = POLLIN};
    char byte;
    if (poll(&input, 1, 0) <= 0) return false;
    return fread(&byte, 1, 1, stdin) == 0;
}

int main(int argc, char **argv) {
    run = option(argc, argv, "--run", NULL);
    state = (uint64_t)number_option(argc, argv, "--seed", NULL) * 2654435761u + 88172645463325252u;
    partitions = (uint64_t)number_option(argc, argv, "--partitions", NULL);
    records_max = (size_t)number_option(argc, argv, "--records-max", NULL);
    uint64_t last = (uint64_t)number_option(argc, argv, "--transactions", "1000000000");
    char *names = strdup(option(argc, argv, "--topics", NULL)), *rest = NULL;
    for (char *name = strtok_r(names, ",", &rest); name && topic_count < TOPICS_MAX; name = strtok_r(NULL, ",", &rest))
        topics[topic_count++] = name;
    if (topic_count == 0 || partitions == 0 || records_max == 0 || records_max > 0xffff) return 2;
    places = calloc(records_max + 1, sizeof *places);
    journal = fopen(option(argc, argv, "--journal", NULL), "w");
    if (!places || !journal) {
        perror("txn_load");
        return 1;
    }
    config = config_of(argc, argv);
    start_producer();
    puts("started");
    fflush(stdout);
    while (transaction < last && !input_ended()) run_transaction();
    producer_status_t closed = producer_close(producer, GIVE_UP_MS);
    if (closed == PRODUCER_OK && accepted != reported) {
        fprintf(stderr, "%" PRIu64 " records were accepted, %" PRIu64 " were reported\n", accepted, reported);
        return 1;
    }
    char line[64];
    snprintf(line, sizeof line, "close\t%" PRId32 "\n", closed);
    note(line);
    printf("closed\t%" PRId32 "\n", closed);
    producer_config_free(config);
    fclose(journal);
    free(places);
    free(names);
    return 0;
}
