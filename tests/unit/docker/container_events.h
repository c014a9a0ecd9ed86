/* Events for the machine of a container, as the tests of it need them. */
#ifndef TESTS_DOCKER_CONTAINER_EVENTS_H
#define TESTS_DOCKER_CONTAINER_EVENTS_H

#include "container.h"

static const struct dkr_found running = {.id = "ours",
                                         .is_ours = true,
                                         .is_running = true,
                                         .was_started = true,
                                         .pid = 77,
                                         .error = "",
                                         .ip = "172.17.0.2"};
static const struct dkr_found ended = {.id = "ours",
                                       .is_ours = true,
                                       .was_started = true,
                                       .exit_code = 3,
                                       .error = "",
                                       .ip = ""};
static const struct dkr_found never_started = {
    .id = "ours", .is_ours = true, .error = "", .ip = ""};
static const struct dkr_found foreign = {
    .id = "foreign", .is_running = true, .was_started = true, .error = "", .ip = ""};

static inline struct dkr_event refused(int http_status, const char *text)
{
    return (struct dkr_event){.type = DKR_EV_ANSWER,
                              .outcome = DKR_REFUSED,
                              .http_status = http_status,
                              .text = text};
}

static inline struct dkr_event no_answer(enum dkr_outcome outcome)
{
    return (struct dkr_event){
        .type = DKR_EV_ANSWER, .outcome = outcome, .text = "no answer"};
}

static inline struct dkr_event yes(const struct dkr_found *found)
{
    return (struct dkr_event){.type = DKR_EV_ANSWER,
                              .outcome = DKR_OK,
                              .id = "ours",
                              .found = found,
                              .text = ""};
}

static inline struct dkr_event plain(enum dkr_event_type type)
{
    return (struct dkr_event){.type = type};
}

static inline struct dkr_event waited(enum dkr_outcome outcome, int64_t code)
{
    return (struct dkr_event){
        .type = DKR_EV_WAITED, .outcome = outcome, .code = code, .text = "broke"};
}

#endif
