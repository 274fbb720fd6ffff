/*
 * Everything at once: sixteen threads send to known and new topics, with headers, keys and deadlines of their own, others
 * poll, flush and purge, and somebody closes at a random moment. One report for each accepted record, none for others.
 */
#include "check.h"

#define SENDERS 10
#define HELPERS 6
#define EACH 1500
#define ROUNDS 6

struct worker {
    producer_t *producer;
    atomic_bool *stop;
    atomic_int *reports; /* of each record */
    bool *accepted;
    size_t index;
    unsigned seed;
};

static atomic_int refused_calls;

static void on_report(const producer_report_t *report, void *opaque) {
    (void)report;
    atomic_fetch_add((atomic_int *)opaque, 1);
}

static void *send_mixed(void *opaque) {
    struct worker *w = opaque;
    char topic[32], value[600];
    memset(value, 'v', sizeof value);
    for (size_t i = 0; i < EACH; i++) {
        producer_header_t headers[20];
        for (size_t h = 0; h < 20; h++) headers[h] = (producer_header_t){"name", h % 2 ? "x" : NULL, h % 2 ? 1 : 0};
        producer_record_t r = PRODUCER_RECORD_INIT;
        unsigned dice = (unsigned)rand_r(&w->seed);
        if (dice % 50 == 0) snprintf(topic, sizeof topic, "new-%zu-%zu", w->index, i / 100);
        else snprintf(topic, sizeof topic, "t%u", dice % 3);
        r.topic = topic;
        r.value = value, r.value_len = dice % sizeof value;
        if (dice % 3 == 0) r.key = topic, r.key_len = strlen(topic);
        if (dice % 7 == 0) r.headers = headers, r.header_count = dice % 20 + 1;
        if (dice % 11 == 0) r.delivery_timeout_ms = dice % 13 == 0 ? -1 : (int32_t)(dice % 40 + 1);
        producer_status_t status = producer_send(w->producer, &r, on_report, &w->reports[i]);
        w->accepted[i] = status == PRODUCER_OK;
        if (status == PRODUCER_ERR_CLOSED) break;
        if (status != PRODUCER_OK) {
            CHECK_STATUS_OR(status, PRODUCER_ERR_QUEUE_FULL, PRODUCER_ERR_REPORTS_NOT_TAKEN);
            atomic_fetch_add(&refused_calls, 1);
        }
    }
    return NULL;
}

static void *help(void *opaque) {
    struct worker *w = opaque;
    while (!atomic_load(w->stop)) {
        producer_status_t status = PRODUCER_OK;
        switch (rand_r(&w->seed) % 6) {
        case 0: status = producer_flush(w->producer, (int32_t)(rand_r(&w->seed) % 30)); break;
        case 1: status = producer_purge(w->producer, 1 + (uint32_t)(rand_r(&w->seed) % 3)); break;
        case 2: status = producer_flush(w->producer, -1); break;
        default: status = producer_poll(w->producer, (int32_t)(rand_r(&w->seed) % 10));
        }
        if (status == PRODUCER_ERR_CLOSED) break;
        if (status < 0) CHECK_STATUS(status, PRODUCER_ERR_TIMED_OUT);
    }
    return NULL;
}

static void run(producer_mock_cluster_t *mock, unsigned seed) {
    static const int32_t close_times[] = {0, 1, 20, 5000, -1};
    static const char *const codecs[] = {"none", "lz4", "zstd", "snappy", "gzip", "none"};
    atomic_bool stop = false;
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", seed % 2 ? "2" : "0", "buffer.memory",
                                seed % 3 ? "1000000" : "65536", "batch.size", seed % 4 ? "16384" : "1", "max.block.ms", "30",
                                "delivery.reports.max.count", seed % 5 ? "100000" : "50", "compression.type", codecs[seed % 6],
                                "compression.threads", seed % 4 ? "2" : "0", NULL);
    struct worker workers[SENDERS + HELPERS];
    pthread_t threads[SENDERS + HELPERS];
    for (size_t i = 0; i < SENDERS + HELPERS; i++) {
        workers[i] = (struct worker){p, &stop, calloc(EACH, sizeof(atomic_int)), calloc(EACH, sizeof(bool)), i, seed * 100 + (unsigned)i};
        REQUIRE(pthread_create(&threads[i], NULL, i < SENDERS ? send_mixed : help, &workers[i]) == 0);
    }
    pause_ms((int)(seed * 37 % 150));
    int64_t began = now_ms();
    int32_t timeout = close_times[seed % 5];
    CHECK_STATUS_OR(producer_close(p, timeout), PRODUCER_OK, PRODUCER_ERR_TIMED_OUT);
    if (timeout >= 0) CHECK(now_ms() - began < timeout + 5000);
    for (size_t i = 0; i < SENDERS; i++) pthread_join(threads[i], NULL);
    atomic_store(&stop, true);
    for (size_t i = SENDERS; i < SENDERS + HELPERS; i++) pthread_join(threads[i], NULL);
    for (size_t i = 0; i < SENDERS + HELPERS; i++) {
        for (size_t r = 0; r < EACH; r++)
            if (!CHECK_INT(workers[i].reports[r], workers[i].accepted[r] ? 1 : 0)) break;
        free(workers[i].reports);
        free(workers[i].accepted);
    }
}

int main(int argc, char **argv) {
    check_begin();
    unsigned first = argc > 1 ? (unsigned)atoi(argv[1]) : 1;
    producer_mock_cluster_t *mock = mock_of(3, "t0", 4);
    REQUIRE_OK(producer_mock_cluster_topic_create(mock, "t1", 1, 1));
    for (unsigned seed = first; seed < first + ROUNDS; seed++) {
        char name[40];
        snprintf(name, sizeof name, "round %u", seed);
        check_case(name);
        run(mock, seed);
    }
    producer_mock_cluster_free(mock);
    return check_end();
}
