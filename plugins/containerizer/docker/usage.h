/* Figures and limits of a running container: the optional calls `usage` and `update`. */
#ifndef DKR_USAGE_H
#define DKR_USAGE_H

#include "instance.h"

MU_NODISCARD int dkr_usage(void *instance,
                           const struct mu_container_id *id,
                           mu_usage_cb cb,
                           void *arg,
                           struct mu_error *err);
MU_NODISCARD int dkr_update(void *instance,
                            const struct mu_container_id *id,
                            const struct mu_resources *resources,
                            mu_status_cb cb,
                            void *arg,
                            struct mu_error *err);

#endif
