#include "container_exit.h"

#include <stdio.h>

void dkr_exit_lost(struct dkr_container *c, const char *why)
{
    c->exit = (struct mu_container_exit){.struct_size = sizeof(c->exit)};
    (void)snprintf(c->exit_text, sizeof(c->exit_text), "%s", why); /* fits */
    c->exit.message = c->exit_text;
}

void dkr_exit_code(struct dkr_container *c, int64_t code, bool oom, const char *error)
{
    char signal[32] = "";
    if (code > 128 && code < 128 + 65) {
        (void)snprintf(signal, sizeof(signal), " (signal %d)",
                       (int)code - 128); /* fits */
    }
    c->exit = (struct mu_container_exit){
        .struct_size = sizeof(c->exit),
        .has_status = true,
        .wait_status = (int32_t)((code & 0xff) << 8),
        /* set also when only a child of the main process was killed */
        .oom = oom && code != 0,
        .message = c->exit_text,
    };
    (void)snprintf(c->exit_text, /* long enough for the longest error text */
                   sizeof(c->exit_text), "%sContainer exited with status %d%s%s%s",
                   c->exit.oom ? "Memory limit exceeded: " : "", (int)code, signal,
                   *error != '\0' ? ": " : "", error);
}

void dkr_exit_from(struct dkr_container *c, const struct dkr_found *found)
{
    if (found->was_started) {
        dkr_exit_code(c, found->exit_code, found->oom, found->error);
    } else {
        dkr_exit_lost(c, "Container is there but was never started");
    }
}

void dkr_exit_of_missing(struct dkr_container *c)
{
    if (c->has_wait_code) {
        dkr_exit_code(c, c->wait_code, false, "");
    } else {
        dkr_exit_lost(
            c, "Container is gone: removed by someone else, or the engine lost it");
    }
}
