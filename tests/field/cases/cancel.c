/* A thread with a pending pthread_cancel (as rsyslog ends workers that are late) calls into the library. The process lives on,
 * and the producer still works from other threads. */
#define _GNU_SOURCE
#include <kproducer.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum call { SEND, POLL, FLUSH, FUTURE, STATS, CALLS };
static const char *const names[CALLS] = {"send", "poll", "send and flush", "future", "stats and metadata"};
static producer_t *producer;
static enum call call;
static atomic_long reports;

static void reported(const producer_report_t *report, void *opaque) {
    (void)report;
    (void)opaque;
    atomic_fetch_add(&reports, 1);
}

static producer_status_t send_to(const char *topic) {
    producer_record_t record = PRODUCER_RECORD_INIT;
    record.topic = topic;
    record.value = "v";
    record.value_len = 1;
    return producer_send(producer, &record, reported, NULL);
}

static void wait_for_future(void) {
    producer_record_t record = PRODUCER_RECORD_INIT;
    record.topic = "t";
    producer_future_t *future = NULL;
    if (producer_send_future(producer, &record, &future)) return;
    producer_future_await(future, 1000, NULL);
    producer_future_free(future);
}

static void ask(void) {
    producer_stats_t stats = PRODUCER_STATS_INIT;
    producer_metadata_t *metadata = NULL;
    producer_stats(producer, &stats);
    if (!producer_metadata(producer, "t", 1000, &metadata)) producer_metadata_free(metadata);
}

static void *work(void *opaque) {
    (void)opaque;
    for (;;) {
        pthread_testcancel();
        switch (call) {
        case SEND: send_to("t"); break;
        case POLL: producer_poll(producer, 20); break;
        case FLUSH: send_to("t"), producer_flush(producer, 1000); break;
        case FUTURE: wait_for_future(); break;
        default: ask();
        }
    }
    return NULL;
}

/* Waits until the cancelled thread has ended: 0, or -1 after four seconds. */
static int join(pthread_t thread) {
    for (int i = 0; i < 200; i++) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 20000000;
        if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
        if (call == POLL) send_to("u");
        if (!pthread_timedjoin_np(thread, NULL, &until)) return 0;
    }
    return -1;
}

static int child(void) {
    alarm(40);
    producer_config_t *config = NULL;
    producer_config_new(&config);
    producer_config_set(config, "test.mock.num.brokers", "1");
    producer_config_set(config, "linger.ms", "1");
    producer_config_set(config, "max.block.ms", "1000");
    if (producer_new(config, &producer)) return 3;
    producer_config_free(config);
    for (int round = 0; round < 20; round++) {
        pthread_t thread;
        pthread_create(&thread, NULL, work, NULL);
        usleep(20000 + (useconds_t)round * 3000);
        pthread_cancel(thread);
        if (join(thread)) return 4;
        producer_poll(producer, 0);
    }
    producer_flush(producer, 10000);
    long before = reports;
    if (send_to("u")) return 5;
    if (producer_flush(producer, 10000) || reports <= before) return 6;
    return producer_close(producer, 5000) ? 7 : 0;
}

int main(void) {
    char text[600] = "";
    int bad = 0;
    for (call = SEND; call < CALLS; call++) {
        pid_t pid = fork();
        if (pid == 0) _exit(child());
        int status;
        waitpid(pid, &status, 0);
        size_t len = strlen(text);
        if (WIFSIGNALED(status)) {
            snprintf(text + len, sizeof text - len, "%s: %s; ", names[call], strsignal(WTERMSIG(status)));
        } else {
            snprintf(text + len, sizeof text - len, "%s: exit %d; ", names[call], WEXITSTATUS(status));
        }
        if (!WIFEXITED(status) || WEXITSTATUS(status)) bad = 1;
    }
    printf("%s: %s\n", bad ? "FAILS" : "holds", text);
    return bad;
}
