#include "outputs.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* When to look again: while much is written, something, nothing. */
#define FLOOD_MS 100
#define BUSY_MS 1000
#define IDLE_MS 2000
#define FLOOD_PART 16 /* "much" is this part of the bound between two looks */
#define BLOCK 4096
/* A file with a hole seems as long as all that was ever written, and file systems have a
 * longest file (ext4: 16 TiB): before that it begins anew. */
#define SEEMING_MAX ((off_t)1 << 40)

void nat_outputs_init(struct nat_outputs *o, uint64_t max)
{
    *o = (struct nat_outputs){.max = max};
    for (int i = 0; i < NAT_OUTPUTS; i++) {
        o->v[i].fd = -1;
        o->v[i].seen = -1; /* so that the first look comes soon */
    }
}

void nat_outputs_take(struct nat_outputs *o, const int fds[NAT_OUTPUTS])
{
    for (int i = 0; i < NAT_OUTPUTS; i++) {
        if (o->v[i].fd >= 0) {
            close(o->v[i].fd);
        }
        o->v[i].fd = fds[i];
    }
}

/* Say it where a reader comes by: in the first block of the file, which stays, and at the
 * begin of what is left, over some bytes of it. */
static void mark_begin(int fd, off_t from)
{
    char text[BLOCK] = "";
    (void)snprintf(text, sizeof(text),
                   "[muster: the output up to byte %lld was cut off]\n", (long long)from);
    (void)!pwrite(fd, text, sizeof(text), 0);
}

static void mark_cut(int fd, off_t from)
{
    static const char text[] = "\n[muster: older output was cut off, as the file had "
                               "grown over --max_sandbox_log_size]\n";
    (void)!pwrite(fd, text, sizeof(text) - 1, from);
}

/* The newer half of what is allowed stays, so that it is not done for every line. */
static off_t cut(int fd, off_t size, uint64_t max)
{
    const int hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    off_t from = (size - (off_t)(max / 2)) / BLOCK * BLOCK;
    if (from > BLOCK && size <= SEEMING_MAX) {
        mark_begin(fd, from);
        if (fallocate(fd, hole, BLOCK, from - BLOCK) == 0) {
            mark_cut(fd, from);
            return from;
        }
    }
    if (ftruncate(fd, 0) == 0) { /* a file system without holes: all of it goes */
        mark_cut(fd, 0);
    }
    return 0;
}

/* Returns by how much it has grown since the last look. */
static uint64_t check(struct nat_outputs *o, int i)
{
    struct stat st;
    if (o->v[i].fd < 0 || fstat(o->v[i].fd, &st) < 0) {
        return 0;
    }
    if (st.st_size < o->v[i].cut) {
        o->v[i].cut = 0; /* the command has truncated it */
    }
    if ((uint64_t)(st.st_size - o->v[i].cut) > o->max) {
        o->v[i].cut = cut(o->v[i].fd, st.st_size, o->max);
    }
    off_t seen = o->v[i].seen;
    o->v[i].seen = st.st_size;
    return st.st_size > seen ? (uint64_t)(st.st_size - seen) : 0;
}

int nat_outputs_check(struct nat_outputs *o)
{
    if (o->max == 0) {
        return -1;
    }
    uint64_t growth = 0;
    for (int i = 0; i < NAT_OUTPUTS; i++) {
        growth += check(o, i);
    }
    if (growth > o->max / FLOOD_PART) {
        return FLOOD_MS;
    }
    return growth > 0 ? BUSY_MS : IDLE_MS;
}
