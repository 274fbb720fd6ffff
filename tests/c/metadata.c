/* Metadata: what the cluster says of brokers, topics and partitions, in use or not; and warm-up before the first record. */
#include "check.h"

static producer_metadata_t *ask(producer_t *p, const char *topic, int32_t timeout_ms) {
    producer_metadata_t *m = NULL;
    REQUIRE_OK(producer_metadata(p, topic, timeout_ms, &m));
    REQUIRE(m != NULL);
    return m;
}

static producer_metadata_topic_t topic_at(producer_metadata_t *m, size_t index) {
    producer_metadata_topic_t t = PRODUCER_METADATA_TOPIC_INIT;
    REQUIRE_OK(producer_metadata_topic_at(m, index, &t));
    return t;
}

static producer_metadata_partition_t partition_at(producer_metadata_t *m, size_t topic, size_t index) {
    producer_metadata_partition_t t = PRODUCER_METADATA_PARTITION_INIT;
    REQUIRE_OK(producer_metadata_partition_at(m, topic, index, &t));
    return t;
}

static int64_t connections(producer_t *p) {
    producer_stats_t s = PRODUCER_STATS_INIT;
    REQUIRE_OK(producer_stats(p, &s));
    return s.connections;
}

static void the_whole_cluster(void) {
    check_case("NULL asks for every topic in use: brokers, partitions, leaders, replicas");
    producer_mock_cluster_t *mock = mock_of(3, "b", 2);
    REQUIRE_OK(producer_mock_cluster_topic_create(mock, "a", 3, 3));
    REQUIRE_OK(producer_mock_cluster_topic_create(mock, "unused", 1, 1));
    producer_t *p = producer_at(mock);
    warm_up(p, "a", 0);
    warm_up(p, "b", 1);
    producer_metadata_t *m = ask(p, NULL, WAIT_MS);
    CHECK(producer_metadata_cluster_id(m) != NULL && strlen(producer_metadata_cluster_id(m)) > 3);
    CHECK_INT(producer_metadata_controller_id(m), 1);
    CHECK_INT(producer_metadata_broker_count(m), 3);
    for (size_t i = 0; i < producer_metadata_broker_count(m); i++) {
        producer_metadata_broker_t b = PRODUCER_METADATA_BROKER_INIT;
        char address[300];
        CHECK_OK(producer_metadata_broker_at(m, i, &b));
        CHECK_INT(b.id, i + 1);
        snprintf(address, sizeof address, "%s:%d", b.host, (int)b.port);
        CHECK_SAYS(producer_mock_cluster_bootstrap_servers(mock), address);
        CHECK(b.rack == NULL);
    }
    CHECK_INT(producer_metadata_topic_count(m), 2);
    producer_metadata_topic_t a = topic_at(m, 0), b = topic_at(m, 1);
    CHECK(strcmp(a.name, "a") == 0 && strcmp(b.name, "b") == 0);
    CHECK_INT(a.status, PRODUCER_OK);
    CHECK_INT(a.partition_count, 3);
    CHECK_INT(b.partition_count, 2);
    for (size_t i = 0; i < a.partition_count; i++) {
        producer_metadata_partition_t t = partition_at(m, 0, i);
        CHECK_INT(t.partition, i);
        CHECK_INT(t.status, PRODUCER_OK);
        CHECK(t.leader >= 1 && t.leader <= 3 && t.leader_epoch >= 0);
        CHECK_INT(t.replica_count, 3);
        CHECK_INT(t.in_sync_replica_count, 3);
        CHECK(t.offline_replica_count == 0 && t.offline_replicas == NULL);
        bool has_leader = false;
        for (size_t r = 0; r < t.replica_count; r++) has_leader |= t.replicas[r] == t.leader;
        CHECK(has_leader);
    }
    CHECK_OK(producer_close(p, WAIT_MS));
    /* It needs no producer any more. */
    CHECK_INT(partition_at(m, 1, 1).replica_count, 1);
    CHECK_INT(topic_at(m, 0).struct_size, sizeof(producer_metadata_topic_t));
    producer_metadata_free(m);
    producer_mock_cluster_free(mock);
}

static void one_topic(void) {
    check_case("a topic that nothing was sent to can be asked for, and is not in use by that");
    producer_mock_cluster_t *mock = mock_of(2, "t", 4);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "allow.auto.create.topics", "false", NULL);
    producer_metadata_t *m = ask(p, "t", WAIT_MS);
    CHECK_INT(producer_metadata_topic_count(m), 1);
    CHECK_INT(topic_at(m, 0).partition_count, 4);
    CHECK_INT(partition_at(m, 0, 3).replica_count, 1);
    producer_metadata_free(m);
    m = ask(p, NULL, WAIT_MS);
    CHECK_INT(producer_metadata_topic_count(m), 0);
    CHECK_INT(producer_metadata_broker_count(m), 2);
    producer_metadata_free(m);

    check_case("a topic that does not exist is an answer, at once when nothing may create it");
    int64_t from = now_ms();
    m = ask(p, "no.such.topic", WAIT_MS);
    CHECK_INT(topic_at(m, 0).status, PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    CHECK_INT(topic_at(m, 0).partition_count, 0);
    CHECK(now_ms() - from < WAIT_MS / 2);
    producer_metadata_free(m);

    check_case("with a timeout of 0 it is what is known: leaders of topics in use, no replicas");
    m = ask(p, "t", 0);
    CHECK_INT(producer_metadata_topic_count(m), 0);
    producer_metadata_free(m);
    warm_up(p, "t", 2);
    m = ask(p, "t", 0);
    CHECK_INT(producer_metadata_topic_count(m), 1);
    CHECK_INT(topic_at(m, 0).partition_count, 4);
    CHECK(partition_at(m, 0, 2).leader >= 1 && partition_at(m, 0, 2).replica_count == 0 && partition_at(m, 0, 2).replicas == NULL);
    CHECK(producer_metadata_cluster_id(m) != NULL);
    producer_metadata_free(m);

    check_case("a partition without a leader, and replicas that are down, are told");
    int32_t leader = warm_up(p, "t", 1);
    REQUIRE_OK(producer_mock_cluster_broker_down(mock, leader));
    m = ask(p, "t", WAIT_MS);
    producer_metadata_partition_t gone = partition_at(m, 0, 1);
    CHECK_INT(gone.leader, -1);
    CHECK_INT(gone.status, PRODUCER_ERR_LEADER_NOT_AVAILABLE);
    CHECK_INT(gone.offline_replica_count, 1);
    CHECK_INT(gone.offline_replicas[0], leader);
    CHECK_INT(producer_metadata_broker_count(m), 1);
    producer_metadata_free(m);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static void creation(void) {
    check_case("asking creates a topic where both sides allow it, and waits until it is there");
    producer_config_t *c = NULL;
    producer_t *p = NULL;
    REQUIRE_OK(producer_config_new(&c));
    REQUIRE_OK(producer_config_set(c, "test.mock.num.brokers", "1"));
    REQUIRE_OK(producer_new(c, &p));
    producer_config_free(c);
    producer_metadata_t *m = ask(p, "made.by.asking", WAIT_MS);
    CHECK_INT(topic_at(m, 0).status, PRODUCER_OK);
    CHECK(topic_at(m, 0).partition_count > 0);
    producer_metadata_free(m);
    CHECK_OK(producer_close(p, WAIT_MS));
}

static void no_broker(void) {
    check_case("no broker answers: a timeout that names who was asked");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    char servers[100];
    snprintf(servers, sizeof servers, "%s", producer_mock_cluster_bootstrap_servers(mock));
    REQUIRE_OK(producer_mock_cluster_broker_down(mock, 1));
    producer_t *p = producer_of(servers, "reconnect.backoff.ms", "10", NULL);
    producer_metadata_t *m = NULL;
    char *id = NULL;
    CHECK_STATUS(producer_metadata(p, NULL, 300, &m), PRODUCER_ERR_TIMED_OUT);
    CHECK_SAYS(producer_last_error(), servers);
    CHECK(m == NULL);
    CHECK_STATUS(producer_metadata(p, "t", 300, &m), PRODUCER_ERR_TIMED_OUT);
    CHECK_SAYS(producer_last_error(), "'t'");
    CHECK_STATUS(producer_cluster_id(p, 0, &id), PRODUCER_ERR_NOT_FOUND);
    CHECK_STATUS(producer_cluster_id(p, 200, &id), PRODUCER_ERR_TIMED_OUT);
    CHECK_STATUS(producer_warm_up(p, "t", 200), PRODUCER_ERR_TIMED_OUT);
    CHECK_SAYS(producer_last_error(), "'t'");
    m = ask(p, NULL, 0);
    CHECK_INT(producer_metadata_broker_count(m), 0);
    CHECK(producer_metadata_cluster_id(m) == NULL);
    producer_metadata_free(m);

    check_case("whoever waits has the answer as soon as a broker is there");
    REQUIRE_OK(producer_mock_cluster_broker_up(mock, 1));
    m = ask(p, "t", WAIT_MS);
    CHECK_INT(topic_at(m, 0).partition_count, 1);
    REQUIRE_OK(producer_cluster_id(p, 0, &id));
    CHECK(strcmp(id, producer_metadata_cluster_id(m)) == 0);
    producer_string_free(id);
    producer_metadata_free(m);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static void a_lost_answer(void) {
    check_case("an answer that is lost with its connection is asked for again");
    producer_mock_cluster_t *mock = mock_of(2, "t", 1);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "reconnect.backoff.ms", "10", "retry.backoff.ms", "10",
                                NULL);
    warm_up(p, "t", 0);
    REQUIRE_OK(producer_mock_cluster_push_disconnect(mock, API_METADATA, 0, 3));
    producer_metadata_t *m = ask(p, "t", WAIT_MS);
    CHECK_INT(topic_at(m, 0).partition_count, 1);
    producer_metadata_free(m);
    REQUIRE_OK(producer_mock_cluster_push_error(mock, API_METADATA, PRODUCER_ERR_LEADER_NOT_AVAILABLE, 2));
    m = ask(p, "t", WAIT_MS);
    CHECK_INT(topic_at(m, 0).status, PRODUCER_OK);
    producer_metadata_free(m);
    REQUIRE_OK(producer_mock_cluster_push_error(mock, API_METADATA, PRODUCER_ERR_TOPIC_AUTHORIZATION_FAILED, 1));
    m = ask(p, "t", WAIT_MS);
    CHECK_INT(topic_at(m, 0).status, PRODUCER_ERR_TOPIC_AUTHORIZATION_FAILED);
    producer_metadata_free(m);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static void warming_up(void) {
    check_case("a warm-up connects every leader before the first record, which then needs no connection any more");
    producer_mock_cluster_t *mock = mock_of(3, "t", 6);
    producer_t *p = producer_at(mock);
    CHECK_OK(producer_warm_up(p, "t", WAIT_MS));
    CHECK_INT(connections(p), 3);
    producer_stats_t before = PRODUCER_STATS_INIT, after = PRODUCER_STATS_INIT;
    REQUIRE_OK(producer_stats(p, &before));
    CHECK_INT(before.produce_requests, 0);
    struct outcome *o = outcomes_new(6);
    for (int32_t i = 0; i < 6; i++) REQUIRE_OK(send_text(p, "t", i, "x", &o[i]));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, 6, PRODUCER_OK);
    REQUIRE_OK(producer_stats(p, &after));
    CHECK_INT(after.connects, before.connects);
    CHECK_INT(after.metadata_refreshes, before.metadata_refreshes);
    CHECK_OK(producer_warm_up(p, "t", WAIT_MS));
    free(o);

    check_case("it waits for a leader, and says for which partition when it has no more time");
    REQUIRE_OK(producer_mock_cluster_topic_create(mock, "late", 1, 1));
    REQUIRE_OK(producer_mock_cluster_partition_set_leader(mock, "late", 0, -1));
    CHECK_STATUS(producer_warm_up(p, "late", 200), PRODUCER_ERR_TIMED_OUT);
    CHECK_SAYS(producer_last_error(), "late");
    CHECK_SAYS(producer_last_error(), "leader");
    REQUIRE_OK(producer_mock_cluster_partition_set_leader(mock, "late", 0, 2));
    CHECK_OK(producer_warm_up(p, "late", WAIT_MS));
    CHECK_OK(producer_warm_up(p, "t", 0));
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);

    check_case("a topic that may not be used ends it with the broker's word");
    mock = mock_of(1, "t", 1);
    p = producer_at(mock);
    producer_metadata_free(ask(p, NULL, WAIT_MS)); /* the producer's own first question is answered by then, or asked before */
    REQUIRE_OK(producer_mock_cluster_push_error(mock, API_METADATA, PRODUCER_ERR_TOPIC_AUTHORIZATION_FAILED, 1));
    CHECK_STATUS(producer_warm_up(p, "t", WAIT_MS), PRODUCER_ERR_TOPIC_AUTHORIZATION_FAILED);
    CHECK_SAYS(producer_last_error(), "'t'");
    CHECK_OK(producer_warm_up(p, "t", WAIT_MS));
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static producer_t *called_back;
static producer_status_t in_callback[5];

static void on_report(const producer_report_t *report, void *opaque) {
    producer_metadata_t *m = NULL;
    char *id = NULL;
    (void)report, (void)opaque;
    in_callback[0] = producer_metadata(called_back, NULL, 100, &m);
    in_callback[1] = producer_metadata(called_back, NULL, 0, &m);
    producer_metadata_free(m);
    in_callback[2] = producer_warm_up(called_back, "t", 100);
    in_callback[3] = producer_warm_up(called_back, "t", 0);
    in_callback[4] = producer_cluster_id(called_back, 100, &id);
    producer_string_free(id);
}

static void callbacks(void) {
    check_case("inside a callback nothing may wait for brokers");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    called_back = producer_at(mock);
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t";
    CHECK_OK(producer_send(called_back, &r, on_report, NULL));
    CHECK_OK(producer_flush(called_back, WAIT_MS));
    CHECK_INT(in_callback[0], PRODUCER_ERR_IN_CALLBACK);
    CHECK_INT(in_callback[1], PRODUCER_OK);
    CHECK_INT(in_callback[2], PRODUCER_ERR_IN_CALLBACK);
    CHECK_INT(in_callback[3], PRODUCER_OK);
    CHECK_INT(in_callback[4], PRODUCER_OK); /* known already */
    CHECK_OK(producer_close(called_back, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static void *asker(void *opaque) {
    for (int i = 0; i < 25; i++) {
        producer_metadata_t *m = ask(opaque, i % 2 ? "t" : NULL, WAIT_MS);
        CHECK_INT(producer_metadata_broker_count(m), 3);
        producer_metadata_free(m);
        CHECK_OK(producer_warm_up(opaque, "t", WAIT_MS));
    }
    return NULL;
}

static void many_threads(void) {
    check_case("eight threads ask at once while records are sent");
    producer_mock_cluster_t *mock = mock_of(3, "t", 6);
    producer_t *p = producer_at(mock);
    pthread_t threads[8];
    for (int i = 0; i < 8; i++) REQUIRE(pthread_create(&threads[i], NULL, asker, p) == 0);
    struct outcome *o = outcomes_new(500);
    send_numbered(p, "t", 0, "n", o, 500);
    for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, 500, PRODUCER_OK);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void bad_input(void) {
    check_case("bad input is refused by name");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = producer_at(mock);
    producer_metadata_t *m = NULL;
    producer_metadata_broker_t b = PRODUCER_METADATA_BROKER_INIT;
    producer_metadata_topic_t t = PRODUCER_METADATA_TOPIC_INIT;
    producer_metadata_partition_t a = PRODUCER_METADATA_PARTITION_INIT;
    char *id = NULL;
    CHECK_STATUS(producer_metadata(NULL, NULL, 0, &m), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "producer");
    CHECK_STATUS(producer_metadata(p, NULL, 0, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "metadata");
    CHECK_STATUS(producer_metadata(p, NULL, -2, &m), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "timeout_ms");
    CHECK_STATUS(producer_metadata(p, "a b", 100, &m), PRODUCER_ERR_INVALID_TOPIC_EXCEPTION);
    CHECK_STATUS(producer_metadata(p, "", 100, &m), PRODUCER_ERR_INVALID_TOPIC_EXCEPTION);
    CHECK_STATUS(producer_metadata(p, "\xff\xfe", 100, &m), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_cluster_id(p, 0, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_cluster_id(NULL, 0, &id), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_cluster_id(p, -7, &id), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_warm_up(NULL, "t", 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_warm_up(p, NULL, 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_warm_up(p, "..", 0), PRODUCER_ERR_INVALID_TOPIC_EXCEPTION);
    CHECK_STATUS(producer_warm_up(p, "t", -5), PRODUCER_ERR_INVALID_ARGUMENT);
    m = ask(p, "t", WAIT_MS);
    CHECK_STATUS(producer_metadata_broker_at(NULL, 0, &b), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_metadata_broker_at(m, 0, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_metadata_broker_at(m, 1, &b), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "index 1");
    b.struct_size = 8;
    CHECK_STATUS(producer_metadata_broker_at(m, 0, &b), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "PRODUCER_METADATA_BROKER_INIT");
    CHECK_STATUS(producer_metadata_topic_at(NULL, 0, &t), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_metadata_topic_at(m, 0, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_metadata_topic_at(m, SIZE_MAX, &t), PRODUCER_ERR_INVALID_ARGUMENT);
    t.struct_size = 0;
    CHECK_STATUS(producer_metadata_topic_at(m, 0, &t), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_metadata_partition_at(NULL, 0, 0, &a), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_metadata_partition_at(m, 0, 0, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_metadata_partition_at(m, 1, 0, &a), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_metadata_partition_at(m, 0, 1, &a), PRODUCER_ERR_INVALID_ARGUMENT);
    a.struct_size = 16;
    CHECK_STATUS(producer_metadata_partition_at(m, 0, 0, &a), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK(producer_metadata_cluster_id(NULL) == NULL);
    CHECK_INT(producer_metadata_controller_id(NULL), -1);
    CHECK_INT(producer_metadata_broker_count(NULL), 0);
    CHECK_INT(producer_metadata_topic_count(NULL), 0);
    producer_metadata_free(m);
    producer_metadata_free(NULL);
    producer_string_free(NULL);
    CHECK_OK(producer_close(p, WAIT_MS));
    m = NULL;
    CHECK_STATUS(producer_metadata(p, NULL, 100, &m), PRODUCER_ERR_CLOSED);
    CHECK_STATUS(producer_warm_up(p, "t", 100), PRODUCER_ERR_CLOSED);
    CHECK_STATUS(producer_cluster_id(p, 100, &id), PRODUCER_ERR_CLOSED);
    producer_mock_cluster_free(mock);
}

int main(void) {
    check_begin();
    the_whole_cluster();
    one_topic();
    creation();
    no_broker();
    a_lost_answer();
    warming_up();
    callbacks();
    many_threads();
    bad_input();
    return check_end();
}
