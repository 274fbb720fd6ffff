/* What idempotence promises, and what each value of on.failure, on.in.doubt.timeout and on.sequence.gap makes of a bad end. */
#include "check.h"

#define MANY 2000

static producer_t *with(producer_mock_cluster_t *mock, const char *name, const char *value, producer_config_t **config) {
    producer_t *p = NULL;
    producer_config_t *c = config_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "batch.size", "1", "request.timeout.ms",
                                     "300", "delivery.timeout.ms", "1500", "retry.backoff.ms", "10", "retry.backoff.max.ms", "50",
                                     "reconnect.backoff.ms", "10", "reconnect.backoff.max.ms", "50", name, value, NULL);
    if (config != NULL) *config = c;
    REQUIRE_OK(producer_new(c, &p));
    if (config == NULL) producer_config_free(c);
    return p;
}

struct order {
    struct outcome *o;
    size_t next;
};

static int order_visit(const producer_mock_record_t *r, void *opaque) {
    struct order *order = opaque;
    char text[64] = "";
    if (r->value_len < 2 || r->value_len >= (int64_t)sizeof text) return 0;
    memcpy(text, r->value, (size_t)r->value_len);
    if (text[0] != 'n') return 0;
    if (!CHECK_INT(strtoull(text + 1, NULL, 10), order->next)) return 1;
    CHECK_INT(order->o[order->next].offset, r->offset);
    order->next++;
    return 0;
}

static void lost_answers(void) {
    check_case("answers get lost after the append: every record is in the log once, in order, at the offset told");
    producer_mock_cluster_t *mock = mock_of(2, "t", 1);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "retry.backoff.ms", "5",
                                "retry.backoff.max.ms", "10", "reconnect.backoff.ms", "5", "reconnect.backoff.max.ms", "10", "batch.size",
                                "500", NULL);
    struct outcome *o = outcomes_new(MANY);
    warm_up(p, "t", 0);
    for (int i = 0; i < MANY; i++) {
        char value[32];
        if (i % 100 == 0) REQUIRE_OK(producer_mock_cluster_push_disconnect(mock, API_PRODUCE, 1, 1));
        if (i % 250 == 0) REQUIRE_OK(producer_mock_cluster_partition_set_leader(mock, "t", 0, 1 + i / 250 % 2));
        snprintf(value, sizeof value, "n%d", i);
        REQUIRE_OK(send_text(p, "t", 0, value, &o[i]));
        producer_poll(p, i % 10 == 0 ? 1 : 0);
    }
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, MANY, PRODUCER_OK);
    struct order order = {o, 0};
    REQUIRE_OK(producer_mock_cluster_records(mock, "t", 0, 0, order_visit, &order));
    CHECK_INT(order.next, MANY);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void failed_record(bool stop) {
    check_case(stop ? "on.failure=stop-partition: what was accepted behind a failed record fails with it, what comes later does not"
                    : "on.failure=gap: what stands behind a failed record is delivered");
    producer_mock_cluster_t *mock = mock_of(1, "t", 2);
    producer_t *p = with(mock, "on.failure", stop ? "stop-partition" : "gap", NULL);
    struct outcome *o = outcomes_new(10), *other = outcomes_new(1);
    warm_up(p, "t", 0);
    REQUIRE_OK(producer_mock_cluster_broker_set_latency(mock, 1, 100)); /* all of them are accepted before the first answer */
    REQUIRE_OK(producer_mock_cluster_push_error(mock, API_PRODUCE, PRODUCER_ERR_POLICY_VIOLATION, 1));
    send_numbered(p, "t", 0, "n", o, 10);
    CHECK(wait_for_reports(p, o, 10, WAIT_MS));
    CHECK_OUTCOMES(o, 10);
    CHECK_STATUS(o[0].status, PRODUCER_ERR_POLICY_VIOLATION);
    CHECK_INT(o[0].persisted, PRODUCER_PERSISTED_NO);
    for (int i = 1; i < 10; i++) {
        CHECK_STATUS(o[i].status, stop ? PRODUCER_ERR_EARLIER_FAILED : PRODUCER_OK);
        CHECK(o[i].arrival > o[i - 1].arrival);
        if (stop) CHECK_SAYS(o[i].error_text, "on.failure");
    }
    CHECK_OK(send_text(p, "t", 0, "after", &other[0]));
    CHECK(wait_for_reports(p, other, 1, WAIT_MS));
    CHECK_ALL(other, 1, PRODUCER_OK);
    check_log(mock, "t", 0, "n", o, 10, false);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
    free(other);
}

static void in_doubt(bool hold) {
    check_case(hold ? "on.in.doubt.timeout=hold: a record in doubt waits for the broker's word, beyond its time"
                    : "on.in.doubt.timeout=report: a record in doubt is reported in time, as MAYBE");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = with(mock, "on.in.doubt.timeout", hold ? "hold" : "report", NULL);
    struct outcome *o = outcomes_new(2);
    warm_up(p, "t", 0);
    REQUIRE_OK(producer_mock_cluster_broker_freeze(mock, 1));
    int64_t from = now_ms();
    CHECK_OK(send_text(p, "t", 0, "n0", &o[0]));
    if (hold) {
        CHECK(!wait_for_reports(p, o, 1, 2500));
    } else {
        CHECK(wait_for_reports(p, o, 1, WAIT_MS));
        CHECK(now_ms() - from >= 1300 && now_ms() - from < 4000);
        CHECK_STATUS(o[0].status, PRODUCER_ERR_DELIVERY_TIMED_OUT);
        CHECK_INT(o[0].persisted, PRODUCER_PERSISTED_MAYBE);
    }
    REQUIRE_OK(producer_mock_cluster_broker_thaw(mock, 1));
    CHECK_OK(send_text(p, "t", 0, "n1", &o[1]));
    CHECK(wait_for_reports(p, o, 2, WAIT_MS));
    CHECK_STATUS(o[1].status, PRODUCER_OK);
    if (hold) CHECK_STATUS(o[0].status, PRODUCER_OK);
    size_t written = log_count(mock, "t", 0, "n0");
    CHECK(hold ? written == 1 : written <= 1);
    CHECK_INT(log_count(mock, "t", 0, "n1"), 1);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

struct told {
    int times;
    int64_t acked_offset;
};

static void on_loss(const producer_data_loss_t *loss, void *opaque) {
    struct told *told = opaque;
    CHECK(loss->struct_size >= sizeof *loss);
    CHECK(strcmp(loss->topic, "t") == 0 && loss->partition == 0);
    CHECK_SAYS(loss->text, "t [0]");
    told->times++;
    told->acked_offset = loss->acked_offset;
}

/* Nobody polls: the reports are there, and whichever flush comes first runs the callbacks of all of them. */
static void flushed_after_the_end(void) {
    enum { FLUSH, FLUSH_NOW, FLUSH_TOPIC, FLUSH_TOPIC_NOW, FLUSH_BEGUN_BEFORE, WAYS };
    check_case("every flush on a producer that has failed for good runs all callbacks and returns the status of its end");
    for (int way = 0; way < WAYS; way++) {
        producer_mock_cluster_t *mock = mock_of(1, "t", 1);
        producer_t *p = with(mock, "on.sequence.gap", "fatal", NULL);
        producer_flush_t *begun = NULL;
        struct outcome *o = outcomes_new(9);
        CHECK_OK(send_text(p, "t", 0, "first", &o[0]));
        REQUIRE_OK(producer_flush(p, WAIT_MS));
        REQUIRE_OK(producer_mock_cluster_broker_set_latency(mock, 1, 200));
        REQUIRE_OK(producer_mock_cluster_push_error(mock, API_PRODUCE, PRODUCER_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 1));
        for (int32_t i = 1; i < 9; i++) CHECK_OK(send_text(p, "t", 0, "behind", &o[i]));
        if (way == FLUSH_BEGUN_BEFORE) REQUIRE_OK(producer_flush_begin(p, NULL, &begun));
        int64_t deadline = now_ms() + WAIT_MS;
        producer_health_t h = PRODUCER_HEALTH_INIT;
        do REQUIRE_OK(producer_health(p, &h));
        while (h.state != PRODUCER_HEALTH_FATAL && now_ms() < deadline);
        CHECK_INT(outcomes_reported(o, 9), 1);
        producer_status_t status = PRODUCER_OK;
        if (way == FLUSH) status = producer_flush(p, WAIT_MS);
        if (way == FLUSH_NOW) status = producer_flush(p, 0);
        if (way == FLUSH_TOPIC) status = producer_flush_topic(p, "t", WAIT_MS);
        if (way == FLUSH_TOPIC_NOW) status = producer_flush_topic(p, "t", 0);
        if (way == FLUSH_BEGUN_BEFORE) status = producer_flush_wait(p, begun, 0);
        CHECK_STATUS(status, PRODUCER_ERR_FATAL);
        CHECK_SAYS(producer_last_error(), "t [0]");
        CHECK_OUTCOMES(o, 9);
        CHECK_INT(outcomes_with(o, 9, PRODUCER_OK), 1);
        CHECK_STATUS(producer_flush(p, WAIT_MS), PRODUCER_ERR_FATAL);
        producer_flush_free(begun);
        CHECK_STATUS(producer_close(p, WAIT_MS), PRODUCER_ERR_FATAL);
        producer_mock_cluster_free(mock);
        free(o);
    }
}

static void lost_by_broker(bool fatal) {
    check_case(fatal ? "on.sequence.gap=fatal: a broker that lost what it acknowledged ends the producer"
                     : "on.sequence.gap=bump: a broker's loss is told, and the partition goes on");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_config_t *c;
    producer_t *p = NULL;
    struct told told = {0, -2};
    CHECK_OK(producer_close(with(mock, "on.sequence.gap", fatal ? "fatal" : "bump", &c), WAIT_MS));
    REQUIRE_OK(producer_config_set_data_loss_callback(c, on_loss, &told));
    REQUIRE_OK(producer_new(c, &p));
    producer_config_free(c);
    struct outcome *o = outcomes_new(20);
    send_numbered(p, "t", 0, "n", o, 10);
    CHECK(wait_for_reports(p, o, 10, WAIT_MS));
    CHECK_ALL(o, 10, PRODUCER_OK);
    REQUIRE_OK(producer_mock_cluster_push_error(mock, API_PRODUCE, PRODUCER_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 1));
    CHECK_OK(send_text(p, "t", 0, "n10", &o[10]));
    CHECK(wait_for_reports(p, o, 11, WAIT_MS));
    producer_poll(p, 0);
    CHECK_INT(told.times, 1);
    CHECK_INT(told.acked_offset, 9);
    if (fatal) {
        CHECK(o[10].status != PRODUCER_OK && o[10].persisted == PRODUCER_PERSISTED_NO);
        CHECK_STATUS(send_text(p, "t", 0, "n11", &o[11]), PRODUCER_ERR_FATAL);
        CHECK_SAYS(producer_last_error(), "t [0]");
        CHECK_STATUS(producer_flush(p, WAIT_MS), PRODUCER_ERR_FATAL);
        CHECK_STATUS(producer_close(p, WAIT_MS), PRODUCER_ERR_FATAL);
    } else {
        send_numbered(p, "t", 0, "m", &o[11], 9);
        CHECK(wait_for_reports(p, o, 20, WAIT_MS));
        CHECK_ALL(o, 20, PRODUCER_OK);
        CHECK_INT(told.times, 1);
        CHECK_INT(log_end(mock, "t", 0), 20);
        CHECK_OK(producer_close(p, WAIT_MS));
    }
    producer_mock_cluster_free(mock);
    free(o);
}

static void lost_inside_a_transaction(bool fatal) {
    check_case(fatal ? "inside a transaction, on.sequence.gap=fatal: the producer ends"
                     : "inside a transaction a broker's loss is told, and the transaction cannot be committed");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    struct told told = {0, -2};
    producer_t *p = NULL;
    producer_config_t *c = config_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "transactional.id", "tx",
                                     "on.sequence.gap", fatal ? "fatal" : "bump", NULL);
    REQUIRE_OK(producer_config_set_data_loss_callback(c, on_loss, &told));
    REQUIRE_OK(producer_new(c, &p));
    producer_config_free(c);
    struct outcome *o = outcomes_new(11);
    REQUIRE_OK(producer_init_transactions(p, WAIT_MS));
    REQUIRE_OK(producer_begin_transaction(p));
    send_numbered(p, "t", 0, "n", o, 10);
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, 10, PRODUCER_OK);
    REQUIRE_OK(producer_mock_cluster_push_error(mock, API_PRODUCE, PRODUCER_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 1));
    CHECK_OK(send_text(p, "t", 0, "n10", &o[10]));
    producer_status_t status = producer_commit_transaction(p, WAIT_MS);
    CHECK(fatal ? producer_status_is_fatal(status) : producer_status_is_abortable(status));
    CHECK_SAYS(producer_last_error(), "t [0]");
    CHECK(wait_for_reports(p, o, 11, WAIT_MS));
    producer_poll(p, 0);
    CHECK_INT(told.times, 1);
    CHECK_INT(told.acked_offset, 9);
    if (fatal) {
        CHECK_SAYS(producer_last_error(), "make a new one");
        CHECK(producer_status_is_fatal(producer_abort_transaction(p, WAIT_MS)));
        CHECK(producer_status_is_fatal(producer_close(p, WAIT_MS)));
    } else {
        CHECK_OK(producer_abort_transaction(p, WAIT_MS));
        REQUIRE_OK(producer_begin_transaction(p));
        CHECK_OK(send_text(p, "t", 0, "again", NULL));
        CHECK_OK(producer_commit_transaction(p, WAIT_MS));
        CHECK_OK(producer_close(p, WAIT_MS));
    }
    producer_mock_cluster_free(mock);
    free(o);
}

static void truncated(void) {
    check_case("a partition loses its end though it was acknowledged: told, and what comes next is delivered");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    struct told told = {0, -2};
    producer_t *p = NULL;
    producer_config_t *c = config_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "batch.size", "1", NULL);
    REQUIRE_OK(producer_config_set_data_loss_callback(c, on_loss, &told));
    REQUIRE_OK(producer_new(c, &p));
    producer_config_free(c);
    struct outcome *o = outcomes_new(20);
    send_numbered(p, "t", 0, "n", o, 10);
    CHECK_OK(producer_flush(p, WAIT_MS));
    REQUIRE_OK(producer_mock_cluster_truncate(mock, "t", 0, 5));
    CHECK_INT(log_end(mock, "t", 0), 5);
    send_numbered(p, "t", 0, "m", &o[10], 10);
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, 20, PRODUCER_OK);
    CHECK_INT(told.times, 1);
    CHECK_INT(told.acked_offset, 9);
    CHECK_INT(log_end(mock, "t", 0), 15);
    CHECK_OK(producer_close(p, WAIT_MS));

    check_case("brokers that forget idle producers are no loss");
    told = (struct told){0, -2};
    p = producer_at(mock);
    warm_up(p, "t", 0);
    REQUIRE_OK(producer_mock_cluster_expire_producer_ids(mock));
    warm_up(p, "t", 0);
    CHECK_INT(log_end(mock, "t", 0), 17);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

int main(void) {
    check_begin();
    lost_answers();
    failed_record(false);
    failed_record(true);
    in_doubt(false);
    in_doubt(true);
    lost_by_broker(false);
    lost_by_broker(true);
    flushed_after_the_end();
    lost_inside_a_transaction(false);
    lost_inside_a_transaction(true);
    truncated();
    return check_end();
}
