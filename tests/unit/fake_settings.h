/* fake_settings.h - a filter's settings from a text, as the host's configuration would have them: a directive a line, words with their places. */
#ifndef FAKE_SETTINGS_H
#define FAKE_SETTINGS_H

#include <mailweir/filter.h>

enum { FAKE_WORDS_MAX = 64, FAKE_SETTINGS_MAX = 32 };

struct fake_setting {
    struct mw_setting_value value;
    struct mw_slice texts[FAKE_WORDS_MAX];
    struct mw_setting_place places[FAKE_WORDS_MAX];
};
struct fake_settings {
    const struct mw_setting *rules;
    size_t count;
    struct fake_setting list[FAKE_SETTINGS_MAX];
};

/* `text` is borrowed; lines count from 1. Ends the test program where a name is none of `rules`. */
void fake_settings_read(struct fake_settings *settings, const struct mw_setting *rules,
                        size_t count, const char *file, const char *text);
const struct mw_setting_value *fake_settings_find(const struct fake_settings *settings,
                                                  const char *name);

#endif
