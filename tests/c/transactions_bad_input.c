/*
 * Calls of transactions in the wrong state, with wrong arguments, and with the coordinator down: each gets a status, its
 * class and a sentence, and changes nothing.
 */
#include "transactional.h"

static producer_mock_cluster_t *mock;

static void not_transactional(void) {
    check_case("without transactional.id");
    producer_t *p = producer_at(mock);
    CHECK_REFUSED(producer_init_transactions(p, WAIT_MS), PRODUCER_ERR_NOT_TRANSACTIONAL, "transactional.id");
    CHECK_REFUSED(producer_begin_transaction(p), PRODUCER_ERR_NOT_TRANSACTIONAL, "transactional.id");
    CHECK_REFUSED(send_offset(p, "g", "t", 1, WAIT_MS), PRODUCER_ERR_NOT_TRANSACTIONAL, "transactional.id");
    CHECK_REFUSED(producer_commit_transaction(p, WAIT_MS), PRODUCER_ERR_NOT_TRANSACTIONAL, "transactional.id");
    CHECK_REFUSED(producer_abort_transaction(p, WAIT_MS), PRODUCER_ERR_NOT_TRANSACTIONAL, "transactional.id");
    warm_up(p, "t", 0);
    CHECK_OK(producer_close(p, WAIT_MS));
}

static void check_send_refused(producer_t *p, const char *says) {
    struct outcome *o = outcomes_new(1);
    CHECK_REFUSED(send_text(p, "t", 0, "outside", o), PRODUCER_ERR_STATE, says);
    CHECK_INT(producer_poll(p, 0), 0); /* what was not accepted gets no report */
    CHECK_INT(o->reports, 0);
    free(o);
}

static void wrong_state(void) {
    check_case("before init");
    producer_t *p = transactional_at(mock, "states");
    CHECK_REFUSED(producer_begin_transaction(p), PRODUCER_ERR_STATE, "producer_init_transactions");
    CHECK_REFUSED(send_offset(p, "g", "t", 1, WAIT_MS), PRODUCER_ERR_STATE, "transaction");
    CHECK_REFUSED(producer_commit_transaction(p, WAIT_MS), PRODUCER_ERR_STATE, "transaction");
    CHECK_REFUSED(producer_abort_transaction(p, WAIT_MS), PRODUCER_ERR_STATE, "transaction");
    check_send_refused(p, "transaction");

    check_case("after init, no transaction open");
    REQUIRE_OK(producer_init_transactions(p, WAIT_MS));
    for (int round = 0; round < 2; round++) {
        CHECK_REFUSED(producer_init_transactions(p, WAIT_MS), PRODUCER_ERR_STATE, "producer_init_transactions");
        CHECK_REFUSED(send_offset(p, "g", "t", 1, WAIT_MS), PRODUCER_ERR_STATE, "producer_begin_transaction");
        CHECK_REFUSED(producer_commit_transaction(p, WAIT_MS), PRODUCER_ERR_STATE, "producer_begin_transaction");
        CHECK_REFUSED(producer_abort_transaction(p, WAIT_MS), PRODUCER_ERR_STATE, "producer_begin_transaction");
        check_send_refused(p, "producer_begin_transaction");

        check_case(round == 0 ? "inside a transaction, which is committed all the same" : "the same, and it is aborted");
        REQUIRE_OK(producer_begin_transaction(p));
        struct outcome *o = outcomes_new(1);
        CHECK_OK(send_text(p, "t", 0, round == 0 ? "kept" : "dropped", o));
        CHECK_REFUSED(producer_begin_transaction(p), PRODUCER_ERR_STATE, "transaction");
        CHECK_REFUSED(producer_init_transactions(p, WAIT_MS), PRODUCER_ERR_STATE, "producer_init_transactions");
        CHECK_OK(round == 0 ? producer_commit_transaction(p, WAIT_MS) : producer_abort_transaction(p, WAIT_MS));
        CHECK_INT(o->reports, 1);
        free(o);
    }
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_INT(log_count(mock, "t", 0, "kept"), 1);
    CHECK_INT(log_count(mock, "t", 0, "outside"), 0);
}

static void null_handles(void) {
    check_case("NULL instead of a producer, timeouts below -1");
    producer_t *p = initialised_at(mock, "handles");
    CHECK_REFUSED(producer_init_transactions(NULL, WAIT_MS), PRODUCER_ERR_INVALID_ARGUMENT, "producer");
    CHECK_REFUSED(producer_begin_transaction(NULL), PRODUCER_ERR_INVALID_ARGUMENT, "producer");
    CHECK_REFUSED(send_offset(NULL, "g", "t", 1, WAIT_MS), PRODUCER_ERR_INVALID_ARGUMENT, "producer");
    CHECK_REFUSED(producer_commit_transaction(NULL, WAIT_MS), PRODUCER_ERR_INVALID_ARGUMENT, "producer");
    CHECK_REFUSED(producer_abort_transaction(NULL, WAIT_MS), PRODUCER_ERR_INVALID_ARGUMENT, "producer");
    REQUIRE_OK(producer_begin_transaction(p));
    CHECK_REFUSED(producer_init_transactions(p, -2), PRODUCER_ERR_INVALID_ARGUMENT, "timeout_ms is -2");
    CHECK_REFUSED(send_offset(p, "g", "t", 1, -2), PRODUCER_ERR_INVALID_ARGUMENT, "timeout_ms is -2");
    CHECK_REFUSED(producer_commit_transaction(p, -2), PRODUCER_ERR_INVALID_ARGUMENT, "timeout_ms is -2");
    CHECK_REFUSED(producer_abort_transaction(p, INT32_MIN), PRODUCER_ERR_INVALID_ARGUMENT, "timeout_ms is -2147483648");
    CHECK_OK(producer_commit_transaction(p, WAIT_MS));
    CHECK_OK(producer_close(p, WAIT_MS));
}

/* An element as a later version of the header would have it. */
struct later_offset {
    producer_offset_t known;
    uint64_t unknown;
};

static void wrong_offsets(void) {
    check_case("offsets: pointers, sizes, numbers, texts; the transaction is committed all the same");
    producer_t *p = initialised_at(mock, "offsets");
    producer_group_t g = group_of("g");
    producer_offset_t o[3];
    char longest[32769];
    memset(longest, 'm', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    REQUIRE_OK(producer_begin_transaction(p));
#define RESET() o[0] = offset_of("in", 0, 10), o[1] = offset_of("in", 1, 20), o[2] = offset_of("t", 0, 30)
#define OFFSETS_REFUSED(change, says)                                                                                              \
    do {                                                                                                                          \
        RESET();                                                                                                                  \
        change;                                                                                                                   \
        CHECK_REFUSED(producer_send_offsets_to_transaction(p, o, 3, &g, WAIT_MS), PRODUCER_ERR_INVALID_ARGUMENT, says);            \
    } while (0)
    OFFSETS_REFUSED(o[0].struct_size = 0, "PRODUCER_OFFSET_INIT");
    OFFSETS_REFUSED(o[0].struct_size = sizeof *o - 8, "PRODUCER_OFFSET_INIT");
    OFFSETS_REFUSED(o[0].struct_size = sizeof *o + 1, "PRODUCER_OFFSET_INIT");
    OFFSETS_REFUSED(o[0].struct_size = (size_t)1 << 40, "PRODUCER_OFFSET_INIT");
    OFFSETS_REFUSED(o[1].struct_size = 0, "offsets[1].struct_size is 0");
    OFFSETS_REFUSED(o[2].struct_size += 8, "offsets[2]");
    OFFSETS_REFUSED(o[0].topic = NULL, "offsets[0].topic is NULL");
    OFFSETS_REFUSED(o[2].topic = "", "offsets[2].topic is empty");
    OFFSETS_REFUSED(o[1].topic = "bad\xff\xfe", "offsets[1].topic is not valid UTF-8");
    OFFSETS_REFUSED(o[1].partition = -1, "offsets[1].partition is -1");
    OFFSETS_REFUSED(o[1].offset = -1, "offsets[1].offset is -1");
    OFFSETS_REFUSED(o[2].offset = INT64_MIN, "offsets[2].offset");
    OFFSETS_REFUSED(o[1].leader_epoch = -2, "offsets[1].leader_epoch is -2");
    OFFSETS_REFUSED(o[1].metadata = "bad\xff\xfe", "offsets[1].metadata is not valid UTF-8");
    OFFSETS_REFUSED(o[1].metadata = longest, "32767");
    OFFSETS_REFUSED(o[2] = o[0], "offsets[0] and offsets[2]");
    RESET();
    CHECK_REFUSED(producer_send_offsets_to_transaction(p, NULL, 1, &g, WAIT_MS), PRODUCER_ERR_INVALID_ARGUMENT, "offsets is NULL");
    CHECK_REFUSED(producer_send_offsets_to_transaction(p, o, SIZE_MAX, &g, WAIT_MS), PRODUCER_ERR_INVALID_ARGUMENT, "count is");
    struct later_offset later[2] = {{o[0], 0}, {o[1], 0}};
    later[0].known.struct_size = later[1].known.struct_size = sizeof *later;
    later[1].unknown = 1;
    CHECK_REFUSED(producer_send_offsets_to_transaction(p, &later[0].known, 2, &g, WAIT_MS), PRODUCER_ERR_INVALID_ARGUMENT, "update");

    check_case("groups: the same");
#define GROUP_REFUSED(change, says)                                                                                                \
    do {                                                                                                                          \
        g = group_of("g");                                                                                                        \
        change;                                                                                                                   \
        CHECK_REFUSED(producer_send_offsets_to_transaction(p, o, 3, &g, WAIT_MS), PRODUCER_ERR_INVALID_ARGUMENT, says);            \
    } while (0)
    CHECK_REFUSED(producer_send_offsets_to_transaction(p, o, 3, NULL, WAIT_MS), PRODUCER_ERR_INVALID_ARGUMENT, "group is NULL");
    GROUP_REFUSED(g.struct_size = 0, "PRODUCER_GROUP_INIT");
    GROUP_REFUSED(g.struct_size = 8, "PRODUCER_GROUP_INIT");
    GROUP_REFUSED(g.group_id = NULL, "group.group_id is NULL");
    GROUP_REFUSED(g.group_id = "", "group.group_id is empty");
    GROUP_REFUSED(g.group_id = "bad\xff\xfe", "group.group_id is not valid UTF-8");
    GROUP_REFUSED(g.generation_id = -2, "group.generation_id is -2");
    GROUP_REFUSED(g.generation_id = 3, "group.member_id");
    GROUP_REFUSED(g.member_id = longest, "group.member_id");
    GROUP_REFUSED(g.group_instance_id = "bad\xff\xfe", "group.group_instance_id is not valid UTF-8");
    /* An empty list is nothing to do, with whatever stands for it. */
    g = group_of("g");
    CHECK_OK(producer_send_offsets_to_transaction(p, NULL, 0, &g, WAIT_MS));
    CHECK_OK(producer_send_offsets_to_transaction(p, o, 0, &g, WAIT_MS));
    g.group_id = "";
    CHECK_REFUSED(producer_send_offsets_to_transaction(p, NULL, 0, &g, WAIT_MS), PRODUCER_ERR_INVALID_ARGUMENT, "group_id is empty");

    check_case("and what is right: structs of a later version, offset 0, every member field NULL");
    later[1].unknown = 0;
    g = group_of("g");
    CHECK_OK(producer_send_offsets_to_transaction(p, &later[0].known, 2, &g, WAIT_MS));
    o[0] = offset_of("in", 2, 0);
    o[0].metadata = "";
    CHECK_OK(producer_send_offsets_to_transaction(p, o, 1, &g, WAIT_MS));
    CHECK_OK(producer_commit_transaction(p, WAIT_MS));
    CHECK_OK(producer_close(p, WAIT_MS));
}

static void on_report_calls(const producer_report_t *report, void *opaque) {
    producer_t *p = opaque;
    (void)report;
    CHECK_REFUSED(producer_init_transactions(p, 0), PRODUCER_ERR_IN_CALLBACK, "producer_init_transactions");
    CHECK_REFUSED(producer_begin_transaction(p), PRODUCER_ERR_IN_CALLBACK, "producer_begin_transaction");
    CHECK_REFUSED(send_offset(p, "g", "t", 1, 0), PRODUCER_ERR_IN_CALLBACK, "producer_send_offsets_to_transaction");
    CHECK_REFUSED(producer_commit_transaction(p, 0), PRODUCER_ERR_IN_CALLBACK, "producer_commit_transaction");
    CHECK_REFUSED(producer_abort_transaction(p, 0), PRODUCER_ERR_IN_CALLBACK, "producer_abort_transaction");
}

static void from_callbacks_and_after_close(void) {
    check_case("from a callback, whoever runs it");
    producer_t *p = initialised_at(mock, "callbacks");
    for (int way = 0; way < 3; way++) {
        producer_record_t r = PRODUCER_RECORD_INIT;
        r.topic = "t", r.value = "calls", r.value_len = 5;
        REQUIRE_OK(producer_begin_transaction(p));
        CHECK_OK(producer_send(p, &r, on_report_calls, p));
        if (way == 0) CHECK_INT(producer_poll(p, WAIT_MS), 1);
        if (way == 1) CHECK_OK(producer_flush(p, WAIT_MS));
        CHECK_OK(producer_commit_transaction(p, WAIT_MS));
    }
    check_case("after close");
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_CLASS(producer_init_transactions(p, 0), CLASS_FATAL);
    CHECK_STATUS(producer_init_transactions(p, 0), PRODUCER_ERR_CLOSED);
    CHECK_STATUS(producer_begin_transaction(p), PRODUCER_ERR_CLOSED);
    CHECK_STATUS(send_offset(p, "g", "t", 1, 0), PRODUCER_ERR_CLOSED);
    CHECK_STATUS(producer_commit_transaction(p, 0), PRODUCER_ERR_CLOSED);
    CHECK_STATUS(producer_abort_transaction(p, 0), PRODUCER_ERR_CLOSED);
}

static void all_brokers(producer_mock_cluster_t *m, bool up) {
    for (int32_t broker = 1; broker <= 2; broker++)
        REQUIRE_OK(up ? producer_mock_cluster_broker_up(m, broker) : producer_mock_cluster_broker_down(m, broker));
}

/* Everything but the call that is pending: refused, naming what has to be called again. */
static void check_only(producer_t *p, const char *pending) {
    if (strcmp(pending, "producer_init_transactions") != 0)
        CHECK_REFUSED(producer_init_transactions(p, 50), PRODUCER_ERR_STATE, pending);
    CHECK_REFUSED(producer_begin_transaction(p), PRODUCER_ERR_STATE, pending);
    CHECK_REFUSED(send_offset(p, "g", "in", 7, 50), PRODUCER_ERR_STATE, pending);
    if (strcmp(pending, "producer_commit_transaction") != 0)
        CHECK_REFUSED(producer_commit_transaction(p, 50), PRODUCER_ERR_STATE, pending);
    if (strcmp(pending, "producer_abort_transaction") != 0)
        CHECK_REFUSED(producer_abort_transaction(p, 50), PRODUCER_ERR_STATE, pending);
    check_send_refused(p, pending);
}

static void coordinator_down(void) {
    check_case("brokers down: init times out, is the only call allowed, and is resumed");
    producer_mock_cluster_t *m = mock_with_input(2, 1);
    producer_t *p = transactional_at(m, "down");
    struct outcome *o = outcomes_new(4);
    all_brokers(m, false);
    CHECK_TIMES_OUT(producer_init_transactions(p, 0), 0);
    CHECK_TIMES_OUT(producer_init_transactions(p, 300), 300);
    check_only(p, "producer_init_transactions");
    all_brokers(m, true);
    CHECK_OK(producer_init_transactions(p, WAIT_MS));

    check_case("send_offsets times out, is called again; until then no commit");
    REQUIRE_OK(producer_begin_transaction(p));
    CHECK_OK(send_text(p, "t", 0, "committed", &o[0]));
    CHECK_OK(producer_flush(p, WAIT_MS));
    all_brokers(m, false);
    CHECK_TIMES_OUT(send_offset(p, "g", "in", 7, 300), 300);
    CHECK_REFUSED(producer_commit_transaction(p, 50), PRODUCER_ERR_STATE, "producer_send_offsets_to_transaction");
    all_brokers(m, true);
    CHECK_OK(send_offset(p, "g", "in", 7, WAIT_MS));

    check_case("commit times out, is the only call allowed, and is resumed");
    all_brokers(m, false);
    CHECK_TIMES_OUT(producer_commit_transaction(p, 0), 0);
    CHECK_TIMES_OUT(producer_commit_transaction(p, 300), 300);
    check_only(p, "producer_commit_transaction");
    CHECK_TIMES_OUT(producer_commit_transaction(p, 50), 50);
    all_brokers(m, true);
    CHECK_OK(producer_commit_transaction(p, WAIT_MS));

    check_case("abort times out, is the only call allowed, and is resumed; so is one after offsets that never arrived");
    REQUIRE_OK(producer_begin_transaction(p));
    CHECK_OK(send_text(p, "t", 0, "aborted", &o[1]));
    CHECK_OK(producer_flush(p, WAIT_MS));
    all_brokers(m, false);
    CHECK_TIMES_OUT(send_offset(p, "g", "in", 8, 50), 50);
    CHECK_TIMES_OUT(producer_abort_transaction(p, 300), 300);
    check_only(p, "producer_abort_transaction");
    all_brokers(m, true);
    CHECK_OK(producer_abort_transaction(p, WAIT_MS));

    check_case("begin needs no broker; the next transaction goes on as if nothing had been");
    all_brokers(m, false);
    CHECK_OK(producer_begin_transaction(p));
    CHECK_OK(send_text(p, "t", 0, "later", &o[2]));
    all_brokers(m, true);
    CHECK_OK(producer_commit_transaction(p, WAIT_MS));
    CHECK_ALL(o, 3, PRODUCER_OK);
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_INT(log_count(m, "t", 0, "committed"), 1);
    CHECK_INT(log_count(m, "t", 0, "later"), 1);
    producer_mock_cluster_free(m);
    free(o);
}

static void close_while_down(void) {
    check_case("close with the coordinator down keeps its time, whatever is pending, and reports every record");
    producer_mock_cluster_t *m = mock_with_input(2, 1);
    for (int pending = 0; pending < 3; pending++) {
        producer_t *p = initialised_at(m, "closing");
        struct outcome *o = outcomes_new(2);
        REQUIRE_OK(producer_begin_transaction(p));
        CHECK_OK(send_text(p, "t", 0, "written", &o[0]));
        CHECK_OK(producer_flush(p, WAIT_MS));
        if (pending > 0) all_brokers(m, false);
        CHECK_OK(send_text(p, "t", 0, "left", &o[1]));
        if (pending == 1) CHECK_TIMES_OUT(producer_commit_transaction(p, 50), 50);
        if (pending == 2) CHECK_TIMES_OUT(producer_abort_transaction(p, 50), 50);
        int64_t from = now_ms();
        producer_status_t closed = producer_close(p, 500);
        CHECK(pending == 0 ? closed == PRODUCER_OK : closed == PRODUCER_ERR_TIMED_OUT);
        CHECK(now_ms() - from < 3000);
        CHECK_OUTCOMES(o, 2);
        all_brokers(m, true);
        free(o);
    }
    producer_mock_cluster_free(m);
}

int main(void) {
    check_begin();
    mock = mock_with_input(1, 1);
    not_transactional();
    wrong_state();
    null_handles();
    wrong_offsets();
    from_callbacks_and_after_close();
    coordinator_down();
    close_while_down();
    producer_mock_cluster_free(mock);
    return check_end();
}
