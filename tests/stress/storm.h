/* What the files of the storm share: one round, its threads, and how an answer is judged. */
#ifndef STORM_H
#define STORM_H
#include "../c/check.h"

#define STORM_THREADS 16
#define STORM_RECORDS 20000 /* per thread and round: one counter of reports for each */
#define STORM_TOPICS 3
#define STORM_FUTURES 8
#define STORM_TICKETS 8

/* How the producer of a round is set up. */
enum storm_mode {
    STORM_PLAIN,
    STORM_NARROW, /* little memory, few reports */
    STORM_HOOKED, /* interceptors and serializers */
    STORM_THREADED, /* the library's own thread dispatches */
    STORM_LOOSE, /* no idempotence, acks=1 */
    STORM_TRANSACTIONAL,
    STORM_SECURED, /* TLS and SASL, whose certificates, passwords and tokens change all the time */
    STORM_MODES
};

struct storm_round {
    enum storm_mode mode;
    producer_t *producer;
    producer_mock_cluster_t *mock;
    const producer_topic_t *topics[STORM_TOPICS];
    char *names[STORM_TOPICS];
    atomic_bool stop;
    bool two_phase; /* of commit */
    pthread_mutex_t transaction; /* its calls are for one thread at a time */
    atomic_int intercepted, acknowledged, ends;
    atomic_bool closed;
};

/* What may be said of the reports of a record. */
enum { STORM_NOT_ACCEPTED, STORM_IS_REPORTED, STORM_MAY_BE_REPORTED };

struct storm_yield {
    producer_t *producer;
    atomic_uchar *reports;
};

struct storm_thread {
    struct storm_round *round;
    int index;
    unsigned seed;
    atomic_uchar *reports; /* of each record of this thread */
    unsigned char *accepted; /* STORM_… of each */
    size_t records;
    producer_ticket_t tickets[STORM_TICKETS];
    size_t ticket_count;
};

struct storm_action {
    const char *name;
    int weight;
    producer_status_t (*run)(struct storm_thread *t);
};

extern const struct storm_action storm_actions[];
extern const size_t storm_action_count;

producer_status_t storm_send_many(struct storm_thread *t);
producer_status_t storm_send_flat(struct storm_thread *t);
producer_status_t storm_poll_reports(struct storm_thread *t);
producer_status_t storm_event_loop(struct storm_thread *t);
producer_status_t storm_yield(struct storm_thread *t);
producer_status_t storm_client_instance_id(struct storm_thread *t);
producer_status_t storm_credentials(struct storm_thread *t);
producer_status_t storm_topic(struct storm_thread *t);
producer_status_t storm_topic_set(struct storm_thread *t);
producer_status_t storm_health(struct storm_thread *t);
producer_status_t storm_metadata(struct storm_thread *t);
producer_status_t storm_warm_up(struct storm_thread *t);
producer_status_t storm_cluster_id(struct storm_thread *t);
producer_status_t storm_stats(struct storm_thread *t);
producer_status_t storm_wrong_arguments(struct storm_thread *t);
producer_status_t storm_brief_producer(struct storm_thread *t);
/* secured.c: brokers that demand TLS and SASL, what a round of them begins with, and a producer's properties for them. */
producer_mock_cluster_t *storm_secured_mock(void);
void storm_secured_begin(producer_mock_cluster_t *mock, unsigned seed);
void storm_secured_config(producer_config_t *c);
producer_status_t storm_secured_credentials(struct storm_thread *t);
producer_status_t storm_secured_disturb(struct storm_thread *t);
/* Frees what the actions share. */
void storm_end_actions(void);

producer_t *storm_start(struct storm_round *round, unsigned seed);

static inline unsigned storm_dice(struct storm_thread *t, unsigned sides) {
    t->seed = t->seed * 1664525u + 1013904223u;
    return (t->seed >> 8) % sides;
}

static inline void storm_on_report(const producer_report_t *report, void *opaque) {
    (void)report;
    atomic_fetch_add((atomic_uchar *)opaque, 1);
}

/* A place for one record's reports; the last one is used again and again when a fast machine has used up all others. */
static inline size_t storm_record(struct storm_thread *t) {
    return t->records < STORM_RECORDS ? t->records++ : STORM_RECORDS;
}

/* A record of any kind: topics that are known, new or named by handle, with and without key, headers and deadline. */
static inline producer_record_t storm_fill(struct storm_thread *t) {
    static const char value[600] = "storm";
    static const int32_t acks[3] = {PRODUCER_ACKS_ALL, PRODUCER_ACKS_LEADER, PRODUCER_ACKS_NONE};
    static const producer_header_t headers[3] = {{"a", "x", 1}, {"b", NULL, 0}, {"a", "y", 1}};
    producer_record_t r = PRODUCER_RECORD_INIT;
    unsigned topic = storm_dice(t, STORM_TOPICS);
    r.topic = t->round->names[topic];
    if (storm_dice(t, 3) == 0) r.topic_handle = t->round->topics[topic];
    r.value = value, r.value_len = storm_dice(t, sizeof value);
    if (storm_dice(t, 3) == 0) r.key = value, r.key_len = storm_dice(t, 9);
    if (storm_dice(t, 5) == 0) r.partition = (int32_t)storm_dice(t, 2);
    if (t->round->mode == STORM_LOOSE && storm_dice(t, 4) == 0) r.acks = acks[storm_dice(t, 3)];
    if (storm_dice(t, 7) == 0) r.headers = headers, r.header_count = 1 + storm_dice(t, 3);
    if (storm_dice(t, 11) == 0) r.delivery_timeout_ms = storm_dice(t, 2) ? -1 : (int32_t)storm_dice(t, 40) + 1;
    return r;
}

#endif
