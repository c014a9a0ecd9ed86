/* The inbox: how foreign threads hand messages to the loop thread.
 *
 * A mutex-guarded list and one uv_async handle. The handle coalesces wake-ups, so its
 * callback always takes the whole list. Items come out in the order they were posted.
 * post: any thread; open and close: loop thread. The poster allocates an item, the
 * receiver (or drop_cb) frees it. Whoever closes the inbox has made sure that nobody
 * posts after the closed callback; a post between close and that callback is dropped, not
 * delivered.
 */
#ifndef MU_RUNTIME_INBOX_H
#define MU_RUNTIME_INBOX_H

#include <muster/host.h>

/* NULL when the loop cannot make a handle (out of file descriptors). drop_cb gets each
 * item that is left at close; NULL: they are forgotten. */
struct mu_inbox *
rt_inbox_open(struct uv_loop_s *loop, mu_inbox_cb cb, mu_inbox_cb drop_cb, void *arg);
void rt_inbox_post(struct mu_inbox *in, struct mu_inbox_item *item);
/* closed_cb (may be NULL) runs from the loop after the last drop_cb; in is dead then. */
void rt_inbox_close(struct mu_inbox *in, mu_cb closed_cb, void *arg);

#endif
