/* A host that loads the library as a plug-in: load, use, close, unload, again. Threads of the host end in between. */
#define _GNU_SOURCE /* dladdr */
#include "check.h"

#include <dlfcn.h>

#include "certificates.h"

struct api {
    producer_status_t (*config_new)(producer_config_t **);
    producer_status_t (*config_set)(producer_config_t *, const char *, const char *);
    void (*config_free)(producer_config_t *);
    producer_status_t (*new)(const producer_config_t *, producer_t **);
    producer_status_t (*send)(producer_t *, const producer_record_t *, producer_delivery_fn, void *);
    producer_status_t (*flush)(producer_t *, int32_t);
    producer_status_t (*close)(producer_t *, int32_t);
};

static void *find(void *library, const char *name) {
    void *symbol = dlsym(library, name);
    REQUIRE(symbol != NULL);
    return symbol;
}

static void *use(void *opaque) {
    void *library = opaque;
    struct api api;
    /* ISO C has no cast from an object pointer to a function pointer; POSIX says that they are alike. */
    *(void **)&api.config_new = find(library, "producer_config_new");
    *(void **)&api.config_set = find(library, "producer_config_set");
    *(void **)&api.config_free = find(library, "producer_config_free");
    *(void **)&api.new = find(library, "producer_new");
    *(void **)&api.send = find(library, "producer_send");
    *(void **)&api.flush = find(library, "producer_flush");
    *(void **)&api.close = find(library, "producer_close");
    producer_config_t *config = NULL;
    producer_t *p = NULL;
    REQUIRE(api.config_new(&config) == PRODUCER_OK);
    REQUIRE(api.config_set(config, "test.mock.num.brokers", "1") == PRODUCER_OK);
    REQUIRE(api.new(config, &p) == PRODUCER_OK);
    api.config_free(config);
    struct outcome *o = outcomes_new(10);
    for (int i = 0; i < 10; i++) {
        producer_record_t r = PRODUCER_RECORD_INIT;
        r.topic = "t", r.value = "v", r.value_len = 1;
        CHECK(api.send(p, &r, on_outcome, &o[i]) == PRODUCER_OK);
    }
    CHECK(api.flush(p, WAIT_MS) == PRODUCER_OK);
    CHECK_ALL(o, 10, PRODUCER_OK);
    CHECK(api.close(p, WAIT_MS) == PRODUCER_OK);
    free(o);
    return NULL;
}

/* A producer whose server's name takes a while to look up is closed: nothing of the library may run afterwards. */
static void close_while_resolving(void *library) {
    struct api api;
    *(void **)&api.config_new = find(library, "producer_config_new");
    *(void **)&api.config_set = find(library, "producer_config_set");
    *(void **)&api.config_free = find(library, "producer_config_free");
    *(void **)&api.new = find(library, "producer_new");
    *(void **)&api.close = find(library, "producer_close");
    producer_config_t *config = NULL;
    producer_t *p = NULL;
    REQUIRE(api.config_new(&config) == PRODUCER_OK);
    REQUIRE(api.config_set(config, "bootstrap.servers", "no-such-host.invalid:9092,localhost:1") == PRODUCER_OK);
    REQUIRE(api.new(config, &p) == PRODUCER_OK);
    api.config_free(config);
    CHECK(api.close(p, 0) == PRODUCER_OK);
}

/* TLS, a login and compression: their threads end with the producer, before the library goes. The brokers are of the other copy. */
static void use_secured(void *library, const char *servers) {
    const char *const properties[][2] = {{"bootstrap.servers", servers},       {"security.protocol", "SASL_SSL"},
                                         {"ssl.ca.location", cert_path("ca.pem")}, {"sasl.mechanism", "SCRAM-SHA-256"},
                                         {"sasl.username", "jan"},             {"sasl.password", "pencil"},
                                         {"compression.type", "zstd"},         {"ssl.reload.interval.ms", "1000"}};
    struct api api;
    *(void **)&api.config_new = find(library, "producer_config_new");
    *(void **)&api.config_set = find(library, "producer_config_set");
    *(void **)&api.config_free = find(library, "producer_config_free");
    *(void **)&api.new = find(library, "producer_new");
    *(void **)&api.send = find(library, "producer_send");
    *(void **)&api.close = find(library, "producer_close");
    producer_config_t *config = NULL;
    producer_t *p = NULL;
    REQUIRE(api.config_new(&config) == PRODUCER_OK);
    for (size_t i = 0; i < sizeof properties / sizeof *properties; i++)
        REQUIRE(api.config_set(config, properties[i][0], properties[i][1]) == PRODUCER_OK);
    REQUIRE(api.new(config, &p) == PRODUCER_OK);
    api.config_free(config);
    struct outcome *o = outcomes_new(10);
    for (int i = 0; i < 10; i++) {
        producer_record_t r = PRODUCER_RECORD_INIT;
        r.topic = "t", r.partition = 0, r.value = "the same, the same, the same, the same", r.value_len = 38;
        CHECK(api.send(p, &r, on_outcome, &o[i]) == PRODUCER_OK);
    }
    CHECK(api.close(p, WAIT_MS) == PRODUCER_OK);
    CHECK_ALL(o, 10, PRODUCER_OK);
    free(o);
}

static void *load(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) printf("%s\n", dlerror());
    REQUIRE(library != NULL);
    return library;
}

int main(void) {
    check_begin();
    /* The copy that this program was linked with stays loaded; a private copy of the file comes and goes. */
    char path[4096] = "", command[9000];
    Dl_info info;
    REQUIRE(dladdr((void *)(uintptr_t)producer_version, &info) != 0);
    snprintf(path, sizeof path, "./plug-in.so");
    snprintf(command, sizeof command, "cp '%s' '%s'", info.dli_fname, path);
    REQUIRE(system(command) == 0);
    check_case("used by threads that end before it is unloaded");
    for (int i = 0; i < 10; i++) {
        void *library = load(path);
        pthread_t thread;
        REQUIRE(pthread_create(&thread, NULL, use, library) == 0);
        pthread_join(thread, NULL);
        CHECK(dlclose(library) == 0);
    }
    check_case("with TLS, SASL and compression");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    mock_speaks_tls(mock, "server", NULL);
    REQUIRE_OK(producer_mock_cluster_set_sasl(mock, "SCRAM-SHA-256", "jan", "pencil", 0));
    for (int i = 0; i < 5; i++) {
        void *library = load(path);
        use_secured(library, producer_mock_cluster_bootstrap_servers(mock));
        CHECK(dlclose(library) == 0);
    }
    CHECK_INT(log_end(mock, "t", 0), 50);
    producer_mock_cluster_free(mock);
    check_case("unloaded while a name is looked up");
    for (int i = 0; i < 20; i++) {
        void *library = load(path);
        close_while_resolving(library);
        CHECK(dlclose(library) == 0);
    }
    check_case("unloaded under a thread that used it and ends later; a fork afterwards");
    void *library = load(path);
    use(library);
    CHECK(dlclose(library) == 0);
    pause_ms(100);
    REQUIRE(system("true") == 0);
    return check_end();
}
