/* testblock.c - plays a block's dialogue stage by stage, and compares. */
#include "testblock.h"

#include "rate.h"
#include "report.h"

enum { DETAIL_MAX = 2000 };

/* ---- the dialogue ---- */

static enum mw_verdict run(struct test_mail *mail, enum mw_stage stage)
{
    mail->said = (struct ending){.verdict = MW_CONTINUE};
    mail->said.verdict = rules_run(&mail->subject, stage);
    return mail->said.verdict;
}

static bool ends(enum mw_verdict verdict)
{
    return verdict != MW_CONTINUE;
}

/* RCPT for each recipient. True: the session is over. */
static bool run_rcpts(struct test_mail *mail)
{
    struct line unnamed = {.text = LIT("recipient@example.com")};
    const struct line *rcpts = mail->block->rcpts ? mail->block->rcpts : &unnamed;
    for (const struct line *rcpt = rcpts; rcpt != NULL; rcpt = rcpt->next) {
        size_t index = mail->rcpt_count;
        rules_test_mail_add_rcpt(mail, rcpt->text);
        rules_at_rcpt(&mail->subject, index);
        enum mw_verdict verdict = run(mail, MW_STAGE_RCPT);
        if (verdict == MW_DISCONNECT)
            return true;
        struct test_rcpt *slot = &mail->rcpts[index];
        slot->ending = mail->said;
        slot->status = verdict == MW_REJECT || verdict == MW_TEMPFAIL ? MW_RCPT_REFUSED_FILTER
                       : verdict == MW_DISCARD                        ? MW_RCPT_DISCARDED
                                                                      : MW_RCPT_ACCEPTED;
        slot->was_accepted = slot->status == MW_RCPT_ACCEPTED;
    }
    return false;
}

static bool is_quarantined(const struct ending *ending)
{
    if (ending->verdict != MW_ACCEPT || ending->rule == NULL)
        return false;
    const struct action *verdict = ending->rule->verdict ? ending->rule->verdict
                                                         : ending->rule->error_action;
    return verdict != NULL && verdict->kind == ACT_QUARANTINE;
}

/* Rather one who gets it than one whose mail went elsewhere. */
static const struct test_rcpt *first_accepted(const struct test_mail *mail)
{
    const struct test_rcpt *accepted = NULL;
    for (size_t i = 0; i < mail->rcpt_count; i++) {
        const struct test_rcpt *rcpt = &mail->rcpts[i];
        if (rcpt->status == MW_RCPT_ACCEPTED &&
            (accepted == NULL || !is_quarantined(&rcpt->ending)))
            accepted = rcpt;
        if (accepted != NULL && !is_quarantined(&accepted->ending))
            break;
    }
    return accepted;
}

/* Of recipients who were refused at the end the first that was only deferred speaks for all, else the
 * first, as on the wire; NULL: nobody was. */
static const struct test_rcpt *refused_at_end(const struct test_mail *mail)
{
    const struct test_rcpt *refused = NULL;
    for (size_t i = 0; i < mail->rcpt_count; i++) {
        const struct test_rcpt *rcpt = &mail->rcpts[i];
        bool is_refused = rcpt->was_accepted && rcpt->status == MW_RCPT_REFUSED_FILTER;
        bool is_milder = refused != NULL && refused->ending.verdict == MW_REJECT &&
                         rcpt->ending.verdict == MW_TEMPFAIL;
        if (is_refused && (refused == NULL || is_milder))
            refused = rcpt;
    }
    return refused;
}

/* What became of the message. Where all recipients were refused at RCPT, the first one's end is the
 * message's. */
struct ending rules_test_play(struct test_mail *mail)
{
    static const enum mw_stage stages[] = {MW_STAGE_DATA, MW_STAGE_END_OF_HEADERS,
                                           MW_STAGE_END_OF_MESSAGE};
    if (ends(run(mail, MW_STAGE_CONNECT)) || ends(run(mail, MW_STAGE_HELO)))
        return mail->said;
    mail->subject.transaction = rules_transaction_new(&mail->subject);
    if (ends(run(mail, MW_STAGE_MAIL)) || run_rcpts(mail))
        return mail->said;
    if (first_accepted(mail) == NULL)
        return mail->rcpts[0].ending;
    for (size_t i = 0; i < 3; i++)
        if (ends(run(mail, stages[i])))
            return mail->said;
    const struct test_rcpt *speaks = first_accepted(mail);
    if (speaks == NULL)
        speaks = refused_at_end(mail);
    return speaks ? speaks->ending : (struct ending){.verdict = MW_DISCARD};
}

/* ---- expectations ---- */

static const char *verdict_name(enum mw_verdict verdict)
{
    return verdict == MW_REJECT       ? "reject"
           : verdict == MW_TEMPFAIL   ? "defer"
           : verdict == MW_DISCARD    ? "discard"
           : verdict == MW_DISCONNECT ? "disconnect"
                                      : "accept";
}

static enum mw_verdict verdict_of(enum expect_kind kind)
{
    return kind == EXPECT_REJECT       ? MW_REJECT
           : kind == EXPECT_DEFER      ? MW_TEMPFAIL
           : kind == EXPECT_DISCARD    ? MW_DISCARD
           : kind == EXPECT_DISCONNECT ? MW_DISCONNECT
                                       : MW_ACCEPT;
}

/* The code on the wire: rules without one get the proxy's default. */
static uint32_t code_of(const struct ending *ending)
{
    return ending->code                       ? ending->code
           : ending->verdict == MW_REJECT     ? 550u
           : ending->verdict == MW_TEMPFAIL   ? 451u
           : ending->verdict == MW_DISCONNECT ? 421u
                                              : 250u;
}

static bool ending_fits(const struct expect *expect, const struct ending *ending)
{
    enum mw_verdict got = ending->verdict == MW_CONTINUE ? MW_ACCEPT : ending->verdict;
    bool by = expect->rule.len == 0 ||
              (ending->rule != NULL && text_eq(ending->rule->name, expect->rule));
    return got == verdict_of(expect->kind) && by &&
           is_quarantined(ending) == (expect->kind == EXPECT_QUARANTINE) &&
           (expect->code == 0 || expect->code == code_of(ending));
}

/* By the address that the test gave: rules may have rewritten it. */
static const struct test_rcpt *find_rcpt(const struct test_mail *mail, struct mw_slice given)
{
    for (size_t i = 0; i < mail->rcpt_count; i++)
        if (text_address_eq(mail->rcpts[i].given, given))
            return &mail->rcpts[i];
    return NULL;
}

static bool is_delivered_to(const struct test_mail *mail, struct mw_slice address)
{
    for (size_t i = 0; i < mail->rcpt_count; i++) {
        const struct test_rcpt *rcpt = &mail->rcpts[i];
        if ((rcpt->status == MW_RCPT_ACCEPTED || rcpt->status == MW_RCPT_ADDED) &&
            text_address_eq(rcpt->address, address))
            return true;
    }
    return false;
}

static bool has_hit(const struct test_mail *mail, struct mw_slice rule)
{
    for (size_t i = 0; i < mail->hit_count; i++)
        if (text_eq(mail->hits[i]->name, rule))
            return true;
    return false;
}

static bool has_header(const struct test_mail *mail, const struct expect *expect)
{
    for (size_t i = 0; i < mail->header_count; i++)
        if (text_ieq(mail->headers[i].name, expect->name) &&
            (expect->kind == EXPECT_NO_HEADER ||
             text_eq(text_trim(mail->headers[i].value), expect->text)))
            return true;
    return false;
}

static int64_t score_of(const struct test_mail *mail, struct mw_slice name)
{
    const struct name_slot *slot = rules_name_find(&mail->subject.rules->scores, name);
    return slot == NULL || mail->subject.transaction == NULL
               ? 0
               : mail->subject.transaction->scores[slot->at];
}

static bool score_fits(const struct test_mail *mail, const struct expect *expect)
{
    int64_t score = score_of(mail, expect->name);
    return expect->op == OP_LT   ? score < expect->number
           : expect->op == OP_LE ? score <= expect->number
           : expect->op == OP_GT ? score > expect->number
           : expect->op == OP_GE ? score >= expect->number
                                 : score == expect->number;
}

static bool has_tag(const struct test_mail *mail, struct mw_slice name)
{
    const struct name_slot *tag = rules_name_find(&mail->subject.rules->tags, name);
    return tag != NULL && mail->subject.transaction != NULL &&
           mail->subject.transaction->tags[tag->at];
}

static bool verdict_fits(const struct test_mail *mail, const struct expect *expect,
                         const struct ending *ending)
{
    if (!expect->has_rcpt)
        return ending_fits(expect, ending);
    const struct test_rcpt *rcpt = find_rcpt(mail, expect->text);
    return rcpt != NULL &&
           ending_fits(expect, rcpt->ending.verdict != MW_CONTINUE ? &rcpt->ending : ending);
}

static bool fits(const struct test_mail *mail, const struct expect *expect,
                 const struct ending *ending)
{
    switch (expect->kind) {
    case EXPECT_ACCEPT:
    case EXPECT_REJECT:
    case EXPECT_DEFER:
    case EXPECT_DISCARD:
    case EXPECT_DISCONNECT:
    case EXPECT_QUARANTINE:
        return verdict_fits(mail, expect, ending);
    case EXPECT_HIT:
        return has_hit(mail, expect->rule);
    case EXPECT_MISS:
        return !has_hit(mail, expect->rule);
    case EXPECT_HEADER:
        return has_header(mail, expect);
    case EXPECT_NO_HEADER:
        return !has_header(mail, expect);
    case EXPECT_RCPT:
        return is_delivered_to(mail, expect->text);
    case EXPECT_NO_RCPT:
        return !is_delivered_to(mail, expect->text);
    case EXPECT_SENDER:
        return text_address_eq(mail->sender, expect->text);
    case EXPECT_SCORE:
        return score_fits(mail, expect);
    case EXPECT_TAG:
        break;
    }
    return has_tag(mail, expect->text);
}

/* ---- reports ---- */

static void describe(const struct expect *expect, struct builder *out)
{
    static const char *const words[] = {"accept",     "reject",  "defer",  "discard", "disconnect",
                                        "quarantine", "hit",     "miss",   "header",  "no header",
                                        "rcpt",       "no rcpt", "sender", "score",   "tag"};
    builder_putf(out, "expected %s", words[expect->kind]);
    if (expect->code != 0)
        builder_putf(out, " %u", expect->code);
    if (expect->rule.len > 0)
        builder_putf(out, " %s%.*s", expect->kind <= EXPECT_QUARANTINE ? "by " : "",
                     (int)expect->rule.len, expect->rule.ptr);
    if (expect->name.len > 0)
        builder_putf(out, " %.*s", (int)expect->name.len, expect->name.ptr);
    if (expect->kind == EXPECT_SCORE) {
        static const char *const signs[] = {"==", "", "<", "<=", ">", ">="};
        builder_putf(out, " %s ", signs[expect->op]);
        rules_build_number(out, expect->number);
    } else if (expect->text.len > 0 || expect->kind == EXPECT_SENDER) {
        const char *before = expect->kind == EXPECT_HEADER ? ": "
                             : expect->kind == EXPECT_TAG  ? " \""
                             : expect->has_rcpt            ? " for <"
                                                           : " <";
        const char *behind = expect->kind == EXPECT_HEADER ? ""
                             : expect->kind == EXPECT_TAG  ? "\""
                                                           : ">";
        builder_putf(out, "%s%.*s%s", before, (int)expect->text.len, expect->text.ptr, behind);
    }
}

static void describe_ending(const struct ending *ending, struct builder *out)
{
    builder_putf(out, "%s", is_quarantined(ending) ? "quarantine" : verdict_name(ending->verdict));
    if (ending->verdict != MW_CONTINUE && ending->verdict != MW_ACCEPT &&
        ending->verdict != MW_DISCARD)
        builder_putf(out, " %u", code_of(ending));
    if (ending->rule != NULL)
        builder_putf(out, " by %s", ending->rule->name_text);
}

/* What happened instead. */
static void describe_run(const struct test_mail *mail, const struct ending *ending,
                         struct builder *out)
{
    builder_put(out, LIT("\n  it was: "));
    describe_ending(ending, out);
    for (size_t i = 0; i < mail->rcpt_count && mail->rcpt_count > 1; i++) {
        const struct test_rcpt *rcpt = &mail->rcpts[i];
        builder_putf(out, "\n  to <%.*s>: ", (int)rcpt->given.len, rcpt->given.ptr);
        if (rcpt->status == MW_RCPT_ADDED)
            builder_put(out, LIT("added"));
        else
            describe_ending(&rcpt->ending, out);
    }
    builder_put(out, LIT("\n  rules that held: "));
    for (size_t i = 0; i < mail->hit_count; i++)
        builder_putf(out, "%s%s", i ? ", " : "", mail->hits[i]->name_text);
    if (mail->hit_count == 0)
        builder_put(out, LIT("none"));
    for (const struct name_slot *slot = mail->subject.rules->scores.first; slot != NULL;
         slot = slot->next) {
        if (mail->subject.transaction == NULL || mail->subject.transaction->scores[slot->at] == 0)
            continue;
        builder_putf(out, "\n  score %.*s: ", (int)slot->name.len, slot->name.ptr);
        rules_build_number(out, mail->subject.transaction->scores[slot->at]);
    }
    builder_put(out, SLICE(mail->told, mail->told_text.len));
}

/* Returns whether the block failed. */
static bool run_block(struct rules *rules, const struct test_block *block, struct rate_table *rates,
                      mw_test_report *report, void *user)
{
    char detail[DETAIL_MAX + 1];
    struct builder out = {.ptr = detail, .cap = DETAIL_MAX};
    struct test_mail mail;
    rules_test_mail_init(&mail, rules, block, rates);
    struct ending ending = rules_test_play(&mail);
    uint32_t line = block->place.line;
    rules_coverage_note(rules, mail.hits, mail.hit_count);
    for (const struct expect *expect = block->expects; expect != NULL; expect = expect->next) {
        if (fits(&mail, expect, &ending))
            continue;
        if (out.len == 0)
            line = expect->place.line;
        else
            builder_put(&out, LIT("\n"));
        describe(expect, &out);
    }
    bool has_failed = out.len > 0;
    if (has_failed)
        describe_run(&mail, &ending, &out);
    detail[out.len] = '\0';
    struct mw_test_result result = {.size = sizeof result,
                                    .name = block->name,
                                    .passed = !has_failed,
                                    .file = block->place.file,
                                    .line = line,
                                    .detail = has_failed ? detail : NULL};
    if (report != NULL)
        report(user, &result);
    rules_test_mail_fini(&mail);
    return has_failed;
}

int rules_test_run(struct rules *rules, mw_test_report *report, void *user)
{
    int failed = 0;
    struct rate_table *rates = rules->rate_count > 0 ? rules_rates_new(rules->rate_entries) : NULL;
    for (const struct test_block *block = rules->tests; block != NULL; block = block->next)
        failed += run_block(rules, block, rates, report, user);
    rules_rates_free(&rates);
    return failed;
}
