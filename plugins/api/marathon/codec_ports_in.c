/* Ports of an app: numbers (`ports`), definitions (host network), mappings (the others).
 *
 * `ports` is the old spelling of the same thing and comes back beside the new one in
 * every answer. With both in one body, the one that differs from what is stored is the
 * change; only if both do and disagree it is a problem. */
#include "codec_network.h"

#include <stdio.h>
#include <string.h>

enum { PORTS_MAX = 256 };

struct numbers {
    uint16_t v[PORTS_MAX];
    size_t count;
    bool given;
};

/* Everything below compares each with each. */
static bool too_many(struct mrt_net *n, const char *key, const json_t *list)
{
    bool many = json_array_size(list) > PORTS_MAX;
    if (many) {
        mrt_net_problem(n, key, "got too many ports, expected 256 or less");
    }
    return many;
}

static void
read_port(const struct mrt_at *in, const json_t *e, const char *key, uint16_t *out)
{
    int64_t v;
    if (mrt_read_int(in, e, key, 0, UINT16_MAX, &v)) {
        *out = (uint16_t)v;
    }
}

static void read_protocol(const struct mrt_at *in, const json_t *e, char **slot)
{
    static const char *const names[] = {"tcp", "udp", "udp,tcp", "tcp,udp", NULL};
    int k = mrt_read_enum(in, e, "protocol", names);
    mu_text_set(slot, k < 0 ? "tcp" : k >= 2 ? "udp,tcp" : names[k]);
}

static void decode_mappings(struct mrt_net *n, const json_t *list, const char *list_path)
{
    size_t i;
    json_t *e;
    if (too_many(n, list_path, list)) {
        return;
    }
    json_array_foreach (list, i, e) {
        char path[MRT_PATH_MAX];
        mrt_path_index(n->at, list_path, i, path);
        const struct mrt_at in = {n->at->problems, path};
        if (!json_is_object(e)) {
            mrt_problem_add(n->at->problems, MRT_SHAPE, path, "error.expected.jsobject");
            continue;
        }
        struct mu_app_port_mapping *m = mu_app_add_mapping(n->app);
        read_port(&in, e, "containerPort", &m->container_port);
        m->has_host_port =
            mrt_get(e, "hostPort") != NULL || n->app->network_mode == MU_APP_NET_BRIDGE;
        read_port(&in, e, "hostPort", &m->host_port);
        read_port(&in, e, "servicePort", &m->service_port);
        read_protocol(&in, e, &m->protocol);
        (void)mrt_read_text(&in, e, "name", &m->name);
        (void)mrt_read_pairs(&in, e, "labels", &m->labels);
        (void)mrt_read_strings(&in, e, "networkNames", &m->network_names);
        if (m->has_host_port && n->app->network_names.count > 1 &&
            m->network_names.count != 1) {
            mrt_problem_add(n->at->problems, MRT_MODEL, path,
                            "networkNames must be a single item list when hostPort is "
                            "specified and more than 1 container network is defined");
        }
    }
}

static void decode_discovery_ports(struct mrt_net *n)
{
    size_t i;
    json_t *e;
    if (too_many(n, "ipAddress/discovery/ports", n->discovery_ports)) {
        return;
    }
    json_array_foreach (n->discovery_ports, i, e) {
        char path[MRT_PATH_MAX];
        mrt_path_index(n->at, "ipAddress/discovery/ports", i, path);
        const struct mrt_at in = {n->at->problems, path};
        struct mu_app_port_mapping *m = mu_app_add_mapping(n->app);
        read_port(&in, e, "number", &m->container_port);
        read_protocol(&in, e, &m->protocol);
        (void)mrt_read_text(&in, e, "name", &m->name);
        (void)mrt_read_pairs(&in, e, "labels", &m->labels);
    }
}

static void decode_definitions(struct mrt_net *n, const json_t *list)
{
    size_t i;
    json_t *e;
    if (too_many(n, "portDefinitions", list)) {
        return;
    }
    json_array_foreach (list, i, e) {
        char path[MRT_PATH_MAX];
        mrt_path_index(n->at, "portDefinitions", i, path);
        const struct mrt_at in = {n->at->problems, path};
        if (!json_is_object(e)) {
            mrt_problem_add(n->at->problems, MRT_SHAPE, path, "error.expected.jsobject");
            continue;
        }
        struct mu_port_definition *p = mu_app_add_port(n->app);
        read_port(&in, e, "port", &p->port);
        read_protocol(&in, e, &p->protocol);
        (void)mrt_read_text(&in, e, "name", &p->name);
        (void)mrt_read_pairs(&in, e, "labels", &p->labels);
    }
}

/* The elements of `ports`. */
static void read_numbers(struct mrt_net *n, const json_t *body, struct numbers *out)
{
    const json_t *list = mrt_read_array(n->at, body, "ports");
    size_t i;
    json_t *e;
    out->count = 0;
    out->given = list != NULL;
    if (too_many(n, "ports", list)) {
        return;
    }
    json_array_foreach (list, i, e) {
        char key[32];
        int64_t v;
        (void)snprintf(key, sizeof(key), "ports(%zu)", i);
        if (!mrt_read_element_int(n->at, e, key, 0, UINT16_MAX, &v)) {
            continue;
        }
        for (size_t j = 0; j < out->count; j++) {
            if (v != 0 && out->v[j] == v) {
                mrt_net_problem(n, "ports", "ports must be unique");
            }
        }
        out->v[out->count++] = (uint16_t)v;
    }
}

/* ---- host network ---- */

static bool same_numbers(const struct mu_app *app, const struct numbers *ports)
{
    bool same = app->port_count == ports->count;
    for (size_t i = 0; same && i < ports->count; i++) {
        same = app->ports[i].port == ports->v[i];
    }
    return same;
}

static void add_definition(struct mu_app *app, uint16_t port, const char *name)
{
    struct mu_port_definition *p = mu_app_add_port(app);
    p->port = port;
    mu_text_set(&p->protocol, "tcp");
    mu_text_set(&p->name, name);
}

static void definitions_from_numbers(struct mu_app *app, const struct numbers *ports)
{
    mu_app_clear_ports(app);
    for (size_t i = 0; i < ports->count; i++) {
        add_definition(app, ports->v[i], NULL);
    }
}

static bool same_ports_as_base(const struct mrt_net *n)
{
    struct numbers now = {.count = n->app->port_count};
    for (size_t i = 0; i < now.count; i++) {
        now.v[i] = n->app->ports[i].port;
    }
    return same_numbers(n->base, &now);
}

static void decode_host_ports(struct mrt_net *n, const json_t *body, bool same_mode)
{
    struct mu_app *app = n->app;
    struct numbers ports;
    const json_t *list = mrt_read_array(n->at, body, "portDefinitions");
    read_numbers(n, body, &ports);
    bool ports_stored = same_mode && ports.given && same_numbers(n->base, &ports);
    if (json_array_size(n->mappings) > 0 && n->legacy == 0) {
        mrt_net_problem(n, n->mappings_path,
                        "portMappings are not allowed with host-networking");
    }
    if (list == NULL && !ports.given && !same_mode) {
        mu_app_clear_ports(app);
        add_definition(app, 0, "default");
    } else if (list == NULL && ports.given && !ports_stored) {
        definitions_from_numbers(app, &ports);
    } else if (list != NULL) {
        mu_app_clear_ports(app);
        decode_definitions(n, list);
        if (ports.given && !ports_stored && !same_numbers(app, &ports)) {
            if (same_mode && same_ports_as_base(n)) {
                definitions_from_numbers(app, &ports);
            } else {
                mrt_net_problem(n, "ports",
                                "cannot specify both ports and port definitions");
            }
        }
    }
    (void)mrt_read_bool(n->at, body, "requirePorts", &app->require_ports);
}

/* ---- bridge and container networks ---- */

/* `ports` of such an app are the service ports of its mappings. */
static void
take_service_ports(struct mrt_net *n, const struct numbers *ports, bool same_mode)
{
    struct mu_app *app = n->app;
    bool comparable = same_mode && n->base->mapping_count == app->mapping_count;
    for (size_t i = 0; i < ports->count && i < app->mapping_count; i++) {
        uint16_t *service = &app->mappings[i].service_port;
        bool stored = comparable && *service == n->base->mappings[i].service_port;
        if (*service == 0 || (stored && ports->v[i] != 0)) {
            *service = ports->v[i];
        }
    }
}

static void decode_mapped_ports(struct mrt_net *n, const json_t *body, bool same_mode)
{
    struct mu_app *app = n->app;
    struct numbers ports;
    read_numbers(n, body, &ports);
    app->require_ports = false;
    if (json_array_size(mrt_read_array(n->at, body, "portDefinitions")) > 0) {
        mrt_net_problem(n, "portDefinitions",
                        "portDefinitions are only allowed with host-networking");
    }
    if (n->mappings != NULL) {
        mu_app_clear_ports(app);
        decode_mappings(n, n->mappings, n->mappings_path);
    } else if (n->discovery_ports != NULL) {
        mu_app_clear_ports(app);
        decode_discovery_ports(n);
        if (ports.count > 0) {
            mrt_net_problem(n, "ports", "cannot specify both an IP address and port");
        }
    } else if (!same_mode || n->has_container) {
        mu_app_clear_ports(app);
        struct mu_app_port_mapping *m = mu_app_add_mapping(app);
        m->has_host_port = app->network_mode == MU_APP_NET_BRIDGE;
        mu_text_set(&m->protocol, "tcp");
        mu_text_set(&m->name, "default");
    }
    take_service_ports(n, &ports, same_mode);
}

/* ---- what must hold of the result ---- */

static bool name_is_good(const char *s)
{
    size_t len = strlen(s);
    for (size_t i = 0; i < len; i++) {
        bool alnum = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9');
        if (!alnum && !(s[i] == '-' && i > 0 && i + 1 < len)) {
            return false;
        }
    }
    return len > 0;
}

static void
check_name(const struct mrt_net *n, const char *list, size_t i, const char *name)
{
    if (name == NULL || name_is_good(name)) {
        return;
    }
    char path[MRT_PATH_MAX];
    mrt_path_index(n->at, list, i, path);
    const struct mrt_at in = {n->at->problems, path};
    mrt_refuse(&in, "name",
               "must fully match regular expression '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'");
}

static bool same_name(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static void check_definitions(const struct mrt_net *n)
{
    const struct mu_app *app = n->app;
    for (size_t i = 0; i < app->port_count; i++) {
        const struct mu_port_definition *p = &app->ports[i];
        check_name(n, "portDefinitions", i, p->name);
        for (size_t j = 0; j < i; j++) {
            if (p->port != 0 && p->port == app->ports[j].port) {
                mrt_net_problem(n, "portDefinitions", "Ports must be unique.");
            }
            if (same_name(p->name, app->ports[j].name)) {
                mrt_net_problem(n, "portDefinitions", "Port names must be unique.");
            }
        }
    }
}

static void check_mappings(const struct mrt_net *n)
{
    const struct mu_app *app = n->app;
    for (size_t i = 0; i < app->mapping_count; i++) {
        check_name(n, "container/portMappings", i, app->mappings[i].name);
        for (size_t j = 0; j < i; j++) {
            if (same_name(app->mappings[i].name, app->mappings[j].name)) {
                mrt_net_problem(n, "container/portMappings",
                                "Port names must be unique.");
            }
        }
    }
}

void mrt_ports_decode(struct mrt_net *n, const json_t *body, bool same_mode)
{
    if (n->app->network_mode == MU_APP_NET_HOST) {
        decode_host_ports(n, body, same_mode);
    } else if (n->app->network_mode == MU_APP_NET_NONE) {
        n->app->require_ports = false;
        mu_app_clear_ports(n->app);
    } else {
        decode_mapped_ports(n, body, same_mode);
    }
    check_definitions(n);
    check_mappings(n);
}
