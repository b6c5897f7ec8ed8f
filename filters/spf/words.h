/* words.h - what is said about a result: to the client, in the header, in the log.
 *
 * Pure. Whatever a peer or a domain chose goes through here as printable ASCII (in a field of an SMTPUTF8 message: UTF-8) and within bounds. */
#ifndef SPF_WORDS_H
#define SPF_WORDS_H

#include "policy.h"
#include "result.h"

enum {
    WORDS_REPLY_MAX =
        480, /* a reply line is at most 512 octets, code and line end included (RFC 5321 4.5.3.1.5) */
    WORDS_RECEIVED_MAX = 4000, /* a Received-SPF field */
    WORDS_REASON_MAX = 250
};

/* What a message came with. */
struct scene {
    const char *client; /* 16 octets */
    struct mw_slice sender, helo, receiver;
    bool is_utf8;
};

/* May it be `explanation`? False: *out_bad is the first octet that may not stand there. */
bool words_check_own(struct mw_slice text, size_t *out_bad);

/* A reply by RFC 7372. `out` has room for WORDS_REPLY_MAX. */
struct reply words_reply(const struct settings *settings, const struct scene *scene,
                         const struct finding *finding, enum action action,
                         char out[WORDS_REPLY_MAX]);

/* "mechanism -all of example.net", "two SPF records at example.net". */
struct mw_slice words_reason(const struct finding *finding, char out[WORDS_REASON_MAX]);
/* For Authentication-Results. `forwarder`: the domain that forwarded it; empty: none. */
void words_result(struct result *out, const struct scene *scene, const struct finding *finding,
                  struct mw_slice forwarder);
/* A Received-SPF field (RFC 7208 9.1), folded. */
struct mw_slice words_received(const struct scene *scene, const struct finding *finding,
                               char out[WORDS_RECEIVED_MAX]);

#endif
