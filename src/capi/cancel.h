/** The value a producer_ticket_t begins with: it names no record. */
#define PRODUCER_TICKET_INIT {0, 0, 0, 0, 0, 0}
