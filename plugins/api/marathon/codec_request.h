/* A request's body, parsed once and asked several times: handlers see no JSON library.
 *
 * A body is one object, or a list of them; `index` says which element is meant, MRT_WHOLE
 * the object itself. What is wrong is collected as problems (problems.h). */
#ifndef MRT_CODEC_REQUEST_H
#define MRT_CODEC_REQUEST_H

#include <muster/app.h>

#include "problems.h"

struct mrt_body; /* opaque */

#define MRT_WHOLE ((size_t)-1)

/* NULL: not JSON, err has the parser's words. Free it with mrt_body_free (takes NULL). */
struct mrt_body *mrt_body_parse(const char *text, size_t len, struct mu_error *err);
void mrt_body_free(struct mrt_body *b);
bool mrt_body_is_list(const struct mrt_body *b);
size_t mrt_body_count(const struct mrt_body *b); /* elements of a list, else 1 */

/* What a definition is based on. */
struct mrt_app_source {
    const struct mu_app *base;  /* keeps what the body leaves out; NULL: defaults */
    const char *id;             /* absolute, from the URL; NULL: the body's */
    const char *group;          /* ids are relative to it; NULL: to the root */
    const char *scheduler_role; /* what `role` may be beside "*"; NULL: not known */
};

/* A new definition (refs 1): the base with what the body says put over it, member by
 * member. Only good when there are no problems. Never NULL. */
struct mu_app *mrt_request_app(const struct mrt_body *b,
                               size_t index,
                               const struct mrt_app_source *source,
                               struct mrt_problems *problems);
/* The element's own id, made absolute; false when it has none (or none of use: decoding
 * it will say so). out: MU_APP_ID_MAX bytes. */
bool mrt_request_id(const struct mrt_body *b, size_t index, char *out);

enum mrt_version_use {
    MRT_VERSION_NONE,
    MRT_VERSION_ALONE,  /* {"version": T} with or without "id": go back to it */
    MRT_VERSION_BESIDE, /* beside other members */
};
/* out_text is borrowed from the body. */
enum mrt_version_use
mrt_request_version(const struct mrt_body *b, size_t index, const char **out_text);
/* {"ids": [...]} of a kill; false with problems. */
bool mrt_request_ids(const struct mrt_body *b,
                     struct mu_strings *out,
                     struct mrt_problems *problems);
/* {"instances": n} of /v1/apps/scale; false with problems. */
bool mrt_request_instances(const struct mrt_body *b,
                           int64_t *out,
                           struct mrt_problems *problems);

#endif
