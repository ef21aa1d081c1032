/* wsdump.c: prints the frames in a dump or a capture, one a line.
 *
 *     make && build/wsdump FILE           (--help lists the options)
 *     tcpdump -i lo -w - port 9001 | build/wsdump
 *     echo 81 85 37 fa 21 3d 7f 9f 4d 51 58 | build/wsdump
 *
 * What it shows:
 *   - ws_frame_describe() says everything about a header, right or wrong, and how long header and payload are: frames.c.
 *   - A tool needs no engine and no connection for it.
 *
 * The input is a capture (capture.c takes the file apart, tcp.c puts the streams together), hexadecimal text
 * (hextext.c), or the bytes themselves. It is read once and never kept, so it may be of any length.
 */
#include "capture.h"
#include "common.h"
#include "frames.h"
#include "hextext.h"
#include "tcp.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_DAMAGED = 1, EXIT_USAGE = 2, SHOWN_DEFAULT = 64 };

enum format { FORMAT_GUESS, FORMAT_CAPTURE, FORMAT_HEX, FORMAT_BINARY };

struct dump {
    struct frames frames; /* for bytes */
    struct tcp *tcp;      /* for packets; made with the first */
    size_t shown;
};

static void usage(FILE *to)
{
    fputs("usage: wsdump [OPTION...] [FILE]\n"
          "Prints the WebSocket frames in FILE or stdin: a capture (pcap, pcapng), a hex dump (plain, xxd, hexdump -C,\n"
          "tcpdump -x) or the bytes of one direction. An HTTP head before them is passed over.\n\n"
          "  --capture, --hex, --binary  what the input is; else it is guessed\n"
          "  --payload N                 bytes of each payload to print, 0 to 1024 (default 64)\n"
          "  --help\n\n"
          "Each line: direction (> from the client, < from the server), offset in the stream, header, payload.\n"
          "Exit code: 0; 1 if the input is damaged (what could be read was printed); 2 for wrong arguments.\n",
          to);
}

static void print_direction(void *context, bool from_client)
{
    (void)context;
    printf("%c ", from_client ? '>' : '<');
}

static void on_bytes(void *context, const uint8_t *data, size_t len)
{
    frames_feed(&((struct dump *)context)->frames, data, len);
}

static void on_packet(void *context, int link_type, const uint8_t *data, size_t len)
{
    struct dump *dump = context;
    if (dump->tcp == NULL)
        dump->tcp = tcp_new(dump->shown);
    tcp_packet(dump->tcp, link_type, data, len);
}

/* A packet of `tcpdump -x` begins with its IP header, of `tcpdump -xx` with that of its link. */
static void on_hex_packet(void *context, const uint8_t *data, size_t len)
{
    unsigned total = len >= 20 ? (unsigned)data[2] << 8 | data[3] : 0;
    unsigned payload = len >= 40 ? (unsigned)data[4] << 8 | data[5] : 0;
    bool is_ip = len > 0 && ((data[0] >> 4 == 4 && total == len) || (data[0] >> 4 == 6 && payload + 40 == len));
    unsigned ether_type = len >= 14 ? (unsigned)data[12] << 8 | data[13] : 0;
    bool is_ethernet = !is_ip && (ether_type == 0x0800 || ether_type == 0x86DD);
    on_packet(context, is_ethernet ? LINK_ETHERNET : LINK_RAW, data, len);
}

static bool read_binary(struct source *source, struct dump *dump, char *why, size_t why_size)
{
    uint8_t buffer[16 * 1024];
    size_t len;
    while ((len = source_read(source, buffer, sizeof buffer)) > 0)
        on_bytes(dump, buffer, len);
    if (ferror(source->file))
        snprintf(why, why_size, "it cannot be read");
    return !ferror(source->file);
}

static bool read_input(struct source *source, enum format format, struct dump *dump, char *why, size_t why_size)
{
    if (format == FORMAT_GUESS)
        format = is_capture(source) ? FORMAT_CAPTURE : looks_like_hex(source) ? FORMAT_HEX : FORMAT_BINARY;
    if (format == FORMAT_CAPTURE && !is_capture(source)) {
        snprintf(why, why_size, "it is no capture: neither pcap nor pcapng");
        return false;
    }
    if (format == FORMAT_CAPTURE) {
        dump->tcp = tcp_new(dump->shown);
        return read_capture(source, on_packet, dump, why, why_size);
    }
    if (format == FORMAT_HEX) {
        struct hex_sink sink = {.bytes = on_bytes, .packet = on_hex_packet, .context = dump};
        return read_hex(source, &sink, why, why_size);
    }
    return read_binary(source, dump, why, why_size);
}

int main(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"capture", no_argument, NULL, 'c'},       {"hex", no_argument, NULL, 'x'},  {"binary", no_argument, NULL, 'b'},
        {"payload", required_argument, NULL, 'p'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0},
    };
    set_program_name(argv[0]);
    enum format format = FORMAT_GUESS;
    uint64_t shown = SHOWN_DEFAULT;
    for (int option; (option = getopt_long(argc, argv, "h", long_options, NULL)) != -1;) {
        switch (option) {
        case 'c': format = FORMAT_CAPTURE; break;
        case 'x': format = FORMAT_HEX; break;
        case 'b': format = FORMAT_BINARY; break;
        case 'p':
            if (!parse_number(optarg, 0, FRAMES_MAX_SHOWN, &shown))
                die(EXIT_USAGE, "--payload must be 0 to %d, not %s", FRAMES_MAX_SHOWN, optarg);
            break;
        case 'h': usage(stdout); return 0;
        default: usage(stderr); return EXIT_USAGE;
        }
    }
    if (argc - optind > 1) {
        usage(stderr);
        return EXIT_USAGE;
    }
    const char *name = optind < argc ? argv[optind] : "-";
    bool from_stdin = strcmp(name, "-") == 0;
    FILE *file = from_stdin ? stdin : fopen(name, "rb");
    if (file == NULL)
        die(EXIT_USAGE, "%s: %s", name, strerror(errno));

    struct source source;
    source_open(&source, file);
    struct dump dump = {.shown = (size_t)shown};
    frames_init(&dump.frames, print_direction, NULL, dump.shown);
    char why[200] = "";
    bool whole = read_input(&source, format, &dump, why, sizeof why);
    frames_end(&dump.frames);
    if (dump.tcp != NULL)
        tcp_free(dump.tcp);
    if (!whole)
        warn("%s: %s", from_stdin ? "stdin" : name, why);
    if (!from_stdin)
        fclose(file);
    if (fflush(stdout) != 0 || ferror(stdout))
        die(EXIT_DAMAGED, "the output cannot be written: %s", strerror(errno));
    return whole ? 0 : EXIT_DAMAGED;
}
