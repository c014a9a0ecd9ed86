/* Api: GET /oot answers with the flag's text and the resources that libmuster makes of
 * it. */
#include <stdio.h>

#include <muster/buf.h>
#include <muster/kind/api.h>
#include <muster/plugin.h>
#include <muster/resources.h>

#include "oot_common.h"

static const struct mu_flag flags[] = {
    {.name = "resources",
     .type = MU_FLAG_STRING,
     .default_text = "cpus:1",
     .help = "What to answer with."},
    {0},
};

struct api {
    struct oot base; /* first: oot_stop takes it for its own */
    struct mu_resources resources;
};

static void
on_get(void *arg, struct mu_http_exchange *x, const struct mu_http_request *req)
{
    struct api *a = (struct api *)arg;
    struct mu_buf body;
    (void)req;
    mu_buf_init(&body, 4096);
    mu_resources_format(&a->resources, &body);
    a->base.host->http_reply(x, 200, NULL, 0, mu_buf_str(&body), body.len);
    mu_buf_release(&body);
}

static int api_create(const struct mu_host *host,
                      const struct mu_flags *values,
                      void **out_instance,
                      struct mu_error *err)
{
    struct api *a = (struct api *)calloc(1, sizeof(*a));
    int status;
    if (a == NULL) {
        return mu_fail(err, MU_E_UNAVAILABLE, "out of memory");
    }
    a->base.host = host;
    status =
        mu_resources_parse(mu_flags_string(values, "resources"), "*", &a->resources, err);
    if (status < 0) {
        free(a);
        return mu_wrap(err, status, "--oot_resources");
    }
    *out_instance = a;
    return 0;
}

static void api_attach(void *instance, uint32_t roles, const struct mu_core *core)
{
    (void)instance;
    (void)roles;
    (void)core;
}

static int api_start(void *instance, struct mu_error *err)
{
    struct api *a = (struct api *)instance;
    return a->base.host->http_route(a->base.host, "master", "GET", "/oot", on_get, a,
                                    err);
}

static void api_destroy(void *instance)
{
    struct api *a = (struct api *)instance;
    mu_resources_release(&a->resources);
    free(a);
}

static const struct mu_api_ops ops = {
    .struct_size = sizeof(struct mu_api_ops),
    .attach = api_attach,
};

MU_PLUGIN_DEFINE(api_oot) = {
    MU_PLUGIN_HEAD,
    .kind = MU_KIND_API,
    .name = "oot",
    .version = "1",
    .summary = "built outside of the tree",
    .flags = flags,
    .ops = &ops,
    .create = api_create,
    .start = api_start,
    .stop = oot_stop,
    .destroy = api_destroy,
};
