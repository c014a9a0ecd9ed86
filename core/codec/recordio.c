/* A record that is complete in the input is handed on where it lies; only one that is cut
 * by the end of the input is copied. */
#include "codec/recordio.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

enum { LENGTH_DIGITS_MAX = 19 }; /* always fits 64 bits */

void recordio_decoder_init(struct recordio_decoder *d, size_t max_record)
{
    *d = (struct recordio_decoder){.max_record = max_record};
    mu_buf_init(&d->partial, max_record);
}

void recordio_decoder_release(struct recordio_decoder *d)
{
    mu_buf_release(&d->partial);
    *d = (struct recordio_decoder){0};
}

bool recordio_decoder_is_partial(const struct recordio_decoder *d)
{
    return d->in_record || d->digits > 0;
}

static int fail(struct recordio_decoder *d, int code, struct mu_error *err)
{
    d->failed = code;
    mu_buf_release(&d->partial);
    if (code == MU_E_LIMIT) {
        return mu_fail(err, code, "a record is longer than the limit of %zu bytes",
                       d->max_record);
    }
    return mu_fail(err, code, "a record's length is not a decimal number and a newline");
}

/* Read the length; returns the bytes used or an error. */
static int
feed_length(struct recordio_decoder *d, const char *data, size_t len, size_t *out_used)
{
    size_t i = 0;
    for (; i < len; i++) {
        char c = data[i];
        if (c == '\n' && d->digits > 0) {
            d->in_record = true;
            i++;
            break;
        }
        if (c < '0' || c > '9') {
            return MU_E_PROTOCOL;
        }
        d->need = d->need * 10 + (uint64_t)(c - '0');
        d->digits++;
        if (d->need > d->max_record || d->digits == LENGTH_DIGITS_MAX) {
            return MU_E_LIMIT; /* at once: nothing depends on how the input is cut */
        }
    }
    *out_used = i;
    return 0;
}

/* Take bytes of the current record; *out_data is set when it is complete. */
static size_t feed_record(struct recordio_decoder *d,
                          const char *data,
                          size_t len,
                          const char **out_data)
{
    size_t missing = (size_t)d->need - d->partial.len;
    size_t take = len < missing ? len : missing;
    if (d->partial.len == 0 && take == missing) {
        *out_data = data;
        return take;
    }
    int status = mu_buf_append(&d->partial, data, take);
    MU_ASSERT(status == 0); /* need is within the buffer's maximum */
    *out_data = take == missing ? d->partial.data : NULL;
    return take;
}

int recordio_decoder_feed(struct recordio_decoder *d,
                          const char *data,
                          size_t len,
                          recordio_record_cb cb,
                          void *arg,
                          struct mu_error *err)
{
    if (d->failed != 0) {
        return fail(d, d->failed, err);
    }
    while (len > 0 || (d->in_record && d->need == 0)) {
        if (!d->in_record) {
            size_t used = 0;
            int status = feed_length(d, data, len, &used);
            if (status < 0) {
                return fail(d, status, err);
            }
            data += used;
            len -= used;
            continue;
        }
        const char *record = NULL;
        size_t used = feed_record(d, data, len, &record);
        data += used;
        len -= used;
        if (record == NULL) {
            break;
        }
        size_t record_len = (size_t)d->need;
        struct mu_buf whole = d->partial;
        mu_buf_init(&d->partial, d->max_record);
        d->in_record = false;
        d->need = 0;
        d->digits = 0;
        int status = cb(arg, record, record_len); /* d may be released now if < 0 */
        mu_buf_release(&whole);
        if (status < 0) {
            return mu_fail(err, status, "the record was refused");
        }
    }
    return 0;
}

int recordio_encode(struct mu_buf *out, const void *data, size_t len)
{
    char length[24];
    int n = snprintf(length, sizeof(length), "%zu\n", len);
    MU_ASSERT(n > 0 && (size_t)n < sizeof(length));
    if (mu_buf_reserve(out, (size_t)n + len) == NULL) {
        return -E2BIG;
    }
    (void)mu_buf_append(out, length, (size_t)n); /* room was made for both */
    return mu_buf_append(out, data, len);
}
