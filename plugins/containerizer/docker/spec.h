/* From a task to the settings of its Docker container: what Mesos says on the docker
 * command line, as fields of the Engine API.
 *
 * Pure. All that can be wrong with a container of type DOCKER before the engine is asked
 * is found here; so this is also the answer to can_run.
 */
#ifndef DKR_SPEC_H
#define DKR_SPEC_H

#include <muster/kind/containerizer.h>

#include "fields.h"

#define DKR_LABEL_AGENT "muster.agent"
#define DKR_LABEL_CONTAINER "muster.container_id"
#define DKR_LABEL_TASK "muster.task_id"
#define DKR_LABEL_FRAMEWORK "muster.framework_id"
#define DKR_NAME_PREFIX "mesos-"
#define DKR_NAME_MAX (sizeof(DKR_NAME_PREFIX) + sizeof(struct mu_container_id))

struct dkr_spec_options {
    const char *sandbox_directory; /* where the container sees its sandbox */
    bool enable_cfs;               /* cpus are a hard limit, not only a weight */
    unsigned api_version;          /* 141 is 1.41 */
};

struct dkr_spec {
    struct dkr_fields fields;
    struct mu_strings ignored; /* docker parameters without effect here */
    char *image;               /* with a tag or digest */
    bool has_tty;              /* its output is not framed */
};

/* MU_E_INVALID with the reason. out is written on success only; release it then. */
MU_NODISCARD int dkr_spec_build(const struct mu_container_spec *in,
                                const struct dkr_spec_options *options,
                                struct dkr_spec *out,
                                struct mu_error *err);
void dkr_spec_release(struct dkr_spec *spec); /* takes a zeroed struct, leaves one */

/* The name of the container: "mesos-<container id>". */
void dkr_spec_name(const struct mu_container_id *id, char out[DKR_NAME_MAX]);

/* The limits alone, also for an update of a running container. A memory limit is never
 * below 32 MiB: less does not start. */
void dkr_spec_limits(const struct mu_resources *resources,
                     bool enable_cfs,
                     struct dkr_fields *out);

/* "name" -> "name:latest" unless it has a tag or a digest; the caller frees. */
char *dkr_image_with_tag(const char *image);

#endif
