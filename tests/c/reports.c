/* Reports: exactly one per record, in order per partition, the fields right, and a bound on those nobody takes. */
#include "check.h"

#define RECORDS 20000
#define PARTITIONS 4

static void one_each_in_order(producer_mock_cluster_t *mock) {
    check_case("exactly one each, in order per partition, offsets ascending, fields right");
    producer_t *p = producer_at(mock);
    struct outcome *o = outcomes_new(RECORDS);
    int64_t from_ms = wall_ms(), dispatched = 0;
    for (size_t i = 0; i < RECORDS; i++) {
        producer_record_t r = PRODUCER_RECORD_INIT;
        r.topic = "t", r.partition = (int32_t)(i % PARTITIONS);
        r.value = i % 5 == 0 ? NULL : "0123456789", r.value_len = i % 5 == 0 ? 0 : i % 10;
        r.key = i % 3 == 0 ? NULL : "key", r.key_len = i % 3;
        REQUIRE_OK(producer_send(p, &r, on_outcome, &o[i]));
        if (i % 100 == 0) dispatched += producer_poll(p, 0);
    }
    int64_t deadline = now_ms() + WAIT_MS;
    while (dispatched < RECORDS && now_ms() < deadline) dispatched += producer_poll(p, 100);
    CHECK_INT(dispatched, RECORDS); /* poll answers how many */
    CHECK_INT(producer_poll(p, 0), 0);
    CHECK_ALL(o, RECORDS, PRODUCER_OK);
    for (size_t i = 0; i < RECORDS; i++) {
        bool ok = strcmp(o[i].topic, "t") == 0 && o[i].partition == (int32_t)(i % PARTITIONS);
        ok = ok && o[i].key_len == (i % 3 == 0 ? -1 : (int64_t)(i % 3)) && o[i].value_len == (i % 5 == 0 ? -1 : (int64_t)(i % 10));
        ok = ok && o[i].timestamp_ms >= from_ms - 1000 && o[i].timestamp_ms <= wall_ms() + 1000 && o[i].timestamp_type == 0;
        ok = ok && o[i].attempts == 1 && o[i].broker_id >= 0 && o[i].latency_us > 0 && o[i].latency_us < 60000000;
        ok = ok && o[i].phase == PRODUCER_PHASE_ANSWERED;
        if (!CHECK(ok)) {
            printf("  record %zu: topic %s partition %d key %d value %d timestamp %" PRId64 " type %d attempts %d broker %d latency %"
                   PRId64 " phase %d\n", i, o[i].topic, (int)o[i].partition, (int)o[i].key_len, (int)o[i].value_len,
                   o[i].timestamp_ms, (int)o[i].timestamp_type, (int)o[i].attempts, (int)o[i].broker_id, o[i].latency_us, (int)o[i].phase);
            break;
        }
        if (!CHECK_INT(o[i].offset, i / PARTITIONS)) break;
        if (i >= PARTITIONS && !CHECK(o[i].arrival > o[i - PARTITIONS].arrival)) break;
    }
    CHECK_OK(producer_close(p, WAIT_MS));
    free(o);
}

static void not_taken(producer_mock_cluster_t *mock) {
    check_case("reports that nobody takes: REPORTS_NOT_TAKEN, and one poll unblocks");
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "delivery.reports.max.count", "100",
                                "max.block.ms", "100", NULL);
    size_t accepted = 0;
    struct outcome *o = outcomes_new(RECORDS);
    producer_status_t status = PRODUCER_OK;
    int64_t deadline = now_ms() + WAIT_MS;
    while (accepted < RECORDS && now_ms() < deadline && (status = send_text(p, "t", 0, "r", &o[accepted])) == PRODUCER_OK)
        if (++accepted >= 100) pause_ms(5);
    CHECK_STATUS(status, PRODUCER_ERR_REPORTS_NOT_TAKEN);
    CHECK_SAYS(producer_last_error(), "poll");
    CHECK(accepted >= 50 && accepted < 5000);
    CHECK(producer_poll(p, 1000) > 0);
    CHECK_OK(send_text(p, "t", 0, "r", &o[accepted]));
    accepted++;
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, accepted, PRODUCER_OK);
    CHECK_OK(producer_close(p, WAIT_MS));
    free(o);
}

static void none_kept(producer_mock_cluster_t *mock) {
    check_case("no callback: nothing is kept, nothing has to be polled");
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "delivery.reports.max.count", "100",
                                "max.block.ms", "1000", NULL);
    int64_t before = log_end(mock, "t", 1);
    for (int i = 0; i < 5000; i++) REQUIRE_OK(send_text(p, "t", 1, "unheard", NULL));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_INT(producer_poll(p, 0), 0);
    CHECK_INT(log_end(mock, "t", 1), before + 5000);
    CHECK_OK(producer_close(p, WAIT_MS));
}

static void acks(producer_mock_cluster_t *mock) {
    check_case("acks=1: offset known; acks=0: sent, offset unknown, perhaps in the log");
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "acks", "1",
                                "enable.idempotence", "false", NULL);
    struct outcome *o = outcomes_new(100);
    send_numbered(p, "t", 2, "one", o, 100);
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, 100, PRODUCER_OK);
    CHECK_INT(o[99].offset, o[0].offset + 99);
    CHECK_OK(producer_close(p, WAIT_MS));
    free(o);

    int64_t before = log_end(mock, "t", 2);
    p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "acks", "0", "enable.idempotence", "false", NULL);
    o = outcomes_new(100);
    send_numbered(p, "t", 2, "none", o, 100);
    CHECK_OK(producer_flush(p, WAIT_MS));
    for (int i = 0; i < 100; i++) {
        if (!CHECK_INT(o[i].reports, 1) || !CHECK_STATUS(o[i].status, PRODUCER_OK) || !CHECK_INT(o[i].offset, -1)) break;
        if (!CHECK_INT(o[i].persisted, PRODUCER_PERSISTED_MAYBE)) break;
    }
    CHECK_OK(producer_close(p, WAIT_MS));
    int64_t deadline = now_ms() + WAIT_MS;
    while (log_end(mock, "t", 2) < before + 100 && now_ms() < deadline) pause_ms(10);
    CHECK_INT(log_end(mock, "t", 2), before + 100);
    free(o);
}

static void poll_waits(producer_mock_cluster_t *mock) {
    check_case("poll keeps its timeout, and returns early when a report comes");
    producer_t *p = producer_at(mock);
    warm_up(p, "t", 0);
    int64_t from = now_ms();
    CHECK_INT(producer_poll(p, 300), 0);
    CHECK(now_ms() - from >= 250 && now_ms() - from < 1500);
    struct outcome *o = outcomes_new(1);
    from = now_ms();
    CHECK_OK(send_text(p, "t", 0, "soon", o));
    CHECK_INT(producer_poll(p, WAIT_MS), 1);
    CHECK(now_ms() - from < 5000);
    CHECK_OK(send_text(p, "t", 0, "ever", &o[0]));
    CHECK_INT(producer_poll(p, -1), 1);
    CHECK_INT(o->reports, 2);
    CHECK_OK(producer_close(p, WAIT_MS));
    free(o);
}

int main(void) {
    check_begin();
    producer_mock_cluster_t *mock = mock_of(2, "t", PARTITIONS);
    one_each_in_order(mock);
    not_taken(mock);
    none_kept(mock);
    acks(mock);
    poll_waits(mock);
    producer_mock_cluster_free(mock);
    return check_end();
}
