/* Command-line flags as tables, for core and plugins alike; values are read through typed
 * getters.
 *
 * Names are lower-case with underscores, as in Mesos; hyphens on the command line are
 * taken as the same. A plugin's flag `wait` of plugin `zk` is `--zk_wait`; a flag marked
 * MU_FLAG_GLOBAL_NAME keeps its bare name (for names that Mesos users know). Order of
 * sources: command line, environment MUSTER_<NAME>, default. A value `file:///path` is
 * read from that file.
 */
#ifndef MU_FLAG_H
#define MU_FLAG_H

#include <muster/error.h>

MU_EXTERN_C_BEGIN

enum mu_flag_type {
    MU_FLAG_STRING = 1,
    MU_FLAG_BOOL,     /* --x, --no-x, --x=true|false|1|0 */
    MU_FLAG_INT,      /* int64 */
    MU_FLAG_BYTES,    /* 64MB; getter gives bytes */
    MU_FLAG_DURATION, /* 10secs; getter gives ms */
    MU_FLAG_LIST,     /* a,b,c */
};

enum mu_flag_bits {
    MU_FLAG_REQUIRED = 1u << 0,
    MU_FLAG_SECRET = 1u << 1, /* redacted wherever it is shown */
    MU_FLAG_REPEATABLE = 1u << 2,
    MU_FLAG_HIDDEN = 1u << 3,
    MU_FLAG_DEPRECATED = 1u << 4,
    MU_FLAG_GLOBAL_NAME = 1u << 5, /* plugin flags: no plugin prefix */
};

struct mu_flag {
    const char *name;
    uint32_t type, bits;
    const char *default_text; /* NULL: unset */
    const char *value_name;   /* in --help: --name=VALUE_NAME; NULL: by type */
    const char *help;         /* one or more sentences, with units */
};

struct mu_flags; /* the parsed values, opaque; the host gives a plugin a view in which its
                    own short names work */

/* Getters assert that the flag exists in the table and has the type. Strings are borrowed
 * from the values. */
MU_API const char *mu_flags_string(const struct mu_flags *f,
                                   const char *name); /* NULL: unset */
MU_API bool mu_flags_bool(const struct mu_flags *f, const char *name);
MU_API int64_t mu_flags_int(const struct mu_flags *f, const char *name);
MU_API uint64_t mu_flags_bytes(const struct mu_flags *f, const char *name);
MU_API uint64_t mu_flags_duration_ms(const struct mu_flags *f, const char *name);
MU_API size_t mu_flags_list(const struct mu_flags *f,
                            const char *name,
                            const char *const **out_items);
MU_API bool mu_flags_is_set(const struct mu_flags *f,
                            const char *name); /* by the user, not by default */

MU_EXTERN_C_END
#endif
