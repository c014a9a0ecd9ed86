/* The start of a replica whose log holds many entries: how long, how much memory, and how
 * much the file takes.
 *
 *     bench_recovery PLUGIN DIR write|overwrite|open COUNT
 *
 * write: COUNT entries, one a commit, into the log of one replica in DIR. overwrite: the
 * same entries again, many a commit, until the log was put down anew; fails when it never
 * is. open: from the disk, not from the page cache; prints milliseconds from the start to
 * the map handed out, kB of memory at the most, and bytes of the file. The others print
 * how many entries they have written, and the bytes of the file when it was longest.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "log_replica.h"
#include "rate.h"

#define VALUE_BYTES 100
#define WIDTH 2000u     /* commits on their way */
#define BATCH 1000u     /* entries of one commit that overwrites */
#define BATCH_WIDTH 16u /* of those on their way */
#define ROUNDS_MAX 8u   /* a log that is not put down anew by then never is */
#define LIMIT_SECONDS 150u
#define KEY_BYTES 80

struct filler {
    struct log_replica replica;
    const char *file;
    uint64_t next, count, done, asked;
    uint64_t entries; /* of the log */
    unsigned batch;
    uint64_t size, size_max;
    bool is_rewritten;
};

/* As an app's instances are named. */
static void make_key(char *key, uint64_t n)
{
    (void)snprintf(key, KEY_BYTES, "apps/team-%03u/service-%04u/instance-%08x-%04x",
                   (unsigned)(n % 100), (unsigned)(n / 100 % 1000),
                   (unsigned)(n * 2654435761u), (unsigned)(n / 100000));
}

static uint64_t file_bytes(const char *path)
{
    struct stat st;
    return stat(path, &st) < 0 ? 0 : (uint64_t)st.st_size;
}

static void commit(struct filler *f);

static void note_size(struct filler *f)
{
    uint64_t size = file_bytes(f->file);
    f->is_rewritten = f->is_rewritten || size < f->size;
    f->size = size;
    f->size_max = size > f->size_max ? size : f->size_max;
}

static void on_done(void *arg, int status, const char *text)
{
    struct filler *f = arg;
    if (status < 0) {
        rate_die("commit", text);
    }
    f->done++;
    if (f->batch > 1) {
        note_size(f);
    }
    if (f->next < f->count && !f->is_rewritten) {
        commit(f);
    }
}

static void commit(struct filler *f)
{
    static char keys[BATCH][KEY_BYTES];
    static char value[VALUE_BYTES];
    static struct mu_registry_op ops[BATCH];
    memset(value, 'v', sizeof(value));
    for (unsigned i = 0; i < f->batch; i++) {
        make_key(keys[i], f->next++ % f->entries);
        ops[i] = (struct mu_registry_op){keys[i], value, sizeof(value)};
    }
    struct mu_error err;
    f->asked++;
    if (f->replica.ops->commit(f->replica.store, ops, f->batch, on_done, f, &err) < 0) {
        rate_die("commit", err.text);
    }
}

static void fill(struct filler *f, unsigned width)
{
    f->size = f->size_max = file_bytes(f->file);
    for (unsigned i = 0; i < width && f->next < f->count; i++) {
        commit(f);
    }
    while (f->done < f->asked) {
        (void)uv_run(&f->replica.loop, UV_RUN_ONCE);
    }
    if (f->batch > 1 && !f->is_rewritten) {
        rate_die(f->file, "was not put down anew, whatever was overwritten");
    }
    f->size_max = f->batch > 1 ? f->size_max : file_bytes(f->file);
    printf("%llu %llu\n", (unsigned long long)f->next, (unsigned long long)f->size_max);
}

static void forget_cached(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fdatasync(fd) < 0 ||
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0) {
        rate_die(path, "cannot be opened");
    }
    (void)close(fd); /* read-only */
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: bench_recovery PLUGIN DIR write|overwrite|open COUNT\n");
        return 2;
    }
    rate_limit(LIMIT_SECONDS);
    static struct filler f;
    uint16_t port;
    f.entries = strtoull(argv[4], NULL, 10);
    mu_auto_free char *file = mu_xasprintf("%s/replicated_log/apps.log", argv[2]);
    f.file = file;
    bool opens = strcmp(argv[3], "open") == 0, again = strcmp(argv[3], "overwrite") == 0;
    if (opens) {
        forget_cached(file);
    }
    log_replica_ports(&port, 1);
    uint64_t begin = rate_now_ns();
    log_replica_open(&f.replica, argv[1], argv[2], &port, 1, 0);
    log_replica_lead(&f.replica);
    double ms = (double)(rate_now_ns() - begin) / 1e6;
    if ((opens || again) && f.replica.entries != f.entries) {
        rate_die(file, "does not hold the entries that were committed");
    }
    f.batch = again ? BATCH : 1;
    f.count = again ? ROUNDS_MAX * f.entries : f.entries;
    if (opens) {
        struct rusage used;
        (void)getrusage(RUSAGE_SELF, &used); /* cannot fail */
        printf("%.0f %ld %llu\n", ms, used.ru_maxrss,
               (unsigned long long)file_bytes(file));
    } else {
        fill(&f, again ? BATCH_WIDTH : WIDTH);
    }
    fflush(stdout);
    _exit(0); /* as after a crash: the file has no seal */
}
