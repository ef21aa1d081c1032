/* echo_options.c: see echo_options.h. */
#include "echo_options.h"
#include "common.h"
#include "settings.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_help(FILE *out)
{
    fprintf(out, "usage: echo_server [OPTION]...\n"
                 "\n"
                 "Echoes every WebSocket message. It ends on SIGTERM or SIGINT, after a close frame (1001) to everybody.\n"
                 "\n"
                 "  --port P             port to listen on; 0 takes a free one (default 9001)\n"
                 "  --bind ADDRESS       numeric address to listen on (default 127.0.0.1)\n"
                 "  --workers N          threads, each with its own event loop (default 1)\n"
                 "  --max-message BYTES  largest message; a larger one is refused with close code 1009 (default 67108864)\n"
                 "  --subprotocol NAME   a subprotocol to speak; may be repeated, the first is liked best\n"
                 "  --delivery HOW       what is echoed: whole messages, chunks as they arrive, or frames (default messages)\n"
                 SETTING_HELP
                 "  --read-size BYTES    most bytes of one recv() (default: all the room that the engine lends)\n"
                 "  --feed-size BYTES    most bytes that the engine gets at a time (default: all that was read)\n");
}

static ws_delivery parse_delivery(const char *name)
{
    if (strcmp(name, "messages") == 0)
        return WS_DELIVER_MESSAGES;
    if (strcmp(name, "chunks") == 0)
        return WS_DELIVER_CHUNKS;
    if (strcmp(name, "frames") == 0)
        return WS_DELIVER_FRAMES;
    die(2, "--delivery %s: not one of messages, chunks, frames", name);
}

struct options parse_options(int argc, char **argv)
{
    static const struct option known[] = {{"port", required_argument, NULL, 'p'},
                                          {"bind", required_argument, NULL, 'b'},
                                          {"workers", required_argument, NULL, 'w'},
                                          {"max-message", required_argument, NULL, 'm'},
                                          {"subprotocol", required_argument, NULL, 's'},
                                          {"delivery", required_argument, NULL, 'd'},
                                          SETTING_ROWS,
                                          {"read-size", required_argument, NULL, 'r'},
                                          {"feed-size", required_argument, NULL, 'f'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct options options = {.bind_address = "127.0.0.1",
                              .port = "9001",
                              .workers = 1,
                              .max_message = 64 * 1024 * 1024,
                              .config = new_config()};
    uint64_t number;
    for (int option; (option = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
        switch (option) {
        case 'p':
            if (!parse_number(optarg, 0, 65535, &number))
                die(2, "--port %s: not a number from 0 to 65535", optarg);
            options.port = optarg;
            break;
        case 'b':
            options.bind_address = optarg;
            break;
        case 'w':
            if (!parse_number(optarg, 1, MAX_WORKERS, &number))
                die(2, "--workers %s: not a number from 1 to %d", optarg, MAX_WORKERS);
            options.workers = (unsigned)number;
            break;
        case 'm':
            if (!parse_number(optarg, 1, UINT32_MAX / 2, &number))
                die(2, "--max-message %s: not a number from 1 to %u", optarg, UINT32_MAX / 2);
            options.max_message = number;
            break;
        case 's':
            if (ws_config_add_subprotocol(options.config, optarg) != WS_OK)
                die(2, "--subprotocol %s: not an HTTP token, or there already", optarg);
            break;
        case 'd':
            ws_config_set_delivery(options.config, parse_delivery(optarg));
            break;
        case 'r':
            if (!parse_number(optarg, 1, RECEIVE_BUFFER, &options.read_size))
                die(2, "--read-size %s: not a number from 1 to %d", optarg, RECEIVE_BUFFER);
            break;
        case 'f':
            if (!parse_number(optarg, 1, RECEIVE_BUFFER, &options.feed_size))
                die(2, "--feed-size %s: not a number from 1 to %d", optarg, RECEIVE_BUFFER);
            break;
        case 'h':
            print_help(stdout);
            exit(0);
        default:
            if (take_setting(options.config, option, optarg, 2))
                break;
            print_help(stderr);
            exit(2);
        }
    }
    if (optind < argc)
        die(2, "%s: unexpected argument; see --help", argv[optind]);
    return options;
}
