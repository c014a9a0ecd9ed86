/* A journal's records as muster log sees them: what stands out as wrong, and the lines
 * that tell of them. */
#include "kit.h"

#include "replicated_log/dump.h"
#include "replicated_log/survey.h"

#define REPLICA 0xabcu
#define TEXT_MAX (1024u * 1024)

struct fixture {
    struct rlog_survey survey;
    struct rlog_dump dump;
    struct mu_buf lines; /* of the dump */
};

static void on_line(void *arg, const char *line)
{
    struct fixture *f = arg;
    mu_buf_printf(&f->lines, "%s\n", line);
}

static void begin(struct fixture *f)
{
    *f = (struct fixture){.dump = {.log = "apps", .put = on_line, .arg = f}};
    rlog_survey_init(&f->survey);
    mu_buf_init(&f->lines, TEXT_MAX);
}

static void end(struct fixture *f)
{
    rlog_survey_release(&f->survey);
    mu_buf_release(&f->dump.line);
    mu_buf_release(&f->lines);
}

/* Each record stands a hundred bytes behind the one before it. */
static void add_bytes(struct fixture *f, const void *data, size_t len)
{
    uint64_t offset = 100 * (f->survey.records + 1);
    rlog_survey_add(&f->survey, offset, data, len);
    rlog_dump_record(&f->dump, offset, f->survey.records, data, len);
}

static void add(struct fixture *f, struct paxos_entry e)
{
    struct mu_buf b;
    mu_buf_init(&b, TEXT_MAX);
    paxos_entry_encode(&b, &e);
    add_bytes(f, b.data, b.len);
    mu_buf_release(&b);
}

static void add_identity(struct fixture *f, uint64_t id)
{
    add(f, (struct paxos_entry){.kind = PAXOS_ENTRY_IDENTITY, .id = id});
}

static void add_promise(struct fixture *f, uint64_t epoch, uint32_t round)
{
    add(f, (struct paxos_entry){.kind = PAXOS_ENTRY_PROMISE,
                                .ballot = {epoch, round, REPLICA}});
}

static void add_committed(struct fixture *f, uint64_t position)
{
    add(f, (struct paxos_entry){.kind = PAXOS_ENTRY_COMMITTED, .position = position});
}

/* Takes the value over. position 0: of the map. */
static void add_value(struct fixture *f, uint64_t position, struct paxos_value *v)
{
    add(f,
        (struct paxos_entry){.kind = position == 0 ? PAXOS_ENTRY_MAP : PAXOS_ENTRY_CHOSEN,
                             .position = position,
                             .value = v});
    paxos_value_unref(v);
}

static struct paxos_value *epoch_value(uint64_t epoch)
{
    struct mu_buf b;
    mu_buf_init(&b, TEXT_MAX);
    rlog_encode_epoch(&b, epoch);
    struct paxos_value *v = paxos_value_create(PAXOS_BATCH, b.data, b.len);
    mu_buf_release(&b);
    return v;
}

static struct paxos_value *
batch_value(uint64_t epoch, const struct mu_registry_op *ops, uint32_t count)
{
    struct mu_buf b;
    mu_buf_init(&b, TEXT_MAX);
    rlog_encode_batch_head(&b, epoch, count);
    for (uint32_t i = 0; i < count; i++) {
        rlog_encode_op(&b, &ops[i]);
    }
    struct paxos_value *v = paxos_value_create(PAXOS_BATCH, b.data, b.len);
    mu_buf_release(&b);
    return v;
}

/* Takes the value over. */
static void add_accept(struct fixture *f,
                       uint64_t position,
                       uint64_t committed,
                       struct paxos_value *v)
{
    add(f, (struct paxos_entry){.kind = PAXOS_ENTRY_ACCEPT,
                                .position = position,
                                .ballot = {3, 1, REPLICA},
                                .committed = committed,
                                .value = v});
    paxos_value_unref(v);
}

static struct paxos_members three(void)
{
    struct paxos_members m = {.log = 0xdef, .quorum = 2};
    assert_true(paxos_members_add(&m, REPLICA, "h1:5050"));
    assert_true(paxos_members_add(&m, REPLICA + 1, "h2:5050"));
    assert_true(paxos_members_add(&m, REPLICA + 2, ""));
    return m;
}

static void add_snapshot(struct fixture *f, uint64_t position)
{
    add(f, (struct paxos_entry){
               .kind = PAXOS_ENTRY_SNAPSHOT, .position = position, .members = three()});
}

static struct paxos_value *members_value(void)
{
    const struct paxos_members m = three();
    return paxos_members_value(&m);
}

/* Who it is, that it votes, a promise, an epoch: records 1 to 4. */
static void begin_log(struct fixture *f)
{
    begin(f);
    add_identity(f, REPLICA);
    add(f, (struct paxos_entry){
               .kind = PAXOS_ENTRY_STATUS, .status = PAXOS_VOTING, .members = three()});
    add_promise(f, 3, 1);
    add_accept(f, 1, 0, epoch_value(3));
    assert_int_equal(f->survey.status, 0);
}

static void assert_bad(const struct fixture *f, uint64_t number, const char *text)
{
    assert_int_equal(f->survey.status, MU_E_CORRUPT);
    assert_int_equal(f->survey.bad_number, number);
    assert_int_equal(f->survey.bad_offset, 100 * number);
    assert_non_null(strstr(f->survey.why.text, text));
}

static void hole_before_what_was_chosen_is_found(void **state)
{
    (void)state;
    struct fixture f;
    begin_log(&f);
    const struct mu_registry_op put = {"apps/a", "{}", 2};
    add_accept(&f, 2, 1, batch_value(3, &put, 1));
    add_committed(&f, 2);
    add_accept(&f, 4, 3, epoch_value(3));
    struct paxos_view v;
    assert_int_equal(f.survey.status, MU_E_CORRUPT); /* it says that 3 was chosen */
    paxos_view(f.survey.machine, &v);
    assert_int_equal(v.committed, 2);
    assert_int_equal(v.state->map.count, 1);
    assert_int_equal(v.state->epoch, 3);
    assert_int_equal(f.survey.id, REPLICA);
    assert_bad(&f, 7, "position 3 is missing");
    end(&f);
}

static void votes_behind_what_is_committed_are_seen(void **state)
{
    (void)state;
    struct fixture f;
    begin_log(&f);
    add_accept(&f, 2, 1, epoch_value(3));
    add_accept(&f, 4, 1, epoch_value(3));
    assert_int_equal(f.survey.status, 0);
    struct paxos_view view;
    paxos_view(f.survey.machine, &view);
    assert_int_equal(view.committed, 1);
    assert_non_null(paxos_ring_get(view.accepted, 2));
    assert_null(paxos_ring_get(view.accepted, 3)); /* lost on its way: no mistake */
    assert_non_null(paxos_ring_get(view.accepted, 4));
    end(&f);
}

static void identity_is_first_and_stays(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    add_promise(&f, 1, 1);
    assert_bad(&f, 1, "does not name the replica");
    end(&f);
    begin_log(&f);
    add_identity(&f, REPLICA);
    assert_int_equal(f.survey.status, 0);
    add_identity(&f, REPLICA + 1);
    assert_bad(&f, 6, "0000000000000abd");
    end(&f);
}

static void promise_is_not_taken_back(void **state)
{
    (void)state;
    struct fixture f;
    begin_log(&f);
    add_promise(&f, 3, 1);
    assert_int_equal(f.survey.status, 0);
    add_promise(&f, 2, 9);
    assert_bad(&f, 6, "epoch 3 round 1 was promised before");
    end(&f);
}

static void map_stands_behind_its_snapshot(void **state)
{
    (void)state;
    struct fixture f;
    begin_log(&f);
    add_snapshot(&f, 9);
    add_value(&f, 0, epoch_value(3));
    add_value(&f, 0, epoch_value(3));
    assert_int_equal(f.survey.status, 0);
    add_committed(&f, 9);
    add_value(&f, 0, epoch_value(3));
    assert_bad(&f, 9, "behind no snapshot");
    end(&f);
}

static void first_bad_record_is_the_one_that_is_told(void **state)
{
    (void)state;
    struct fixture f;
    begin_log(&f);
    add_bytes(&f, "P", 1);
    add_bytes(&f, "C", 1);
    assert_bad(&f, 5, "kind 'P'");
    assert_int_equal(f.survey.records, 6);
    end(&f);
}

static void records_of_one_master_alone_add_up(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct paxos_value *v = epoch_value(3);
    add_bytes(&f, v->bytes, v->len);
    paxos_value_unref(v);
    const struct mu_registry_op put = {"apps/a", "{}", 2};
    v = batch_value(3, &put, 1);
    add_bytes(&f, v->bytes, v->len);
    paxos_value_unref(v);
    assert_int_equal(f.survey.status, 0);
    assert_true(f.survey.is_old);
    assert_int_equal(f.survey.id, 0);
    assert_string_equal(mu_buf_str(&f.lines),
                        "apps 100 #1 epoch epoch=3\n"
                        "apps 200 #2 batch epoch=3 operations=1\n"
                        "apps 200 #2 put key=apps/a bytes=2 value={}\n");
    end(&f);
}

static void each_kind_has_its_line(void **state)
{
    (void)state;
    struct fixture f;
    begin_log(&f);
    const struct mu_registry_op ops[] = {{"apps/a", "{}", 2}, {"tasks/b", NULL, 0}};
    add_accept(&f, 2, 1, batch_value(3, ops, 2));
    add_value(&f, 3, members_value());
    add_value(&f, 4, paxos_value_create(PAXOS_NOTHING, NULL, 0));
    add_committed(&f, 4);
    add_snapshot(&f, 9);
    add_value(&f, 0, batch_value(3, ops, 1));
    add_bytes(&f, "I", 1);
    static const char members[] = "of_log=0000000000000def quorum=2 "
                                  "members=0000000000000abc@h1:5050,"
                                  "0000000000000abd@h2:5050,0000000000000abe@\n";
    struct mu_buf want;
    mu_buf_init(&want, TEXT_MAX);
    mu_buf_printf(&want,
                  "apps 100 #1 identity replica=0000000000000abc\n"
                  "apps 200 #2 status status=voting %s"
                  "apps 300 #3 promise ballot=3.1.0000000000000abc\n"
                  "apps 400 #4 accept position=1 ballot=3.1.0000000000000abc committed=0 "
                  "of=epoch epoch=3\n"
                  "apps 500 #5 accept position=2 ballot=3.1.0000000000000abc committed=1 "
                  "of=batch epoch=3 operations=2\n"
                  "apps 500 #5 put position=2 key=apps/a bytes=2 value={}\n"
                  "apps 500 #5 delete position=2 key=tasks/b\n"
                  "apps 600 #6 chosen position=3 of=members %s"
                  "apps 700 #7 chosen position=4 of=nothing\n"
                  "apps 800 #8 committed position=4\n"
                  "apps 900 #9 snapshot position=9 %s"
                  "apps 1000 #10 map of=batch epoch=3 operations=1\n"
                  "apps 1000 #10 put key=apps/a bytes=2 value={}\n"
                  "apps 1100 #11 unreadable bytes=1 error=an entry of kind 'I' is not "
                  "valid\n",
                  members, members, members);
    assert_string_equal(mu_buf_str(&f.lines), mu_buf_str(&want));
    mu_buf_release(&want);
    end(&f);
}

/* The line of an entry of the map with this value. */
static const char *
shown(struct fixture *f, const char *key, const void *value, size_t len)
{
    struct rlog_map m = {0};
    rlog_map_put(&m, key, value, len);
    mu_buf_clear(&f->lines);
    rlog_dump_map(&f->dump, &m);
    rlog_map_release(&m);
    return mu_buf_str(&f->lines);
}

static void values_are_text_or_hex_and_shortened(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    assert_string_equal(shown(&f, "k", "", 0), "apps - entry key=k bytes=0 value=\n");
    assert_string_equal(shown(&f, "k", "{\"a\":\"\xc3\xbc\"}", 10),
                        "apps - entry key=k bytes=10 value={\"a\":\"\xc3\xbc\"}\n");
    assert_string_equal(shown(&f, "k", "a\0b", 3),
                        "apps - entry key=k bytes=3 value=0x610062\n");
    /* control characters, a lone byte, too long a form, a surrogate, the end of a line */
    static const char *const no_text[] = {
        "\x1b[2J",  "\x7f",         "\xc2\x9b",     "\xfc",         "\xc3",
        "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xe2\x80\xa8", "\xf5\x80\x80\x80"};
    for (size_t i = 0; i < MU_COUNT_OF(no_text); i++) {
        assert_non_null(
            strstr(shown(&f, "k", no_text[i], strlen(no_text[i])), "value=0x"));
    }
    assert_string_equal(shown(&f, "a b\n\\\xff", "x", 1),
                        "apps - entry key=a\\x20b\\x0a\\x5c\\xff bytes=1 value=x\n");
    char longer[82];
    memset(longer, 'x', sizeof(longer));
    memcpy(longer + 79, "\xc3\xbc", 2);
    const char *line = shown(&f, "k", longer, sizeof(longer));
    assert_non_null(strstr(line, "xx...\n")); /* not through the character */
    assert_int_equal(strlen(strstr(line, "value=")), strlen("value=") + 79 + 4);
    f.dump.whole_values = true;
    line = shown(&f, "k", longer, sizeof(longer));
    assert_int_equal(strlen(strstr(line, "value=")), strlen("value=") + 82 + 1);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hole_before_what_was_chosen_is_found),
        cmocka_unit_test(votes_behind_what_is_committed_are_seen),
        cmocka_unit_test(identity_is_first_and_stays),
        cmocka_unit_test(promise_is_not_taken_back),
        cmocka_unit_test(map_stands_behind_its_snapshot),
        cmocka_unit_test(first_bad_record_is_the_one_that_is_told),
        cmocka_unit_test(records_of_one_master_alone_add_up),
        cmocka_unit_test(each_kind_has_its_line),
        cmocka_unit_test(values_are_text_or_hex_and_shortened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
