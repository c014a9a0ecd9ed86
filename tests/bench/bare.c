/* See bare.h. */
#include "bare.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "rate.h"

#define SAMPLES_MAX 100000u
#define RECORD_BYTES (RATE_VALUE_BYTES + 64) /* with key and frame */
#define TRIPS_SHARE 0.2                      /* of the time: they are quick */

struct samples {
    uint32_t ns[SAMPLES_MAX];
    size_t count;
};

struct bare {
    int file, echo;
    pid_t child;
    struct samples disk, trip;
};

static void set_nodelay(int fd)
{
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void echo(int listener)
{
    char c[RATE_VALUE_BYTES];
    ssize_t n;
    int fd = accept(listener, NULL, NULL);
    set_nodelay(fd);
    while ((n = read(fd, c, sizeof(c))) > 0 && write(fd, c, (size_t)n) == n) {
    }
    _exit(0);
}

static void open_echo(struct bare *b)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    if (bind(listener, (struct sockaddr *)&a, len) < 0 || listen(listener, 1) < 0 ||
        getsockname(listener, (struct sockaddr *)&a, &len) < 0) {
        rate_die("loopback", "no socket");
    }
    b->child = fork();
    if (b->child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* or the end of the stream ends it */
        echo(listener);
    }
    b->echo = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (b->child < 0 || connect(b->echo, (struct sockaddr *)&a, len) < 0) {
        rate_die("loopback", "no connection");
    }
    set_nodelay(b->echo);
    (void)close(listener);
}

struct bare *bare_open(const char *dir)
{
    struct bare *b = MU_NEW(struct bare);
    mu_auto_free char *path = mu_xasprintf("%s/bare", dir);
    b->file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (b->file < 0) {
        rate_die(path, "cannot be made");
    }
    open_echo(b);
    return b;
}

static void sync_record(struct bare *b)
{
    static const char record[RECORD_BYTES];
    if (write(b->file, record, sizeof(record)) != (ssize_t)sizeof(record) ||
        fdatasync(b->file) < 0) {
        rate_die("bare file", "cannot be written");
    }
}

static void make_trip(struct bare *b)
{
    char c[RATE_VALUE_BYTES] = "";
    if (write(b->echo, c, sizeof(c)) != (ssize_t)sizeof(c) ||
        recv(b->echo, c, sizeof(c), MSG_WAITALL) != (ssize_t)sizeof(c)) {
        rate_die("loopback", "the connection has ended");
    }
}

static void
sample(struct bare *b, struct samples *s, void (*act)(struct bare *b), double seconds)
{
    uint64_t begin = rate_now_ns(), end = begin + (uint64_t)(seconds * 1e9);
    while (begin < end && s->count < SAMPLES_MAX) {
        act(b);
        uint64_t now = rate_now_ns();
        s->ns[s->count++] = (uint32_t)(now - begin);
        begin = now;
    }
}

void bare_sample(struct bare *b, double seconds)
{
    sample(b, &b->trip, make_trip, seconds * TRIPS_SHARE);
    sample(b, &b->disk, sync_record, seconds * (1 - TRIPS_SHARE));
}

void bare_medians(struct bare *b, double *out_disk_us, double *out_trip_us)
{
    *out_disk_us = rate_median_us(b->disk.ns, b->disk.count);
    *out_trip_us = rate_median_us(b->trip.ns, b->trip.count);
}

void bare_close(struct bare *b)
{
    (void)close(b->file);
    (void)close(b->echo); /* ends the child */
    (void)waitpid(b->child, NULL, 0);
    free(b);
}
