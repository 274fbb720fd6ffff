/*
 * partitioner [BROKERS [TOPIC [COUNT [RACK]]]]
 *
 * Chooses partitions by itself: a record without a key goes to the least loaded partition whose leader is in this client's
 * rack; records with a key are left to the library. With no broker named it starts a mock cluster of three brokers in three
 * racks inside this process.
 *
 *     cc -std=c99 partitioner.c $(pkg-config --cflags --libs kproducer) -o partitioner
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kproducer.h"

#define BROKERS_MAX 1000

/* How many records each broker acknowledged. Callbacks run on the thread that polls, so it needs no lock. */
static uint64_t acknowledged[BROKERS_MAX], failed;

static void must(producer_status_t status, const char *call) {
    if (status == PRODUCER_OK) return;
    fprintf(stderr, "%s: %s: %s\n", call, producer_status_name(status), producer_last_error());
    exit(1);
}

static int is_near(const producer_partition_view_t *view, int32_t leader, const char *rack) {
    for (size_t i = 0; i < view->broker_count; i++)
        if (view->brokers[i].id == leader) return view->brokers[i].rack != NULL && strcmp(view->brokers[i].rack, rack) == 0;
    return 0;
}

/* Runs on the thread that sends, and for the first records on one of the library's: it only looks at its arguments. */
static int32_t nearest(const producer_partition_view_t *view, void *rack) {
    int32_t best = PRODUCER_PARTITION_ANY;
    uint64_t least = UINT64_MAX;
    if (view->key != NULL) return PRODUCER_PARTITION_ANY;
    for (size_t i = 0; i < view->partition_count; i++) {
        const producer_view_partition_t *partition = &view->partitions[i];
        if (!partition->is_available || !is_near(view, partition->leader, rack)) continue;
        if (partition->queued_bytes < least) {
            best = partition->id;
            least = partition->queued_bytes;
        }
    }
    return best; /* none is near: the library chooses */
}

static void on_delivery(const producer_report_t *report, void *opaque) {
    (void)opaque;
    if (report->status != PRODUCER_OK) {
        if (failed++ == 0) fprintf(stderr, "not delivered: %s\n", report->error_text);
    } else if (report->broker_id >= 0 && report->broker_id < BROKERS_MAX) {
        acknowledged[report->broker_id]++;
    }
}

int main(int argc, char **argv) {
    const char *brokers = argc > 1 && argv[1][0] != '\0' ? argv[1] : NULL;
    const char *topic = argc > 2 && argv[2][0] != '\0' ? argv[2] : "demo";
    long count = argc > 3 && argv[3][0] != '\0' ? atol(argv[3]) : 100000;
    char rack[256];
    snprintf(rack, sizeof rack, "%s", argc > 4 ? argv[4] : "east");

    producer_mock_cluster_t *mock = NULL;
    if (brokers == NULL) {
        const char *racks[] = {"east", "west", "north"};
        must(producer_mock_cluster_new(3, &mock), "producer_mock_cluster_new");
        for (int32_t id = 1; id <= 3; id++)
            must(producer_mock_cluster_broker_set_rack(mock, id, racks[id - 1]), "producer_mock_cluster_broker_set_rack");
        must(producer_mock_cluster_topic_create(mock, topic, 6, 1), "producer_mock_cluster_topic_create");
        brokers = producer_mock_cluster_bootstrap_servers(mock);
    }

    producer_config_t *config = NULL;
    producer_t *producer = NULL;
    must(producer_config_new(&config), "producer_config_new");
    must(producer_config_set(config, "bootstrap.servers", brokers), "bootstrap.servers");
    must(producer_config_set_partitioner(config, nearest, rack), "producer_config_set_partitioner");
    must(producer_new(config, &producer), "producer_new");
    producer_config_free(config);

    for (long i = 0; i < count; i++) {
        char value[32];
        producer_record_t record = PRODUCER_RECORD_INIT;
        record.topic = topic;
        record.value = value;
        record.value_len = (size_t)snprintf(value, sizeof value, "record %ld", i);
        must(producer_send(producer, &record, on_delivery, NULL), "producer_send");
        if (i % 1000 == 0 && producer_poll(producer, 0) < 0) must(producer_poll(producer, 0), "producer_poll");
    }
    must(producer_close(producer, 30000), "producer_close");
    for (int id = 0; id < BROKERS_MAX; id++)
        if (acknowledged[id] > 0) printf("broker %d: %llu records\n", id, (unsigned long long)acknowledged[id]);
    if (mock != NULL) producer_mock_cluster_free(mock);
    return failed == 0 ? 0 : 1;
}
