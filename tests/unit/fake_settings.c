#include "fake_settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/lex.h"
#include "text.h"

static size_t index_of(const struct fake_settings *settings, const char *name, size_t len)
{
    for (size_t i = 0; i < settings->count; i++)
        if (text_eq(slice_of(settings->rules[i].name), SLICE(name, len)))
            return i;
    abort();
}

static void add_word(struct fake_setting *setting, struct mw_slice word,
                     struct mw_setting_place place)
{
    struct mw_setting_value *value = &setting->value;
    if (value->text_count == FAKE_WORDS_MAX)
        abort();
    setting->texts[value->text_count] = word;
    setting->places[value->text_count++] = place;
}

/* Blanks cut words, "..." is one. */
static void read_words(struct fake_setting *setting, const char *line, size_t len, const char *file,
                       uint32_t number, uint32_t directive, size_t at)
{
    while (at < len) {
        while (at < len && line[at] == ' ')
            at++;
        bool is_quoted = at < len && line[at] == '"';
        size_t from = at += is_quoted;
        while (at < len && line[at] != (is_quoted ? '"' : ' '))
            at++;
        if (at > from || is_quoted)
            add_word(setting, SLICE(line + from, at - from),
                     (struct mw_setting_place){file, number, (uint32_t)(from - is_quoted + 1),
                                               (uint32_t)(at - from + (is_quoted ? 2 : 0)),
                                               directive});
        at += is_quoted;
    }
}

static void finish_setting(struct fake_setting *setting, const struct mw_setting *rule)
{
    struct mw_setting_value *value = &setting->value;
    uint64_t ms;
    value->size = sizeof *value;
    value->texts = setting->texts;
    value->places = setting->places;
    if (value->file == NULL)
        read_words(setting, rule->default_text, strlen(rule->default_text), NULL, 0, 0, 0);
    struct mw_slice first = value->text_count > 0 ? value->texts[0] : EMPTY;
    if (rule->type == MW_SETTING_BOOL)
        value->number = text_is(first, "on");
    if (rule->type == MW_SETTING_DURATION && mw_lang_table.parse_duration(first, &ms))
        value->number = ms;
    for (int i = 0; rule->type == MW_SETTING_CHOICE && rule->choices[i] != NULL; i++)
        if (text_is(first, rule->choices[i]))
            value->number = (uint64_t)i;
}

void fake_settings_read(struct fake_settings *settings, const struct mw_setting *rules,
                        size_t count, const char *file, const char *text)
{
    uint32_t number = 1;
    if (count > FAKE_SETTINGS_MAX)
        abort();
    *settings = (struct fake_settings){.rules = rules, .count = count};
    for (const char *line = text; *line != '\0'; number++) {
        size_t len = strcspn(line, "\n"), name = strcspn(line, " \n");
        if (name > 0) {
            struct fake_setting *setting = &settings->list[index_of(settings, line, name)];
            if (setting->value.file == NULL) {
                setting->value.file = file;
                setting->value.line = number;
                setting->value.column = 1;
            }
            read_words(setting, line, len, file, number, number, name);
        }
        line += len + (line[len] == '\n');
    }
    for (size_t i = 0; i < count; i++)
        finish_setting(&settings->list[i], &rules[i]);
}

const struct mw_setting_value *fake_settings_find(const struct fake_settings *settings,
                                                  const char *name)
{
    return &settings->list[index_of(settings, name, strlen(name))].value;
}
