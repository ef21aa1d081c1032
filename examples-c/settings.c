/* settings.c: see settings.h. */
#include "settings.h"
#include "common.h"

#include <stdio.h>
#include <string.h>

static bool set_window_bits(ws_config *config, const char *value)
{
    unsigned own, peer;
    int length = 0;
    return strspn(value, "0123456789,") == strlen(value) && sscanf(value, "%3u,%3u%n", &own, &peer, &length) == 2 &&
           value[length] == '\0' && ws_config_set_window_bits(config, (int)own, (int)peer) == WS_OK;
}

bool take_setting(ws_config *config, int option, const char *value, int usage_code)
{
    const char *name;
    uint64_t number;
    bool good;
    switch (option) {
    case SETTING_COMPRESSION:
        return ws_config_set_compression(config, 1) == WS_OK;
    case SETTING_TAKEOVER:
        return ws_config_set_context_takeover(config, 1, 1) == WS_OK;
    case SETTING_WINDOW_BITS:
        name = "window-bits";
        good = set_window_bits(config, value);
        break;
    case SETTING_LEVEL:
        name = "level";
        good = parse_number(value, 1, 9, &number) && ws_config_set_compression_level(config, (int)number) == WS_OK;
        break;
    case SETTING_THRESHOLD:
        name = "threshold";
        good = parse_number(value, 0, UINT32_MAX, &number) &&
               ws_config_set_compression_threshold(config, (size_t)number) == WS_OK;
        break;
    case SETTING_MAX_FRAGMENTS:
        name = "max-fragments";
        good = parse_number(value, 1, UINT32_MAX, &number) && ws_config_set_max_fragments(config, (uint32_t)number) == WS_OK;
        break;
    case SETTING_PING_INTERVAL:
        name = "ping-interval";
        good = parse_number(value, 0, UINT32_MAX, &number) && ws_config_set_ping_interval(config, (uint32_t)number) == WS_OK;
        break;
    case SETTING_WRITE_STALL_TIMEOUT:
        name = "write-stall-timeout";
        good = parse_number(value, 0, UINT32_MAX, &number) &&
               ws_config_set_write_stall_timeout(config, (uint32_t)number) == WS_OK;
        break;
    default:
        return false;
    }
    if (!good)
        die(usage_code, "--%s %s: not a value that it can have; see --help", name, value);
    return true;
}
