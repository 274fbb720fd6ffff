/* Logs: nothing without a callback; with one, a line per change of a broker's state and no flood during an outage. */
#include "check.h"

#define LINES_MAX 1000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char lines[LINES_MAX][300];
static int line_count;
static int opaque_mark;

static void on_log(int32_t level, const char *facility, const char *message, void *opaque) {
    pthread_mutex_lock(&lock);
    CHECK(opaque == &opaque_mark);
    CHECK(level >= 0 && level <= 7);
    CHECK(facility != NULL && message != NULL && strlen(message) > 5 && strchr(message, '\n') == NULL);
    if (line_count < LINES_MAX) snprintf(lines[line_count++], sizeof lines[0], "%d %s: %s", (int)level, facility, message);
    pthread_mutex_unlock(&lock);
}

static int lines_naming(int from, const char *needle) {
    int n = 0;
    pthread_mutex_lock(&lock);
    for (int i = from; i < line_count; i++) n += contains(lines[i], needle);
    pthread_mutex_unlock(&lock);
    return n;
}

static producer_t *logging_producer(producer_mock_cluster_t *mock, bool with_callback) {
    producer_t *p = NULL;
    producer_config_t *c = config_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "reconnect.backoff.ms", "20",
                                     "reconnect.backoff.max.ms", "50", NULL);
    if (with_callback) REQUIRE_OK(producer_config_set_log_callback(c, on_log, &opaque_mark));
    REQUIRE_OK(producer_new(c, &p));
    producer_config_free(c);
    return p;
}

static void outage(producer_t *p, producer_mock_cluster_t *mock, int poll_for_ms) {
    struct outcome *o = outcomes_new(50);
    int32_t broker = warm_up(p, "t", 0);
    REQUIRE_OK(producer_mock_cluster_broker_down(mock, broker));
    send_numbered(p, "t", 0, "o", o, 50);
    int64_t until = now_ms() + poll_for_ms;
    while (now_ms() < until) producer_poll(p, 50);
    REQUIRE_OK(producer_mock_cluster_broker_up(mock, broker));
    CHECK(wait_for_reports(p, o, 50, WAIT_MS));
    CHECK_ALL(o, 50, PRODUCER_OK);
    free(o);
}

static void silent_by_default(void) {
    check_case("silent by default, on stdout and stderr");
    char path[] = "kproducer-silence-XXXXXX";
    fflush(stdout);
    int file = mkstemp(path), out = dup(1), err = dup(2);
    REQUIRE(file >= 0 && out >= 0 && err >= 0);
    unlink(path);
    int before = check_failures;
    dup2(file, 1);
    dup2(file, 2);
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = logging_producer(mock, false);
    outage(p, mock, 500);
    producer_status_t closed = producer_close(p, WAIT_MS);
    producer_mock_cluster_free(mock);
    fflush(stdout);
    dup2(out, 1);
    dup2(err, 2);
    CHECK_OK(closed);
    CHECK_INT(check_failures, before);
    off_t written = lseek(file, 0, SEEK_END);
    CHECK_INT(written, 0);
    if (written > 0) {
        char text[2000] = "";
        ssize_t n = pread(file, text, sizeof text - 1, 0);
        printf("  it wrote: %.*s\n", (int)(n < 0 ? 0 : n), text);
    }
    close(file);
    close(out);
    close(err);
}

static void a_line_per_change(void) {
    check_case("a line when the broker goes, a line when it is back, and no flood between");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = logging_producer(mock, true);
    warm_up(p, "t", 0);
    producer_poll(p, 100);
    int from = line_count;
    outage(p, mock, 2000); /* dozens of attempts to connect */
    int64_t deadline = now_ms() + WAIT_MS;
    while (line_count - from < 2 && now_ms() < deadline) producer_poll(p, 50);
    int during = line_count - from;
    CHECK(during >= 2);
    CHECK(during <= 8);
    CHECK(lines_naming(from, "127.0.0.1") + lines_naming(from, "localhost") >= 1 || lines_naming(from, "broker") >= 1);
    CHECK_OK(producer_close(p, WAIT_MS));
    int after_close = line_count;
    pause_ms(100);
    CHECK_INT(line_count, after_close); /* none after close has returned */
    if (check_failures > 0)
        for (int i = 0; i < line_count && i < 60; i++) printf("  %s\n", lines[i]);
    producer_mock_cluster_free(mock);
}

int main(void) {
    check_begin();
    silent_by_default();
    a_line_per_change();
    return check_end();
}
