/* echo_options.h: the command line of echo_server. */
#ifndef EXAMPLES_ECHO_OPTIONS_H
#define EXAMPLES_ECHO_OPTIONS_H

#include "ws_engine.h"

#include <stdint.h>

enum {
    MAX_WORKERS = 256
};

struct options {
    const char *bind_address;
    const char *port;
    unsigned workers;
    uint64_t max_message;
    uint64_t read_size, feed_size; /* 0: as much as there is */
    ws_config *config; /* to be freed */
};

/* Ends the program with code 0 after --help, and with 2 when an option is wrong. */
struct options parse_options(int argc, char **argv);

#endif
