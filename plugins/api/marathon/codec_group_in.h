/* A group in a request: a tree of apps, flattened. For codecs and handlers: no JSON
 * library shows. */
#ifndef MRT_CODEC_GROUP_IN_H
#define MRT_CODEC_GROUP_IN_H

#include "codec_request.h"

/* One group that the body names, with what it says about its members. */
struct mrt_group_node {
    char *path;
    bool has_apps, has_groups; /* the list is there: what it does not name goes */
};

struct mrt_group { /* zeroed: nothing */
    char *path;    /* of the outermost */
    bool scale_by, roll_back;
    double factor;
    char *version; /* a timestamp's text */
    struct mrt_group_node *nodes;
    size_t node_count, node_cap;
    const struct mu_app **apps; /* owned references, sorted by id */
    size_t app_count, app_cap;
};

struct mrt_group_source {
    const char *path; /* that the URL names, absolute */
    bool create;      /* the body's id is relative to path, which it also defaults to;
                         else it may only repeat path */
    const char *scheduler_role; /* as in struct mrt_app_source */
};
/* Base definitions are not used: an app in a group is always given whole. False with
 * problems; release out in any case. */
bool mrt_group_decode(const struct mrt_body *b,
                      const struct mrt_group_source *source,
                      struct mrt_group *out,
                      struct mrt_problems *problems);
/* Does an existing app go when the group is replaced by this? False for apps that are in
 * it, or outside of it. */
bool mrt_group_drops(const struct mrt_group *g, const char *app_id);
void mrt_group_release(struct mrt_group *g);

#endif
