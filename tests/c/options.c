/* Options of one topic and of one record: what they change, what they leave alone, and what is refused. */
#include "check.h"

static producer_t *plain(producer_mock_cluster_t *mock, const char *linger_ms) {
    return producer_of(producer_mock_cluster_bootstrap_servers(mock), "enable.idempotence", "false", "linger.ms", linger_ms, NULL);
}

static producer_status_t send_acks(producer_t *p, const char *topic, const char *value, int32_t acks, struct outcome *o) {
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = topic, r.partition = 0, r.value = value, r.value_len = strlen(value), r.acks = acks;
    return producer_send(p, &r, o ? on_outcome : NULL, o);
}

static void bad_input(void) {
    check_case("what cannot be set for a topic is refused in words, and changes nothing");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = producer_at(mock);
    CHECK_STATUS(producer_topic_set(NULL, "t", "linger.ms", "1"), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_topic_set(p, NULL, "linger.ms", "1"), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "topic");
    CHECK_STATUS(producer_topic_set(p, "t", NULL, "1"), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_topic_set(p, "t", "linger.ms", NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_topic_set(p, "t", "linger.ms", "\xff"), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_topic_set(p, "no spaces", "linger.ms", "1"), PRODUCER_ERR_INVALID_TOPIC_EXCEPTION);
    CHECK_STATUS(producer_topic_set(p, "t", "linger.msec", "1"), PRODUCER_ERR_UNKNOWN_PROPERTY);
    CHECK_SAYS(producer_last_error(), "linger.ms");
    CHECK_STATUS(producer_topic_set(p, "t", "buffer.memory", "1000000"), PRODUCER_ERR_PROPERTY_NOT_SUPPORTED);
    CHECK_SAYS(producer_last_error(), "acks, linger.ms, batch.size");
    CHECK_STATUS(producer_topic_set(p, "t", "linger.ms", "soon"), PRODUCER_ERR_INVALID_PROPERTY);
    CHECK_STATUS(producer_topic_set(p, "t", "compression.type", "zip"), PRODUCER_ERR_INVALID_PROPERTY);
    CHECK_STATUS(producer_topic_set(p, "t", "compression.threads", "2"), PRODUCER_ERR_PROPERTY_NOT_SUPPORTED);
    CHECK_OK(producer_topic_set(p, "t", "compression.type", "none"));
    CHECK_STATUS(producer_topic_set(p, "t", "acks", "1"), PRODUCER_ERR_CONFIG_CONFLICT);
    CHECK_SAYS(producer_last_error(), "enable.idempotence");
    CHECK_STATUS(producer_topic_set(p, "t", "batch.size", "2000000000"), PRODUCER_ERR_CONFIG_CONFLICT);
    CHECK_SAYS(producer_last_error(), "buffer.memory");
    CHECK_OK(producer_topic_set(p, "t", "delivery.timeout.ms", "40000"));
    CHECK_STATUS(producer_topic_set(p, "t", "linger.ms", "20000"), PRODUCER_ERR_CONFIG_CONFLICT);
    CHECK_SAYS(producer_last_error(), "topic 't'");
    CHECK_SAYS(producer_last_error(), "delivery.timeout.ms");
    CHECK_STATUS(send_acks(p, "t", "v", 7, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "acks is 7");
    CHECK_STATUS(send_acks(p, "t", "v", PRODUCER_ACKS_LEADER, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "enable.idempotence");
    CHECK_STATUS(send_acks(p, "t", "v", PRODUCER_ACKS_NONE, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_OK(send_acks(p, "t", "v", PRODUCER_ACKS_ALL, NULL));
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_STATUS(producer_topic_set(p, "t", "linger.ms", "1"), PRODUCER_ERR_CLOSED);
    CHECK_INT(log_end(mock, "t", 0), 1);
    producer_mock_cluster_free(mock);
}

static void acks_of_records(void) {
    check_case("records of a partition with acks of their own: each gets what it asks for, and their order stays");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = plain(mock, "0");
    const int32_t asked[] = {PRODUCER_ACKS_DEFAULT, PRODUCER_ACKS_LEADER, PRODUCER_ACKS_NONE, PRODUCER_ACKS_ALL};
    enum { COUNT = 400 };
    struct outcome *o = outcomes_new(COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        char value[16];
        snprintf(value, sizeof value, "%zu", i);
        /* In runs, alone, and before the topic is known. */
        if (!CHECK_OK(send_acks(p, "t", value, asked[i < 200 ? i / 10 % 4 : i % 4], &o[i]))) break;
    }
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_INT(outcomes_with(o, COUNT, PRODUCER_OK), COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        bool unanswered = asked[i < 200 ? i / 10 % 4 : i % 4] == PRODUCER_ACKS_NONE;
        CHECK_INT(o[i].persisted, unanswered ? PRODUCER_PERSISTED_MAYBE : PRODUCER_PERSISTED_YES);
        if (!CHECK_INT(o[i].offset, unanswered ? -1 : (int64_t)i)) break;
    }
    /* The offsets of those that have one say that the others are where they belong: all have arrived by then. */
    CHECK_INT(log_end(mock, "t", 0), COUNT);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void acks_of_a_topic(void) {
    check_case("a topic's own acks, taken back, and stood up to by a record");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    REQUIRE_OK(producer_mock_cluster_topic_create(mock, "other", 1, 1));
    producer_t *p = plain(mock, "0");
    struct outcome *o = outcomes_new(4);
    CHECK_OK(producer_topic_set(p, "t", "request.required.acks", "0"));
    CHECK_OK(send_acks(p, "t", "0", PRODUCER_ACKS_DEFAULT, &o[0]));
    CHECK_OK(send_acks(p, "t", "1", PRODUCER_ACKS_LEADER, &o[1]));
    CHECK_OK(send_acks(p, "other", "2", PRODUCER_ACKS_DEFAULT, &o[2]));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_OK(producer_topic_set(p, "t", "acks", "all"));
    CHECK_OK(send_acks(p, "t", "3", PRODUCER_ACKS_DEFAULT, &o[3]));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_INT(outcomes_with(o, 4, PRODUCER_OK), 4);
    CHECK_INT(o[0].offset, -1);
    CHECK_INT(o[0].persisted, PRODUCER_PERSISTED_MAYBE);
    CHECK_INT(o[1].offset, 1);
    CHECK_INT(o[2].offset, 0);
    CHECK_INT(o[3].offset, 2);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void linger_of_a_topic(void) {
    check_case("a topic with a short linger goes while another one waits");
    producer_mock_cluster_t *mock = mock_of(1, "slow", 1);
    REQUIRE_OK(producer_mock_cluster_topic_create(mock, "quick", 1, 1));
    producer_t *p = plain(mock, "60000");
    struct outcome *o = outcomes_new(2);
    CHECK_OK(producer_topic_set(p, "quick", "linger.ms", "2"));
    CHECK_OK(send_text(p, "slow", 0, "waits", &o[0]));
    CHECK_OK(send_text(p, "quick", 0, "goes", &o[1]));
    CHECK(wait_for_reports(p, &o[1], 1, WAIT_MS));
    CHECK_ALL(&o[1], 1, PRODUCER_OK);
    CHECK_INT(atomic_load(&o[0].reports), 0);
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, 2, PRODUCER_OK);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void deadlines(void) {
    check_case("delivery time of a topic and of a record: waiting for metadata, and on its way");
    producer_mock_cluster_t *mock = mock_of(1, "long", 1);
    REQUIRE_OK(producer_mock_cluster_topic_create(mock, "short", 1, 1));
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "allow.auto.create.topics", "false", NULL);
    struct outcome *o = outcomes_new(4);
    CHECK_OK(producer_topic_set(p, "short", "request.timeout.ms", "200"));
    CHECK_OK(producer_topic_set(p, "short", "delivery.timeout.ms", "300"));
    int32_t broker = warm_up(p, "long", 0);
    warm_up(p, "short", 0);
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "not-there", r.value = "parked", r.value_len = 6, r.delivery_timeout_ms = 200;
    CHECK_OK(producer_send(p, &r, on_outcome, &o[0]));
    CHECK(wait_for_reports(p, &o[0], 1, WAIT_MS));
    CHECK_ALL(&o[0], 1, PRODUCER_ERR_DELIVERY_TIMED_OUT);
    CHECK_INT(o[0].persisted, PRODUCER_PERSISTED_NO);
    REQUIRE_OK(producer_mock_cluster_broker_freeze(mock, broker));
    CHECK_OK(send_text(p, "long", 0, "stays", &o[1]));
    CHECK_OK(send_text(p, "short", 0, "ends", &o[2]));
    CHECK(wait_for_reports(p, &o[2], 1, WAIT_MS));
    CHECK_ALL(&o[2], 1, PRODUCER_ERR_DELIVERY_TIMED_OUT);
    CHECK_INT(o[2].persisted, PRODUCER_PERSISTED_MAYBE);
    CHECK_INT(atomic_load(&o[1].reports), 0);
    r.topic = "long", r.partition = 0;
    CHECK_OK(producer_send(p, &r, on_outcome, &o[3]));
    CHECK(wait_for_reports(p, &o[3], 1, WAIT_MS));
    CHECK_ALL(&o[3], 1, PRODUCER_ERR_DELIVERY_TIMED_OUT);
    REQUIRE_OK(producer_mock_cluster_broker_thaw(mock, broker));
    CHECK(wait_for_reports(p, &o[1], 1, WAIT_MS));
    CHECK_ALL(&o[1], 1, PRODUCER_OK);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static atomic_bool stop_changing;
static void *change_all_the_time(void *producer) {
    const char *acks[] = {"0", "1", "all"};
    for (size_t i = 0; !atomic_load(&stop_changing); i++) {
        CHECK_OK(producer_topic_set(producer, "t", "acks", acks[i % 3]));
        CHECK_OK(producer_topic_set(producer, "t", "batch.size", i % 2 ? "200" : "100000"));
        CHECK_OK(producer_topic_set(producer, "t", "linger.ms", i % 2 ? "0" : "1.5"));
    }
    return NULL;
}

static void changed_meanwhile(void) {
    check_case("settings that change all the time lose and disorder nothing");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = plain(mock, "0");
    enum { COUNT = 5000 };
    struct outcome *o = outcomes_new(COUNT);
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, change_all_the_time, p) == 0);
    send_numbered(p, "t", 0, "", o, COUNT);
    CHECK_OK(producer_flush(p, WAIT_MS));
    atomic_store(&stop_changing, true);
    pthread_join(thread, NULL);
    CHECK_INT(outcomes_with(o, COUNT, PRODUCER_OK), COUNT);
    struct outcome *last = outcomes_new(1);
    CHECK_OK(send_acks(p, "t", "last", PRODUCER_ACKS_ALL, last));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_INT(last->offset, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        if (o[i].offset >= 0 && !CHECK_INT(o[i].offset, (int64_t)i)) break;
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
    free(last);
}

int main(void) {
    check_begin();
    bad_input();
    acks_of_records();
    acks_of_a_topic();
    linger_of_a_topic();
    deadlines();
    changed_meanwhile();
    return check_end();
}
