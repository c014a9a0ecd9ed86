/* zlib behind two small calls. Level 1: on JSON it gives nine tenths of what level 6
 * gives, in a third of the time, and the time is the loop's. */
#include "runtime/http_gzip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ZLIB_CONST /* next_in points to const */
#include <zlib.h>

#include "base/alloc.h"
#include "base/check.h"

enum { GZIP_WINDOW_BITS = 15 + 16, PIECE = 16 * 1024 };

struct http_deflater {
    z_stream z;
};

/* ---- when ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Quality of one list member's parameters (";q=0.5"): is it above zero? */
static bool quality_above_zero(const char *at, const char *end)
{
    for (const char *p = at; p + 1 < end; p++) {
        if ((*p != 'q' && *p != 'Q') || p[1] != '=') {
            continue;
        }
        for (p += 2; p < end; p++) {
            if (*p >= '1' && *p <= '9') {
                return true;
            }
            if (*p != '0' && *p != '.') {
                break;
            }
        }
        return false;
    }
    return true;
}

bool http_gzip_accepted(const char *accept_encoding)
{
    bool any = false;
    for (const char *at = accept_encoding; at != NULL && *at != '\0';) {
        while (is_blank(*at) || *at == ',') {
            at++;
        }
        const char *end = at + strcspn(at, ",");
        size_t name_len = strcspn(at, ",; \t");
        bool is_gzip = name_len == 4 && strncasecmp(at, "gzip", 4) == 0;
        if (is_gzip || (name_len == 6 && strncasecmp(at, "x-gzip", 6) == 0)) {
            return quality_above_zero(at + name_len, end);
        }
        if (name_len == 1 && *at == '*') {
            any = quality_above_zero(at + name_len, end);
        }
        at = end;
    }
    return any;
}

bool http_gzip_is_textual(const char *content_type)
{
    static const char *const textual[] = {"text/",
                                          "application/json",
                                          "application/x-json",
                                          "application/javascript",
                                          "application/xml",
                                          "image/svg+xml"};
    if (content_type == NULL) {
        return false;
    }
    for (size_t i = 0; i < MU_COUNT_OF(textual); i++) {
        if (strncasecmp(content_type, textual[i], strlen(textual[i])) == 0) {
            return true;
        }
    }
    size_t len = strcspn(content_type, "; \t");
    return len > 5 && strncasecmp(content_type + len - 5, "+json", 5) == 0;
}

/* ---- deflate ---- */

struct http_deflater *http_deflater_create(void)
{
    struct http_deflater *d = MU_NEW(struct http_deflater);
    int status = deflateInit2(&d->z, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW_BITS, 8,
                              Z_DEFAULT_STRATEGY);
    MU_ASSERT(status == Z_OK); /* only memory can fail here */
    return d;
}

void http_deflater_destroy(struct http_deflater *d)
{
    if (d != NULL) {
        (void)deflateEnd(&d->z); /* Z_DATA_ERROR only says that output was left */
        free(d);
    }
}

void http_deflater_reset(struct http_deflater *d)
{
    int status = deflateReset(&d->z);
    MU_ASSERT(status == Z_OK);
}

int http_deflater_run(struct http_deflater *d,
                      const void *data,
                      size_t len,
                      bool finish,
                      struct mu_buf *out)
{
    /* finish alone comes without data; zlib and C want a pointer all the same. */
    const unsigned char *at = data != NULL ? data : (const unsigned char *)"";
    int status;
    do {
        /* zlib counts in uInt; a piece per round keeps the sum below it. */
        size_t in = len < UINT32_MAX / 2 ? len : UINT32_MAX / 2;
        bool last = finish && in == len;
        d->z.next_in = at;
        d->z.avail_in = (uInt)in;
        do {
            char *room = mu_buf_reserve(out, PIECE);
            if (room == NULL) {
                return -E2BIG;
            }
            d->z.next_out = (Bytef *)room;
            d->z.avail_out = PIECE;
            status = deflate(&d->z, last ? Z_FINISH : Z_NO_FLUSH);
            MU_ASSERT(status != Z_STREAM_ERROR);
            out->len += PIECE - d->z.avail_out;
            out->data[out->len] = '\0';
        } while (d->z.avail_out == 0);
        at += in;
        len -= in;
    } while (len > 0);
    return 0;
}

/* ---- inflate ---- */

static int inflate_all(z_stream *z, struct mu_buf *out)
{
    for (;;) {
        size_t left = out->max - out->len;
        size_t want = left < PIECE ? left : PIECE;
        unsigned char spare; /* full: one more byte tells "too long" from "just fits" */
        char *room = want > 0 ? mu_buf_reserve(out, want) : NULL;
        z->next_out = room != NULL ? (Bytef *)room : &spare;
        z->avail_out = room != NULL ? (uInt)want : 1;
        uInt before = z->avail_out;
        int status = inflate(z, Z_NO_FLUSH);
        size_t got = before - z->avail_out;
        if (room == NULL && got > 0) {
            return -E2BIG;
        }
        if (room != NULL) {
            out->len += got;
            out->data[out->len] = '\0';
        }
        if (status == Z_STREAM_END) {
            return z->avail_in == 0 ? 0 : MU_E_INVALID;
        }
        if (status != Z_OK || (got == 0 && z->avail_in == 0)) {
            return MU_E_INVALID;
        }
    }
}

int http_gzip_inflate(const void *data, size_t len, struct mu_buf *out)
{
    z_stream z = {0};
    if (len > UINT32_MAX) {
        return -E2BIG;
    }
    int status = inflateInit2(&z, GZIP_WINDOW_BITS);
    MU_ASSERT(status == Z_OK);
    z.next_in = data;
    z.avail_in = (uInt)len;
    status = inflate_all(&z, out);
    (void)inflateEnd(&z); /* cannot fail on an initialised stream */
    return status;
}
