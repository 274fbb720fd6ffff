// C++ exceptions that leave callbacks: they reach the program's own handler above the call, or end as a status; the library's
// state is as after any callback.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include "kproducer.h"

static int failures;

#define CHECK(condition) check((condition), #condition, __LINE__)

static bool check(bool ok, const char *what, int line) {
    if (!ok) std::printf("FAILED line %d: %s (last error: %s)\n", line, what, producer_last_error()), failures++;
    return ok;
}

// Counts its copies that are alive: what is dropped has to be destroyed.
struct Thrown : std::runtime_error {
    static std::atomic<int> alive;
    explicit Thrown(const char *what) : std::runtime_error(what) { alive++; }
    Thrown(const Thrown &other) : std::runtime_error(other) { alive++; }
    ~Thrown() override { alive--; }
};
std::atomic<int> Thrown::alive{0};

static std::atomic<int> calls_left; // the callback that brings it to 0 throws
static std::atomic<int> reports;
static std::atomic<int> lines;
static producer_mock_cluster_t *mock;
static const char *servers;

static void maybe_throw() {
    if (calls_left.fetch_sub(1) == 1) throw Thrown("from a callback");
}

static void on_report(const producer_report_t *report, void *) {
    CHECK(report->status == PRODUCER_OK);
    reports++;
    maybe_throw();
}

static void quiet(const producer_report_t *, void *) { reports++; }

static void on_log(int32_t, const char *, const char *message, void *words) {
    if (std::strstr(message, static_cast<const char *>(words))) lines++;
}

static producer_t *make(void (*set)(producer_config_t *), std::initializer_list<std::pair<const char *, const char *>> pairs = {}) {
    producer_config_t *config = nullptr;
    producer_t *p = nullptr;
    CHECK(producer_config_new(&config) == PRODUCER_OK);
    CHECK(producer_config_set(config, "bootstrap.servers", servers) == PRODUCER_OK);
    CHECK(producer_config_set(config, "linger.ms", "1") == PRODUCER_OK);
    for (auto &pair : pairs) CHECK(producer_config_set(config, pair.first, pair.second) == PRODUCER_OK);
    if (set) set(config);
    if (!CHECK(producer_new(config, &p) == PRODUCER_OK)) std::exit(1);
    producer_config_free(config);
    return p;
}

static producer_status_t send(producer_t *p, producer_delivery_fn callback) {
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.value = "x", r.value_len = 1;
    return producer_send(p, &r, callback, nullptr);
}

static void works(producer_t *p) {
    calls_left = 0, reports = 0;
    for (int i = 0; i < 10; i++) CHECK(send(p, quiet) == PRODUCER_OK);
    CHECK(producer_flush(p, 20000) == PRODUCER_OK);
    CHECK(reports == 10);
    CHECK(Thrown::alive == 0);
}

struct Noticed {
    bool &noticed;
    ~Noticed() { noticed = true; }
};

// Calls with a callback that throws; the exception has to come out of the call, past destructors of the program.
template <class Call> static void throws(const char *name, int call_number, Call call) {
    std::printf("- %s\n", name), std::fflush(stdout);
    bool caught = false, noticed = false;
    calls_left = call_number;
    try {
        Noticed guard{noticed};
        call();
    } catch (const Thrown &thrown) {
        caught = std::strcmp(thrown.what(), "from a callback") == 0;
    }
    CHECK(caught && noticed);
    CHECK(std::uncaught_exceptions() == 0);
    CHECK(Thrown::alive == 0);
    calls_left = 0;
}

static producer_status_t on_send(producer_record_t *, void *) {
    maybe_throw();
    return PRODUCER_OK;
}

static producer_status_t serialize(producer_serialization_t *, void *) {
    maybe_throw();
    return PRODUCER_OK;
}

static int32_t choose(const producer_partition_view_t *, void *) {
    maybe_throw();
    return 0;
}

static void get_token(producer_token_request_t *, void *) { maybe_throw(); }

static void on_undelivered(const producer_undelivered_t *, void *) {
    reports++;
    maybe_throw();
}

int main() {
    alarm(55);
    CHECK(producer_mock_cluster_new(1, &mock) == PRODUCER_OK);
    CHECK(producer_mock_cluster_topic_create(mock, "t", 1, 1) == PRODUCER_OK);
    servers = producer_mock_cluster_bootstrap_servers(mock);
    producer_t *p = make(nullptr);

    for (int call = 1; call <= 10; call += 9) {
        reports = 0;
        for (int i = 0; i < 10; i++) CHECK(send(p, on_report) == PRODUCER_OK);
        throws("producer_poll", call, [&] {
            for (;;) producer_poll(p, 1000);
        });
        CHECK(producer_flush(p, 20000) == PRODUCER_OK);
        CHECK(reports == 10);
        works(p);
        reports = 0;
        for (int i = 0; i < 10; i++) CHECK(send(p, on_report) == PRODUCER_OK);
        throws("producer_flush", call, [&] { producer_flush(p, 20000); });
        CHECK(producer_flush(p, 20000) == PRODUCER_OK);
        CHECK(reports == 10);
        works(p);
    }

    std::printf("- every callback throws\n");
    reports = 0;
    for (int i = 0; i < 10; i++) CHECK(send(p, on_report) == PRODUCER_OK);
    for (int i = 0; i < 10; i++) throws("producer_flush", 1, [&] { producer_flush(p, 20000); });
    CHECK(reports == 10);
    works(p);

    producer_future_t *future = nullptr;
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.value = "x", r.value_len = 1;
    CHECK(producer_send_future(p, &r, &future) == PRODUCER_OK);
    CHECK(producer_future_when_complete(future, on_report, nullptr) == PRODUCER_OK);
    throws("producer_future_await", 1, [&] { producer_future_await(future, 20000, nullptr); });
    throws("producer_future_when_complete", 1, [&] { producer_future_when_complete(future, on_report, nullptr); });
    producer_future_free(future);
    works(p);

    std::printf("- a callback that catches what it has thrown into another producer's call\n");
    static producer_t *other = make(nullptr);
    CHECK(send(p, [](const producer_report_t *, void *) {
              CHECK(send(other, on_report) == PRODUCER_OK);
              throws("producer_flush, inside a callback", 1, [] { producer_flush(other, 20000); });
              reports++;
          }) == PRODUCER_OK);
    CHECK(producer_flush(p, 20000) == PRODUCER_OK);
    works(p);
    works(other);

    CHECK(send(other, on_report) == PRODUCER_OK);
    throws("producer_close: the producer is closed all the same", 1, [&] { producer_close(other, 20000); });
    CHECK(producer_close(other, 0) == PRODUCER_ERR_CLOSED);

    CHECK(producer_mock_cluster_broker_down(mock, 1) == PRODUCER_OK);
    other = make(nullptr);
    for (int i = 0; i < 10; i++) CHECK(send(other, nullptr) == PRODUCER_OK);
    reports = 0;
    throws("producer_close_with: every record is given back", 3, [&] { producer_close_with(other, 0, on_undelivered, nullptr); });
    CHECK(reports == 10);
    CHECK(producer_mock_cluster_broker_up(mock, 1) == PRODUCER_OK);

    static const struct {
        const char *name;
        void (*set)(producer_config_t *);
    } asked[] = {
        {"on_send of an interceptor",
         [](producer_config_t *c) {
             producer_interceptor_t i = PRODUCER_INTERCEPTOR_INIT;
             i.name = "throws", i.on_send = on_send;
             CHECK(producer_config_add_interceptor(c, &i) == PRODUCER_OK);
         }},
        {"a serializer", [](producer_config_t *c) { CHECK(producer_config_set_value_serializer(c, serialize, nullptr) == PRODUCER_OK); }},
        {"a partitioner", [](producer_config_t *c) { CHECK(producer_config_set_partitioner(c, choose, nullptr) == PRODUCER_OK); }},
    };
    for (auto &one : asked) {
        other = make(one.set);
        works(other);
        reports = 0;
        throws(one.name, 1, [&] { send(other, quiet); });
        CHECK(producer_flush(other, 20000) == PRODUCER_OK);
        CHECK(reports == 0); // the record was not accepted
        works(other);
        CHECK(producer_close(other, 20000) == PRODUCER_OK);
    }

    std::printf("- a thread that catches nothing: the call says so\n");
    reports = 0;
    CHECK(send(p, on_report) == PRODUCER_OK);
    calls_left = 1;
    pthread_t thread;
    // Not a std::thread, which calls std::terminate by itself.
    CHECK(pthread_create(&thread, nullptr,
                         [](void *opaque) -> void * {
                             int32_t status;
                             do status = producer_poll(static_cast<producer_t *>(opaque), 1000);
                             while (status == 0);
                             CHECK(status == PRODUCER_ERR_INTERNAL);
                             CHECK(std::strstr(producer_last_error(), "exception") != nullptr);
                             return nullptr;
                         },
                         p) == 0);
    CHECK(pthread_join(thread, nullptr) == 0);
    CHECK(reports == 1);
    works(p);

    std::printf("- delivery.dispatch=thread: it is logged, and dispatching goes on there\n");
    other = make([](producer_config_t *c) {
        CHECK(producer_config_set_log_callback(c, on_log, const_cast<char *>("threw an exception")) == PRODUCER_OK);
    }, {{"delivery.dispatch", "thread"}});
    reports = 0, lines = 0, calls_left = 5;
    for (int i = 0; i < 10; i++) CHECK(send(other, on_report) == PRODUCER_OK);
    CHECK(producer_flush(other, 20000) == PRODUCER_OK);
    CHECK(reports == 10);
    works(other);
    CHECK(lines == 1);
    CHECK(producer_poll(other, 0) == 0);
    CHECK(producer_close(other, 20000) == PRODUCER_OK);

    std::printf("- a token callback: it is asked again\n");
    calls_left = 1;
    other = make([](producer_config_t *c) { CHECK(producer_config_set_oauth_token_callback(c, get_token, nullptr) == PRODUCER_OK); },
                 {{"security.protocol", "SASL_PLAINTEXT"},
                  {"sasl.mechanism", "OAUTHBEARER"},
                  {"sasl.login.retry.backoff.ms", "10"},
                  {"delivery.timeout.ms", "1000"},
                  {"request.timeout.ms", "900"}});
    for (int i = 0; i < 2000 && calls_left > -1; i++) producer_poll(other, 10);
    CHECK(calls_left <= -1);
    producer_close(other, 1000);
    CHECK(Thrown::alive == 0);

    CHECK(producer_close(p, 20000) == PRODUCER_OK);
    producer_mock_cluster_free(mock);
    std::printf(failures ? "%d checks failed\n" : "passed\n", failures);
    return failures != 0;
}
