/* Shared by the tests of the docker containerizer: tasks to build containers from, and
 * their settings as JSON text. */
#ifndef TESTS_DOCKER_KIT_H
#define TESTS_DOCKER_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <muster/kind/containerizer.h>

#include "codec.h"
#include "fields.h"
#include "spec.h"

/* A task of 0.3 cpus and 200 MB in image libmesos/ubuntu, network BRIDGE, shell command
 * "true"; and its spec in sandbox /sandboxes/one of agent /var/lib/muster. */
struct docker_task {
    struct mu_task_info *task;
    struct mu_pairs env;
    struct mu_container_spec spec;
};
void docker_task_open(struct docker_task *t);
void docker_task_close(struct docker_task *t);

/* The create body for it, sorted by key, or "error: ..."; free it. */
char *docker_task_body(const struct docker_task *t,
                       const struct dkr_spec_options *options);
/* Default options: /mnt/mesos/sandbox, no CFS, API 1.41. */
extern const struct dkr_spec_options docker_options;

/* Fields as JSON, sorted by key; free it. */
char *docker_fields_json(const struct dkr_fields *f);
/* Of a JSON object the member at a path with dots, as compact JSON; "" if there is none.
 * Free it. */
char *docker_json_member(const char *json, const char *path);

#endif
