/* The docker command line options whose value has a syntax of its own. One function each,
 * named in the table of params.c. Pure. */
#ifndef DKR_PARAMS_SPECIAL_H
#define DKR_PARAMS_SPECIAL_H

#include "params.h"

#define DKR_SPECIAL(name)                                                                \
    MU_NODISCARD int dkr_param_##name(struct dkr_params_target *t, const char *path,     \
                                      const char *value, struct mu_error *err)

DKR_SPECIAL(env);
DKR_SPECIAL(label);
DKR_SPECIAL(entrypoint);
DKR_SPECIAL(mac_address);
DKR_SPECIAL(expose);
DKR_SPECIAL(publish);
DKR_SPECIAL(volume);
DKR_SPECIAL(mount);
DKR_SPECIAL(tmpfs);
DKR_SPECIAL(endpoint);
DKR_SPECIAL(link);
DKR_SPECIAL(cpus);
DKR_SPECIAL(ulimit);
DKR_SPECIAL(device);
DKR_SPECIAL(device_rate);
DKR_SPECIAL(device_iops);
DKR_SPECIAL(device_weight);
DKR_SPECIAL(gpus);
DKR_SPECIAL(security_opt);
DKR_SPECIAL(health_cmd);
DKR_SPECIAL(no_healthcheck);
DKR_SPECIAL(restart);

#endif
