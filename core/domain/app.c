/* The app definition: defaults, copies, comparison.
 *
 * Every member must be in four places: release, clone, same_config and (if its default is
 * not zero) create; the unit test of app.c changes each member in turn to find one that
 * is not.
 */
#include <muster/app.h>

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "domain/texts.h"

struct mu_app *mu_app_create(void)
{
    struct mu_app *a = MU_NEW(struct mu_app);
    a->refs = 1;
    a->instances = 1;
    a->cpus_milli = 1000;
    a->mem_milli = 128000;
    a->executor = mu_xstrdup("");
    a->network_mode = MU_APP_NET_HOST;
    a->upgrade =
        (struct mu_upgrade_strategy){.min_health_ppm = 1000000, .max_over_ppm = 1000000};
    a->backoff_ms = 1000;
    a->backoff_factor_milli = 1150;
    a->max_launch_delay_ms = 300000;
    return a;
}

/* Shared objects are const for everybody but their counter. */
static struct mu_app *counted(const struct mu_app *a)
{
    MU_PRE(a->refs > 0);
    return (struct mu_app *)(uintptr_t)a;
}

struct mu_app *mu_app_ref(const struct mu_app *a)
{
    counted(a)->refs++;
    return counted(a);
}

void mu_app_clear_ports(struct mu_app *a)
{
    for (size_t i = 0; i < a->port_count; i++) {
        free(a->ports[i].protocol);
        free(a->ports[i].name);
        mu_pairs_release(&a->ports[i].labels);
    }
    free(a->ports);
    a->ports = NULL;
    a->port_count = 0;
    for (size_t i = 0; i < a->mapping_count; i++) {
        free(a->mappings[i].protocol);
        free(a->mappings[i].name);
        mu_pairs_release(&a->mappings[i].labels);
        mu_strings_release(&a->mappings[i].network_names);
    }
    free(a->mappings);
    a->mappings = NULL;
    a->mapping_count = 0;
}

void mu_app_clear_constraints(struct mu_app *a)
{
    for (size_t i = 0; i < a->constraint_count; i++) {
        free(a->constraints[i].field);
        free(a->constraints[i].value);
    }
    free(a->constraints);
    a->constraints = NULL;
    a->constraint_count = 0;
}

struct mu_port_definition *mu_app_add_port(struct mu_app *a)
{
    a->ports = mu_xrealloc_array(a->ports, a->port_count + 1, sizeof(*a->ports));
    struct mu_port_definition *added = &a->ports[a->port_count++];
    *added = (struct mu_port_definition){0};
    return added;
}

struct mu_app_port_mapping *mu_app_add_mapping(struct mu_app *a)
{
    a->mappings =
        mu_xrealloc_array(a->mappings, a->mapping_count + 1, sizeof(*a->mappings));
    struct mu_app_port_mapping *added = &a->mappings[a->mapping_count++];
    *added = (struct mu_app_port_mapping){0};
    return added;
}

struct mu_constraint *mu_app_add_constraint(struct mu_app *a)
{
    a->constraints = mu_xrealloc_array(a->constraints, a->constraint_count + 1,
                                       sizeof(*a->constraints));
    struct mu_constraint *added = &a->constraints[a->constraint_count++];
    *added = (struct mu_constraint){0};
    return added;
}

void mu_app_unref(const struct mu_app *a)
{
    if (a == NULL) {
        return;
    }
    struct mu_app *own = counted(a);
    own->refs--;
    if (own->refs > 0) {
        return;
    }
    free(own->id);
    free(own->cmd);
    free(own->user);
    free(own->executor);
    free(own->image);
    free(own->role);
    free(own->extra_json);
    mu_strings_release(&own->args);
    mu_strings_release(&own->network_names);
    mu_strings_release(&own->dependencies);
    mu_strings_release(&own->accepted_roles);
    mu_pairs_release(&own->env);
    mu_pairs_release(&own->labels);
    mu_pairs_release(&own->parameters);
    mu_uris_release(&own->fetch);
    mu_volumes_release(&own->volumes);
    mu_app_clear_ports(own);
    mu_app_clear_constraints(own);
    free(own);
}

static void clone_lists(struct mu_app *dst, const struct mu_app *src)
{
    for (size_t i = 0; i < src->constraint_count; i++) {
        struct mu_constraint *c = mu_app_add_constraint(dst);
        c->field = mu_xstrdup(src->constraints[i].field);
        c->op = src->constraints[i].op;
        c->value = mu_xstrdup(src->constraints[i].value);
    }
    for (size_t i = 0; i < src->port_count; i++) {
        const struct mu_port_definition *from = &src->ports[i];
        struct mu_port_definition *p = mu_app_add_port(dst);
        p->port = from->port;
        p->protocol = mu_xstrdup(from->protocol);
        p->name = mu_xstrdup(from->name);
        mu_pairs_copy(&p->labels, &from->labels);
    }
    for (size_t i = 0; i < src->mapping_count; i++) {
        const struct mu_app_port_mapping *from = &src->mappings[i];
        struct mu_app_port_mapping *m = mu_app_add_mapping(dst);
        m->container_port = from->container_port;
        m->has_host_port = from->has_host_port;
        m->host_port = from->host_port;
        m->service_port = from->service_port;
        m->protocol = mu_xstrdup(from->protocol);
        m->name = mu_xstrdup(from->name);
        mu_pairs_copy(&m->labels, &from->labels);
        mu_strings_copy(&m->network_names, &from->network_names);
    }
}

/* Members that own memory start empty here and are copied one by one below. */
static struct mu_app *clone_plain(const struct mu_app *src)
{
    struct mu_app *a = mu_xmemdup(src, sizeof(*src));
    a->refs = 1;
    a->id = a->cmd = a->user = a->executor = NULL;
    a->image = a->role = a->extra_json = NULL;
    a->args = a->network_names = a->dependencies = (struct mu_strings){0};
    a->accepted_roles = (struct mu_strings){0};
    a->env = a->labels = a->parameters = (struct mu_pairs){0};
    a->fetch = (struct mu_uris){0};
    a->volumes = (struct mu_volumes){0};
    a->constraints = NULL;
    a->ports = NULL;
    a->mappings = NULL;
    a->constraint_count = a->port_count = a->mapping_count = 0;
    return a;
}

struct mu_app *mu_app_clone(const struct mu_app *src)
{
    struct mu_app *a = clone_plain(src);
    a->id = mu_xstrdup(src->id);
    a->cmd = mu_xstrdup(src->cmd);
    a->user = mu_xstrdup(src->user);
    a->executor = mu_xstrdup(src->executor);
    a->image = mu_xstrdup(src->image);
    a->role = mu_xstrdup(src->role);
    a->extra_json = mu_xstrdup(src->extra_json);
    mu_strings_copy(&a->args, &src->args);
    mu_strings_copy(&a->network_names, &src->network_names);
    mu_strings_copy(&a->dependencies, &src->dependencies);
    mu_strings_copy(&a->accepted_roles, &src->accepted_roles);
    mu_pairs_copy(&a->env, &src->env);
    mu_pairs_copy(&a->labels, &src->labels);
    mu_pairs_copy(&a->parameters, &src->parameters);
    mu_uris_copy(&a->fetch, &src->fetch);
    mu_volumes_copy(&a->volumes, &src->volumes);
    clone_lists(a, src);
    return a;
}

static bool same_constraints(const struct mu_app *a, const struct mu_app *b)
{
    if (a->constraint_count != b->constraint_count) {
        return false;
    }
    for (size_t i = 0; i < a->constraint_count; i++) {
        const struct mu_constraint *x = &a->constraints[i];
        const struct mu_constraint *y = &b->constraints[i];
        if (x->op != y->op || !texts_equal(x->field, y->field) ||
            !texts_equal(x->value, y->value)) {
            return false;
        }
    }
    return true;
}

static bool same_ports(const struct mu_app *a, const struct mu_app *b)
{
    if (a->port_count != b->port_count) {
        return false;
    }
    for (size_t i = 0; i < a->port_count; i++) {
        const struct mu_port_definition *x = &a->ports[i];
        const struct mu_port_definition *y = &b->ports[i];
        if (x->port != y->port || !texts_equal(x->protocol, y->protocol) ||
            !texts_equal(x->name, y->name) || !mu_pairs_equal(&x->labels, &y->labels)) {
            return false;
        }
    }
    return true;
}

static bool same_mappings(const struct mu_app *a, const struct mu_app *b)
{
    if (a->mapping_count != b->mapping_count) {
        return false;
    }
    for (size_t i = 0; i < a->mapping_count; i++) {
        const struct mu_app_port_mapping *x = &a->mappings[i];
        const struct mu_app_port_mapping *y = &b->mappings[i];
        if (x->container_port != y->container_port ||
            x->has_host_port != y->has_host_port || x->host_port != y->host_port ||
            x->service_port != y->service_port ||
            !texts_equal(x->protocol, y->protocol) || !texts_equal(x->name, y->name) ||
            !mu_pairs_equal(&x->labels, &y->labels) ||
            !mu_strings_equal(&x->network_names, &y->network_names)) {
            return false;
        }
    }
    return true;
}

static bool same_command(const struct mu_app *a, const struct mu_app *b)
{
    return texts_equal(a->id, b->id) && texts_equal(a->cmd, b->cmd) &&
           a->has_args == b->has_args && mu_strings_equal(&a->args, &b->args) &&
           texts_equal(a->user, b->user) && mu_pairs_equal(&a->env, &b->env) &&
           mu_pairs_equal(&a->labels, &b->labels) &&
           texts_equal(a->executor, b->executor) && mu_uris_equal(&a->fetch, &b->fetch);
}

static bool same_demand(const struct mu_app *a, const struct mu_app *b)
{
    return a->cpus_milli == b->cpus_milli && a->mem_milli == b->mem_milli &&
           a->disk_milli == b->disk_milli && a->gpus == b->gpus &&
           same_constraints(a, b) && a->has_accepted_roles == b->has_accepted_roles &&
           mu_strings_equal(&a->accepted_roles, &b->accepted_roles) &&
           texts_equal(a->role, b->role);
}

static bool same_network(const struct mu_app *a, const struct mu_app *b)
{
    return a->network_mode == b->network_mode &&
           mu_strings_equal(&a->network_names, &b->network_names) && same_ports(a, b) &&
           a->require_ports == b->require_ports && same_mappings(a, b);
}

static bool same_container(const struct mu_app *a, const struct mu_app *b)
{
    return a->has_container == b->has_container &&
           a->container_type == b->container_type && texts_equal(a->image, b->image) &&
           a->force_pull == b->force_pull && a->privileged == b->privileged &&
           texts_pairs_same_order(&a->parameters, &b->parameters) &&
           mu_volumes_equal(&a->volumes, &b->volumes);
}

static bool same_policy(const struct mu_app *a, const struct mu_app *b)
{
    const struct mu_unreachable_strategy *x = &a->unreachable;
    const struct mu_unreachable_strategy *y = &b->unreachable;
    return mu_strings_equal(&a->dependencies, &b->dependencies) &&
           a->upgrade.min_health_ppm == b->upgrade.min_health_ppm &&
           a->upgrade.max_over_ppm == b->upgrade.max_over_ppm &&
           a->backoff_ms == b->backoff_ms &&
           a->max_launch_delay_ms == b->max_launch_delay_ms &&
           a->backoff_factor_milli == b->backoff_factor_milli &&
           a->has_kill_grace == b->has_kill_grace &&
           a->kill_grace_ms == b->kill_grace_ms && x->disabled == y->disabled &&
           x->inactive_after_ms == y->inactive_after_ms &&
           x->expunge_after_ms == y->expunge_after_ms &&
           a->kill_oldest_first == b->kill_oldest_first;
}

bool mu_app_same_config(const struct mu_app *a, const struct mu_app *b)
{
    return same_command(a, b) && same_demand(a, b) && same_network(a, b) &&
           same_container(a, b) && same_policy(a, b) &&
           texts_equal(a->extra_json, b->extra_json);
}
