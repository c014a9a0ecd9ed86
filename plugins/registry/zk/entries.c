/* See entries.h. */
#include "entries.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "zk/alloc.h"

static int compare(const void *a, const void *b)
{
    const struct zkr_entry *x = a, *y = b;
    return strcmp(x->key, y->key);
}

struct zkr_entry *zkr_entries_get(const struct zkr_entries *e, const char *key)
{
    const struct zkr_entry wanted = {.key = (char *)(uintptr_t)key};
    struct zkr_entry *const *found = tfind(&wanted, &e->root, compare);
    return found == NULL ? NULL : *found;
}

struct zkr_entry *zkr_entries_put(struct zkr_entries *e, const char *key)
{
    struct zkr_entry *entry = zkr_entries_get(e, key);
    if (entry == NULL) {
        entry = zks_calloc(1, sizeof(*entry));
        entry->key = zks_copy(key, strlen(key));
        if (tsearch(entry, &e->root, compare) == NULL) {
            abort(); /* out of memory */
        }
    }
    return entry;
}

static void destroy(void *p)
{
    struct zkr_entry *entry = p;
    free(entry->key);
    free(entry);
}

void zkr_entries_remove(struct zkr_entries *e, const char *key)
{
    struct zkr_entry *entry = zkr_entries_get(e, key);
    if (entry != NULL) {
        (void)tdelete(entry, &e->root, compare);
        destroy(entry);
    }
}

void zkr_entries_release(struct zkr_entries *e)
{
    tdestroy(e->root, destroy);
    e->root = NULL;
}
