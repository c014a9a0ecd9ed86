/* See matcher.h. Maintenance windows, reservations and scarce resources are not known
 * here yet; their places in the order of reasons are kept.
 */
#include "scheduler/matcher.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

static const char *const reason_names[MATCH_REASON_COUNT] = {
    [MATCH_ROLE] = "UnfulfilledRole",
    [MATCH_CONSTRAINT] = "UnfulfilledConstraint",
    [MATCH_RESERVATION] = "NoCorrespondingReservationFound",
    [MATCH_MAINTENANCE] = "AgentMaintenance",
    [MATCH_CPUS] = "InsufficientCpus",
    [MATCH_MEMORY] = "InsufficientMemory",
    [MATCH_DISK] = "InsufficientDisk",
    [MATCH_GPUS] = "InsufficientGpus",
    [MATCH_PORTS] = "InsufficientPorts",
    [MATCH_SCARCE] = "DeclinedScarceResources",
};

const char *match_reason_name(enum match_reason r)
{
    MU_PRE(r < MATCH_REASON_COUNT);
    return reason_names[r];
}

static void roles_of(const struct match_request *in, struct mu_strings *out)
{
    if (in->app->has_accepted_roles) {
        mu_strings_copy(out, &in->app->accepted_roles);
        return;
    }
    const char *role = in->app->role != NULL ? in->app->role : in->role;
    if (strcmp(role, "*") != 0) {
        mu_strings_add(out, role);
    }
    mu_strings_add(out, "*");
}

static bool has_role(const struct mu_resources *free, const struct mu_strings *roles)
{
    for (size_t i = 0; i < free->count; i++) {
        if (roles_accept(roles, free->v[i].role)) {
            return true;
        }
    }
    return false;
}

static int64_t available(const struct mu_resources *free,
                         const struct mu_strings *roles,
                         const char *name)
{
    int64_t sum = 0;
    for (size_t i = 0; i < free->count; i++) {
        const struct mu_resource *r = &free->v[i];
        if (r->type == MU_VALUE_SCALAR && strcmp(r->name, name) == 0 &&
            roles_accept(roles, r->role) &&
            __builtin_add_overflow(sum, r->scalar_milli, &sum)) {
            return INT64_MAX;
        }
    }
    return sum;
}

/* Reserved first: unreserved resources are of use to everybody else too. */
static void take_scalar(const struct match_request *in,
                        const struct mu_strings *roles,
                        const char *name,
                        int64_t wanted,
                        struct mu_resources *out)
{
    for (int unreserved = 0; unreserved <= 1; unreserved++) {
        for (size_t i = 0; i < in->free->count && wanted > 0; i++) {
            const struct mu_resource *r = &in->free->v[i];
            if (r->type != MU_VALUE_SCALAR || strcmp(r->name, name) != 0 ||
                !roles_accept(roles, r->role) ||
                (strcmp(r->role, "*") == 0) != (unreserved == 1)) {
                continue;
            }
            int64_t part = r->scalar_milli < wanted ? r->scalar_milli : wanted;
            int rc = mu_resources_add_scalar(out, name, r->role, part, NULL);
            MU_ASSERT(rc == 0);
            wanted -= part;
        }
    }
}

static void milli_text(int64_t milli, char out[32])
{
    (void)snprintf(out, 32, "%" PRId64 ".%03d", milli / 1000, (int)(milli % 1000));
    size_t len = strlen(out);
    while (out[len - 1] == '0') {
        out[--len] = '\0';
    }
    if (out[len - 1] == '.') {
        out[len - 1] = '\0';
    }
}

static void refuse(struct match_result *out, enum match_reason reason, const char *text)
{
    out->reason = reason;
    (void)snprintf(out->text, sizeof(out->text), "%s", text);
}

static bool match_scalars(const struct match_request *in,
                          const struct mu_strings *roles,
                          struct match_result *out)
{
    const struct {
        enum match_reason reason;
        const char *name;
        int64_t wanted;
    } scalars[] = {
        {MATCH_CPUS, "cpus", in->app->cpus_milli},
        {MATCH_MEMORY, "mem", in->app->mem_milli},
        {MATCH_DISK, "disk", in->app->disk_milli},
        {MATCH_GPUS, "gpus", (int64_t)in->app->gpus * 1000},
    };
    for (size_t i = 0; i < sizeof(scalars) / sizeof(scalars[0]); i++) {
        int64_t there = available(in->free, roles, scalars[i].name);
        if (there < scalars[i].wanted) {
            char want[32], have[32], text[160];
            milli_text(scalars[i].wanted, want);
            milli_text(there, have);
            (void)snprintf(text, sizeof(text), "%s: %s wanted, %s offered by %s",
                           scalars[i].name, want, have, in->place.host);
            refuse(out, scalars[i].reason, text);
            return false;
        }
        take_scalar(in, roles, scalars[i].name, scalars[i].wanted, &out->resources);
    }
    return true;
}

static bool match_constraints(const struct match_request *in, struct match_result *out)
{
    for (size_t i = 0; i < in->app->constraint_count; i++) {
        const struct mu_constraint *c = &in->app->constraints[i];
        if (!constraint_allows(c, in->app->instances, &in->place, in->placed,
                               in->placed_count)) {
            char text[160];
            (void)snprintf(text, sizeof(text), "constraint %.40s %s %.40s not met by %s",
                           c->field, constraint_op_name(c->op),
                           c->value != NULL ? c->value : "", in->place.host);
            refuse(out, MATCH_CONSTRAINT, text);
            return false;
        }
    }
    return true;
}

static bool match_ports(const struct match_request *in,
                        const struct mu_strings *roles,
                        struct mu_prng *prng,
                        struct match_result *out)
{
    struct mu_error err;
    if (ports_pick(in->app, in->free, roles, prng, &out->ports, &err) != 0) {
        char text[160];
        (void)snprintf(text, sizeof(text), "ports: %.80s by %s", err.text,
                       in->place.host);
        refuse(out, MATCH_PORTS, text);
        return false;
    }
    int rc = mu_resources_add(&out->resources, &out->ports.taken, NULL);
    MU_ASSERT(rc == 0);
    return true;
}

void match_offer(const struct match_request *in,
                 struct mu_prng *prng,
                 struct match_result *out)
{
    *out = (struct match_result){0};
    struct mu_strings roles = {0};
    roles_of(in, &roles);
    if (!has_role(in->free, &roles)) {
        char text[160];
        (void)snprintf(text, sizeof(text), "role: %s offered nothing of an accepted role",
                       in->place.host);
        refuse(out, MATCH_ROLE, text);
    } else {
        out->matched = match_constraints(in, out) && match_scalars(in, &roles, out) &&
                       match_ports(in, &roles, prng, out);
    }
    mu_strings_release(&roles);
    if (!out->matched) {
        mu_resources_release(&out->resources);
        ports_pick_release(&out->ports);
    }
}

void match_result_release(struct match_result *r)
{
    mu_resources_release(&r->resources);
    ports_pick_release(&r->ports);
    *r = (struct match_result){0};
}
