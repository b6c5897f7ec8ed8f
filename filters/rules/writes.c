/* writes.c - see check.h. Times are stages: the latest at which a writer above can fire, the latest at
 * which a reader above can look.
 *
 * Scores, tags and variables are known as soon as the rules above that write them are settled: a score
 * made of envelope facts can be read at MAIL, one that counts words of the body only at the end. A
 * header field that no rule above edits is known at the end of the header.
 *
 * The envelope is the exception: a recipient that was rewritten only after everybody above has looked
 * at him would have gone upstream under his old address. So `rewrite` does not wait for readers above,
 * and a rule that is decided late reads the envelope as it goes upstream. */
#include "check.h"

#include "values.h"

/* ---- names ---- */

static void put_in_order(struct rules *rules, struct names *names)
{
    names->order = rules_keep(rules, (names->count + 1) * sizeof *names->order);
    for (struct name_slot *slot = names->first; slot != NULL; slot = slot->next)
        names->order[slot->at] = slot;
}

/* The last rule that reads a score. */
static void note_score_reads(struct rules *rules)
{
    for (const struct rule *rule = rules->rules; rule != NULL; rule = rule->next)
        for (const struct field_use *use = rule->uses; use != NULL; use = use->next)
            if (use->field->id == FIELD_SCORE)
                rules->scores.order[use->slot]->rule = rule;
}

void rules_order_names(struct rules *rules)
{
    put_in_order(rules, &rules->scores);
    put_in_order(rules, &rules->tags);
    put_in_order(rules, &rules->vars);
    note_score_reads(rules);
}

/* The slot of a header field; names are the same whatever their case. */
static struct name_slot *header_slot(struct rules *rules, struct mw_slice name)
{
    char *lower = rules_room(rules, name.len + 1);
    for (size_t i = 0; i < name.len; i++)
        lower[i] = (char)(name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? name.ptr[i] | 0x20
                                                                   : name.ptr[i]);
    struct mw_slice key = SLICE(lower, name.len);
    struct name_slot *slot = rules_name_find(&rules->headers, key);
    return slot != NULL ? slot : rules_name(rules, &rules->headers, rules_keep_text(rules, key));
}

/* ---- who writes and reads what ---- */

static struct name_slot *written_by(struct rules *rules, const struct action *action)
{
    switch ((unsigned)action->kind) {
    case ACT_SCORE:
        return rules->scores.order[action->slot];
    case ACT_TAG:
        return rules->tags.order[action->slot];
    case ACT_VAR:
        return rules->vars.order[action->slot];
    case ACT_HEADER_ADD:
    case ACT_HEADER_SET:
    case ACT_HEADER_DELETE:
        return header_slot(rules, action->name);
    default:
        return NULL;
    }
}

static bool edits_header(const struct action *action)
{
    return action->kind == ACT_HEADER_ADD || action->kind == ACT_HEADER_SET ||
           action->kind == ACT_HEADER_DELETE;
}

/* Fields of the header block as it is now; content (mime.header.lines) is the message as it came. */
static bool reads_header(const struct field_use *use)
{
    return use->field->stage == MW_STAGE_END_OF_HEADERS;
}

/* The header field's name; empty: all of them. */
static struct mw_slice header_of(const struct field_use *use)
{
    switch ((unsigned)rules_field_group(use->field)) {
    case GROUP_FROM:
        return LIT("from");
    case GROUP_TO:
        return LIT("to");
    case GROUP_CC:
        return LIT("cc");
    case GROUP_REPLY_TO:
        return LIT("reply-to");
    default:
        return use->field->id == FIELD_DATE_AGE ? LIT("date") : use->arg;
    }
}

/* The score, variable or header field that `use` reads; NULL: it reads something else, or all. */
static struct name_slot *read_by(struct rules *rules, const struct field_use *use)
{
    if (use->field->id == FIELD_SCORE)
        return rules->scores.order[use->slot];
    if (use->field->id == FIELD_VAR)
        return rules->vars.order[use->slot];
    struct mw_slice name = reads_header(use) ? header_of(use) : EMPTY;
    return name.len > 0 ? header_slot(rules, name) : NULL;
}

static bool is_sender(const struct field *field)
{
    return field->id == FIELD_SENDER || field->id == FIELD_SENDER_LOCAL ||
           field->id == FIELD_SENDER_DOMAIN;
}

enum mw_stage rules_written_at(struct rules *rules, const struct field_use *use,
                               const struct written *written)
{
    const struct name_slot *slot = read_by(rules, use);
    if (use->field->id == FIELD_TAG)
        return written->tags;
    if (slot != NULL)
        return slot->settled;
    if (reads_header(use))
        return written->headers;
    return use->field->flags & FLAG_RCPT ? written->rcpt
           : is_sender(use->field)       ? written->sender
                                         : MW_STAGE_CONNECT;
}

enum mw_stage rules_writes_from(struct rules *rules, const struct rule *rule,
                                const struct written *written)
{
    enum mw_stage from = MW_STAGE_CONNECT;
    for (const struct action *action = rule->actions; action != NULL; action = action->next) {
        const struct name_slot *slot = written_by(rules, action);
        if (slot != NULL)
            from = later(from, slot->read);
        if (action->kind == ACT_TAG)
            from = later(from, written->tags_read);
        if (edits_header(action))
            from = later(from, written->headers_read);
    }
    return from;
}

static void note_reads(struct rules *rules, const struct rule *rule, struct written *written)
{
    for (const struct field_use *use = rule->uses; use != NULL; use = use->next) {
        struct name_slot *slot = read_by(rules, use);
        if (slot != NULL)
            slot->read = later(slot->read, rule->last);
        else if (use->field->id == FIELD_TAG)
            written->tags_read = later(written->tags_read, rule->last);
        else if (reads_header(use))
            written->headers_read = later(written->headers_read, rule->last);
    }
}

static void note_write(struct rules *rules, const struct action *action, enum mw_stage settled,
                       struct written *written)
{
    struct name_slot *slot = written_by(rules, action);
    if (slot != NULL) {
        slot->is_written = true;
        slot->settled = later(slot->settled, settled);
    }
    if (action->kind == ACT_TAG)
        written->tags = later(written->tags, settled);
    if (edits_header(action))
        written->headers = later(written->headers, settled);
}

/* What is done at RCPT is done for certain when no more recipients come; but each has his address
 * by then. */
void rules_note_access(struct rules *rules, const struct rule *rule, struct written *written)
{
    enum mw_stage settled = rule->last == MW_STAGE_RCPT ? MW_STAGE_DATA : rule->last;
    for (const struct action *action = rule->actions; action != NULL; action = action->next) {
        note_write(rules, action, settled, written);
        if (action->kind == ACT_SENDER)
            written->sender = later(written->sender, settled);
        if (action->kind == ACT_RCPT)
            written->rcpt = later(written->rcpt, rule->last);
    }
    if (!rule->is_idle)
        note_reads(rules, rule, written);
}

/* ---- what cannot be meant ---- */

void rules_check_read(struct rules *rules, const struct field_use *use)
{
    bool is_score = use->field->id == FIELD_SCORE;
    if (!is_score && use->field->id != FIELD_VAR)
        return;
    const struct name_slot *slot = read_by(rules, use);
    if (slot->is_written)
        return;
    if (is_score)
        rules_error(rules, &use->place,
                    "a score is read behind the rules that make it: file order counts",
                    "no rule above adds to score \"%.*s\", so it is always 0", (int)slot->name.len,
                    slot->name.ptr);
    else
        rules_error(rules, &use->place, "a variable is read behind the rules that set it",
                    "no rule above sets variable \"%.*s\"", (int)slot->name.len, slot->name.ptr);
}

void rules_check_tags(struct rules *rules, const struct node *node)
{
    if (node == NULL)
        return;
    rules_check_tags(rules, node->left);
    rules_check_tags(rules, node->right);
    const struct test *test = &node->test;
    if (node->kind != NODE_TEST || test->use->field->id != FIELD_TAG || test->op != OP_EQ)
        return;
    const struct name_slot *tag = rules_name_find(&rules->tags, test->text);
    if (tag == NULL || !tag->is_written)
        rules_error(rules, &test->place, "a tag is read behind the rules that set it",
                    "no rule above sets tag \"%.*s\"", (int)test->text.len, test->text.ptr);
}

bool rules_is_idle(const struct rules *rules, const struct rule *rule)
{
    for (const struct action *action = rule->actions; action != NULL; action = action->next) {
        if (action->kind != ACT_SCORE)
            return false;
        const struct rule *reader = rules->scores.order[action->slot]->rule;
        if (reader != NULL && reader->number > rule->number)
            return false;
    }
    return true;
}
