/* Who chooses the partition: the built-in ones by property, and a function of the application. */
#include "check.h"

#define PARTITIONS 4
#define RECORDS 200
#define THREADS 8
#define EACH 2000

/* ---- a function of the application ---- */

struct seen {
    producer_t *producer;
    pthread_t sender;
    atomic_int calls, elsewhere;
    atomic_bool asks;
};

/* The first byte of the value: a digit is the partition, 'a' any, 'x' and 'y' are wrong. */
static int32_t by_value(const producer_partition_view_t *view, void *opaque) {
    struct seen *seen = opaque;
    seen->calls++;
    if (!pthread_equal(pthread_self(), seen->sender)) seen->elsewhere++;
    CHECK(view->struct_size >= sizeof *view);
    CHECK(strcmp(view->topic, "t") == 0);
    CHECK_INT(view->partition_count, PARTITIONS);
    CHECK_INT(view->broker_count, 3);
    CHECK(view->key == NULL && view->key_len == 0);
    for (size_t i = 0; i < view->partition_count; i++) {
        const producer_view_partition_t *partition = &view->partitions[i];
        CHECK_INT(partition->id, i);
        CHECK(partition->leader >= 1 && partition->leader <= 3 && partition->is_available);
    }
    for (size_t i = 0; i < view->broker_count; i++) {
        const producer_view_broker_t *broker = &view->brokers[i];
        CHECK_INT(broker->id, i + 1);
        CHECK(broker->port > 0 && strlen(broker->host) > 0);
        CHECK(broker->id == 2 ? broker->rack != NULL && strcmp(broker->rack, "east") == 0 : broker->rack == NULL);
    }
    if (seen->asks) {
        producer_record_t record = PRODUCER_RECORD_INIT;
        record.topic = "t";
        CHECK_STATUS(producer_send(seen->producer, &record, NULL, NULL), PRODUCER_ERR_IN_CALLBACK);
        CHECK_SAYS(producer_last_error(), "partitioner");
        CHECK_INT(producer_poll(seen->producer, 0), PRODUCER_ERR_IN_CALLBACK);
        CHECK_STATUS(producer_flush(seen->producer, 0), PRODUCER_ERR_IN_CALLBACK);
        CHECK_STATUS(producer_close(seen->producer, 0), PRODUCER_ERR_IN_CALLBACK);
    }
    switch (*(const char *)view->value) {
    case 'a': return PRODUCER_PARTITION_ANY;
    case 'x': return PARTITIONS;
    case 'y': return -7;
    default: return *(const char *)view->value - '0';
    }
}

static producer_t *producer_with(producer_mock_cluster_t *mock, producer_partitioner_fn partitioner, void *opaque,
                                 producer_log_fn log, void *log_opaque) {
    producer_t *p = NULL;
    producer_config_t *c = config_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "1", NULL);
    REQUIRE_OK(producer_config_set_partitioner(c, partitioner, opaque));
    REQUIRE_OK(producer_config_set_log_callback(c, log, log_opaque));
    REQUIRE_OK(producer_new(c, &p));
    producer_config_free(c);
    return p;
}

static void on_line(int32_t level, const char *facility, const char *message, void *opaque) {
    if (strcmp(facility, "PARTITIONER") != 0) return;
    CHECK_INT(level, 4);
    CHECK_SAYS(message, "answered 4 for topic 't', which has 4 partitions");
    atomic_fetch_add((atomic_int *)opaque, 1);
}

static void the_function_decides(void) {
    check_case("the function sees record, partitions and brokers, and its answer is the partition");
    producer_mock_cluster_t *mock = mock_of(3, "t", PARTITIONS);
    CHECK_OK(producer_mock_cluster_broker_set_rack(mock, 2, "east"));
    CHECK_STATUS(producer_mock_cluster_broker_set_rack(mock, 9, "east"), PRODUCER_ERR_NOT_FOUND);
    CHECK_STATUS(producer_mock_cluster_broker_set_rack(NULL, 1, "east"), PRODUCER_ERR_INVALID_ARGUMENT);
    struct seen seen = {.sender = pthread_self()};
    atomic_int lines = 0;
    producer_t *p = producer_with(mock, by_value, &seen, on_line, &lines);
    seen.producer = p;
    struct outcome *o = outcomes_new(RECORDS + 1);
    warm_up(p, "t", 0);
    CHECK_INT(seen.calls, 0); /* a record that names its partition is nobody's to choose */
    for (int i = 0; i < RECORDS; i++) {
        char value[2] = {(char)('0' + i % PARTITIONS), '\0'};
        REQUIRE_OK(send_text(p, "t", PRODUCER_PARTITION_ANY, value, &o[i]));
    }
    CHECK(wait_for_reports(p, o, RECORDS, WAIT_MS));
    CHECK_ALL(o, RECORDS, PRODUCER_OK);
    for (int i = 0; i < RECORDS; i++)
        if (!CHECK_INT(o[i].partition, i % PARTITIONS)) break;
    CHECK_INT(seen.calls, RECORDS);
    CHECK_INT(seen.elsewhere, 0);

    check_case("it may not call its producer");
    seen.asks = true;
    CHECK_OK(send_text(p, "t", PRODUCER_PARTITION_ANY, "3", &o[RECORDS]));
    seen.asks = false;
    CHECK(wait_for_reports(p, &o[RECORDS], 1, WAIT_MS));
    CHECK_INT(o[RECORDS].partition, 3);

    check_case("ANY and wrong answers leave the choice to the library; wrong ones are logged, once for many");
    memset(o, 0, (RECORDS + 1) * sizeof *o);
    const char *values[] = {"x", "a", "y"};
    for (int i = 0; i < RECORDS; i++) REQUIRE_OK(send_text(p, "t", PRODUCER_PARTITION_ANY, values[i % 3], &o[i]));
    CHECK(wait_for_reports(p, o, RECORDS, WAIT_MS));
    CHECK_ALL(o, RECORDS, PRODUCER_OK);
    for (int i = 0; i < RECORDS; i++) CHECK(o[i].partition >= 0 && o[i].partition < PARTITIONS);
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_INT(lines, 1);
    producer_mock_cluster_free(mock);
    free(o);
}

static void parked_records(void) {
    check_case("records that waited for metadata are chosen for on another thread, in their order");
    producer_mock_cluster_t *mock = mock_of(3, "t", PARTITIONS);
    CHECK_OK(producer_mock_cluster_broker_set_rack(mock, 2, "east"));
    for (int broker = 1; broker <= 3; broker++) CHECK_OK(producer_mock_cluster_broker_set_latency(mock, broker, 100));
    struct seen seen = {.sender = pthread_self()};
    producer_t *p = producer_with(mock, by_value, &seen, NULL, NULL);
    seen.producer = p;
    seen.asks = true; /* also there */
    struct outcome *o = outcomes_new(EACH);
    for (int i = 0; i < EACH; i++) {
        char value[2] = {(char)('0' + i % PARTITIONS), '\0'};
        REQUIRE_OK(send_text(p, "t", PRODUCER_PARTITION_ANY, value, &o[i]));
    }
    CHECK(wait_for_reports(p, o, EACH, WAIT_MS));
    CHECK_ALL(o, EACH, PRODUCER_OK);
    for (int i = 0; i < EACH; i++) {
        if (!CHECK_INT(o[i].partition, i % PARTITIONS)) break;
        if (!CHECK_INT(o[i].offset, i / PARTITIONS)) break;
    }
    CHECK_INT(seen.calls, EACH);
    CHECK(seen.elsewhere > 0);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool entered, open, left;
};

static int32_t waits(const producer_partition_view_t *view, void *opaque) {
    struct gate *gate = opaque;
    (void)view;
    pthread_mutex_lock(&gate->lock);
    gate->entered = true;
    pthread_cond_broadcast(&gate->changed);
    while (!gate->open) pthread_cond_wait(&gate->changed, &gate->lock);
    gate->left = true;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
    return 0;
}

static void closing_meanwhile(void) {
    check_case("closing does not wait for a function that does not return, and every record is reported");
    producer_mock_cluster_t *mock = mock_of(1, "t", PARTITIONS);
    CHECK_OK(producer_mock_cluster_broker_set_latency(mock, 1, 100));
    struct gate gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, false, false};
    producer_t *p = producer_with(mock, waits, &gate, NULL, NULL);
    struct outcome *o = outcomes_new(3);
    for (int i = 0; i < 3; i++) REQUIRE_OK(send_text(p, "t", PRODUCER_PARTITION_ANY, "0", &o[i]));
    pthread_mutex_lock(&gate.lock);
    while (!gate.entered) pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
    int64_t from = now_ms();
    CHECK_STATUS(producer_close(p, 0), PRODUCER_ERR_TIMED_OUT);
    CHECK_SAYS(producer_last_error(), "partitioner");
    CHECK(now_ms() - from < 10000);
    CHECK_ALL(o, 3, PRODUCER_ERR_CLOSED);
    pthread_mutex_lock(&gate.lock);
    gate.open = true;
    pthread_cond_broadcast(&gate.changed);
    while (!gate.left) pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
    producer_mock_cluster_free(mock);
    free(o);
}

struct sender {
    producer_t *p;
    struct outcome *o;
    int number;
};

static int32_t by_key(const producer_partition_view_t *view, void *opaque) {
    (void)opaque;
    return (int32_t)(*(const unsigned char *)view->key % view->partition_count);
}

static void *send_each(void *opaque) {
    struct sender *sender = opaque;
    unsigned char key = (unsigned char)sender->number;
    producer_record_t record = PRODUCER_RECORD_INIT;
    record.topic = "t";
    record.key = &key;
    record.key_len = 1;
    for (int i = 0; i < EACH; i++)
        if (!CHECK_OK(producer_send(sender->p, &record, on_outcome, &sender->o[i]))) break;
    return NULL;
}

static void many_threads(void) {
    check_case("eight threads at once: each record where its key says, each thread's in order");
    producer_mock_cluster_t *mock = mock_of(3, "t", PARTITIONS);
    producer_t *p = producer_with(mock, by_key, NULL, NULL, NULL);
    struct outcome *o = outcomes_new(THREADS * EACH);
    struct sender senders[THREADS];
    pthread_t threads[THREADS];
    for (int n = 0; n < THREADS; n++) {
        senders[n] = (struct sender){p, o + n * EACH, n};
        REQUIRE(pthread_create(&threads[n], NULL, send_each, &senders[n]) == 0);
    }
    for (int n = 0; n < THREADS; n++) pthread_join(threads[n], NULL);
    CHECK(wait_for_reports(p, o, THREADS * EACH, WAIT_MS));
    CHECK_ALL(o, THREADS * EACH, PRODUCER_OK);
    for (int n = 0; n < THREADS; n++)
        for (int i = 0; i < EACH; i++) {
            struct outcome *one = &o[n * EACH + i];
            if (!CHECK_INT(one->partition, n % PARTITIONS) || (i > 0 && !CHECK(one->offset > one[-1].offset))) return;
        }
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void bad_input(void) {
    check_case("bad input");
    CHECK_STATUS(producer_config_set_partitioner(NULL, by_key, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "config");
    producer_mock_cluster_t *mock = mock_of(1, "t", PARTITIONS);
    producer_t *p = producer_with(mock, NULL, NULL, NULL, NULL); /* NULL: the library's own */
    warm_up(p, "t", PRODUCER_PARTITION_ANY);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_config_t *c = config_of(producer_mock_cluster_bootstrap_servers(mock), NULL);
    CHECK_STATUS(producer_config_set(c, "partitioner", "hash"), PRODUCER_ERR_INVALID_PROPERTY);
    CHECK_SAYS(producer_last_error(), "single_broker");
    CHECK_OK(producer_config_set(c, "partitioner.rack.aware", "true"));
    CHECK_STATUS(producer_new(c, &p), PRODUCER_ERR_CONFIG_CONFLICT);
    CHECK_SAYS(producer_last_error(), "client.rack");
    producer_config_free(c);
    producer_mock_cluster_free(mock);
}

/* ---- the built-in ones ---- */

static void hashes(void) {
    check_case("each hash sends a key where librdkafka and Java send it");
    /* "kafka" hashed by CRC-32, murmur2 and FNV-1a: 1539077399, 1348980580, 221496545. */
    const struct {
        const char *name;
        int32_t partition;
    } cases[] = {{"murmur2", 1348980580 % 7},          {"murmur2_random", 1348980580 % 7}, {"consistent", 1539077399 % 7},
                 {"consistent_random", 1539077399 % 7}, {"fnv1a", 221496545 % 7},           {"fnv1a_random", 221496545 % 7},
                 {"sticky", 1348980580 % 7},            {"adaptive", 1348980580 % 7},       {"single_broker", 1348980580 % 7},
                 {"round_robin", -1},                   {"random", -1}};
    producer_mock_cluster_t *mock = mock_of(2, "t", 7);
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "1", "partitioner", cases[n].name, NULL);
        struct outcome *o = outcomes_new(RECORDS);
        producer_record_t record = PRODUCER_RECORD_INIT;
        record.topic = "t";
        record.key = "kafka";
        record.key_len = 5;
        for (int i = 0; i < RECORDS; i++) REQUIRE_OK(producer_send(p, &record, on_outcome, &o[i]));
        CHECK(wait_for_reports(p, o, RECORDS, WAIT_MS));
        CHECK_ALL(o, RECORDS, PRODUCER_OK);
        int used[7] = {0}, partitions = 0;
        for (int i = 0; i < RECORDS; i++) used[o[i].partition]++;
        for (int i = 0; i < 7; i++) partitions += used[i] > 0;
        printf("  %s\n", cases[n].name);
        if (cases[n].partition >= 0) CHECK_INT(used[cases[n].partition], RECORDS);
        else CHECK_INT(partitions, 7);
        CHECK_OK(producer_close(p, WAIT_MS));
        free(o);
    }
    producer_mock_cluster_free(mock);
}

static void slow_broker(void) {
    check_case("a broker ten times slower gets at most a third of its share");
    producer_mock_cluster_t *mock = mock_of(3, "t", 3);
    for (int broker = 1; broker <= 3; broker++)
        CHECK_OK(producer_mock_cluster_broker_set_latency(mock, broker, broker == 2 ? 300 : 30));
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "batch.size", "8000", "buffer.memory", "262144",
                                "max.request.size", "8000", "max.in.flight.requests.per.connection", "2", NULL);
    char value[1000] = {0};
    producer_record_t record = PRODUCER_RECORD_INIT;
    record.topic = "t";
    record.value = value;
    record.value_len = sizeof value;
    /* Full of what was sent, buffer.memory makes this go as fast as the brokers do. */
    for (int i = 0; i < 2500; i++) REQUIRE_OK(producer_send(p, &record, NULL, NULL));
    CHECK_OK(producer_flush(p, WAIT_MS));
    int64_t slow = 0, all = 0;
    for (int32_t partition = 0; partition < 3; partition++) {
        struct outcome *o = outcomes_new(1);
        REQUIRE_OK(send_text(p, "t", partition, "whose", o));
        REQUIRE(wait_for_reports(p, o, 1, WAIT_MS));
        all += o->offset;
        if (o->broker_id == 2) slow += o->offset;
        free(o);
    }
    CHECK_INT(all, 2500);
    printf("  %d of %d\n", (int)slow, (int)all);
    CHECK(slow * 9 <= all);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static void on_end(const producer_report_t *report, void *opaque) {
    CHECK_STATUS(report->status, PRODUCER_OK);
    --*(int *)opaque;
}

static void not_adaptive(void) {
    check_case("partitioner.adaptive.partitioning.enable=false: a slow broker gets as much as the others");
    producer_mock_cluster_t *mock = mock_of(3, "t", 3);
    for (int broker = 1; broker <= 3; broker++) CHECK_OK(producer_mock_cluster_broker_set_latency(mock, broker, broker == 2 ? 60 : 6));
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "batch.size", "8000", "max.request.size", "8000",
                                "max.in.flight.requests.per.connection", "2", "partitioner.adaptive.partitioning.enable", "false", NULL);
    char value[1000] = {0};
    int under_way = 0;
    producer_record_t record = PRODUCER_RECORD_INIT;
    record.topic = "t", record.value = value, record.value_len = sizeof value;
    for (int i = 0; i < 1920; i++) {
        REQUIRE_OK(producer_send(p, &record, on_end, &under_way));
        under_way++;
        while (under_way > 200) REQUIRE(producer_poll(p, 1000) >= 0); /* as fast as the brokers, but far from a full buffer */
    }
    CHECK_OK(producer_flush(p, WAIT_MS));
    int64_t slow = 0, all = 0;
    for (int32_t partition = 0; partition < 3; partition++) {
        struct outcome *o = outcomes_new(1);
        REQUIRE_OK(send_text(p, "t", partition, "whose", o));
        REQUIRE(wait_for_reports(p, o, 1, WAIT_MS));
        all += o->offset;
        if (o->broker_id == 2) slow += o->offset;
        free(o);
    }
    CHECK_INT(all, 1920);
    printf("  %d of %d\n", (int)slow, (int)all);
    CHECK(slow * 6 >= all);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static void keys_that_do_not_count(void) {
    check_case("partitioner.ignore.keys: a key decides nothing, and reaches the log");
    producer_mock_cluster_t *mock = mock_of(1, "t", 7);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "batch.size", "100", "partitioner.ignore.keys", "true", NULL);
    struct outcome *o = outcomes_new(RECORDS);
    producer_record_t record = PRODUCER_RECORD_INIT;
    record.topic = "t", record.key = "kafka", record.key_len = 5;
    for (int i = 0; i < RECORDS; i++) REQUIRE_OK(producer_send(p, &record, on_outcome, &o[i]));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, RECORDS, PRODUCER_OK);
    int used[7] = {0}, partitions = 0;
    for (int i = 0; i < RECORDS; i++) used[o[i].partition]++;
    for (int i = 0; i < 7; i++) partitions += used[i] > 0;
    CHECK(partitions > 1);
    CHECK_INT(o[0].key_len, 5);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void one_broker(void) {
    check_case("single_broker: one broker at a time, and another when its time is over");
    producer_mock_cluster_t *mock = mock_of(3, "t", 6);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "partitioner", "single_broker",
                                "partitioner.broker.rotation.ms", "300", NULL);
    int32_t brokers[4] = {0};
    int moves = 0;
    int64_t deadline = now_ms() + WAIT_MS;
    for (brokers[0] = warm_up(p, "t", PRODUCER_PARTITION_ANY); moves < 3 && now_ms() < deadline;) {
        int32_t broker = warm_up(p, "t", PRODUCER_PARTITION_ANY);
        if (broker != brokers[moves]) brokers[++moves] = broker;
    }
    CHECK_INT(moves, 3);
    CHECK_INT(brokers[3], brokers[0]); /* round and round */
    CHECK(brokers[0] != brokers[1] && brokers[1] != brokers[2] && brokers[2] != brokers[0]);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static void racks(void) {
    check_case("rack-aware: records without a key go to leaders in the client's rack");
    producer_mock_cluster_t *mock = mock_of(3, "t", 6);
    CHECK_OK(producer_mock_cluster_broker_set_rack(mock, 1, "west"));
    CHECK_OK(producer_mock_cluster_broker_set_rack(mock, 2, "east"));
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "batch.size", "100", "client.rack", "east",
                                "partitioner.rack.aware", "true", NULL);
    struct outcome *o = outcomes_new(RECORDS);
    send_numbered(p, "t", PRODUCER_PARTITION_ANY, "v", o, RECORDS);
    CHECK(wait_for_reports(p, o, RECORDS, WAIT_MS));
    CHECK_ALL(o, RECORDS, PRODUCER_OK);
    for (int i = 0; i < RECORDS; i++)
        if (!CHECK_INT(o[i].broker_id, 2)) break;
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

int main(void) {
    check_begin();
    bad_input();
    the_function_decides();
    parked_records();
    closing_meanwhile();
    many_threads();
    hashes();
    keys_that_do_not_count();
    slow_broker();
    not_adaptive();
    one_broker();
    racks();
    return check_end();
}
