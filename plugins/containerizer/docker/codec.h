/* The JSON of the Engine API, both ways. Only codec*.c know jansson.
 *
 * Decoders take what the engine may leave out (that differs between its versions) as
 * empty and refuse what has the wrong shape. Loop thread.
 */
#ifndef DKR_CODEC_H
#define DKR_CODEC_H

#include <muster/buf.h>
#include <muster/kind/containerizer.h>

#include "fields.h"

enum {
    DKR_ENGINE_ID_SIZE = 72, /* 64 hex digits and NUL, with room */
    DKR_TEXT_SIZE = 512,     /* the engine's messages, cut */
};

/* ---- requests ---- */

/* The body of "create container", members in the order of the fields. The caller frees
 * *out_json. MU_E_INVALID: a text is not UTF-8, or fields contradict each other. */
MU_NODISCARD int
dkr_encode_create(const struct dkr_fields *fields, char **out_json, struct mu_error *err);
/* The body of "update container": the HostConfig fields without that prefix. */
MU_NODISCARD int
dkr_encode_update(const struct dkr_fields *fields, char **out_json, struct mu_error *err);
/* {"label":["key=value"]}, for the filters of a list; the caller frees. NULL: value is
 * not UTF-8. */
char *dkr_encode_label_filter(const char *key, const char *value);

/* ---- answers ---- */

struct dkr_version {
    unsigned newest, oldest; /* 141 is 1.41; oldest 0: not said */
    char engine[64];         /* "20.10.24" */
};

struct dkr_inspect {
    char id[DKR_ENGINE_ID_SIZE];
    bool is_ours; /* carries the label of this agent */
    char container_id[sizeof(struct mu_container_id)]; /* our id, "" none */
    bool is_running, was_started, oom;
    int64_t pid, exit_code;
    char error[DKR_TEXT_SIZE];
    char ip[46];
};

struct dkr_listed {
    char id[DKR_ENGINE_ID_SIZE];
    char container_id[sizeof(struct mu_container_id)]; /* "" when it has no such label */
    bool is_running;
};

struct dkr_list {
    struct dkr_listed *v;
    size_t count;
};

struct dkr_pull_record {
    char status[128], layer[64];
    int64_t current, total;    /* of that layer; total 0: not said */
    char error[DKR_TEXT_SIZE]; /* "" none */
};

MU_NODISCARD int dkr_decode_version(const char *body,
                                    size_t len,
                                    struct dkr_version *out,
                                    struct mu_error *err);
MU_NODISCARD int dkr_decode_created(const char *body,
                                    size_t len,
                                    char out_id[DKR_ENGINE_ID_SIZE],
                                    struct mu_error *err);
MU_NODISCARD int dkr_decode_inspect(const char *body,
                                    size_t len,
                                    const char *agent_label,
                                    struct dkr_inspect *out,
                                    struct mu_error *err);
/* *out_code is the exit status of the container. */
MU_NODISCARD int
dkr_decode_wait(const char *body, size_t len, int64_t *out_code, struct mu_error *err);
/* Release out->v with free(). */
MU_NODISCARD int
dkr_decode_list(const char *body, size_t len, struct dkr_list *out, struct mu_error *err);
MU_NODISCARD int dkr_decode_usage(const char *body,
                                  size_t len,
                                  struct mu_container_usage *out,
                                  struct mu_error *err);
MU_NODISCARD int dkr_decode_pull_record(const char *record,
                                        size_t len,
                                        struct dkr_pull_record *out,
                                        struct mu_error *err);
/* The engine's own words in an error answer, in one line; never empty. */
void dkr_decode_error(int http_status,
                      const char *body,
                      size_t len,
                      char out[DKR_TEXT_SIZE]);

#endif
