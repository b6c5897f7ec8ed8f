/* closed.c - fields whose values are a closed set: a test for a word that is none of them never
 * holds, and nobody would notice. A warning, because a newer filter may know more. */
#include "check.h"

#include "closed.h"
#include "list.h"

/* RFC 7208 2.6 */
static const char *const spf_results[] = {"none",     "neutral",   "pass",      "fail",
                                          "softfail", "temperror", "permerror", NULL};
/* RFC 8601 2.7.1 */
static const char *const dkim_results[] = {"none",    "pass",      "fail",      "policy",
                                           "neutral", "temperror", "permerror", NULL};
/* RFC 7489 11.2 */
static const char *const dmarc_results[] = {"none", "pass", "fail", "temperror", "permerror", NULL};
/* RFC 7489 6.3 */
static const char *const dmarc_policies[] = {"none", "quarantine", "reject", NULL};
/* docs/content.md; a unit test holds it against the proxy's own */
static const char *const defects[] = {"header-too-long",
                                      "header-no-colon",
                                      "header-nul",
                                      "header-blank-line",
                                      "type-twice",
                                      "type-bad",
                                      "type-encoded-word",
                                      "encoding-twice",
                                      "encoding-unknown",
                                      "encoding-not-allowed",
                                      "disposition-twice",
                                      "parameter-twice",
                                      "parameter-bad",
                                      "parameter-2231",
                                      "boundary-missing",
                                      "boundary-bad",
                                      "boundary-nested",
                                      "boundary-not-found",
                                      "no-close",
                                      "preamble-content",
                                      "epilogue-content",
                                      "base64-garbage",
                                      "base64-padding",
                                      "base64-truncated",
                                      "qp-bad",
                                      "uuencode",
                                      "charset-unknown",
                                      "charset-bad",
                                      "charset-utf7",
                                      "text-nul",
                                      "name-conflict",
                                      "name-control",
                                      "type-mismatch",
                                      "nesting",
                                      "parts",
                                      "text-truncated",
                                      "partial",
                                      "external",
                                      "html-hidden",
                                      "urls",
                                      "archive-encrypted",
                                      "archive-bad",
                                      "archive-limit",
                                      "archive-ratio",
                                      "mixed-ends",
                                      NULL};

const char *const *rules_closed_values(const struct field *field)
{
    switch ((unsigned)field->id) {
    case FIELD_SPF_RESULT:
    case FIELD_SPF_HELO_RESULT:
        return spf_results;
    case FIELD_DKIM_RESULT:
        return dkim_results;
    case FIELD_DMARC_RESULT:
        return dmarc_results;
    case FIELD_DMARC_POLICY:
        return dmarc_policies;
    case FIELD_MIME_DEFECTS:
        return defects;
    default:
        return NULL;
    }
}

/* "none, neutral, pass": a hint where no value is near. */
static const char *all_of(const struct rules *rules, const struct field *field,
                          const char *const *values)
{
    enum { SHOWN_MAX = 10 };
    char text[400];
    struct builder out = {.ptr = text, .cap = sizeof text};
    if (field->id == FIELD_MIME_DEFECTS)
        return "docs/content.md has the names";
    builder_putf(&out, "%s is ", field->name);
    for (size_t i = 0; values[i] != NULL && i < SHOWN_MAX; i++)
        builder_putf(&out, "%s%s", i > 0 ? ", " : "", values[i]);
    return rules_keep_text(rules, SLICE(text, out.len)).ptr;
}

static void check_word(struct rules *rules, const struct field *field, struct mw_slice word,
                       const struct place *place)
{
    const char *const *values = rules_closed_values(field);
    char text[200];
    struct builder out = {.ptr = text, .cap = sizeof text};
    if (word.len == 0) /* not known */
        return;
    for (size_t i = 0; values[i] != NULL; i++)
        if (text_ieq(word, slice_of(values[i])))
            return;
    const char *near = rules->lang->near_name(word, values);
    builder_putf(&out, "did you mean \"%s\"?", near != NULL ? near : "");
    rules_warning(rules, place,
                  near != NULL ? rules_keep_text(rules, SLICE(text, out.len)).ptr
                               : all_of(rules, field, values),
                  "%s is never \"%.*s\"", field->name, word.len < 100 ? (int)word.len : 100,
                  word.ptr);
}

static void check_test(struct rules *rules, const struct test *test)
{
    const struct field *field = test->use->field;
    if (!(field->flags & FLAG_CLOSED))
        return;
    if (test->op == OP_EQ)
        check_word(rules, field, test->text, &test->place);
    struct mw_slice word;
    struct place place;
    for (size_t i = 0; test->op == OP_IN && rules_list_word(test->list, i, &word, &place); i++)
        check_word(rules, field, word, &place);
}

void rules_check_closed(struct rules *rules, const struct node *node)
{
    if (node == NULL)
        return;
    rules_check_closed(rules, node->left);
    rules_check_closed(rules, node->right);
    if (node->kind == NODE_TEST)
        check_test(rules, &node->test);
}
