/* Container, networks and ports of an app, in the forms of 2014 (`container.image`,
 * `ports`), of 1.x (`docker.network`, `docker.portMappings`, `ipAddress`) and of today
 * (`networks`, `container.portMappings`, `portDefinitions`), into one canonical form.
 *
 * Order: container, then which network, then the ports that this network has. What a
 * partial update leaves out keeps the base's value as long as the network stays of the
 * same kind. */
#include "codec_app_in.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct net {
    const struct mrt_at *at;
    const struct mu_app *base;
    struct mu_app *app;
    uint32_t legacy; /* network of docker.network; 0: not given */
    bool has_networks, has_ip_address;
    const json_t *mappings; /* wherever they were given; NULL: not given */
    const char *mappings_path;
    const json_t *discovery_ports;
};

static void problem(const struct net *n, const char *key, const char *text)
{
    char path[MRT_PATH_MAX];
    mrt_path(n->at, key, path);
    mrt_problem_add(n->at->problems, MRT_MODEL, key[0] == '\0' ? n->at->path : path, "%s",
                    text);
}

/* ---- container ---- */

/* Words of a `docker run` line -> parameters: "-v /a:/b", "--net=host", "--privileged".
 */
static void options_to_parameters(const struct mu_strings *options, struct mu_pairs *out)
{
    for (size_t i = 0; i < options->count; i++) {
        const char *word = options->v[i] + strspn(options->v[i], "-");
        const char *equals = strchr(word, '=');
        if (equals != NULL && options->v[i][0] == '-') {
            char *key = strndup(word, (size_t)(equals - word));
            mu_pairs_add(out, key == NULL ? "" : key, equals + 1);
            free(key);
        } else if (i + 1 < options->count && options->v[i + 1][0] != '-') {
            mu_pairs_add(out, word, options->v[i + 1]);
            i++;
        } else {
            mu_pairs_add(out, word, "");
        }
    }
}

/* {"image": "docker:///libmesos/ubuntu", "options": [...]}: the container of 2014. */
static void decode_old_container(struct net *n, const struct mrt_at *in, const json_t *c)
{
    char *image = NULL;
    if (!mrt_read_text(in, c, "image", &image)) {
        return;
    }
    const char *name = strncmp(image, "docker://", 9) == 0 ? image + 9 : image;
    name += strspn(name, "/"); /* three slashes: no registry is named */
    n->app->container_type = MU_CONTAINER_DOCKER;
    n->legacy = MU_APP_NET_HOST;
    mu_text_set(&n->app->image, name);
    if (name[0] == '\0') {
        problem(n, "container/image", "must not be empty");
    }
    free(image);
    struct mu_strings options = {0};
    if (mrt_read_strings(in, c, "options", &options)) {
        options_to_parameters(&options, &n->app->parameters);
    }
    mu_strings_release(&options);
}

static void
decode_parameters(struct net *n, const struct mrt_at *in, const json_t *docker)
{
    size_t i;
    json_t *e;
    json_array_foreach (mrt_read_array(in, docker, "parameters"), i, e) {
        char path[MRT_PATH_MAX];
        mrt_path_index(in, "parameters", i, path);
        const char *k = json_string_value(json_object_get(e, "key"));
        const char *v = json_string_value(json_object_get(e, "value"));
        if (k == NULL || v == NULL || k[0] == '\0') {
            mrt_problem_add(n->at->problems, MRT_SHAPE, path, "error.path.missing");
        } else {
            mu_pairs_add(&n->app->parameters, k, v);
        }
    }
}

static void decode_docker(struct net *n, const struct mrt_at *in, const json_t *container)
{
    json_t *docker = mrt_read_object(in, container, "docker");
    if (docker == NULL) {
        return;
    }
    char path[MRT_PATH_MAX];
    mrt_path(in, "docker", path);
    const struct mrt_at here = {in->problems, path};
    if (!mrt_read_text(&here, docker, "image", &n->app->image) ||
        n->app->image[0] == '\0') {
        problem(n, "container/docker/image", "must not be empty");
    }
    (void)mrt_read_bool(&here, docker, "forcePullImage", &n->app->force_pull);
    (void)mrt_read_bool(&here, docker, "privileged", &n->app->privileged);
    decode_parameters(n, &here, docker);
    static const char *const networks[] = {"HOST", "BRIDGE", "USER", "NONE", NULL};
    static const uint32_t modes[] = {MU_APP_NET_HOST, MU_APP_NET_BRIDGE,
                                     MU_APP_NET_CONTAINER, MU_APP_NET_NONE};
    int k = mrt_read_enum(&here, docker, "network", networks);
    if (k >= 0) {
        n->legacy = modes[k];
    }
    json_t *mappings = mrt_read_array(&here, docker, "portMappings");
    if (mappings != NULL && n->mappings != NULL) {
        problem(n, "container",
                "cannot specify both portMappings and docker.portMappings");
    } else if (mappings != NULL) {
        n->mappings = mappings;
        n->mappings_path = "container/docker/portMappings";
    }
    if (mrt_get(docker, "pullConfig") != NULL) {
        problem(n, "container/docker/pullConfig",
                "pullConfig is not supported with Docker containerizer");
    }
}

static void
decode_volume(struct net *n, const struct mrt_at *in, size_t i, const json_t *e)
{
    char here[MRT_PATH_MAX];
    mrt_path_index(in, "volumes", i, here);
    const struct mrt_at at = {in->problems, here};
    char *container_path = NULL, *host_path = NULL;
    static const char *const modes[] = {"RW", "RO", NULL};
    (void)mrt_read_text(&at, e, "containerPath", &container_path);
    (void)mrt_read_text(&at, e, "hostPath", &host_path);
    int mode = mrt_read_enum(&at, e, "mode", modes);
    if (mrt_get(e, "persistent") != NULL || mrt_get(e, "external") != NULL ||
        mrt_get(e, "secret") != NULL) {
        mrt_problem_add(n->at->problems, MRT_MODEL, here,
                        "only host volumes (containerPath, hostPath, mode) are supported "
                        "by this version");
    } else if (container_path == NULL || container_path[0] == '\0') {
        mrt_problem_add(n->at->problems, MRT_MODEL, here,
                        "containerPath must not be empty");
    } else if (host_path == NULL || host_path[0] == '\0') {
        mrt_problem_add(n->at->problems, MRT_MODEL, here, "hostPath must not be empty");
    } else {
        (void)mu_volumes_add(&n->app->volumes, container_path, host_path, mode == 1);
    }
    free(container_path);
    free(host_path);
}

static void decode_container(struct net *n, const json_t *body)
{
    json_t *c = mrt_read_object(n->at, body, "container");
    if (json_object_size(c) == 0) {
        return; /* {} and null are no container, as ever */
    }
    struct mu_app *app = n->app;
    char path[MRT_PATH_MAX];
    mrt_path(n->at, "container", path);
    const struct mrt_at in = {n->at->problems, path};
    app->has_container = true;
    mu_text_set(&app->image, NULL);
    app->force_pull = app->privileged = false;
    mu_pairs_release(&app->parameters);
    mu_volumes_release(&app->volumes);
    static const char *const types[] = {"DOCKER", "MESOS", NULL};
    int type = mrt_read_enum(&in, c, "type", types);
    app->container_type = type == 1 ? MU_CONTAINER_MESOS : MU_CONTAINER_DOCKER;
    n->mappings = mrt_read_array(&in, c, "portMappings");
    n->mappings_path = "container/portMappings";
    if (mrt_get(c, "image") != NULL && mrt_get(c, "docker") == NULL) {
        decode_old_container(n, &in, c);
    } else {
        decode_docker(n, &in, c);
    }
    size_t i;
    json_t *e;
    json_array_foreach (mrt_read_array(&in, c, "volumes"), i, e) {
        decode_volume(n, &in, i, e);
    }
    if (app->container_type == MU_CONTAINER_DOCKER && app->image == NULL) {
        problem(n, "container/docker/image", "must not be empty");
    }
    if (app->container_type == MU_CONTAINER_MESOS && app->image != NULL) {
        problem(n, "container/type",
                "images with the Mesos containerizer are not supported by this version; "
                "use type DOCKER");
    }
}

/* ---- networks ---- */

static void
add_network(struct net *n, const struct mrt_at *in, const json_t *e, uint32_t *mode)
{
    static const char *const modes[] = {"host", "container", "container/bridge", "none",
                                        NULL};
    static const uint32_t values[] = {MU_APP_NET_HOST, MU_APP_NET_CONTAINER,
                                      MU_APP_NET_BRIDGE, MU_APP_NET_NONE};
    int k = mrt_read_enum(in, e, "mode", modes);
    uint32_t m =
        k >= 0
            ? values[k]
            : MU_APP_NET_CONTAINER; /* an entry without a mode is a container network */
    char *name = NULL;
    (void)mrt_read_text(in, e, "name", &name);
    if (*mode != 0 && (*mode != MU_APP_NET_CONTAINER || m != MU_APP_NET_CONTAINER)) {
        problem(n, "networks",
                "Must specify either a single host network, single bridge network, or "
                "else 1-to-n container networks");
    }
    *mode = m;
    if (m == MU_APP_NET_HOST &&
        (name != NULL || json_object_size(mrt_get(e, "labels")) > 0)) {
        problem(n, "networks", "Host networks may not have names or labels");
    } else if (m == MU_APP_NET_BRIDGE && name != NULL) {
        problem(n, "networks", "Bridge networks may not have names");
    } else if (m == MU_APP_NET_CONTAINER && (name == NULL || name[0] == '\0')) {
        problem(n, "networks",
                "Network name must be specified when container network is selected.");
    } else if (m == MU_APP_NET_CONTAINER) {
        for (size_t i = 0; i < n->app->network_names.count; i++) {
            if (strcmp(n->app->network_names.v[i], name) == 0) {
                problem(n, "networks", "Duplicate networks are not allowed");
            }
        }
        mu_strings_add(&n->app->network_names, name);
    }
    free(name);
}

static void decode_ip_address(struct net *n, const json_t *body, uint32_t *mode)
{
    json_t *ip = mrt_read_object(n->at, body, "ipAddress");
    if (ip == NULL) {
        return;
    }
    n->has_ip_address = true;
    char path[MRT_PATH_MAX];
    mrt_path(n->at, "ipAddress", path);
    const struct mrt_at in = {n->at->problems, path};
    char *name = NULL;
    (void)mrt_read_text(&in, ip, "networkName", &name);
    if (n->legacy != 0 && n->legacy != MU_APP_NET_CONTAINER) {
        problem(n, "", "cannot mix deprecated and canonical network APIs");
    }
    *mode = MU_APP_NET_CONTAINER;
    mu_strings_release(&n->app->network_names);
    if (name == NULL || name[0] == '\0') {
        problem(n, "networks",
                "Network name must be specified when container network is selected.");
    } else {
        mu_strings_add(&n->app->network_names, name);
    }
    free(name);
    json_t *discovery = mrt_read_object(&in, ip, "discovery");
    n->discovery_ports = mrt_get(discovery, "ports");
    if (json_array_size(n->discovery_ports) > 0 &&
        n->app->container_type == MU_CONTAINER_DOCKER && n->app->has_container) {
        problem(n, "ipAddress",
                "ipAddress/discovery is not allowed for Docker containers");
    }
}

static void decode_mode(struct net *n, const json_t *body)
{
    json_t *networks = mrt_read_array(n->at, body, "networks");
    n->has_networks = json_array_size(networks) > 0;
    bool has_ip = mrt_get(body, "ipAddress") != NULL;
    uint32_t mode = 0;
    if (n->has_networks && n->legacy != 0 && n->app->has_container &&
        mrt_get(mrt_get(mrt_get(body, "container"), "docker"), "network") != NULL) {
        problem(n, "", "must not specify both container.docker.network and networks");
    } else if (n->has_networks && has_ip) {
        problem(n, "", "must not specify both networks and ipAddress");
    } else if (n->has_networks) {
        mu_strings_release(&n->app->network_names);
        size_t i;
        json_t *e;
        json_array_foreach (networks, i, e) {
            char path[MRT_PATH_MAX];
            mrt_path_index(n->at, "networks", i, path);
            const struct mrt_at in = {n->at->problems, path};
            add_network(n, &in, e, &mode);
        }
    } else if (has_ip) {
        decode_ip_address(n, body, &mode);
    } else if (n->legacy == MU_APP_NET_CONTAINER &&
               (n->base == NULL || n->base->network_names.count == 0)) {
        problem(n, "networks",
                "Network name must be specified when container network is selected.");
    }
    if (mode == 0) {
        mode = n->legacy;
    }
    if (mode != 0) {
        n->app->network_mode = mode;
    }
    if (n->app->network_mode != MU_APP_NET_CONTAINER) {
        mu_strings_release(&n->app->network_names);
    } else if (n->app->network_names.count > 1 &&
               n->app->container_type == MU_CONTAINER_DOCKER) {
        problem(n, "networks",
                "may only specify a single container network when using the Docker "
                "container engine");
    }
    bool native = !n->app->has_container || n->app->container_type == MU_CONTAINER_MESOS;
    if (native && n->app->network_mode != MU_APP_NET_HOST) {
        problem(n, "networks",
                "containers without a Docker image run in the host's network in this "
                "version");
    }
}

/* ---- ports ---- */

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

static void decode_mappings(struct net *n, const json_t *list, const char *list_path)
{
    size_t i;
    json_t *e;
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

static void decode_discovery_ports(struct net *n)
{
    size_t i;
    json_t *e;
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

static void decode_definitions(struct net *n, const json_t *list)
{
    size_t i;
    json_t *e;
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

/* The numbers of `ports`; problems for what is none. At most as many as there can be. */
static size_t read_ports(struct net *n, const json_t *list, uint16_t *out, size_t max)
{
    size_t i, count = 0;
    json_t *e;
    json_array_foreach (list, i, e) {
        char path[MRT_PATH_MAX];
        mrt_path_index(n->at, "ports", i, path);
        json_int_t v =
            json_is_string(e)
                ? strtoll(json_string_value(e), NULL, 10)
                : json_integer_value(e); // NOLINT(banned): range is checked below
        if (!json_is_integer(e) && !json_is_string(e)) {
            mrt_problem_add(n->at->problems, MRT_SHAPE, path, "error.expected.jsnumber");
        } else if (v < 0 || v > UINT16_MAX) {
            mrt_problem_add(n->at->problems, MRT_MODEL, path,
                            "got %lld, expected a port between 0 and 65535",
                            (long long)v);
        } else if (count < max) {
            out[count++] = (uint16_t)v;
        }
    }
    return count;
}

#define PORTS_MAX 1024

static bool definitions_match(const struct mu_port_definition *d,
                              size_t count,
                              const uint16_t *ports,
                              size_t port_count)
{
    bool same = count == port_count;
    for (size_t i = 0; same && i < count; i++) {
        same = d[i].port == ports[i];
    }
    return same;
}

static void add_default_definition(struct mu_app *app, uint16_t port, const char *name)
{
    struct mu_port_definition *p = mu_app_add_port(app);
    p->port = port;
    mu_text_set(&p->protocol, "tcp");
    mu_text_set(&p->name, name);
}

static void decode_host_ports(struct net *n, const json_t *body, bool same_mode)
{
    struct mu_app *app = n->app;
    json_t *list = mrt_read_array(n->at, body, "portDefinitions");
    json_t *old = mrt_read_array(n->at, body, "ports");
    uint16_t ports[PORTS_MAX];
    size_t count = read_ports(n, old, ports, PORTS_MAX);
    if (n->mappings != NULL && json_array_size(n->mappings) > 0 && n->legacy == 0) {
        problem(n, n->mappings_path, "portMappings are not allowed with host-networking");
    }
    bool kept = same_mode && list == NULL && old == NULL;
    if (kept) {
        return;
    }
    mu_app_clear_ports(app);
    decode_definitions(n, list);
    bool agree = list == NULL || old == NULL ||
                 definitions_match(app->ports, app->port_count, ports, count);
    if (!agree && n->base != NULL &&
        definitions_match(n->base->ports, n->base->port_count, ports, count)) {
        agree = true; /* `ports` is what was stored: the definitions are the change */
    } else if (!agree && n->base != NULL && app->port_count == n->base->port_count) {
        bool definitions_stored = true;
        for (size_t i = 0; i < app->port_count; i++) {
            definitions_stored =
                definitions_stored && app->ports[i].port == n->base->ports[i].port;
        }
        if (definitions_stored) { /* the other way round */
            agree = true;
            list = NULL;
            mu_app_clear_ports(app);
        }
    }
    if (!agree) {
        problem(n, "ports", "cannot specify both ports and port definitions");
    }
    for (size_t i = 0; list == NULL && old != NULL && i < count; i++) {
        add_default_definition(app, ports[i], NULL);
    }
    if (list == NULL && old == NULL) {
        add_default_definition(app, 0, "default");
    }
}

static void decode_container_ports(struct net *n, const json_t *body, bool same_mode)
{
    struct mu_app *app = n->app;
    uint16_t ports[PORTS_MAX];
    json_t *old = mrt_read_array(n->at, body, "ports");
    size_t count = read_ports(n, old, ports, PORTS_MAX);
    json_t *definitions = mrt_read_array(n->at, body, "portDefinitions");
    if (json_array_size(definitions) > 0) {
        problem(n, "portDefinitions",
                "portDefinitions are only allowed with host-networking");
    }
    if (n->mappings != NULL) {
        mu_app_clear_ports(app);
        decode_mappings(n, n->mappings, n->mappings_path);
    } else if (n->discovery_ports != NULL) {
        mu_app_clear_ports(app);
        decode_discovery_ports(n);
        if (old != NULL && count > 0) {
            problem(n, "ports", "cannot specify both an IP address and port");
        }
    } else if (!same_mode) {
        mu_app_clear_ports(app);
        struct mu_app_port_mapping *m = mu_app_add_mapping(app);
        m->has_host_port = app->network_mode == MU_APP_NET_BRIDGE;
        mu_text_set(&m->protocol, "tcp");
        mu_text_set(&m->name, "default");
    }
    for (size_t i = 0; i < count && i < app->mapping_count; i++) {
        if (app->mappings[i].service_port == 0) {
            app->mappings[i].service_port = ports[i];
        }
    }
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
check_name(const struct net *n, const char *list, const char *name, const char *earlier)
{
    if (name == NULL) {
        return;
    }
    if (!name_is_good(name)) {
        problem(n, list,
                "Port names must fully match regular expression "
                "'^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'");
    }
    if (earlier != NULL && strcmp(name, earlier) == 0) {
        problem(n, list, "Port names must be unique.");
    }
}

static void check_ports(const struct net *n)
{
    const struct mu_app *app = n->app;
    for (size_t i = 0; i < app->port_count; i++) {
        check_name(n, "portDefinitions", app->ports[i].name, NULL);
        for (size_t j = 0; j < i; j++) {
            if (app->ports[i].port != 0 && app->ports[i].port == app->ports[j].port) {
                problem(n, "portDefinitions", "Ports must be unique.");
            }
            if (app->ports[i].name != NULL && app->ports[j].name != NULL) {
                check_name(n, "portDefinitions", app->ports[i].name, app->ports[j].name);
            }
        }
    }
    for (size_t i = 0; i < app->mapping_count; i++) {
        check_name(n, "container/portMappings", app->mappings[i].name, NULL);
        for (size_t j = 0; j < i; j++) {
            if (app->mappings[i].name != NULL && app->mappings[j].name != NULL) {
                check_name(n, "container/portMappings", app->mappings[i].name,
                           app->mappings[j].name);
            }
        }
    }
}

void mrt_network_decode(const struct mrt_at *at,
                        const json_t *body,
                        const struct mu_app *base,
                        struct mu_app *app)
{
    struct net n = {.at = at, .base = base, .app = app};
    uint32_t before = base == NULL ? 0 : base->network_mode;
    decode_container(&n, body);
    decode_mode(&n, body);
    bool same_mode = before == app->network_mode;
    if (app->network_mode == MU_APP_NET_HOST) {
        decode_host_ports(&n, body, same_mode);
        (void)mrt_read_bool(at, body, "requirePorts", &app->require_ports);
    } else {
        app->require_ports = false;
        if (app->network_mode == MU_APP_NET_NONE) {
            mu_app_clear_ports(app);
        } else {
            decode_container_ports(&n, body, same_mode);
        }
    }
    check_ports(&n);
}
