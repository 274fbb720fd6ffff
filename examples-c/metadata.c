/*
 * metadata [BROKERS [TOPIC]]
 *
 * Prints the cluster, its brokers, and a topic's partitions with their leaders and replicas; warms the topic up, so that
 * the first record needs no connection any more; and prints how the producer is. With no broker named it starts a mock
 * cluster of three brokers inside this process, so it runs anywhere.
 *
 *     cc -std=c99 metadata.c $(pkg-config --cflags --libs kproducer) -o metadata
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "kproducer.h"

#define TIMEOUT_MS 10000

/* Every call answers with a status; producer_last_error() is the sentence that goes with it. */
static void must(producer_status_t status, const char *call) {
    if (status == PRODUCER_OK) return;
    fprintf(stderr, "%s: %s: %s\n", call, producer_status_name(status), producer_last_error());
    exit(1);
}

static void print_ids(const char *name, const int32_t *ids, size_t count) {
    printf("  %s", name);
    for (size_t i = 0; i < count; i++) printf("%c%" PRId32, i == 0 ? ' ' : ',', ids[i]);
}

static void print_topic(const producer_metadata_t *metadata, size_t index) {
    producer_metadata_topic_t topic = PRODUCER_METADATA_TOPIC_INIT;
    must(producer_metadata_topic_at(metadata, index, &topic), "producer_metadata_topic_at");
    /* A topic that does not exist is an answer too. */
    printf("topic %s: %s, %zu partitions\n", topic.name, producer_status_name(topic.status), topic.partition_count);
    for (size_t i = 0; i < topic.partition_count; i++) {
        producer_metadata_partition_t partition = PRODUCER_METADATA_PARTITION_INIT;
        must(producer_metadata_partition_at(metadata, index, i, &partition), "producer_metadata_partition_at");
        printf("  partition %" PRId32 "  leader %" PRId32, partition.partition, partition.leader);
        print_ids("replicas", partition.replicas, partition.replica_count);
        print_ids("in sync", partition.in_sync_replicas, partition.in_sync_replica_count);
        printf("\n");
    }
}

int main(int argc, char **argv) {
    const char *topic = argc > 2 && argv[2][0] != '\0' ? argv[2] : "orders";
    producer_config_t *config = NULL;
    producer_t *producer = NULL;
    producer_metadata_t *metadata = NULL;

    must(producer_config_new(&config), "producer_config_new");
    if (argc > 1 && argv[1][0] != '\0') must(producer_config_set(config, "bootstrap.servers", argv[1]), "bootstrap.servers");
    else must(producer_config_set(config, "test.mock.num.brokers", "3"), "test.mock.num.brokers");
    must(producer_new(config, &producer), "producer_new");
    producer_config_free(config);

    must(producer_metadata(producer, topic, TIMEOUT_MS, &metadata), "producer_metadata");
    const char *cluster_id = producer_metadata_cluster_id(metadata);
    printf("cluster %s, controller %" PRId32 "\n", cluster_id ? cluster_id : "(no id)", producer_metadata_controller_id(metadata));
    for (size_t i = 0; i < producer_metadata_broker_count(metadata); i++) {
        producer_metadata_broker_t broker = PRODUCER_METADATA_BROKER_INIT;
        must(producer_metadata_broker_at(metadata, i, &broker), "producer_metadata_broker_at");
        printf("broker %" PRId32 " at %s:%" PRId32 "%s%s\n", broker.id, broker.host, broker.port, broker.rack ? ", rack " : "",
               broker.rack ? broker.rack : "");
    }
    for (size_t i = 0; i < producer_metadata_topic_count(metadata); i++) print_topic(metadata, i);
    producer_metadata_free(metadata);

    /* Now every leader is connected before there is anything to send. */
    must(producer_warm_up(producer, topic, TIMEOUT_MS), "producer_warm_up");

    producer_health_t health = PRODUCER_HEALTH_INIT;
    must(producer_health(producer, &health), "producer_health");
    printf("%s for %" PRId64 " ms: %" PRId64 " of %" PRId64 " partitions without a leader%s%s\n",
           health.state == PRODUCER_HEALTH_OK ? "healthy" : "not healthy", health.since_ms, health.partitions_leaderless,
           health.partitions, health.text[0] ? ": " : "", health.text);
    must(producer_close(producer, TIMEOUT_MS), "producer_close");
    return 0;
}
