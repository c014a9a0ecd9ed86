/* An app with what `embed` adds to it, and the tasks of apps, straight from the core into
 * a writer. */
#ifndef MRT_APP_VIEW_H
#define MRT_APP_VIEW_H

#include <muster/json_writer.h>

#include "pages.h"

/* Writes the app with the parts of enum mrt_embed. Number of apps written (0: there is
 * none of that id), or a negative code. */
int mrt_write_app(struct mrt *m, struct mu_jw *w, const char *id, uint32_t embed);
/* A page's app, as an element of a list. */
int mrt_page_app(struct mrt_pages *p, const char *app_id);
/* A page's app's tasks, as elements of a list. */
int mrt_page_tasks(struct mrt_pages *p, const char *app_id);
/* A page's app's lines of the text list of endpoints. */
int mrt_page_lines(struct mrt_pages *p, const char *app_id);
/* Adds all apps below path ("/": all) that filter takes (NULL: all). Negative codes. */
typedef bool (*mrt_app_filter)(const void *arg, const struct mu_app *app);
int mrt_pages_add_apps(struct mrt_pages *p,
                       const char *path,
                       mrt_app_filter filter,
                       const void *arg);

#endif
