/* hextext.c: see hextext.h. Each line says by its form what it is. */
#include "hextext.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINE_MAX_LEN = 4096,
    ROW_MAX = 256, /* bytes in a line with an offset: xxd -c 256 */
    PACKET_MAX = 256 * 1024
};

/* A `*` stands for lines that are the same: no more than this are made of them. */
static const uint64_t repeat_max = 1024ull * 1024 * 1024;

enum form {
    FORM_PLAIN,  /* 81 85 37fa:213d, 0x81, \x81 */
    FORM_GROUPS, /* 00000010: 8185 37fa  ....     xxd */
    FORM_PAIRS,  /* 00000010  81 85 37 fa  |....| hexdump -C; 0010   81 85 37 fa   .... Wireshark */
    FORM_PACKET, /* 0x0010:  4500 0039  ....      tcpdump -x */
    FORM_END,    /* 00000020                      the last line of hexdump */
    FORM_STAR,   /* *                             the lines up to the next offset are as the last one */
    FORM_EMPTY,
    FORM_OTHER
};

struct line {
    enum form form;
    uint64_t offset;
    const char *body; /* behind the offset */
};

struct reader {
    const struct hex_sink *sink;
    int high_digit; /* of a plain byte that is half there; -1 if none */
    uint8_t row[ROW_MAX];
    size_t row_len;
    uint64_t next_offset; /* behind the row */
    bool starred;
    uint64_t repeated;
    bool in_dump; /* lines with offsets came */
    uint8_t *packet;
    size_t packet_len;
};

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_pair(const char *text)
{
    return digit(text[0]) >= 0 && digit(text[1]) >= 0 && digit(text[2]) < 0;
}

/* Whether a line consists of digits, what stands between them, and an odd word of `0x` and `\x`. */
static bool is_plain(const char *text)
{
    bool any = false;
    for (; *text != '\0' && *text != '#'; text++) {
        if (*text == '\\' && text[1] == 'x')
            text++;
        else if (*text == '0' && (text[1] | 0x20) == 'x')
            text++;
        else if (digit(*text) >= 0)
            any = true;
        else if (strchr(" \t,:;-", *text) == NULL)
            return false;
    }
    return any;
}

static struct line classify(const char *text, bool in_dump)
{
    while (*text == ' ' || *text == '\t')
        text++;
    struct line line = {.form = FORM_OTHER, .body = text};
    if (*text == '\0' || *text == '#') {
        line.form = FORM_EMPTY;
        return line;
    }
    if (strcmp(text, "*") == 0) {
        line.form = FORM_STAR;
        return line;
    }
    bool prefixed = text[0] == '0' && text[1] == 'x';
    const char *end = text + (prefixed ? 2 : 0);
    size_t digits = 0;
    for (; digit(*end) >= 0 && digits <= 16; end++, digits++)
        line.offset = line.offset << 4 | (uint64_t)digit(*end);

    const char *body = end + (*end == ':');
    while (*body == ' ' || *body == '\t')
        body++;
    bool is_offset = digits >= 4 && digits <= 16;
    line.body = body;
    if (is_offset && *end == ':' && (end[1] == ' ' || end[1] == '\t'))
        line.form = prefixed ? FORM_PACKET : FORM_GROUPS;
    else if (is_offset && !prefixed && body >= end + 2 && is_pair(body))
        line.form = FORM_PAIRS;
    else if (is_offset && !prefixed && *body == '\0' && in_dump)
        line.form = FORM_END;
    else if (is_plain(text))
        line = (struct line){.form = FORM_PLAIN, .body = text};
    return line;
}

/* The bytes of a line with an offset; what stands behind them is their text. */
static size_t read_row(const struct line *line, uint8_t *row)
{
    const char *at = line->body;
    size_t len = 0, max = line->form == FORM_PAIRS ? 16 : ROW_MAX;
    while (len < max && digit(at[0]) >= 0 && digit(at[1]) >= 0) {
        if (line->form == FORM_PAIRS && !is_pair(at))
            break;
        row[len++] = (uint8_t)(digit(at[0]) << 4 | digit(at[1]));
        at += 2;
        if (*at == ' ')
            at++;
        if (*at == ' ' && line->form == FORM_PAIRS)
            at++; /* the gap in the middle */
    }
    return len;
}

static void flush_packet(struct reader *reader)
{
    if (reader->packet_len > 0)
        reader->sink->packet(reader->sink->context, reader->packet, reader->packet_len);
    reader->packet_len = 0;
}

static const char *add_packet_row(struct reader *reader, const struct line *line)
{
    if (line->offset == 0)
        flush_packet(reader);
    if (line->offset != reader->packet_len)
        return NULL; /* the rows before were cut away: nothing to be made of this one */
    if (reader->packet == NULL && (reader->packet = malloc(PACKET_MAX + ROW_MAX)) == NULL)
        return "out of memory";
    if (reader->packet_len < PACKET_MAX)
        reader->packet_len += read_row(line, reader->packet + reader->packet_len);
    return NULL;
}

static const char *add_row(struct reader *reader, const struct line *line)
{
    if (reader->starred && reader->row_len > 0 && line->offset > reader->next_offset) {
        uint64_t count = (line->offset - reader->next_offset) / reader->row_len;
        if (count > (repeat_max - reader->repeated) / reader->row_len)
            return "what * stands for is more than a gigabyte";
        reader->repeated += count * reader->row_len;
        for (; count > 0; count--)
            reader->sink->bytes(reader->sink->context, reader->row, reader->row_len);
    }
    reader->starred = false;
    if (line->form == FORM_END)
        return NULL;
    reader->row_len = read_row(line, reader->row);
    reader->next_offset = line->offset + reader->row_len;
    reader->in_dump = true;
    reader->sink->bytes(reader->sink->context, reader->row, reader->row_len);
    return NULL;
}

static void add_plain(struct reader *reader, const char *text)
{
    uint8_t bytes[LINE_MAX_LEN];
    size_t len = 0;
    for (; *text != '\0' && *text != '#'; text++) {
        if ((*text == '\\' && text[1] == 'x') || (*text == '0' && (text[1] | 0x20) == 'x')) {
            text++;
            continue;
        }
        int value = digit(*text);
        if (value < 0)
            continue;
        if (reader->high_digit < 0) {
            reader->high_digit = value;
        } else {
            bytes[len++] = (uint8_t)(reader->high_digit << 4 | value);
            reader->high_digit = -1;
        }
    }
    reader->sink->bytes(reader->sink->context, bytes, len);
}

static const char *add_line(struct reader *reader, const char *text)
{
    struct line line = classify(text, reader->in_dump);
    if (line.form != FORM_PACKET)
        flush_packet(reader);
    switch (line.form) {
    case FORM_PLAIN: add_plain(reader, line.body); return NULL;
    case FORM_PACKET: return add_packet_row(reader, &line);
    case FORM_GROUPS:
    case FORM_PAIRS:
    case FORM_END: return add_row(reader, &line);
    case FORM_STAR: reader->starred = true; return NULL;
    case FORM_EMPTY:
    case FORM_OTHER: return NULL; /* the lines that tcpdump puts above its packets, and what people write */
    }
    return NULL;
}

bool looks_like_hex(const struct source *source)
{
    for (size_t i = 0; i < source->peeked_len; i++)
        if (source->peeked[i] >= 0x7F || (source->peeked[i] < 0x20 && !isspace(source->peeked[i])))
            return false;
    if (strncmp((const char *)source->peeked, "GET ", 4) == 0 || strncmp((const char *)source->peeked, "HTTP/", 5) == 0)
        return false; /* the bytes of a head; lines of it may consist of digits */
    char text[LINE_MAX_LEN + 1];
    size_t len = 0;
    for (size_t i = 0; i <= source->peeked_len; i++) {
        bool ended = i == source->peeked_len || source->peeked[i] == '\n' || len == LINE_MAX_LEN;
        if (!ended) {
            if (source->peeked[i] != '\r')
                text[len++] = (char)source->peeked[i];
            continue;
        }
        text[len] = '\0';
        len = 0;
        enum form form = classify(text, false).form;
        if (form == FORM_PLAIN || form == FORM_GROUPS || form == FORM_PAIRS || form == FORM_PACKET)
            return true;
    }
    return false;
}

bool read_hex(struct source *source, const struct hex_sink *sink, char *why, size_t why_size)
{
    struct reader reader = {.sink = sink, .high_digit = -1};
    char text[LINE_MAX_LEN + 1];
    size_t len = 0, line_number = 1;
    const char *wrong = NULL;
    while (wrong == NULL) {
        char c = '\n';
        bool at_end = source_read(source, &c, 1) == 0;
        if (c == '\n' || len == LINE_MAX_LEN) {
            /* A longer line comes in pieces. Only plain bytes come in such, and half a byte waits for its other half. */
            text[len] = '\0';
            wrong = add_line(&reader, text);
            len = 0;
            line_number += c == '\n';
        }
        if (at_end)
            break;
        if (c == '\0')
            c = '?'; /* no line ends here */
        if (c != '\n' && c != '\r')
            text[len++] = c;
    }
    flush_packet(&reader);
    free(reader.packet);
    if (wrong == NULL && reader.high_digit >= 0)
        wrong = "the last byte has only one digit";
    if (wrong != NULL)
        snprintf(why, why_size, "line %zu: %s", line_number > 1 ? line_number - 1 : line_number, wrong);
    return wrong == NULL;
}
