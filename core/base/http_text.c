/* Small text functions of HTTP: header look-up, percent-decoding, query parameters,
 * status phrases.
 *
 * They take what a peer sent: every output has a stated size, a bad escape is an error,
 * and a NUL byte never gets into a text.
 */
#include <muster/http.h>

#include <errno.h>
#include <string.h>
#include <strings.h>

const char *
mu_http_header_get(const struct mu_http_header *headers, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(headers[i].name, name) == 0) {
            return headers[i].value;
        }
    }
    return NULL;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decode the byte at src (left > 0 bytes there) into *out; returns how many bytes of src
 * it took, 0 for a bad escape or a NUL. */
static size_t decode_one(const char *src, size_t left, bool in_query, char *out)
{
    if (*src == '+' && in_query) {
        *out = ' ';
        return 1;
    }
    if (*src != '%') {
        *out = *src;
        return *src != '\0' ? 1 : 0;
    }
    if (left < 3) {
        return 0;
    }
    int high = hex_digit(src[1]);
    int low = hex_digit(src[2]);
    if (high < 0 || low < 0 || (high == 0 && low == 0)) {
        return 0;
    }
    *out = (char)(high * 16 + low);
    return 3;
}

int mu_http_decode(const char *src, size_t len, bool in_query, char *out, size_t cap)
{
    size_t used = 0;
    for (size_t i = 0; i < len;) {
        char c;
        size_t took = decode_one(src + i, len - i, in_query, &c);
        if (took == 0) {
            return MU_E_INVALID;
        }
        if (used + 1 >= cap) {
            return -E2BIG;
        }
        out[used++] = c;
        i += took;
    }
    if (cap == 0) {
        return -E2BIG;
    }
    out[used] = '\0';
    return 0;
}

/* Is the encoded text (len bytes) the same as name once decoded? */
static bool decodes_to(const char *src, size_t len, const char *name)
{
    size_t i = 0;
    for (; i < len; name++) {
        char c;
        size_t took = decode_one(src + i, len - i, true, &c);
        if (took == 0 || c != *name) {
            return false;
        }
        i += took;
    }
    return *name == '\0';
}

int mu_http_query_get(
    const char *query, const char *name, size_t n, char *out, size_t cap)
{
    const char *p = query;
    while (*p != '\0') {
        size_t len = strcspn(p, "&");
        const char *equals = memchr(p, '=', len);
        size_t name_len = equals != NULL ? (size_t)(equals - p) : len;
        if (len > 0 && decodes_to(p, name_len, name)) {
            if (n == 0) {
                const char *value = equals != NULL ? equals + 1 : p + len;
                size_t value_len = (size_t)(p + len - value);
                int status = mu_http_decode(value, value_len, true, out, cap);
                return status < 0 ? status : (int)strlen(out);
            }
            n--;
        }
        p += len;
        p += *p == '&' ? 1 : 0;
    }
    return MU_E_NOT_FOUND;
}

struct status_text {
    int status;
    const char *text;
};

static const struct status_text status_texts[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Payload Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Entity"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

const char *mu_http_status_text(int status)
{
    for (size_t i = 0; i < sizeof(status_texts) / sizeof(status_texts[0]); i++) {
        if (status_texts[i].status == status) {
            return status_texts[i].text;
        }
    }
    return "Unknown";
}
