/* See bare.h. */
#include "bare.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
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
#define TRIPS_SHARE 0.1                      /* of the time: they are quick */
#define PEERS 2
#define JUST_ECHO 'e'
#define SYNC_FIRST 's'

struct samples {
    uint32_t ns[SAMPLES_MAX];
    size_t count;
};

struct peer {
    int fd;
    pid_t child;
    uint64_t owes; /* echoes that have not come */
};

struct bare {
    int file;
    struct peer peers[PEERS];
    struct samples disk, trip, quorum;
};

static void set_nodelay(int fd)
{
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static int make_file(const char *dir, unsigned number)
{
    mu_auto_free char *path = mu_xasprintf("%s/bare-%u", dir, number);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        rate_die(path, "cannot be made");
    }
    return fd;
}

static void sync_record(int file)
{
    static const char record[RECORD_BYTES];
    if (write(file, record, sizeof(record)) != (ssize_t)sizeof(record) ||
        fdatasync(file) < 0) {
        rate_die("bare file", "cannot be written");
    }
}

/* A message begins with what to do before it is sent back. */
__attribute__((noreturn)) static void echo(int listener, int file)
{
    char message[RATE_VALUE_BYTES];
    int fd = accept(listener, NULL, NULL);
    set_nodelay(fd);
    while (recv(fd, message, sizeof(message), MSG_WAITALL) == (ssize_t)sizeof(message)) {
        if (message[0] == SYNC_FIRST) {
            sync_record(file);
        }
        if (write(fd, message, sizeof(message)) != (ssize_t)sizeof(message)) {
            break;
        }
    }
    _exit(0);
}

static void open_peer(struct peer *p, int file)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    if (bind(listener, (struct sockaddr *)&a, len) < 0 || listen(listener, 1) < 0 ||
        getsockname(listener, (struct sockaddr *)&a, &len) < 0) {
        rate_die("loopback", "no socket");
    }
    pid_t parent = getpid();
    p->child = fork();
    if (p->child == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent) {
            _exit(1);
        }
        echo(listener, file);
    }
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (p->child < 0 || connect(p->fd, (struct sockaddr *)&a, len) < 0) {
        rate_die("loopback", "no connection");
    }
    set_nodelay(p->fd);
    (void)close(listener);
}

struct bare *bare_open(const char *dir)
{
    struct bare *b = MU_NEW(struct bare);
    for (unsigned i = 0; i < PEERS; i++) {
        int file = make_file(dir, i + 1);
        open_peer(&b->peers[i], file);
        (void)close(file); /* the child's */
    }
    b->file = make_file(dir, 0);
    return b;
}

static void tell(struct peer *p, char what)
{
    char message[RATE_VALUE_BYTES] = {what};
    if (write(p->fd, message, sizeof(message)) != (ssize_t)sizeof(message)) {
        rate_die("loopback", "the connection has ended");
    }
    p->owes++;
}

static void hear(struct peer *p)
{
    char message[RATE_VALUE_BYTES];
    if (recv(p->fd, message, sizeof(message), MSG_WAITALL) != (ssize_t)sizeof(message)) {
        rate_die("loopback", "the connection has ended");
    }
    p->owes--;
}

static void do_disk(struct bare *b)
{
    sync_record(b->file);
}

static void do_trip(struct bare *b)
{
    tell(&b->peers[0], JUST_ECHO);
    hear(&b->peers[0]);
}

/* The other one may be behind; it answers in order. */
static void do_quorum(struct bare *b)
{
    for (unsigned i = 0; i < PEERS; i++) {
        tell(&b->peers[i], SYNC_FIRST);
    }
    sync_record(b->file);
    while (b->peers[0].owes > 0 && b->peers[1].owes > 0) {
        struct pollfd fds[PEERS];
        for (unsigned i = 0; i < PEERS; i++) {
            fds[i] = (struct pollfd){.fd = b->peers[i].fd, .events = POLLIN};
        }
        (void)poll(fds, PEERS, -1);
        for (unsigned i = 0; i < PEERS; i++) {
            if (fds[i].revents != 0) {
                hear(&b->peers[i]);
            }
        }
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
    sample(b, &b->trip, do_trip, seconds * TRIPS_SHARE);
    sample(b, &b->disk, do_disk, seconds * (1 - TRIPS_SHARE) / 2);
    sample(b, &b->quorum, do_quorum, seconds * (1 - TRIPS_SHARE) / 2);
    for (unsigned i = 0; i < PEERS; i++) {
        while (b->peers[i].owes > 0) {
            hear(&b->peers[i]);
        }
    }
}

struct bare_medians bare_medians(struct bare *b)
{
    return (struct bare_medians){.disk = rate_median_us(b->disk.ns, b->disk.count),
                                 .trip = rate_median_us(b->trip.ns, b->trip.count),
                                 .quorum = rate_median_us(b->quorum.ns, b->quorum.count)};
}

void bare_close(struct bare *b)
{
    (void)close(b->file);
    for (unsigned i = 0; i < PEERS; i++) {
        (void)close(b->peers[i].fd); /* ends the child */
    }
    for (unsigned i = 0; i < PEERS; i++) {
        (void)kill(b->peers[i].child, SIGKILL); /* it may have inherited the other's */
        (void)waitpid(b->peers[i].child, NULL, 0);
    }
    free(b);
}
