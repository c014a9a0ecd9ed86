/* The container of an app: today's, and that of 2014 with its `docker run` words. */
#include "codec_network.h"

#include <stdlib.h>
#include <string.h>

/* Words of a `docker run` line -> parameters: "-v /a:/b", "--net=host", "--privileged".
 */
static void options_to_parameters(const struct mrt_at *in,
                                  const struct mu_strings *options,
                                  struct mu_pairs *out)
{
    for (size_t i = 0; i < options->count; i++) {
        const char *name = options->v[i] + strspn(options->v[i], "-");
        size_t len = strcspn(name, "=");
        if (name == options->v[i] || len == 0) {
            char path[MRT_PATH_MAX];
            mrt_path_index(in, "options", i, path);
            mrt_problem_add(in->problems, MRT_MODEL, path,
                            "must be an option of 'docker run'");
            continue;
        }
        bool has_next = i + 1 < options->count && options->v[i + 1][0] != '-';
        const char *value = name[len] == '=' ? name + len + 1
                            : has_next       ? options->v[++i]
                                             : "";
        char *key = strndup(name, len);
        mu_pairs_add(out, key == NULL ? name : key, value);
        free(key);
    }
}

/* {"image": "docker:///libmesos/ubuntu", "options": [...]}: the container of 2014. */
static void
decode_old_container(struct mrt_net *n, const struct mrt_at *in, const json_t *c)
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
        mrt_net_problem(n, "container/image", "must not be empty");
    }
    free(image);
    struct mu_strings options = {0};
    if (mrt_read_strings(in, c, "options", &options)) {
        options_to_parameters(in, &options, &n->app->parameters);
    }
    mu_strings_release(&options);
}

static void
decode_parameters(struct mrt_net *n, const struct mrt_at *in, const json_t *docker)
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

static void
decode_docker(struct mrt_net *n, const struct mrt_at *in, const json_t *container)
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
        mrt_net_problem(n, "container/docker/image", "must not be empty");
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
        n->has_docker_network = true;
    }
    json_t *mappings = mrt_read_array(&here, docker, "portMappings");
    if (mappings != NULL && n->mappings != NULL) {
        mrt_net_problem(n, "container",
                        "cannot specify both portMappings and docker.portMappings");
    } else if (mappings != NULL) {
        n->mappings = mappings;
        n->mappings_path = "container/docker/portMappings";
    }
    if (mrt_get(docker, "pullConfig") != NULL) {
        mrt_net_problem(n, "container/docker/pullConfig",
                        "pullConfig is not supported with Docker containerizer");
    }
}

static void
decode_volume(struct mrt_net *n, const struct mrt_at *in, size_t i, const json_t *e)
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

void mrt_container_decode(struct mrt_net *n, const json_t *body)
{
    json_t *c = mrt_read_object(n->at, body, "container");
    if (json_object_size(c) == 0) {
        return; /* {} and null are no container, as ever */
    }
    struct mu_app *app = n->app;
    char path[MRT_PATH_MAX];
    mrt_path(n->at, "container", path);
    const struct mrt_at in = {n->at->problems, path};
    app->has_container = n->has_container = true;
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
        mrt_net_problem(n, "container/docker/image", "must not be empty");
    }
    if (app->container_type == MU_CONTAINER_MESOS && app->image != NULL) {
        mrt_net_problem(
            n, "container/type",
            "images with the Mesos containerizer are not supported by this version; "
            "use type DOCKER");
    }
}
