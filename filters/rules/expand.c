/* expand.c - texts with ${...} at run time. What is filled in came from a stranger: it is cut, and
 * it loses every octet that could end a line, so that neither a reply nor a header nor a log can be
 * forged through it. */
#include <arpa/inet.h>
#include <stdio.h>

#include "regex.h"
#include "subject.h"

enum { VALUE_MAX = 200 };

void rules_build_number(struct builder *out, int64_t thousandths)
{
    uint64_t size = thousandths < 0 ? 0 - (uint64_t)thousandths : (uint64_t)thousandths;
    uint32_t fraction = (uint32_t)(size % NUMBER_UNIT);
    builder_putf(out, "%s%llu", thousandths < 0 ? "-" : "",
                 (unsigned long long)(size / NUMBER_UNIT));
    if (fraction == 0)
        return;
    char digits[8];
    int len = snprintf(digits, sizeof digits, ".%03u", fraction);
    while (len > 0 && digits[len - 1] == '0')
        len--;
    builder_put(out, SLICE(digits, (size_t)len));
}

static void build_ip(struct builder *out, struct mw_slice octets)
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    char text[INET6_ADDRSTRLEN];
    if (octets.len != 16)
        return;
    bool is_v4 = memcmp(octets.ptr, mapped, sizeof mapped) == 0;
    if (inet_ntop(is_v4 ? AF_INET : AF_INET6, octets.ptr + (is_v4 ? 12 : 0), text, sizeof text))
        builder_put(out, slice_of(text));
}

/* Control characters become blanks. Octets beyond ASCII have no place in replies (RFC 5321 4.2) and
 * header fields (RFC 5322 2.2); each character becomes one '?'. */
static void build_safe(struct builder *out, struct mw_slice text, enum target target)
{
    if (target ==
        INTO_ADDRESS) { /* nothing is mended here: an address with a control character is refused */
        builder_put(out, text);
        return;
    }
    for (size_t i = 0; i < text.len && i < VALUE_MAX; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        char safe = c < ' ' || c == 0x7f ? ' ' : (char)c;
        if (c >= 0x80 && target != INTO_LOG) {
            if ((c & 0xc0) == 0x80 && i > 0)
                continue;
            safe = '?';
        }
        builder_put(out, SLICE(&safe, 1));
    }
}

/* The value that a test held for, or of the same thing; else the field's first. */
static enum got value_for(struct subject *subject, const struct field_use *use, struct value *out)
{
    struct value_walk walk = {.use = use};
    struct field_use of_thing = *use;
    enum group group = rules_field_group(use->field);
    for (size_t i = 0; i < subject->held_count && use->source != NULL; i++) {
        const struct held *held = &subject->held[i];
        if (held->at >= held->source->count)
            continue;
        if (held->source == use->source) {
            *out = use->source->items[held->at].value;
            return GOT_VALUE;
        }
        if (group == GROUP_NONE || rules_field_group(held->source->field) != group)
            continue;
        subject->of = held->source->items[held->at].of;
        of_thing.is_item = true;
        walk.use = &of_thing;
    }
    return rules_next_value(subject, &walk, out);
}

/* "zen.example, bl.example": all that are known. The names are the operator's. */
static void build_zones(struct subject *subject, struct builder *out, const struct field_use *use)
{
    struct value_walk walk = {.use = use};
    struct value value = {.text = EMPTY};
    size_t start = out->len;
    while (rules_next_value(subject, &walk, &value) == GOT_VALUE) {
        if (out->len - start + value.text.len + 2 > VALUE_MAX)
            break;
        builder_put(out, out->len > start ? LIT(", ") : EMPTY);
        builder_put(out, value.text);
    }
}

static void build_field(struct subject *subject, struct builder *out, const struct field_use *use,
                        enum target target)
{
    struct value value = {.text = EMPTY};
    if (use->field->id == FIELD_DNSBL_ZONES) {
        if (use->stage <= subject->stage)
            build_zones(subject, out, use);
        return;
    }
    if (use->stage > subject->stage || value_for(subject, use, &value) != GOT_VALUE)
        return;
    if (use->field->type == TYPE_IP)
        build_ip(out, value.text);
    else if (type_is_number(use->field->type))
        rules_build_number(out, value.number);
    else
        build_safe(out, value.text, target);
}

static void build_capture(struct subject *subject, struct builder *out, const struct piece *piece,
                          enum target target)
{
    if (subject->captured == NULL)
        return;
    int number = piece->kind == PIECE_NUMBERED ? (int)piece->number
                                               : rules_regex_group(subject->captured, piece->text);
    if (number >= 0 && number < CAPTURES_MAX)
        build_safe(out, subject->captures[number], target);
}

struct mw_slice rules_expand(struct subject *subject, const struct template *text,
                             enum target target, char *room, size_t cap)
{
    struct builder out = {.ptr = room, .cap = cap};
    for (const struct piece *piece = text->pieces; piece != NULL; piece = piece->next) {
        switch (piece->kind) {
        case PIECE_TEXT:
            builder_put(&out, piece->text);
            break;
        case PIECE_NUMBERED:
        case PIECE_NAMED:
            build_capture(subject, &out, piece, target);
            break;
        case PIECE_FIELD:
            build_field(subject, &out, piece->use, target);
            break;
        }
    }
    return SLICE(room, out.len);
}
