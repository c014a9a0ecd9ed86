/* Ids are one-member structs, so that the compiler refuses an agent id where a task id is
 * meant.
 *
 * Forms as in Mesos: master "<uuid>", agent "<master>-S<n>", offer "<master>-O<n>",
 * framework "<master>-%04d", container "<uuid>". A task id is the framework's
 * choice: 1..255 bytes, no '/', no control characters, not "." or "..". A zeroed struct
 * means "none".
 */
#ifndef MU_IDS_H
#define MU_IDS_H

#include <muster/error.h>

MU_EXTERN_C_BEGIN

#define MU_ID_MAX 256   /* bytes incl. NUL, task ids and foreign framework ids */
#define MU_UUID_TEXT 37 /* bytes incl. NUL */

struct mu_master_id {
    char s[MU_UUID_TEXT];
};
struct mu_agent_id {
    char s[64];
};
struct mu_offer_id {
    char s[64];
};
struct mu_framework_id {
    char s[MU_ID_MAX];
};
struct mu_task_id {
    char s[MU_ID_MAX];
};
struct mu_container_id {
    char s[64];
};
struct mu_uuid {
    char s[MU_UUID_TEXT];
};

/* 0, or MU_E_INVALID with a text that names what (for example "task id") is wrong. out is
 * any of the structs' s with its size. */
MU_API MU_NODISCARD int mu_id_parse(
    const char *what, const char *text, char *out, size_t out_size, struct mu_error *err);
#define MU_ID_SET(id_ptr, what, text, err)                                               \
    mu_id_parse((what), (text), (id_ptr)->s, sizeof((id_ptr)->s), (err))
#define MU_ID_EMPTY(id) ((id).s[0] == '\0')

/* A random (version 4) uuid from two random numbers. */
MU_API void mu_uuid_make(uint64_t r1, uint64_t r2, struct mu_uuid *out);
/* A version 1 style uuid: time-ordered by wall_ms and seq within a millisecond, node bits
 * from r. For task ids as Marathon makes them. */
MU_API void
mu_uuid_make_time(int64_t wall_ms, uint32_t seq, uint64_t r, struct mu_uuid *out);

MU_EXTERN_C_END
#endif
