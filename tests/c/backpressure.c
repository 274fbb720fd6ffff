/* A full buffer: refused at once, refused after max.block.ms, or woken by close; and after the outage all is delivered. */
#include "check.h"

#define RECORD_LEN 1000
#define BUFFER_LEN 1048576
#define MANY 4000 /* well above what the buffer takes */

static producer_t *small_buffer(producer_mock_cluster_t *mock, const char *max_block_ms) {
    return producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "buffer.memory", "1048576", "batch.size", "65536",
                       "max.request.size", "65536", "max.block.ms", max_block_ms, NULL);
}

static producer_status_t send_numbered_payload(producer_t *p, size_t i, struct outcome *o) {
    char number[16], payload[RECORD_LEN + 1];
    memset(payload, 'p', RECORD_LEN);
    payload[RECORD_LEN] = '\0';
    snprintf(number, sizeof number, "%08zu", i);
    memcpy(payload, number, 8);
    return send_text(p, "t", 0, payload, o);
}

/* Sends until refused; answers how many were accepted. */
static size_t fill(producer_t *p, struct outcome *o, producer_status_t *status) {
    size_t accepted = 0;
    while (accepted < MANY && (*status = send_numbered_payload(p, accepted, &o[accepted])) == PRODUCER_OK) accepted++;
    return accepted;
}

static void refused_at_once(void) {
    check_case("max.block.ms=0: QUEUE_FULL at once; after the thaw all is delivered, in order");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = small_buffer(mock, "0");
    struct outcome *o = outcomes_new(MANY + 1);
    producer_status_t status = PRODUCER_OK;
    int32_t broker = warm_up(p, "t", 0);
    REQUIRE_OK(producer_mock_cluster_broker_freeze(mock, broker));
    int64_t from = now_ms();
    size_t accepted = fill(p, o, &status);
    CHECK_STATUS(status, PRODUCER_ERR_QUEUE_FULL);
    CHECK_SAYS(producer_last_error(), "buffer.memory");
    CHECK(now_ms() - from < 3000);
    CHECK(accepted > BUFFER_LEN / RECORD_LEN / 4);
    CHECK(accepted <= BUFFER_LEN / RECORD_LEN); /* a true bound */
    from = now_ms();
    CHECK_STATUS(send_numbered_payload(p, accepted, &o[accepted]), PRODUCER_ERR_QUEUE_FULL);
    CHECK(now_ms() - from < 100);
    CHECK_INT(o[accepted].reports, 0);
    REQUIRE_OK(producer_mock_cluster_broker_thaw(mock, broker));
    CHECK(wait_for_reports(p, o, accepted, WAIT_MS));
    CHECK_ALL(o, accepted, PRODUCER_OK);
    for (size_t i = 1; i < accepted; i++)
        if (!CHECK_INT(o[i].offset, o[i - 1].offset + 1)) break;
    CHECK_INT(log_end(mock, "t", 0), 1 + (int64_t)accepted);
    /* The budget is whole again. */
    struct outcome *again = outcomes_new(accepted / 2);
    for (size_t i = 0; i < accepted / 2; i++)
        if (!CHECK_OK(send_numbered_payload(p, i, &again[i]))) break;
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_ALL(again, accepted / 2, PRODUCER_OK);
    producer_mock_cluster_free(mock);
    free(o);
    free(again);
}

static void refused_after_a_while(void) {
    check_case("max.block.ms=200: QUEUE_FULL after about that time");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = small_buffer(mock, "200");
    struct outcome *o = outcomes_new(MANY + 1);
    producer_status_t status = PRODUCER_OK;
    int32_t broker = warm_up(p, "t", 0);
    REQUIRE_OK(producer_mock_cluster_broker_freeze(mock, broker));
    size_t accepted = fill(p, o, &status);
    CHECK_STATUS(status, PRODUCER_ERR_QUEUE_FULL);
    int64_t from = now_ms();
    CHECK_STATUS(send_numbered_payload(p, accepted, &o[accepted]), PRODUCER_ERR_QUEUE_FULL);
    CHECK_SAYS(producer_last_error(), "max.block.ms");
    int64_t took = now_ms() - from;
    CHECK(took >= 150 && took < 1500);
    REQUIRE_OK(producer_mock_cluster_broker_thaw(mock, broker));
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_ALL(o, accepted, PRODUCER_OK);
    producer_mock_cluster_free(mock);
    free(o);
}

struct blocked {
    producer_t *producer;
    struct outcome *outcomes;
    size_t accepted;
    producer_status_t status;
    atomic_bool done;
};

static void *block(void *opaque) {
    struct blocked *b = opaque;
    b->accepted = fill(b->producer, b->outcomes, &b->status);
    atomic_store(&b->done, true);
    return NULL;
}

static void blocked_until_room(void) {
    check_case("a blocked sender goes on as soon as there is room");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    struct blocked b = {small_buffer(mock, "60000"), outcomes_new(MANY), 0, PRODUCER_OK, false};
    pthread_t thread;
    int32_t broker = warm_up(b.producer, "t", 0);
    REQUIRE_OK(producer_mock_cluster_broker_freeze(mock, broker));
    REQUIRE(pthread_create(&thread, NULL, block, &b) == 0);
    for (int i = 0; i < 5; i++) producer_poll(b.producer, 100);
    CHECK(!atomic_load(&b.done));
    REQUIRE_OK(producer_mock_cluster_broker_thaw(mock, broker));
    CHECK(wait_for_reports(b.producer, b.outcomes, MANY, WAIT_MS));
    pthread_join(thread, NULL);
    CHECK_INT(b.accepted, MANY);
    CHECK_ALL(b.outcomes, MANY, PRODUCER_OK);
    CHECK_OK(producer_close(b.producer, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(b.outcomes);
}

static void freed_by_close(void) {
    check_case("close frees blocked senders with CLOSED");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = small_buffer(mock, "60000");
    struct blocked b[3];
    pthread_t threads[3];
    int32_t broker = warm_up(p, "t", 0);
    REQUIRE_OK(producer_mock_cluster_broker_freeze(mock, broker));
    for (int i = 0; i < 3; i++) {
        b[i] = (struct blocked){p, outcomes_new(MANY), 0, PRODUCER_OK, false};
        REQUIRE(pthread_create(&threads[i], NULL, block, &b[i]) == 0);
    }
    for (int i = 0; i < 5; i++) producer_poll(p, 100);
    for (int i = 0; i < 3; i++) CHECK(!atomic_load(&b[i].done));
    int64_t from = now_ms();
    CHECK_STATUS_OR(producer_close(p, 0), PRODUCER_OK, PRODUCER_ERR_TIMED_OUT);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        CHECK_STATUS(b[i].status, PRODUCER_ERR_CLOSED);
        CHECK_ALL(b[i].outcomes, b[i].accepted, PRODUCER_ERR_CLOSED);
        free(b[i].outcomes);
    }
    CHECK(now_ms() - from < 2000);
    producer_mock_cluster_free(mock);
}

int main(void) {
    check_begin();
    refused_at_once();
    refused_after_a_while();
    blocked_until_room();
    freed_by_close();
    return check_end();
}
