/* From method and path to a handler. */
#ifndef MRT_ROUTES_H
#define MRT_ROUTES_H

#include "marathon.h"

/* Registers everything on listener "marathon". */
int mrt_routes_register(struct mrt *m, struct mu_error *err);
void mrt_routes_release(struct mrt *m);
/* Begin a request (again) whose resource is known: answered here, kept or passed on. */
void mrt_dispatch(struct mrt_request *rq);

#endif
