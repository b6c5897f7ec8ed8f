/* author.c - see author.h. */
#include "author.h"

#include "from.h"

static void note(struct authors *authors, const char *problem)
{
    if (authors->problem == NULL)
        authors->problem = problem;
}

static void miss(struct authors *authors, const char *problem)
{
    authors->is_incomplete = true;
    note(authors, problem);
}

static bool has(const struct authors *authors, struct mw_slice domain)
{
    for (size_t i = 0; i < authors->count; i++)
        if (text_eq(authors->list[i].domain, domain))
            return true;
    return false;
}

static void add_domain(struct authors *authors, struct mw_slice text)
{
    char octets[DOMAIN_MAX + 1];
    if (authors->is_incomplete && authors->count == AUTHORS_MAX)
        return; /* nothing can change any more */
    if (!from_may_spell(&authors->spelled, text)) {
        miss(authors, "From has too many domains");
        return;
    }
    size_t len = domain_normalize(text, octets);
    if (len == 0) {
        miss(authors, "the domain of an address in From is none");
        return;
    }
    if (has(authors, SLICE(octets, len)))
        return;
    if (authors->count == AUTHORS_MAX) {
        miss(authors, "From has too many domains");
        return;
    }
    struct author *author = &authors->list[authors->count++];
    memcpy(author->octets, octets, len);
    author->domain = SLICE(author->octets, len);
}

/* ---- what programs read in different ways ---- */

/* NULL: there is one way to read it. A local part with an '@' stands for "a@b@c", too, where some take the first '@' and some the last one.
 * 8-bit octets that are no UTF-8 are of whatever charset a program likes (RFC 6532 3.2). */
static const char *find_doubt(const struct mw_address *address, bool is_utf8)
{
    if (address->domain.len == 0)
        return text_find(address->name, '@') < 0 ? NULL : "a name in From holds an address";
    if (text_find(address->local, '@') >= 0)
        return "an address in From has more than one '@'";
    if (!is_utf8 && !from_is_ascii(address->domain))
        return "a domain in From is not UTF-8";
    return NULL;
}

/* ---- fields ---- */

static void found(void *user, struct mw_slice domain)
{
    add_domain(user, domain);
}

void authors_add(struct authors *authors, struct mw_slice value,
                 const struct mw_address *const *addresses, size_t count)
{
    if (++authors->fields > AUTHOR_FIELDS_MAX) {
        miss(authors, "too many From fields");
        return;
    }
    bool is_utf8 = text_utf8_len(value) == value.len;
    const char *problem = from_problem(value, found, authors);
    if (problem != NULL)
        miss(authors, problem);
    if (count >= AUTHOR_ENTRIES_MAX)
        miss(authors, "From has too many addresses");
    for (size_t i = 0; i < count; i++) {
        const char *doubt = find_doubt(addresses[i], is_utf8);
        if (doubt != NULL)
            miss(authors, doubt);
        /* an entry without a domain ("Smith, John <j@example.net>" has one) names nobody whom DMARC could ask */
        if (addresses[i]->domain.len > 0)
            add_domain(authors, addresses[i]->domain);
    }
}

void authors_add_other(struct authors *authors, struct mw_slice value)
{
    if (from_is_hidden_in(value))
        miss(authors, "another From field is hidden in a field");
}

void authors_close(struct authors *authors)
{
    if (authors->fields == 0)
        miss(authors, "there is no From field");
    else if (authors->count == 0)
        miss(authors, "From has no address with a domain");
    else if (authors->fields > 1)
        note(authors, "there is more than one From field");
    else if (authors->count > 1)
        note(authors, "From has more than one domain");
}
