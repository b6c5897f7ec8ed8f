/* walk.c - see walk.h. */
#include "walk.h"

/* RFC 9989 4.10 step 4: of a long name all labels but these go after the first question. */
enum { SHORTENED_LABELS = 7 };

size_t walk_names(struct mw_slice domain, struct mw_slice out[WALK_MAX])
{
    size_t labels = domain_labels(domain), count = 0;
    out[count++] = domain;
    size_t left = labels > SHORTENED_LABELS ? SHORTENED_LABELS : labels - 1;
    for (; left > 0; left--)
        out[count++] = domain_parent(domain, labels - left);
    return count;
}

/* A walk's answers in order, as far as it goes. */
struct path {
    struct answer *steps[WALK_MAX];
    size_t count;
};

/* Ask for what is not known, up to where the walk stops at the latest: "If a single record remains and it contains a psd=n or psd=y tag, stop". */
static enum walk_state gather(struct answers *answers, struct mw_slice domain, struct path *path)
{
    struct mw_slice names[WALK_MAX];
    size_t count = walk_names(domain, names);
    bool waits = false;
    for (size_t i = 0; i < count; i++) {
        struct answer *answer = answers_record(answers, names[i]);
        if (answer == NULL || answer->state == ANSWER_FAILED)
            return waits ? WALK_WAITS : WALK_FAILED;
        path->steps[path->count++] = answer;
        if (answer_waits(answer))
            waits = true;
        if (answer->state == ANSWER_FOUND && answer->record.psd != PSD_UNKNOWN)
            break;
    }
    return waits ? WALK_WAITS : WALK_DONE;
}

/* RFC 9989 4.10.2. The step with the shortest name that has a record; a psd= tag can only be in the last one. */
static const struct answer *top(const struct path *path)
{
    for (size_t i = path->count; i > 0; i--)
        if (path->steps[i - 1]->state == ANSWER_FOUND)
            return path->steps[i - 1];
    return NULL;
}

static struct mw_slice organization(const struct path *path, struct mw_slice domain)
{
    const struct answer *found = top(path);
    if (found == NULL)
        return domain; /* "the initial target domain is the Organizational Domain" */
    size_t labels = domain_labels(found->domain), all = domain_labels(domain);
    if (found->record.psd == PSD_YES && labels < all)
        labels++; /* "the domain one label below this one" */
    return domain_parent(domain, all - labels);
}

/* RFC 9989 4.10.1: of the domain itself, else of its organization, else of the public suffix above that. */
static const struct answer *policy(const struct path *path, struct mw_slice organization)
{
    if (path->steps[0]->state == ANSWER_FOUND)
        return path->steps[0];
    for (size_t i = 1; i < path->count; i++)
        if (path->steps[i]->state == ANSWER_FOUND && text_eq(path->steps[i]->domain, organization))
            return path->steps[i];
    return top(path);
}

enum walk_state walk_run(struct answers *answers, struct mw_slice domain, struct walk *out)
{
    struct path path = {.count = 0};
    enum walk_state state = gather(answers, domain, &path);
    if (state != WALK_DONE)
        return state;
    struct walk walk = {.organization = organization(&path, domain)};
    const struct answer *answer = policy(&path, walk.organization);
    if (answer != NULL) {
        walk.record = &answer->record;
        walk.record_domain = answer->domain;
    }
    for (size_t i = 0; i < path.count; i++)
        walk.has_several |= path.steps[i]->is_several;
    *out = walk;
    return WALK_DONE;
}
