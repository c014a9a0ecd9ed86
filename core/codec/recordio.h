/* RecordIO framing of event streams: "<length in decimal>\n<that many bytes>", again and
 * again.
 *
 * The decoder takes input in any pieces and bounds what a peer may make it hold. After
 * an error it stays in error: the position in the stream is lost. No I/O, any thread.
 */
#ifndef MU_CODEC_RECORDIO_H
#define MU_CODEC_RECORDIO_H

#include <muster/buf.h>
#include <muster/error.h>

/* One record; data is borrowed and not NUL-terminated. A negative return stops the
 * decoder: feed returns it at once and touches the decoder no more, so it may be released
 * in the callback. */
typedef int (*recordio_record_cb)(void *arg, const char *data, size_t len);

struct recordio_decoder {
    size_t max_record;
    struct mu_buf partial; /* the beginning of a record that came in pieces */
    uint64_t need;         /* length of the current record */
    unsigned digits;       /* seen of its length */
    bool in_record;        /* the length is complete */
    int failed;
};

/* A record longer than max_record bytes is an error. */
void recordio_decoder_init(struct recordio_decoder *d, size_t max_record);
void recordio_decoder_release(struct recordio_decoder *d);
/* Errors: MU_E_PROTOCOL (not a length), MU_E_LIMIT (record too long), or what cb
 * returned. */
MU_NODISCARD int recordio_decoder_feed(struct recordio_decoder *d,
                                       const char *data,
                                       size_t len,
                                       recordio_record_cb cb,
                                       void *arg,
                                       struct mu_error *err);
/* In the middle of a record? Then the stream's end is a cut. */
bool recordio_decoder_is_partial(const struct recordio_decoder *d);

/* Append one framed record; nothing of it is appended if it does not fit. Errors: -E2BIG.
 */
int recordio_encode(struct mu_buf *out, const void *data, size_t len);

#endif
