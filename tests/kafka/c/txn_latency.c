/*
 * txn_latency --topic T --transactions N --warm-up W [--property NAME=VALUE]...
 *
 * Times transactions of one record of 100 bytes, from begin to the return of commit, one after the other, and prints
 * "transactions N p50_us A p99_us B mean_us C". ../java/TransactionLatency.java does the same with Kafka's own client.
 */
#include "tool.h"

#define CALL_MS 30000

static int compare(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    size_t count = (size_t)number_option(argc, argv, "--transactions", "2000");
    size_t warm_up = (size_t)number_option(argc, argv, "--warm-up", "500");
    int64_t *taken_ns = calloc(count, sizeof *taken_ns), sum_ns = 0;
    if (!taken_ns || count == 0) return 2;
    producer_config_t *config = config_of(argc, argv);
    producer_t *producer;
    must(producer_new(config, &producer), "producer_new");
    producer_config_free(config);
    must(producer_init_transactions(producer, CALL_MS), "producer_init_transactions");

    char value[100];
    memset(value, '.', sizeof value);
    producer_record_t record = PRODUCER_RECORD_INIT;
    record.topic = option(argc, argv, "--topic", NULL);
    record.partition = 0;
    record.value = value;
    record.value_len = sizeof value;
    for (size_t i = 0; i < warm_up + count; i++) {
        int64_t began = now_ns();
        must(producer_begin_transaction(producer), "producer_begin_transaction");
        must(producer_send(producer, &record, NULL, NULL), "producer_send");
        must(producer_commit_transaction(producer, CALL_MS), "producer_commit_transaction");
        if (i >= warm_up) sum_ns += taken_ns[i - warm_up] = now_ns() - began;
    }
    must(producer_close(producer, CALL_MS), "producer_close");
    qsort(taken_ns, count, sizeof *taken_ns, compare);
    printf("transactions %zu p50_us %" PRId64 " p99_us %" PRId64 " mean_us %" PRId64 "\n", count, taken_ns[count / 2] / 1000,
           taken_ns[count * 99 / 100] / 1000, sum_ns / (int64_t)count / 1000);
    free(taken_ns);
    return 0;
}
