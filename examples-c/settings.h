/* settings.h: settings of the engine as options of the command line; the three programs share them. */
#ifndef EXAMPLES_SETTINGS_H
#define EXAMPLES_SETTINGS_H

#include "ws_engine.h"

#include <stdbool.h>

/* What getopt_long() returns for them: beyond every character. */
enum {
    SETTING_COMPRESSION = 256,
    SETTING_TAKEOVER,
    SETTING_WINDOW_BITS,
    SETTING_LEVEL,
    SETTING_THRESHOLD,
    SETTING_MAX_FRAGMENTS,
    SETTING_PING_INTERVAL,
    SETTING_WRITE_STALL_TIMEOUT
};

/* Their rows in the table of getopt_long(). */
#define SETTING_ROWS                                                                                                   \
    {"compression", no_argument, NULL, SETTING_COMPRESSION},                                                           \
    {"takeover", no_argument, NULL, SETTING_TAKEOVER},                                                                 \
    {"window-bits", required_argument, NULL, SETTING_WINDOW_BITS},                                                     \
    {"level", required_argument, NULL, SETTING_LEVEL},                                                                 \
    {"threshold", required_argument, NULL, SETTING_THRESHOLD},                                                         \
    {"max-fragments", required_argument, NULL, SETTING_MAX_FRAGMENTS},                                                 \
    {"ping-interval", required_argument, NULL, SETTING_PING_INTERVAL},                                                 \
    {"write-stall-timeout", required_argument, NULL, SETTING_WRITE_STALL_TIMEOUT}

/* Their lines in --help. */
#define SETTING_HELP                                                                                                   \
    "  --compression        negotiate permessage-deflate (RFC 7692); the next four are for it\n"                       \
    "  --takeover           let both ends refer to earlier messages: smaller, for more memory\n"                       \
    "  --window-bits OWN,PEER  windows of 2^8 to 2^15 bytes, for either end's compressor (default 15,15)\n"            \
    "  --level N            1 (fast) to 9 (small) (default 6)\n"                                                       \
    "  --threshold BYTES    send smaller messages plain (default 1024)\n"                                              \
    "  --max-fragments N    most frames of a message; one of more is refused with code 1008 (default 16384)\n"         \
    "  --ping-interval MS   from one ping of ours to the next; 0 sends none (default 30000)\n"                         \
    "  --write-stall-timeout MS  for the peer to take something of what waits; 0 is for ever (default 30000)\n"

/* Puts an option that getopt_long() found into `config`; false when it is none of these. Dies with `usage_code` when
 * `value` is wrong. */
bool take_setting(ws_config *config, int option, const char *value, int usage_code);

#endif
