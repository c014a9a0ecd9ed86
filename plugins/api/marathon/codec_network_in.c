/* Networks of an app, in the forms of 0.7 (`docker.network`), of 1.x (`ipAddress`) and of
 * today (`networks`), into one canonical form.
 *
 * Order: container, then which network, then the ports that this network has. What a
 * partial update leaves out keeps the base's value as long as the network stays of the
 * same kind; a container that is given replaces the stored one with its mappings. */
#include "codec_network.h"

#include <stdlib.h>
#include <string.h>

enum { NETWORKS_MAX = 32 };

void mrt_net_problem(const struct mrt_net *n, const char *key, const char *text)
{
    char path[MRT_PATH_MAX];
    mrt_path(n->at, key, path);
    mrt_problem_add(n->at->problems, MRT_MODEL, key[0] == '\0' ? n->at->path : path, "%s",
                    text);
}

static void
add_network(struct mrt_net *n, const struct mrt_at *in, const json_t *e, uint32_t *mode)
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
        mrt_net_problem(
            n, "networks",
            "Must specify either a single host network, single bridge network, or "
            "else 1-to-n container networks");
    }
    *mode = m;
    if (m == MU_APP_NET_HOST &&
        (name != NULL || json_object_size(mrt_get(e, "labels")) > 0)) {
        mrt_net_problem(n, "networks", "Host networks may not have names or labels");
    } else if (m == MU_APP_NET_BRIDGE && name != NULL) {
        mrt_net_problem(n, "networks", "Bridge networks may not have names");
    } else if (m == MU_APP_NET_CONTAINER && (name == NULL || name[0] == '\0')) {
        mrt_net_problem(
            n, "networks",
            "Network name must be specified when container network is selected.");
    } else if (m == MU_APP_NET_CONTAINER) {
        for (size_t i = 0; i < n->app->network_names.count; i++) {
            if (strcmp(n->app->network_names.v[i], name) == 0) {
                mrt_net_problem(n, "networks", "Duplicate networks are not allowed");
            }
        }
        mu_strings_add(&n->app->network_names, name);
    }
    free(name);
}

static void decode_ip_address(struct mrt_net *n, const json_t *body, uint32_t *mode)
{
    json_t *ip = mrt_read_object(n->at, body, "ipAddress");
    if (ip == NULL) {
        return;
    }
    char path[MRT_PATH_MAX];
    mrt_path(n->at, "ipAddress", path);
    const struct mrt_at in = {n->at->problems, path};
    char *name = NULL;
    (void)mrt_read_text(&in, ip, "networkName", &name);
    if (n->legacy != 0 && n->legacy != MU_APP_NET_CONTAINER) {
        mrt_net_problem(n, "", "cannot mix deprecated and canonical network APIs");
    }
    *mode = MU_APP_NET_CONTAINER;
    mu_strings_release(&n->app->network_names);
    if (name == NULL || name[0] == '\0') {
        mrt_net_problem(
            n, "networks",
            "Network name must be specified when container network is selected.");
    } else {
        mu_strings_add(&n->app->network_names, name);
    }
    free(name);
    json_t *discovery = mrt_read_object(&in, ip, "discovery");
    n->discovery_ports = mrt_get(discovery, "ports");
    if (json_array_size(n->discovery_ports) > 0 &&
        n->app->container_type == MU_CONTAINER_DOCKER && n->app->has_container) {
        mrt_net_problem(n, "ipAddress",
                        "ipAddress/discovery is not allowed for Docker containers");
    }
}

static void decode_networks(struct mrt_net *n, const json_t *networks, uint32_t *mode)
{
    mu_strings_release(&n->app->network_names);
    if (json_array_size(networks) > NETWORKS_MAX) {
        mrt_net_problem(n, "networks", "got too many networks, expected 32 or less");
        return;
    }
    size_t i;
    json_t *e;
    json_array_foreach (networks, i, e) {
        char path[MRT_PATH_MAX];
        mrt_path_index(n->at, "networks", i, path);
        const struct mrt_at in = {n->at->problems, path};
        add_network(n, &in, e, mode);
    }
}

static void check_mode(struct mrt_net *n)
{
    const struct mu_app *app = n->app;
    bool native = !app->has_container || app->container_type == MU_CONTAINER_MESOS;
    if (app->network_mode == MU_APP_NET_CONTAINER && app->network_names.count > 1 &&
        app->container_type == MU_CONTAINER_DOCKER) {
        mrt_net_problem(n, "networks",
                        "may only specify a single container network when using the "
                        "Docker container engine");
    }
    if (native && app->network_mode != MU_APP_NET_HOST) {
        mrt_net_problem(n, "networks",
                        "containers without a Docker image run in the host's network in "
                        "this version");
    }
}

static void decode_mode(struct mrt_net *n, const json_t *body)
{
    json_t *networks = mrt_read_array(n->at, body, "networks");
    bool has_networks = json_array_size(networks) > 0;
    bool has_ip = mrt_get(body, "ipAddress") != NULL;
    uint32_t mode = 0;
    if (has_networks && n->has_docker_network) {
        mrt_net_problem(n, "",
                        "must not specify both container.docker.network and networks");
    } else if (has_networks && has_ip) {
        mrt_net_problem(n, "", "must not specify both networks and ipAddress");
    } else if (has_networks) {
        decode_networks(n, networks, &mode);
    } else if (has_ip) {
        decode_ip_address(n, body, &mode);
    } else if (n->legacy == MU_APP_NET_CONTAINER &&
               (n->base == NULL || n->base->network_names.count == 0)) {
        mrt_net_problem(
            n, "networks",
            "Network name must be specified when container network is selected.");
    }
    mode = mode == 0 ? n->legacy : mode;
    if (mode != 0) {
        n->app->network_mode = mode;
    }
    if (n->app->network_mode != MU_APP_NET_CONTAINER) {
        mu_strings_release(&n->app->network_names);
    }
    check_mode(n);
}

void mrt_network_decode(const struct mrt_at *at,
                        const json_t *body,
                        const struct mu_app *base,
                        struct mu_app *app)
{
    struct mrt_net n = {.at = at, .base = base, .app = app};
    mrt_container_decode(&n, body);
    decode_mode(&n, body);
    mrt_ports_decode(&n, body, base != NULL && base->network_mode == app->network_mode);
}
