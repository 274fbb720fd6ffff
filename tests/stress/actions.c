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
        one.delivery_timeout_ms = PRODUCER_TIMEOUT_DEFAULT, one.acks = PRODUCER_ACKS_DEFAULT;
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

/* ---- futures ---- */

/* A future that another thread may await at the same time; whoever puts another into its place frees it. */
static struct {
    pthread_mutex_t lock;
    producer_future_t *future;
    int users;
} shared_future = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void share_future(struct storm_thread *t, producer_future_t *future) {
    pthread_mutex_lock(&shared_future.lock);
    bool swap = shared_future.users == 0;
    producer_future_t *old = swap ? shared_future.future : future;
    if (swap) shared_future.future = future;
    pthread_mutex_unlock(&shared_future.lock);
    (void)t;
    producer_future_free(old);
}

static producer_status_t await_shared(struct storm_thread *t) {
    pthread_mutex_lock(&shared_future.lock);
    producer_future_t *future = shared_future.future;
    if (future != NULL) shared_future.users++;
    pthread_mutex_unlock(&shared_future.lock);
    if (future == NULL) return PRODUCER_OK;
    producer_future_await(future, (int32_t)storm_dice(t, 10), NULL);
    pthread_mutex_lock(&shared_future.lock);
    shared_future.users--;
    pthread_mutex_unlock(&shared_future.lock);
    return PRODUCER_OK;
}

void storm_end_actions(void) {
    producer_future_free(shared_future.future);
    shared_future.future = NULL;
}

static producer_status_t send_future(struct storm_thread *t) {
    producer_future_t *futures[STORM_FUTURES];
    size_t made = 0, count = 1 + storm_dice(t, STORM_FUTURES);
    producer_status_t status = PRODUCER_OK;
    while (made < count && status == PRODUCER_OK) {
        producer_record_t r = storm_fill(t);
        r.delivery_timeout_ms = PRODUCER_TIMEOUT_DEFAULT;
        status = producer_send_future(t->round->producer, &r, &futures[made]);
        made += status == PRODUCER_OK;
    }
    for (size_t i = 0; i < made; i++) {
        size_t place = STORM_RECORDS;
        if (storm_dice(t, 3) == 0 && (place = storm_record(t)) != STORM_RECORDS) {
            CHECK_OK(producer_future_when_complete(futures[i], storm_on_report, &t->reports[place]));
            t->accepted[place] = true;
        }
        producer_report_t report = PRODUCER_REPORT_INIT;
        /* Its own outcome may be any: only that it is none of a wrong call is known. */
        if (storm_dice(t, 2) == 0) {
            producer_status_t outcome = producer_future_await(futures[i], (int32_t)storm_dice(t, 20), &report);
            CHECK(outcome != PRODUCER_ERR_INVALID_ARGUMENT && outcome != PRODUCER_ERR_INTERNAL && outcome != PRODUCER_ERR_IN_CALLBACK);
            if (outcome != PRODUCER_ERR_TIMED_OUT) CHECK(producer_future_is_complete(futures[i]));
        }
        share_future(t, futures[i]);
    }
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

static producer_status_t flush_topic(struct storm_thread *t) {
    return producer_flush_topic(t->round->producer, t->round->names[storm_dice(t, STORM_TOPICS)], (int32_t)storm_dice(t, 20));
}

static producer_status_t flush_token(struct storm_thread *t) {
    producer_flush_t *token = NULL;
    const char *topic = storm_dice(t, 2) ? t->round->names[storm_dice(t, STORM_TOPICS)] : NULL;
    producer_status_t status = producer_flush_begin(t->round->producer, topic, &token);
    if (status != PRODUCER_OK) return status;
    send_one(t);
    if (storm_dice(t, 3)) status = producer_flush_wait(t->round->producer, token, (int32_t)storm_dice(t, 20));
    if (status == PRODUCER_OK && storm_dice(t, 4) == 0) producer_flush_is_complete(token);
    producer_flush_free(token);
    return status;
}

static producer_status_t purge(struct storm_thread *t) {
    return producer_purge(t->round->producer, 1 + storm_dice(t, 3));
}

/* ---- transactions ---- */

/* Prepared first, every other time, and then ended by its name, by none, or as any other. */
static producer_status_t end_transaction(struct storm_thread *t) {
    producer_t *p = t->round->producer;
    if (t->round->two_phase && storm_dice(t, 2)) {
        char state[PRODUCER_PREPARED_STATE_LEN];
        producer_status_t status = producer_prepare_transaction(p, 5000, state);
        if (status != PRODUCER_OK) return status;
        if (storm_dice(t, 2)) return producer_complete_transaction(p, storm_dice(t, 3) ? state : "", 5000);
    }
    return storm_dice(t, 3) ? producer_commit_transaction(p, 5000) : producer_abort_transaction(p, 5000);
}

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
        status = end_transaction(t);
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
    if (t->round->mode == STORM_SECURED && storm_dice(t, 2) == 0) return storm_secured_disturb(t);
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
    {"future", 12, send_future},
    {"await", 5, await_shared},
    {"flush of a topic", 3, flush_topic},
    {"flush token", 3, flush_token},
    {"many", 8, storm_send_many},
    {"flat", 5, storm_send_flat},
    {"reports as an array", 8, storm_poll_reports},
    {"event loop", 4, storm_event_loop},
    {"yield", 2, storm_yield},
    {"instance id", 2, storm_client_instance_id},
    {"credentials", 2, storm_credentials},
    {"topic", 5, storm_topic},
    {"settings of a topic", 2, storm_topic_set},
    {"metadata", 3, storm_metadata},
    {"warm-up", 2, storm_warm_up},
    {"cluster id", 2, storm_cluster_id},
    {"numbers", 4, storm_stats},
    {"health", 4, storm_health},
    {"wrong arguments", 3, storm_wrong_arguments},
    {"transaction", 2, transact},
    {"brief producer", 1, storm_brief_producer},
    {"disturb", 2, disturb},
};
const size_t storm_action_count = sizeof storm_actions / sizeof *storm_actions;
