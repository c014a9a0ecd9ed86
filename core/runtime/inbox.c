/* See inbox.h. The lock is held for list surgery and the wake-up only, never over a
 * callback. The wake-up is sent under the lock so that it cannot race with the handle's
 * end. */
#include "runtime/inbox.h"

#include <stdlib.h>

#include <uv.h>

#include "base/alloc.h"
#include "base/check.h"

#define INBOX_MAGIC 0x494e4258u

struct mu_inbox {
    uint32_t magic;
    bool closing; /* guarded by lock */
    uv_async_t async;
    uv_mutex_t lock;
    struct mu_inbox_item *head, **tail; /* guarded by lock */
    mu_inbox_cb cb;
    mu_inbox_cb drop_cb;
    void *arg;
    mu_cb closed_cb;
    void *closed_arg;
};

static struct mu_inbox_item *take_all(struct mu_inbox *in)
{
    uv_mutex_lock(&in->lock);
    struct mu_inbox_item *items = in->head;
    in->head = NULL;
    in->tail = &in->head;
    uv_mutex_unlock(&in->lock);
    return items;
}

static void drop_list(struct mu_inbox *in, struct mu_inbox_item *items)
{
    while (items != NULL) {
        struct mu_inbox_item *next = items->next;
        if (in->drop_cb != NULL) {
            in->drop_cb(in->arg, items);
        }
        items = next;
    }
}

static void on_async(uv_async_t *async)
{
    struct mu_inbox *in = async->data;
    struct mu_inbox_item *item = take_all(in);
    while (item != NULL && !in->closing) { /* closing is written on this thread only */
        struct mu_inbox_item *next = item->next;
        item->next = NULL;
        in->cb(in->arg, item);
        item = next;
    }
    drop_list(in, item);
}

static void on_closed(uv_handle_t *handle)
{
    struct mu_inbox *in = handle->data;
    drop_list(in, take_all(in));
    uv_mutex_destroy(&in->lock);
    mu_cb cb = in->closed_cb;
    void *arg = in->closed_arg;
    in->magic = 0;
    free(in);
    if (cb != NULL) {
        cb(arg);
    }
}

struct mu_inbox *
rt_inbox_open(struct uv_loop_s *loop, mu_inbox_cb cb, mu_inbox_cb drop_cb, void *arg)
{
    struct mu_inbox *in = MU_NEW(struct mu_inbox);
    in->magic = INBOX_MAGIC;
    in->tail = &in->head;
    in->cb = cb;
    in->drop_cb = drop_cb;
    in->arg = arg;
    if (uv_mutex_init(&in->lock) != 0) {
        free(in);
        return NULL;
    }
    if (uv_async_init(loop, &in->async, on_async) != 0) {
        uv_mutex_destroy(&in->lock);
        free(in);
        return NULL;
    }
    in->async.data = in;
    return in;
}

void rt_inbox_post(struct mu_inbox *in, struct mu_inbox_item *item)
{
    MU_ASSERT(in->magic == INBOX_MAGIC);
    item->next = NULL;
    uv_mutex_lock(&in->lock);
    *in->tail = item;
    in->tail = &item->next;
    if (!in->closing) {
        (void)uv_async_send(&in->async); /* fails for other handle types only */
    }
    uv_mutex_unlock(&in->lock);
}

void rt_inbox_close(struct mu_inbox *in, mu_cb closed_cb, void *arg)
{
    MU_ASSERT(in->magic == INBOX_MAGIC);
    uv_mutex_lock(&in->lock);
    MU_ASSERT(!in->closing);
    in->closing = true;
    uv_mutex_unlock(&in->lock);
    in->closed_cb = closed_cb;
    in->closed_arg = arg;
    uv_close((uv_handle_t *)&in->async, on_closed);
}
