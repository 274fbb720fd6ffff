/* A topic that does not exist yet: its records wait in order, and fail after topic.metadata.propagation.max.ms if it never does. */
#include "check.h"

#define RECORDS 300

static producer_t *with_grace(producer_mock_cluster_t *mock, const char *grace_ms) {
    return producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "topic.metadata.propagation.max.ms", grace_ms,
                       "allow.auto.create.topics", "false",
                       "retry.backoff.ms", "20", "retry.backoff.max.ms", "100", NULL);
}

static void created_later(void) {
    check_case("created after the sends: everything arrives, in order; other topics are not held up");
    producer_mock_cluster_t *mock = mock_of(2, "present", 1);
    producer_t *p = with_grace(mock, "20000");
    struct outcome *o = outcomes_new(2 * RECORDS);
    int64_t from = now_ms();
    send_numbered(p, "late", 1, "l", o, RECORDS / 2);
    send_numbered(p, "present", 0, "p", o + RECORDS, RECORDS);
    CHECK(now_ms() - from < 2000); /* send never waits for metadata */
    CHECK(wait_for_reports(p, o + RECORDS, RECORDS, WAIT_MS));
    CHECK_ALL(o + RECORDS, RECORDS, PRODUCER_OK);
    producer_poll(p, 300);
    CHECK_INT(outcomes_reported(o, RECORDS), 0);
    REQUIRE_OK(producer_mock_cluster_topic_create(mock, "late", 3, 1));
    send_numbered(p, "late", 1, "m", o + RECORDS / 2, RECORDS / 2);
    CHECK(wait_for_reports(p, o, RECORDS, WAIT_MS));
    CHECK_ALL(o, RECORDS, PRODUCER_OK);
    for (int i = 0; i < RECORDS; i++)
        if (!CHECK_INT(o[i].offset, i)) break;
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void never_created(void) {
    check_case("never created: fails with the topic's name after the grace, and works once it exists");
    producer_mock_cluster_t *mock = mock_of(1, "present", 1);
    producer_t *p = with_grace(mock, "1000");
    struct outcome *o = outcomes_new(RECORDS + 1);
    int64_t from = now_ms();
    send_numbered(p, "nowhere", PRODUCER_PARTITION_ANY, "n", o, RECORDS / 2);
    send_numbered(p, "nowhere", 0, "n", o + RECORDS / 2, RECORDS / 2);
    CHECK(wait_for_reports(p, o, RECORDS, WAIT_MS));
    CHECK(now_ms() - from >= 900 && now_ms() - from < 4000);
    CHECK_ALL(o, RECORDS, PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    for (int i = 0; i < RECORDS; i++) {
        if (!CHECK_INT(o[i].persisted, PRODUCER_PERSISTED_NO)) break;
        if (!CHECK_INT(o[i].phase, PRODUCER_PHASE_METADATA)) break;
        if (!CHECK_INT(o[i].attempts, 0)) break;
    }
    CHECK_SAYS(o[0].error_text, "nowhere");
    REQUIRE_OK(producer_mock_cluster_topic_create(mock, "nowhere", 1, 1));
    CHECK_OK(send_text(p, "nowhere", 0, "at last", &o[RECORDS]));
    CHECK(wait_for_reports(p, &o[RECORDS], 1, WAIT_MS));
    CHECK_ALL(&o[RECORDS], 1, PRODUCER_OK);
    CHECK_INT(log_end(mock, "nowhere", 0), 1);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

int main(void) {
    check_begin();
    created_later();
    never_created();
    return check_end();
}
