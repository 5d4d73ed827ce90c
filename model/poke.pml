/* SPDX-License-Identifier: MIT
 *
 * The poke protocol of user space, for spin: one poker, two threads, one site of three instructions.
 * Here: which bytes stand when, what a core may still execute, what a trap finds and where it sends the thread
 * (core/poke.c, core/site.c, core/trap.c). Not here: how the new bytes are chosen, and weak memory orders: the model is
 * sequentially consistent; where an order matters, there is an edit that undoes it.
 * Run by model/run. The edits that must break it are -D switches, listed with what they break in model/README.md.
 *
 *     byte          0     1     2     3     4
 *     old code     [o0]  [o1    o1]  [o2    o2]
 *     new code     [E9    CC    dd    CC    dd]    jmp to the stub; 1 and 3 began instructions, so they hold CC
 *
 * The starts are 0, 1 and 3, the tail is 2 and 4. The stub: record, o0, o1, o2, jmp behind the window.
 */

/* What a byte can hold: one bit each, so that a set of them is a byte too. */
#define OLD 1
#define INT3 2
#define NEW 4     /* E9 at 0, a displacement elsewhere */
#define ILLEGAL 8 /* an opcode invalid in 64-bit mode: traps as SIGILL */

#if defined(INNER_NOT_CC)
#define INNER NEW
#elif defined(INNER_ILLEGAL)
#define INNER ILLEGAL
#else
#define INNER INT3
#endif

#ifdef INNER_WITH_HEAD /* the edit: inner starts change together with the head */
#define INNER_EARLY true
#else
#define INNER_EARLY false
#endif

/* The tactic `trap`: an int3 that stays; one byte, one start. */
#if defined(RESHAPE) /* a jump at first, a trap when it is armed again */
#define SMALL small
bool small;
#elif defined(TACTIC_TRAP)
#define SMALL true
#else
#define SMALL false
#endif
#define HEAD (SMALL -> INT3 : NEW)

#ifndef ROUNDS
#define ROUNDS 2 /* arm and disarm so often: the second arm finds a tombstone */
#endif
#ifndef SIGNALS
#define SIGNALS true
#endif

#define START(i) ((i) == 0 -> 0 : ((i) == 1 -> 1 : 3)) /* where instruction i begins */

/* THE CLAIMS. -DONLY -DONLY_x leaves claim x alone in force: so model/run shows which claim an edit breaks. */
#if !defined(ONLY) || defined(ONLY_TORN)
#define TORN(what) assert(what) /* no thread executes a mix of old and new bytes, nor a byte that begins nothing */
#else
#define TORN(what) assert(true)
#endif
#if !defined(ONLY) || defined(ONLY_EXACT)
#define EXACT(what) assert(what) /* a call that began after arming took effect is recorded, after disarming it is not */
#else
#define EXACT(what) assert(true)
#endif
#if !defined(ONLY) || defined(ONLY_ONCE)
#define ONCE(what) assert(what) /* no call is recorded twice */
#else
#define ONCE(what) assert(true)
#endif
#if !defined(ONLY) || defined(ONLY_OURS)
#define OURS(what) assert(what) /* a trap of ours never reaches the application */
#else
#define OURS(what) assert(true)
#endif
#if !defined(ONLY) || defined(ONLY_THEIRS)
#define THEIRS(what) assert(what) /* the application's own int3 is passed on, never swallowed, never run again */
#else
#define THEIRS(what) assert(true)
#endif
#if !defined(ONLY) || defined(ONLY_ALIVE)
#define ALIVE(what) assert(what) /* no handler reads a record that is not filled yet, or freed */
#else
#define ALIVE(what) assert(true)
#endif
#if !defined(ONLY) || defined(ONLY_QUIET)
#define QUIET(what) assert(what) /* after a poke has returned no core fetches its temporary int3 */
#else
#define QUIET(what) assert(true)
#endif

/* TEXT. mem is memory; may_(core, byte) is the set of values that this core may still execute: all that stood there
 * since it last serialised. A fetch takes any of them, the next fetch another: more than any stale copy can do. */
byte mem[5];
byte may[10];
#define may_(core, at) may[(core) * 5 + (at)]

/* SITE TABLE. The pointer, and two records that take turns: to arm again publishes a new record and drops the
 * tombstone. With REUSE the old record stands again. */
byte table; /* 0: none yet; 1, 2: this record */
byte record[3];
#define FREED 0     /* memory that somebody else may own by now */
#define LEAVING 1   /* a trap is given the old meaning */
#define STANDING 2  /* a trap is given the new meaning */
#define GONE 3      /* tombstone: the old bytes are back on every core */

/* Handlers inside, by epoch. */
byte inside[2];
bit turn;

/* Ghosts: they watch, nobody acts on them. */
byte promise;   /* for a call that begins now: recorded, unrecorded, or either while a poke starts */
byte expect[3]; /* the promise a call was given: thread 0, thread 1, the signal handler on thread 0 */
bool quiet;     /* no core may fetch an int3 at the head any more */
bool app_int3;  /* the application has put an int3 of its own over the head */
bool done;
#define EITHER 0
#define RECORDED 1
#define UNRECORDED 2

/* ------------------------------------------------------------------ the poker */

inline write(at, value)
{
    d_step {
        mem[at] = value;
        may_(0, at) = may_(0, at) | value;
        may_(1, at) = may_(1, at) | value
    }
}

/* A run of bytes goes out in no promised order. */
inline write_starts(head, inner, each)
{
    if
    :: write(0, head);
       if
       :: (each) && !SMALL -> write(1, inner); write(3, inner)
       :: else
       fi
    :: (each) && !SMALL -> write(3, inner); write(1, inner); write(0, head)
    fi
}

/* One membarrier: each core serialises at some moment of its own before the call returns. */
inline serialise_core(core)
{
    d_step {
        may_(core, 0) = mem[0]; may_(core, 1) = mem[1]; may_(core, 2) = mem[2]; may_(core, 3) = mem[3];
        may_(core, 4) = mem[4]
    }
}

inline serialise()
{
    serialise_core(0);
    serialise_core(1)
}

inline promise_now(what)
{
    d_step {
        promise = what;
        if
        :: what == EITHER -> expect[0] = EITHER; expect[1] = EITHER; expect[2] = EITHER
        :: else
        fi
    }
}

#ifdef ONE_COUNTER
#define ALONE inside[turn] == 0
#else
#define ALONE true
#endif

/* tli_site_wait(): two turns, since a handler may have read turn long before it counts itself. */
inline wait()
{
#ifndef NO_WAIT
    turn = 1 - turn;
    (inside[1 - turn] == 0 && ALONE);
#ifndef ONE_TURN
    turn = 1 - turn;
    (inside[1 - turn] == 0 && ALONE);
#endif
#else
    skip
#endif
}

/* tli_site_publish(): from here on a trap finds the site, or what became of it. */
inline publish()
{
#ifdef PUBLISH_UNFILLED
    table = (table == 1 -> 2 : 1);
    record[table] = STANDING;
#elif defined(REUSE)
    if
    :: table == 0 -> record[1] = STANDING; table = 1
    :: else -> record[1] = STANDING; wait() /* who has read GONE looks at the byte before an int3 is there again */
    fi
#else
    record[(table == 1 -> 2 : 1)] = STANDING;
    table = (table == 1 -> 2 : 1); /* [S1] release */
#endif
#ifndef REUSE
    if
    :: record[3 - table] != FREED -> /* no table before the first: nothing to wait for */
        wait();
        record[3 - table] = FREED
    :: else
    fi
#endif
}

/* STEP 1 of 3, int3.  site: [CC] [CC old] [CC old] to arm, [CC CC new CC new] to disarm
 * Who arrives at a start traps and is given the new meaning; who is past one runs old bytes to the next. To disarm, the
 * head alone is written: the inner starts trap already, and a core may still execute them as part of the jmp.
 * Sync after: every core sees the int3s before a byte between them changes. */
inline step_int3(arming)
{
    write_starts(INT3, INT3, (arming || INNER_EARLY));
#ifndef NO_SYNC_INT3
    serialise();
#endif
}

/* STEP 2 of 3, tail.  site: [CC] [CC new] [CC new]
 * Who arrives at a start still traps: nobody executes the bytes between. To arm, the inner starts get the byte that
 * traps for good: a jmp's displacement must be whole before its head. To disarm, they get an int3, of which alone it is
 * known that others may execute what it replaces, and what replaces it.
 * Sync after: every core sees the tail before a start can be executed again. */
inline step_tail(arming)
{
    if
    :: !SMALL ->
        write(2, (arming -> NEW : OLD));
        write(4, (arming -> NEW : OLD));
        if
        :: arming && INNER != INT3 && !INNER_EARLY -> write(1, INNER); write(3, INNER)
        :: !arming && INNER != INT3 && INNER != NEW -> write(1, INT3); write(3, INT3)
        :: else
        fi
    :: else
    fi;
#ifndef NO_SYNC_TAIL
    serialise();
#endif
}

/* STEP 3 of 3, head.  site: [new CC new CC new], or back again: [old] [old old] [old old]
 * The starts get their final bytes; a start inside the new jmp has one that traps, since STEP 2.
 * Sync after: no core fetches the int3s any more; a trap still under way is a late one. */
inline step_head(arming)
{
    if
    :: arming -> write_starts(HEAD, INNER, INNER_EARLY)
    :: else -> write_starts(OLD, OLD, true)
    fi;
#ifndef NO_SYNC_HEAD
    serialise();
#endif
}

inline poke(arming)
{
#ifdef TAIL_FIRST
    step_tail(arming);
#endif
    step_int3(arming);
    promise_now((arming -> RECORDED : UNRECORDED)); /* from the first sync on nobody runs the other meaning */
#ifndef TAIL_FIRST
    step_tail(arming);
#endif
    step_head(arming);
    quiet = true
}

inline arm()
{
    assert(mem[0] == OLD && mem[1] == OLD && mem[2] == OLD && mem[3] == OLD && mem[4] == OLD);
    d_step { promise_now(EITHER); quiet = false };
#ifdef PUBLISH_LATE
    write_starts(INT3, INT3, true);
    publish();
#else
    publish();
#endif
    poke(true);
    wait()
}

inline disarm()
{
    d_step { promise_now(EITHER); quiet = false };
    record[table] = LEAVING; /* [S2] */
#ifdef GONE_EARLY
    record[table] = GONE;
#endif
    poke(false);
    record[table] = GONE; /* [S2] release: the old bytes are back before the site is called gone */
    wait()
}

proctype poker()
{
    byte round;
    do
    :: round < ROUNDS ->
        round++;
#ifdef RESHAPE
        small = round == 2;
#endif
        arm();
        disarm()
    :: else -> break
    od;
    /* Life goes on: the application puts a breakpoint of its own where our site was, and we are asked to arm again. */
    d_step { promise_now(EITHER); quiet = false; app_int3 = true; round = 0; write(0, INT3) };
    serialise();
#ifdef PUBLISH_UNVERIFIED
    publish();
#endif
    /* The bytes differ: refused, nothing has changed. */
#ifdef PUBLISH_UNVERIFIED
    record[table] = GONE;
#endif
    done = true
}

/* ------------------------------------------------------------------ a thread */

/* Where a thread is. RUN: about to execute instruction `at` in its place. TRAPPED: int3 fetched, the signal is on its
 * way for as long as it likes. The rest: steps of the handler, one access to shared memory each. */
#define RUN 0
#define TRAPPED 1
#define ENTERING 2
#define INSIDE 3
#define FOUND 4
#define LOOKING 5
#define LEAVE 6 /* + where to */

/* Where the handler sends the thread. */
#define STUB 0        /* the stub's head: record, then the copies */
#define COPY 1        /* the stub's copy of instruction `at` */
#define SAME 2        /* back to the address that trapped */
#define APPLICATION 3 /* passed on */

/* What traps: instruction 0, 1, 2 of the window, or one of the application's own. */
#define APP_INT3 3 /* CC outside any site */
#define APP_CD03 4 /* CD 03: raises the same exception, but the byte before the saved ip is no CC */

#define ME (l == 0 -> self : 2)

/* A byte of the instruction stream as this core sees it. */
inline fetch(where_, value)
{
    if
    :: may_(self, where_) & OLD -> value = OLD
    :: may_(self, where_) & INT3 -> value = INT3
    :: may_(self, where_) & NEW -> value = NEW
    :: may_(self, where_) & ILLEGAL -> value = ILLEGAL
    fi
}

/* Behind the window. The call is over and the next thing begins, or a loop leads back to an inner instruction. */
inline behind()
{
    EXACT(expect[ME] != RECORDED || recorded[l]);
    state[l] = RUN;
    if
    :: l == 0 -> at[0] = 1
    :: l == 0 -> at[0] = 0; recorded[0] = false; had_signal = false; expect[self] = promise
    :: !signals -> at[0] = APP_INT3; recorded[0] = false; expect[self] = EITHER; state[0] = TRAPPED
    :: !signals -> at[0] = APP_CD03; recorded[0] = false; expect[self] = EITHER; state[0] = TRAPPED
    :: l == 1 -> at[1] = 0; recorded[1] = false; expect[2] = EITHER; l = 0
    fi
}

inline record_entry()
{
    ONCE(!recorded[l]);
    EXACT(expect[ME] != UNRECORDED);
    recorded[l] = true
}

inline execute()
{
    fetch(START(at[l]), first);
    if
    :: first == INT3 ->
        QUIET(at[l] != 0 || !quiet || SMALL);
        state[l] = TRAPPED
    :: first == ILLEGAL -> state[l] = TRAPPED
    :: first == OLD && at[l] == 0 ->
        EXACT(expect[ME] != RECORDED); /* a call that nobody records */
        at[l] = 1
    :: first == OLD && at[l] != 0 ->
        fetch(START(at[l]) + 1, rest);
        TORN(rest == OLD);
        if
        :: at[l] == 1 -> at[l] = 2
        :: else -> behind()
        fi
    :: first == NEW ->
        TORN(at[l] == 0); /* a displacement executed as an instruction */
        fetch(1, rest); TORN(rest == INNER);
        fetch(2, rest); TORN(rest == NEW);
        fetch(3, rest); TORN(rest == INNER);
        fetch(4, rest); TORN(rest == NEW);
        record_entry();
        behind()
    fi;
    first = 0;
    rest = 0
}

/* meaning() of core/trap.c: by the site's state, one read. */
inline by_state()
{
    THEIRS(!(app_int3 && at[l] == 0) || record[seen[l]] == GONE);
    if
#if defined(SKIP)
    :: record[seen[l]] == STANDING -> state[l] = LEAVE + COPY
#elif defined(COUNT_AND_RETRY)
    :: record[seen[l]] == STANDING && at[l] == 0 -> record_entry(); state[l] = LEAVE + SAME
    :: record[seen[l]] == STANDING && at[l] != 0 -> state[l] = LEAVE + COPY
#else
    :: record[seen[l]] == STANDING -> state[l] = LEAVE + (at[l] == 0 -> STUB : COPY)
#endif
    :: record[seen[l]] == LEAVING -> state[l] = LEAVE + COPY
    :: record[seen[l]] == GONE -> state[l] = LOOKING
    fi
}

inline meaning()
{
    ALIVE(record[seen[l]] != FREED);
#ifdef RESHAPE
#ifdef FORGET_STARTS
    if
    :: seen[l] == 2 && at[l] != 0 -> state[l] = LEAVE + APPLICATION
#else
    if /* a start of the site that was here before: only the byte can tell */
    :: seen[l] == 2 && at[l] != 0 -> state[l] = LOOKING
#endif
    :: else -> by_state()
    fi;
#else
    by_state();
#endif
    seen[l] = 0
}


inline leave(where_)
{
#ifdef FORGET_TO_LEAVE
    if
    :: where_ == APPLICATION
    :: else -> inside[cookie[l]]--
    fi;
#else
    inside[cookie[l]]--;
#endif
    cookie[l] = 0;
    if
    :: where_ == STUB -> record_entry(); behind()
    :: where_ == COPY -> behind()
    :: where_ == SAME ->
        THEIRS(at[l] < APP_INT3);
        state[l] = RUN
    :: where_ == APPLICATION && at[l] >= APP_INT3 -> behind()
    :: where_ == APPLICATION && at[l] < APP_INT3 ->
        OURS(at[l] == 0 && app_int3);
        at[l] = 1; state[l] = RUN /* it steps over its breakpoint, as debuggers do */
    fi
}

/* tli_trap(). */
inline handle()
{
    if
#ifdef COUNT_AFTER_LOOK
    :: state[l] == TRAPPED -> cookie[l] = turn; seen[l] = table; state[l] = INSIDE
    :: state[l] == INSIDE -> inside[cookie[l]]++; state[l] = FOUND
#else
    :: state[l] == TRAPPED -> cookie[l] = turn; state[l] = ENTERING
    :: state[l] == ENTERING -> inside[cookie[l]]++; state[l] = INSIDE /* [E1] */
    :: state[l] == INSIDE -> seen[l] = table; state[l] = FOUND        /* [S1] acquire */
#endif
    :: state[l] == FOUND && (at[l] >= APP_INT3 || seen[l] == 0) ->
        seen[l] = 0;
#ifdef REWIND_ALWAYS
        state[l] = LEAVE + (at[l] == APP_CD03 -> SAME : APPLICATION)
#else
        state[l] = LEAVE + APPLICATION
#endif
    :: state[l] == FOUND && at[l] < APP_INT3 && seen[l] != 0 -> meaning() /* [S2] acquire */
    :: state[l] == LOOKING -> /* late: the byte says whether the int3 is still there, and so whose it is */
#if defined(MISS_IS_APPLICATIONS)
        state[l] = LEAVE + APPLICATION
#elif defined(NO_REREAD)
        THEIRS(mem[START(at[l])] != INT3);
        state[l] = LEAVE + SAME
#else
        state[l] = LEAVE + (mem[START(at[l])] == INT3 -> APPLICATION : SAME)
#endif
    :: state[l] >= LEAVE -> leave(state[l] - LEAVE)
    fi
}

/* l is the level: 0 the thread, 1 a signal handler on top of it that calls the function too. With signals it may come
 * at any moment, also between a trap and its handler and between the handler's steps. */
proctype thread(bit self; bool signals)
{
    byte l, first, rest;
    byte state[2], at[2], seen[2];
    bit cookie[2];
    bool recorded[2], had_signal;

end:
    do
    :: state[l] == RUN -> atomic { execute() }
    :: state[l] != RUN -> atomic { handle() }
    :: signals && l == 0 && !had_signal -> atomic { had_signal = true; l = 1; expect[2] = promise }
    od
}

init {
    atomic {
        byte i;
        for (i : 0 .. 4) { mem[i] = OLD; may_(0, i) = OLD; may_(1, i) = OLD }
        i = 0;
        promise = UNRECORDED;
        expect[0] = UNRECORDED; expect[1] = UNRECORDED;
        quiet = true;
        run poker();
        run thread(0, SIGNALS);
#ifndef ONE_THREAD
        run thread(1, false)
#endif
    }
}

/* The poker ends, whatever the threads do. */
ltl poker_ends { <> done }
