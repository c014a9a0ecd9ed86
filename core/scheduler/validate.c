/* Rules of the whole tree: apps and groups share no path, no app depends on itself. Only
 * what changes is looked at: every new violation goes through a change.
 */
#include <string.h>

#include "scheduler/internal.h"

static const struct scheduler_change *
find_change(const struct scheduler_change *changes, size_t count, const char *id)
{
    for (size_t low = 0, high = count; low < high;) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(changes[mid].app_id, id);
        if (order == 0) {
            return &changes[mid];
        }
        if (order < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return NULL;
}

static bool will_exist(const struct scheduler *s,
                       const struct scheduler_change *changes,
                       size_t count,
                       const char *id)
{
    const struct scheduler_change *c = find_change(changes, count, id);
    return c != NULL ? c->to != NULL : mu_omap_get(&s->tree, id) != NULL;
}

/* Is one of the groups above id an app? */
static bool below_an_app(const struct scheduler *s,
                         const struct scheduler_change *changes,
                         size_t count,
                         const char *id)
{
    mu_auto_free char *above = mu_xstrdup(id);
    for (char *slash = strrchr(above, '/'); slash != NULL && slash != above;
         slash = strrchr(above, '/')) {
        *slash = '\0';
        if (will_exist(s, changes, count, above)) {
            return true;
        }
    }
    return false;
}

/* Is id a group already? (new ids below it are caught by below_an_app of those) */
static bool above_an_app(const struct scheduler *s,
                         const struct scheduler_change *changes,
                         size_t count,
                         const char *id)
{
    mu_auto_free char *prefix = mu_xasprintf("%s/", id);
    size_t len = strlen(prefix);
    for (const struct mu_omap_entry *e = mu_omap_lower_bound(&s->tree, prefix);
         e != NULL && strncmp(e->key, prefix, len) == 0; e = e->next) {
        if (will_exist(s, changes, count, e->key)) {
            return true;
        }
    }
    return false;
}

int tree_check(const struct scheduler *s,
               const struct scheduler_change *changes,
               size_t count,
               const char **out_path,
               struct mu_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const char *id = changes[i].app_id;
        if (changes[i].to == NULL) {
            continue;
        }
        *out_path = "/id";
        if (id[0] != '/' || strlen(id) < 2) {
            return mu_fail(err, MU_E_INVALID, "app id '%.200s' is not an absolute path",
                           id);
        }
        if (strlen(id) > SCHED_APP_ID_MAX) {
            return mu_fail(err, MU_E_INVALID, "app id is longer than %u bytes",
                           SCHED_APP_ID_MAX);
        }
        if (changes[i].from == NULL && (below_an_app(s, changes, count, id) ||
                                        above_an_app(s, changes, count, id))) {
            return mu_fail(err, MU_E_INVALID,
                           "Groups and Applications may not have the same identifier.");
        }
    }
    *out_path = "/dependencies";
    struct planner_input in = {
        .tree = &s->tree, .changes = changes, .change_count = count};
    if (planner_find_cycle(&in) != NULL) {
        return mu_fail(err, MU_E_INVALID, "Dependency graph has cyclic dependencies.");
    }
    *out_path = NULL;
    return 0;
}
