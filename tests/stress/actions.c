/* What a thread of the storm may do: every function that takes a producer, in any order and at any time. */
#include "storm.h"

#define DISTURB_EVERY_MS 20

/* ---- sending ---- */

static producer_status_t send_one(struct storm_thread *t) {
    producer_status_t status = PRODUCER_OK;
    for (int i = 0; i < 20 && status == PRODUCER_OK; i++) {
        producer_record_t r = storm_fill(t);
        size_t place = storm_record(t);
        if (place == STORM_RECORDS || storm_dice(t, 10) == 0) {
            status = producer_send(t->round->producer, &r, NULL, NULL);
        } else {
            status = producer_send(t->round->producer, &r, storm_on_report, &t->reports[place]);
            t->accepted[place] = status == PRODUCER_OK;
        }
    }
    return status;
}

static producer_status_t send_cancellable(struct storm_thread *t) {
    producer_record_t r = storm_fill(t);
    size_t place = storm_record(t), ticket = t->ticket_count % STORM_TICKETS;
    if (place == STORM_RECORDS) return PRODUCER_OK;
    producer_status_t status = producer_send_cancellable(t->round->producer, &r, storm_on_report, &t->reports[place], &t->tickets[ticket]);
    t->accepted[place] = status == PRODUCER_OK;
    if (status == PRODUCER_OK) t->ticket_count++;
    return status;
}

static producer_status_t cancel(struct storm_thread *t) {
    if (t->ticket_count == 0) return PRODUCER_OK;
    size_t kept = t->ticket_count < STORM_TICKETS ? t->ticket_count : STORM_TICKETS;
    return producer_cancel(t->round->producer, &t->tickets[storm_dice(t, (unsigned)kept)]);
}

static producer_status_t send_batch(struct storm_thread *t) {
    producer_batch_t *batch = NULL;
    producer_status_t status = producer_batch_new(t->round->producer, &batch);
    if (status != PRODUCER_OK) return status;
    producer_record_t r = storm_fill(t);
    unsigned count = 1 + storm_dice(t, 20);
    for (unsigned i = 0; i < count; i++) {
        int32_t index = -1;
        producer_record_t one = storm_fill(t);
        one.topic = NULL, one.topic_handle = NULL, one.partition = PRODUCER_PARTITION_ANY;
        one.delivery_timeout_ms = PRODUCER_TIMEOUT_DEFAULT;
        status = producer_batch_append(batch, &one, &index);
        if (status != PRODUCER_OK) break;
        CHECK_INT(producer_batch_count(batch), index + 1);
        CHECK(producer_batch_size(batch) > 0);
    }
    if (storm_dice(t, 2) == 0) producer_batch_close(batch);
    size_t place = storm_record(t);
    if (place == STORM_RECORDS || producer_batch_count(batch) < 1 || storm_dice(t, 8) == 0) {
        producer_batch_free(batch);
        return status;
    }
    status = producer_batch_send(t->round->producer, batch, r.topic, (int32_t)storm_dice(t, 2), storm_on_report, &t->reports[place]);
    t->accepted[place] = status == PRODUCER_OK;
    if (status != PRODUCER_OK) producer_batch_free(batch);
    return status;
}

/* ---- hearing ---- */

static producer_status_t poll_once(struct storm_thread *t) {
    int32_t n = producer_poll(t->round->producer, storm_dice(t, 3) == 0 ? (int32_t)storm_dice(t, 10) : 0);
    return n < 0 ? n : PRODUCER_OK;
}

static producer_status_t flush(struct storm_thread *t) {
    return producer_flush(t->round->producer, (int32_t)storm_dice(t, 30));
}

static producer_status_t flush_for_ever(struct storm_thread *t) {
    return producer_flush(t->round->producer, -1);
}

static producer_status_t purge(struct storm_thread *t) {
    return producer_purge(t->round->producer, 1 + storm_dice(t, 3));
}

/* ---- asking ---- */

static producer_status_t topic(struct storm_thread *t) {
    char name[40];
    const producer_topic_t *handle = NULL;
    if (storm_dice(t, 4) > 0) return producer_topic(t->round->producer, t->round->names[storm_dice(t, STORM_TOPICS)], &handle);
    snprintf(name, sizeof name, "new-%d-%u", t->index, storm_dice(t, 20));
    return producer_topic(t->round->producer, name, &handle);
}

static producer_status_t health(struct storm_thread *t) {
    producer_health_t health = PRODUCER_HEALTH_INIT;
    return producer_health(t->round->producer, &health);
}

static producer_status_t wrong_arguments(struct storm_thread *t) {
    CHECK_STATUS(producer_send(NULL, NULL, NULL, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    producer_status_t status = producer_send(t->round->producer, NULL, NULL, NULL);
    CHECK(strlen(producer_last_error()) > 5 && strlen(producer_features()) > 0 && producer_property_count() > 0);
    return status == PRODUCER_ERR_INVALID_ARGUMENT ? PRODUCER_OK : status;
}

/* Another producer, made and closed beside the one of the round. */
static producer_status_t brief_producer(struct storm_thread *t) {
    struct storm_round other = {.mode = (enum storm_mode)storm_dice(t, STORM_TRANSACTIONAL), .mock = t->round->mock};
    memcpy(other.names, t->round->names, sizeof other.names);
    producer_t *p = storm_start(&other, t->seed);
    producer_record_t r = storm_fill(t);
    r.topic_handle = NULL;
    producer_status_t status = producer_send(p, &r, NULL, NULL);
    CHECK_STATUS_OR(producer_close(p, (int32_t)storm_dice(t, 20)), PRODUCER_OK, PRODUCER_ERR_TIMED_OUT);
    CHECK_STATUS(producer_send(p, &r, NULL, NULL), PRODUCER_ERR_CLOSED);
    return status;
}

/* ---- transactions ---- */

static producer_status_t transact(struct storm_thread *t) {
    struct storm_round *r = t->round;
    if (r->mode != STORM_TRANSACTIONAL || pthread_mutex_trylock(&r->transaction) != 0) return PRODUCER_OK;
    producer_status_t status = producer_begin_transaction(r->producer);
    if (status == PRODUCER_OK) {
        send_one(t);
        if (storm_dice(t, 3) == 0) {
            producer_offset_t offset = PRODUCER_OFFSET_INIT;
            producer_group_t group = PRODUCER_GROUP_INIT;
            offset.topic = r->names[0], offset.partition = 0, offset.offset = 1, group.group_id = "storm";
            producer_send_offsets_to_transaction(r->producer, &offset, 1, &group, 1000);
        }
        status = storm_dice(t, 3) ? producer_commit_transaction(r->producer, 5000) : producer_abort_transaction(r->producer, 5000);
    }
    if (producer_status_is_abortable(status)) status = producer_abort_transaction(r->producer, 5000);
    pthread_mutex_unlock(&r->transaction);
    return status;
}

/* ---- trouble ---- */

/* Now and then: errors that nobody has met yet pile up in the mock cluster. */
static producer_status_t disturb(struct storm_thread *t) {
    static atomic_llong next_ms;
    producer_mock_cluster_t *mock = t->round->mock;
    long long due = atomic_load(&next_ms), now = now_ms();
    if (now < due || !atomic_compare_exchange_strong(&next_ms, &due, now + DISTURB_EVERY_MS)) return PRODUCER_OK;
    int32_t broker = 1 + (int32_t)storm_dice(t, 3);
    switch (storm_dice(t, 6)) {
    case 0: return producer_mock_cluster_push_error(mock, API_PRODUCE, PRODUCER_ERR_NOT_LEADER_OR_FOLLOWER, 1);
    case 1: return producer_mock_cluster_push_disconnect(mock, API_PRODUCE, (int32_t)storm_dice(t, 2), 1);
    case 2: return producer_mock_cluster_broker_set_latency(mock, broker, (int32_t)storm_dice(t, 5));
    case 3: return producer_mock_cluster_partition_set_leader(mock, t->round->names[0], (int32_t)storm_dice(t, 4), broker);
    case 4:
        if (producer_mock_cluster_broker_freeze(mock, broker) == PRODUCER_OK) pause_ms(2);
        return producer_mock_cluster_broker_thaw(mock, broker);
    default: return producer_mock_cluster_push_error(mock, API_METADATA, PRODUCER_ERR_LEADER_NOT_AVAILABLE, 1);
    }
}

const struct storm_action storm_actions[] = {
    {"send", 60, send_one},
    {"send_cancellable", 10, send_cancellable},
    {"cancel", 10, cancel},
    {"batch", 6, send_batch},
    {"poll", 30, poll_once},
    {"flush", 4, flush},
    {"flush for ever", 1, flush_for_ever},
    {"purge", 1, purge},
    {"topic", 5, topic},
    {"health", 4, health},
    {"wrong arguments", 3, wrong_arguments},
    {"transaction", 2, transact},
    {"brief producer", 1, brief_producer},
    {"disturb", 2, disturb},
};
const size_t storm_action_count = sizeof storm_actions / sizeof *storm_actions;
