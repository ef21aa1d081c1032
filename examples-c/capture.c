/* capture.c: see capture.h. The formats: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng. */
#include "capture.h"

#include <stdlib.h>
#include <string.h>

enum {
    PACKET_MAX = 256 * 1024, /* more of a packet is not looked at */
    INTERFACES_MAX = 256,
    BLOCK_SECTION = 0x0A0D0D0A,
    BLOCK_INTERFACE = 1,
    BLOCK_PACKET = 2,
    BLOCK_SIMPLE_PACKET = 3,
    BLOCK_ENHANCED_PACKET = 6
};

#define BYTE_ORDER_MAGIC 0x1A2B3C4Du
#define PCAP_MAGIC 0xA1B2C3D4u
#define PCAP_MAGIC_NANOSECONDS 0xA1B23C4Du

struct capture {
    struct source *source;
    void (*packet)(void *, int, const uint8_t *, size_t);
    void *context;
    bool swapped; /* the numbers are big-endian */
    uint8_t *data;
    int link_types[INTERFACES_MAX];
    uint32_t snap_lengths[INTERFACES_MAX];
    size_t interface_count;
};

static uint32_t big(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static uint32_t little(const uint8_t *bytes)
{
    return (uint32_t)bytes[3] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[1] << 8 | bytes[0];
}

static uint32_t number(const struct capture *capture, const uint8_t *bytes)
{
    return capture->swapped ? big(bytes) : little(bytes);
}

static uint32_t short_number(const struct capture *capture, const uint8_t *bytes)
{
    return capture->swapped ? (uint32_t)bytes[0] << 8 | bytes[1] : (uint32_t)bytes[1] << 8 | bytes[0];
}

static bool is_pcap_magic(uint32_t magic)
{
    return magic == PCAP_MAGIC || magic == PCAP_MAGIC_NANOSECONDS;
}

bool is_capture(const struct source *source)
{
    const uint8_t *first = source->peeked;
    return source->peeked_len >= 4 && (is_pcap_magic(big(first)) || is_pcap_magic(little(first)) || big(first) == BLOCK_SECTION);
}

/* Reads a packet of `len` bytes and gives it out; what is above PACKET_MAX is skipped. */
static bool read_packet(struct capture *capture, int link_type, uint32_t len)
{
    size_t kept = len < PACKET_MAX ? len : PACKET_MAX;
    size_t got = source_read(capture->source, capture->data, kept);
    if (got > 0)
        capture->packet(capture->context, link_type, capture->data, got);
    return got == kept && source_skip(capture->source, len - kept);
}

static const char *read_pcap(struct capture *capture)
{
    uint8_t header[24];
    if (source_read(capture->source, header, sizeof header) < sizeof header)
        return "the capture ends inside its header";
    capture->swapped = is_pcap_magic(big(header));
    int link_type = (int)(number(capture, header + 20) & 0xFFFF); /* the other bits are about checksums */
    uint8_t record[16];
    for (;;) {
        size_t got = source_read(capture->source, record, sizeof record);
        if (got == 0)
            return NULL;
        if (got < sizeof record || !read_packet(capture, link_type, number(capture, record + 8)))
            return "the capture ends inside a packet";
    }
}

/* A new section: numbers in its own byte order, interfaces of its own. `head` has the type and length of its block. */
static const char *begin_section(struct capture *capture, const uint8_t *head, uint32_t *block_len)
{
    uint8_t magic[4];
    if (source_read(capture->source, magic, sizeof magic) < sizeof magic)
        return "the capture ends inside a block";
    capture->swapped = big(magic) == BYTE_ORDER_MAGIC;
    if (!capture->swapped && little(magic) != BYTE_ORDER_MAGIC)
        return "a section without its byte order";
    capture->interface_count = 0;
    *block_len = number(capture, head + 4);
    return NULL;
}

static void add_interface(struct capture *capture, const uint8_t *fields)
{
    if (capture->interface_count < INTERFACES_MAX) {
        capture->link_types[capture->interface_count] = (int)short_number(capture, fields);
        capture->snap_lengths[capture->interface_count] = number(capture, fields + 4);
    }
    capture->interface_count++;
}

/* Reads the body of a block, of `body` bytes, the length at its end included. */
static const char *read_block(struct capture *capture, uint32_t type, uint32_t body)
{
    static const char cut[] = "the capture ends inside a block", wrong[] = "a block that is too short for its type";
    uint8_t fields[20];
    size_t need = type == BLOCK_INTERFACE                                        ? 8
                  : type == BLOCK_SIMPLE_PACKET                                  ? 4
                  : type == BLOCK_ENHANCED_PACKET || type == BLOCK_PACKET ? 20
                                                                                 : 0;
    if (body < need + 4)
        return wrong;
    if (source_read(capture->source, fields, need) < need)
        return cut;
    uint32_t left = body - (uint32_t)need, len = 0, interface = 0;
    switch (type) {
    case BLOCK_INTERFACE: add_interface(capture, fields); break;
    case BLOCK_SIMPLE_PACKET:
        len = number(capture, fields);
        if (len > left - 4)
            len = left - 4;
        if (capture->interface_count > 0 && capture->snap_lengths[0] > 0 && len > capture->snap_lengths[0])
            len = capture->snap_lengths[0];
        break;
    case BLOCK_ENHANCED_PACKET:
    case BLOCK_PACKET:
        interface = type == BLOCK_PACKET ? short_number(capture, fields) : number(capture, fields);
        len = number(capture, fields + 12);
        if (len > left - 4)
            return wrong;
        break;
    default: break;
    }
    if (len > 0) {
        bool known = interface < capture->interface_count && interface < INTERFACES_MAX;
        if (!known ? !source_skip(capture->source, len) : !read_packet(capture, capture->link_types[interface], len))
            return cut;
        left -= len;
    }
    return source_skip(capture->source, left) ? NULL : cut;
}

static const char *read_pcapng(struct capture *capture)
{
    uint8_t head[8];
    for (;;) {
        size_t got = source_read(capture->source, head, sizeof head);
        if (got == 0)
            return NULL;
        if (got < sizeof head)
            return "the capture ends inside a block";
        bool is_section = big(head) == BLOCK_SECTION; /* the same in both byte orders */
        uint32_t read = 8, len = number(capture, head + 4);
        const char *error = is_section ? begin_section(capture, head, &len) : NULL;
        if (error != NULL)
            return error;
        read += is_section ? 4 : 0;
        if (len < read + 4 || len % 4 != 0)
            return "a block of a length that cannot be";
        error = read_block(capture, is_section ? BLOCK_SECTION : number(capture, head), len - read);
        if (error != NULL)
            return error;
    }
}

bool read_capture(struct source *source, void (*packet)(void *context, int link_type, const uint8_t *data, size_t len),
                  void *context, char *why, size_t why_size)
{
    struct capture capture = {.source = source, .packet = packet, .context = context, .data = malloc(PACKET_MAX)};
    const char *error = "out of memory";
    if (capture.data != NULL)
        error = big(source->peeked) == BLOCK_SECTION ? read_pcapng(&capture) : read_pcap(&capture);
    free(capture.data);
    if (error != NULL)
        snprintf(why, why_size, "%s", error);
    return error == NULL;
}
