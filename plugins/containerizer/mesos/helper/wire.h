/* What the plugin and the supervisor `muster-container` say to each other, and what the
 * supervisor keeps on disk.
 *
 * A frame is a 4-byte little-endian length (of what follows), one byte type, and fields.
 * A field is one byte key, a 4-byte little-endian length, the bytes, and one NUL, so that
 * a text field can be used in place. The files `record` and `status` hold one frame each.
 * Unknown frames and unknown keys are skipped: a supervisor outlives upgrades of the
 * agent, so numbers here are never reused and never change their meaning. Depends on
 * libc only; both sides link it.
 */
#ifndef NAT_WIRE_H
#define NAT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Twice the kernel's own bound for arguments and environment (ARG_MAX is 2 MiB here). */
#define NAT_FRAME_MAX (4u << 20)
#define NAT_FRAME_HEAD 5u

enum nat_frame_type {
    /* plugin to supervisor */
    NAT_SPEC = 'S',    /* once, first: what to run */
    NAT_KILL = 'K',    /* SIGNAL */
    NAT_DESTROY = 'D', /* SIGKILL to all, end */
    NAT_CLEAN = 'c',   /* to `muster-container clean`: STATE_DIR, FLAGS */
    /* supervisor to plugin */
    NAT_WARNING = 'W', /* TEXT: what could not be had; it goes on without */
    NAT_STARTED = 'R', /* PID: the command has been executed */
    NAT_FAILED =
        'F', /* TEXT, ERRNO: it was not, nothing is left but the state directory */
    NAT_EXITED = 'X',  /* the STATUS_* fields */
    NAT_CLEANED = 'C', /* the STATUS_* fields if an end was recorded; TEXT, ERRNO if it
                          failed */
    /* on disk */
    NAT_RECORD = 'r', /* ID LABEL SANDBOX FLAGS CGROUP... PID START BOOT */
    NAT_STATUS = 's', /* the STATUS_* fields, or FAILED's */
};

enum nat_key {
    NAT_KEY_ID = 1,
    NAT_KEY_STATE_DIR,
    NAT_KEY_SANDBOX,
    NAT_KEY_LABEL,
    NAT_KEY_FLAGS,   /* enum nat_spec_flags */
    NAT_KEY_PROGRAM, /* looked up in PATH of ENV when it has no slash */
    NAT_KEY_ARG,     /* repeated; the first is argv[0] */
    NAT_KEY_ENV,     /* repeated, "NAME=value" */
    NAT_KEY_UID,
    NAT_KEY_GID,
    NAT_KEY_GROUP,   /* repeated */
    NAT_KEY_CGROUP,  /* repeated: 1 byte enum nat_cgroup_flags, absolute path */
    NAT_KEY_SETTING, /* repeated: absolute path, NUL, value: written before the start */
    NAT_KEY_LEAVE,   /* repeated, like CGROUP: where the supervisor itself moves to */
    NAT_KEY_VOLUME,  /* repeated: 1 byte read-only, host path, NUL, container path */
    NAT_KEY_TIMEOUT_MS, /* of NAT_CLEAN: how long to try */
    NAT_KEY_FILES_SOFT, /* RLIMIT_NOFILE of the command */
    NAT_KEY_FILES_HARD,
    NAT_KEY_OUTPUT_MAX, /* bytes of stdout and of stderr that are kept */
    NAT_KEY_SIGNAL = 32,
    NAT_KEY_PID,
    NAT_KEY_TEXT,
    NAT_KEY_ERRNO,
    NAT_KEY_START,            /* field 22 of /proc/PID/stat */
    NAT_KEY_BOOT,             /* /proc/sys/kernel/random/boot_id */
    NAT_KEY_STATUS_WAIT = 48, /* as from waitpid */
    NAT_KEY_STATUS_OOM,
    NAT_KEY_STATUS_ASKED, /* a kill or destroy had been asked for */
    NAT_KEY_STATUS_MEM_LIMIT,
    NAT_KEY_STATUS_MEM_MAX,
    NAT_KEY_STATUS_LEFTOVER, /* 1: a cgroup could not be removed: clean must run */
    NAT_KEY_STATUS_STARTED,  /* of NAT_CLEANED: 1: the command may have run */
};

enum nat_spec_flags {
    NAT_NAMESPACES = 1u << 0, /* it is in PID and mount namespaces of its own */
    NAT_EPHEMERAL = 1u << 1,  /* ends when the plugin's connection ends */
    NAT_REMOVE = 1u << 2,     /* of NAT_CLEAN: the state directory too */
    NAT_FORCE = 1u << 3,      /* of NAT_CLEAN: even a living supervisor */
    NAT_FORKED = 1u << 4,     /* of NAT_RECORD: the command may have run */
    NAT_IN_V2 = 1u << 5,      /* is in its v2 group of LEAVE already */
};

enum nat_cgroup_flags {
    NAT_CGROUP_V2 = 1u << 0,
    NAT_CGROUP_MEMORY = 1u << 1, /* OOM is noticed here */
};

/* A growable frame under construction. Zeroed is empty; failed is sticky (out of memory,
 * or over NAT_FRAME_MAX). */
struct nat_out {
    char *data;
    size_t len, cap;
    bool failed;
};

void nat_out_begin(struct nat_out *o, enum nat_frame_type type); /* drops the old one */
void nat_out_bytes(struct nat_out *o, enum nat_key key, const void *data, size_t len);
void nat_out_text(struct nat_out *o, enum nat_key key, const char *text);
void nat_out_u64(struct nat_out *o, enum nat_key key, uint64_t value);
/* A field of two texts, or of one flag byte and one or two texts (second NULL: one). */
void nat_out_pair(struct nat_out *o,
                  enum nat_key key,
                  const uint8_t *flags,
                  const char *first,
                  const char *second);
bool nat_out_end(struct nat_out *o); /* fills in the length; false if it failed */
void nat_out_release(struct nat_out *o);

struct nat_frame {
    uint8_t type;
    char *body;
    size_t len;
};

/* Take one frame from the front: its whole size, 0 if more bytes are needed, -1 if it is
 * no frame. Borrows data. */
long nat_frame_take(char *data, size_t len, struct nat_frame *out);

struct nat_field {
    uint8_t key;
    size_t len; /* without the NUL */
    char *data;
};

/* Walk the fields: *at starts at 0. 1: *out is the next, 0: no more, -1: damaged. */
int nat_field_next(const struct nat_frame *f, size_t *at, struct nat_field *out);
uint64_t nat_field_u64(const struct nat_field *f); /* 0 if its size is wrong */
/* The second text of a pair, or NULL. skip: 1 if a flag byte comes first, else 0. */
char *nat_field_second(const struct nat_field *f, size_t skip);

#endif
