/* What a request says beside its path and body: query parameters, Accept. Pure. */
#ifndef MRT_ARGUMENTS_H
#define MRT_ARGUMENTS_H

#include <muster/http.h>

/* ?force, ?force=true, ?force=True, ?force=1: true. Absent: fallback. All else: false. */
bool mrt_query_flag(const struct mu_http_request *req, const char *name, bool fallback);
/* Does one of the parameters of that name have this value? */
bool mrt_query_has(const struct mu_http_request *req,
                   const char *name,
                   const char *value);

enum mrt_form { MRT_FORM_JSON, MRT_FORM_TEXT };
/* text/plain if Accept prefers it; JSON where it does not matter. */
enum mrt_form mrt_accepted_form(const struct mu_http_request *req);
/* Accept names text/event-stream, or is as wide as curl's. */
bool mrt_accepts_events(const struct mu_http_request *req);

/* Additions to an app: what `embed` asks for, each with the prefixes given ("apps.",
 * "app.", "group.apps."; NULL-ended; "" for none). */
enum mrt_embed {
    MRT_EMBED_TASKS = 1u << 0,
    MRT_EMBED_COUNTS = 1u << 1,
    MRT_EMBED_DEPLOYMENTS = 1u << 2,
    MRT_EMBED_LAST_FAILURE = 1u << 3,
    MRT_EMBED_TASK_STATS = 1u << 4,
    MRT_EMBED_READINESS = 1u << 5,
};
uint32_t mrt_query_embed(const struct mu_http_request *req, const char *const *prefixes);
/* "127.0.0.1:4711" -> "127.0.0.1", "[::1]:5" -> "::1" */
void mrt_peer_ip(const char *peer, char *out, size_t cap);

#endif
