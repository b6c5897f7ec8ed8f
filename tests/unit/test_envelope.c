/* test_envelope.c - sender and recipients, filters' edits of them, and what the upstream still has
 * to be told. */
#include "message/envelope.h"

#include "test.h"

static struct mw_arena arena;

static struct mw_envelope_arg parse(const char *text, const char *keyword)
{
    struct mw_envelope_arg arg;
    if (mw_envelope_arg_parse(mw_slice_cstr(text), mw_slice_cstr(keyword), &arg) != MW_OK)
        mw_test_fail(__FILE__, __LINE__, "cannot parse %s", text);
    return arg;
}

static struct mw_envelope begin(const char *from)
{
    struct mw_envelope envelope;
    mw_envelope_init(&envelope, &arena);
    struct mw_envelope_arg arg = parse(from, "FROM");
    mw_envelope_set_sender(&envelope, &arg);
    return envelope;
}

static size_t add(struct mw_envelope *envelope, const char *to)
{
    struct mw_envelope_arg arg = parse(to, "TO");
    size_t index = SIZE_MAX;
    if (mw_envelope_add_rcpt(envelope, &arg, &index) != MW_OK)
        mw_test_fail(__FILE__, __LINE__, "cannot add %s", to);
    return index;
}

/* As the session does once the upstream has said yes. */
static void send_rcpt(struct mw_envelope *envelope, size_t index)
{
    struct mw_rcpt *rcpt = &envelope->rcpts[index];
    rcpt->is_upstream = true;
    rcpt->sent = rcpt->mailbox.address;
    mw_envelope_set_status(envelope, index, MW_RCPT_ACCEPTED, 250);
}

static void end(struct mw_envelope *envelope)
{
    mw_envelope_fini(envelope);
    mw_arena_fini(&arena);
}

TEST(sender_is_copied_with_what_its_parameters_say)
{
    char line[] = "FROM:<\"a b\"@Example.net> SIZE=4321 body=binarymime SMTPUTF8 RET=HDRS";
    struct mw_envelope envelope = begin(line);
    memset(line, '#', sizeof line - 1); /* nothing may point into the command line any more */
    CHECK_SLICE(envelope.sender.address, "\"a b\"@Example.net");
    CHECK_SLICE(envelope.sender.local, "\"a b\"");
    CHECK_SLICE(envelope.sender.domain, "Example.net");
    CHECK_SLICE(envelope.sender.params, "SIZE=4321 body=binarymime SMTPUTF8 RET=HDRS");
    CHECK(envelope.sender.original.ptr == envelope.sender.address.ptr);
    CHECK_INT(envelope.declared_size, 4321);
    CHECK(envelope.is_binary && envelope.is_utf8 && envelope.has_sender);
    end(&envelope);
}

TEST(null_sender_and_odd_sizes_are_taken)
{
    struct mw_envelope envelope = begin("FROM:<> SIZE=12x BODY=8BITMIME");
    CHECK_SLICE(envelope.sender.address, "");
    CHECK_SLICE(envelope.sender.domain, "");
    CHECK_INT(envelope.declared_size, 0);
    CHECK(!envelope.is_binary && envelope.has_sender);
    CHECK_INT(mw_envelope_gap(&envelope),
              MW_GAP_REPLAY); /* no MAIL yet, though "" is the address */
    envelope.sent_sender = envelope.sender.address;
    CHECK_INT(mw_envelope_gap(&envelope), MW_GAP_NONE);
    end(&envelope);
}

TEST(rewritten_addresses_are_taken_apart_anew)
{
    struct mw_envelope envelope = begin("FROM:<a@b.example>");
    CHECK_INT(mw_envelope_rewrite_sender(&envelope, MW_LIT("\"x y\"@c.example")), MW_OK);
    CHECK_SLICE(envelope.sender.local, "\"x y\"");
    CHECK_SLICE(envelope.sender.domain, "c.example");
    CHECK_SLICE(envelope.sender.original, "a@b.example");
    CHECK_INT(mw_envelope_rewrite_sender(&envelope, MW_LIT("a@b.example")), MW_OK);
    CHECK(envelope.sender.address.ptr == envelope.sender.original.ptr);
    CHECK_SLICE(envelope.sender.local, "a");
    CHECK_INT(mw_envelope_rewrite_sender(&envelope, MW_EMPTY), MW_OK);
    CHECK_SLICE(envelope.sender.address, "");
    CHECK_SLICE(envelope.sender.local, "");
    end(&envelope);
}

TEST(addresses_that_are_not_fit_for_the_wire_are_refused)
{
    struct mw_envelope envelope = begin("FROM:<a@b>");
    size_t to = add(&envelope, "TO:<c@d>");
    static const struct mw_slice bad[] = {
        MW_LIT("a@b>\r\nRCPT TO:<e@f"),
        MW_LIT("a@b> SIZE=1"),
        MW_LIT("<a@b>"),
        MW_LIT("a\0@b"),
        MW_LIT("a\n@b"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_INT(mw_envelope_rewrite_sender(&envelope, bad[i]), MW_ERR_SYNTAX);
        CHECK_INT(mw_envelope_rewrite_rcpt(&envelope, to, bad[i]), MW_ERR_SYNTAX);
        CHECK_INT(mw_envelope_insert_rcpt(&envelope, bad[i]), MW_ERR_SYNTAX);
    }
    CHECK_INT(mw_envelope_rewrite_rcpt(&envelope, to, MW_EMPTY), MW_ERR_SYNTAX);
    CHECK_INT(mw_envelope_insert_rcpt(&envelope, MW_EMPTY), MW_ERR_SYNTAX);
    CHECK_INT(mw_envelope_rewrite_rcpt(&envelope, 1, MW_LIT("e@f")), MW_ERR_NOENT);
    CHECK_INT(mw_envelope_delete_rcpt(&envelope, 1), MW_ERR_NOENT);
    CHECK_INT(envelope.rcpt_count, 1);
    end(&envelope);
    mw_envelope_init(&envelope, &arena);
    CHECK_INT(mw_envelope_rewrite_sender(&envelope, MW_LIT("a@b")), MW_ERR_NOENT);
}

TEST(counters_follow_the_status)
{
    struct mw_envelope envelope = begin("FROM:<a@b>");
    for (int i = 0; i < 5; i++)
        add(&envelope, "TO:<c@d>");
    mw_envelope_set_status(&envelope, 0, MW_RCPT_ACCEPTED, 250);
    mw_envelope_set_status(&envelope, 1, MW_RCPT_REFUSED_FILTER, 450);
    mw_envelope_set_status(&envelope, 2, MW_RCPT_REFUSED_UPSTREAM, 550);
    mw_envelope_set_status(&envelope, 3, MW_RCPT_DISCARDED, 250);
    CHECK_INT(envelope.accepted, 1);
    CHECK_INT(envelope.refused_by_filter, 1);
    CHECK_INT(envelope.refused_by_upstream, 1);
    CHECK_INT(envelope.discarded, 1);
    CHECK_INT(envelope.rcpts[1].code, 450);
    CHECK_INT(mw_envelope_wanted(&envelope), 2); /* the accepted and the pending one */
    CHECK_INT(mw_envelope_delete_rcpt(&envelope, 0), MW_OK);
    CHECK_INT(mw_envelope_delete_rcpt(&envelope, 2), MW_OK); /* nothing to delete */
    CHECK_INT(envelope.accepted, 0);
    CHECK_INT(envelope.rcpts[0].status, MW_RCPT_DELETED);
    CHECK_INT(envelope.rcpts[0].code, 250);
    CHECK_INT(envelope.rcpts[2].status, MW_RCPT_REFUSED_UPSTREAM);
    end(&envelope);
}

TEST(gap_tells_what_the_upstream_lacks)
{
    struct mw_envelope envelope = begin("FROM:<a@b>");
    envelope.sent_sender = envelope.sender.address;
    size_t first = add(&envelope, "TO:<c@d>"), second = add(&envelope, "TO:<e@f>");
    send_rcpt(&envelope, first);
    send_rcpt(&envelope, second);
    CHECK_INT(mw_envelope_gap(&envelope), MW_GAP_NONE);
    CHECK_INT(mw_envelope_next_unsent(&envelope, 0, false), -1);
    CHECK_INT(mw_envelope_insert_rcpt(&envelope, MW_LIT("c@D")), MW_OK); /* is there already */
    CHECK_INT(mw_envelope_gap(&envelope), MW_GAP_NONE);
    CHECK_INT(mw_envelope_insert_rcpt(&envelope, MW_LIT("C@d")), MW_OK); /* another mailbox */
    CHECK_INT(mw_envelope_gap(&envelope), MW_GAP_ADD);
    CHECK_INT(mw_envelope_next_unsent(&envelope, 0, false), 2);
    CHECK_INT(mw_envelope_next_unsent(&envelope, 1, true), 1);
    CHECK_INT(mw_envelope_delete_rcpt(&envelope, 2), MW_OK);
    CHECK_INT(mw_envelope_gap(&envelope), MW_GAP_NONE);
    CHECK_INT(mw_envelope_delete_rcpt(&envelope, second), MW_OK);
    CHECK_INT(mw_envelope_gap(&envelope), MW_GAP_REPLAY);
    CHECK_INT(mw_envelope_next_unsent(&envelope, 1, true), -1);
    CHECK_INT(mw_envelope_wanted(&envelope), 1);
    end(&envelope);
}

TEST(changed_sender_or_recipient_needs_a_replay)
{
    struct mw_envelope envelope = begin("FROM:<a@b>");
    envelope.sent_sender = envelope.sender.address;
    size_t to = add(&envelope, "TO:<c@d>");
    send_rcpt(&envelope, to);
    CHECK_INT(mw_envelope_rewrite_rcpt(&envelope, to, MW_LIT("x@d")), MW_OK);
    CHECK_INT(mw_envelope_gap(&envelope), MW_GAP_REPLAY);
    CHECK_INT(mw_envelope_rewrite_rcpt(&envelope, to, MW_LIT("c@d")), MW_OK);
    CHECK_INT(mw_envelope_gap(&envelope), MW_GAP_NONE);
    CHECK_INT(mw_envelope_rewrite_sender(&envelope, MW_EMPTY), MW_OK);
    CHECK_INT(mw_envelope_gap(&envelope), MW_GAP_REPLAY);
    end(&envelope);
}

TEST(recipients_beyond_the_limit_are_refused)
{
    struct mw_envelope envelope = begin("FROM:<a@b>");
    struct mw_envelope_arg arg = parse("TO:<c@d>", "TO");
    size_t index = 0;
    for (int i = 0; i < MW_RCPTS_MAX; i++)
        CHECK_INT(mw_envelope_add_rcpt(&envelope, &arg, &index), MW_OK);
    CHECK_INT(index, MW_RCPTS_MAX - 1);
    CHECK_INT(mw_envelope_add_rcpt(&envelope, &arg, &index), MW_ERR_LIMIT);
    CHECK_INT(mw_envelope_insert_rcpt(&envelope, MW_LIT("new@d")), MW_ERR_LIMIT);
    CHECK_INT(mw_envelope_insert_rcpt(&envelope, MW_LIT("c@d")), MW_OK);
    end(&envelope);
}
