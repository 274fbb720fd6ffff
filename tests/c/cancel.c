/* Taking records back: either it is out and certainly not in the log, or it is too late and its report tells. */
#include "check.h"

/* One record, flushed: the producer is connected afterwards, whatever its linger. */
static void connect_to(producer_t *p, const char *topic, int32_t partition) {
    CHECK_OK(send_text(p, topic, partition, "warm-up", NULL));
    REQUIRE_OK(producer_flush(p, WAIT_MS));
}

static producer_status_t send_cancellable(producer_t *p, const char *topic, int32_t partition, const char *value, struct outcome *o,
                                          producer_ticket_t *ticket) {
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = topic, r.partition = partition;
    r.value = value, r.value_len = strlen(value);
    return producer_send_cancellable(p, &r, o ? on_outcome : NULL, o, ticket);
}

static void out_of_an_open_batch(producer_mock_cluster_t *mock) {
    check_case("records are cut out of the open batch: first, middle and last; the others keep their order");
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "600000", NULL);
    connect_to(p, "t", 1);
    int64_t first = log_end(mock, "t", 0);
    struct outcome *o = outcomes_new(300);
    producer_ticket_t tickets[300];
    for (size_t i = 0; i < 300; i++) {
        char value[32];
        snprintf(value, sizeof value, "open%zu", i);
        /* Every third without a ticket, every seventh without a callback. */
        if (i % 3 == 2) REQUIRE_OK(send_text(p, "t", 0, value, &o[i]));
        else REQUIRE_OK(send_cancellable(p, "t", 0, value, i % 7 == 6 ? NULL : &o[i], &tickets[i]));
    }
    size_t cancelled = 0, quiet = 0;
    for (size_t i = 0; i < 300; i += 6) {
        CHECK_OK(producer_cancel(p, &tickets[i]));
        CHECK_STATUS(producer_cancel(p, &tickets[i]), PRODUCER_ERR_TOO_LATE);
        cancelled++;
        quiet += i % 7 == 6;
    }
    CHECK_OK(producer_cancel(p, &tickets[298]));
    cancelled++;
    CHECK(producer_poll(p, 0) > 0);
    CHECK_INT(outcomes_with(o, 300, PRODUCER_ERR_CANCELLED), cancelled - quiet);
    CHECK_INT(outcomes_reported(o, 300), cancelled - quiet);
    CHECK_OK(producer_flush(p, WAIT_MS));
    int64_t last = first - 1;
    for (size_t i = 0; i < 300; i++) {
        char value[32];
        snprintf(value, sizeof value, "open%zu", i);
        bool is_out = i % 6 == 0 || i == 298, is_quiet = i % 3 != 2 && i % 7 == 6;
        if (!CHECK_INT(o[i].reports, is_quiet ? 0 : 1)) break;
        if (!CHECK_INT(log_count(mock, "t", 0, value), is_out ? 0 : 1)) break;
        if (is_quiet) continue;
        CHECK_INT(o[i].status, is_out ? PRODUCER_ERR_CANCELLED : PRODUCER_OK);
        CHECK_INT(o[i].persisted, is_out ? PRODUCER_PERSISTED_NO : PRODUCER_PERSISTED_YES);
        CHECK_INT(o[i].value_len, strlen(value));
        if (is_out) CHECK_SAYS(o[i].error_text, "cancelled");
        else CHECK(o[i].offset > last), last = o[i].offset;
    }
    CHECK_INT(log_end(mock, "t", 0), first + 300 - (int64_t)cancelled);
    CHECK_OK(producer_close(p, WAIT_MS));
    free(o);
}

static void whole_batches(producer_mock_cluster_t *mock) {
    check_case("a batch of which everything is cancelled is gone: flush waits for nothing, the next one goes as always");
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "600000", "batch.size", "500", NULL);
    connect_to(p, "t", 1);
    int64_t first = log_end(mock, "t", 1);
    int32_t leader = 1;
    REQUIRE_OK(producer_mock_cluster_partition_set_leader(mock, "t", 1, leader));
    connect_to(p, "t", 1);
    /* With the broker hanging, one request with one batch is under way and what follows stays here, sealed and open. */
    REQUIRE_OK(producer_mock_cluster_broker_freeze(mock, leader));
    struct outcome *o = outcomes_new(100);
    producer_ticket_t tickets[100];
    for (size_t i = 0; i < 100; i++) REQUIRE_OK(send_cancellable(p, "t", 1, "0123456789012345678901234567890123456789", &o[i], &tickets[i]));
    size_t out = 0;
    for (size_t i = 100; i-- > 0;) {
        producer_status_t status = producer_cancel(p, &tickets[i]);
        CHECK(status == PRODUCER_OK || status == PRODUCER_ERR_TOO_LATE);
        out += status == PRODUCER_OK;
    }
    CHECK(out > 0);
    REQUIRE_OK(producer_mock_cluster_broker_thaw(mock, leader));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_OUTCOMES(o, 100);
    CHECK_INT(outcomes_with(o, 100, PRODUCER_ERR_CANCELLED), out);
    CHECK_INT(outcomes_with(o, 100, PRODUCER_OK), 100 - out);
    CHECK_INT(log_end(mock, "t", 1), first + 1 + 100 - (int64_t)out);
    for (size_t i = 0; i < 100; i++) CHECK_STATUS(producer_cancel(p, &tickets[i]), PRODUCER_ERR_TOO_LATE);
    struct outcome *later = outcomes_new(1);
    CHECK_OK(send_text(p, "t", 1, "later", later));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(later, 1, PRODUCER_OK);
    CHECK_OK(producer_close(p, WAIT_MS));
    free(o);
    free(later);
}

static void before_metadata(producer_mock_cluster_t *mock) {
    check_case("records that wait for their topic can be cancelled; a flush that waited for nothing else ends");
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "topic.metadata.propagation.max.ms", "60000",
                                "allow.auto.create.topics", "false", "retry.backoff.ms", "20", "retry.backoff.max.ms", "50", NULL);
    struct outcome *o = outcomes_new(4);
    producer_ticket_t tickets[4];
    for (size_t i = 0; i < 3; i++) REQUIRE_OK(send_cancellable(p, "unborn", PRODUCER_PARTITION_ANY, "parked", &o[i], &tickets[i]));
    CHECK_OK(producer_cancel(p, &tickets[1]));
    CHECK_STATUS(producer_flush(p, 0), PRODUCER_ERR_TIMED_OUT);
    CHECK_INT(o[1].reports, 1);
    CHECK_INT(o[1].phase, PRODUCER_PHASE_METADATA);
    CHECK_OK(producer_cancel(p, &tickets[0]));
    CHECK_OK(producer_cancel(p, &tickets[2]));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, 3, PRODUCER_ERR_CANCELLED);
    /* One that was parked with its ticket, and then got its batch, can still be named by it. */
    REQUIRE_OK(send_cancellable(p, "unborn", PRODUCER_PARTITION_ANY, "parked", &o[3], &tickets[3]));
    REQUIRE_OK(producer_mock_cluster_topic_create(mock, "unborn", 3, 1));
    CHECK(wait_for_reports(p, o, 4, WAIT_MS));
    CHECK_ALL(&o[3], 1, PRODUCER_OK);
    CHECK_STATUS(producer_cancel(p, &tickets[3]), PRODUCER_ERR_TOO_LATE);
    CHECK_SAYS(producer_last_error(), "unborn");
    CHECK_OK(producer_close(p, WAIT_MS));
    free(o);
}

static void parked_then_batched(producer_mock_cluster_t *mock, int round) {
    char value[32];
    snprintf(value, sizeof value, "lingers%d", round);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "600000", NULL);
    struct outcome *o = outcomes_new(2);
    producer_ticket_t ticket;
    REQUIRE_OK(send_cancellable(p, "t", PRODUCER_PARTITION_ANY, value, &o[0], &ticket));
    /* A closed batch, parked behind it, does not linger: when it is through, the record lies in a batch. */
    producer_batch_t *batch = NULL;
    producer_record_t r = PRODUCER_RECORD_INIT;
    REQUIRE_OK(producer_batch_new(p, &batch));
    CHECK_OK(producer_batch_append(batch, &r, NULL));
    CHECK_OK(producer_batch_close(batch));
    /* Partition 3 may be the record's own: then it goes before the batch, and is too late. */
    CHECK_OK(producer_batch_send(p, batch, "t", 3, on_outcome, &o[1]));
    while (o[1].reports == 0) CHECK(producer_poll(p, 1000) >= 0);
    if (o[0].reports == 0) CHECK_OK(producer_cancel(p, &ticket));
    else CHECK_STATUS(producer_cancel(p, &ticket), PRODUCER_ERR_TOO_LATE);
    CHECK_OK(producer_flush(p, WAIT_MS));
    if (o[0].status == PRODUCER_OK) {
        CHECK_INT(o[0].partition, 3);
        CHECK_OK(producer_close(p, WAIT_MS));
        free(o);
        return;
    }
    CHECK_INT(o[0].status, PRODUCER_ERR_CANCELLED);
    for (int32_t i = 0; i < 4; i++) CHECK_INT(log_count(mock, "t", i, value), 0);
    CHECK_OK(producer_close(p, WAIT_MS));
    free(o);
}

static void in_transactions(producer_mock_cluster_t *mock) {
    check_case("a cancelled record costs its transaction nothing; a transaction of nothing else is committed empty");
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "transactional.id", "cancels", "linger.ms", "20000", NULL);
    CHECK_OK(producer_init_transactions(p, WAIT_MS));
    struct outcome *o = outcomes_new(3);
    producer_ticket_t ticket;
    for (int round = 0; round < 2; round++) {
        CHECK_OK(producer_begin_transaction(p));
        REQUIRE_OK(send_cancellable(p, "t", 0, "never", &o[round], &ticket));
        CHECK_OK(producer_cancel(p, &ticket));
        if (round) CHECK_OK(send_text(p, "t", 0, "committed", &o[2]));
        CHECK_OK(producer_commit_transaction(p, WAIT_MS));
    }
    CHECK_ALL(o, 2, PRODUCER_ERR_CANCELLED);
    CHECK_ALL(&o[2], 1, PRODUCER_OK);
    CHECK_INT(log_count(mock, "t", 0, "never"), 0);
    CHECK_INT(log_count(mock, "t", 0, "committed"), 1);
    CHECK_OK(producer_close(p, WAIT_MS));
    free(o);
}

static void from_a_callback(const producer_report_t *report, void *opaque) {
    producer_ticket_t *tickets = ((void **)opaque)[0];
    CHECK_OK(producer_cancel(((void **)opaque)[1], &tickets[1]));
    CHECK_INT(report->status, PRODUCER_ERR_CANCELLED);
}

static void bad_input(producer_mock_cluster_t *mock) {
    check_case("wrong arguments are named; cancelling is allowed in callbacks");
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "600000", NULL), *other = producer_at(mock);
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.partition = 0;
    producer_ticket_t ticket = PRODUCER_TICKET_INIT, none = PRODUCER_TICKET_INIT, forged, tickets[2];
    CHECK_STATUS(producer_send_cancellable(NULL, &r, NULL, NULL, &ticket), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_send_cancellable(p, NULL, NULL, NULL, &ticket), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_send_cancellable(p, &r, NULL, NULL, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "ticket");
    r.topic = NULL;
    CHECK_STATUS(producer_send_cancellable(p, &r, NULL, NULL, &ticket), PRODUCER_ERR_INVALID_ARGUMENT);
    r.topic = "t";
    CHECK_INT(ticket.id, 0);
    connect_to(p, "t", 0);
    CHECK_STATUS(producer_cancel(NULL, &ticket), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_cancel(p, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_cancel(p, &none), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_OK(producer_send_cancellable(p, &r, NULL, NULL, &ticket));
    CHECK_STATUS(producer_cancel(other, &ticket), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "another producer");
    forged = ticket, forged.topic = 4000000000u;
    CHECK_STATUS(producer_cancel(p, &forged), PRODUCER_ERR_INVALID_ARGUMENT);
    forged = ticket, forged.partition = INT32_MAX;
    CHECK_STATUS(producer_cancel(p, &forged), PRODUCER_ERR_TOO_LATE);
    forged = ticket, forged.key = UINT64_MAX;
    CHECK_STATUS(producer_cancel(p, &forged), PRODUCER_ERR_TOO_LATE);
    forged = ticket, forged.id += 1;
    CHECK_STATUS(producer_cancel(p, &forged), PRODUCER_ERR_TOO_LATE);
    CHECK_OK(producer_cancel(p, &ticket));
    void *both[2] = {tickets, p};
    CHECK_OK(producer_send_cancellable(p, &r, from_a_callback, both, &tickets[0]));
    CHECK_OK(producer_send_cancellable(p, &r, NULL, NULL, &tickets[1]));
    CHECK_OK(producer_cancel(p, &tickets[0]));
    CHECK_INT(producer_poll(p, 0), 1);
    CHECK_STATUS(producer_cancel(p, &tickets[1]), PRODUCER_ERR_TOO_LATE);
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_STATUS(producer_cancel(p, &ticket), PRODUCER_ERR_CLOSED);
    CHECK_STATUS(producer_send_cancellable(p, &r, NULL, NULL, &ticket), PRODUCER_ERR_CLOSED);
    CHECK_OK(producer_close(other, WAIT_MS));
}

/* ---- eight threads cancel while they send, and each other's ---- */

#define THREADS 8
#define EACH 4000

struct canceller {
    producer_t *p;
    pthread_t thread;
    size_t number;
    struct outcome *o;
    uint8_t *is_out; /* what producer_cancel said */
};

static void *send_and_cancel(void *opaque) {
    struct canceller *c = opaque;
    producer_ticket_t tickets[16];
    char value[32];
    for (size_t i = 0; i < EACH; i++) {
        snprintf(value, sizeof value, "c%zu-%zu", c->number, i);
        if (!CHECK_OK(send_cancellable(c->p, "t", (int32_t)(i % 4), value, &c->o[i], &tickets[i % 16]))) return NULL;
        if (i < 15) continue;
        /* Now one of the last 16: just sent, lingering, or gone. */
        size_t which = i - (i * 7 + c->number) % 16;
        if (c->is_out[which] || i % 3 == 0) continue;
        producer_status_t status = producer_cancel(c->p, &tickets[which % 16]);
        CHECK(status == PRODUCER_OK || status == PRODUCER_ERR_TOO_LATE);
        c->is_out[which] = status == PRODUCER_OK;
    }
    return NULL;
}

struct in_log {
    struct canceller *all;
};

static int in_log_visit(const producer_mock_record_t *r, void *opaque) {
    struct canceller *all = opaque;
    char text[32] = "";
    size_t thread, i;
    if (r->value_len < 4 || r->value_len >= (int64_t)sizeof text) return 0;
    memcpy(text, r->value, (size_t)r->value_len);
    if (sscanf(text, "c%zu-%zu", &thread, &i) != 2) return 0;
    return CHECK(!all[thread].is_out[i]) ? 0 : 1;
}

static void threads(producer_mock_cluster_t *mock, const char *linger_ms) {
    check_case("eight threads cancel while they send: one report each, and what was cancelled is not in the log");
    producer_mock_cluster_t *own = mock_of(2, "t", 4);
    (void)mock;
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(own), "linger.ms", linger_ms, "batch.size", "2000",
                                "delivery.reports.max.count", "1000000", NULL);
    connect_to(p, "t", 0);
    struct canceller all[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        all[i] = (struct canceller){.p = p, .number = i, .o = outcomes_new(EACH), .is_out = calloc(EACH, 1)};
        REQUIRE(all[i].is_out != NULL);
        REQUIRE(pthread_create(&all[i].thread, NULL, send_and_cancel, &all[i]) == 0);
    }
    for (size_t i = 0; i < THREADS; i++) pthread_join(all[i].thread, NULL);
    CHECK_OK(producer_flush(p, WAIT_MS));
    size_t out = 0;
    int64_t in_the_log = 0;
    for (size_t i = 0; i < THREADS; i++) {
        CHECK_OUTCOMES(all[i].o, EACH);
        for (size_t k = 0; k < EACH; k++) {
            out += all[i].is_out[k];
            producer_status_t expected = all[i].is_out[k] ? PRODUCER_ERR_CANCELLED : PRODUCER_OK;
            if (!CHECK_INT(all[i].o[k].status, expected)) break;
        }
    }
    for (int32_t i = 0; i < 4; i++) {
        in_the_log += log_end(own, "t", i);
        if (log_end(own, "t", i) > 0) REQUIRE_OK(producer_mock_cluster_records(own, "t", i, 0, in_log_visit, all));
    }
    printf("  %zu of %d cancelled\n", out, THREADS * EACH);
    CHECK_INT(in_the_log, 1 + THREADS * EACH - (int64_t)out);
    CHECK_OK(producer_close(p, WAIT_MS));
    for (size_t i = 0; i < THREADS; i++) free(all[i].o), free(all[i].is_out);
    producer_mock_cluster_free(own);
}

int main(void) {
    check_begin();
    producer_mock_cluster_t *mock = mock_of(2, "t", 4);
    out_of_an_open_batch(mock);
    whole_batches(mock);
    before_metadata(mock);
    check_case("a ticket from before the topic was known finds the record in its batch");
    for (int i = 0; i < 5; i++) parked_then_batched(mock, i);
    in_transactions(mock);
    bad_input(mock);
    threads(mock, "0");
    threads(mock, "5");
    producer_mock_cluster_free(mock);
    return check_end();
}
