/* Members are a part of the log: one replica of 2Q-1 is replaced by a new one. README.md says
 * what is modelled; log.pml explains the network.
 *
 * Replicas 0 .. LAST are the first members; LAST is the one that is replaced, NEW comes for it.
 *   (nothing)    LAST loses its disk; NEW comes up, and votes behind the entry that takes it in
 *   -DAWAY       LAST lives on, unheard of by the one who replaces it
 *   -DNAIVE=1    no entry: LAST comes back without its disk under its old id, and votes when it
 *                has all up to the highest record that Q of the others have
 *   -DNAIVE=2    ... and has promised what the highest promise of those was
 * The MUTANT_... are faults that must be found. */

#ifndef Q
#define Q 2
#endif
#ifndef BALLOTS
#define BALLOTS 3 /* 1 and 3 are of coordinator 0, 2 of coordinator 1 */
#endif
#ifndef POSITIONS
#define POSITIONS 2
#endif
#ifndef LEARNERS
#define LEARNERS 1 /* 0: those who stay do not catch up, they keep all as records */
#endif
#ifndef NAIVE
#define NAIVE 0
#endif
#define LAST (2 * Q - 2)
#define NEW (2 * Q - 1)
#define NOTHING 15 /* the value of a hole; a client's value is the ballot that wrote it first */
#define ENTRY 14   /* the members entry: NEW for LAST */
#define CHOSEN 64  /* instead of the votes, when they were a quorum */

#define COUNT(m)                                                                                 \
    (((m) & 1) + ((m) >> 1 & 1) + ((m) >> 2 & 1) + ((m) >> 3 & 1) + ((m) >> 4 & 1) + ((m) >> 5 & 1))
#define FIRST_MEMBERS ((1 << NEW) - 1)
#define STAYING (FIRST_MEMBERS & ~(1 << LAST))
#define OF(b) (((b) + 1) % 2) /* the ballot's coordinator */

/* Replicas: what is on the disk. */
byte promised[6]; /* by replica: ballot */
byte record[18];  /* by replica and position: ballot, or 0 */
byte have[6];     /* by replica: all up to here is chosen, and in the map */
#define RECORD(r, p) record[(r)*3 + (p)-1]

mtype = { HEALTHY, LOST, RECOVERED };
mtype disk = HEALTHY; /* of LAST; RECOVERED when naive only */

/* Coordinators: lost with the process. They need no replica of their own. */
mtype = { IDLE, PROMISING, SETTLING, LEADING };
mtype state[2] = IDLE;
byte ballot[2];
byte must[2];   /* how much was chosen when it began */
byte from[2];   /* it has all up to here, and asks the members behind that */
byte heard[2];  /* bits: whose PROMISED it has; they say: ... */
byte upto[2];   /* ... all up to here is chosen, */
byte found[6];  /* by coordinator and position: and behind that, the record to be written again */
byte settle[2]; /* settling: it goes on when all up to here is chosen; leading: it has written this */
#define FOUND(c, p) found[(c)*3 + (p)-1]

/* The network. */
byte value[12]; /* by ballot and position: WRITE */
byte votes[12]; /* by ballot and position: WROTE: a bit for each replica */
#define VALUE(b, p) value[(b)*3 + (p)-1]
#define VOTES(b, p) votes[(b)*3 + (p)-1]

/* What must hold: the value that got a quorum first, by position. */
byte chosen[3];
#define PREFIX (chosen[0] == 0 -> 0 : (chosen[1] == 0 -> 1 : (chosen[2] == 0 -> 2 : 3)))

/* What follows from the rest. */
byte voters[4]; /* by ballot: bits: who has not promised more */
byte asked;     /* bits: who may be asked for a promise yet */

#define BEGIN 0
#define ANSWER 1
#define ACCEPT 2
#define LEARN 3
#define WRITE 4
#define LOSE 5
#define RECOVER 6
hidden short step;         /* all of the following in one number, */
hidden byte what, r, b, p; /* what, replica, ballot, position; */
hidden byte c;             /* and the coordinator of the ballot */
#define STEP(what, r, b, p) step = (what) | (r) << 3 | (b) << 6 | (p) << 9
hidden byte i, j, best, entry, again;

/* What the step has shown: a search that never sees one of these has not searched. */
#define NEW_VOTE_DECIDED 1
#define BEGAN_ANEW 2
#define LOST_PROMISE_COUNTED 4
#define CHOSE_A_FOUND_ENTRY 8
hidden byte seen;
#define SHOWN(what) :: seen & what -> assert(true)

/* ---- members ---- */

/* Where the entry is: for one who has all up to k. */
#define HAS_ENTRY(k)                                                                             \
    (((k) >= 1 && chosen[0] == ENTRY) || ((k) >= 2 && chosen[1] == ENTRY) ||                     \
     ((k) >= 3 && chosen[2] == ENTRY))
#define MEMBERS(k) (HAS_ENTRY(k) -> STAYING | 1 << NEW : FIRST_MEMBERS)
#ifdef MUTANT_REMOVED_VOTES
#define COUNTED(b, p, votes) ((votes) & MEMBERS((p)-1))
#else
/* For the entry that takes a replica out, its own vote does not count. */
#define COUNTED(b, p, votes)                                                                     \
    ((votes) & MEMBERS((p)-1) & (VALUE(b, p) == ENTRY -> STAYING : 255))
#endif
/* Who votes: a replica that is a member in the log that it has read. */
#if NAIVE
#define MAY_VOTE(r) ((r) < LAST || ((r) == LAST && disk != LOST))
#elif defined(AWAY)
#define MAY_VOTE(r) ((r) < LAST || ((r) == LAST) != HAS_ENTRY(have[r]))
#else
#define MAY_VOTE(r) ((r) < LAST || ((r) == LAST -> disk == HEALTHY : HAS_ENTRY(have[r])))
#endif
#if NAIVE
#define CAN_JOIN false
#elif defined(AWAY)
#define CAN_JOIN true
#else
#define CAN_JOIN (disk == LOST)
#endif

/* ---- who may do what ---- */

#ifdef AWAY
#define MAY_VOTE_LATER(r) ((r) != LAST || MAY_VOTE(r))
#else
#define MAY_VOTE_LATER(r) ((r) != LAST || NAIVE || MAY_VOTE(r))
#endif
#define COULD(r, b) (promised[r] <= (b) && MAY_VOTE_LATER(r))
#define MAY_BE_CHOSEN(b, p)                                                                      \
    (VOTES(b, p) < CHOSEN && COUNT(COUNTED(b, p, VOTES(b, p) | voters[b])) >= Q)
#define IS_NOW(b, s) (ballot[OF(b)] == (b) && state[OF(b)] == (s))
/* Now or later: one that settles begins anew behind an entry. */
#ifdef ASKS_AGAIN
#define ASKS(b)                                                                                  \
    ((b) <= BALLOTS && (ballot[OF(b)] < (b) || (ballot[OF(b)] == (b) && state[OF(b)] != IDLE)))
#else
#define ASKS(b)                                                                                  \
    ((b) <= BALLOTS && (ballot[OF(b)] < (b) || IS_NOW(b, PROMISING) || IS_NOW(b, SETTLING)))
#endif
#define IS_ASKED(r) (asked & 1 << (r))
#define IS_CHOSEN(b, p) (VALUE(b, p) == 0 || VOTES(b, p) == CHOSEN)

#define CAN_BEGIN(r, b, k)                                                                       \
    (ballot[OF(b)] < (b) && (b) <= BALLOTS && promised[r] <= (b) && MAY_VOTE(r) &&               \
     (MEMBERS(k) & 1 << (r)))
#define CAN_ANSWER(r, b)                                                                         \
    (IS_NOW(b, PROMISING) && promised[r] <= (b) && MAY_VOTE(r) && !(heard[OF(b)] & 1 << (r)) &&  \
     (MEMBERS(from[OF(b)]) & 1 << (r)))
/* Only where it makes a difference: somebody may see the record, or the vote may be missing. */
#define COULD_ACCEPT(r, b, p)                                                                    \
    ((p) <= POSITIONS && VALUE(b, p) != 0 && COULD(r, b) &&                                      \
     ((have[r] < (p) && RECORD(r, p) != (b) && (NAIVE || IS_ASKED(r))) ||                        \
      (!(VOTES(b, p) & 1 << (r)) && (NAIVE -> VOTES(b, p) < CHOSEN : MAY_BE_CHOSEN(b, p)))))
#define CAN_ACCEPT(r, b, p) (MAY_VOTE(r) && COULD_ACCEPT(r, b, p))
#define CAN_LEARN(r)                                                                             \
    (have[r] < POSITIONS && chosen[have[r]] != 0 && ((r) >= LAST || (IS_ASKED(r) && LEARNERS)))
#define CAN_WRITE(c)                                                                             \
    (state[c] == LEADING && settle[c] < POSITIONS &&                                             \
     (settle[c] == 0 || IS_CHOSEN(ballot[c], settle[c])))

/* ---- coordinator ---- */

inline forget_answers(c) {
    heard[c] = 0;
    upto[c] = 0;
    for (j : 1 .. POSITIONS) {
        FOUND(c, j) = 0;
    }
}

inline ask(k) {
    state[c] = PROMISING;
    seen = (k != 0 && what != BEGIN -> seen | BEGAN_ANEW : seen);
    settle[c] = 0;
    from[c] = k;
    forget_answers(c)
}

/* All up to settle[c] is chosen. If there is an entry among it, it begins anew behind that. */
inline settled() {
    again = HAS_ENTRY(settle[c]) && !HAS_ENTRY(from[c]);
#ifdef MUTANT_OLD_PROMISES
    again = false;
#endif
    if
    :: again -> ask(settle[c])
    :: else ->
        from[c] = 0;
        must[c] = 0;
        state[c] = LEADING
    fi;
}

inline lead_if_settled() {
    again = state[c] == SETTLING;
    for (j : 1 .. POSITIONS) {
        again = again && (j > settle[c] || IS_CHOSEN(ballot[c], j));
    }
    if
    :: again -> settled()
    :: else
    fi;
}

/* Q have promised. What is chosen is fetched; what was found behind it is written again. */
inline take() {
    seen = (disk == LOST && (heard[c] & 1 << LAST) -> seen | LOST_PROMISE_COUNTED : seen);
    upto[c] = (from[c] > upto[c] -> from[c] : upto[c]);
    again = HAS_ENTRY(upto[c]) && !HAS_ENTRY(from[c]);
#ifdef MUTANT_OLD_PROMISES
    again = false;
#endif
    if
    :: again -> ask(upto[c])
    :: else ->
        settle[c] = upto[c];
        entry = 0;
        for (i : 1 .. POSITIONS) {
            best = FOUND(c, i);
            if
            :: i > upto[c] && best != 0 && entry == 0 ->
                settle[c] = i;
#ifndef MUTANT_OLD_PROMISES
                entry = VALUE(best, i) == ENTRY
#endif
            :: else
            fi;
        }
        assert(entry != 0 || settle[c] >= must[c]); /* all that was acknowledged before it began */
        for (i : 1 .. POSITIONS) {
            if
            :: i > upto[c] && i <= settle[c] ->
                best = FOUND(c, i);
                VALUE(ballot[c], i) = (best != 0 -> VALUE(best, i) : NOTHING)
            :: else
            fi;
        }
        state[c] = SETTLING;
        forget_answers(c);
        lead_if_settled()
    fi;
}

/* PROMISED of r comes. */
inline answer() {
    promised[r] = ballot[c];
    heard[c] = heard[c] | 1 << r;
    upto[c] = (have[r] > upto[c] -> have[r] : upto[c]);
    for (i : 1 .. POSITIONS) {
        FOUND(c, i) = (i > have[r] && RECORD(r, i) > FOUND(c, i) -> RECORD(r, i) : FOUND(c, i));
    }
    if
    :: COUNT(heard[c]) >= Q -> take()
    :: else
    fi;
}

/* Its map may be empty (p = 0), or have what is chosen. */
inline begin() {
    ballot[c] = b;
    must[c] = PREFIX;
    ask(p);
    answer();
}

/* One position after the other, so that an entry is alone. */
inline write() {
    settle[c] = settle[c] + 1;
    VALUE(ballot[c], settle[c]) = p;
}

/* ---- replica ---- */

inline accept() {
    RECORD(r, p) = (have[r] < p -> b : 0);
    promised[r] = (promised[r] > b -> promised[r] : b);
    VOTES(b, p) = (VOTES(b, p) < CHOSEN -> VOTES(b, p) | 1 << r : CHOSEN);
    if
    :: VOTES(b, p) < CHOSEN && COUNT(COUNTED(b, p, VOTES(b, p))) >= Q ->
        assert(chosen[p - 1] == 0 || chosen[p - 1] == VALUE(b, p));
        chosen[p - 1] = VALUE(b, p);
        VOTES(b, p) = CHOSEN;
        seen = (r == NEW -> seen | NEW_VOTE_DECIDED : seen);
        seen = (VALUE(b, p) == ENTRY && state[c] == SETTLING -> seen | CHOSE_A_FOUND_ENTRY : seen);
        if
        :: ballot[c] == b && state[c] == SETTLING -> lead_if_settled()
#ifdef ASKS_AGAIN
        :: ballot[c] == b && state[c] == LEADING && VALUE(b, p) == ENTRY -> ask(p)
#endif
        :: else
        fi
    :: else
    fi;
}

inline learn() {
    have[r] = have[r] + 1;
    RECORD(r, have[r]) = 0;
}

inline lose() {
    disk = LOST;
    promised[LAST] = 0;
    have[LAST] = 0;
    for (i : 1 .. POSITIONS) {
        RECORD(LAST, i) = 0;
    }
}

/* Naive: without r, which does not answer; LAST itself when all do. */
#define HAS_UP_TO(k, r)                                                                          \
    ((r) == (k) || (k) >= LAST || (have[k] <= have[LAST] &&                                      \
     (have[LAST] >= 1 || RECORD(k, 1) == 0) && (have[LAST] >= 2 || RECORD(k, 2) == 0) &&         \
     (have[LAST] >= 3 || RECORD(k, 3) == 0)))
#define CAN_RECOVER(r)                                                                           \
    (NAIVE && disk == LOST && ((r) == LAST || LAST > Q) && HAS_UP_TO(0, r) && HAS_UP_TO(1, r) && \
     HAS_UP_TO(2, r) && HAS_UP_TO(3, r))
inline recover() {
    disk = RECOVERED;
#if NAIVE == 2
    for (i : 0 .. LAST - 1) {
        promised[LAST] = (i != r && promised[i] > promised[LAST] -> promised[i] : promised[LAST]);
    }
#endif
}

/* ---- what can make no difference any more is forgotten: fewer states ---- */

#define IS_NAMED(b, p)                                                                           \
    (RECORD(0, p) == (b) || RECORD(1, p) == (b) || RECORD(2, p) == (b) || RECORD(3, p) == (b) || \
     RECORD(4, p) == (b) || RECORD(5, p) == (b) || FOUND(0, p) == (b) || FOUND(1, p) == (b))
#define WRITES(b) (IS_NOW(b, SETTLING) || IS_NOW(b, LEADING))
#define IS_STUCK(c, p)                                                                           \
    ((p) <= POSITIONS && !IS_CHOSEN(ballot[c], p) && !MAY_BE_CHOSEN(ballot[c], p) &&             \
     (state[c] == SETTLING -> (p) <= settle[c] : state[c] == LEADING && (p) == settle[c]))
#define IS_AT_ITS_END(c)                                                                         \
    ((state[c] == PROMISING &&                                                                   \
      COUNT((heard[c] | voters[ballot[c]]) & MEMBERS(from[c])) < Q) ||                           \
     IS_STUCK(c, 1) || IS_STUCK(c, 2) || IS_STUCK(c, 3) ||                                       \
     (state[c] == LEADING && settle[c] == POSITIONS))

inline tidy_coordinators() {
    for (c : 0 .. 1) {
        if
        :: IS_AT_ITS_END(c) ->
            ask(0);
            must[c] = 0;
            state[c] = IDLE
        :: else
        fi;
    }
}

/* To again: does ballot b matter for replica i? */
inline does_matter(b) {
    again = ASKS(b) || WRITES(b);
    for (j : 1 .. POSITIONS) {
        again = again || COULD_ACCEPT(i, b, j);
    }
    again = again && MAY_VOTE_LATER(i);
}

inline tidy_replicas() {
    for (i : 0 .. NEW) {
        if
        :: !IS_ASKED(i) ->
            have[i] = (i < LAST -> 0 : have[i]);
            for (j : 1 .. POSITIONS) {
                RECORD(i, j) = 0;
            }
        :: else
        fi;
        for (b : 0 .. BALLOTS) {
            does_matter(b);
            promised[i] = (promised[i] == b && !again -> b + 1 : promised[i]);
        }
    }
}

inline tidy_network() {
    for (b : 1 .. BALLOTS) {
        for (p : 1 .. POSITIONS) {
            VOTES(b, p) = (VOTES(b, p) < CHOSEN && !MAY_BE_CHOSEN(b, p) -> 0 : VOTES(b, p));
            again = WRITES(b) || FOUND(0, p) == b || FOUND(1, p) == b;
            for (i : 0 .. NEW) {
                again = again || RECORD(i, p) == b || COULD_ACCEPT(i, b, p);
            }
            VALUE(b, p) = (again -> VALUE(b, p) : 0);
            VOTES(b, p) = (again -> VOTES(b, p) : 0);
        }
    }
}

inline look() {
    asked = 0;
    for (b : 1 .. BALLOTS) {
        voters[b] = 0;
        for (i : 0 .. NEW) {
            voters[b] = voters[b] | COULD(i, b) << i;
        }
        asked = (ASKS(b) -> asked | voters[b] : asked);
    }
}

/* ---- all that may happen ---- */

#define STEPS_WITH(r_, b_)                                                                       \
    :: CAN_BEGIN(r_, b_, 0) -> STEP(BEGIN, r_, b_, 0)                                            \
    :: PREFIX != 0 && CAN_BEGIN(r_, b_, PREFIX) -> STEP(BEGIN, r_, b_, PREFIX)                   \
    :: CAN_ANSWER(r_, b_) -> STEP(ANSWER, r_, b_, 0)                                             \
    :: CAN_ACCEPT(r_, b_, 1) -> STEP(ACCEPT, r_, b_, 1)                                          \
    :: CAN_ACCEPT(r_, b_, 2) -> STEP(ACCEPT, r_, b_, 2)                                          \
    :: CAN_ACCEPT(r_, b_, 3) -> STEP(ACCEPT, r_, b_, 3)
#define STEPS_OF(r_)                                                                             \
    STEPS_WITH(r_, 1) STEPS_WITH(r_, 2) STEPS_WITH(r_, 3)                                        \
    :: CAN_LEARN(r_) -> STEP(LEARN, r_, 0, 0)                                                    \
    :: CAN_RECOVER(r_) -> STEP(RECOVER, r_, 0, 0)
#define STEPS_OF_COORDINATOR(c_)                                                                 \
    :: CAN_WRITE(c_) -> STEP(WRITE, 0, ballot[c_], ballot[c_])                                   \
    :: CAN_WRITE(c_) && CAN_JOIN && !HAS_ENTRY(settle[c_]) -> STEP(WRITE, 0, ballot[c_], ENTRY)

active proctype world() {
    d_step { look(); skip }
end:
    do
    :: atomic {
        if
        STEPS_OF(0) STEPS_OF(1) STEPS_OF(2) STEPS_OF(3)
#if Q > 2
        STEPS_OF(4) STEPS_OF(5)
#endif
        STEPS_OF_COORDINATOR(0) STEPS_OF_COORDINATOR(1)
#ifndef AWAY
        :: disk == HEALTHY -> STEP(LOSE, 0, 0, 0)
#endif
        fi;
        d_step {
            what = step & 7;
            r = step >> 3 & 7;
            b = step >> 6 & 7;
            p = step >> 9;
            c = OF(b);
            seen = 0;
            printf("step: replica %d, ballot %d, position or value %d: ", r, b, p);
            if
            :: what == BEGIN -> printf("begin\n"); begin()
            :: what == ANSWER -> printf("answer\n"); answer()
            :: what == ACCEPT -> printf("accept\n"); accept()
            :: what == LEARN -> printf("learn\n"); learn()
            :: what == WRITE -> printf("write\n"); write()
            :: what == LOSE -> printf("lose\n"); lose()
            :: what == RECOVER -> printf("recover\n"); recover()
            fi;
#if !NAIVE && !defined(NO_TIDY)
            look();
            tidy_coordinators();
            look();
            tidy_replicas();
            look();
            tidy_network();
#endif
            look();
            skip
        }
        if
        :: seen == 0
        SHOWN(NEW_VOTE_DECIDED)
        SHOWN(BEGAN_ANEW)
        SHOWN(CHOSE_A_FOUND_ENTRY)
#ifndef AWAY
        SHOWN(LOST_PROMISE_COUNTED)
#endif
        fi
    }
    od
}
