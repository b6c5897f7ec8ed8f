/* author.c - see author.h. */
#include "author.h"

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

void authors_add(struct authors *authors, const struct mw_address *const *addresses, size_t count)
{
    if (++authors->fields > AUTHOR_FIELDS_MAX) {
        miss(authors, "too many From fields");
        return;
    }
    /* an entry without a domain ("Smith, John <j@example.net>" has one) names nobody whom DMARC could ask */
    for (size_t i = 0; i < count; i++)
        if (addresses[i]->domain.len > 0)
            add_domain(authors, addresses[i]->domain);
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
