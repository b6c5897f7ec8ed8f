/* fuzz_import.c - any text as a table of another program. The first octet says which. What comes out
 * is a text that the rule parser takes without an error, with each rule on a line of the table. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "import.h"
#include "rules_fake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const tables[][2] = {
    {"postfix:regexp", "header"}, {"postfix:pcre", "header"},
    {"postfix", "body"},          {"postfix:pcre", "mime_header"},
    {"postfix", "nested_header"}, {"postfix", "client"},
    {"postfix", "helo"},          {"postfix", "sender"},
    {"postfix", "recipient"},     {"postfix:cidr", "client"},
    {"postfix:hash", "client"},   {"postfix:hash", "sender"},
    {"milter-regex", ""},         {"spamassassin", ""},
};

static void check(const struct import_result *result, size_t lines)
{
    static struct mw_instance instance;
    memset(&instance, 0, sizeof instance);
    struct rules *rules = rules_new(&fake_host, &instance, 2000, 4096);
    rules_parse_text(rules, "table", SLICE(result->text, result->len));
    if (rules->errors > 0) {
        fprintf(stderr, "%.*s\n%s", (int)result->len, result->text, instance.diags);
        abort();
    }
    for (const struct rule *rule = rules->rules; rule != NULL; rule = rule->next)
        if (rule->place.line == 0 || rule->place.line > lines)
            abort();
    fake_unload(&instance, rules);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct import_result result;
    size_t lines = 1;
    if (size == 0)
        return 0;
    const char *const *table = tables[data[0] % (sizeof tables / sizeof *tables)];
    struct mw_slice text = SLICE((const char *)data + 1, size - 1);
    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    if (rules_import(slice_of(table[0]), slice_of(table[1]), LIT("table"), text, &result) == NULL)
        check(&result, lines);
    uint32_t line = 0;
    for (const struct import_note *note = result.notes; note != NULL; note = note->next) {
        if (note->line < line || note->line > lines)
            abort();
        line = note->line;
    }
    rules_import_free(&result);
    return 0;
}
