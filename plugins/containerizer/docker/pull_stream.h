/* Cuts the answer of a pull into its records: JSON objects one behind the other, in
 * pieces of any size. Pure. */
#ifndef DKR_PULL_STREAM_H
#define DKR_PULL_STREAM_H

#include <muster/buf.h>

struct dkr_pull_stream {
    struct mu_buf record;
    unsigned depth;
    bool in_string, is_escaped;
    bool is_broken; /* bytes that are no objects, or a record without end */
};

typedef void (*dkr_record_cb)(void *arg, const char *record, size_t len);

void dkr_pull_stream_init(struct dkr_pull_stream *s);
void dkr_pull_stream_release(struct dkr_pull_stream *s);
/* on_record for each object that is complete with these bytes. */
void dkr_pull_stream_feed(struct dkr_pull_stream *s,
                          const char *data,
                          size_t len,
                          dkr_record_cb on_record,
                          void *arg);
/* The stream may end here: no object is half read. */
bool dkr_pull_stream_is_complete(const struct dkr_pull_stream *s);

#endif
