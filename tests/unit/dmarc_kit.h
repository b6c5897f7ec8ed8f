/* dmarc_kit.h - a DNS of a few lines for tests of DMARC. */
#ifndef MW_TEST_DMARC_KIT_H
#define MW_TEST_DMARC_KIT_H

#include "align.h"
#include "test.h"

/* {"_dmarc.example.com", "v=DMARC1; p=none"}; the same name again: another record. A text of "A" or "MX": the name has such a record. NULL:
 * whatever is asked of the name fails. No line has a name, or one below it: it does not exist, and the DNS says so; not if there is a line "": the
 * servers never say that (RFC 9824). The last line's name is NULL. */
struct zone {
    const char *name, *text;
};
/* Answer what waits; returns how many questions that were. */
size_t zone_answer(struct answers *answers, const struct zone *zone);

/* Judge with a message's author domains and identifiers, names with blanks between: "dkim:example.net spf:example.com spf?example.org"
 * ('?': that lookup failed), "dkim?" (for which domain is not known). Returns how many questions were asked. */
struct play {
    struct answers answers;
    struct authors authors;
    struct identifiers identifiers;
    struct judgement judgement;
};
size_t play_judge(struct play *play, const struct zone *zone, const char *authors,
                  const char *identifiers);
/* The same of authors that the test has read itself. */
size_t play_authors(struct play *play, const struct zone *zone, const struct authors *authors,
                    const char *identifiers);
/* "fail reject example.com": result, policy, organization. */
const char *play_says(const struct play *play);

#endif
