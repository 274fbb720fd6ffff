/* What a thread of the storm may ask: about topics, the cluster, the producer's state and numbers. */
#include "storm.h"

producer_status_t storm_topic(struct storm_thread *t) {
    char name[40];
    const producer_topic_t *handle = NULL;
    if (storm_dice(t, 4) > 0) return producer_topic(t->round->producer, t->round->names[storm_dice(t, STORM_TOPICS)], &handle);
    snprintf(name, sizeof name, "new-%d-%u", t->index, storm_dice(t, 20));
    return producer_topic(t->round->producer, name, &handle);
}

producer_status_t storm_topic_set(struct storm_thread *t) {
    static const char *settings[][2] = {{"linger.ms", "0"}, {"linger.ms", "3"}, {"batch.size", "1000"}, {"batch.size", "16384"}, {"acks", "all"},
                                        {"request.timeout.ms", "29000"}, {"compression.type", "zstd"}, {"compression.type", "lz4"},
                                        {"compression.type", "gzip"}, {"compression.type", "none"}};
    unsigned which = storm_dice(t, sizeof settings / sizeof settings[0]);
    return producer_topic_set(t->round->producer, t->round->names[storm_dice(t, STORM_TOPICS)], settings[which][0], settings[which][1]);
}

producer_status_t storm_health(struct storm_thread *t) {
    producer_health_t health = PRODUCER_HEALTH_INIT;
    return producer_health(t->round->producer, &health);
}

producer_status_t storm_wrong_arguments(struct storm_thread *t) {
    CHECK_STATUS(producer_send(NULL, NULL, NULL, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    producer_status_t status = producer_send(t->round->producer, NULL, NULL, NULL);
    CHECK(strlen(producer_last_error()) > 5 && strlen(producer_features()) > 0 && producer_property_count() > 0);
    return status == PRODUCER_ERR_INVALID_ARGUMENT ? PRODUCER_OK : status;
}

/* Another producer, made and closed beside the one of the round. */
producer_status_t storm_brief_producer(struct storm_thread *t) {
    struct storm_round other = {.mode = (enum storm_mode)storm_dice(t, STORM_TRANSACTIONAL), .mock = t->round->mock};
    if (t->round->mode == STORM_SECURED) other.mode = STORM_SECURED;
    memcpy(other.names, t->round->names, sizeof other.names);
    producer_t *p = storm_start(&other, t->seed);
    producer_record_t r = storm_fill(t);
    r.topic_handle = NULL, r.acks = PRODUCER_ACKS_DEFAULT; /* its acks would suit the round only */
    producer_status_t status = producer_send(p, &r, NULL, NULL);
    CHECK_STATUS_OR(producer_close(p, (int32_t)storm_dice(t, 20)), PRODUCER_OK, PRODUCER_ERR_TIMED_OUT);
    CHECK_STATUS(producer_send(p, &r, NULL, NULL), PRODUCER_ERR_CLOSED);
    return status;
}

producer_status_t storm_metadata(struct storm_thread *t) {
    producer_metadata_t *m = NULL;
    const char *about = storm_dice(t, 2) ? t->round->names[storm_dice(t, STORM_TOPICS)] : NULL;
    producer_status_t status = producer_metadata(t->round->producer, about, (int32_t)storm_dice(t, 20), &m);
    if (status != PRODUCER_OK) return status;
    CHECK(producer_metadata_cluster_id(m) != NULL || producer_metadata_broker_count(m) == 0 || producer_metadata_controller_id(m) >= -1);
    for (size_t i = 0; i < producer_metadata_broker_count(m); i++) {
        producer_metadata_broker_t broker = PRODUCER_METADATA_BROKER_INIT;
        CHECK_OK(producer_metadata_broker_at(m, i, &broker));
        CHECK(broker.host != NULL && strlen(broker.host) > 0);
    }
    for (size_t i = 0; i < producer_metadata_topic_count(m); i++) {
        producer_metadata_topic_t topic = PRODUCER_METADATA_TOPIC_INIT;
        producer_metadata_partition_t partition = PRODUCER_METADATA_PARTITION_INIT;
        CHECK_OK(producer_metadata_topic_at(m, i, &topic));
        for (size_t n = 0; n < topic.partition_count; n++) CHECK_OK(producer_metadata_partition_at(m, i, n, &partition));
    }
    producer_metadata_free(m);
    return PRODUCER_OK;
}

producer_status_t storm_warm_up(struct storm_thread *t) {
    return producer_warm_up(t->round->producer, t->round->names[storm_dice(t, STORM_TOPICS)], (int32_t)storm_dice(t, 20));
}

producer_status_t storm_cluster_id(struct storm_thread *t) {
    char *id = NULL;
    producer_status_t status = producer_cluster_id(t->round->producer, (int32_t)storm_dice(t, 5), &id);
    if (status == PRODUCER_OK) CHECK(strlen(id) > 0);
    producer_string_free(id);
    return status == PRODUCER_ERR_NOT_FOUND ? PRODUCER_OK : status; /* no broker has told it yet */
}

producer_status_t storm_stats(struct storm_thread *t) {
    producer_stats_t stats = PRODUCER_STATS_INIT;
    char *text = NULL;
    producer_status_t status;
    switch (storm_dice(t, 4)) {
    case 0: status = producer_stats_json(t->round->producer, &text); break;
    case 1: status = producer_stats_prometheus(t->round->producer, &text); break;
    default: return producer_stats(t->round->producer, &stats);
    }
    if (status == PRODUCER_OK) CHECK(strlen(text) > 0);
    producer_string_free(text);
    return status;
}

producer_status_t storm_client_instance_id(struct storm_thread *t) {
    char id[PRODUCER_CLIENT_INSTANCE_ID_LEN];
    return producer_client_instance_id(t->round->producer, 0, id);
}

/* Where the mock cluster speaks neither TLS nor SASL the answer is that there is nothing to change, whatever else goes on. */
producer_status_t storm_credentials(struct storm_thread *t) {
    producer_t *p = t->round->producer;
    producer_status_t status;
    if (t->round->mode == STORM_SECURED) return storm_secured_credentials(t);
    switch (storm_dice(t, 3)) {
    case 0: status = producer_set_sasl_credentials(p, "user", "password"); break;
    case 1: status = producer_set_oauth_token(p, "token", INT64_MAX, NULL, NULL, 0); break;
    default: status = producer_tls_reload(p);
    }
    return status == PRODUCER_ERR_CONFIG_CONFLICT ? PRODUCER_OK : status;
}
