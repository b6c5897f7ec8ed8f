/* literal.c - clauses from a pattern's tree.
 *
 * A walk along the pattern carries a run: the few strings that the text may have right before the
 * place where the walk is. What matches one of few strings is appended to each of them; everything
 * else ends the run, which becomes a clause if all its strings are long enough. A choice between
 * parts that are not such strings gives one clause: the best one of each part, together.
 *
 * Leaving a clause out is always right, so whatever does not fit is left out. */
#include "literal.h"

#include <stdlib.h>

#include "regex_tree.h"

enum { RUN_STRINGS = 16, COPIES_MAX = LITERAL_MAX };

struct string {
    size_t len;
    char octets[LITERAL_MAX];
};
/* No strings: nothing is known. */
struct strings {
    size_t count;
    struct string list[RUN_STRINGS];
};

struct walk {
    struct literal_room *room;
    bool is_utf;
    struct strings run;
};

/* ---- strings ---- */

static void set_empty(struct strings *strings)
{
    strings->count = 1;
    strings->list[0].len = 0;
}

static bool add_string(struct strings *strings, const char *octets, size_t len)
{
    for (size_t i = 0; i < strings->count; i++)
        if (strings->list[i].len == len && memcmp(strings->list[i].octets, octets, len) == 0)
            return true;
    if (strings->count == RUN_STRINGS || len > LITERAL_MAX)
        return false;
    struct string *string = &strings->list[strings->count++];
    string->len = len;
    memcpy(string->octets, octets, len);
    return true;
}

static bool add_strings(struct strings *strings, const struct strings *more)
{
    for (size_t i = 0; i < more->count; i++)
        if (!add_string(strings, more->list[i].octets, more->list[i].len))
            return false;
    return true;
}

/* Each of `strings` with each of `more` behind it; false, and nothing has changed: too many, or too
 * long. */
static bool append(struct strings *strings, const struct strings *more)
{
    if (strings->count * more->count > RUN_STRINGS)
        return false;
    for (size_t i = 0; i < strings->count; i++)
        for (size_t k = 0; k < more->count; k++)
            if (strings->list[i].len + more->list[k].len > LITERAL_MAX)
                return false;
    size_t count = strings->count;
    for (size_t k = more->count; k-- > 0;) /* the last one in place */
        for (size_t i = 0; i < count; i++) {
            struct string *to = &strings->list[k * count + i];
            const struct string *from = &strings->list[i], *tail = &more->list[k];
            if (to != from) {
                to->len = from->len;
                memcpy(to->octets, from->octets, from->len);
            }
            memcpy(to->octets + to->len, tail->octets, tail->len);
            to->len += tail->len;
        }
    strings->count = count * more->count;
    return true;
}

/* UTF-8 (RFC 3629 3), or the octet itself. */
static size_t encode(uint32_t c, bool is_utf, char *out)
{
    if (!is_utf || c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = len; i-- > 1; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)((0xf00u >> len & 0xff) | c);
    return len;
}

/* ---- the strings that a part can match, when they are few ---- */

static bool strings_of(const struct walk *walk, const struct tree_node *node,
                       struct strings *out_strings);

static bool strings_of_set(const struct walk *walk, const struct char_set *set,
                           struct strings *out_strings)
{
    char octets[4];
    out_strings->count = 0;
    for (uint32_t i = 0; i < set->char_count; i++)
        add_string(out_strings, octets, encode(set->chars[i], walk->is_utf, octets));
    return set->char_count > 0;
}

static bool strings_of_concat(const struct walk *walk, const struct tree_node *node,
                              struct strings *out_strings)
{
    struct strings part;
    set_empty(out_strings);
    for (const struct tree_node *child = node->first; child != NULL; child = child->next)
        if (!strings_of(walk, child, &part) || !append(out_strings, &part))
            return false;
    return true;
}

static bool strings_of_choice(const struct walk *walk, const struct tree_node *node,
                              struct strings *out_strings)
{
    struct strings part;
    out_strings->count = 0;
    for (const struct tree_node *child = node->first; child != NULL; child = child->next)
        if (!strings_of(walk, child, &part) || !add_strings(out_strings, &part))
            return false;
    return true;
}

/* x{3} and x?. */
static bool strings_of_repeat(const struct walk *walk, const struct tree_node *node,
                              struct strings *out_strings)
{
    struct strings part;
    bool is_option = node->min == 0 && node->max == 1;
    if ((!is_option && node->min != node->max) || node->max > COPIES_MAX ||
        !strings_of(walk, node->first, &part))
        return false;
    set_empty(out_strings);
    if (is_option)
        return add_strings(out_strings, &part);
    for (uint32_t i = 0; i < node->max; i++)
        if (!append(out_strings, &part))
            return false;
    return true;
}

static bool strings_of(const struct walk *walk, const struct tree_node *node,
                       struct strings *out_strings)
{
    switch (node->kind) {
    case TREE_SET:
        return strings_of_set(walk, &node->set, out_strings);
    case TREE_CONCAT:
        return strings_of_concat(walk, node, out_strings);
    case TREE_CHOICE:
        return strings_of_choice(walk, node, out_strings);
    case TREE_REPEAT:
        return strings_of_repeat(walk, node, out_strings);
    case TREE_ATOMIC:
        return strings_of(walk, node->first, out_strings);
    case TREE_ASSERT:
    case TREE_ASIDE:
        set_empty(out_strings);
        return true;
    case TREE_AHEAD: /* is to give its own clause */
    case TREE_BACKREF:
        break;
    }
    return false;
}

/* ---- clauses ---- */

uint32_t rules_literal_rarity(const char *octets, size_t len)
{
    /* -4 log2 of the share in mail: blank, a to z, digits, punctuation, the rest */
    static const uint8_t letters[26] = {16, 25, 20, 19, 13, 23, 23, 19, 15, 33, 28, 19, 21,
                                        16, 15, 23, 36, 16, 16, 14, 20, 27, 25, 32, 23, 36};
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++) {
        char c = octets[i];
        if (c >= 'a' && c <= 'z')
            sum += letters[c - 'a'];
        else if (c == ' ')
            sum += 11;
        else if (text_is_digit(c))
            sum += 27;
        else
            sum += c == '.' || c == '/' || c == '-' || c == '=' || c == '\n' ? 24 : 30;
    }
    return sum;
}

uint32_t rules_clause_rarity(const struct literal_clause *clause)
{
    uint32_t rarity = UINT32_MAX, count = (uint32_t)clause->count;
    for (size_t i = 0; i < clause->count; i++) {
        uint32_t one = rules_literal_rarity(clause->any[i].ptr, clause->any[i].len);
        rarity = one < rarity ? one : rarity;
    }
    for (; count > 1 && rarity > 4; count /= 2) /* twice as many: twice as common */
        rarity -= 4;
    return rarity;
}

static bool contains(const struct string *text, const struct string *part)
{
    return part->len <= text->len && memmem(text->octets, text->len, part->octets, part->len);
}

/* Needed beside the others? Not when one of them is in it; of equal ones the first is. */
static bool is_needed(const struct strings *strings, size_t at)
{
    for (size_t i = 0; i < strings->count; i++)
        if (i != at && contains(&strings->list[at], &strings->list[i]) &&
            (i < at || strings->list[i].len < strings->list[at].len))
            return false;
    return true;
}

static void add_clause(struct literal_room *room, const struct strings *strings)
{
    size_t total = 0, first = room->slice_count;
    for (size_t i = 0; i < strings->count; i++) {
        if (strings->list[i].len < LITERAL_MIN)
            return;
        total += strings->list[i].len;
    }
    if (strings->count == 0 || room->clause_count == CLAUSES_MAX ||
        room->slice_count + strings->count > LITERALS_MAX ||
        room->octet_count + total > sizeof room->octets)
        return;
    for (size_t i = 0; i < strings->count; i++) {
        const struct string *string = &strings->list[i];
        if (!is_needed(strings, i))
            continue;
        char *octets = room->octets + room->octet_count;
        memcpy(octets, string->octets, string->len);
        room->octet_count += string->len;
        room->slices[room->slice_count++] = SLICE(octets, string->len);
    }
    room->clauses[room->clause_count++] = (struct literal_clause){
        .any = room->slices + first, .count = room->slice_count - first};
}

static void end_run(struct walk *walk)
{
    add_clause(walk->room, &walk->run);
    set_empty(&walk->run);
}

/* Where the room was filled to, in order to go back there. */
struct mark {
    size_t clauses, slices, octets;
};

static struct mark mark_of(const struct literal_room *room)
{
    return (struct mark){room->clause_count, room->slice_count, room->octet_count};
}

static void return_to(struct literal_room *room, struct mark mark)
{
    room->clause_count = mark.clauses;
    room->slice_count = mark.slices;
    room->octet_count = mark.octets;
}

/* Of the clauses behind `mark` only the rarest stays, as slices at the front of theirs: no clause
 * yet. False: there is none. */
static bool keep_rarest(struct literal_room *room, struct mark mark)
{
    struct literal_clause best = {NULL, 0};
    uint32_t best_rarity = 0;
    for (size_t i = mark.clauses; i < room->clause_count; i++) {
        uint32_t rarity = rules_clause_rarity(&room->clauses[i]);
        if (best.any == NULL || rarity > best_rarity) {
            best = room->clauses[i];
            best_rarity = rarity;
        }
    }
    return_to(room, mark);
    for (size_t i = 0; i < best.count; i++) {
        struct mw_slice literal = best.any[i];
        char *to = room->octets + room->octet_count;
        memmove(to, literal.ptr, literal.len);
        room->octet_count += literal.len;
        room->slices[room->slice_count++] = SLICE(to, literal.len);
    }
    return best.any != NULL;
}

static void walk_node(struct walk *walk, const struct tree_node *node);

/* One part on its own, with nothing before and nothing behind it. */
static void walk_alone(struct walk *walk, const struct tree_node *node)
{
    struct walk alone = {.room = walk->room, .is_utf = walk->is_utf};
    set_empty(&alone.run);
    walk_node(&alone, node);
    end_run(&alone);
}

/* The best clause of each part, as one. */
static void walk_choice(struct walk *walk, const struct tree_node *node)
{
    struct literal_room *room = walk->room;
    struct mark whole = mark_of(room);
    for (const struct tree_node *child = node->first; child != NULL; child = child->next) {
        struct mark part = mark_of(room);
        walk_alone(walk, child);
        if (!keep_rarest(room, part)) {
            return_to(room, whole);
            return;
        }
    }
    if (room->clause_count == CLAUSES_MAX)
        return_to(room, whole);
    else
        room->clauses[room->clause_count++] = (struct literal_clause){
            .any = room->slices + whole.slices, .count = room->slice_count - whole.slices};
}

/* x+ and x{2,}: the first copies belong to what is before them, the last to what is behind. */
static void walk_repeat(struct walk *walk, const struct tree_node *node)
{
    struct strings part;
    if (node->min == 0) {
        end_run(walk);
    } else if (strings_of(walk, node->first, &part)) {
        for (uint32_t i = 0; i < node->min && i < COPIES_MAX && append(&walk->run, &part); i++)
            ;
        end_run(walk);
        walk->run = part;
    } else {
        end_run(walk);
        walk_alone(walk, node->first);
    }
}

static void walk_node(struct walk *walk, const struct tree_node *node)
{
    struct strings part;
    if (strings_of(walk, node, &part)) {
        if (!append(&walk->run, &part)) {
            end_run(walk);
            walk->run = part;
        }
        return;
    }
    if (node->kind == TREE_CONCAT || node->kind == TREE_ATOMIC) {
        for (const struct tree_node *child = node->first; child != NULL; child = child->next)
            walk_node(walk, child);
    } else if (node->kind == TREE_CHOICE) {
        end_run(walk);
        walk_choice(walk, node);
    } else if (node->kind == TREE_REPEAT) {
        walk_repeat(walk, node);
    } else if (node->kind == TREE_AHEAD) { /* takes no room: the run goes on behind it */
        walk_alone(walk, node->first);
    } else {
        end_run(walk);
    }
}

bool rules_literals_of_tree(const struct tree_node *root, bool is_utf, struct literal_room *room,
                            struct literals *out_literals)
{
    struct walk walk = {.room = room, .is_utf = is_utf};
    room->clause_count = room->slice_count = room->octet_count = 0;
    walk_alone(&walk, root);
    if (room->clause_count == 0)
        return false;
    *out_literals = (struct literals){room->clauses, room->clause_count};
    return true;
}

bool rules_literals_of(struct mw_slice pattern, struct mw_slice flags, bool is_utf,
                       struct literal_room *room, struct literals *out_literals)
{
    struct regex_tree tree;
    if (!rules_tree_read(pattern, flags, is_utf, &tree))
        return false;
    bool has_some = rules_literals_of_tree(tree.root, is_utf, room, out_literals);
    rules_tree_fini(&tree);
    return has_some;
}
