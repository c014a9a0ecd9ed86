/* The engine's log stream -> bytes of stdout and stderr, and the position reached.
 *
 * Read with timestamps, each message of the log starts with 30 bytes of time and a blank.
 * Without a TTY messages come in frames ([type,0,0,0,length BE32] payload); with one they
 * come bare, and a message ends at a line feed or after 16 KiB (the engine cuts longer
 * lines). The time is taken off; it serves to find the place again: a position says "up
 * to the `same`-th message with this stamp, and `extra` bytes further". A stream that is
 * read from there on, or from somewhat before, continues without loss or repetition.
 *
 * Pure; bytes may come in pieces of any size.
 */
#ifndef DKR_DEMUX_H
#define DKR_DEMUX_H

#include <muster/abi.h>

enum { DKR_STDOUT = 0, DKR_STDERR = 1, DKR_STREAMS = 2, DKR_STAMP_LEN = 30 };

struct dkr_position {
    char stamp[DKR_STAMP_LEN + 1]; /* "" before the first message */
    uint32_t same;                 /* messages of that very stamp, all read */
    uint64_t extra;                /* bytes read of the messages behind it */
};

typedef void (*dkr_bytes_cb)(void *arg, int stream, const char *data, size_t len);

struct dkr_demux {
    struct dkr_position pos[DKR_STREAMS]; /* of all that was given to on_bytes */
    bool is_broken;                       /* not a log stream: read it again */

    /* internal */
    bool is_raw;
    dkr_bytes_cb on_bytes;
    void *arg;
    struct {
        bool is_seeking;    /* up to pos, which was read before */
        uint32_t seen_same; /* of pos.same */
        uint64_t skip;      /* bytes to drop once pos is found */
    } seek[DKR_STREAMS];
    char head[8]; /* of a frame */
    size_t head_len;
    char stamp[DKR_STAMP_LEN + 1]; /* of the message, with the blank until it is known */
    size_t stamp_len;
    bool has_stamp, in_message, is_dropped;
    uint64_t message_read; /* bytes of payload so far */
    int stream;
    uint64_t left; /* of the frame, or until the engine cuts a raw message */
};

/* Start reading where pos (DKR_STREAMS of them) says; NULL: at the beginning. */
void dkr_demux_init(struct dkr_demux *d,
                    bool is_raw,
                    const struct dkr_position *pos,
                    dkr_bytes_cb on_bytes,
                    void *arg);
void dkr_demux_feed(struct dkr_demux *d, const char *data, size_t len);

/* The engine's `since` value from which to ask for both streams: a little before the
 * later of the two, since all before that was read of both. "" for the beginning. */
enum { DKR_SINCE_SIZE = 40 };
void dkr_since(const struct dkr_position *pos, char out[DKR_SINCE_SIZE]);

/* Is it "2014-05-06T07:08:09.012345678Z"? */
bool dkr_is_stamp(const char *text, size_t len);

#endif
