/* Fast failover (docs/high-availability.md): both ends of the stream that standbys keep
 * open to the leading master.
 *
 * The served end: GET /api/v1/leader-watch on listener "master" is answered, leading or
 * not, by a stream with this master's id in the header Muster-Master-Id; a newline each
 * second follows. It ends with the process, not with a leadership.
 *
 * The watching end: leader_watch_set names whom to watch. If the stream ends (or goes
 * silent) and a new connection is refused, or is answered by another master, then the
 * process that led is gone although its host lives, and `depose` is called. A time-out, a
 * reset or an unreachable host prove nothing: tried again, less and less often. So does a
 * refusal from a member that was never reached from here: its address may be wrong.
 * Loop thread.
 */
#ifndef MU_RUNTIME_LEADER_WATCH_H
#define MU_RUNTIME_LEADER_WATCH_H

#include <muster/host.h>
#include <muster/kind/election.h>

struct leader_watch;

struct leader_watch_config {
    const struct mu_host *host;
    const char *self_id; /* copied */
    /* The process of that member is known to be gone; proof is a phrase that says why.
     * NULL: nobody is watched. */
    int (*depose)(void *arg,
                  const struct mu_member *member,
                  const char *proof,
                  struct mu_error *err);
    void *arg;
    uint64_t silence_ms; /* without a byte: no longer trusted; 0: 5000 */
    uint64_t answer_ms;  /* for the head of the answer; 0: 2000 */
    uint64_t again_ms;   /* after a proof: to look whether it helped; 0: 1000 */
};

struct leader_watch *leader_watch_create(const struct leader_watch_config *cfg);
/* Serve the stream. */
MU_NODISCARD int leader_watch_start(struct leader_watch *w, struct mu_error *err);
/* NULL: nobody. Copied; the same member again changes nothing. */
void leader_watch_set(struct leader_watch *w, const struct mu_member *leader);
/* "idle", "asking", "open" (the leader is watched), "paused", "deposed". */
const char *leader_watch_state(const struct leader_watch *w);
/* Ends the watching; cb from the loop. The served streams go on: they are to end with the
 * process. */
void leader_watch_stop(struct leader_watch *w, mu_cb cb, void *arg);
/* After the stop; ends what is served still. Takes NULL. */
void leader_watch_destroy(struct leader_watch *w);

#endif
