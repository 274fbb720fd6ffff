/*
 * Two-phase commit through C: what is prepared is ended by its producer, by another one, or under its name alone; wrong calls
 * and wrong arguments get a status and a sentence, and change nothing.
 */
#include "transactional.h"

static producer_mock_cluster_t *mock;

static producer_t *two_phase_at(const char *transactional_id) {
    return producer_of(producer_mock_cluster_bootstrap_servers(mock), "transactional.id", transactional_id, "linger.ms", "1",
                       "transaction.two.phase.commit.enable", "true", "retry.backoff.ms", "20", "retry.backoff.max.ms", "50",
                       NULL);
}

static void send_one(producer_t *p, const char *value) {
    struct outcome *o = outcomes_new(1);
    REQUIRE_OK(producer_begin_transaction(p));
    CHECK_OK(send_text(p, "t", 0, value, o));
    char state[PRODUCER_PREPARED_STATE_LEN];
    CHECK_OK(producer_prepare_transaction(p, WAIT_MS, state));
    CHECK_INT(o->reports, 1);
    free(o);
}

/* Its transaction is prepared; it is closed without ending it. */
static void leave_prepared(const char *transactional_id, const char *value, char *state) {
    producer_t *p = two_phase_at(transactional_id);
    REQUIRE_OK(producer_init_transactions(p, WAIT_MS));
    REQUIRE_OK(producer_begin_transaction(p));
    struct outcome *o = outcomes_new(1);
    CHECK_OK(send_text(p, "t", 0, value, o));
    CHECK_OK(producer_prepare_transaction(p, WAIT_MS, state));
    CHECK(strchr(state, ':') != NULL);
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_INT(o->reports, 1);
    free(o);
}

static int count_one(const producer_mock_record_t *record, void *opaque) {
    (void)record;
    ++*(int *)opaque;
    return 0;
}

static int committed(void) {
    int count = 0;
    CHECK_OK(producer_mock_cluster_committed_records(mock, "t", 0, 0, count_one, &count));
    return count;
}

static void another_producer_ends_it(void) {
    char state[PRODUCER_PREPARED_STATE_LEN], kept[PRODUCER_PREPARED_STATE_LEN];
    check_case("kept, and committed by another producer");
    REQUIRE_OK(producer_mock_cluster_set_two_phase_commit(mock, PRODUCER_MOCK_TWO_PHASE_WHOLE));
    leave_prepared("kept", "kept", state);
    CHECK_INT(committed(), 0);
    producer_t *p = two_phase_at("kept");
    REQUIRE_OK(producer_init_transactions_keep_prepared(p, WAIT_MS, kept));
    CHECK(strcmp(kept, state) == 0);
    CHECK_REFUSED(producer_begin_transaction(p), PRODUCER_ERR_STATE, "prepared");
    CHECK_OK(producer_complete_transaction(p, state, WAIT_MS));
    CHECK_INT(committed(), 1);

    check_case("the next one, which its own producer aborts by another name");
    send_one(p, "aborted");
    CHECK_REFUSED(producer_prepare_transaction(p, WAIT_MS, kept), PRODUCER_ERR_STATE, "prepared");
    CHECK_OK(producer_complete_transaction(p, "1:1", WAIT_MS));
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_INT(committed(), 1);

    check_case("kept, and aborted because nothing was decided");
    leave_prepared("undecided", "undecided", state);
    p = two_phase_at("undecided");
    REQUIRE_OK(producer_init_transactions_keep_prepared(p, WAIT_MS, kept));
    CHECK_OK(producer_complete_transaction(p, "", WAIT_MS));
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_INT(committed(), 1);

    check_case("nothing to keep");
    p = two_phase_at("nothing");
    REQUIRE_OK(producer_init_transactions_keep_prepared(p, WAIT_MS, kept));
    CHECK(kept[0] == 0);
    CHECK_REFUSED(producer_complete_transaction(p, "", WAIT_MS), PRODUCER_ERR_STATE, "prepared");
    CHECK_OK(producer_close(p, WAIT_MS));
}

static void the_name_alone(void) {
    char state[PRODUCER_PREPARED_STATE_LEN];
    check_case("brokers that keep nothing: the name commits before init");
    REQUIRE_OK(producer_mock_cluster_set_two_phase_commit(mock, PRODUCER_MOCK_TWO_PHASE_NEVER_EXPIRES));
    leave_prepared("named", "named", state);
    producer_t *p = two_phase_at("named");
    char untouched[PRODUCER_PREPARED_STATE_LEN] = "untouched";
    CHECK_REFUSED(producer_init_transactions_keep_prepared(p, WAIT_MS, untouched), PRODUCER_ERR_UNSUPPORTED_BROKER, "4.3");
    CHECK(strcmp(untouched, "untouched") == 0);
    CHECK_OK(producer_complete_transaction(p, state, WAIT_MS));
    CHECK_INT(committed(), 2);
    CHECK_REFUSED(producer_complete_transaction(p, "", WAIT_MS), PRODUCER_ERR_STATE, "producer_init_transactions");
    REQUIRE_OK(producer_init_transactions(p, WAIT_MS));
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_INT(committed(), 2);
}

static void wrong_calls(void) {
    char state[PRODUCER_PREPARED_STATE_LEN];
    check_case("without the property");
    producer_t *p = initialised_at(mock, "one-phase");
    CHECK_REFUSED(producer_prepare_transaction(p, WAIT_MS, state), PRODUCER_ERR_STATE, "transaction.two.phase.commit.enable");
    CHECK_REFUSED(producer_complete_transaction(p, "1:1", WAIT_MS), PRODUCER_ERR_STATE, "transaction.two.phase.commit.enable");
    CHECK_REFUSED(producer_init_transactions_keep_prepared(p, WAIT_MS, state), PRODUCER_ERR_STATE,
                  "transaction.two.phase.commit.enable");
    CHECK_OK(producer_close(p, WAIT_MS));

    check_case("without transactional.id");
    p = producer_at(mock);
    CHECK_REFUSED(producer_prepare_transaction(p, WAIT_MS, state), PRODUCER_ERR_NOT_TRANSACTIONAL, "transactional.id");
    CHECK_REFUSED(producer_complete_transaction(p, "", WAIT_MS), PRODUCER_ERR_NOT_TRANSACTIONAL, "transactional.id");
    CHECK_OK(producer_close(p, WAIT_MS));

    check_case("wrong arguments");
    p = two_phase_at("arguments");
    CHECK_REFUSED(producer_prepare_transaction(NULL, WAIT_MS, state), PRODUCER_ERR_INVALID_ARGUMENT, "producer");
    CHECK_REFUSED(producer_prepare_transaction(p, WAIT_MS, NULL), PRODUCER_ERR_INVALID_ARGUMENT, "state");
    CHECK_REFUSED(producer_prepare_transaction(p, -2, state), PRODUCER_ERR_INVALID_ARGUMENT, "timeout_ms");
    CHECK_REFUSED(producer_init_transactions_keep_prepared(p, WAIT_MS, NULL), PRODUCER_ERR_INVALID_ARGUMENT, "state");
    const char *no_names[] = {"1", "1:", ":1", "a:b", "-1:-1", "1:2:3", "1:99999"};
    for (size_t i = 0; i < sizeof no_names / sizeof *no_names; i++)
        CHECK_REFUSED(producer_complete_transaction(p, no_names[i], WAIT_MS), PRODUCER_ERR_INVALID_ARGUMENT, "state");
    CHECK_REFUSED(producer_complete_transaction(p, NULL, WAIT_MS), PRODUCER_ERR_INVALID_ARGUMENT, "state");

    check_case("brokers that know nothing of it");
    REQUIRE_OK(producer_mock_cluster_set_two_phase_commit(mock, PRODUCER_MOCK_TWO_PHASE_OFF));
    CHECK_REFUSED(producer_mock_cluster_set_two_phase_commit(mock, 3), PRODUCER_ERR_INVALID_ARGUMENT, "level");
    producer_t *other = two_phase_at("nowhere");
    CHECK_REFUSED(producer_init_transactions(other, WAIT_MS), PRODUCER_ERR_UNSUPPORTED_BROKER, "KIP-939");
    CHECK_OK(producer_close(other, WAIT_MS));
    CHECK_OK(producer_close(p, WAIT_MS));
}

int main(void) {
    check_begin();
    mock = mock_of(3, "t", 1);
    another_producer_ends_it();
    the_name_alone();
    wrong_calls();
    producer_mock_cluster_free(mock);
    return check_end();
}
