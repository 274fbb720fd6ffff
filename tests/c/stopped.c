/* A process that is stopped and continued (SIGSTOP, a debugger, a paused machine) for longer than its time limits: what the broker
   answered meanwhile lies in the socket, and counts. The broker lives in the parent, the producer in the child. */
#include "check.h"

#include <signal.h>
#include <sys/wait.h>

#define REQUEST_TIMEOUT_MS 1000
#define BROKER_LATENCY_MS 500

struct told {
    producer_status_t status;
    int32_t persisted, attempts;
    char error_text[400];
};

static void read_all(int fd, void *to, size_t length) {
    for (size_t got = 0; got < length;) {
        ssize_t n = read(fd, (char *)to + got, length - got);
        REQUIRE(n > 0);
        got += (size_t)n;
    }
}

static void write_all(int fd, const void *from, size_t length) {
    for (size_t put = 0; put < length;) {
        ssize_t n = write(fd, (const char *)from + put, length - put);
        REQUIRE(n > 0);
        put += (size_t)n;
    }
}

static int child(int from_parent, int to_parent, const char *delivery_timeout_ms) {
    char servers[200];
    struct outcome *o = outcomes_new(1);
    read_all(from_parent, servers, sizeof servers);
    producer_t *p = producer_of(servers, "linger.ms", "0", "enable.idempotence", "false", "request.timeout.ms", "1000",
                                "delivery.timeout.ms", delivery_timeout_ms, NULL);
    warm_up(p, "t", 0);
    write_all(to_parent, "w", 1);
    read_all(from_parent, servers, 1);
    REQUIRE_OK(send_text(p, "t", 0, "once", o));
    CHECK(wait_for_reports(p, o, 1, WAIT_MS));
    struct told told = {o->status, o->persisted, o->attempts, ""};
    snprintf(told.error_text, sizeof told.error_text, "%s", o->error_text);
    write_all(to_parent, &told, sizeof told);
    CHECK_OK(producer_close(p, WAIT_MS));
    free(o);
    return check_failures == 0 ? 0 : 1;
}

static void stopped_in_flight(const char *delivery_timeout_ms) {
    int down[2], up[2], status = 0;
    char servers[200] = "", byte = 0;
    struct told told;
    REQUIRE(pipe(down) == 0 && pipe(up) == 0);
    fflush(stdout);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) _exit(child(down[0], up[1], delivery_timeout_ms));
    close(down[0]);
    close(up[1]);
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    snprintf(servers, sizeof servers, "%s", producer_mock_cluster_bootstrap_servers(mock));
    write_all(down[1], servers, sizeof servers);
    read_all(up[0], &byte, 1);
    REQUIRE_OK(producer_mock_cluster_broker_set_latency(mock, 1, BROKER_LATENCY_MS));
    write_all(down[1], "g", 1);
    int64_t deadline = now_ms() + WAIT_MS;
    while (log_end(mock, "t", 0) < 2 && now_ms() < deadline) pause_ms(1);
    /* The broker has the record, and answers in half a second. */
    REQUIRE(kill(pid, SIGSTOP) == 0);
    REQUIRE(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
    pause_ms(3 * REQUEST_TIMEOUT_MS);
    REQUIRE(kill(pid, SIGCONT) == 0);
    read_all(up[0], &told, sizeof told);
    if (told.status != PRODUCER_OK) printf("  %s\n", told.error_text);
    CHECK_STATUS(told.status, PRODUCER_OK);
    CHECK_INT(told.persisted, PRODUCER_PERSISTED_YES);
    CHECK_INT(told.attempts, 1);
    CHECK_INT(log_count(mock, "t", 0, "once"), 1);
    REQUIRE(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(down[1]);
    close(up[0]);
    producer_mock_cluster_free(mock);
}

int main(void) {
    check_begin();
    check_case("stopped for longer than request.timeout.ms with the answer in the socket");
    stopped_in_flight("60000");
    check_case("stopped for longer than delivery.timeout.ms with the answer in the socket");
    stopped_in_flight("2000");
    return check_end();
}
