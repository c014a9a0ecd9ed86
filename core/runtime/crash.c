/* See crash.h. A signal handler has no context to be passed one in, so the report's text
 * is a static, made before anything can fail; the handler only writes. */
#include "runtime/crash.h"

#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"

#define FRAMES_MAX 64

static struct {
    int fd;
    char plugins[4096];
    char stack[65536]; /* for the handler: the other one may be what overflowed */
} crash = {.fd = STDERR_FILENO};

static void put(const char *text)
{
    ssize_t n = write(crash.fd, text, strlen(text));
    (void)n; /* nobody is left to tell */
}

static void put_report(void)
{
    put("muster " MUSTER_VERSION "\nplugins: ");
    put(crash.plugins[0] != '\0' ? crash.plugins : "none");
    put("\nbacktrace:\n");
    void *frames[FRAMES_MAX];
    backtrace_symbols_fd(frames, backtrace(frames, FRAMES_MAX), crash.fd);
}

static void handle(int number, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(number, &action, NULL); /* the numbers are all valid */
}

/* The assert has printed its text already; abort() follows and shall not report again. */
static void on_assert(const char *text)
{
    (void)text;
    handle(SIGABRT, SIG_DFL, 0);
    put_report();
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static const struct {
    int number;
    const char *name;
} fatal_signals[] = {
    {SIGSEGV, "SIGSEGV (bad memory access)"},
    {SIGBUS, "SIGBUS (bad memory access)"},
    {SIGFPE, "SIGFPE (arithmetic)"},
    {SIGILL, "SIGILL (bad instruction)"},
    {SIGABRT, "SIGABRT"},
};

static void on_signal(int number)
{
    const char *name = "a signal";
    for (size_t i = 0; i < MU_COUNT_OF(fatal_signals); i++) {
        name = fatal_signals[i].number == number ? fatal_signals[i].name : name;
    }
    put("muster: killed by ");
    put(name);
    put("\n");
    put_report();
    (void)raise(number); /* SA_RESETHAND: now with its default effect */
}

static void install_handlers(void)
{
    const stack_t stack = {.ss_sp = crash.stack, .ss_size = sizeof(crash.stack)};
    (void)sigaltstack(&stack, NULL); /* without it most reports still work */
    for (size_t i = 0; i < MU_COUNT_OF(fatal_signals); i++) {
        handle(fatal_signals[i].number, on_signal, (int)(SA_ONSTACK | SA_RESETHAND));
    }
}
#else
static void install_handlers(void)
{
}
#endif

void crash_install(int fd)
{
    crash.fd = fd;
    mu_check_set_hook(on_assert);
    void *frames[1];
    (void)backtrace(frames, 1); /* loads libgcc now: the handler must not allocate */
    install_handlers();
}

void crash_set_plugins(const char *text)
{
    (void)snprintf(crash.plugins, sizeof(crash.plugins), "%s", text);
}
