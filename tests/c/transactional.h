/* What the programs about transactions share, besides check.h: producers, offsets, groups, the classes of a status. */
#ifndef TRANSACTIONAL_H
#define TRANSACTIONAL_H
#include "check.h"

#define API_ADD_PARTITIONS_TO_TXN 24
#define API_ADD_OFFSETS_TO_TXN 25
#define API_END_TXN 26
#define API_FIND_COORDINATOR 10
#define API_INIT_PRODUCER_ID 22
#define API_TXN_OFFSET_COMMIT 28

/* A cluster with a topic to write to, "t", and one to have read from, "in". */
static inline producer_mock_cluster_t *mock_with_input(int32_t brokers, int32_t partitions) {
    producer_mock_cluster_t *m = mock_of(brokers, "t", partitions);
    REQUIRE_OK(producer_mock_cluster_topic_create(m, "in", 3, 1));
    return m;
}

/* A transactional producer, not initialised, that gets over a restart of brokers quickly. */
static inline producer_t *transactional_at(producer_mock_cluster_t *mock, const char *transactional_id) {
    return producer_of(producer_mock_cluster_bootstrap_servers(mock), "transactional.id", transactional_id, "linger.ms", "1",
                       "request.timeout.ms", "2000", "retry.backoff.ms", "20", "retry.backoff.max.ms", "50", "reconnect.backoff.ms",
                       "20", "reconnect.backoff.max.ms", "50", NULL);
}

static inline producer_t *initialised_at(producer_mock_cluster_t *mock, const char *transactional_id) {
    producer_t *p = transactional_at(mock, transactional_id);
    REQUIRE_OK(producer_init_transactions(p, WAIT_MS));
    return p;
}

static inline producer_offset_t offset_of(const char *topic, int32_t partition, int64_t offset) {
    producer_offset_t o = PRODUCER_OFFSET_INIT;
    o.topic = topic;
    o.partition = partition;
    o.offset = offset;
    return o;
}

static inline producer_group_t group_of(const char *group_id) {
    producer_group_t g = PRODUCER_GROUP_INIT;
    g.group_id = group_id;
    return g;
}

static inline producer_status_t send_offset(producer_t *p, const char *group_id, const char *topic, int64_t offset, int32_t timeout_ms) {
    producer_offset_t o = offset_of(topic, 0, offset);
    producer_group_t g = group_of(group_id);
    return producer_send_offsets_to_transaction(p, &o, 1, &g, timeout_ms);
}

enum class_of_status { CLASS_MISUSE, CLASS_RETRIABLE, CLASS_ABORTABLE, CLASS_FATAL };

/* Exactly one of the three questions is answered yes; of a call that was wrong in itself, none. */
static inline void check_class(producer_status_t status, enum class_of_status expected, const char *what, const char *file, int line) {
    char text[800];
    bool retriable = producer_status_is_retriable(status), abortable = producer_status_is_abortable(status);
    bool fatal = producer_status_is_fatal(status);
    snprintf(text, sizeof text, "%s answered %s, which is%s%s%s (last error: %s)", what, producer_status_name(status),
             retriable ? " retriable" : "", abortable ? " abortable" : "", fatal ? " fatal" : "", producer_last_error());
    check_that(status != PRODUCER_OK && retriable == (expected == CLASS_RETRIABLE) && abortable == (expected == CLASS_ABORTABLE) &&
                   fatal == (expected == CLASS_FATAL), text, file, line);
    snprintf(text, sizeof text, "%s: the sentence is only \"%s\"", what, producer_last_error());
    check_that(strlen(producer_last_error()) >= 10, text, file, line);
}
#define CHECK_CLASS(call, class) check_class((call), (class), #call, __FILE__, __LINE__)

static inline void check_refused(producer_status_t status, producer_status_t expected, const char *says, const char *what,
                                 const char *file, int line) {
    if (!check_status(status, expected, expected, what, file, line)) return;
    check_class(status, CLASS_MISUSE, what, file, line);
    check_says(producer_last_error(), says, file, line);
}
/* The call was wrong in itself: this status, in no class, and a sentence with this word in it. */
#define CHECK_REFUSED(call, status, says) check_refused((call), (status), (says), #call, __FILE__, __LINE__)

/* The call took its time and not much more, and may be made again. */
#define CHECK_TIMES_OUT(call, ms)                            \
    do {                                                     \
        int64_t from_ms = now_ms();                          \
        producer_status_t timed = (call);                    \
        int64_t took_ms = now_ms() - from_ms;                \
        CHECK_STATUS(timed, PRODUCER_ERR_TIMED_OUT);         \
        check_class(timed, CLASS_RETRIABLE, #call, __FILE__, __LINE__); \
        CHECK(took_ms >= (ms) - 50 && took_ms < (ms) + 2000); \
    } while (0)

#endif
