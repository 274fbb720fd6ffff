/* Time: an idle connection, a name that does not resolve, a record's own deadline beside records that have none. */
#include "check.h"

static void idle_connection(void) {
    check_case("a connection that is closed for idleness is made again for the next record");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "connections.max.idle.ms", "200",
                                NULL);
    for (int round = 0; round < 3; round++) {
        warm_up(p, "t", 0);
        pause_ms(500);
        struct outcome *o = outcomes_new(1);
        CHECK_OK(send_text(p, "t", 0, "after idleness", o));
        CHECK(wait_for_reports(p, o, 1, WAIT_MS));
        CHECK_ALL(o, 1, PRODUCER_OK);
        CHECK_INT(o->attempts, 1); /* nothing was tried on the old connection */
        free(o);
    }
    CHECK_INT(log_count(mock, "t", 0, "after idleness"), 3);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static void unresolvable_name(void) {
    check_case("a server's name that does not resolve: the report names it and says so, close is quick");
    producer_t *p = producer_of("no-such-host.invalid:9092", "request.timeout.ms", "500", "delivery.timeout.ms", "1000", NULL);
    struct outcome *o = outcomes_new(1);
    CHECK_OK(send_text(p, "t", 0, "lost", o));
    CHECK(wait_for_reports(p, o, 1, WAIT_MS));
    CHECK_ALL(o, 1, PRODUCER_ERR_DELIVERY_TIMED_OUT);
    CHECK_INT(o->persisted, PRODUCER_PERSISTED_NO);
    CHECK_SAYS(o->error_text, "no-such-host.invalid");
    int64_t from = now_ms();
    CHECK_OK(producer_close(p, 1000));
    CHECK(now_ms() - from < 3000);
    free(o);
}

static void neighbours(void) {
    check_case("the shortest deadline counts for the whole batch, and not for the next one");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "60000", NULL);
    struct outcome *o = outcomes_new(3);
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.partition = 0, r.value = "own", r.value_len = 3;
    /* The topic is known before: its records go to one batch. */
    CHECK_OK(send_text(p, "t", 0, "first", NULL));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_OK(send_text(p, "t", 0, "neighbour", &o[0]));
    r.delivery_timeout_ms = 300;
    CHECK_OK(producer_send(p, &r, on_outcome, &o[1]));
    CHECK(wait_for_reports(p, o, 2, WAIT_MS));
    CHECK_ALL(o, 2, PRODUCER_ERR_DELIVERY_TIMED_OUT);
    CHECK_INT(o[0].persisted, PRODUCER_PERSISTED_NO);
    CHECK_INT(o[1].persisted, PRODUCER_PERSISTED_NO);
    CHECK_OK(send_text(p, "t", 0, "later", &o[2]));
    pause_ms(600);
    producer_poll(p, 0);
    CHECK_INT(o[2].reports, 0);
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(&o[2], 1, PRODUCER_OK);
    CHECK_INT(log_end(mock, "t", 0), 2);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

int main(void) {
    check_begin();
    idle_connection();
    unresolvable_name();
    neighbours();
    return check_end();
}
