/* The replicated log: promise, write, commit, catch-up. README.md says what is modelled.
 *
 * A message that was sent stays in the network for ever; to receive is to look at it. So each
 * may be lost (nobody looks), come twice, late, or in another order. What a coordinator could do
 * at once it does at once: that it did it later is that nobody looks before.
 *
 * A record names its ballot only: a coordinator writes one value per position and ballot, and
 * VALUE has it. The MUTANT_... are faults that must be found. */

#ifndef BALLOTS
#define BALLOTS 3 /* 1 and 3 are of coordinator 0 (beside replica 0), 2 and 4 of coordinator 1 */
#endif
#ifndef LEARNERS
#define LEARNERS 7 /* bits: who catches up; the others keep all as records */
#endif
#define NOTHING 15 /* the value of a hole; a client's value is the ballot that wrote it first */

#ifdef MUTANT_QUORUM_OF_ONE
#define QUORUM(votes) ((votes) != 0)
#else
#define QUORUM(votes) ((votes) == 3 || (votes) >= 5)
#endif
#define CHOSEN 8 /* instead of the votes, when they were a quorum */

#ifdef MUTANT_BALLOT_AGAIN
#define RANK(b) (((b) + 1) / 2) /* two coordinators with the same ballot */
#else
#define RANK(b) (b)
#endif
#define OF(b) (((b) + 1) % 2) /* the ballot's coordinator */

/* Replicas: what is on the disk. */
byte promised[3]; /* by replica: ballot */
byte record[6];   /* by replica and position: ballot, or 0 */
byte have[3];     /* by replica: all up to here is chosen, and in the map */
#define RECORD(r, p) record[(r)*2 + (p)-1]

/* Coordinators: lost with the process. */
mtype = { IDLE, PROMISING, SETTLING };
mtype state[2] = IDLE; /* IDLE also: all is in the network that it can send */
byte ballot[2];
byte must[2];   /* how much was chosen when it began */
byte heard[2];  /* bits: whose PROMISED it has; they say: ... */
byte upto[2];   /* ... all up to here is chosen, */
byte found[4];  /* by coordinator and position: and behind that, the record to be written again */
byte settle[2]; /* it leads when all up to here is chosen */
#define FOUND(c, p) found[(c)*2 + (p)-1]

/* The network. PROMISE? of ballot b is there as soon as somebody can look; COMMITTED under a
 * ballot when its votes are CHOSEN, VALUES when `chosen` has them. */
byte value[10]; /* by ballot and position: WRITE */
byte votes[10]; /* by ballot and position: WROTE: a bit for each replica */
#define VALUE(b, p) value[(b)*2 + (p)-1]
#define VOTES(b, p) votes[(b)*2 + (p)-1]

/* What must hold: the value that got a quorum first, by position. */
byte chosen[2];

#define BEGIN 0
#define ANSWER 1
#define ACCEPT 2
#define LEARN 3
hidden short step;         /* all of the following in one number, */
hidden byte what, r, b, p; /* what, replica, ballot, position; */
hidden byte c;             /* and the coordinator of the ballot */
#define STEP(what, r, b, p) step = (what) | (r) << 3 | (b) << 6 | (p) << 9
hidden byte i, j;

/* What the step has shown: a search that never sees one of these has not searched. */
#define FILLED_A_HOLE 1
#define CHOSE_A_FOUND_VALUE 2
#define FETCHED 4
#define LAST_BALLOT_LED 8
#define LEARNED_BY_HINT 16
hidden byte seen;
#define SHOWN(what) :: seen & what -> assert(true)

/* ---- who may do what ---- */

#ifdef MUTANT_BELOW_PROMISE
#define MAY_ACCEPT(r, b) true
#else
#define MAY_ACCEPT(r, b) (RANK(promised[r]) <= RANK(b))
#endif
#define VOTERS(b) (MAY_ACCEPT(0, b) | MAY_ACCEPT(1, b) << 1 | MAY_ACCEPT(2, b) << 2)
#define MAY_BE_CHOSEN(b, p) (VOTES(b, p) < CHOSEN && QUORUM(VOTES(b, p) | VOTERS(b)))
#define IS_NOW(b, s) (ballot[OF(b)] == (b) && state[OF(b)] == (s))
#define ASKS(b) ((b) <= BALLOTS && (ballot[OF(b)] < (b) || IS_NOW(b, PROMISING)))
#define IS_ASKED(r)                                                                              \
    ((ASKS(1) && MAY_ACCEPT(r, 1)) || (ASKS(2) && MAY_ACCEPT(r, 2)) ||                           \
     (ASKS(3) && MAY_ACCEPT(r, 3)) || (ASKS(4) && MAY_ACCEPT(r, 4)))

#define CAN_BEGIN(r, b) (ballot[OF(b)] < (b) && (b) <= BALLOTS && RANK(promised[r]) <= RANK(b))
#define CAN_ANSWER(r, b)                                                                         \
    (IS_NOW(b, PROMISING) && RANK(promised[r]) <= RANK(b) && !(heard[OF(b)] & 1 << (r)))
/* Only where it makes a difference: somebody may see the record, or the vote may be missing. */
#define CAN_ACCEPT(r, b, p)                                                                      \
    (VALUE(b, p) != 0 && MAY_ACCEPT(r, b) &&                                                     \
     ((have[r] < (p) && RECORD(r, p) != (b) && IS_ASKED(r)) ||                                   \
      (!(VOTES(b, p) & 1 << (r)) && MAY_BE_CHOSEN(b, p))))
#define MAY_LEARN(r)                                                                             \
    ((LEARNERS & 1 << (r)) && (IS_ASKED(r) || ((r) < 2 && (ASKS((r) + 1) || ASKS((r) + 3)))))
#define CAN_LEARN(r) (MAY_LEARN(r) && have[r] < 2 && chosen[have[r]] != 0)

/* ---- coordinator ---- */

/* The map is handed out, and what clients want is written, to all positions at once. */
inline lead() {
    for (i : 1 .. 2) {
        if
        :: i > settle[c] -> VALUE(ballot[c], i) = ballot[c]
        :: i <= settle[c] && VALUE(ballot[c], i) != 0 ->
            assert(VALUE(ballot[c], i) == chosen[i - 1]) /* what it hands out stays */
        :: else
        fi;
    }
    seen = (ballot[c] == BALLOTS -> seen | LAST_BALLOT_LED : seen);
    settle[c] = 0;
    state[c] = IDLE;
}

#define IS_CHOSEN(b, p) (VALUE(b, p) == 0 || VOTES(b, p) == CHOSEN)
#ifdef MUTANT_EARLY_MAP
#define IS_SETTLED(c) true
#else
#define IS_SETTLED(c)                                                                            \
    ((settle[c] < 1 || IS_CHOSEN(ballot[c], 1)) && (settle[c] < 2 || IS_CHOSEN(ballot[c], 2)))
#endif

inline lead_if_settled() {
    if
    :: state[c] == SETTLING && IS_SETTLED(c) -> lead()
    :: else
    fi;
}

inline forget_answers(c) {
    heard[c] = 0;
    upto[c] = 0;
    FOUND(c, 1) = 0;
    FOUND(c, 2) = 0;
}

/* Q have promised. What is chosen is fetched; what was found behind it is written again. */
inline take() {
#ifdef MUTANT_NO_FETCH
    upto[c] = 0;
#endif
    seen = (upto[c] > have[c] -> seen | FETCHED : seen);
    upto[c] = (have[c] > upto[c] -> have[c] : upto[c]);
    settle[c] = upto[c];
    for (i : 1 .. 2) {
        settle[c] = (i > settle[c] && FOUND(c, i) != 0 -> i : settle[c]);
    }
    assert(settle[c] >= must[c]); /* all that was acknowledged before it began */
    for (i : 1 .. 2) {
        if
        :: i > upto[c] && i <= settle[c] ->
            VALUE(ballot[c], i) = (FOUND(c, i) != 0 -> VALUE(FOUND(c, i), i) : NOTHING)
        :: else
        fi;
    }
    must[c] = 0;
    state[c] = SETTLING;
    forget_answers(c);
    lead_if_settled();
}

/* PROMISED of r comes. */
inline answer() {
    promised[r] = ballot[c];
    heard[c] = heard[c] | 1 << r;
    upto[c] = (have[r] > upto[c] -> have[r] : upto[c]);
    for (i : 1 .. 2) {
        if
#ifdef MUTANT_FIRST_VALUE
        :: i > have[r] && FOUND(c, i) == 0 -> FOUND(c, i) = RECORD(r, i)
#else
        :: i > have[r] && RANK(RECORD(r, i)) > RANK(FOUND(c, i)) -> FOUND(c, i) = RECORD(r, i)
#endif
        :: else
        fi;
    }
    if
    :: QUORUM(heard[c]) -> take()
    :: else
    fi;
}

/* Any time a coordinator is elected, for the first time or again, is restarted, or tries another
 * round; that it has begun shows with the first PROMISED. A promise that nobody hears of (the
 * replica crashed, the answer was lost) forbids only, so it is not a step of its own. */
inline begin() {
    ballot[c] = b;
    state[c] = PROMISING;
    settle[c] = 0;
    must[c] = (chosen[0] == 0 -> 0 : (chosen[1] == 0 -> 1 : 2));
    forget_answers(c);
    answer();
}

/* ---- replica ---- */

/* Who has the chosen value keeps that, and votes. A vote is here what is on the disk, whether
 * the coordinator hears of it or not. */
inline accept() {
    RECORD(r, p) = (have[r] < p -> b : 0);
#ifndef MUTANT_NO_RAISE
    promised[r] = (RANK(promised[r]) > RANK(b) -> promised[r] : b);
#endif
    VOTES(b, p) = (VOTES(b, p) < CHOSEN -> VOTES(b, p) | 1 << r : CHOSEN);
    if
    :: VOTES(b, p) < CHOSEN && QUORUM(VOTES(b, p)) ->
        assert(chosen[p - 1] == 0 || chosen[p - 1] == VALUE(b, p));
        chosen[p - 1] = VALUE(b, p);
        VOTES(b, p) = CHOSEN;
        seen = (VALUE(b, p) == NOTHING -> seen | FILLED_A_HOLE : seen);
        seen = (VALUE(b, p) < b -> seen | CHOSE_A_FOUND_VALUE : seen);
        if
        :: ballot[c] == b -> lead_if_settled()
        :: else
        fi
    :: else
    fi;
}

/* COMMITTED under b: it has the record of that very ballot, so it has the chosen value. */
#ifdef MUTANT_ANY_RECORD
#define IS_MEANT(r, b, p) (RECORD(r, p) != 0)
#else
#define IS_MEANT(r, b, p) (RANK(RECORD(r, p)) == RANK(b))
#endif
/* Or VALUES or SNAPSHOT: the chosen value comes without a record. The replica is the same then. */
inline learn() {
    p = have[r] + 1;
    for (i : 1 .. BALLOTS) {
        if
        :: VOTES(i, p) == CHOSEN && IS_MEANT(r, i, p) ->
            assert(VALUE(RECORD(r, p), p) == chosen[p - 1]);
            seen = seen | LEARNED_BY_HINT
        :: else
        fi;
    }
    have[r] = p;
    RECORD(r, p) = 0;
}

/* ---- what can make no difference any more is forgotten: fewer states ---- */

#define IS_NAMED(b, p)                                                                           \
    (RECORD(0, p) == (b) || RECORD(1, p) == (b) || RECORD(2, p) == (b) || FOUND(0, p) == (b) ||  \
     FOUND(1, p) == (b))
#define IS_STUCK(c, p) (settle[c] >= (p) && !IS_CHOSEN(ballot[c], p) && !MAY_BE_CHOSEN(ballot[c], p))
#define MATTERS(r, b)                                                                            \
    (ASKS(b) || IS_NOW(b, SETTLING) || CAN_ACCEPT(r, b, 1) || CAN_ACCEPT(r, b, 2))

inline tidy_coordinators() {
    for (i : 0 .. 1) {
        if
        :: state[i] == PROMISING && !QUORUM(heard[i] | VOTERS(ballot[i])) ->
            forget_answers(i);
            must[i] = 0;
            state[i] = IDLE
        :: state[i] == SETTLING && (IS_STUCK(i, 1) || IS_STUCK(i, 2)) ->
            settle[i] = 0;
            state[i] = IDLE
        :: else
        fi;
    }
}

inline tidy_replicas() {
    for (i : 0 .. 2) {
        if
        :: !IS_ASKED(i) ->
            RECORD(i, 1) = 0;
            RECORD(i, 2) = 0;
            have[i] = (MAY_LEARN(i) -> have[i] : 0)
        :: else
        fi;
        for (j : 0 .. BALLOTS) {
            promised[i] = (promised[i] == j && !MATTERS(i, j) -> j + 1 : promised[i]);
        }
    }
}

inline tidy_network() {
    for (i : 1 .. BALLOTS) {
        for (j : 1 .. 2) {
            VOTES(i, j) = (VOTES(i, j) < CHOSEN && !MAY_BE_CHOSEN(i, j) -> 0 : VOTES(i, j));
            if
            :: !IS_NAMED(i, j) && !IS_NOW(i, SETTLING) && !CAN_ACCEPT(0, i, j) &&
               !CAN_ACCEPT(1, i, j) && !CAN_ACCEPT(2, i, j) ->
                VALUE(i, j) = 0;
                VOTES(i, j) = 0
            :: else
            fi;
        }
    }
}

/* ---- all that may happen ---- */

#define STEPS_WITH(r_, b_)                                                                       \
    :: CAN_BEGIN(r_, b_) -> STEP(BEGIN, r_, b_, 0)                                               \
    :: CAN_ANSWER(r_, b_) -> STEP(ANSWER, r_, b_, 0)                                             \
    :: CAN_ACCEPT(r_, b_, 1) -> STEP(ACCEPT, r_, b_, 1)                                          \
    :: CAN_ACCEPT(r_, b_, 2) -> STEP(ACCEPT, r_, b_, 2)
#define STEPS_OF(r_)                                                                             \
    STEPS_WITH(r_, 1) STEPS_WITH(r_, 2) STEPS_WITH(r_, 3) STEPS_WITH(r_, 4)                      \
    :: CAN_LEARN(r_) -> STEP(LEARN, r_, 0, 0)

active proctype world() {
end:
    do
    :: atomic {
        if
        STEPS_OF(0)
        STEPS_OF(1)
        STEPS_OF(2)
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
            fi;
#ifndef NO_TIDY
            tidy_coordinators();
            tidy_replicas();
            tidy_network();
#endif
            skip
        }
        if
        :: seen == 0
        SHOWN(FILLED_A_HOLE)
        SHOWN(CHOSE_A_FOUND_VALUE)
        SHOWN(FETCHED)
        SHOWN(LAST_BALLOT_LED)
        SHOWN(LEARNED_BY_HINT)
        fi
    }
    od
}
