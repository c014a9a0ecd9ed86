/* What the routes lead to, by file. A reader answers inside the call or hands the
 * exchange on; a changer is a call's `run` (calls.h). */
#ifndef MRT_HANDLERS_H
#define MRT_HANDLERS_H

#include "calls.h"

/* apps_read.c */
void mrt_apps_list(struct mrt_request *rq);
void mrt_app_get(struct mrt_request *rq);
void mrt_group_star(struct mrt_request *rq); /* the apps of a group */
void mrt_app_versions(struct mrt_request *rq);
void mrt_app_version(struct mrt_request *rq);

/* apps_write.c */
void mrt_apps_create(struct mrt_call *c);
void mrt_app_put(struct mrt_call *c);
void mrt_app_patch(struct mrt_call *c);
void mrt_apps_put(struct mrt_call *c);
void mrt_apps_patch(struct mrt_call *c);
void mrt_app_delete(struct mrt_call *c);
void mrt_app_restart(struct mrt_call *c);

/* tasks_read.c */
void mrt_tasks_list(struct mrt_request *rq);
void mrt_app_tasks(struct mrt_request *rq);
void mrt_group_tasks(struct mrt_request *rq);

/* tasks_kill.c */
void mrt_app_tasks_kill(struct mrt_call *c);
void mrt_app_task_kill(struct mrt_call *c);
void mrt_tasks_delete(struct mrt_call *c);

/* groups_read.c */
void mrt_group_get(struct mrt_request *rq);
void mrt_group_apps(struct mrt_request *rq);
void mrt_group_versions(struct mrt_request *rq);
void mrt_group_version(struct mrt_request *rq);

/* groups_write.c */
void mrt_group_create(struct mrt_call *c);
void mrt_group_put(struct mrt_call *c);
void mrt_group_put_version(struct mrt_call *c);
void mrt_group_delete(struct mrt_call *c);

/* deployments.c */
void mrt_deployments_list(struct mrt_request *rq);
void mrt_deployment_delete(struct mrt_call *c);

/* queue.c */
void mrt_queue_list(struct mrt_request *rq);
void mrt_queue_reset(struct mrt_call *c);

/* events.c */
void mrt_events_stream(struct mrt_request *rq);

/* info.c */
void mrt_info(struct mrt_request *rq);
void mrt_leader_get(struct mrt_request *rq);
void mrt_leader_delete(struct mrt_call *c);
void mrt_ping(struct mrt_request *rq);
void mrt_config(struct mrt_request *rq);
void mrt_plugins(struct mrt_request *rq);
void mrt_no_subscriptions(struct mrt_request *rq);

/* metrics.c */
void mrt_metrics_json(struct mrt_request *rq);
void mrt_metrics_prometheus(struct mrt_request *rq);

/* v1.c */
void mrt_v1_apps(struct mrt_request *rq);
void mrt_v1_search(struct mrt_request *rq);
void mrt_v1_app_tasks(struct mrt_request *rq);
void mrt_v1_tasks(struct mrt_request *rq);
void mrt_v1_endpoints(struct mrt_request *rq);
void mrt_v1_start(struct mrt_call *c);
void mrt_v1_stop(struct mrt_call *c);
void mrt_v1_scale(struct mrt_call *c);

#endif
