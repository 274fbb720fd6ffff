/* A fork while other threads sleep inside the library: what they wait on does not disturb the child's own waits. */
#include "check.h"

#include <sys/wait.h>

#define SLEEPERS 12

static atomic_int sleeping;

static void *sleep_in_poll(void *opaque) {
    atomic_fetch_add(&sleeping, 1);
    while (producer_poll(opaque, -1) >= 0) continue;
    return NULL;
}

static int child(const char *servers) {
    producer_t *own[SLEEPERS];
    pthread_t threads[SLEEPERS];
    for (int i = 0; i < SLEEPERS; i++) {
        own[i] = producer_of(servers, "linger.ms", "0", NULL);
        REQUIRE(pthread_create(&threads[i], NULL, sleep_in_poll, own[i]) == 0);
    }
    for (int round = 0; round < 20; round++)
        for (int i = 0; i < SLEEPERS; i++) {
            REQUIRE_OK(send_text(own[i], "t", 0, "child", outcomes_new(1)));
            REQUIRE_OK(producer_flush(own[i], WAIT_MS));
        }
    for (int i = 0; i < SLEEPERS; i++) REQUIRE_OK(producer_close(own[i], WAIT_MS));
    for (int i = 0; i < SLEEPERS; i++) pthread_join(threads[i], NULL);
    return check_failures == 0 ? 0 : 1;
}

int main(void) {
    check_begin();
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    char servers[200];
    snprintf(servers, sizeof servers, "%s", producer_mock_cluster_bootstrap_servers(mock));
    producer_t *p[SLEEPERS];
    pthread_t threads[SLEEPERS];
    for (int i = 0; i < SLEEPERS; i++) {
        p[i] = producer_at(mock);
        REQUIRE(pthread_create(&threads[i], NULL, sleep_in_poll, p[i]) == 0);
    }
    while (atomic_load(&sleeping) < SLEEPERS) pause_ms(1);
    pause_ms(50);
    for (int round = 0; round < 3; round++) {
        check_case("a child with pollers of its own");
        pid_t pid = fork();
        REQUIRE(pid >= 0);
        if (pid == 0) {
            alarm(15);
            exit(child(servers));
        }
        int status = -1;
        REQUIRE(waitpid(pid, &status, 0) == pid);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    for (int i = 0; i < SLEEPERS; i++) CHECK_OK(producer_close(p[i], WAIT_MS));
    for (int i = 0; i < SLEEPERS; i++) pthread_join(threads[i], NULL);
    producer_mock_cluster_free(mock);
    return check_end();
}
