/* Events of the core as Marathon's, in one line of JSON each. */
#ifndef MRT_CODEC_EVENT_H
#define MRT_CODEC_EVENT_H

#include <muster/json_writer.h>
#include <muster/kind/api.h>

/* "status_update_event"; NULL: clients never see this one. */
const char *mrt_event_name(uint32_t type);
/* Only for those who ask for it by name: strict clients fail on it. */
bool mrt_event_is_rare(uint32_t type);
/* light: plans without the groups before and after. */
void mrt_event_write(struct mu_jw *w, const struct mu_event *ev, bool light);
/* event_stream_attached and event_stream_detached. */
void mrt_stream_event_write(struct mu_jw *w,
                            const char *name,
                            const char *remote_address,
                            int64_t wall_ms);

#endif
