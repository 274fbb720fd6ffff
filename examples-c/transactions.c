/*
 * transactions [BROKERS [TOPIC [COUNT]]]
 *
 * Writes COUNT numbered transactions of ten records each, over all partitions of TOPIC, and can be killed at any moment:
 * started again, it goes on behind the last one that was committed. The number of that one travels in the transaction itself,
 * as the offset of a consumer group: committed together or not at all. Every seventh transaction is given up halfway once, as
 * a program does that finds out that it was wrong, and then made anew.
 *
 * With no broker named it starts a mock cluster inside this process, runs itself as a second process against it, kills that
 * with SIGKILL again and again in the middle of its work, and counts in the end what a read_committed consumer sees.
 *
 *     cc -std=c11 transactions.c $(pkg-config --cflags --libs kproducer) -o transactions
 */
#define _DEFAULT_SOURCE
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "committed_offset.h"
#include "kproducer.h"

#define TRANSACTIONAL_ID "transactions-example" /* the same after each restart: that is what fences and aborts */
#define PROGRESS_GROUP "transactions-example"
#define PARTITIONS 4
#define RECORDS 10
#define CALL_MS 10000 /* how long one call may take before it is made again */
#define KILLS 6

extern char **environ;

/* What has to happen after a call that failed. */
enum way { WENT_WELL, ABORT_AND_GO_ON, NEW_PRODUCER };

/*
 * The whole of error handling: call again, abort and go on, or make a new producer. Each status is one of the three; of a call
 * that was wrong in itself it is none, and that is a bug of this program.
 */
#define WITH_RETRIES(status, call)                                                                      \
    while (producer_status_is_retriable((status) = (call)))                                             \
        fprintf(stderr, "%s; calling again\n", producer_last_error())

static enum way way_out(producer_status_t status, const char *call) {
    if (status == PRODUCER_OK) return WENT_WELL;
    fprintf(stderr, "%s: %s: %s\n", call, producer_status_name(status), producer_last_error());
    if (producer_status_is_abortable(status)) return ABORT_AND_GO_ON;
    if (status == PRODUCER_ERR_PRODUCER_FENCED) {
        /* A new producer here would fence the other one in its turn, and so on for ever. */
        fprintf(stderr, "another process works under transactional.id=%s: leaving the work to it\n", TRANSACTIONAL_ID);
        exit(3);
    }
    if (producer_status_is_fatal(status)) return NEW_PRODUCER;
    exit(1);
}

static void must(producer_status_t status, const char *call) {
    if (status == PRODUCER_OK) return;
    fprintf(stderr, "%s: %s: %s\n", call, producer_status_name(status), producer_last_error());
    exit(1);
}

/* Failures of records need no handling of their own: the commit fails with the first of them. */
static void on_delivery(const producer_report_t *report, void *opaque) {
    (void)opaque;
    if (report->status != PRODUCER_OK && report->status != PRODUCER_ERR_TRANSACTION_ABORTED)
        fprintf(stderr, "%s [%" PRId32 "]: %s: %s\n", report->topic, report->partition, producer_status_name(report->status),
                report->error_text);
}

/* Steps are told on stdout, so that whoever started this process can kill it between any two. */
static void step(const char *what, int64_t number) {
    printf("%s %" PRId64 "\n", what, number);
    fflush(stdout);
}

static enum way send_records(producer_t *producer, const char *topic, int64_t number, int count, const char *what) {
    for (int i = 0; i < count; i++) {
        char key[32], value[64];
        producer_record_t record = PRODUCER_RECORD_INIT;
        snprintf(key, sizeof key, "%d", i);
        snprintf(value, sizeof value, "%s %" PRId64 " record %d", what, number, i);
        record.topic = topic;
        record.key = key, record.key_len = strlen(key);
        record.value = value, record.value_len = strlen(value);
        producer_status_t status;
        while (producer_status_is_retriable(status = producer_send(producer, &record, on_delivery, NULL)))
            producer_poll(producer, 100); /* the buffer is full: reports make room */
        enum way way = way_out(status, "producer_send");
        if (way != WENT_WELL) return way;
    }
    return WENT_WELL;
}

static enum way begin(producer_t *producer) {
    producer_status_t status;
    WITH_RETRIES(status, producer_begin_transaction(producer)); /* asks a broker only where the last one left a doubt */
    return way_out(status, "producer_begin_transaction");
}

/* One transaction: the records, and with them the fact that they have been written. */
static enum way transaction(producer_t *producer, const char *topic, int64_t number) {
    producer_status_t status;
    producer_offset_t progress = PRODUCER_OFFSET_INIT;
    producer_group_t group = PRODUCER_GROUP_INIT;
    enum way way = begin(producer);
    if (way != WENT_WELL) return way;
    step("begun", number);
    if ((way = send_records(producer, topic, number, RECORDS, "transaction")) != WENT_WELL) return way;
    step("sent", number);
    progress.topic = topic;
    progress.partition = 0;
    progress.offset = number;
    group.group_id = PROGRESS_GROUP;
    WITH_RETRIES(status, producer_send_offsets_to_transaction(producer, &progress, 1, &group, CALL_MS));
    if ((way = way_out(status, "producer_send_offsets_to_transaction")) != WENT_WELL) return way;
    step("counted", number);
    WITH_RETRIES(status, producer_commit_transaction(producer, CALL_MS));
    if ((way = way_out(status, "producer_commit_transaction")) != WENT_WELL) return way;
    step("committed", number);
    return WENT_WELL;
}

static enum way abort_it(producer_t *producer) {
    producer_status_t status;
    WITH_RETRIES(status, producer_abort_transaction(producer, CALL_MS));
    return way_out(status, "producer_abort_transaction");
}

/* A transaction that this program itself gives up. */
static enum way given_up(producer_t *producer, const char *topic, int64_t number) {
    enum way way = begin(producer);
    if (way == WENT_WELL) way = send_records(producer, topic, number, RECORDS / 2, "withdrawn");
    if (way == WENT_WELL && producer_flush(producer, CALL_MS) == PRODUCER_OK) step("withdrawing", number);
    return way == NEW_PRODUCER ? way : abort_it(producer);
}

static producer_t *start(const char *brokers) {
    producer_config_t *config;
    producer_t *producer;
    must(producer_config_new(&config), "producer_config_new");
    must(producer_config_set(config, "bootstrap.servers", brokers), "producer_config_set");
    must(producer_config_set(config, "transactional.id", TRANSACTIONAL_ID), "producer_config_set");
    must(producer_config_set(config, "transaction.timeout.ms", "60000"), "producer_config_set");
    must(producer_new(config, &producer), "producer_new");
    producer_config_free(config);
    return producer;
}

/* Works until a new producer is needed or everything is done; answers how far it came for certain. */
static int64_t work(producer_t *producer, const char *brokers, const char *topic, int64_t count) {
    producer_status_t status;
    int64_t done;
    /* Ends what an earlier process of this transactional.id left: its open transaction is aborted, itself shut out. */
    WITH_RETRIES(status, producer_init_transactions(producer, CALL_MS));
    must(status, "producer_init_transactions");
    /* Only now it is settled how far that came: it may have been killed in the middle of a commit. */
    if (!committed_offset(brokers, PROGRESS_GROUP, topic, 0, &done)) {
        fprintf(stderr, "no broker tells how far group %s has come\n", PROGRESS_GROUP);
        exit(1);
    }
    if (done < 0) done = 0;
    step("resumed", done);
    bool withdrawn = false;
    while (done < count) {
        int64_t number = done + 1;
        enum way way;
        if (number % 7 == 0 && !withdrawn) {
            way = given_up(producer, topic, number);
            withdrawn = true;
        } else if ((way = transaction(producer, topic, number)) == WENT_WELL) {
            done = number;
            withdrawn = false;
        } else if (way == ABORT_AND_GO_ON) {
            way = abort_it(producer); /* then the same number again: nothing of it was seen by anybody */
        }
        if (way == NEW_PRODUCER) break;
        producer_poll(producer, 0);
    }
    return done;
}

static int run_worker(const char *brokers, const char *topic, int64_t count) {
    for (int64_t done = 0; done < count;) {
        producer_t *producer = start(brokers);
        done = work(producer, brokers, topic, count);
        /* After a fatal error this only frees: whether the last commit went through, the next init makes certain. */
        if (producer_close(producer, CALL_MS) != PRODUCER_OK) fprintf(stderr, "producer_close: %s\n", producer_last_error());
    }
    return 0;
}

/* ---- the demo: a cluster, a worker, and somebody who kills it ---- */

/* Starts this program as a worker; its steps can be read from the answered stream. */
static pid_t start_worker(const char *program, const char *brokers, const char *topic, int64_t count, FILE **steps) {
    char count_text[32];
    int ends[2];
    pid_t worker;
    posix_spawn_file_actions_t actions;
    snprintf(count_text, sizeof count_text, "%" PRId64, count);
    char *arguments[] = {(char *)program, (char *)brokers, (char *)topic, count_text, NULL};
    if (pipe(ends) != 0 || posix_spawn_file_actions_init(&actions) != 0) exit(1);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    if (posix_spawnp(&worker, program, &actions, NULL, arguments, environ) != 0) {
        fprintf(stderr, "%s cannot be started\n", program);
        exit(1);
    }
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    *steps = fdopen(ends[0], "r");
    if (*steps == NULL) exit(1);
    return worker;
}

struct seen {
    int64_t count, repeated, withdrawn;
    unsigned *records; /* of each transaction: a bit per record */
};

static int look(const producer_mock_record_t *record, void *opaque) {
    struct seen *seen = opaque;
    char value[64];
    int64_t number;
    unsigned i;
    snprintf(value, sizeof value, "%.*s", (int)record->value_len, (const char *)record->value);
    if (sscanf(value, "transaction %" SCNd64 " record %u", &number, &i) != 2 || number < 1 || number > seen->count || i >= RECORDS) {
        seen->withdrawn++;
        return 0;
    }
    seen->repeated += seen->records[number] >> i & 1;
    seen->records[number] |= 1u << i;
    return 0;
}

static int look_at_result(const producer_mock_cluster_t *mock, const char *topic, int64_t count) {
    struct seen seen = {count, 0, 0, calloc((size_t)count + 1, sizeof(unsigned))};
    int64_t whole = 0, torn = 0, written = 0;
    if (seen.records == NULL) return 1;
    for (int32_t partition = 0; partition < PARTITIONS; partition++) {
        int64_t end;
        must(producer_mock_cluster_committed_records(mock, topic, partition, 0, look, &seen), "producer_mock_cluster_committed_records");
        must(producer_mock_cluster_end_offset(mock, topic, partition, &end), "producer_mock_cluster_end_offset");
        written += end;
    }
    for (int64_t number = 1; number <= count; number++) {
        if (seen.records[number] == (1u << RECORDS) - 1) whole++;
        else if (seen.records[number] != 0) torn++;
    }
    free(seen.records);
    printf("\nin the log           %" PRId64 " offsets, with what was withdrawn or never finished, and Kafka's own markers\n", written);
    printf("read_committed sees  %" PRId64 " of %" PRId64 " transactions with all of their %d records\n", whole, count, RECORDS);
    printf("torn transactions    %" PRId64 "\nrepeated records     %" PRId64 "\nwithdrawn, yet seen  %" PRId64 "\n", torn, seen.repeated,
           seen.withdrawn);
    return whole == count && seen.repeated == 0 && seen.withdrawn == 0 ? 0 : 1;
}

static int run_demo(const char *program, const char *topic, int64_t count) {
    producer_mock_cluster_t *mock = NULL;
    must(producer_mock_cluster_new(3, &mock), "producer_mock_cluster_new");
    must(producer_mock_cluster_topic_create(mock, topic, PARTITIONS, 3), "producer_mock_cluster_topic_create");
    const char *brokers = producer_mock_cluster_bootstrap_servers(mock);
    printf("a mock cluster at %s; %" PRId64 " transactions, and a worker that is killed %d times\n", brokers, count, KILLS);
    unsigned random = 20260101;
    int ended = -1;
    for (int life = 1; ended != 0; life++) {
        FILE *steps;
        char line[128] = "";
        pid_t worker = start_worker(program, brokers, topic, count, &steps);
        random = random * 1664525u + 1013904223u;
        /* Each life is long enough to come a little further, and ends between two steps of some transaction. */
        int64_t steps_left = life <= KILLS ? (int64_t)(random >> 16) % (count * 4 / KILLS) + 3 : INT64_MAX;
        while (steps_left-- > 0 && fgets(line, sizeof line, steps) != NULL)
            if (strncmp(line, "resumed", 7) == 0) printf("process %d goes on behind transaction %s", life, line + 8);
        if (steps_left < 0) {
            kill(worker, SIGKILL);
            printf("process %d is killed behind: %s", life, line);
        }
        fclose(steps);
        if (waitpid(worker, &ended, 0) != worker) exit(1);
        if (WIFEXITED(ended) && WEXITSTATUS(ended) != 0) {
            fprintf(stderr, "the worker ended with %d\n", WEXITSTATUS(ended));
            return 1;
        }
    }
    int result = look_at_result(mock, topic, count);
    producer_mock_cluster_free(mock);
    return result;
}

int main(int argc, char **argv) {
    const char *brokers = argc > 1 && *argv[1] ? argv[1] : NULL;
    const char *topic = argc > 2 && *argv[2] ? argv[2] : "transactions";
    int64_t count = argc > 3 ? strtoll(argv[3], NULL, 10) : 1000;
    if (count < 1 || count > 10000000) {
        fprintf(stderr, "usage: %s [BROKERS [TOPIC [COUNT]]]\n", argv[0]);
        return 2;
    }
    return brokers != NULL ? run_worker(brokers, topic, count) : run_demo(argv[0], topic, count);
}
