/* Long answers, written in pieces across loop turns: a program of literal texts and app
 * ids, where each id is looked up again when its turn comes.
 *
 * So a list of any length needs little memory and holds nobody up. An app that went away
 * meanwhile is left out. An answer that fits in one piece goes out whole, with its
 * length. If the leadership is lost halfway, or the plugin stops, the connection is cut:
 * a list of lines has no end of its own by which a client could tell. */
#ifndef MRT_PAGES_H
#define MRT_PAGES_H

#include "answer.h"

struct mrt_pages;

/* Writes what belongs to app_id. A negative code ends the answer. */
typedef int (*mrt_pages_cb)(struct mrt_pages *p, const char *app_id);

struct mrt_pages {
    struct mrt_pages *next;
    struct mrt *m;
    struct mu_http_exchange *x;
    const char *type;
    mrt_pages_cb write_app;
    /* for write_app */
    uint32_t embed;
    uint32_t states;   /* bits of enum mu_task_state to show; 0: all */
    bool v1;           /* in the text form of 0.6 */
    struct mu_buf out; /* where to write */
    bool comma;        /* an element of the list stands before */
    struct mu_buf program;
    size_t at;
};

struct mrt_pages *
mrt_pages_create(const struct mrt_request *rq, const char *type, mrt_pages_cb write_app);
void mrt_pages_add_text(struct mrt_pages *p, const char *text);
void mrt_pages_add_app(struct mrt_pages *p, const char *app_id);
/* Answers, now and later; p is the answer's from here. */
void mrt_pages_send(struct mrt_pages *p);
/* Instead of sending: the exchange is the caller's again. */
void mrt_pages_free(struct mrt_pages *p);
/* Begin an element of a list: the comma, if one is due. */
void mrt_pages_separate(struct mrt_pages *p);
void mrt_pages_stop(struct mrt *m);

#endif
