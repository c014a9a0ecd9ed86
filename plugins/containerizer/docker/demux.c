#include "demux.h"

#include <ctype.h>
#include <stdio.h>

#include <muster/time.h>

#include "util.h"

enum {
    FRAME_HEAD = 8,
    RAW_MESSAGE_MAX = 16 * 1024, /* the engine cuts longer lines here */
    PREFIX = DKR_STAMP_LEN + 1,  /* the time and a blank */
    RACE_S = 2, /* by so much at most the two streams' messages are out of order */
};

bool dkr_is_stamp(const char *text, size_t len)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.dddddddddZ";

    if (len != DKR_STAMP_LEN) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (form[i] == 'd' ? !isdigit((unsigned char)text[i]) : text[i] != form[i]) {
            return false;
        }
    }
    return true;
}

void dkr_demux_init(struct dkr_demux *d,
                    bool is_raw,
                    const struct dkr_position *pos,
                    dkr_bytes_cb on_bytes,
                    void *arg)
{
    *d = (struct dkr_demux){.is_raw = is_raw, .on_bytes = on_bytes, .arg = arg};
    for (int i = 0; pos != NULL && i < DKR_STREAMS; i++) {
        d->pos[i] = pos[i];
        d->seek[i].is_seeking = pos[i].stamp[0] != '\0';
        d->seek[i].skip = pos[i].extra;
    }
}

/* Bytes of the present message, after its time. */
static void payload(struct dkr_demux *d, const char *data, size_t len)
{
    uint64_t skip = d->seek[d->stream].skip;

    d->message_read += len;
    if (d->is_dropped || len == 0) {
        return;
    }
    if (skip >= len) {
        d->seek[d->stream].skip -= len;
        return; /* pos knows them already */
    }
    if (skip > 0) {
        d->seek[d->stream].skip = 0;
        data += skip;
        len -= (size_t)skip;
    }
    d->pos[d->stream].extra += len;
    d->on_bytes(d->arg, d->stream, data, len);
}

/* The time of the message is known: was it read before? */
static void begin_message(struct dkr_demux *d)
{
    const struct dkr_position *pos = &d->pos[d->stream];

    d->in_message = true;
    d->message_read = 0;
    d->is_dropped = false;
    if (!d->seek[d->stream].is_seeking) {
        return;
    }
    int order = d->has_stamp ? strcmp(d->stamp, pos->stamp) : -1;
    if (order > 0) { /* the place is gone from the log (rotated): go on from here */
        d->seek[d->stream].is_seeking = false;
        return;
    }
    d->is_dropped = true;
    if (order == 0 && ++d->seek[d->stream].seen_same >= pos->same) {
        d->seek[d->stream].is_seeking = false;
    }
}

static void end_message(struct dkr_demux *d)
{
    struct dkr_position *pos = &d->pos[d->stream];

    if (!d->is_dropped && d->has_stamp) {
        if (dkr_equal(pos->stamp, d->stamp)) {
            pos->same++;
        } else {
            memcpy(pos->stamp, d->stamp, sizeof(pos->stamp));
            pos->same = 1;
        }
        /* what is still to be skipped lies behind this message */
        pos->extra = d->seek[d->stream].skip;
    }
    d->in_message = false;
    d->has_stamp = false;
    d->stamp_len = 0;
}

/* Collect the time; when it turns out to be none, its bytes are payload. is_short: the
 * frame has no room for one. */
static void stamp_complete(struct dkr_demux *d)
{
    char text[PREFIX];
    size_t len = d->stamp_len;

    memcpy(text, d->stamp, len);
    d->has_stamp =
        len == PREFIX && text[DKR_STAMP_LEN] == ' ' && dkr_is_stamp(text, DKR_STAMP_LEN);
    d->stamp[DKR_STAMP_LEN] = '\0';
    begin_message(d);
    if (!d->has_stamp) {
        payload(d, text, len);
    }
}

static size_t take_stamp(struct dkr_demux *d, const char *data, size_t len)
{
    size_t want = PREFIX - d->stamp_len;
    if (!d->is_raw && want > d->left) {
        want = (size_t)d->left;
    }
    size_t take = len < want ? len : want;
    memcpy(d->stamp + d->stamp_len, data, take);
    d->stamp_len += take;
    if (!d->is_raw) {
        d->left -= take;
    }
    if (take == want) {
        stamp_complete(d);
    }
    return take;
}

static size_t take_frame_head(struct dkr_demux *d, const char *data, size_t len)
{
    size_t want = FRAME_HEAD - d->head_len;
    size_t take = len < want ? len : want;
    memcpy(d->head + d->head_len, data, take);
    d->head_len += take;
    if (d->head_len == FRAME_HEAD) {
        const unsigned char *h = (const unsigned char *)d->head;
        if (h[0] > 3 || h[1] != 0 || h[2] != 0 || h[3] != 0) {
            d->is_broken = true;
            return len;
        }
        /* 3 is the engine's own complaint about the stream */
        d->stream = h[0] >= 2 ? DKR_STDERR : DKR_STDOUT;
        d->left =
            (uint64_t)h[4] << 24 | (uint64_t)h[5] << 16 | (uint64_t)h[6] << 8 | h[7];
        d->stamp_len = 0;
        if (d->left == 0) {
            d->head_len = 0;
        }
    }
    return take;
}

static size_t take_framed(struct dkr_demux *d, const char *data, size_t len)
{
    size_t take = 0;
    if (d->head_len < FRAME_HEAD) {
        return take_frame_head(d, data, len);
    }
    if (!d->in_message) {
        take = take_stamp(d, data, len);
    } else {
        take = len < d->left ? len : (size_t)d->left;
        payload(d, data, take);
        d->left -= take;
    }
    if (d->left == 0) {
        end_message(d);
        d->head_len = 0;
    }
    return take;
}

static size_t take_raw(struct dkr_demux *d, const char *data, size_t len)
{
    if (!d->in_message) {
        size_t taken = take_stamp(d, data, len);
        d->left = RAW_MESSAGE_MAX;
        return taken;
    }
    size_t take = len < d->left ? len : (size_t)d->left;
    const char *end = memchr(data, '\n', take);
    if (end != NULL) {
        take = (size_t)(end - data) + 1;
    }
    payload(d, data, take);
    d->left -= take;
    if (end != NULL || d->left == 0) {
        end_message(d);
    }
    return take;
}

void dkr_demux_feed(struct dkr_demux *d, const char *data, size_t len)
{
    while (len > 0 && !d->is_broken) {
        size_t taken = d->is_raw ? take_raw(d, data, len) : take_framed(d, data, len);
        data += taken;
        len -= taken;
    }
}

void dkr_since(const struct dkr_position *pos, char out[DKR_SINCE_SIZE])
{
    const char *stamp = pos[DKR_STDOUT].stamp;
    int64_t wall_ms = 0;

    out[0] = '\0';
    if (strcmp(pos[DKR_STDERR].stamp, stamp) > 0) {
        stamp = pos[DKR_STDERR].stamp;
    }
    if (stamp[0] == '\0' || mu_time_parse(stamp, &wall_ms, NULL) < 0) {
        return;
    }
    (void)snprintf(out, /* fits */
                   DKR_SINCE_SIZE, "%lld.%.9s", (long long)(wall_ms / 1000 - RACE_S),
                   stamp + 20);
}
