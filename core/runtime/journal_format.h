/* The journal's file format: how bytes are laid out, and what a reader may believe.
 *
 * Pure: no I/O, no allocation, any thread. docs/protocols/journal.md describes the format
 * and the rule that tells a torn tail from damage. All integers are little-endian.
 *
 *   file   = header, frame...
 *   header = magic[8] version:u32 header_bytes:u32 id[16] zero[28] crc:u32       (64
 * bytes) frame  = marker:u32 len:u32 seq:u64 group:u64 payload_crc:u32 frame_crc:u32  (32
 * bytes) payload[len]
 */
#ifndef MU_RUNTIME_JOURNAL_FORMAT_H
#define MU_RUNTIME_JOURNAL_FORMAT_H

#include <muster/journal.h>

#define JOURNAL_HEADER_BYTES 64u
#define JOURNAL_FRAME_BYTES 32u
#define JOURNAL_ID_BYTES 16u
#define JOURNAL_VERSION 1u

/* Drawn at random when a file is made. Every checksum of a frame covers it and the
 * frame's own place, so bytes of another file, or copied within this one, are never a
 * frame. */
struct journal_id {
    uint8_t bytes[JOURNAL_ID_BYTES];
};

enum journal_frame_kind {
    JOURNAL_RECORD = 1,
    JOURNAL_SEAL, /* no payload: the file was closed in order */
};

/* out holds JOURNAL_HEADER_BYTES. */
void journal_header_encode(const struct journal_id *id, uint8_t *out);
/* Errors: MU_E_CORRUPT; MU_E_UNSUPPORTED (written by a later version). */
MU_NODISCARD int journal_header_decode(const uint8_t *data,
                                       size_t len,
                                       struct journal_id *out_id,
                                       struct mu_error *err);

/* Write what is known of a frame when a record is queued: marker and length. Its payload
 * follows at out + JOURNAL_FRAME_BYTES. */
void journal_frame_begin(enum journal_frame_kind kind, uint32_t len, uint8_t *out);
/* Complete the begun frames in data, which is going to be written at offset `group` by
 * one write, the first one with number first_seq. Returns how many frames there are. */
uint64_t journal_group_seal(uint8_t *data,
                            size_t len,
                            const struct journal_id *id,
                            uint64_t group,
                            uint64_t first_seq);

/* A reader that is fed a file's bytes in order. Zero it with journal_scan_init. */
struct journal_scan {
    struct journal_id id;
    uint64_t offset;   /* in the file, of the first byte that was not consumed yet */
    uint64_t good_end; /* end of the last good frame; where a torn tail is cut */
    uint64_t last_seq;
    uint64_t group;  /* of the last good frame */
    bool is_damaged; /* no good frame at good_end: looking for proof of damage */
    bool is_sealed;  /* the last good frame is a seal */
    size_t want;     /* bytes from offset on that are needed to go on */
};
/* The first byte fed after this is the one behind the file's header. */
void journal_scan_init(struct journal_scan *s, const struct journal_id *id);
/* Read the bytes at s->offset. Records go to on_record in order; s->offset moves on by
 * what was consumed. Fewer than s->want bytes may be left, to be fed again with more
 * behind them. is_end: nothing follows data in the file; then all of it is consumed.
 * Errors: MU_E_CORRUPT: what was once durable at s->good_end is damaged. */
MU_NODISCARD int journal_scan_feed(struct journal_scan *s,
                                   const uint8_t *data,
                                   size_t len,
                                   bool is_end,
                                   mu_journal_record_cb on_record,
                                   void *arg,
                                   struct mu_error *err);
/* The number that the first record written at good_end must have. torn_bytes: how much
 * was cut off there. */
uint64_t journal_scan_next_seq(const struct journal_scan *s, uint64_t torn_bytes);

#endif
