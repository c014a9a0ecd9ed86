/* Thompson's construction, bytes as characters. The parser emits a program of five kinds
 * of instructions; matching keeps the set of live instructions per byte of text.
 *
 * A counted repetition emits its operand again: the operand's source is parsed once more
 * from its position, so program size (bounded) is the only memory that counts.
 */
#include "scheduler/pattern.h"

#include <stdlib.h>
#include <string.h>

#include "base/vec.h"

#define PATTERN_PROGRAM_MAX 4096u
#define PATTERN_DEPTH_MAX 50u
#define PATTERN_COUNT_MAX 1000u
#define PATTERN_WORK_MAX 100000u /* atoms read, repetitions counted */

enum op { OP_SET, OP_SPLIT, OP_JUMP, OP_BEGIN, OP_END, OP_MATCH };

struct set {
    uint8_t bits[32];
};

struct instruction {
    enum op op;
    uint32_t a, b;  /* SPLIT: both ways; JUMP: a */
    struct set set; /* SET: bytes that match */
};

struct pattern {
    MU_VEC(struct instruction) program;
};

struct parser {
    const char *text;
    size_t at;
    struct pattern *out;
    uint32_t depth, work;
    struct mu_error *err;
    bool failed;
};

static void fail(struct parser *p, const char *what)
{
    if (!p->failed) {
        p->failed = true;
        (void)mu_fail(p->err, MU_E_INVALID, "expression '%s': %s at position %zu",
                      p->text, what, p->at);
    }
}

static void set_add(struct set *s, unsigned byte)
{
    s->bits[byte >> 3] |= (uint8_t)(1u << (byte & 7));
}

static void set_add_range(struct set *s, unsigned low, unsigned high)
{
    for (unsigned b = low; b <= high; b++) {
        set_add(s, b);
    }
}

static bool set_has(const struct set *s, unsigned byte)
{
    return (s->bits[byte >> 3] >> (byte & 7)) & 1;
}

static void set_invert(struct set *s)
{
    for (size_t i = 0; i < sizeof(s->bits); i++) {
        s->bits[i] = (uint8_t)~s->bits[i];
    }
}

static size_t emit(struct parser *p, struct instruction i)
{
    if (p->out->program.count >= PATTERN_PROGRAM_MAX) {
        fail(p, "too big");
        return 0;
    }
    MU_VEC_PUSH(&p->out->program, i);
    return p->out->program.count - 1;
}

static char peek(const struct parser *p)
{
    return p->text[p->at];
}

/* \d and its like; false: not a class. */
static bool class_of(char c, struct set *out)
{
    struct set s = {0};
    switch (c | 0x20) {
    case 'd':
        set_add_range(&s, '0', '9');
        break;
    case 'w':
        set_add_range(&s, '0', '9');
        set_add_range(&s, 'a', 'z');
        set_add_range(&s, 'A', 'Z');
        set_add(&s, '_');
        break;
    case 's':
        set_add_range(&s, '\t', '\r');
        set_add(&s, ' ');
        break;
    default:
        return false;
    }
    if (c < 'a') {
        set_invert(&s);
    }
    for (size_t i = 0; i < sizeof(s.bits); i++) {
        out->bits[i] |= s.bits[i];
    }
    return true;
}

/* What follows a backslash, into a set. */
static void parse_escape(struct parser *p, struct set *out)
{
    char c = peek(p);
    if (c == '\0') {
        fail(p, "ends with a backslash");
        return;
    }
    p->at++;
    if (class_of(c, out)) {
        return;
    }
    bool word =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (c == 't' || c == 'n' || c == 'r') {
        set_add(out, c == 't' ? '\t' : c == 'n' ? '\n' : '\r');
    } else if (word) {
        fail(p, "unknown escape");
    } else {
        set_add(out, (unsigned char)c);
    }
}

static void parse_class(struct parser *p, struct set *out)
{
    bool inverted = peek(p) == '^';
    p->at += inverted;
    bool first = true;
    while (!p->failed && (peek(p) != ']' || first)) {
        unsigned char low = (unsigned char)peek(p);
        if (low == '\0') {
            fail(p, "class without an end");
            return;
        }
        p->at++;
        first = false;
        if (low == '\\') {
            parse_escape(p, out);
            continue;
        }
        unsigned char high = low;
        if (peek(p) == '-' && p->text[p->at + 1] != ']' && p->text[p->at + 1] != '\0') {
            high = (unsigned char)p->text[p->at + 1];
            p->at += 2;
        }
        if (high < low) {
            fail(p, "range the wrong way round");
            return;
        }
        set_add_range(out, low, high);
    }
    p->at++;
    if (inverted) {
        set_invert(out);
    }
}

static void parse_alternatives(struct parser *p);

static void parse_group(struct parser *p)
{
    if (peek(p) == '?') {
        if (p->text[p->at + 1] != ':') {
            fail(p, "look-around and flags are not supported");
            return;
        }
        p->at += 2;
    }
    if (++p->depth > PATTERN_DEPTH_MAX) {
        fail(p, "nested too deep");
        return;
    }
    parse_alternatives(p);
    p->depth--;
    if (!p->failed && peek(p) != ')') {
        fail(p, "group without an end");
        return;
    }
    p->at++;
}

/* One character, class or group. */
static void parse_atom(struct parser *p)
{
    struct instruction i = {.op = OP_SET};
    char c = peek(p);
    if (++p->work > PATTERN_WORK_MAX) {
        fail(p, "too big");
        return;
    }
    p->at++;
    switch (c) {
    case '(':
        parse_group(p);
        return;
    case '[':
        parse_class(p, &i.set);
        break;
    case '.':
        set_add(&i.set, '\n');
        set_invert(&i.set);
        break;
    case '\\':
        parse_escape(p, &i.set);
        break;
    case '^':
        i.op = OP_BEGIN;
        break;
    case '$':
        i.op = OP_END;
        break;
    case '*':
    case '+':
    case '?':
    case '{':
        p->at--;
        fail(p, "nothing to repeat");
        return;
    default:
        set_add(&i.set, (unsigned char)c);
        break;
    }
    (void)emit(p, i);
}

static uint32_t parse_number(struct parser *p)
{
    uint32_t n = 0;
    if (peek(p) < '0' || peek(p) > '9') {
        fail(p, "number expected");
    }
    while (peek(p) >= '0' && peek(p) <= '9' && !p->failed) {
        n = n * 10 + (uint32_t)(peek(p) - '0');
        p->at++;
        if (n > PATTERN_COUNT_MAX) {
            fail(p, "repetition too big");
        }
    }
    return n;
}

struct repeat {
    uint32_t min, max; /* UINT32_MAX: no end */
};

/* The mark behind an atom, if there is one. */
static bool parse_repeat(struct parser *p, struct repeat *out)
{
    switch (peek(p)) {
    case '*':
        *out = (struct repeat){0, UINT32_MAX};
        break;
    case '+':
        *out = (struct repeat){1, UINT32_MAX};
        break;
    case '?':
        *out = (struct repeat){0, 1};
        break;
    case '{':
        p->at++;
        out->min = parse_number(p);
        out->max = out->min;
        if (peek(p) == ',') {
            p->at++;
            out->max = peek(p) == '}' ? UINT32_MAX : parse_number(p);
        }
        if (!p->failed && (peek(p) != '}' || out->max < out->min)) {
            fail(p, "bad repetition");
        }
        break;
    default:
        return false;
    }
    p->at += !p->failed;
    if (peek(p) == '?' || peek(p) == '+') {
        p->at++; /* lazy and possessive: all the same to a full match */
    }
    return true;
}

static uint32_t here(const struct parser *p)
{
    return (uint32_t)p->out->program.count;
}

static void parse_atom_at(struct parser *p, size_t source)
{
    p->at = source;
    parse_atom(p);
}

/* The atom whose source starts at `source` has been emitted once, at program place begin;
 * emit it as often as r says. Leaves p->at as it was. */
static void emit_repeat(struct parser *p, size_t source, size_t begin, struct repeat r)
{
    size_t after = p->at;
    p->out->program.count = begin;
    for (uint32_t i = 0; i < r.min && !p->failed; i++) {
        parse_atom_at(p, source);
    }
    if (r.max == UINT32_MAX && !p->failed) {
        size_t split = emit(p, (struct instruction){.op = OP_SPLIT});
        parse_atom_at(p, source);
        (void)emit(p, (struct instruction){.op = OP_JUMP, .a = (uint32_t)split});
        if (!p->failed) {
            p->out->program.v[split].a = (uint32_t)split + 1;
            p->out->program.v[split].b = here(p);
        }
    } else {
        for (uint32_t i = r.min; i < r.max && !p->failed; i++) {
            size_t split = emit(p, (struct instruction){.op = OP_SPLIT});
            parse_atom_at(p, source);
            if (!p->failed) {
                p->out->program.v[split].a = (uint32_t)split + 1;
                p->out->program.v[split].b = here(p);
            }
        }
    }
    p->at = after;
}

static void parse_sequence(struct parser *p)
{
    while (!p->failed && peek(p) != '\0' && peek(p) != '|' && peek(p) != ')') {
        size_t source = p->at, begin = p->out->program.count;
        struct repeat r;
        parse_atom(p);
        if (!p->failed && parse_repeat(p, &r) && !p->failed) {
            emit_repeat(p, source, begin, r);
        }
    }
}

/* a|b|c: each alternative is preceded by a split to the next and ends with a jump to the
 * end; inserting the split moves the alternative, so its targets are moved too. */
static void parse_alternatives(struct parser *p)
{
    MU_VEC(size_t) jumps = {0};
    for (;;) {
        size_t begin = p->out->program.count;
        parse_sequence(p);
        if (p->failed || peek(p) != '|') {
            break;
        }
        p->at++;
        (void)emit(p, (struct instruction){.op = OP_JUMP});
        if (p->failed) {
            break;
        }
        struct instruction split = {.op = OP_SPLIT};
        MU_VEC_INSERT(&p->out->program, begin, split);
        for (size_t i = begin + 1; i < p->out->program.count; i++) {
            struct instruction *in = &p->out->program.v[i];
            in->a += in->op == OP_SPLIT || in->op == OP_JUMP;
            in->b += in->op == OP_SPLIT;
        }
        p->out->program.v[begin].a = (uint32_t)begin + 1;
        p->out->program.v[begin].b = here(p);
        MU_VEC_PUSH(&jumps, p->out->program.count - 1);
    }
    for (size_t i = 0; i < jumps.count && !p->failed; i++) {
        p->out->program.v[jumps.v[i]].a = here(p);
    }
    MU_VEC_RELEASE(&jumps);
}

struct pattern *pattern_create(const char *expression, struct mu_error *err)
{
    struct pattern *out = MU_NEW(struct pattern);
    struct parser p = {.text = expression, .out = out, .err = err};
    parse_alternatives(&p);
    if (!p.failed && peek(&p) != '\0') {
        fail(&p, "unmatched ')'");
    }
    (void)emit(&p, (struct instruction){.op = OP_MATCH});
    if (p.failed) {
        pattern_destroy(out);
        return NULL;
    }
    return out;
}

void pattern_destroy(struct pattern *p)
{
    if (p == NULL) {
        return;
    }
    MU_VEC_RELEASE(&p->program);
    free(p);
}

struct live { /* a set of instructions, in the order they were added */
    uint32_t *at;
    bool *has;
    size_t count;
};

/* Add pc and all it leads to without reading a byte. */
static void
follow(const struct pattern *p, struct live *l, uint32_t pc, bool begin, bool end)
{
    size_t done = l->count;
    if (!l->has[pc]) {
        l->has[pc] = true;
        l->at[l->count++] = pc;
    }
    for (; done < l->count; done++) {
        const struct instruction *i = &p->program.v[l->at[done]];
        uint32_t next[2] = {UINT32_MAX, UINT32_MAX};
        if (i->op == OP_SPLIT || i->op == OP_JUMP) {
            next[0] = i->a;
            next[1] = i->op == OP_SPLIT ? i->b : UINT32_MAX;
        } else if ((i->op == OP_BEGIN && begin) || (i->op == OP_END && end)) {
            next[0] = l->at[done] + 1;
        }
        for (size_t n = 0; n < 2; n++) {
            if (next[n] != UINT32_MAX && !l->has[next[n]]) {
                l->has[next[n]] = true;
                l->at[l->count++] = next[n];
            }
        }
    }
}

static void live_init(struct live *l, size_t size)
{
    l->at = mu_xcalloc(size, sizeof(*l->at));
    l->has = mu_xcalloc(size, sizeof(*l->has));
    l->count = 0;
}

static void live_release(struct live *l)
{
    free(l->at);
    free(l->has);
}

bool pattern_matches(const struct pattern *p, const char *text)
{
    size_t size = p->program.count;
    struct live now, next;
    live_init(&now, size);
    live_init(&next, size);
    follow(p, &now, 0, true, text[0] == '\0');
    for (const char *c = text; *c != '\0' && now.count > 0; c++) {
        memset(next.has, 0, size * sizeof(*next.has));
        next.count = 0;
        for (size_t i = 0; i < now.count; i++) {
            const struct instruction *in = &p->program.v[now.at[i]];
            if (in->op == OP_SET && set_has(&in->set, (unsigned char)*c)) {
                follow(p, &next, now.at[i] + 1, false, c[1] == '\0');
            }
        }
        struct live swap = now;
        now = next;
        next = swap;
    }
    bool matched = now.has[size - 1] && now.count > 0;
    live_release(&now);
    live_release(&next);
    return matched;
}
