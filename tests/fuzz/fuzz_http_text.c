/* Fuzzes percent-decoding, query look-up, Accept-Encoding and gzip bodies. First byte:
 * which, and how small the output is. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <muster/http.h>

#include "runtime/http_gzip.h"

static void try_decode(const char *text, size_t len, size_t cap, bool in_query)
{
    char *out = malloc(cap + 1);
    int status = mu_http_decode(text, len, in_query, out, cap);
    assert(status == 0 || status == -E2BIG || status == MU_E_INVALID);
    if (status == 0) {
        assert(strlen(out) < cap && strlen(out) <= len);
    }
    free(out);
}

static void try_query(const char *text, size_t cap)
{
    char *out = malloc(cap + 1);
    for (size_t n = 0; n < 3; n++) {
        int status = mu_http_query_get(text, "a", n, out, cap);
        assert(status < 0 || strlen(out) == (size_t)status);
    }
    free(out);
}

static void try_inflate(const char *data, size_t len, size_t cap)
{
    struct mu_buf out;
    mu_buf_init(&out, cap);
    int status = http_gzip_inflate(data, len, &out);
    assert(status == 0 || status == -E2BIG || status == MU_E_INVALID);
    assert(out.len <= cap);
    mu_buf_release(&out);
}

static void try_pack(const char *data, size_t len)
{
    struct mu_buf packed;
    struct mu_buf out;
    mu_buf_init(&packed, 1 << 20);
    mu_buf_init(&out, len);
    struct http_deflater *d = http_deflater_create();
    assert(http_deflater_run(d, data, len / 2, false, &packed) == 0);
    assert(http_deflater_run(d, data + len / 2, len - len / 2, true, &packed) == 0);
    assert(http_gzip_inflate(packed.data, packed.len, &out) == 0);
    assert(out.len == len && (len == 0 || memcmp(out.data, data, len) == 0));
    http_deflater_destroy(d);
    mu_buf_release(&packed);
    mu_buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 8192) {
        return 0;
    }
    char *text = malloc(size);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    size_t cap = data[0] >> 3;
    switch (data[0] & 7) {
    case 0:
    case 1:
        try_decode(text, size - 1, cap, (data[0] & 1) != 0);
        break;
    case 2:
        try_query(text, cap);
        break;
    case 3:
        (void)http_gzip_accepted(text);
        (void)http_gzip_is_textual(text);
        break;
    case 4:
        try_pack(text, size - 1);
        break;
    default:
        try_inflate(text, size - 1, cap * 100);
        break;
    }
    free(text);
    return 0;
}
