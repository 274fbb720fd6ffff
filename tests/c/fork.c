/* After fork() the child's inherited handles answer FORKED; the parent goes on; a new producer in the child works. */
#include "check.h"

#include <sys/wait.h>

#include "certificates.h"

#define RECORDS 200

static void on_undelivered(const producer_undelivered_t *record, void *opaque) {
    (void)record, (void)opaque;
    CHECK(!"a record of the parent's was handed to the child");
}

/* A call on what the child inherited, and what it answered. */
struct asked {
    const char *call;
    int64_t answer;
};

#define ASK(call) {#call, (int64_t)(call)}

/* Every other function that takes a producer or a batch. */
static void check_the_rest(producer_t *p, producer_batch_t *batch, const producer_ticket_t *ticket) {
    producer_record_t r = PRODUCER_RECORD_INIT, of_batch = PRODUCER_RECORD_INIT;
    producer_batch_t *made = NULL;
    producer_future_t *future = NULL;
    producer_flush_t *flush = NULL;
    producer_ticket_t own = PRODUCER_TICKET_INIT;
    producer_health_t health = PRODUCER_HEALTH_INIT;
    producer_stats_t stats = PRODUCER_STATS_INIT;
    producer_metadata_t *metadata = NULL;
    producer_offset_t offset = PRODUCER_OFFSET_INIT;
    producer_group_t group = PRODUCER_GROUP_INIT;
    char *text = NULL, id[37] = "";
    r.topic = "t", r.value = of_batch.value = "child", r.value_len = of_batch.value_len = 5;
    offset.topic = "in", offset.partition = 0, offset.offset = 1;
    group.group_id = "readers";

    const struct asked asked[] = {
        ASK(producer_topic_set(p, "t", "linger.ms", "1")),
        ASK(producer_send_future(p, &r, &future)),
        ASK(producer_send_cancellable(p, &r, NULL, NULL, &own)),
        ASK(producer_cancel(p, ticket)),
        ASK(producer_batch_new(p, &made)),
        ASK(producer_batch_append(batch, &of_batch, NULL)),
        ASK(producer_batch_count(batch)),
        ASK(producer_batch_size(batch)),
        ASK(producer_batch_close(batch)),
        ASK(producer_batch_send(p, batch, "t", 0, NULL, NULL)),
        ASK(producer_flush_topic(p, "t", -1)),
        ASK(producer_flush_begin(p, NULL, &flush)),
        ASK(producer_health(p, &health)),
        ASK(producer_stats(p, &stats)),
        ASK(producer_stats_json(p, &text)),
        ASK(producer_stats_prometheus(p, &text)),
        ASK(producer_metadata(p, "t", -1, &metadata)),
        ASK(producer_metadata(p, NULL, 0, &metadata)),
        ASK(producer_cluster_id(p, -1, &text)),
        ASK(producer_warm_up(p, "t", -1)),
        ASK(producer_client_instance_id(p, -1, id)),
        ASK(producer_init_transactions(p, -1)),
        ASK(producer_begin_transaction(p)),
        ASK(producer_send_offsets_to_transaction(p, &offset, 1, &group, -1)),
        ASK(producer_commit_transaction(p, -1)),
        ASK(producer_abort_transaction(p, -1)),
        ASK(producer_close_with(p, -1, on_undelivered, NULL)),
    };
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) check_int(asked[i].answer, PRODUCER_ERR_FORKED, asked[i].call, __FILE__, __LINE__);
    CHECK(made == NULL && future == NULL && flush == NULL && metadata == NULL && text == NULL);
    producer_batch_free(batch); /* frees nothing here; the parent's own is as it was */
}

static int child(producer_t *p, producer_batch_t *batch, const producer_ticket_t *ticket, producer_mock_cluster_t *mock, const char *servers) {
    producer_record_t r = PRODUCER_RECORD_INIT;
    const producer_topic_t *topic = NULL;
    r.topic = "t", r.value = "child", r.value_len = 5;
    CHECK_STATUS(producer_send(p, &r, NULL, NULL), PRODUCER_ERR_FORKED);
    CHECK_SAYS(producer_last_error(), "fork");
    CHECK_STATUS(producer_poll(p, 1000), PRODUCER_ERR_FORKED);
    producer_report_t report = PRODUCER_REPORT_INIT;
    producer_flat_records_t flat = PRODUCER_FLAT_RECORDS_INIT;
    producer_status_t status;
    size_t accepted = 0;
    flat.topic = "t";
    CHECK_STATUS(producer_poll_reports(p, &report, 1, -1), PRODUCER_ERR_FORKED);
    CHECK_STATUS(producer_yield(p), PRODUCER_ERR_FORKED);
    CHECK_STATUS(producer_event_fd(p), PRODUCER_ERR_FORKED);
    CHECK_STATUS(producer_capacity_fd(p), PRODUCER_ERR_FORKED);
    CHECK_STATUS(producer_wait_capacity(p, 1, -1), PRODUCER_ERR_FORKED);
    CHECK_STATUS(producer_send_many(p, &r, 1, NULL, NULL, &accepted), PRODUCER_ERR_FORKED);
    CHECK_STATUS(producer_send_many_status(p, &r, 1, NULL, NULL, &status, &accepted), PRODUCER_ERR_FORKED);
    CHECK_STATUS(producer_send_flat(p, &flat, NULL, &accepted), PRODUCER_ERR_FORKED);
    CHECK_STATUS(producer_flush(p, -1), PRODUCER_ERR_FORKED);
    CHECK_STATUS(producer_purge(p, PRODUCER_PURGE_QUEUED), PRODUCER_ERR_FORKED);
    CHECK_STATUS(producer_topic(p, "t", &topic), PRODUCER_ERR_FORKED);
    check_the_rest(p, batch, ticket);
    CHECK_STATUS(producer_close(p, -1), PRODUCER_ERR_FORKED);
    CHECK_STATUS(producer_mock_cluster_topic_create(mock, "u", 1, 1), PRODUCER_ERR_FORKED);

    producer_t *own = producer_of(servers, "linger.ms", "0", NULL);
    struct outcome *o = outcomes_new(RECORDS);
    send_numbered(own, "t", 1, "child", o, RECORDS);
    CHECK_OK(producer_flush(own, WAIT_MS));
    CHECK_ALL(o, RECORDS, PRODUCER_OK);
    CHECK_OK(producer_close(own, WAIT_MS));
    free(o);
    return check_failures == 0 ? 0 : 1;
}

static void wait_for(pid_t pid) {
    int status = -1;
    int64_t deadline = now_ms() + 30000;
    while (waitpid(pid, &status, WNOHANG) == 0 && now_ms() < deadline) pause_ms(10);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* TLS and a login: keys, session and thread are the parent's; the child makes its own. */
static void secured(void) {
    check_case("with TLS, SASL and compression");
    producer_mock_cluster_t *mock = mock_of(1, "t", 2);
    mock_speaks_tls(mock, "server", NULL);
    REQUIRE_OK(producer_mock_cluster_set_sasl(mock, "SCRAM-SHA-256", "jan", "pencil", 0));
    char servers[200];
    snprintf(servers, sizeof servers, "%s", producer_mock_cluster_bootstrap_servers(mock));
    const char *ca = cert_path("ca.pem");
    producer_t *p = producer_of(servers, "security.protocol", "SASL_SSL", "ssl.ca.location", ca, "sasl.mechanism", "SCRAM-SHA-256",
                                "sasl.username", "jan", "sasl.password", "pencil", "compression.type", "zstd", NULL);
    warm_up(p, "t", 0);
    struct outcome *o = outcomes_new(RECORDS);
    send_numbered(p, "t", 0, "parent", o, RECORDS);
    fflush(stdout);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        alarm(25);
        CHECK_STATUS(producer_tls_reload(p), PRODUCER_ERR_FORKED);
        CHECK_STATUS(producer_set_sasl_credentials(p, "jan", "pencil"), PRODUCER_ERR_FORKED);
        CHECK_STATUS(producer_set_oauth_token(p, "token", INT64_MAX, NULL, NULL, 0), PRODUCER_ERR_FORKED);
        CHECK_STATUS(producer_close(p, -1), PRODUCER_ERR_FORKED);
        producer_t *own =
            producer_of(servers, "security.protocol", "SASL_SSL", "ssl.ca.location", ca, "sasl.mechanism", "SCRAM-SHA-256",
                        "sasl.username", "jan", "sasl.password", "pencil", "compression.type", "zstd", NULL);
        warm_up(own, "t", 1);
        CHECK_OK(producer_close(own, WAIT_MS));
        exit(check_failures == 0 ? 0 : 1);
    }
    wait_for(pid);
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, RECORDS, PRODUCER_OK);
    CHECK_INT(log_end(mock, "t", 0), 1 + RECORDS);
    CHECK_INT(log_end(mock, "t", 1), 1);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

int main(void) {
    check_begin();
    producer_mock_cluster_t *mock = mock_of(1, "t", 2);
    char servers[200];
    snprintf(servers, sizeof servers, "%s", producer_mock_cluster_bootstrap_servers(mock));
    producer_t *p = producer_at(mock);
    warm_up(p, "t", 0);
    struct outcome *o = outcomes_new(3 * RECORDS);
    producer_record_t r = PRODUCER_RECORD_INIT;
    producer_batch_t *batch = NULL;
    producer_ticket_t ticket = PRODUCER_TICKET_INIT;
    r.value = "of the parent", r.value_len = 13;
    REQUIRE_OK(producer_batch_new(p, &batch));
    REQUIRE_OK(producer_batch_append(batch, &r, NULL));
    r.topic = "t", r.partition = 1;
    REQUIRE_OK(producer_send_cancellable(p, &r, NULL, NULL, &ticket));

    for (int round = 0; round < 2; round++) {
        check_case(round == 0 ? "the child leaves by exit()" : "the child leaves by _exit()");
        send_numbered(p, "t", 0, "parent", o + round * RECORDS, RECORDS); /* outstanding over the fork */
        fflush(stdout);
        pid_t pid = fork();
        REQUIRE(pid >= 0);
        if (pid == 0) {
            alarm(25);
            int code = child(p, batch, &ticket, mock, servers);
            if (round == 0) exit(code);
            fflush(stdout);
            _exit(code);
        }
        wait_for(pid);
    }

    check_case("the parent goes on");
    send_numbered(p, "t", 0, "parent", o + 2 * RECORDS, RECORDS);
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, 3 * RECORDS, PRODUCER_OK);
    CHECK_INT(log_end(mock, "t", 0), 1 + 3 * RECORDS); /* what the child inherited was not sent a second time */
    CHECK_INT(producer_batch_count(batch), 1);
    CHECK_OK(producer_batch_send(p, batch, "t", 1, NULL, NULL));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_INT(log_end(mock, "t", 1), 2 * RECORDS + 2); /* the children's, the cancellable record, the batch */
    CHECK_INT(log_count(mock, "t", 0, "child"), 0);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
    secured();
    return check_end();
}
