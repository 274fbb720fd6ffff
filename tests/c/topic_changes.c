/* Topics that are deleted, made again with fewer partitions, and not used for long; and which brokers are connected to. */
#include "check.h"

#define RECORDS 60

static int64_t number(producer_t *p, const char *name) {
    char *text = NULL, key[80];
    int64_t value = -1;
    REQUIRE_OK(producer_stats_json(p, &text));
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(text, key);
    if (at != NULL) value = strtoll(at + strlen(key), NULL, 10);
    producer_string_free(text);
    return value;
}

/* Polls until the number has this value; false when it does not get it in time. */
static bool wait_for_number(producer_t *p, const char *name, int64_t wanted) {
    int64_t until = now_ms() + WAIT_MS;
    while (number(p, name) != wanted) {
        if (now_ms() > until) return false;
        producer_poll(p, 20);
    }
    return true;
}

static bool is_told_of(producer_t *p, const char *words) {
    char *json = NULL, *prometheus = NULL;
    REQUIRE_OK(producer_stats_json(p, &json));
    REQUIRE_OK(producer_stats_prometheus(p, &prometheus));
    bool in_json = strstr(json, words) != NULL, in_prometheus = strstr(prometheus, words) != NULL;
    producer_string_free(json);
    producer_string_free(prometheus);
    CHECK_INT(in_json, in_prometheus);
    return in_json;
}

static void send_keyed(producer_t *p, const char *topic, struct outcome *o, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char key[24];
        producer_record_t r = PRODUCER_RECORD_INIT;
        snprintf(key, sizeof key, "key%zu", i);
        r.topic = topic;
        r.value = "v";
        r.value_len = 1;
        if (i % 2 == 0) {
            r.key = key;
            r.key_len = strlen(key);
        }
        CHECK_OK(producer_send(p, &r, on_outcome, &o[i]));
    }
}

static void fewer_partitions(void) {
    check_case("made again with fewer partitions: records go to those that there are");
    producer_mock_cluster_t *mock = mock_of(2, "t", 12);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "metadata.max.age.ms", "50",
                                "batch.size", "200", NULL);
    struct outcome *o = outcomes_new(2 * RECORDS);
    send_keyed(p, "t", o, RECORDS);
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, RECORDS, PRODUCER_OK);
    REQUIRE_OK(producer_mock_cluster_topic_delete(mock, "t"));
    REQUIRE_OK(producer_mock_cluster_topic_create(mock, "t", 3, 1));
    CHECK(wait_for_number(p, "partitions", 3));
    send_keyed(p, "t", o + RECORDS, RECORDS);
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o + RECORDS, RECORDS, PRODUCER_OK);
    for (int i = RECORDS; i < 2 * RECORDS; i++)
        if (!CHECK(o[i].partition < 3)) break;
    CHECK_INT(log_end(mock, "t", 0) + log_end(mock, "t", 1) + log_end(mock, "t", 2), RECORDS);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void deleted_under_way(void) {
    check_case("deleted under way: its records fail with its status after the grace, others are not held up");
    producer_mock_cluster_t *mock = mock_of(2, "goes", 2);
    REQUIRE_OK(producer_mock_cluster_topic_create(mock, "stays", 2, 1));
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "allow.auto.create.topics", "false",
                                "topic.metadata.propagation.max.ms", "1000", "retry.backoff.ms", "20", "retry.backoff.max.ms", "100",
                                NULL);
    struct outcome *o = outcomes_new(6);
    CHECK_OK(send_text(p, "goes", 0, "before", &o[0]));
    CHECK_OK(send_text(p, "stays", 0, "before", &o[1]));
    CHECK(wait_for_reports(p, o, 2, WAIT_MS));
    CHECK_ALL(o, 2, PRODUCER_OK);
    REQUIRE_OK(producer_mock_cluster_topic_delete(mock, "goes"));
    int64_t from = now_ms();
    CHECK_OK(send_text(p, "goes", 0, "after", &o[2]));
    CHECK_OK(send_text(p, "goes", 1, "after", &o[3]));
    CHECK_OK(send_text(p, "stays", 0, "after", &o[4]));
    CHECK(wait_for_reports(p, o + 4, 1, WAIT_MS));
    CHECK(now_ms() - from < 900);
    CHECK(wait_for_reports(p, o + 2, 2, WAIT_MS));
    CHECK(now_ms() - from >= 900 && now_ms() - from < 5000);
    CHECK_ALL(o + 2, 2, PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    CHECK_SAYS(o[2].error_text, "goes");
    REQUIRE_OK(producer_mock_cluster_topic_create(mock, "goes", 1, 1));
    CHECK_OK(send_text(p, "goes", 0, "again", &o[5]));
    CHECK(wait_for_reports(p, o + 5, 1, WAIT_MS));
    CHECK_ALL(o + 5, 1, PRODUCER_OK);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void stays_deleted(void) {
    check_case("deleted and not sent to: nothing brings it back but a record for it, by its old handle too");
    producer_mock_cluster_t *mock = mock_of(1, "keep", 1);
    REQUIRE_OK(producer_mock_cluster_topic_create(mock, "gone", 2, 1));
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "metadata.max.age.ms", "20", NULL);
    const producer_topic_t *handle = NULL;
    CHECK_OK(producer_topic(p, "gone", &handle));
    struct outcome *o = outcomes_new(3);
    CHECK_OK(send_text(p, "keep", 0, "a", &o[0]));
    CHECK_OK(send_text(p, "gone", 0, "a", &o[1]));
    CHECK_OK(producer_flush(p, WAIT_MS));
    REQUIRE_OK(producer_mock_cluster_topic_delete(mock, "gone"));
    CHECK(wait_for_number(p, "topics", 1));
    int64_t refreshes = number(p, "metadata_refreshes"), until = now_ms() + WAIT_MS;
    while (number(p, "metadata_refreshes") < refreshes + 10 && now_ms() < until) {
        CHECK_OK(send_text(p, "keep", 0, "b", NULL));
        producer_poll(p, 20);
    }
    int64_t end = 0;
    CHECK_STATUS(producer_mock_cluster_end_offset(mock, "gone", 0, &end), PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    producer_metadata_t *metadata = NULL;
    CHECK_OK(producer_metadata(p, NULL, WAIT_MS, &metadata));
    CHECK_INT(producer_metadata_topic_count(metadata), 1);
    producer_metadata_free(metadata);
    CHECK_STATUS(producer_mock_cluster_end_offset(mock, "gone", 0, &end), PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic_handle = handle;
    r.value = "c";
    r.value_len = 1;
    CHECK_OK(producer_send(p, &r, on_outcome, &o[2]));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, 3, PRODUCER_OK);
    CHECK_INT(log_end(mock, "gone", 0), 1);
    CHECK_INT(number(p, "topics"), 2);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void forgotten(void) {
    check_case("not used for metadata.max.idle.ms: its statistics go, and come back with it");
    producer_mock_cluster_t *mock = mock_of(1, "used", 1);
    REQUIRE_OK(producer_mock_cluster_topic_create(mock, "unused", 4, 1));
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "metadata.max.idle.ms", "5000", NULL);
    struct outcome *o = outcomes_new(3);
    CHECK_OK(send_text(p, "used", 0, "a", &o[0]));
    CHECK_OK(send_text(p, "unused", 0, "a", &o[1]));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_INT(number(p, "partitions"), 5);
    CHECK(is_told_of(p, "unused"));
    int64_t until = now_ms() + WAIT_MS;
    while (number(p, "topics") != 1 && now_ms() < until) {
        CHECK_OK(send_text(p, "used", 0, "b", NULL));
        producer_poll(p, 100);
    }
    CHECK(!is_told_of(p, "unused"));
    CHECK_INT(number(p, "partitions"), 1);
    CHECK_OK(send_text(p, "unused", 0, "b", &o[2]));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, 3, PRODUCER_OK);
    CHECK_INT(o[2].offset, 1);
    CHECK(is_told_of(p, "unused"));
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void connections(void) {
    check_case("records for one partition, and single_broker: no other leader is connected to");
    for (int single = 0; single < 2; single++) {
        producer_mock_cluster_t *mock = mock_of(12, "t", 12);
        producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "partitioner",
                                    single ? "single_broker" : "murmur2", NULL);
        struct outcome *o = outcomes_new(20);
        for (int i = 0; i < 20; i++) {
            CHECK_OK(send_text(p, "t", single ? PRODUCER_PARTITION_ANY : 7, "v", &o[i]));
            CHECK_OK(producer_flush(p, WAIT_MS));
        }
        CHECK_ALL(o, 20, PRODUCER_OK);
        CHECK(number(p, "connects") <= 3);
        CHECK_OK(producer_close(p, WAIT_MS));
        producer_mock_cluster_free(mock);
        free(o);
    }
}

int main(void) {
    check_begin();
    fewer_partitions();
    deleted_under_way();
    stays_deleted();
    forgotten();
    connections();
    return check_end();
}
