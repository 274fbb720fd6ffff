/* What a sanitizer has to find, or it is not awake: `awake race`, `awake use`, `awake leak`. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kproducer.h"

static int shared;

static void *add(void *opaque) {
    for (int i = 0; i < 1000; i++) shared++;
    return opaque;
}

int main(int argc, char **argv) {
    producer_config_t *config = NULL;
    if (argc < 2 || producer_config_new(&config) != PRODUCER_OK) return 2;
    if (strcmp(argv[1], "race") == 0) {
        pthread_t threads[2];
        for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, add, NULL);
        for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    }
    producer_config_free(config);
    if (strcmp(argv[1], "use") == 0) {
        /* The library reads what the program has freed: it notices only when its own code is instrumented. */
        producer_property_t *property = calloc(1, sizeof *property);
        if (property == NULL) return 2;
        free(property);
        producer_property_at(0, property);
    }
    if (strcmp(argv[1], "leak") == 0) {
        /* Of the program: the library keeps a table of the handles that it has given out, so that a lost one is no leak. */
        char *volatile lost = malloc(4711);
        if (lost == NULL) return 2;
        lost = NULL;
        return lost != NULL;
    }
    printf("%d\n", shared);
    return 0;
}
