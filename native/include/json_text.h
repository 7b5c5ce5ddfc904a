/* A strict pull scanner of JSON (RFC 8259) over a range of bytes.

   It allocates no memory and uses nothing of Python. A function that can fail returns 0 and sets the reader's error and
   its position; errors are ASCII without quotes and backslashes, so they can be written into JSON unescaped.
   A scanned string is valid: its escapes decode and its bytes are UTF-8.
   Longer than 400 lines: the scanner and its checks of strings and numbers share one reader and are used together. */
#ifndef FINGERPRINT_JSON_TEXT_H
#define FINGERPRINT_JSON_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* How deep containers may be nested; json_skip has one bit for each. */
#define JSON_DEPTH 64

typedef struct {
    const char *p;
    const char *begin;
    const char *end;
    const char *error; /* NULL without an error */
    const char *error_at;
} json_reader;

/* The bytes between the quotes, undecoded. */
typedef struct {
    const char *data;
    size_t length;
    int escaped;
} json_string;

static inline void json_open(json_reader *r, const char *text, size_t length)
{
    r->p = r->begin = text;
    r->end = text + length;
    r->error = r->error_at = NULL;
}

static inline int json_fail(json_reader *r, const char *problem, const char *at)
{
    r->error = problem;
    r->error_at = at;
    return 0;
}

/* Skip white space and return the next byte, without consuming it; -1 at the end. */
static inline int json_peek(json_reader *r)
{
    for (; r->p != r->end; r->p++) {
        unsigned char c = (unsigned char)*r->p;
        if (c > ' ' || (c != ' ' && c != '\t' && c != '\n' && c != '\r'))
            return c;
    }
    return -1;
}

/* Return the first quote, backslash or control byte of [p, end), or end; set the high bit of *seen if a byte >= 0x80
   comes before it. */
static inline const char *json_plain_end(const char *p, const char *end, unsigned *seen)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), control = _mm_set1_epi8(0x1F);
    for (; end - p >= 16; p += 16) {
        __m128i chunk = _mm_loadu_si128((const __m128i *)p);
        __m128i stops = _mm_or_si128(_mm_cmpeq_epi8(chunk, quote), _mm_cmpeq_epi8(chunk, backslash));
        stops = _mm_or_si128(stops, _mm_cmpeq_epi8(_mm_min_epu8(chunk, control), chunk));
        unsigned stop = (unsigned)_mm_movemask_epi8(stops), high = (unsigned)_mm_movemask_epi8(chunk);
        if (stop) {
            unsigned before = (stop & (0u - stop)) - 1;
            *seen |= high & before ? 0x80 : 0;
            return p + __builtin_ctz(stop);
        }
        *seen |= high ? 0x80 : 0;
    }
#else
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);
    for (; end - p >= 8; p += 8) {
        uint64_t word, quote, backslash;
        memcpy(&word, p, 8);
        quote = word ^ ones * '"';
        backslash = word ^ ones * '\\';
        /* Exact for the word as a unit; the loop below finds the byte. */
        if ((((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash)) & tops)
            break;
        *seen |= word & tops ? 0x80 : 0;
    }
#endif
    for (; p != end; p++) {
        unsigned char c = (unsigned char)*p;
        if (c < 0x20 || c == '"' || c == '\\')
            break;
        *seen |= c;
    }
    return p;
}

/* Return the first byte of [p, end) that is not part of well-formed UTF-8 (Unicode, table 3-7), or end. */
static inline const char *json_utf8_end(const char *p, const char *end)
{
    while (p != end) {
        unsigned char lead = (unsigned char)*p, low = 0x80, high = 0xBF;
        int more;
        if (lead < 0x80) {
            p++;
            continue;
        }
        if (lead < 0xC2 || lead > 0xF4)
            return p;
        more = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
        if (end - p <= more)
            return p;
        if (lead == 0xE0)
            low = 0xA0;
        else if (lead == 0xED)
            high = 0x9F;
        else if (lead == 0xF0)
            low = 0x90;
        else if (lead == 0xF4)
            high = 0x8F;
        for (int i = 1; i <= more; i++, low = 0x80, high = 0xBF) {
            unsigned char next = (unsigned char)p[i];
            if (next < low || next > high)
                return p;
        }
        p += more + 1;
    }
    return end;
}

/* Return the UTF-16 unit of \uXXXX at p; -1 if there is none. */
static inline int json_unit(const char *p, const char *end)
{
    int unit = 0;
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
        return -1;
    for (int i = 2; i < 6; i++) {
        char c = p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

/* Return the character of the escape at p, and set the escape's length; -1 if it is malformed, -2 if it is half of a
   surrogate pair. */
static inline int32_t json_escape(const char *p, const char *end, int *length)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char *letter;
    int unit, low;
    *length = 2;
    if (end - p < 2)
        return -1;
    letter = (const char *)memchr(letters, p[1], sizeof letters - 1);
    if (letter)
        return meanings[letter - letters];
    *length = 6;
    unit = json_unit(p, end);
    if (unit < 0xD800 || unit > 0xDFFF)
        return unit;
    low = json_unit(p + 6, end);
    if (unit >= 0xDC00 || low < 0xDC00 || low > 0xDFFF)
        return -2;
    *length = 12;
    return 0x10000 + ((int32_t)(unit - 0xD800) << 10 | (low - 0xDC00));
}

/* Scan a string; the reader is at the opening quote. */
static inline int json_scan_string(json_reader *r, json_string *out)
{
    unsigned seen = 0;
    const char *p = r->p + 1;
    out->data = p;
    out->escaped = 0;
    for (;;) {
        int length;
        int32_t character;
        p = json_plain_end(p, r->end, &seen);
        if (p == r->end)
            return json_fail(r, "string without an end", r->p);
        if (*p == '"')
            break;
        if (*p != '\\')
            return json_fail(r, "control character in a string", p);
        character = json_escape(p, r->end, &length);
        if (character < 0)
            return json_fail(r, character == -1 ? "malformed escape" : "lone surrogate", p);
        out->escaped = 1;
        p += length;
    }
    out->length = (size_t)(p - out->data);
    if (seen & 0x80) {
        const char *valid = json_utf8_end(out->data, p);
        if (valid != p)
            return json_fail(r, "not UTF-8", valid);
    }
    r->p = p + 1;
    return 1;
}

/* Write the decoded text of a scanned string, at most as long as its source, and return the length. */
static inline size_t json_decode(const json_string *string, char *out)
{
    const char *p = string->data, *end = p + string->length;
    char *o = out;
    while (p != end) {
        const char *escape = (const char *)memchr(p, '\\', (size_t)(end - p));
        size_t plain = (size_t)((escape ? escape : end) - p);
        int length;
        uint32_t c;
        memcpy(o, p, plain);
        o += plain;
        if (!escape)
            break;
        c = (uint32_t)json_escape(escape, end, &length);
        p = escape + length;
        if (c < 0x80) {
            *o++ = (char)c;
        } else if (c < 0x800) {
            *o++ = (char)(0xC0 | c >> 6);
            *o++ = (char)(0x80 | (c & 0x3F));
        } else {
            if (c < 0x10000) {
                *o++ = (char)(0xE0 | c >> 12);
            } else {
                *o++ = (char)(0xF0 | c >> 18);
                *o++ = (char)(0x80 | (c >> 12 & 0x3F));
            }
            *o++ = (char)(0x80 | (c >> 6 & 0x3F));
            *o++ = (char)(0x80 | (c & 0x3F));
        }
    }
    return (size_t)(o - out);
}

static inline int json_is_digit(const json_reader *r)
{
    return r->p != r->end && *r->p >= '0' && *r->p <= '9';
}

static inline int json_skip_digits(json_reader *r)
{
    if (!json_is_digit(r))
        return json_fail(r, "digit expected", r->p);
    do
        r->p++;
    while (json_is_digit(r));
    return 1;
}

/* Scan a number; *is_integer is 1 if it has neither fraction nor exponent. */
static inline int json_scan_number(json_reader *r, int *is_integer)
{
    *is_integer = 1;
    if (r->p != r->end && *r->p == '-')
        r->p++;
    if (r->p != r->end && *r->p == '0') {
        r->p++;
        if (json_is_digit(r))
            return json_fail(r, "leading zero", r->p - 1);
    } else if (!json_skip_digits(r)) {
        return 0;
    }
    if (r->p != r->end && *r->p == '.') {
        *is_integer = 0;
        r->p++;
        if (!json_skip_digits(r))
            return 0;
    }
    if (r->p != r->end && (*r->p == 'e' || *r->p == 'E')) {
        *is_integer = 0;
        r->p++;
        if (r->p != r->end && (*r->p == '+' || *r->p == '-'))
            r->p++;
        return json_skip_digits(r);
    }
    return 1;
}

/* Scan an integer of 64 bits; any other value is an error. */
static inline int json_scan_int64(json_reader *r, int64_t *value)
{
    const char *start = r->p;
    uint64_t magnitude = 0, limit;
    int is_integer;
    if (start == r->end || (*start != '-' && !json_is_digit(r)))
        return json_fail(r, "not an integer", start);
    if (!json_scan_number(r, &is_integer))
        return 0;
    if (!is_integer)
        return json_fail(r, "not an integer", start);
    limit = (uint64_t)INT64_MAX + (*start == '-');
    for (const char *p = start + (*start == '-'); p != r->p; p++) {
        unsigned digit = (unsigned)(*p - '0');
        if (magnitude > (limit - digit) / 10)
            return json_fail(r, "integer out of range", start);
        magnitude = magnitude * 10 + digit;
    }
    /* INT64_MIN has no positive counterpart, so the magnitude is not simply negated. */
    *value = *start == '-' && magnitude ? -(int64_t)(magnitude - 1) - 1 : (int64_t)magnitude;
    return 1;
}

static inline int json_scan_word(json_reader *r, const char *word, size_t length)
{
    if ((size_t)(r->end - r->p) < length || memcmp(r->p, word, length) != 0)
        return json_fail(r, "value expected", r->p);
    r->p += length;
    return 1;
}

/* Scan the name of the next member of an object; *first is 1 directly after the opening brace. Return 1 with the reader
   at the member's value; 0 after the closing brace, or on an error. */
static inline int json_next_member(json_reader *r, int *first, json_string *name)
{
    int c = json_peek(r);
    if (c == '}') {
        r->p++;
        return 0;
    }
    if (!*first) {
        if (c != ',')
            return json_fail(r, "comma or closing brace expected", r->p);
        r->p++;
        c = json_peek(r);
    }
    *first = 0;
    if (c != '"')
        return json_fail(r, "member name expected", r->p);
    if (!json_scan_string(r, name))
        return 0;
    if (json_peek(r) != ':')
        return json_fail(r, "colon expected", r->p);
    r->p++;
    json_peek(r);
    return 1;
}

/* Do the same for the next element of an array. */
static inline int json_next_element(json_reader *r, int *first)
{
    int c = json_peek(r);
    if (c == ']') {
        r->p++;
        return 0;
    }
    if (!*first) {
        if (c != ',')
            return json_fail(r, "comma or closing bracket expected", r->p);
        r->p++;
        if (json_peek(r) == ']')
            return json_fail(r, "value expected", r->p);
    }
    *first = 0;
    return 1;
}

/* Skip a value; `depth` containers are open around it. */
static inline int json_skip(json_reader *r, int depth)
{
    uint64_t objects = 0; /* a bit for each container opened here, the innermost lowest: 1 for an object */
    int open = 0, first = 1, c, is_integer;
    json_string text;
    for (;;) {
        c = json_peek(r);
        if (c == '{' || c == '[') {
            if (depth + open >= JSON_DEPTH)
                return json_fail(r, "nested too deeply", r->p);
            objects = objects << 1 | (c == '{');
            open++;
            first = 1;
            r->p++;
        } else if (!(c == '"'   ? json_scan_string(r, &text)
                     : c == 't' ? json_scan_word(r, "true", 4)
                     : c == 'f' ? json_scan_word(r, "false", 5)
                     : c == '-' || json_is_digit(r) ? json_scan_number(r, &is_integer)
                                                    : json_scan_word(r, "null", 4))) {
            return 0;
        }
        while (open && !(objects & 1 ? json_next_member(r, &first, &text) : json_next_element(r, &first))) {
            if (r->error)
                return 0;
            objects >>= 1;
            open--;
            first = 0;
        }
        if (!open)
            return 1;
    }
}

/* Check that only white space follows the last value. */
static inline int json_close(json_reader *r)
{
    return json_peek(r) < 0 || json_fail(r, "text behind the value", r->p);
}

#endif
