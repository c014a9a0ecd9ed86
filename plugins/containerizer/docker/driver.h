/* The containers of an instance: turns what happens into events of their machines
 * (container.c) and the machines' effects into calls, timers and answers to the agent. */
#ifndef DKR_DRIVER_H
#define DKR_DRIVER_H

#include "instance.h"

/* NULL: unknown, or nothing is left of it. */
struct dkr_item *dkr_item_find(struct dkr_instance *in, const char *container_id);

/* Checks the whole spec first. -EEXIST: that id is in use. */
MU_NODISCARD int dkr_item_launch(struct dkr_instance *in,
                                 const struct mu_container_spec *spec,
                                 mu_launched_cb cb,
                                 void *arg,
                                 struct mu_error *err);
/* The answer goes to the instance's recovery. */
void dkr_item_recover(struct dkr_instance *in, const struct mu_container_known *known);
void dkr_item_destroy(struct dkr_item *item, mu_status_cb cb, void *arg);
MU_NODISCARD int
dkr_item_kill(struct dkr_item *item, int signal_number, struct mu_error *err);
/* Somebody saw that it does not run; it will be looked into. */
void dkr_item_hint(struct dkr_item *item);
/* The engine's id of a container that may run; NULL: it does not. */
const char *dkr_item_running_id(const struct dkr_item *item);
const struct mu_task_info *dkr_item_task(const struct dkr_item *item);
/* Those that run: look into each that is not in list. */
void dkr_items_compare(struct dkr_instance *in, const struct dkr_list *list);

/* Let go of all; containers run on. Pending answers are given with -ECANCELED. */
void dkr_items_stop(struct dkr_instance *in);

#endif
