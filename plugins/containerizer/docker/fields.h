/* An ordered list of assignments that describes the body of a "create container" call
 * without any JSON: spec.c and params.c write it, codec.c turns it into JSON.
 *
 * A path is a chain of member names with dots, from the top of the body. Three segments
 * are special: "+" appends to an array, "$" is the array's last element, "*" is the
 * member named by `key` (which may have dots in it):
 *
 *     HostConfig.Memory                      = 67108864
 *     HostConfig.Ulimits.+.Name              = "nofile"
 *     HostConfig.Ulimits.$.Soft              = 1024
 *     HostConfig.PortBindings.*.+.HostPort   = "31000"   key "80/tcp"
 *
 * A later assignment of the same plain path wins. The list owns its texts. Loop thread.
 */
#ifndef DKR_FIELDS_H
#define DKR_FIELDS_H

#include <muster/abi.h>

enum dkr_field_type {
    DKR_FIELD_STRING,
    DKR_FIELD_INT,
    DKR_FIELD_BOOL,
    DKR_FIELD_EMPTY_OBJECT,
};

struct dkr_field {
    enum dkr_field_type type;
    const char *path; /* a constant of the program */
    char *key;        /* what "*" in path stands for; NULL when there is none */
    char *text;       /* DKR_FIELD_STRING */
    int64_t number;   /* DKR_FIELD_INT, DKR_FIELD_BOOL */
};

struct dkr_fields {
    struct dkr_field *v;
    size_t count, cap;
};

void dkr_fields_release(struct dkr_fields *f); /* takes a zeroed struct, leaves one */

/* Paths are kept as pointers: pass constants. key is NULL for a path without "*". */
void dkr_fields_string(struct dkr_fields *f,
                       const char *path,
                       const char *key,
                       const char *text);
void dkr_fields_int(struct dkr_fields *f, const char *path, int64_t number);
void dkr_fields_bool(struct dkr_fields *f, const char *path, bool value);
void dkr_fields_empty(struct dkr_fields *f, const char *path, const char *key);

/* Drop everything assigned at path or below it. */
void dkr_fields_unset(struct dkr_fields *f, const char *path);
/* The last assignment of exactly this path, NULL if none. */
const struct dkr_field *dkr_fields_find(const struct dkr_fields *f, const char *path);

#endif
