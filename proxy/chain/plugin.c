/* plugin.c - the process's modules: find NAME.so, dlopen it, and read its descriptor with distrust.
 *
 * A descriptor is copied into this host's idea of struct mw_filter, as far as its `size` goes, so
 * that the rest of the chain never asks how old a module is. Modules are cached by path and never
 * unloaded (RTLD_NODELETE): a new file under the same name is taken by the next process only. */
#include "chain/plugin.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chain/chain_priv.h"

struct mw_plugins {
    char **directories; /* NULL-terminated */
    struct mw_module *modules;
};

/* What every module has had since ABI 1. */
#define FILTER_SIZE_MIN (offsetof(struct mw_filter, command) + sizeof(void (*)(void)))
#define SETTING_SIZE_MIN (offsetof(struct mw_setting, help) + sizeof(const char *))

struct mw_plugins *mw_plugins_new(const char *const *directories)
{
    struct mw_plugins *plugins = mw_xcalloc(1, sizeof *plugins);
    size_t count = 0;
    while (directories[count] != NULL)
        count++;
    plugins->directories = mw_xcalloc(count + 1, sizeof *plugins->directories);
    for (size_t i = 0; i < count; i++)
        plugins->directories[i] = mw_xstrdup(directories[i]);
    return plugins;
}

void mw_plugins_free(struct mw_plugins **plugins)
{
    if (*plugins == NULL)
        return;
    for (struct mw_module *module = (*plugins)->modules, *next; module != NULL; module = next) {
        next = module->next;
        free(module->path);
        free(module->settings);
        free(module);
    }
    for (char **directory = (*plugins)->directories; *directory != NULL; directory++)
        free(*directory);
    free((*plugins)->directories);
    free(*plugins);
    *plugins = NULL;
}

/* ---- finding ---- */

/* A relative path is relative to the file that names it, as everywhere in the configuration. */
static char *path_beside(struct mw_slice path, const struct mw_conf_pos *pos)
{
    struct mw_buf out = MW_BUF_INIT(0);
    struct mw_slice file = mw_slice_cstr(pos->file);
    ptrdiff_t slash = mw_slice_rfind(file, '/');
    if (path.ptr[0] != '/' && slash >= 0)
        mw_buf_put(&out, mw_slice_take(file, (size_t)slash + 1));
    mw_buf_put(&out, path);
    return mw_buf_detach_cstr(&out);
}

/* The module's path, from the heap; NULL if there is no such file. *out_tried lists where we
 * looked. */
static char *find(const struct mw_plugins *plugins, const struct mw_conf_word *word,
                  struct mw_buf *out_tried)
{
    if (mw_slice_find(word->text, '/') >= 0) {
        char *path = path_beside(word->text, &word->pos);
        if (access(path, R_OK) == 0)
            return path;
        mw_buf_put(out_tried, mw_slice_cstr(path));
        free(path);
        return NULL;
    }
    for (char **directory = plugins->directories; *directory != NULL; directory++) {
        struct mw_buf out = MW_BUF_INIT(0);
        mw_buf_putf(&out, "%s/", *directory);
        mw_buf_put(&out, word->text);
        mw_buf_put(&out, MW_LIT(".so"));
        char *path = mw_buf_detach_cstr(&out);
        if (access(path, R_OK) == 0)
            return path;
        mw_buf_putf(out_tried, "%s%s", out_tried->len > 0 ? ", " : "", path);
        free(path);
    }
    return NULL;
}

bool mw_plugins_has(const struct mw_plugins *plugins, const char *name)
{
    struct mw_conf_word word = {.text = mw_slice_cstr(name)};
    struct mw_buf tried = MW_BUF_INIT(0);
    char *path = mw_slice_find(word.text, '/') >= 0 ? NULL : find(plugins, &word, &tried);
    bool is_there = path != NULL;
    mw_buf_fini(&tried);
    free(path);
    return is_there;
}

/* ---- judging a descriptor ---- */

static bool is_host_directive(const char *name)
{
    return strcmp(name, "module") == 0 || strcmp(name, "on-error") == 0 ||
           strcmp(name, "deadline") == 0;
}

/* NULL if the setting can be put into a schema. */
static const char *setting_problem(const struct mw_setting *setting)
{
    if (setting->size < SETTING_SIZE_MIN)
        return "a setting's size field is wrong";
    if (setting->name == NULL || setting->name[0] == '\0')
        return "a setting has no name";
    if (is_host_directive(setting->name))
        return "a setting is named like one of mailweir's own (module, on-error, deadline)";
    if ((unsigned)setting->type > MW_SETTING_FILES)
        return "a setting has a type that this mailweir does not know";
    if (setting->type == MW_SETTING_CHOICE &&
        (setting->choices == NULL || setting->choices[0] == NULL))
        return "a choice setting has no choices";
    return NULL;
}

/* The i-th setting; the module's idea of their size decides how far apart they are. */
static const struct mw_setting *setting_at(const struct mw_filter *filter, size_t i)
{
    return (const void *)((const char *)filter->settings + i * filter->settings->size);
}

/* NULL if we can work with the descriptor. */
static const char *filter_problem(const struct mw_filter *filter)
{
    if (filter->size < FILTER_SIZE_MIN)
        return "its descriptor is too short: not built against <mailweir/filter.h>";
    if (filter->name == NULL || filter->name[0] == '\0')
        return "its descriptor has no name";
    if (filter->setting_count > 0 && filter->settings == NULL)
        return "it announces settings and has none";
    if (filter->setting_count > 1000)
        return "it announces more than 1000 settings";
    for (size_t i = 0; i < filter->setting_count; i++) {
        const char *problem = setting_problem(setting_at(filter, i));
        if (problem != NULL)
            return problem;
    }
    return NULL;
}

static bool check(const struct mw_filter *filter, const char *path, const struct mw_conf_word *word,
                  struct mw_diags *diags)
{
    if (filter == NULL) {
        mw_conf_error(diags, &word->pos, word->source_len,
                      "its own documentation says what it needs",
                      "module '%s' cannot work with this mailweir (ABI %d)", path, MAILWEIR_ABI);
        return false;
    }
    if (filter->abi != MAILWEIR_ABI) {
        mw_conf_error(diags, &word->pos, word->source_len,
                      "build it anew against this mailweir's <mailweir/filter.h>",
                      "module '%s' was built for filter ABI %u, this mailweir has %d", path,
                      filter->abi, MAILWEIR_ABI);
        return false;
    }
    const char *problem = filter_problem(filter);
    if (problem != NULL) {
        mw_conf_error(diags, &word->pos, word->source_len, NULL, "module '%s' cannot be used: %s",
                      path, problem);
        return false;
    }
    return true;
}

/* ---- loading ---- */

static struct mw_module *module_new(const struct mw_filter *filter, const char *path)
{
    struct mw_module *module = mw_xcalloc(1, sizeof *module);
    module->path = mw_xstrdup(path);
    memcpy(&module->filter, filter, filter->size < sizeof *filter ? filter->size : sizeof *filter);
    module->filter.size = sizeof *filter;
    if (filter->setting_count > 0)
        module->settings = mw_xcalloc(filter->setting_count, sizeof *module->settings);
    for (size_t i = 0; i < filter->setting_count; i++) {
        const struct mw_setting *setting = setting_at(filter, i);
        size_t size = setting->size < sizeof *setting ? setting->size : sizeof *setting;
        memcpy(&module->settings[i], setting, size);
    }
    module->filter.settings = module->settings;
    return module;
}

/* dlopen() and ask for the descriptor. NULL with a diagnostic. */
static const struct mw_filter *open_module(const char *path, const struct mw_conf_word *word,
                                           struct mw_diags *diags)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == NULL) {
        mw_conf_error(diags, &word->pos, word->source_len, NULL, "module '%s' cannot be loaded: %s",
                      path, dlerror());
        return NULL;
    }
    /* POSIX lets a symbol's address travel as void *; ISO C has no cast for it, hence the union. */
    union {
        void *symbol;
        mailweir_filter_fn *function;
    } entry = {.symbol = dlsym(library, "mailweir_filter")};
    if (entry.symbol == NULL) {
        mw_conf_error(
            diags, &word->pos, word->source_len,
            "a filter module defines MAILWEIR_EXPORT const struct mw_filter *mailweir_filter(...)",
            "module '%s' does not export mailweir_filter", path);
        return NULL;
    }
    const struct mw_filter *filter = entry.function(&mw_host_table);
    return check(filter, path, word, diags) ? filter : NULL;
}

/* `module NAME` must be the filter's own name: a renamed file would make logs and documentation
 * lie. */
static bool has_name(const struct mw_module *module, const struct mw_conf_word *word,
                     struct mw_diags *diags)
{
    struct mw_slice name = word->text;
    ptrdiff_t slash = mw_slice_rfind(name, '/');
    name = mw_slice_skip(name, (size_t)(slash + 1));
    if (slash >= 0 && mw_slice_iends(name, MW_LIT(".so")))
        name.len -= 3;
    if (mw_slice_eq(name, mw_slice_cstr(module->filter.name)))
        return true;
    mw_conf_error(diags, &word->pos, word->source_len, "the file's name must be the filter's name",
                  "module '%s' calls itself '%s'", module->path, module->filter.name);
    return false;
}

static const struct mw_module *cached(const struct mw_plugins *plugins, const char *path)
{
    for (const struct mw_module *module = plugins->modules; module != NULL; module = module->next) {
        if (strcmp(module->path, path) == 0)
            return module;
    }
    return NULL;
}

const struct mw_module *mw_plugins_load(struct mw_plugins *plugins, const struct mw_conf_word *word,
                                        struct mw_diags *diags)
{
    struct mw_buf tried = MW_BUF_INIT(0);
    char *path = find(plugins, word, &tried);
    if (path == NULL) {
        mw_buf_putc(&tried, '\0');
        mw_conf_error(diags, &word->pos, word->source_len, "is the filter's package installed?",
                      "there is no module '%s' (looked for %s)", word->text.ptr, tried.ptr);
        mw_buf_fini(&tried);
        return NULL;
    }
    mw_buf_fini(&tried);
    const struct mw_module *found = cached(plugins, path);
    if (found == NULL) {
        const struct mw_filter *filter = open_module(path, word, diags);
        if (filter != NULL) {
            struct mw_module *module = module_new(filter, path);
            module->next = plugins->modules;
            plugins->modules = module;
            found = module;
        }
    }
    free(path);
    return found != NULL && has_name(found, word, diags) ? found : NULL;
}
