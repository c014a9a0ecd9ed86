/* From method and path to a handler. */
#ifndef MRT_ROUTES_H
#define MRT_ROUTES_H

#include "marathon.h"

/* Registers everything on listener "marathon". */
int mrt_routes_register(struct mrt *m, struct mu_error *err);
void mrt_routes_release(struct mrt *m);

#endif
