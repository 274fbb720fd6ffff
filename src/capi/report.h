/** The value that a producer_report_t begins with when the library is to fill it in: its size set, nothing else. */
#define PRODUCER_REPORT_INIT                                                                                         \
    {                                                                                                                \
        sizeof(producer_report_t), 0, NULL, -1, -1, 0, 0, -1, -1, 0, 0, -1, 0, 0, NULL, NULL, 0                      \
    }
