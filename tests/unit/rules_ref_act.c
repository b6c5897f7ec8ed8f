/* rules_ref_act.c - what rules do but for verdicts: texts filled in, edits, scores, what is told. */
#include "rules_ref_priv.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "base/slice.h"

/* ---- texts ---- */

enum { TEXT_MAX = 2000, INSERT_MAX = 200 };

struct text {
    char ptr[TEXT_MAX];
    size_t len;
};

static void put(struct text *out, struct mw_slice text)
{
    for (size_t i = 0; i < text.len && out->len + 1 < TEXT_MAX; i++)
        out->ptr[out->len++] = text.ptr[i];
    out->ptr[out->len] = '\0';
}

/* At most 200 octets, no control characters, and nothing beyond ASCII but in logs. */
static void put_safe(struct text *out, struct mw_slice text, enum ref_into into)
{
    for (size_t i = 0; i < text.len && (i < INSERT_MAX || into == REF_IN_ADDRESS); i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool is_rest = (c & 0xc0) == 0x80 && i > 0;
        if (into != REF_IN_ADDRESS && (c < ' ' || c == 0x7f))
            c = ' ';
        if ((into == REF_IN_REPLY || into == REF_IN_HEADER) && c >= 0x80) {
            if (is_rest)
                continue;
            c = '?';
        }
        put(out, SLICE((const char *)&c, 1));
    }
}

static void put_number(struct text *out, int64_t thousandths)
{
    char digits[32];
    int len = snprintf(digits, sizeof digits, "%s%lld.%03lld", thousandths < 0 ? "-" : "",
                       llabs(thousandths) / 1000, llabs(thousandths) % 1000);
    while (digits[len - 1] == '0')
        len--;
    len -= digits[len - 1] == '.';
    put(out, SLICE(digits, (size_t)len));
}

static void put_ip(struct text *out, struct mw_slice octets)
{
    char text[INET6_ADDRSTRLEN];
    if (octets.len == 16 && inet_ntop(AF_INET, octets.ptr + 12, text, sizeof text) != NULL)
        put(out, slice_of(text));
}

/* The value that a test held for, or of the same thing; else the first. */
static bool value_for(struct ref *ref, const struct field_use *use, struct ref_value *out)
{
    struct ref_value *values = ref_keep(ref, REF_VALUES * sizeof *values);
    bool has_failed, is_item = false;
    enum group group = rules_field_group(use->field);
    for (size_t i = 0; i < ref->held_count; i++) {
        const struct field_use *held = ref->held[i].use;
        if (held->field == use->field && held->is_folded == use->is_folded &&
            held->slot == use->slot && mw_slice_ieq(held->arg, use->arg)) {
            *out = ref->held[i].value;
            return true;
        }
        if (group != GROUP_NONE && rules_field_group(held->field) == group) {
            ref->of = ref->held[i].value.of;
            is_item = true;
        }
    }
    size_t count = ref_values(ref, use, is_item || use->is_item, values, &has_failed);
    *out = count > 0 ? values[0] : (struct ref_value){.text = EMPTY};
    return count > 0;
}

static void put_field(struct ref *ref, struct text *out, const struct field_use *use,
                      enum ref_into into)
{
    struct ref_value value;
    if (use->stage > ref->stage || !value_for(ref, use, &value))
        return;
    if (use->field->type == TYPE_IP)
        put_ip(out, value.text);
    else if (type_is_number(use->field->type))
        put_number(out, value.number);
    else
        put_safe(out, value.text, into);
}

struct mw_slice ref_expand(struct ref *ref, const struct template *text, enum ref_into into)
{
    struct text *out = ref_keep(ref, sizeof *out);
    for (const struct piece *piece = text->pieces; piece != NULL; piece = piece->next) {
        int group = piece->kind == PIECE_NUMBERED ? (int)piece->number
                    : piece->kind == PIECE_NAMED  ? ref_group(ref, piece->text)
                                                  : -1;
        if (piece->kind == PIECE_TEXT)
            put(out, piece->text);
        else if (piece->kind == PIECE_FIELD)
            put_field(ref, out, piece->use, into);
        else if (ref->captured != NULL && group >= 0)
            put_safe(out, ref->captures[group], into);
    }
    return SLICE(out->ptr, out->len);
}

/* ---- telling ---- */

void ref_tally(struct ref *ref, const struct rule *rule, enum counter counter)
{
    fake_host.count(ref->ctx, rule->counters[counter], 1);
}

void ref_tell(struct ref *ref, const struct rule *rule, const char *event, const char *key,
              struct mw_slice text)
{
    char where[80];
    bool is_of_rcpt = rule->scope == SCOPE_RCPT || strcmp(event, "rule-quarantined") == 0;
    snprintf(where, sizeof where, "t.rules:%u", rule->place.line);
    struct mw_log_pair pairs[4] = {{"rule", rule->name}, {"where", slice_of(where)}, {key, text}};
    if (is_of_rcpt && ref->stage >= MW_STAGE_MAIL && ref->rcpt < ref->ctx->rcpt_count)
        pairs[3] = (struct mw_log_pair){"to", slice_of(ref->ctx->rcpts[ref->rcpt].address)};
    fake_host.log(ref->ctx, MW_LOG_INFO, event, pairs, pairs[3].key != NULL ? 4 : 3);
}

static void put_action(struct text *out, const struct action *action)
{
    char head[64];
    snprintf(head, sizeof head, action->code != 0 ? "%s %u" : "%s",
             rules_action_word(action->kind)->words, action->code);
    put(out, slice_of(head));
    if (action->dsn.len > 0) {
        put(out, LIT(" "));
        put(out, action->dsn);
    }
    if (action->name.len > 0) {
        put(out, LIT(" "));
        put(out, action->name);
    }
}

void ref_tell_observed(struct ref *ref, const struct rule *rule)
{
    struct text out = {.len = 0};
    for (const struct action *action = rule->actions; action != NULL; action = action->next) {
        if (out.len > 0)
            put(&out, LIT(", "));
        put_action(&out, action);
    }
    ref_tally(ref, rule, COUNTER_OBSERVED);
    ref_tell(ref, rule, "rule-observed", "would", SLICE(out.ptr, out.len));
}

/* ---- actions ---- */

bool ref_delete_headers(struct ref *ref, struct mw_slice name, size_t from)
{
    for (ptrdiff_t at; (at = fake_host.header_find(ref->ctx, name, from)) >= 0;)
        if (!fake_host.header_delete(ref->ctx, (size_t)at))
            return false;
    return true;
}

static bool set_header(struct ref *ref, const struct action *action)
{
    struct mw_slice value = ref_expand(ref, &action->text, REF_IN_HEADER);
    ptrdiff_t at = fake_host.header_find(ref->ctx, action->name, 0);
    if (action->kind == ACT_HEADER_ADD || at < 0)
        return fake_host.header_add(ref->ctx, action->name, value);
    return fake_host.header_change(ref->ctx, (size_t)at, value) &&
           ref_delete_headers(ref, action->name, (size_t)at + 1);
}

static bool edit_address(struct ref *ref, const struct action *action)
{
    struct mw_slice address = ref_expand(ref, &action->text, REF_IN_ADDRESS);
    for (size_t i = 0; i < address.len; i++)
        if ((unsigned char)address.ptr[i] < ' ')
            return false;
    if (action->kind == ACT_SENDER)
        return fake_host.set_sender(ref->ctx, address);
    if (address.len == 0)
        return false;
    return action->kind == ACT_RCPT ? fake_host.rcpt_replace(ref->ctx, ref->rcpt, address)
                                    : fake_host.rcpt_add(ref->ctx, address);
}

/* *out_drops: the recipient that is being decided goes nowhere. */
static bool perform(struct ref *ref, const struct rule *rule, const struct action *action,
                    bool *out_drops)
{
    switch ((unsigned)action->kind) {
    case ACT_SCORE:
        ref->scores[action->slot] += action->number;
        return true;
    case ACT_TAG:
        ref->tags[action->slot] = true;
        ref_tell(ref, rule, "rule-tag", "tag", action->name);
        return true;
    case ACT_VAR:
        ref->vars[action->slot] = ref_expand(ref, &action->text, REF_IN_LOG);
        return true;
    case ACT_LOG:
        ref_tell(ref, rule, "rule-log", "text", ref_expand(ref, &action->text, REF_IN_LOG));
        return true;
    case ACT_HEADER_ADD:
    case ACT_HEADER_SET:
        return set_header(ref, action);
    case ACT_HEADER_DELETE:
        return ref_delete_headers(ref, action->name, 0);
    case ACT_SENDER:
    case ACT_RCPT:
    case ACT_RCPT_ADD:
        return edit_address(ref, action);
    case ACT_RCPT_DELETE:
        if (ref->stage == MW_STAGE_RCPT)
            return *out_drops = true;
        return fake_host.rcpt_delete(ref->ctx, ref->rcpt);
    default:
        return true; /* verdicts come afterwards */
    }
}

/* What speaks of the message is done once, for however many recipients the rule holds. */
void ref_act(struct ref *ref, const struct rule *rule, bool *out_drops)
{
    bool is_again = rule->scope == SCOPE_RCPT && ref->once[rule->number];
    for (const struct action *action = rule->actions; action != NULL; action = action->next) {
        bool is_each = action->kind == ACT_RCPT || action->kind == ACT_RCPT_DELETE ||
                       action->kind == ACT_LOG;
        if ((is_again && !is_each) || perform(ref, rule, action, out_drops))
            continue;
        struct text out = {.len = 0};
        put_action(&out, action);
        ref_tally(ref, rule, COUNTER_ERRORS);
        ref_tell(ref, rule, "rule-edit-refused", "edit", SLICE(out.ptr, out.len));
    }
    ref->once[rule->number] |= rule->scope == SCOPE_RCPT;
}
