/* Between the test's world and its master (fake_master.c); tests use world.h. */
#ifndef TEST_SCHEDULER_FAKE_MASTER_H
#define TEST_SCHEDULER_FAKE_MASTER_H

#include "world.h"

#define FAKE_RESEND_MS 10000 /* an update that is not acknowledged comes again */

void fake_on_message(struct world *w, const struct mu_msg *m);
void fake_send_first(struct world *w, struct fake_task *t);

#endif
