/* See docker_kit.h. */
#include "docker_kit.h"

#include <stdio.h>

#include <jansson.h>

#include "base/alloc.h"

const struct dkr_spec_options docker_options = {
    .sandbox_directory = "/mnt/mesos/sandbox", .enable_cfs = false, .api_version = 141};

void docker_task_open(struct docker_task *t)
{
    struct mu_error err;
    *t = (struct docker_task){.task = mu_task_info_create()};
    struct mu_task_info *task = t->task;
    snprintf(task->id.s, sizeof(task->id.s), "ubuntu.1");
    snprintf(task->framework_id.s, sizeof(task->framework_id.s), "f-0000");
    task->name = mu_xstrdup("ubuntu");
    task->command.shell = true;
    task->command.has_value = true;
    task->command.value = mu_xstrdup("true");
    task->container.type = MU_CONTAINER_DOCKER;
    task->container.image = mu_xstrdup("libmesos/ubuntu");
    task->container.network = MU_NETWORK_BRIDGE;
    assert_int_equal(mu_resources_parse("cpus:0.3;mem:200;ports:[31000-31009]", "*",
                                        &task->resources, &err),
                     0);
    t->spec = (struct mu_container_spec){.struct_size = sizeof(t->spec),
                                         .id = {"c0ffee00-1111-4222-8333-444444444444"},
                                         .task = task,
                                         .sandbox = "/sandboxes/one",
                                         .env = &t->env,
                                         .agent_label = "/var/lib/muster"};
}

void docker_task_close(struct docker_task *t)
{
    mu_task_info_unref(t->task);
    mu_pairs_release(&t->env);
}

static char *dump(const json_t *value)
{
    return value == NULL
               ? mu_xstrdup("")
               : json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
}

char *docker_fields_json(const struct dkr_fields *f)
{
    struct mu_error err;
    char *text = NULL;
    if (dkr_encode_create(f, &text, &err) < 0) {
        return mu_xasprintf("error: %s", err.text);
    }
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    char *sorted = dump(root);
    json_decref(root);
    free(text);
    return sorted;
}

char *docker_task_body(const struct docker_task *t,
                       const struct dkr_spec_options *options)
{
    struct mu_error err;
    struct dkr_spec spec;
    if (dkr_spec_build(&t->spec, options, &spec, &err) < 0) {
        return mu_xasprintf("error: %s", err.text);
    }
    char *text = docker_fields_json(&spec.fields);
    dkr_spec_release(&spec);
    return text;
}

char *docker_json_member(const char *json, const char *path)
{
    json_t *root = json_loads(json, 0, NULL);
    json_t *at = root;
    mu_auto_free char *copy = mu_xstrdup(path);
    char *rest = copy;
    for (char *name = strsep(&rest, "."); name != NULL && at != NULL;
         name = strsep(&rest, ".")) {
        at = json_object_get(at, name);
    }
    char *text = dump(at);
    json_decref(root);
    return text;
}
