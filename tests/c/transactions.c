/*
 * Transactions against the mock cluster, over both of Kafka's protocols: all or nothing for whoever reads what is
 * committed, offsets with them, every error in its class with the way out that the class promises.
 */
#include "transactional.h"

#define PARTITIONS 3
#define MANY 300

static int32_t version; /* of the protocol: transaction.version of the cluster */

static producer_mock_cluster_t *cluster(void) {
    producer_mock_cluster_t *mock = mock_with_input(2, PARTITIONS);
    REQUIRE_OK(producer_mock_cluster_set_transaction_version(mock, version));
    return mock;
}

static int count_visit(const producer_mock_record_t *r, void *opaque) {
    struct log_search *s = opaque;
    s->found += r->value_len >= (int64_t)strlen(s->value) && memcmp(r->value, s->value, strlen(s->value)) == 0;
    return 0;
}

/* How many records whose value begins so a consumer with isolation.level=read_committed sees. */
static size_t committed(producer_mock_cluster_t *mock, const char *prefix) {
    struct log_search s = {prefix, -1, 0};
    for (int32_t i = 0; i < PARTITIONS; i++)
        REQUIRE_OK(producer_mock_cluster_committed_records(mock, "t", i, 0, count_visit, &s));
    return s.found;
}

static int64_t committed_offset(producer_mock_cluster_t *mock, const char *group) {
    int64_t offset = -2;
    CHECK_OK(producer_mock_cluster_committed_offset(mock, group, "in", 0, &offset));
    return offset;
}

static void send_spread(producer_t *p, const char *prefix, struct outcome *o) {
    for (int32_t i = 0; i < MANY; i++) {
        char value[64];
        snprintf(value, sizeof value, "%s%" PRId32, prefix, i);
        if (!CHECK_OK(send_text(p, "t", i % PARTITIONS, value, &o[i]))) exit(1);
    }
}

static void commit_and_abort(void) {
    check_case("a commit shows everything at once, an abort nothing; each runs the callbacks of its records");
    producer_mock_cluster_t *mock = cluster();
    producer_t *p = initialised_at(mock, "both");
    struct outcome *o = outcomes_new(MANY);
    for (int round = 0; round < 3; round++) {
        char prefix[32];
        snprintf(prefix, sizeof prefix, "commit%d-", round);
        REQUIRE_OK(producer_begin_transaction(p));
        send_spread(p, prefix, o);
        if (round > 0) CHECK_OK(producer_flush(p, WAIT_MS));
        CHECK_INT(committed(mock, prefix), 0);
        CHECK_OK(producer_commit_transaction(p, WAIT_MS));
        CHECK_ALL(o, MANY, PRODUCER_OK);
        CHECK_INT(committed(mock, prefix), MANY);
        memset(o, 0, MANY * sizeof *o);
        snprintf(prefix, sizeof prefix, "abort%d-", round);
        REQUIRE_OK(producer_begin_transaction(p));
        send_spread(p, prefix, o);
        if (round > 0) CHECK_OK(producer_flush(p, WAIT_MS));
        CHECK_OK(producer_abort_transaction(p, WAIT_MS));
        CHECK_OUTCOMES(o, MANY);
        if (round > 0) CHECK_ALL(o, MANY, PRODUCER_OK); /* written, and never to be seen */
        CHECK_INT(committed(mock, prefix), 0);
        memset(o, 0, MANY * sizeof *o);
    }
    CHECK_INT(committed(mock, "commit"), 3 * MANY);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void lingering_records(void) {
    check_case("a commit does not linger; an abort does not send what lingers");
    producer_mock_cluster_t *mock = cluster();
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "transactional.id", "linger", "linger.ms", "20000", NULL);
    struct outcome *o = outcomes_new(MANY);
    REQUIRE_OK(producer_init_transactions(p, WAIT_MS));
    int64_t from = now_ms();
    REQUIRE_OK(producer_begin_transaction(p));
    send_spread(p, "quick", o);
    CHECK_OK(producer_commit_transaction(p, WAIT_MS));
    CHECK(now_ms() - from < 5000);
    CHECK_ALL(o, MANY, PRODUCER_OK);
    memset(o, 0, MANY * sizeof *o);
    REQUIRE_OK(producer_begin_transaction(p));
    send_spread(p, "unsent", o);
    CHECK_OK(producer_abort_transaction(p, WAIT_MS));
    CHECK(now_ms() - from < 8000);
    CHECK_ALL(o, MANY, PRODUCER_ERR_TRANSACTION_ABORTED);
    CHECK_INT(o[0].persisted, PRODUCER_PERSISTED_NO);
    for (int32_t i = 0; i < PARTITIONS; i++) CHECK_INT(log_count(mock, "t", i, "unsent0"), 0);
    CHECK_INT(committed(mock, "quick"), MANY);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void empty_ones(void) {
    check_case("nothing in it: committed and aborted, again and again");
    producer_mock_cluster_t *mock = cluster();
    producer_t *p = initialised_at(mock, "empty");
    for (int i = 0; i < 20; i++) {
        REQUIRE_OK(producer_begin_transaction(p));
        CHECK_OK(i % 2 ? producer_commit_transaction(p, WAIT_MS) : producer_abort_transaction(p, WAIT_MS));
    }
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static void offsets(void) {
    check_case("offsets count when their transaction is committed, with records and without");
    producer_mock_cluster_t *mock = cluster();
    producer_t *p = initialised_at(mock, "offsets");
    struct outcome *o = outcomes_new(MANY);
    CHECK_INT(committed_offset(mock, "g"), -1);
    REQUIRE_OK(producer_begin_transaction(p));
    send_spread(p, "with", o);
    CHECK_OK(send_offset(p, "g", "in", 10, WAIT_MS));
    CHECK_INT(committed_offset(mock, "g"), -1);
    CHECK_OK(producer_commit_transaction(p, WAIT_MS));
    CHECK_INT(committed_offset(mock, "g"), 10);
    REQUIRE_OK(producer_begin_transaction(p));
    CHECK_OK(send_offset(p, "g", "in", 20, WAIT_MS));
    CHECK_OK(producer_abort_transaction(p, WAIT_MS));
    CHECK_INT(committed_offset(mock, "g"), 10);
    REQUIRE_OK(producer_begin_transaction(p));
    CHECK_OK(send_offset(p, "g", "in", 25, WAIT_MS));
    CHECK_OK(send_offset(p, "g", "in", 30, WAIT_MS));
    CHECK_OK(send_offset(p, "other", "in", 3, WAIT_MS));
    CHECK_OK(producer_commit_transaction(p, WAIT_MS));
    CHECK_INT(committed_offset(mock, "g"), 30);
    CHECK_INT(committed_offset(mock, "other"), 3);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void failed_record(void) {
    check_case("a failed record costs its transaction and no other");
    producer_mock_cluster_t *mock = cluster();
    producer_t *p = initialised_at(mock, "failed");
    struct outcome *o = outcomes_new(4);
    REQUIRE_OK(producer_begin_transaction(p));
    CHECK_OK(send_text(p, "t", 0, "lost-before", &o[0]));
    CHECK_OK(producer_flush(p, WAIT_MS));
    REQUIRE_OK(producer_mock_cluster_push_error(mock, API_PRODUCE, PRODUCER_ERR_POLICY_VIOLATION, 1));
    CHECK_OK(send_text(p, "t", 0, "lost-refused", &o[1]));
    CHECK(wait_for_reports(p, o, 2, WAIT_MS));
    CHECK_STATUS(o[1].status, PRODUCER_ERR_POLICY_VIOLATION);
    CHECK_CLASS(send_text(p, "t", 0, "lost-behind", &o[2]), CLASS_ABORTABLE);
    for (int i = 0; i < 2; i++) CHECK_CLASS(producer_commit_transaction(p, WAIT_MS), CLASS_ABORTABLE);
    CHECK_SAYS(producer_last_error(), "POLICY_VIOLATION");
    CHECK_CLASS(send_offset(p, "g", "in", 1, WAIT_MS), CLASS_ABORTABLE);
    CHECK_REFUSED(producer_begin_transaction(p), PRODUCER_ERR_STATE, "producer_abort_transaction");
    CHECK_OK(producer_abort_transaction(p, WAIT_MS));
    CHECK_INT(committed(mock, "lost"), 0);
    CHECK_INT(committed_offset(mock, "g"), -1);
    REQUIRE_OK(producer_begin_transaction(p));
    CHECK_OK(send_text(p, "t", 0, "kept", &o[3]));
    CHECK_OK(producer_commit_transaction(p, WAIT_MS));
    CHECK_INT(committed(mock, "kept"), 1);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void coordinators_errors(void) {
    struct {
        int32_t api;
        producer_status_t code;
        enum class_of_status class; /* CLASS_RETRIABLE: the library's business, the application sees a success */
    } cases[] = {
        {API_FIND_COORDINATOR, PRODUCER_ERR_COORDINATOR_NOT_AVAILABLE, CLASS_RETRIABLE},
        {API_INIT_PRODUCER_ID, PRODUCER_ERR_COORDINATOR_LOAD_IN_PROGRESS, CLASS_RETRIABLE},
        {API_INIT_PRODUCER_ID, PRODUCER_ERR_CONCURRENT_TRANSACTIONS, CLASS_RETRIABLE},
        {API_ADD_PARTITIONS_TO_TXN, PRODUCER_ERR_CONCURRENT_TRANSACTIONS, CLASS_RETRIABLE},
        {API_ADD_PARTITIONS_TO_TXN, PRODUCER_ERR_NOT_COORDINATOR, CLASS_RETRIABLE},
        {API_ADD_PARTITIONS_TO_TXN, PRODUCER_ERR_TOPIC_AUTHORIZATION_FAILED, CLASS_ABORTABLE},
        {API_ADD_OFFSETS_TO_TXN, PRODUCER_ERR_COORDINATOR_LOAD_IN_PROGRESS, CLASS_RETRIABLE},
        {API_ADD_OFFSETS_TO_TXN, PRODUCER_ERR_GROUP_AUTHORIZATION_FAILED, CLASS_ABORTABLE},
        {API_TXN_OFFSET_COMMIT, PRODUCER_ERR_NOT_COORDINATOR, CLASS_RETRIABLE},
        {API_TXN_OFFSET_COMMIT, PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION, CLASS_RETRIABLE},
        {API_TXN_OFFSET_COMMIT, PRODUCER_ERR_ILLEGAL_GENERATION, CLASS_ABORTABLE},
        {API_TXN_OFFSET_COMMIT, PRODUCER_ERR_FENCED_INSTANCE_ID, CLASS_ABORTABLE},
        /* Nobody has taken over, says the transaction's coordinator. */
        {API_TXN_OFFSET_COMMIT, PRODUCER_ERR_PRODUCER_FENCED, CLASS_ABORTABLE},
        {API_END_TXN, PRODUCER_ERR_CONCURRENT_TRANSACTIONS, CLASS_RETRIABLE},
        {API_END_TXN, PRODUCER_ERR_NOT_COORDINATOR, CLASS_RETRIABLE},
        {API_END_TXN, PRODUCER_ERR_TRANSACTION_ABORTABLE, CLASS_ABORTABLE},
        {API_END_TXN, PRODUCER_ERR_INVALID_PRODUCER_EPOCH, CLASS_ABORTABLE},
        {API_END_TXN, PRODUCER_ERR_INVALID_PRODUCER_ID_MAPPING, CLASS_FATAL},
    };
    check_case("what coordinators answer: passed over, an abort, or the end");
    producer_mock_cluster_t *mock = cluster();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (version == 2 && (cases[i].api == API_ADD_PARTITIONS_TO_TXN || cases[i].api == API_ADD_OFFSETS_TO_TXN)) continue;
        int before = check_failures;
        char value[64];
        snprintf(value, sizeof value, "case%zu", i);
        producer_t *p = transactional_at(mock, value);
        struct outcome *o = outcomes_new(1);
        bool done = cases[i].class == CLASS_RETRIABLE;
        REQUIRE_OK(producer_mock_cluster_push_error(mock, cases[i].api, cases[i].code, done ? 2 : 1));
        REQUIRE_OK(producer_init_transactions(p, WAIT_MS));
        REQUIRE_OK(producer_begin_transaction(p));
        CHECK_OK(send_text(p, "t", 0, value, o));
        producer_status_t status = send_offset(p, value, "in", 5, WAIT_MS);
        if (status == PRODUCER_OK) status = producer_commit_transaction(p, WAIT_MS);
        if (done) CHECK_OK(status);
        else CHECK_CLASS(status, cases[i].class);
        if (cases[i].class == CLASS_ABORTABLE) {
            CHECK_OK(producer_abort_transaction(p, WAIT_MS));
            REQUIRE_OK(producer_begin_transaction(p));
            CHECK_OK(producer_commit_transaction(p, WAIT_MS));
        }
        if (cases[i].class == CLASS_FATAL) {
            CHECK_CLASS(producer_abort_transaction(p, WAIT_MS), CLASS_FATAL);
            CHECK_CLASS(producer_begin_transaction(p), CLASS_FATAL);
            CHECK_CLASS(send_text(p, "t", 0, value, NULL), CLASS_FATAL);
        }
        producer_status_t closed = producer_close(p, WAIT_MS);
        CHECK(cases[i].class == CLASS_FATAL || closed == PRODUCER_OK);
        CHECK_INT(o->reports, 1);
        /* What the dead one left open would hide the later cases' records: its successor aborts it. */
        if (cases[i].class == CLASS_FATAL) CHECK_OK(producer_close(initialised_at(mock, value), WAIT_MS));
        CHECK_INT(committed(mock, value), done ? 1 : 0);
        CHECK_INT(committed_offset(mock, value), done ? 5 : -1);
        if (check_failures > before)
            printf("  so with %s of request %d\n", producer_status_name(cases[i].code), (int)cases[i].api);
        free(o);
    }
    producer_mock_cluster_free(mock);
}

static void authorised_later(void) {
    check_case("init without the right to the transactional.id is fatal, and may be called again when it was granted");
    producer_mock_cluster_t *mock = cluster();
    producer_t *p = transactional_at(mock, "rights");
    REQUIRE_OK(producer_mock_cluster_push_error(mock, API_INIT_PRODUCER_ID, PRODUCER_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 1));
    producer_status_t status = producer_init_transactions(p, WAIT_MS);
    CHECK_STATUS(status, PRODUCER_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    CHECK_REFUSED(producer_begin_transaction(p), PRODUCER_ERR_STATE, "producer_init_transactions");
    CHECK_OK(producer_init_transactions(p, WAIT_MS));
    REQUIRE_OK(producer_begin_transaction(p));
    CHECK_OK(producer_commit_transaction(p, WAIT_MS));
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static void fenced(void) {
    check_case("a newer producer of the id fences the older one, whose open transaction is aborted");
    producer_mock_cluster_t *mock = cluster();
    producer_t *older = initialised_at(mock, "same");
    struct outcome *o = outcomes_new(2);
    REQUIRE_OK(producer_begin_transaction(older));
    CHECK_OK(send_text(older, "t", 0, "zombie", &o[0]));
    CHECK_OK(producer_flush(older, WAIT_MS));
    producer_t *newer = initialised_at(mock, "same");
    REQUIRE_OK(producer_begin_transaction(newer));
    CHECK_OK(send_text(newer, "t", 0, "alive", &o[1]));
    CHECK_OK(producer_commit_transaction(newer, WAIT_MS));
    producer_status_t status = producer_commit_transaction(older, WAIT_MS);
    CHECK_CLASS(status, CLASS_FATAL);
    CHECK_INT(status, PRODUCER_ERR_PRODUCER_FENCED);
    CHECK_CLASS(producer_abort_transaction(older, WAIT_MS), CLASS_FATAL);
    CHECK_CLASS(producer_begin_transaction(older), CLASS_FATAL);
    CHECK(producer_close(older, WAIT_MS) != PRODUCER_ERR_TIMED_OUT);
    CHECK_INT(committed(mock, "zombie"), 0);
    CHECK_INT(committed(mock, "alive"), 1);
    CHECK_OK(producer_close(newer, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void fenced_by_hand(void) {
    check_case("fenced while records are on their way: each is reported, the producer is at its end, and close returns");
    producer_mock_cluster_t *mock = cluster();
    producer_t *p = initialised_at(mock, "shut-out");
    struct outcome *o = outcomes_new(MANY);
    REQUIRE_OK(producer_begin_transaction(p));
    send_spread(p, "shut-out", o);
    CHECK_OK(producer_flush(p, WAIT_MS));
    memset(o, 0, MANY * sizeof *o);
    REQUIRE_OK(producer_mock_cluster_fence(mock, "shut-out"));
    producer_status_t status = PRODUCER_OK;
    size_t accepted = 0;
    /* Until the first of them has been refused, which may be before the last is sent. */
    while (accepted < MANY && (status = send_text(p, "t", (int32_t)accepted % PARTITIONS, "shut-out", &o[accepted])) == PRODUCER_OK) accepted++;
    CHECK(status == PRODUCER_OK || producer_status_is_abortable(status) || producer_status_is_fatal(status));
    CHECK_INT(producer_commit_transaction(p, WAIT_MS), PRODUCER_ERR_PRODUCER_FENCED);
    CHECK_CLASS(producer_begin_transaction(p), CLASS_FATAL);
    CHECK(producer_close(p, WAIT_MS) != PRODUCER_ERR_TIMED_OUT);
    CHECK_OUTCOMES(o, accepted);
    CHECK_INT(committed(mock, "shut-out"), 0);
    producer_mock_cluster_free(mock);
    free(o);
}

static void too_long(void) {
    /* What meets it: a late record, the commit, offsets, or the abort itself. */
    enum { LATE_RECORD, COMMIT, OFFSETS, ABORT, MEETINGS };
    check_case("open for longer than transaction.timeout.ms: an abortable error says why, the abort succeeds, the next one works");
    producer_mock_cluster_t *mock = cluster();
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "transactional.id", "slow", "transaction.timeout.ms", "1000",
                                NULL);
    REQUIRE_OK(producer_init_transactions(p, WAIT_MS));
    for (int meeting = 0; meeting < MEETINGS; meeting++) {
        struct outcome *o = outcomes_new(2);
        REQUIRE_OK(producer_begin_transaction(p));
        CHECK_OK(send_text(p, "t", 0, "late1", &o[0]));
        CHECK_OK(producer_flush(p, WAIT_MS));
        CHECK_INT(producer_poll(p, 1500), 0);
        producer_status_t status = PRODUCER_OK;
        if (meeting == LATE_RECORD) CHECK_OK(send_text(p, "t", 0, "late2", &o[1]));
        if (meeting == LATE_RECORD || meeting == COMMIT) status = producer_commit_transaction(p, WAIT_MS);
        if (meeting == OFFSETS) status = send_offset(p, "slow", "in", 7, WAIT_MS);
        if (meeting != ABORT) {
            CHECK_STATUS(status, PRODUCER_ERR_INVALID_PRODUCER_EPOCH);
            CHECK_CLASS(status, CLASS_ABORTABLE);
            CHECK_SAYS(producer_last_error(), "transaction.timeout.ms");
        }
        CHECK_OK(producer_abort_transaction(p, WAIT_MS));
        CHECK_OUTCOMES(o, meeting == LATE_RECORD ? 2 : 1);
        CHECK_INT(committed(mock, "late"), 0);
        REQUIRE_OK(producer_begin_transaction(p));
        CHECK_OK(send_text(p, "t", 0, "again", NULL));
        CHECK_OK(producer_commit_transaction(p, WAIT_MS));
        CHECK_INT(committed(mock, "again"), meeting + 1);
        free(o);
    }
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static void commit_without_fit(void) {
    check_case("a commit that does not fit the coordinator's state asks for an abort, after which the producer goes on");
    const int16_t codes[] = {47, 48, 90};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        producer_mock_cluster_t *mock = cluster();
        producer_t *p = initialised_at(mock, "unfit");
        REQUIRE_OK(producer_begin_transaction(p));
        CHECK_OK(send_text(p, "t", 0, "unfit", NULL));
        CHECK_OK(producer_flush(p, WAIT_MS));
        REQUIRE_OK(producer_mock_cluster_push_error(mock, 26, codes[i], 1));
        CHECK_STATUS(producer_commit_transaction(p, WAIT_MS), PRODUCER_ERR_INVALID_PRODUCER_EPOCH);
        CHECK_OK(producer_abort_transaction(p, WAIT_MS));
        REQUIRE_OK(producer_begin_transaction(p));
        CHECK_OK(send_text(p, "t", 0, "fits", NULL));
        CHECK_OK(producer_commit_transaction(p, WAIT_MS));
        CHECK_INT(committed(mock, "unfit"), 0);
        CHECK_INT(committed(mock, "fits"), 1);
        CHECK_OK(producer_close(p, WAIT_MS));
        producer_mock_cluster_free(mock);
    }
}

static producer_status_t send_as(producer_t *p, int32_t generation_id, const char *member_id, const char *instance_id, int64_t offset) {
    producer_offset_t o = offset_of("in", 0, offset);
    producer_group_t g = group_of("members");
    g.generation_id = generation_id, g.member_id = member_id, g.group_instance_id = instance_id;
    return producer_send_offsets_to_transaction(p, &o, 1, &g, WAIT_MS);
}

static void group_members(void) {
    struct {
        int32_t generation_id;
        const char *member_id, *instance_id;
        producer_status_t status;
    } left_behind[] = {
        {4, "m-1", "i-1", PRODUCER_ERR_ILLEGAL_GENERATION},
        {5, "m-0", NULL, PRODUCER_ERR_UNKNOWN_MEMBER_ID},
        {5, "m-0", "i-1", PRODUCER_ERR_FENCED_INSTANCE_ID},
    };
    check_case("offsets of a consumer that has lost its place in the group cost the transaction; those of the one that has it do not");
    producer_mock_cluster_t *mock = cluster();
    producer_t *p = initialised_at(mock, "members");
    REQUIRE_OK(producer_mock_cluster_group_set_member(mock, "members", 5, "m-1", "i-1"));
    for (size_t i = 0; i < sizeof left_behind / sizeof *left_behind; i++) {
        REQUIRE_OK(producer_begin_transaction(p));
        CHECK_OK(send_text(p, "t", 0, "behind", NULL));
        producer_status_t status = send_as(p, left_behind[i].generation_id, left_behind[i].member_id, left_behind[i].instance_id, 7);
        CHECK_STATUS(status, left_behind[i].status);
        CHECK_CLASS(status, CLASS_ABORTABLE);
        CHECK_STATUS(producer_commit_transaction(p, WAIT_MS), left_behind[i].status);
        CHECK_OK(producer_abort_transaction(p, WAIT_MS));
    }
    CHECK_INT(committed_offset(mock, "members"), -1);
    REQUIRE_OK(producer_begin_transaction(p));
    CHECK_OK(send_as(p, 5, "m-1", "i-1", 8));
    CHECK_OK(producer_commit_transaction(p, WAIT_MS));
    CHECK_INT(committed_offset(mock, "members"), 8);
    CHECK_INT(committed(mock, "behind"), 0);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static void slow_markers(void) {
    check_case("an earlier transaction that is still being completed is waited for");
    producer_mock_cluster_t *mock = cluster();
    producer_t *p = initialised_at(mock, "markers");
    struct outcome *o = outcomes_new(10);
    REQUIRE_OK(producer_mock_cluster_set_marker_delay(mock, 50));
    for (int i = 0; i < 10; i++) {
        REQUIRE_OK(producer_begin_transaction(p));
        CHECK_OK(send_text(p, "t", i % PARTITIONS, "marked", &o[i]));
        CHECK_OK(i % 3 == 2 ? producer_abort_transaction(p, WAIT_MS) : producer_commit_transaction(p, WAIT_MS));
    }
    REQUIRE_OK(producer_mock_cluster_set_marker_delay(mock, 0));
    REQUIRE_OK(producer_begin_transaction(p));
    CHECK_OK(send_text(p, "t", 0, "last", NULL));
    CHECK_OK(producer_commit_transaction(p, WAIT_MS));
    CHECK_INT(committed(mock, "marked"), 7);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void changing_version(void) {
    check_case("the cluster changes the protocol between transactions; so does the producer, and loses nothing");
    producer_mock_cluster_t *mock = cluster();
    producer_t *p = initialised_at(mock, "changes");
    for (int i = 0; i < 6; i++) {
        REQUIRE_OK(producer_begin_transaction(p));
        CHECK_OK(send_text(p, "t", i % PARTITIONS, "changed", NULL));
        CHECK_OK(producer_flush(p, WAIT_MS));
        REQUIRE_OK(producer_mock_cluster_set_transaction_version(mock, 1 + i % 2));
        if (i % 2) REQUIRE_OK(producer_mock_cluster_push_disconnect(mock, API_METADATA, 0, 1));
        CHECK_OK(send_text(p, "t", (i + 1) % PARTITIONS, "changed", NULL));
        CHECK_OK(producer_commit_transaction(p, WAIT_MS));
    }
    CHECK_INT(committed(mock, "changed"), 12);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static void closed_inside(void) {
    check_case("close aborts what is open: the next producer of the id waits for nothing, and nothing of it is seen");
    producer_mock_cluster_t *mock = cluster();
    producer_t *p = initialised_at(mock, "closed");
    struct outcome *o = outcomes_new(MANY);
    REQUIRE_OK(producer_begin_transaction(p));
    send_spread(p, "open", o);
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_OUTCOMES(o, MANY);
    CHECK_INT(committed(mock, "open"), 0);
    p = initialised_at(mock, "closed");
    memset(o, 0, MANY * sizeof *o);
    REQUIRE_OK(producer_begin_transaction(p));
    send_spread(p, "next", o);
    CHECK_OK(producer_commit_transaction(p, WAIT_MS));
    CHECK_INT(committed(mock, "next"), MANY);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

struct sending {
    producer_t *producer;
    struct outcome *outcomes;
    int number;
};

static void *send_thread(void *opaque) {
    struct sending *s = opaque;
    for (int i = 0; i < 1000; i++) {
        char value[64];
        snprintf(value, sizeof value, "thread%d-%d", s->number, i);
        if (!CHECK_OK(send_text(s->producer, "t", i % PARTITIONS, value, &s->outcomes[i]))) break;
    }
    return NULL;
}

static void several_threads(void) {
    check_case("records of several threads belong to one transaction");
    producer_mock_cluster_t *mock = cluster();
    producer_t *p = initialised_at(mock, "threads");
    struct sending sending[4];
    pthread_t threads[4];
    REQUIRE_OK(producer_begin_transaction(p));
    for (int i = 0; i < 4; i++) {
        sending[i] = (struct sending){p, outcomes_new(1000), i};
        REQUIRE(pthread_create(&threads[i], NULL, send_thread, &sending[i]) == 0);
    }
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    CHECK_OK(producer_commit_transaction(p, WAIT_MS));
    for (int i = 0; i < 4; i++) {
        CHECK_ALL(sending[i].outcomes, 1000, PRODUCER_OK);
        free(sending[i].outcomes);
    }
    CHECK_INT(committed(mock, "thread"), 4000);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static void moving_coordinator(void) {
    check_case("the coordinator moves between calls and goes on");
    producer_mock_cluster_t *mock = cluster();
    producer_t *p = initialised_at(mock, "moves");
    struct outcome *o = outcomes_new(20);
    for (int i = 0; i < 20; i++) {
        REQUIRE_OK(producer_mock_cluster_coordinator_move(mock, PRODUCER_MOCK_COORDINATOR_TRANSACTION, "moves", 1 + i % 2));
        REQUIRE_OK(producer_begin_transaction(p));
        CHECK_OK(send_text(p, "t", i % PARTITIONS, "moved", &o[i]));
        REQUIRE_OK(producer_mock_cluster_coordinator_move(mock, PRODUCER_MOCK_COORDINATOR_TRANSACTION, "moves", 1 + (i + i / 2) % 2));
        CHECK_OK(producer_commit_transaction(p, WAIT_MS));
    }
    CHECK_ALL(o, 20, PRODUCER_OK);
    CHECK_INT(committed(mock, "moved"), 20);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

int main(void) {
    check_begin();
    for (version = 1; version <= 2; version++) {
        printf("transaction.version=%d\n", (int)version);
        commit_and_abort();
        lingering_records();
        empty_ones();
        offsets();
        failed_record();
        coordinators_errors();
        authorised_later();
        fenced();
        fenced_by_hand();
        commit_without_fit();
        too_long();
        group_members();
        slow_markers();
        changing_version();
        closed_inside();
        several_threads();
        moving_coordinator();
    }
    return check_end();
}
