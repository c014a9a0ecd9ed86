/* Deployments as lists and events have them. */
#ifndef MRT_CODEC_DEPLOYMENT_OUT_H
#define MRT_CODEC_DEPLOYMENT_OUT_H

#include <muster/json_writer.h>
#include <muster/kind/api.h>

/* An element of GET /v2/deployments. with_waiting: also what holds it up, which strict
 * clients do not expect. */
void mrt_deployment_write(struct mu_jw *w,
                          const struct mu_deployment_row *d,
                          bool with_waiting);
/* The plan of an event. light: without the stubs of the groups before and after. */
void mrt_plan_write(struct mu_jw *w, const struct mu_deployment_row *d, bool light);
/* {"actions": [...]} of the step that the row is at. */
void mrt_current_step_write(struct mu_jw *w, const struct mu_deployment_row *d);

#endif
