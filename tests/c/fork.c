/* After fork() the child's inherited handles answer FORKED; the parent goes on; a new producer in the child works. */
#include "check.h"

#include <sys/wait.h>

#define RECORDS 200

static int child(producer_t *p, producer_mock_cluster_t *mock, const char *servers) {
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

int main(void) {
    check_begin();
    producer_mock_cluster_t *mock = mock_of(1, "t", 2);
    char servers[200];
    snprintf(servers, sizeof servers, "%s", producer_mock_cluster_bootstrap_servers(mock));
    producer_t *p = producer_at(mock);
    warm_up(p, "t", 0);
    struct outcome *o = outcomes_new(3 * RECORDS);

    for (int round = 0; round < 2; round++) {
        check_case(round == 0 ? "the child leaves by exit()" : "the child leaves by _exit()");
        send_numbered(p, "t", 0, "parent", o + round * RECORDS, RECORDS); /* outstanding over the fork */
        fflush(stdout);
        pid_t pid = fork();
        REQUIRE(pid >= 0);
        if (pid == 0) {
            alarm(25);
            int code = child(p, mock, servers);
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
    CHECK_INT(log_end(mock, "t", 1), 2 * RECORDS);
    CHECK_INT(log_count(mock, "t", 0, "child"), 0);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
    return check_end();
}
