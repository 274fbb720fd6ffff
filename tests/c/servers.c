/* Bootstrap servers that are no Kafka broker, and a broker that goes away in mid-request. */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#define RECORDS 20
#define DELIVERY_TIMEOUT_MS 2500

enum manner { SILENT, HTTP, GARBAGE, TRUNCATED, CUT, CLOSES, HUGE_FRAME, NEGATIVE_FRAME, EMPTY_FRAME, SHORT_BODY, WRONG_CORRELATION };

/* A small server in a thread of its own; it ends with the process. */
struct fake {
    enum manner manner;
    int listener;
    atomic_int connections;
    char address[64];
};

static void answer(const struct fake *f, int fd, const unsigned char *request) {
    unsigned char b[512];
    switch (f->manner) {
    case HTTP: {
        const char *text = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        send(fd, text, strlen(text), MSG_NOSIGNAL);
        break;
    }
    case GARBAGE:
        for (size_t i = 0; i < sizeof b; i++) b[i] = (unsigned char)(i * 131 + 17);
        b[0] = 0, b[1] = 0, b[2] = 0, b[3] = 200;
        memcpy(b + 4, request + 8, 4); /* the right correlation id, then nonsense */
        send(fd, b, 204, MSG_NOSIGNAL);
        break;
    case TRUNCATED: /* announces 100 bytes, sends 10, and ends */
        memset(b, 0, sizeof b);
        b[3] = 100;
        memcpy(b + 4, request + 8, 4);
        send(fd, b, 14, MSG_NOSIGNAL);
        shutdown(fd, SHUT_RDWR);
        break;
    case HUGE_FRAME:
        memset(b, 0xff, sizeof b);
        b[0] = 0x7f;
        send(fd, b, 64, MSG_NOSIGNAL);
        break;
    case NEGATIVE_FRAME:
        memset(b, 0xff, sizeof b);
        send(fd, b, 64, MSG_NOSIGNAL);
        break;
    case EMPTY_FRAME:
        memset(b, 0, sizeof b);
        send(fd, b, 4, MSG_NOSIGNAL);
        break;
    case SHORT_BODY: /* a whole frame whose body ends too soon: an array of 1000 elements and none there */
        memset(b, 0, sizeof b);
        b[3] = 10;
        memcpy(b + 4, request + 8, 4);
        b[10] = 0x03, b[11] = 0xe8;
        send(fd, b, 14, MSG_NOSIGNAL);
        break;
    case WRONG_CORRELATION:
        memset(b, 0, sizeof b);
        b[3] = 20, b[4] = 0x55, b[5] = 0x66;
        send(fd, b, 24, MSG_NOSIGNAL);
        break;
    case CUT: shutdown(fd, SHUT_RDWR); break;
    case SILENT:
    case CLOSES: break;
    }
}

static void *converse(void *opaque) {
    struct fake *f = ((void **)opaque)[0];
    int fd = (int)(intptr_t)((void **)opaque)[1];
    unsigned char request[4096];
    free(opaque);
    if (f->manner != CLOSES) {
        ssize_t n;
        while ((n = recv(fd, request, f->manner == CUT ? 6 : sizeof request, 0)) > 0) answer(f, fd, request);
    }
    close(fd);
    return NULL;
}

static void *serve(void *opaque) {
    struct fake *f = opaque;
    for (;;) {
        int fd = accept(f->listener, NULL, NULL);
        if (fd < 0) return NULL;
        f->connections++;
        void **both = malloc(2 * sizeof *both);
        pthread_t thread;
        REQUIRE(both != NULL);
        both[0] = f, both[1] = (void *)(intptr_t)fd;
        REQUIRE(pthread_create(&thread, NULL, converse, both) == 0);
        pthread_detach(thread);
    }
}

/* A listening socket on a free port of the loopback. */
static int listen_somewhere(char *address, size_t size) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 64) == 0);
    REQUIRE(getsockname(fd, (struct sockaddr *)&a, &length) == 0);
    snprintf(address, size, "127.0.0.1:%u", (unsigned)ntohs(a.sin_port));
    return fd;
}

static void fake_start(struct fake *f, enum manner manner) {
    pthread_t thread;
    f->manner = manner;
    f->listener = listen_somewhere(f->address, sizeof f->address);
    REQUIRE(pthread_create(&thread, NULL, serve, f) == 0);
    pthread_detach(thread);
}

/* Short timeouts, so that everything is decided within seconds. */
static producer_t *impatient(const char *servers) {
    return producer_of(servers, "linger.ms", "0", "request.timeout.ms", "1000", "delivery.timeout.ms", "2500",
                       "socket.connection.setup.timeout.ms", "1000", NULL);
}

struct attempt {
    const char *what, *address, *says;
    producer_t *producer;
    struct outcome *outcomes;
};

static void wrong_servers(void) {
    static struct fake fakes[11];
    char closed_port[64];
    close(listen_somewhere(closed_port, sizeof closed_port));
    for (int i = 0; i < 11; i++) fake_start(&fakes[i], (enum manner)i);
    struct attempt attempts[] = {
        {"closed port", closed_port, "refused", NULL, NULL},
        {"name that does not resolve", "no-such-host.invalid:9092", "no-such-host.invalid", NULL, NULL},
        {"server that never answers", fakes[SILENT].address, "", NULL, NULL},
        {"HTTP server", fakes[HTTP].address, "HTTP", NULL, NULL},
        {"garbage", fakes[GARBAGE].address, "", NULL, NULL},
        {"truncated answer", fakes[TRUNCATED].address, "", NULL, NULL},
        {"connection cut in mid-request", fakes[CUT].address, "", NULL, NULL},
        {"server that hangs up at once", fakes[CLOSES].address, "", NULL, NULL},
        {"frame of two gigabytes", fakes[HUGE_FRAME].address, "", NULL, NULL},
        {"frame of negative length", fakes[NEGATIVE_FRAME].address, "", NULL, NULL},
        {"empty frame", fakes[EMPTY_FRAME].address, "", NULL, NULL},
        {"body shorter than its array", fakes[SHORT_BODY].address, "", NULL, NULL},
        {"wrong correlation id", fakes[WRONG_CORRELATION].address, "", NULL, NULL},
    };
    size_t count = sizeof attempts / sizeof *attempts;
    /* All at once: the whole test takes as long as one of them. */
    for (size_t i = 0; i < count; i++) {
        attempts[i].producer = impatient(attempts[i].address);
        attempts[i].outcomes = outcomes_new(RECORDS);
        send_numbered(attempts[i].producer, "t", PRODUCER_PARTITION_ANY, "lost", attempts[i].outcomes, RECORDS);
    }
    for (size_t i = 0; i < count; i++) {
        struct attempt *a = &attempts[i];
        check_case(a->what);
        CHECK(wait_for_reports(a->producer, a->outcomes, RECORDS, DELIVERY_TIMEOUT_MS + 5000));
        CHECK_ALL(a->outcomes, RECORDS, PRODUCER_ERR_DELIVERY_TIMED_OUT);
        for (int r = 0; r < RECORDS; r++) {
            if (!CHECK_INT(a->outcomes[r].persisted, PRODUCER_PERSISTED_NO)) break;
            if (!CHECK_INT(a->outcomes[r].phase, PRODUCER_PHASE_METADATA)) break;
            if (!CHECK_INT(a->outcomes[r].offset, -1)) break;
        }
        CHECK_SAYS(a->outcomes[0].error_text, a->address);
        CHECK_SAYS(a->outcomes[0].error_text, a->says);
        int64_t from = now_ms();
        CHECK_OK(producer_close(a->producer, 1000));
        CHECK(now_ms() - from < 2000);
        free(a->outcomes);
    }
    for (int i = 0; i < 11; i++) {
        CHECK(fakes[i].connections >= 1);
        CHECK(fakes[i].connections < 60); /* backs off instead of hammering */
    }
}

static void close_while_unreachable(void) {
    check_case("close is bounded while nothing answers, and every record is reported");
    static struct fake silent;
    fake_start(&silent, SILENT);
    int32_t timeouts[] = {0, 300};
    for (size_t i = 0; i < 2; i++) {
        struct outcome *o = outcomes_new(RECORDS);
        producer_t *p = producer_of(silent.address, "linger.ms", "0", NULL);
        send_numbered(p, "t", PRODUCER_PARTITION_ANY, "lost", o, RECORDS);
        int64_t from = now_ms();
        CHECK_STATUS_OR(producer_close(p, timeouts[i]), PRODUCER_OK, PRODUCER_ERR_TIMED_OUT);
        CHECK(now_ms() - from < timeouts[i] + 1000);
        CHECK_ALL(o, RECORDS, PRODUCER_ERR_CLOSED);
        for (int r = 0; r < RECORDS; r++) CHECK_INT(o[r].persisted, PRODUCER_PERSISTED_NO);
        free(o);
    }
}

static void second_server_works(void) {
    check_case("one good server among bad ones is enough");
    static struct fake http;
    char servers[400], closed_port[64];
    close(listen_somewhere(closed_port, sizeof closed_port));
    fake_start(&http, HTTP);
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    snprintf(servers, sizeof servers, "%s,no-such-host.invalid:9092,%s,%s", closed_port, http.address,
             producer_mock_cluster_bootstrap_servers(mock));
    producer_t *p = producer_of(servers, "linger.ms", "0", NULL);
    struct outcome *o = outcomes_new(RECORDS);
    send_numbered(p, "t", 0, "kept", o, RECORDS);
    CHECK(wait_for_reports(p, o, RECORDS, WAIT_MS));
    CHECK_ALL(o, RECORDS, PRODUCER_OK);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
    free(o);
}

static void broker_gone_in_mid_request(void) {
    check_case("broker gone in mid-request: maybe in the log, and the text names the broker");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = impatient(producer_mock_cluster_bootstrap_servers(mock));
    int32_t broker = warm_up(p, "t", 0);
    struct outcome *o = outcomes_new(RECORDS);
    REQUIRE_OK(producer_mock_cluster_broker_freeze(mock, broker));
    send_numbered(p, "t", 0, "gone", o, RECORDS);
    for (int i = 0; i < 3; i++) producer_poll(p, 100); /* time to be written */
    REQUIRE_OK(producer_mock_cluster_broker_down(mock, broker));
    CHECK(wait_for_reports(p, o, RECORDS, DELIVERY_TIMEOUT_MS + 5000));
    CHECK_OUTCOMES(o, RECORDS);
    for (int r = 0; r < RECORDS; r++) CHECK(o[r].status != PRODUCER_OK);
    CHECK_INT(o[0].persisted, PRODUCER_PERSISTED_MAYBE);
    CHECK_SAYS(o[0].error_text, "broker");
    check_log(mock, "t", 0, "gone", o, RECORDS, true);
    CHECK_OK(producer_close(p, 1000));
    producer_mock_cluster_free(mock);
    free(o);
}

int main(void) {
    check_begin();
    wrong_servers();
    close_while_unreachable();
    second_server_works();
    broker_gone_in_mid_request();
    return check_end();
}
