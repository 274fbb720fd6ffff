/* One stuck broker or partition cannot take the whole buffer: the others go on as if nothing had happened. */
#include "check.h"

#define BROKERS 5
#define RECORD_LEN 1000
#define BUFFER_LEN 8388608
#define BUFFER "8388608"

static char payload[RECORD_LEN + 1];

static producer_t *small_buffer(producer_mock_cluster_t *mock, const char *max_block_ms) {
    return producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "1", "buffer.memory", BUFFER, "batch.size", "32768",
                       "max.block.ms", max_block_ms, NULL);
}

/* Each partition on a broker of its own, all connected. Answers the broker of partition 0. */
static int32_t warm_up_all(producer_t *p) {
    int32_t brokers[BROKERS];
    for (int32_t i = 0; i < BROKERS; i++) {
        brokers[i] = warm_up(p, "t", i);
        for (int32_t j = 0; j < i; j++) REQUIRE(brokers[j] != brokers[i]);
    }
    return brokers[0];
}

/* One thread goes round the partitions, as much as it gets rid of, while partition 0 is stuck. Answers the outcomes of what
 * is stuck, which come when the producer closes at the latest. */
static struct outcome *go_round(producer_mock_cluster_t *mock, producer_t *p, const char *who) {
    enum { BURST = 50, BURSTS = 300 };
    struct outcome *stuck = outcomes_new(BURST * BURSTS), *others = outcomes_new(BURST * BURSTS * (BROKERS - 1));
    size_t accepted = 0, refused = 0, sent = 0;
    for (size_t burst = 0; burst < BURSTS; burst++) {
        size_t from = sent;
        for (size_t i = 0; i < BURST; i++) {
            producer_status_t status = send_text(p, "t", 0, payload, &stuck[accepted]);
            if (status == PRODUCER_OK) accepted++;
            else if (refused++ == 0) {
                CHECK_STATUS(status, PRODUCER_ERR_QUEUE_FULL);
                CHECK_SAYS(producer_last_error(), "partition t [0]");
                CHECK_SAYS(producer_last_error(), who);
                CHECK_SAYS(producer_last_error(), "buffer.memory=" BUFFER);
            }
            for (int32_t partition = 1; partition < BROKERS; partition++, sent++)
                if (!CHECK_OK(send_text(p, "t", partition, payload, &others[sent]))) goto end;
        }
        /* A bounded number on its way: what counts is that everything arrives. */
        if (!CHECK(wait_for_reports(p, &others[from], sent - from, WAIT_MS))) goto end;
    }
end:
    CHECK_ALL(others, sent, PRODUCER_OK);
    CHECK_INT(sent, BURST * BURSTS * (BROKERS - 1));
    CHECK(refused > 0);
    CHECK_INT(outcomes_reported(stuck, accepted), 0);
    /* More than a fair part, and never what is kept for the others. */
    CHECK(accepted * RECORD_LEN > BUFFER_LEN / BROKERS);
    CHECK(accepted * RECORD_LEN <= BUFFER_LEN / 10 * 6);
    for (int32_t partition = 1; partition < BROKERS; partition++) CHECK_INT(log_end(mock, "t", partition), 1 + BURST * BURSTS);
    free(others);
    return stuck;
}

static void frozen_broker(void) {
    check_case("one of five brokers frozen, max.block.ms=0: the other four take everything they are given");
    producer_mock_cluster_t *mock = mock_of(BROKERS, "t", BROKERS);
    producer_t *p = small_buffer(mock, "0");
    int32_t frozen = warm_up_all(p);
    char who[32];
    snprintf(who, sizeof who, "broker %d ", (int)frozen);
    REQUIRE_OK(producer_mock_cluster_broker_freeze(mock, frozen));
    struct outcome *stuck = go_round(mock, p, who);

    check_case("of many records by one call those for the others are sent too");
    while (send_text(p, "t", 0, payload, NULL) == PRODUCER_OK) {}
    producer_record_t many[20];
    producer_status_t statuses[20];
    size_t accepted = 0;
    for (int32_t i = 0; i < 20; i++) {
        many[i] = (producer_record_t)PRODUCER_RECORD_INIT;
        many[i].topic = "t", many[i].partition = i % 2, many[i].value = payload, many[i].value_len = RECORD_LEN;
    }
    CHECK_STATUS(producer_send_many_status(p, many, 20, NULL, NULL, statuses, &accepted), PRODUCER_ERR_QUEUE_FULL);
    CHECK_INT(accepted, 10);
    for (int32_t i = 0; i < 20; i++) CHECK_STATUS(statuses[i], i % 2 ? PRODUCER_OK : PRODUCER_ERR_QUEUE_FULL);
    REQUIRE_OK(producer_mock_cluster_broker_thaw(mock, frozen));
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK(log_end(mock, "t", 0) > 1);
    free(stuck);
    producer_mock_cluster_free(mock);
}

static void leaderless_partition(void) {
    check_case("one of five partitions without a leader: the same");
    producer_mock_cluster_t *mock = mock_of(BROKERS, "t", BROKERS);
    producer_t *p = small_buffer(mock, "0");
    int32_t leader = warm_up_all(p);
    REQUIRE_OK(producer_mock_cluster_partition_set_leader(mock, "t", 0, -1));
    struct outcome *stuck = go_round(mock, p, "");
    REQUIRE_OK(producer_mock_cluster_partition_set_leader(mock, "t", 0, leader));
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK(log_end(mock, "t", 0) > 1);
    free(stuck);
    producer_mock_cluster_free(mock);
}

/* ---- a thread per partition ---- */

#define EACH 8000 /* together much more than the buffer takes, each for itself nearly as much */

struct work {
    producer_t *p;
    int32_t partition;
    atomic_size_t accepted;
    struct outcome *o;
};

static void *send_all(void *arg) {
    struct work *w = arg;
    for (size_t i = 0; i < EACH; i++) {
        if (!CHECK_OK(send_text(w->p, "t", w->partition, payload, &w->o[i]))) break;
        atomic_fetch_add(&w->accepted, 1);
    }
    return NULL;
}

static void threads(void) {
    check_case("a thread per partition: those of the other brokers are through while the frozen one's waits");
    producer_mock_cluster_t *mock = mock_of(BROKERS, "t", BROKERS);
    producer_t *p = small_buffer(mock, "60000");
    int32_t frozen = warm_up_all(p);
    REQUIRE_OK(producer_mock_cluster_broker_freeze(mock, frozen));
    struct work work[BROKERS];
    pthread_t thread[BROKERS];
    for (int32_t i = 0; i < BROKERS; i++) {
        work[i] = (struct work){.p = p, .partition = i, .o = outcomes_new(EACH)};
        REQUIRE(pthread_create(&thread[i], NULL, send_all, &work[i]) == 0);
    }
    for (int32_t i = 1; i < BROKERS; i++) {
        CHECK(wait_for_reports(p, work[i].o, EACH, WAIT_MS));
        CHECK_ALL(work[i].o, EACH, PRODUCER_OK);
    }
    size_t accepted = atomic_load(&work[0].accepted);
    CHECK(accepted < EACH && accepted * RECORD_LEN <= BUFFER_LEN / 10 * 6);
    CHECK_INT(outcomes_reported(work[0].o, EACH), 0);
    /* It goes on where it stood. */
    REQUIRE_OK(producer_mock_cluster_broker_thaw(mock, frozen));
    CHECK(wait_for_reports(p, work[0].o, EACH, WAIT_MS));
    CHECK_ALL(work[0].o, EACH, PRODUCER_OK);
    for (int32_t i = 0; i < BROKERS; i++) {
        pthread_join(thread[i], NULL);
        CHECK_INT(log_end(mock, "t", i), 1 + EACH);
        free(work[i].o);
    }
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static void without_a_key(void) {
    check_case("records without a key go around a broker that is stuck");
    enum { COUNT = 40000, OUTSTANDING = 5600 }; /* more than the stuck one may hold, less than the buffer takes */
    producer_mock_cluster_t *mock = mock_of(BROKERS, "t", BROKERS);
    producer_t *p = small_buffer(mock, "0");
    int32_t frozen = warm_up_all(p);
    REQUIRE_OK(producer_mock_cluster_broker_freeze(mock, frozen));
    struct outcome *o = outcomes_new(COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        if (!CHECK_OK(send_text(p, "t", PRODUCER_PARTITION_ANY, payload, &o[i]))) break;
        for (int64_t until = now_ms() + WAIT_MS; i % 100 == 0 && i - outcomes_reported(o, i) > OUTSTANDING;)
            if (producer_poll(p, 10) < 0 || !CHECK(now_ms() < until)) exit(check_end());
    }
    REQUIRE_OK(producer_mock_cluster_broker_thaw(mock, frozen));
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_ALL(o, COUNT, PRODUCER_OK);
    CHECK(log_end(mock, "t", 0) * RECORD_LEN <= BUFFER_LEN / 10 * 6);
    producer_mock_cluster_free(mock);
    free(o);
}

static void alone(void) {
    check_case("a program that uses one broker only may fill the whole buffer");
    producer_mock_cluster_t *mock = mock_of(BROKERS, "t", BROKERS);
    producer_t *p = small_buffer(mock, "0");
    int32_t frozen = warm_up(p, "t", 3);
    REQUIRE_OK(producer_mock_cluster_broker_freeze(mock, frozen));
    size_t accepted = 0;
    while (send_text(p, "t", 3, payload, NULL) == PRODUCER_OK) accepted++;
    CHECK_SAYS(producer_last_error(), "stayed full");
    CHECK(accepted * RECORD_LEN > BUFFER_LEN / 10 * 9);
    CHECK(accepted * RECORD_LEN <= BUFFER_LEN);
    REQUIRE_OK(producer_mock_cluster_broker_thaw(mock, frozen));
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_INT(log_end(mock, "t", 3), 1 + accepted);
    producer_mock_cluster_free(mock);
}

int main(void) {
    check_begin();
    memset(payload, 'p', RECORD_LEN);
    frozen_broker();
    leaderless_partition();
    threads();
    without_a_key();
    alone();
    return check_end();
}
