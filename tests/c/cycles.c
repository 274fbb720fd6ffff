/* Producers by the thousand: descriptors, threads and memory come back; many topics; handles alive at exit. */
#include "check.h"

#include <dirent.h>

#include "certificates.h"

static long entries(const char *directory) {
    long n = 0;
    DIR *d = opendir(directory);
    if (d == NULL) return 0; /* no /proc here: nothing to compare */
    while (readdir(d) != NULL) n++;
    closedir(d);
    return n;
}

static long resident_kib(void) {
    long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL) return 0;
    if (fscanf(f, "%ld %ld", &pages, &resident) != 2) resident = 0;
    fclose(f);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void cycle(producer_mock_cluster_t *mock, int count, bool busy) {
    for (int i = 0; i < count; i++) {
        producer_t *p = producer_at(mock);
        struct outcome *o = outcomes_new(1);
        if (busy) {
            CHECK_OK(send_text(p, "t", 0, "x", o));
            CHECK_OK(producer_close(p, WAIT_MS));
            CHECK_ALL(o, 1, PRODUCER_OK);
        } else {
            CHECK_STATUS_OR(producer_close(p, 0), PRODUCER_OK, PRODUCER_ERR_TIMED_OUT);
        }
        free(o);
    }
}

/* With all that a producer may have: threads that compress and log in, TLS, keys. */
static void secured_cycle(producer_mock_cluster_t *mock, int count) {
    for (int i = 0; i < count; i++) {
        producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "security.protocol", "SASL_SSL", "ssl.ca.location",
                                    cert_path("ca.pem"), "sasl.mechanism", "SCRAM-SHA-256", "sasl.username", "jan", "sasl.password",
                                    "pencil", "ssl.reload.interval.ms", "1000", "compression.type", "zstd", "linger.ms", "1", NULL);
        struct outcome *o = outcomes_new(20);
        send_numbered(p, "t", 0, "the same again and again, which is easily compressed", o, 20);
        CHECK_OK(producer_close(p, WAIT_MS));
        CHECK_ALL(o, 20, PRODUCER_OK);
        free(o);
    }
}

static void secured(void) {
    check_case("nor do producers with TLS, SASL and compression");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    mock_speaks_tls(mock, "server", NULL);
    REQUIRE_OK(producer_mock_cluster_set_sasl(mock, "SCRAM-SHA-256", "jan", "pencil", 0));
    secured_cycle(mock, 10);
    long descriptors = entries("/proc/self/fd"), threads = entries("/proc/self/task"), memory = resident_kib();
    secured_cycle(mock, 50);
    int64_t deadline = now_ms() + WAIT_MS;
    while ((entries("/proc/self/fd") > descriptors || entries("/proc/self/task") > threads) && now_ms() < deadline) pause_ms(10);
    CHECK(entries("/proc/self/fd") <= descriptors);
    CHECK(entries("/proc/self/task") <= threads);
    printf("resident: %ld KiB before, %ld KiB after\n", memory, resident_kib());
    CHECK(resident_kib() < memory + 16 * 1024);
    producer_mock_cluster_free(mock);
}

int main(void) {
    check_begin();
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);

    check_case("a thousand producers leave nothing behind");
    cycle(mock, 50, true);
    cycle(mock, 50, false);
    long descriptors = entries("/proc/self/fd"), threads = entries("/proc/self/task"), memory = resident_kib();
    cycle(mock, 500, true);
    cycle(mock, 500, false);
    /* Servers close their side, and resolver threads end, a moment later. */
    int64_t deadline = now_ms() + WAIT_MS;
    while ((entries("/proc/self/fd") > descriptors || entries("/proc/self/task") > threads) && now_ms() < deadline) pause_ms(10);
    CHECK(entries("/proc/self/fd") <= descriptors);
    CHECK(entries("/proc/self/task") <= threads);
    printf("resident: %ld KiB before, %ld KiB after\n", memory, resident_kib());
    CHECK(resident_kib() < memory + 16 * 1024);

    secured();

    check_case("ten thousand topics");
    producer_t *p = producer_at(mock);
    const producer_topic_t *first = NULL, *topic = NULL;
    CHECK_OK(producer_topic(p, "topic-0", &first));
    for (int i = 0; i < 10000; i++) {
        char name[32];
        snprintf(name, sizeof name, "topic-%d", i);
        if (!CHECK_OK(producer_topic(p, name, &topic))) break;
    }
    CHECK_OK(producer_topic(p, "topic-0", &topic));
    CHECK(first == topic);
    CHECK_OK(producer_close(p, WAIT_MS));

    check_case("nothing sent, nothing to wait for: closing with no time is in time");
    p = producer_at(mock);
    CHECK_OK(producer_close(p, 0));

    check_case("a producer that is never closed does not hold up exit()");
    p = producer_at(mock);
    CHECK_OK(send_text(p, "t", 0, "left", NULL));
    return check_end();
}
