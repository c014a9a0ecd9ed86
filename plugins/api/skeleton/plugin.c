/* A plugin to copy from: answers GET /skeleton/hello.
 *
 * A plugin is one shared object <kind>_<name>.so whose only export is the constant
 * mu_plugin at the end of this file. The host checks that constant before it runs
 * anything in here, then calls create, (attach,) start, ..., stop, destroy, all on the
 * loop thread.
 *
 * Rules that keep a plugin simple:
 *  - Include <muster/...> only; those headers are the whole contract.
 *  - Everything that touches the world goes through struct mu_host: log, time, timers,
 * HTTP.
 *  - No globals but constants: two instances may exist at once.
 *  - A callback runs exactly once, never inside the call that asked for it.
 *  - A function that fails returns a negative code and says why in err.
 */
#include <stdlib.h>

#include <muster/json_writer.h>
#include <muster/kind/api.h>
#include <muster/plugin.h>

/* All state of one instance. Name what is file-local freely; what several files of a
 * plugin share gets a prefix of the plugin's own (skel_). */
struct skeleton {
    const struct mu_host *host;
    const struct mu_core *core; /* submit, query, watch: see <muster/kind/api.h> */
    const char *greeting;       /* borrowed from the flags, which live as long as we do */
    uint64_t answered;
};

/* Flags of the plugin: on the command line --skeleton_greeting. Read in create, through
 * the getters of <muster/flag.h>, under the short name. */
static const struct mu_flag skeleton_flags[] = {
    {.name = "greeting",
     .type = MU_FLAG_STRING,
     .default_text = "hello",
     .value_name = "TEXT",
     .help = "What to answer with."},
    {0},
};

/* A handler gets a complete request and answers it now or later, exactly once. req is
 * borrowed for the life of the exchange; http_reply ends it. */
static void
on_hello(void *arg, struct mu_http_exchange *x, const struct mu_http_request *req)
{
    struct skeleton *s = arg;
    static const struct mu_http_header headers[] = {
        {"Content-Type", "application/json"},
    };
    s->answered++;
    /* Every growable buffer states its maximum; a writer tests for overflow once. */
    struct mu_buf body;
    mu_buf_init(&body, 64 * 1024);
    struct mu_jw w;
    mu_jw_init(&w, &body);
    mu_jw_object_begin(&w);
    mu_jw_kv_string(&w, "greeting", s->greeting);
    mu_jw_kv_string(&w, "peer", req->peer);
    mu_jw_kv_int(&w, "answered", (int64_t)s->answered);
    mu_jw_object_end(&w);
    int status = mu_buf_ok(&body) ? 200 : 500;
    s->host->counter_add(s->host, "skeleton/answered", 1);
    s->host->http_reply(x, status, headers, 1, mu_buf_str(&body), body.len);
    mu_buf_release(&body);
}

/* Allocate and check the flags; no I/O. An error here is a configuration error: it is
 * printed, with those of all other plugins, before anything runs. */
static int skeleton_create(const struct mu_host *host,
                           const struct mu_flags *values,
                           void **out_instance,
                           struct mu_error *err)
{
    const char *greeting = mu_flags_string(values, "greeting");
    if (greeting[0] == '\0') {
        return mu_fail(err, MU_E_INVALID, "--skeleton_greeting is empty");
    }
    struct skeleton *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return mu_fail(err, MU_E_UNAVAILABLE, "out of memory");
    }
    s->host = host;
    s->greeting = greeting;
    *out_instance = s;
    return 0;
}

/* Of the kind api: after create, before start. roles says what this process runs. */
static void skeleton_attach(void *instance, uint32_t roles, const struct mu_core *core)
{
    struct skeleton *s = instance;
    (void)roles;
    s->core = core;
}

/* Begin. Routes go onto the listeners "master", "marathon" and "agent", whichever this
 * process has. */
static int skeleton_start(void *instance, struct mu_error *err)
{
    struct skeleton *s = instance;
    int status = s->host->http_route(s->host, "master", "GET", "/skeleton/hello",
                                     on_hello, s, err);
    if (status == 0) {
        s->host->log(s->host, MU_INFO, "skeleton ready", "greeting=%s", s->greeting);
    }
    return status;
}

/* For stop's promise that the callback never runs inside the call. */
struct stopping {
    mu_cb cb;
    void *arg;
};

static void on_stopped(void *arg)
{
    struct stopping stopping = *(struct stopping *)arg;
    free(arg);
    stopping.cb(stopping.arg);
}

/* End all activity, then call stopped_cb: after it no timer, request, thread or callback
 * of this instance exists. We have none; a plugin with streams ends them here. */
static void skeleton_stop(void *instance, mu_cb stopped_cb, void *arg)
{
    struct skeleton *s = instance;
    struct stopping *stopping = calloc(1, sizeof(*stopping));
    if (stopping == NULL) {
        abort(); /* what the core does, too, when it is out of memory */
    }
    *stopping = (struct stopping){.cb = stopped_cb, .arg = arg};
    (void)s->host->timer_start(s->host, 0, on_stopped, stopping); /* never cancelled */
}

/* Free everything; takes what create made even if start was never called. */
static void skeleton_destroy(void *instance)
{
    free(instance);
}

/* The methods of the kind. Begin with the size: the host uses only what is inside. */
static const struct mu_api_ops skeleton_ops = {
    .struct_size = sizeof(struct mu_api_ops),
    .attach = skeleton_attach,
};

/* The module name is the file's: api_skeleton.so. MU_PLUGIN_HEAD stamps the ABI. */
MU_PLUGIN_DEFINE(api_skeleton) = {
    MU_PLUGIN_HEAD,
    .kind = MU_KIND_API,
    .name = "skeleton",
    .version = MU_PLUGIN_VERSION, /* any text; here -D from meson.build */
    .summary = "template of a plugin: says hello",
    .flags = skeleton_flags,
    .ops = &skeleton_ops,
    .create = skeleton_create,
    .start = skeleton_start,
    .stop = skeleton_stop,
    .destroy = skeleton_destroy,
};
